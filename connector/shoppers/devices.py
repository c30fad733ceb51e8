"""A shopper's devices: browsers that are told as well, signed up from the page of somebody known by mail or SMS.

A browser's address says nothing of whose it is. So that whoever leaves or is erased takes the devices along, the
subscription a device was signed up from keeps their numbers (`push_keys["devices"]`), and a device the number of that
subscription (`push_keys["of"]`): while it is open the two are one person, with one place and one invitation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.ports.errors import PortError, Rejected
from connector.positions.topics import SHOPPERS
from connector.shoppers.media import ways
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.tables import Subscription

_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]

OPEN = ("unconfirmed", "waiting", "invited")
MOST_DEVICES = 5
_KNOWN_BY = ("email", "sms")

Told = Literal["on", "gone", "refused", "too_many"]


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser gives at its subscription, the keys in base64url."""

    endpoint: str
    p256dh: str
    auth: str


def of_person(merchant_id: int, address_key: str) -> sa.ColumnElement[bool]:
    """The subscriptions of an address and of the devices that were signed up from them."""
    mine = _SUBSCRIPTION.alias()
    numbers = sa.func.jsonb_array_elements_text(sa.cast(mine.c.push_keys, JSONB)["devices"])
    devices = sa.select(sa.cast(numbers, sa.BigInteger)).where(
        mine.c.merchant_id == merchant_id, mine.c.address_key == address_key
    )
    return sa.or_(_SUBSCRIPTION.c.address_key == address_key, _SUBSCRIPTION.c.id.in_(devices))


def stands_alone() -> sa.ColumnElement[bool]:
    """Whether a subscription has a place of its own: it is no device of somebody who waits or is being told."""
    owner = _SUBSCRIPTION.alias()
    return sa.or_(
        _SUBSCRIPTION.c.channel != "push",
        sa.not_(
            sa.exists().where(
                owner.c.merchant_id == _SUBSCRIPTION.c.merchant_id,
                owner.c.id == _owner(_SUBSCRIPTION),
                owner.c.status.in_(("waiting", "invited")),
            )
        ),
    )


def waiting_with(
    db: sa.Connection, merchant_id: int, subscription_ids: Sequence[int]
) -> dict[int, list[int]]:
    """The devices that wait with these subscriptions, by the subscription they are told with."""
    found: dict[int, list[int]] = {}
    rows = db.execute(
        sa.select(_SUBSCRIPTION.c.id, _owner(_SUBSCRIPTION).label("owner")).where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.channel == "push",
            _SUBSCRIPTION.c.status == "waiting",
            _owner(_SUBSCRIPTION) == sa.any_(sa.literal(list(subscription_ids), ARRAY(sa.BigInteger))),
        )
    )
    for row in rows:
        found.setdefault(row.owner, []).append(row.id)
    return found


def leave_with(db: sa.Connection, merchant_id: int, owners: Sequence[int], by: str, now: datetime) -> None:
    """End the open devices of subscriptions whose address is forgotten: nobody could find them by it any more."""
    db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.channel == "push",
            _SUBSCRIPTION.c.status.in_(OPEN),
            _owner(_SUBSCRIPTION) == sa.any_(sa.literal(list(owners), ARRAY(sa.BigInteger))),
        )
        .values(status="ended", ended_at=now, ended_by=by, address="", address_key="", push_keys={})
    )


def _owner(table: Any) -> sa.ColumnElement[int]:
    return sa.cast(table.c.push_keys["of"].astext, sa.BigInteger)


def sender_key(rt: ShopperRuntime, merchant_id: int) -> tuple[int, str] | None:
    """The merchant's own web push, as its connection and the key that browsers ask for; None where there is none, or
    none that works."""
    with rt.engine.connect() as db:
        own = ways(db, merchant_id, "push")
    if not own:
        return None
    try:
        return own[0], str(rt.channel(merchant_id, own[0]).public_key)
    except PortError:
        return None  # its settings are shown to the merchant; a shopper is offered nothing


def add_device(
    rt: ShopperRuntime,
    merchant_id: int,
    subscription_id: int,
    browser: Browser,
    consent_text: str,
    consent_version: str,
) -> Told:
    """Tell this browser as well of what a confirmed subscription waits for; repeating it changes nothing.

    The browser asked its owner for permission, so that nothing is to be confirmed. "gone": nobody waits for it any
    more, or push is not set up; "refused": no browser's address or keys; "too_many": five wait already.
    """
    sender = sender_key(rt, merchant_id)
    if sender is None:
        return "gone"
    try:
        rt.channel(merchant_id, sender[0]).check_browser(browser.endpoint, browser.p256dh, browser.auth)
    except Rejected:
        return "refused"
    now = rt.now()
    with transaction(rt.engine) as db:
        row = _known(db, merchant_id, subscription_id)
        if row is None or row.status not in ("waiting", "invited"):
            return "gone"
        devices = _devices(row)
        waiting = db.scalar(
            sa.select(sa.func.count()).where(
                _SUBSCRIPTION.c.merchant_id == merchant_id,
                _SUBSCRIPTION.c.id.in_(devices),
                _SUBSCRIPTION.c.status.in_(OPEN),
                _SUBSCRIPTION.c.address != browser.endpoint,
            )
        )
        if (waiting or 0) >= MOST_DEVICES:
            return "too_many"
        made = db.scalar(
            insert(_SUBSCRIPTION)
            .values(
                merchant_id=merchant_id,
                variant_id=row.variant_id,
                connection_id=row.connection_id,
                channel="push",
                address=browser.endpoint,
                address_key=browser.endpoint,
                push_keys={"p256dh": browser.p256dh, "auth": browser.auth, "of": subscription_id},
                locale=row.locale,
                wanted_units=row.wanted_units,
                status="waiting",
                consent_text=consent_text,
                consent_version=consent_version,
                any_of=row.any_of,
                priority=row.priority,
                time_zone=row.time_zone,
                shown_on=row.shown_on,
                created_at=now,
                confirmed_at=now,
            )
            .on_conflict_do_nothing()
            .returning(_SUBSCRIPTION.c.id)
        )
        if made is not None:
            db.execute(
                sa.update(_SUBSCRIPTION)
                .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == subscription_id)
                .values(push_keys={**row.push_keys, "devices": [*devices, made]})
            )
            enqueue(db, merchant_id, [Intent(SHOPPERS, str(row.variant_id))])
    return "on"


def end_device(rt: ShopperRuntime, merchant_id: int, subscription_id: int, endpoint: str) -> bool:
    """Stop telling this browser, which was signed up from that subscription; False where it was not."""
    with transaction(rt.engine) as db:
        row = _known(db, merchant_id, subscription_id)
        if row is None:
            return False
        ended = db.execute(
            sa.update(_SUBSCRIPTION)
            .where(
                _SUBSCRIPTION.c.merchant_id == merchant_id,
                _SUBSCRIPTION.c.id.in_(_devices(row)),
                _SUBSCRIPTION.c.address == endpoint,
                _SUBSCRIPTION.c.status.in_(OPEN),
            )
            .values(status="ended", ended_at=rt.now(), ended_by="shopper")
        )
    return ended.rowcount > 0


def _known(db: sa.Connection, merchant_id: int, subscription_id: int) -> Any:
    return db.execute(
        sa.select(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.id == subscription_id,
            _SUBSCRIPTION.c.channel.in_(_KNOWN_BY),
        )
        .with_for_update()
    ).one_or_none()


def _devices(row: Any) -> list[int]:
    return [int(number) for number in row.push_keys.get("devices", ())]
