"""A shopper asks to be told: sign up, confirm, and what leaves again when nobody confirms.

The answer to a sign-up is the same whether the address is new, known, waiting, suppressed or was caught
by the honeypot: the page never tells who is on the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connector.accounts.tables import Connection, Merchant
from connector.catalog.tables import Listing
from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.positions.tables import Position
from connector.positions.topics import SHOPPERS
from connector.shoppers import addresses
from connector.shoppers.messages import write_message
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import BUYABLE
from connector.shoppers.tables import Message, Subscription

_MERCHANT = Merchant.__table__  # type: ignore[attr-defined]
_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_LISTING = Listing.__table__  # type: ignore[attr-defined]
_POSITION = Position.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

UNCONFIRMED_LASTS = timedelta(days=7)
WAITING_LASTS = timedelta(days=365)
MOST_WANTED_UNITS = 99
CONFIRMATION_AGAIN_AFTER = timedelta(hours=1)
MOST_CONFIRMATIONS = 3
MOST_CONFIRMATIONS_PER_ADDRESS_AND_DAY = 10

Answer = Literal["check_mail", "in_stock", "discontinued"]


class UnknownListing(LookupError):
    """There is no such store, or it sells no such item that Dispo knows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands who signs up: one listing of one store."""

    merchant_id: int
    connection_id: int
    variant_id: int
    seller: str
    url: str
    is_buyable: bool
    is_discontinued: bool


def find_place(db: sa.Connection, public_key: str, external_id: str) -> Place:
    """The listing behind a store's public key and the store's own id of the item.

    Raises UnknownListing. `is_buyable`: our position says that it may be bought and the store's own
    number does not say otherwise; without a position the store's number alone decides.
    """
    if "\0" in public_key + external_id:  # PostgreSQL has no such text
        raise UnknownListing("There is no such store or item.")
    row = db.execute(
        sa.select(
            _LISTING.c.merchant_id,
            _LISTING.c.connection_id,
            _LISTING.c.variant_id,
            _MERCHANT.c.name,
            _MERCHANT.c.sender_name,
            _LISTING.c.url,
            _LISTING.c.confirmed_available,
            _POSITION.c.available,
            _POSITION.c.state,
        )
        .select_from(
            _CONNECTION.join(
                _LISTING,
                (_LISTING.c.merchant_id == _CONNECTION.c.merchant_id)
                & (_LISTING.c.connection_id == _CONNECTION.c.id),
            )
            .join(_MERCHANT, _MERCHANT.c.id == _CONNECTION.c.merchant_id)
            .outerjoin(
                _POSITION,
                (_POSITION.c.merchant_id == _LISTING.c.merchant_id)
                & (_POSITION.c.variant_id == _LISTING.c.variant_id),
            )
        )
        .where(
            _CONNECTION.c.public_key == public_key,
            _CONNECTION.c.status != "ended",
            _LISTING.c.external_id == external_id,
            _LISTING.c.variant_id.is_not(None),
            sa.not_(_LISTING.c.is_gone),
        )
        .order_by(_LISTING.c.confirmed_available.desc().nulls_last(), _LISTING.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        raise UnknownListing("There is no such store or item.")
    shown = row.confirmed_available
    if row.state is None:
        is_buyable = (shown or 0) > 0
    elif row.state in BUYABLE and row.state not in ("in_stock", "low_stock"):
        is_buyable = True
    else:
        is_buyable = (row.available or 0) > 0 and (shown is None or shown > 0)
    return Place(
        merchant_id=row.merchant_id,
        connection_id=row.connection_id,
        variant_id=row.variant_id,
        seller=row.sender_name or row.name,
        url=row.url,
        is_buyable=is_buyable,
        is_discontinued=row.state == "discontinued",
    )


def subscribe(
    rt: ShopperRuntime,
    place: Place,
    *,
    address: str,
    locale: str,
    wanted_units: int = 1,
    consent_text: str,
    consent_version: str,
    honeypot: str = "",
) -> Answer:
    """Put `address` on the list of `place`'s variant, to be confirmed by mail.

    Repeating it leaves one row and sends no second mail for an hour (three mails at most). "in_stock"
    and "discontinued": nothing was stored, because there is nothing to wait for. Raises AddressInvalid.
    `wanted_units` is brought into 1…99. Rate limits are the caller's, who knows the client.
    """
    to, key = addresses.normalise(address)
    if place.is_discontinued:
        return "discontinued"
    if place.is_buyable:
        return "in_stock"
    if honeypot:
        return "check_mail"
    now = rt.now()
    with transaction(rt.engine) as db:
        # One address at a time, so that the counts below hold when thousands post it at once.
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, place.merchant_id))))
        if addresses.is_suppressed(db, rt.keyring, place.merchant_id, key):
            return "check_mail"
        _free_the_place(db, place, key, now)
        subscription_id = db.scalar(
            insert(_SUBSCRIPTION)
            .values(
                merchant_id=place.merchant_id,
                variant_id=place.variant_id,
                connection_id=place.connection_id,
                channel="email",
                address=to,
                address_key=key,
                locale=locale,
                wanted_units=min(max(wanted_units, 1), MOST_WANTED_UNITS),
                consent_text=consent_text,
                consent_version=consent_version,
                created_at=now,
            )
            .on_conflict_do_nothing()
            .returning(_SUBSCRIPTION.c.id)
        )
        if subscription_id is None:
            subscription_id = _may_be_asked_again(db, place, key, now)
        if subscription_id is not None and _has_quota(db, place.merchant_id, key, now):
            intent = write_message(rt, db, place.merchant_id, subscription_id, "confirm")
            enqueue(db, place.merchant_id, [intent])
    return "check_mail"


def _free_the_place(db: sa.Connection, place: Place, key: str, now: datetime) -> None:
    """Close an invitation of the past that nothing can come of any more, so that this person can wait
    again: its message failed, was skipped or has an unknown fate, and the item is sold out."""
    unsettled = sa.exists().where(
        _MESSAGE.c.merchant_id == _SUBSCRIPTION.c.merchant_id,
        _MESSAGE.c.subscription_id == _SUBSCRIPTION.c.id,
        _MESSAGE.c.status.in_(("waiting", "sending")),
    )
    db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == place.merchant_id,
            _SUBSCRIPTION.c.variant_id == place.variant_id,
            _SUBSCRIPTION.c.channel == "email",
            _SUBSCRIPTION.c.address_key == key,
            _SUBSCRIPTION.c.status == "invited",
            sa.not_(unsettled),
        )
        .values(status="ended", ended_at=now, ended_by="signed up again")
    )


def _may_be_asked_again(db: sa.Connection, place: Place, key: str, now: datetime) -> int | None:
    """The unconfirmed subscription whose confirmation may be sent once more, else None."""
    row = db.execute(
        sa.select(_SUBSCRIPTION.c.id).where(
            _SUBSCRIPTION.c.merchant_id == place.merchant_id,
            _SUBSCRIPTION.c.variant_id == place.variant_id,
            _SUBSCRIPTION.c.channel == "email",
            _SUBSCRIPTION.c.address_key == key,
            _SUBSCRIPTION.c.status == "unconfirmed",
        )
    ).one_or_none()
    if row is None:
        return None
    sent = db.execute(
        sa.select(sa.func.count().label("many"), sa.func.max(_MESSAGE.c.created_at).label("last")).where(
            _MESSAGE.c.merchant_id == place.merchant_id,
            _MESSAGE.c.subscription_id == row.id,
            _MESSAGE.c.kind == "confirm",
        )
    ).one()
    if sent.many >= MOST_CONFIRMATIONS or (sent.last and sent.last > now - CONFIRMATION_AGAIN_AFTER):
        return None
    return int(row.id)


def _has_quota(db: sa.Connection, merchant_id: int, key: str, now: datetime) -> bool:
    """Whether this mailbox may get one more confirmation today, whoever asked for it.

    Somebody else's address can be typed for every item of a shop; the mailbox then gets ten mails and
    not ten thousand.
    """
    sent = db.scalar(
        sa.select(sa.func.count())
        .select_from(
            _MESSAGE.join(
                _SUBSCRIPTION,
                (_SUBSCRIPTION.c.merchant_id == _MESSAGE.c.merchant_id)
                & (_SUBSCRIPTION.c.id == _MESSAGE.c.subscription_id),
            )
        )
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.address_key == key,
            _MESSAGE.c.kind == "confirm",
            _MESSAGE.c.created_at > now - timedelta(days=1),
        )
    )
    return (sent or 0) < MOST_CONFIRMATIONS_PER_ADDRESS_AND_DAY


def confirm(rt: ShopperRuntime, merchant_id: int, subscription_id: int) -> bool:
    """The owner of the address says yes: unconfirmed → waiting. Repeating it changes nothing.

    False when the subscription is gone or ended. Looks for stock at once, because it may have come back
    before the mail was read.
    """
    with transaction(rt.engine) as db:
        row = db.execute(
            sa.update(_SUBSCRIPTION)
            .where(
                _SUBSCRIPTION.c.merchant_id == merchant_id,
                _SUBSCRIPTION.c.id == subscription_id,
                _SUBSCRIPTION.c.status == "unconfirmed",
            )
            .values(status="waiting", confirmed_at=rt.now())
            .returning(_SUBSCRIPTION.c.variant_id)
        ).one_or_none()
        if row is not None:
            enqueue(db, merchant_id, [Intent(SHOPPERS, str(row.variant_id))])
            return True
        status = db.scalar(
            sa.select(_SUBSCRIPTION.c.status).where(
                _SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == subscription_id
            )
        )
        return status in ("waiting", "invited", "fulfilled")


def expire(db: sa.Connection, merchant_id: int, now: datetime) -> int:
    """Apply the retention the form promises; the number of subscriptions it touched.

    What nobody confirmed within seven days is removed with its mails. Who has waited for a year without
    the item coming back waits no longer, and the address leaves with that.
    """
    gone = list(
        db.scalars(
            sa.delete(_SUBSCRIPTION)
            .where(
                _SUBSCRIPTION.c.merchant_id == merchant_id,
                _SUBSCRIPTION.c.status == "unconfirmed",
                _SUBSCRIPTION.c.created_at <= now - UNCONFIRMED_LASTS,
            )
            .returning(_SUBSCRIPTION.c.id)
        )
    )
    if gone:
        db.execute(
            sa.delete(_MESSAGE).where(
                _MESSAGE.c.merchant_id == merchant_id, _MESSAGE.c.subscription_id.in_(gone)
            )
        )
    ended = db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.status == "waiting",
            _SUBSCRIPTION.c.confirmed_at <= now - WAITING_LASTS,
        )
        .values(
            status="ended", ended_at=now, ended_by="retention", address="", address_key="", consent_text=""
        )
    )
    return len(gone) + ended.rowcount
