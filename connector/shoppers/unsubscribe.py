"""A shopper leaves: one subscription, all of a shop, or for good; and what they see of their own.

Whoever holds a signed link from a message acts for the address that the message went to, and for
nobody else. Every function may be called again without harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from connector.accounts.tables import Merchant
from connector.catalog.tables import Listing
from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.positions.topics import SHOPPERS
from connector.shoppers import addresses
from connector.shoppers.devices import of_person
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import stock_of
from connector.shoppers.subscribe import MOST_WANTED_UNITS
from connector.shoppers.tables import Episode, Subscription

_MERCHANT = Merchant.__table__  # type: ignore[attr-defined]
_LISTING = Listing.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_EPISODE = Episode.__table__  # type: ignore[attr-defined]

OPEN = ("unconfirmed", "waiting", "invited")


@dataclass(frozen=True, slots=True)
class Person:
    """Who a link speaks for. `address_key` is "" once the address was erased."""

    merchant_id: int
    subscription_id: int
    address: str
    address_key: str
    locale: str
    status: str
    seller: str
    title: str
    url: str
    channel: str = "email"
    wanted_units: int = 1
    is_any: bool = False
    marketing_text: str = ""


@dataclass(frozen=True, slots=True)
class OwnSubscription:
    """One line of what a shopper sees of themselves."""

    subscription_id: int
    title: str
    status: str
    created_at: datetime
    wanted_units: int = 1
    is_any: bool = False
    wants_marketing: bool = False
    is_device: bool = False

    @property
    def can_change(self) -> bool:
        """Whether the number of units may still be changed: not once an invitation counts on it."""
        return self.status in ("unconfirmed", "waiting")

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


def find_person(
    db: sa.Connection, merchant_id: int, subscription_id: int, variant_id: int = 0
) -> Person | None:
    """The owner of one subscription, with the title and the address of what it waits for (or of `variant_id`);
    None when it is gone."""
    row = db.execute(
        sa.select(_SUBSCRIPTION, _MERCHANT.c.name, _MERCHANT.c.sender_name)
        .join_from(_SUBSCRIPTION, _MERCHANT, _MERCHANT.c.id == _SUBSCRIPTION.c.merchant_id)
        .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == subscription_id)
    ).one_or_none()
    if row is None:
        return None
    listing = db.execute(
        sa.select(_LISTING.c.title, _LISTING.c.url)
        .where(
            _LISTING.c.merchant_id == merchant_id,
            _LISTING.c.connection_id == row.connection_id,
            _LISTING.c.variant_id == (variant_id or row.variant_id),
        )
        .order_by(_LISTING.c.id)
        .limit(1)
    ).one_or_none()
    return Person(
        merchant_id=merchant_id,
        subscription_id=subscription_id,
        address=row.address,
        address_key=row.address_key if row.address else "",
        locale=row.locale,
        status=row.status,
        seller=row.sender_name or row.name,
        title=listing.title if listing else "",
        url=listing.url if listing else "",
        channel=row.channel,
        wanted_units=row.wanted_units,
        is_any=bool(row.any_of),
        # Without the version that is kept before it.
        marketing_text=row.marketing_text.partition(": ")[2] if row.wants_marketing else "",
    )


def wait_again(rt: ShopperRuntime, person: Person) -> bool:
    """Somebody who was told, and came when nothing was left, waits again in the old place. False: they wait already,
    or left."""
    with transaction(rt.engine) as db:
        is_there = (_SUBSCRIPTION.c.merchant_id == person.merchant_id) & (
            _SUBSCRIPTION.c.id == person.subscription_id
        )
        row = db.execute(sa.select(_SUBSCRIPTION).where(is_there).with_for_update()).one_or_none()
        if row is None or row.status not in ("invited", "fulfilled") or not row.address_key:
            return False
        others = sa.select(sa.literal(1)).where(
            _SUBSCRIPTION.c.merchant_id == row.merchant_id,
            _SUBSCRIPTION.c.variant_id == row.variant_id,
            _SUBSCRIPTION.c.channel == row.channel,
            _SUBSCRIPTION.c.address_key == row.address_key,
            _SUBSCRIPTION.c.status.in_(OPEN),
            _SUBSCRIPTION.c.id != row.id,
        )
        if db.execute(others).first() is not None:
            return False
        now = rt.now()
        values: dict[str, object] = {"status": "waiting"}
        if row.asked_again_at is not None:
            # This is as good an answer as the other button's: the twelve months begin anew.
            values |= {"confirmed_at": now, "asked_again_at": None}
        db.execute(sa.update(_SUBSCRIPTION).where(is_there).values(**values))
        if stock_of(db, row.merchant_id, row.variant_id).free_units == 0:
            # The restock after this one is another episode, even if nobody looked in between.
            db.execute(
                sa.update(_EPISODE)
                .where(
                    _EPISODE.c.merchant_id == row.merchant_id,
                    _EPISODE.c.variant_id == row.variant_id,
                    _EPISODE.c.closed_at.is_(None),
                )
                .values(closed_at=now, closed_by="sold out")
            )
        enqueue(db, person.merchant_id, [Intent(SHOPPERS, str(row.variant_id))])
    return True


def own_subscriptions(db: sa.Connection, person: Person) -> list[OwnSubscription]:
    """Everything this address asked for at this merchant, newest first; empty after an erasure."""
    if not person.address_key:
        return []
    title = (
        sa.select(_LISTING.c.title)
        .where(
            _LISTING.c.merchant_id == _SUBSCRIPTION.c.merchant_id,
            _LISTING.c.connection_id == _SUBSCRIPTION.c.connection_id,
            _LISTING.c.variant_id == _SUBSCRIPTION.c.variant_id,
        )
        .order_by(_LISTING.c.id)
        .limit(1)
        .scalar_subquery()
    )
    rows = db.execute(
        sa.select(
            _SUBSCRIPTION.c.id,
            title.label("title"),
            _SUBSCRIPTION.c.status,
            _SUBSCRIPTION.c.created_at,
            _SUBSCRIPTION.c.wanted_units,
            (_SUBSCRIPTION.c.any_of != "").label("is_any"),
            _SUBSCRIPTION.c.wants_marketing,
            (_SUBSCRIPTION.c.channel == "push").label("is_device"),
        )
        .where(
            _SUBSCRIPTION.c.merchant_id == person.merchant_id,
            of_person(person.merchant_id, person.address_key),
        )
        .order_by(_SUBSCRIPTION.c.id.desc())
    )
    return [
        OwnSubscription(
            subscription_id=row.id,
            title=row.title or "",
            status=row.status,
            created_at=row.created_at,
            wanted_units=row.wanted_units,
            is_any=row.is_any,
            wants_marketing=row.wants_marketing,
            is_device=row.is_device,
        )
        for row in rows
    ]


def change_units(rt: ShopperRuntime, person: Person, subscription_id: int, units: int) -> bool:
    """Want another number of units (brought into 1…99) with one of this person's own; the place in the queue stays.
    False where it is somebody else's, has ended, or its invitation is on its way."""
    if not person.address_key:
        return False
    with transaction(rt.engine) as db:
        changed = db.execute(
            sa.update(_SUBSCRIPTION)
            .where(
                _SUBSCRIPTION.c.merchant_id == person.merchant_id,
                _SUBSCRIPTION.c.address_key == person.address_key,
                _SUBSCRIPTION.c.id == subscription_id,
                _SUBSCRIPTION.c.status.in_(("unconfirmed", "waiting")),
            )
            .values(wanted_units=min(max(units, 1), MOST_WANTED_UNITS))
        )
    return changed.rowcount > 0


def end_marketing(rt: ShopperRuntime, person: Person) -> int:
    """Take back the consent to offers and news; the number of subscriptions it was given with. Alerts go on."""
    if not person.address_key:
        return 0
    with transaction(rt.engine) as db:
        changed = db.execute(
            sa.update(_SUBSCRIPTION)
            .where(
                _SUBSCRIPTION.c.merchant_id == person.merchant_id,
                _SUBSCRIPTION.c.address_key == person.address_key,
                _SUBSCRIPTION.c.wants_marketing,
            )
            .values(wants_marketing=False)
        )
    return changed.rowcount


def leave_one(rt: ShopperRuntime, person: Person, subscription_id: int) -> int:
    """End one open subscription of this person's own; the number ended (0 for anybody else's)."""
    return _leave(rt, person, _SUBSCRIPTION.c.id == subscription_id)


def leave_all(rt: ShopperRuntime, person: Person) -> int:
    """End every open subscription of this address at this merchant; the number ended.

    This is what the mail program's own button does: somebody who presses it after the message came has
    nothing else to end, and means the shop. They may sign up again, and confirm again.
    """
    return _leave(rt, person, sa.true())


def leave_for_good(rt: ShopperRuntime, person: Person) -> int:
    """As `leave_all`, and this merchant never writes to the address again, whoever types it."""
    if person.address_key:
        with transaction(rt.engine) as db:
            addresses.suppress(db, rt.keyring, person.merchant_id, person.address_key, "asked", rt.now())
    return leave_all(rt, person)


def _leave(rt: ShopperRuntime, person: Person, which: sa.ColumnElement[bool]) -> int:
    if not person.address_key:
        return 0
    with transaction(rt.engine) as db:
        ids = list(
            db.scalars(
                sa.select(_SUBSCRIPTION.c.id)
                .where(
                    _SUBSCRIPTION.c.merchant_id == person.merchant_id,
                    of_person(person.merchant_id, person.address_key),
                    _SUBSCRIPTION.c.status.in_(OPEN),
                    which,
                )
                .order_by(_SUBSCRIPTION.c.id)
                .with_for_update()
            )
        )
        db.execute(
            sa.update(_SUBSCRIPTION)
            .where(_SUBSCRIPTION.c.merchant_id == person.merchant_id, _SUBSCRIPTION.c.id.in_(ids))
            .values(status="ended", ended_at=rt.now(), ended_by="shopper")
        )
    return len(ids)
