"""Ties orders to the invitations they came of, by the mark of a followed link or by the customer's own address.

Only people who were invited for that very variant in the last 14 days are looked at. The address of an order is
compared as a keyed digest with theirs and dropped: nothing is kept of anybody who did not subscribe, and an order with
neither our mark nor an invited address is nobody's. The same order again changes nothing; what was cancelled or
refunded takes its claim back.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.crypto import Keyring
from connector.db import transaction
from connector.ports.stores import StoreOrder
from connector.shoppers import claims
from connector.shoppers.addresses import AddressInvalid, normalise
from connector.shoppers.marks import marks

LASTS = timedelta(days=14)
"""So long after an invitation an order may be said to have come of it."""
CLOCKS = timedelta(minutes=2)
"""How far the store's clock may be behind ours."""

_NEWER = sa.text("""
select external_id, updated_at from store_order
 where merchant_id = :m and connection_id = :c and external_id = any(:orders)
""")
_VARIANTS = sa.text("""
select distinct external_id, variant_id from listing
 where merchant_id = :m and connection_id = :c and external_id = any(:items) and variant_id is not null
""")
_CLAIMED = sa.text("""
select i.id, i.variant_id, i.order_id, i.order_units, i.order_minor, i.order_currency from invitation i
  join subscription s on s.merchant_id = i.merchant_id and s.id = i.subscription_id
 where i.merchant_id = :m and i.order_id <> '' and i.order_id = any(:orders) and s.connection_id = :c
""")
# Only who can be meant: the mark is in a link that was followed, and an address is looked for by a digest of this one
# statement. A hot product has a hundred thousand invitations, and an order is told every second.
_INVITED = sa.text("""
select i.id, i.variant_id, i.created_at, i.order_id, s.channel, s.address_key from invitation i
  join subscription s on s.merchant_id = i.merchant_id and s.id = i.subscription_id
  join message g on g.merchant_id = i.merchant_id and g.invitation_id = i.id
 where i.merchant_id = :m and i.variant_id = any(:variants) and i.created_at > :since
   and s.connection_id = :c and g.status in ('sending', 'sent', 'unknown')
   and ((:has_marks and i.clicked_at is not null)
     or (s.channel = 'email' and s.address_key <> ''
         and encode(sha256(convert_to(:salt || s.address_key, 'UTF8')), 'hex') = any(:contacts)))
 order by i.id desc
""")


@dataclass(frozen=True, slots=True)
class Bought:
    """What one order holds of one variant now; `units` 0: nothing any more."""

    order: StoreOrder
    variant_id: int
    units: int
    value_minor: int


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one invitation: claimed by `bought`, corrected, or released (`bought.units` 0)."""

    invitation_id: int
    is_new: bool
    bought: Bought


def take_orders(
    engine: sa.Engine,
    keyring: Keyring,
    merchant_id: int,
    connection_id: int,
    orders: Sequence[StoreOrder],
) -> int:
    """As `settle`, in a transaction of its own: who records orders holds locks that claims must not wait for."""
    with transaction(engine) as db:
        return settle(db, keyring, merchant_id, connection_id, orders)


def settle(
    db: sa.Connection, keyring: Keyring, merchant_id: int, connection_id: int, orders: Sequence[StoreOrder]
) -> int:
    """Claim, correct and release what these orders, already recorded, say; the number of invitations changed.

    An older version of an order than the one recorded says nothing.
    """
    if not orders:
        return 0
    named: dict[str, Any] = {"m": merchant_id, "c": connection_id}
    order_ids = sorted({order.order_id for order in orders})
    recorded = {row.external_id: row.updated_at for row in db.execute(_NEWER, {**named, "orders": order_ids})}
    fresh = [one for one in orders if one.updated_at >= recorded.get(one.order_id, one.updated_at)]
    items = sorted({line.external_id for order in fresh for line in order.lines})
    variant_of = {row.external_id: row.variant_id for row in db.execute(_VARIANTS, {**named, "items": items})}
    claimed = {
        (row.order_id, row.variant_id): row for row in db.execute(_CLAIMED, {**named, "orders": order_ids})
    }
    changes: dict[int, Change] = {}
    hopeful: list[Bought] = []
    # Of several versions of one order the last one speaks.
    latest = {order.order_id: order for order in sorted(fresh, key=lambda one: one.updated_at)}
    for order in latest.values():
        bought = bought_of(order, variant_of)
        for one in bought.values():
            if (
                one.units
                and (order.contact or order.click_mark)
                and (order.order_id, one.variant_id) not in claimed
            ):
                hopeful.append(one)
        for (order_id, variant_id), row in claimed.items():
            if order_id == order.order_id:
                now = bought.get(variant_id, Bought(order, variant_id, 0, 0))
                said = (now.units, now.value_minor, order.currency)
                if said != (row.order_units, row.order_minor, row.order_currency):
                    changes[row.id] = Change(row.id, False, now)
    if hopeful:
        since = min(one.order.placed_at for one in hopeful) - LASTS
        variants = sorted({one.variant_id for one in hopeful})
        salt = secrets.token_hex(16)
        orders_of = [one.order for one in hopeful]
        asked = {
            "variants": variants,
            "since": since,
            "has_marks": any(order.click_mark for order in orders_of),
            "salt": salt,
            "contacts": sorted({_salted(salt, order.contact) for order in orders_of} - {""}),
        }
        invited = db.execute(_INVITED, {**named, **asked}).all()
        for change in matches(keyring, merchant_id, hopeful, invited):
            changes.setdefault(change.invitation_id, change)
    # By number, as everybody who writes several invitations does it.
    for _, change in sorted(changes.items()):
        _carry_out(db, merchant_id, change)
    return len(changes)


def bought_of(order: StoreOrder, variant_of: dict[str, int]) -> dict[int, Bought]:
    """What an order holds of each variant we know, several lines of one together; units that the order does not hold
    (unpaid, cancelled) count as none (pure)."""
    found: dict[int, Bought] = {}
    for line in order.lines:
        variant_id = variant_of.get(line.external_id)
        if variant_id is None:
            continue
        before = found.get(variant_id, Bought(order, variant_id, 0, 0))
        units, value = (line.units, line.value_minor or 0) if order.holds_stock else (0, 0)
        found[variant_id] = Bought(order, variant_id, before.units + units, before.value_minor + value)
    return found


def matches(
    keyring: Keyring, merchant_id: int, bought: Iterable[Bought], invited: Sequence[Any]
) -> Iterator[Change]:
    """The invitation each of these came of, if any. `invited` is newest first, each with id, variant_id, created_at,
    order_id, channel and address_key. The mark goes before the address; the newest invitation before the order is
    the one, and when another order has claimed that, none is (pure)."""
    by_mark: dict[tuple[int, str], list[Any]] = {}
    by_contact: dict[tuple[int, str], list[Any]] = {}
    for row in invited:
        for mark in marks(keyring, merchant_id, row.id):
            by_mark.setdefault((row.variant_id, mark), []).append(row)
        if row.channel == "email" and row.address_key:
            by_contact.setdefault(
                (row.variant_id, _digest(keyring, merchant_id, row.address_key)), []
            ).append(row)
    taken: set[int] = set()
    for one in sorted(bought, key=lambda found: (found.order.placed_at, found.order.order_id)):
        rows = by_mark.get((one.variant_id, one.order.click_mark), []) if one.order.click_mark else []
        rows = rows or by_contact.get((one.variant_id, _contact(keyring, merchant_id, one.order)), [])
        row = next((row for row in rows if _in_time(row.created_at, one.order.placed_at)), None)
        if row is not None and not row.order_id and row.id not in taken:
            taken.add(row.id)
            yield Change(row.id, True, one)


def _salted(salt: str, contact: str) -> str:
    """What an order's address is looked for by in the database, "" without one that could be."""
    try:
        return hashlib.sha256(f"{salt}{normalise(contact)[1]}".encode()).hexdigest()
    except AddressInvalid:
        return ""


def _in_time(invited_at: datetime, placed_at: datetime) -> bool:
    return invited_at - CLOCKS <= placed_at <= invited_at + LASTS


def _contact(keyring: Keyring, merchant_id: int, order: StoreOrder) -> str:
    """What the order's address is compared by, "" without one that could be."""
    try:
        _, key = normalise(order.contact)
    except AddressInvalid:
        return ""
    return _digest(keyring, merchant_id, key)


def _digest(keyring: Keyring, merchant_id: int, address_key: str) -> str:
    return keyring.digests("order contact", f"{merchant_id} {address_key}")[0]


def _carry_out(db: sa.Connection, merchant_id: int, change: Change) -> None:
    one = change.bought
    if change.is_new:
        claims.claim(
            db,
            merchant_id,
            change.invitation_id,
            order_id=one.order.order_id,
            units=one.units,
            amount_minor=one.value_minor,
            currency=one.order.currency,
            at=one.order.placed_at,
        )
    elif one.units:
        claims.correct(
            db,
            merchant_id,
            change.invitation_id,
            units=one.units,
            amount_minor=one.value_minor,
            currency=one.order.currency,
        )
    else:
        claims.release(db, merchant_id, change.invitation_id)
