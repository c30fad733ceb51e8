"""A shopper asks to be told: sign up and confirm (`connector.shoppers.still` ends what nobody confirms).

The answer to a sign-up is the same whether the address is new, known, waiting, suppressed or was caught
by the honeypot: the page never tells who is on the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal
from zoneinfo import available_timezones

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
from connector.shoppers.offer import Offer, variants_of
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import BUYABLE
from connector.shoppers.tables import Message, Subscription

_MERCHANT = Merchant.__table__  # type: ignore[attr-defined]
_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_LISTING = Listing.__table__  # type: ignore[attr-defined]
_POSITION = Position.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

MOST_WANTED_UNITS = 99
OPEN = ("unconfirmed", "waiting", "invited")
CONFIRMATION_AGAIN_AFTER = timedelta(hours=1)
MOST_CONFIRMATIONS = 3
MOST_CONFIRMATIONS_PER_ADDRESS_AND_DAY = 10

MOST_TEXTS_PER_NUMBER_AND_DAY = 3

Answer = Literal["check_mail", "check_phone", "in_stock", "discontinued"]


class UnknownListing(LookupError):
    """There is no such store, or it sells no such item that Dispo knows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands who signs up: one listing of one store. `product_id` is the store's own."""

    merchant_id: int
    connection_id: int
    variant_id: int
    seller: str
    url: str
    is_buyable: bool
    is_discontinued: bool
    product_id: str = ""


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
            _LISTING.c.product_id,
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
        product_id=row.product_id or "",
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
    offer: Offer | None = None,
    wants_any: bool = False,
    marketing_text: str = "",
    time_zone: str = "",
) -> Answer:
    """Put `address` on the list of `place`'s variant, to be confirmed by the message that it gets.

    Repeating it leaves one row and sends no second message for an hour (three at most). "in_stock" and
    "discontinued": nothing was stored, because there is nothing to wait for. Raises AddressInvalid. `wanted_units` is
    brought into 1…99, a `time_zone` that nobody knows is "". `offer` is what this form offers (None: e-mail only):
    what it does not offer nobody gets. Until it is confirmed, the last sign-up says how many and which; afterwards
    only the shopper's own page does. Rate limits are the caller's, who knows the client.
    """
    offer = offer or Offer()
    reach = addresses.read(address, offer.countries)
    if place.is_discontinued:
        return "discontinued"
    if place.is_buyable:
        return "in_stock"
    told: Answer = "check_phone" if reach.channel == "sms" else "check_mail"
    if honeypot:
        return told
    now = rt.now()
    wish = {
        "locale": locale,
        "wanted_units": min(max(wanted_units, 1), MOST_WANTED_UNITS),
        "consent_text": consent_text,
        "consent_version": consent_version,
        "any_of": offer.any_of if wants_any else "",
        "wants_marketing": bool(marketing_text) and offer.has_marketing,
        "marketing_text": marketing_text if offer.has_marketing else "",
        "time_zone": time_zone if time_zone in _zones() else "",
    }
    with transaction(rt.engine) as db:
        _one_at_a_time(db, place.merchant_id, reach.key)
        if addresses.is_suppressed(db, rt.keyring, place.merchant_id, reach.key):
            return told
        subscription_id = _put(db, place, reach, wish, now)
        if subscription_id is not None and _has_quota(db, place.merchant_id, reach, now):
            intent = write_message(rt, db, place.merchant_id, subscription_id, "confirm")
            enqueue(db, place.merchant_id, [intent])
    return told


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _one_at_a_time(db: sa.Connection, merchant_id: int, key: str) -> None:
    """One address at a time, so that what is counted and looked for holds when thousands post it at once."""
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, merchant_id))))


def _theirs(merchant_id: int, connection_id: int, channel: str, key: str) -> sa.ColumnElement[bool]:
    """The open subscriptions of one person in one store."""
    return sa.and_(
        _SUBSCRIPTION.c.merchant_id == merchant_id,
        _SUBSCRIPTION.c.connection_id == connection_id,
        _SUBSCRIPTION.c.channel == channel,
        _SUBSCRIPTION.c.address_key == key,
        _SUBSCRIPTION.c.status.in_(OPEN),
    )


def _put(
    db: sa.Connection, place: Place, reach: addresses.Reach, wish: dict[str, Any], now: datetime
) -> int | None:
    """The subscription that is to be confirmed now; None where there is one that needs, or gets, no message."""
    theirs = _theirs(place.merchant_id, place.connection_id, reach.channel, reach.key)
    # Whoever waits for any variant waits for this one; asking for any twice, from two variants, is one wish.
    kinds = ("waiting", "invited", "unconfirmed") if wish["any_of"] else ("waiting", "invited")
    wider = db.execute(
        sa.select(_SUBSCRIPTION.c.id, _SUBSCRIPTION.c.status).where(
            theirs,
            _SUBSCRIPTION.c.any_of == place.product_id,
            _SUBSCRIPTION.c.any_of != "",
            _SUBSCRIPTION.c.status.in_(kinds),
        )
    ).first()
    if wider is not None and wider.status == "invited" and _free_the_place(db, place, reach, now):
        wider = None
    if wider is None:
        new = (
            insert(_SUBSCRIPTION)
            .values(
                merchant_id=place.merchant_id,
                variant_id=place.variant_id,
                connection_id=place.connection_id,
                channel=reach.channel,
                address=reach.address,
                address_key=reach.key,
                created_at=now,
                **wish,
            )
            .on_conflict_do_nothing()
            .returning(_SUBSCRIPTION.c.id)
        )
        made = db.scalar(new)
        if made is None and _free_the_place(db, place, reach, now):
            made = db.scalar(new)
        if made is not None:
            return int(made)
        # One open row a variant, whichever of the merchant's stores they stand in.
        theirs = sa.and_(
            _SUBSCRIPTION.c.merchant_id == place.merchant_id,
            _SUBSCRIPTION.c.variant_id == place.variant_id,
            _SUBSCRIPTION.c.channel == reach.channel,
            _SUBSCRIPTION.c.address_key == reach.key,
        )
    which = theirs if wider is None else _its_key(place.merchant_id, wider.id)
    known = db.scalar(
        sa.update(_SUBSCRIPTION)
        .where(which, _SUBSCRIPTION.c.status == "unconfirmed")
        .values(**wish)
        .returning(_SUBSCRIPTION.c.id)
    )
    return (
        int(known) if known is not None and _may_be_asked_again(db, place.merchant_id, known, now) else None
    )


def _its_key(merchant_id: int, subscription_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == subscription_id)


def _free_the_place(db: sa.Connection, place: Place, reach: addresses.Reach, now: datetime) -> bool:
    """Close an invitation of the past that nothing can come of any more, so that this person can wait
    again: its message failed, was skipped or has an unknown fate, and the item is sold out. Whether there was one."""
    unsettled = sa.exists().where(
        _MESSAGE.c.merchant_id == _SUBSCRIPTION.c.merchant_id,
        _MESSAGE.c.subscription_id == _SUBSCRIPTION.c.id,
        _MESSAGE.c.status.in_(("waiting", "sending")),
    )
    freed = db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == place.merchant_id,
            sa.or_(
                _SUBSCRIPTION.c.variant_id == place.variant_id,
                (_SUBSCRIPTION.c.any_of == place.product_id) & (_SUBSCRIPTION.c.any_of != ""),
            ),
            _SUBSCRIPTION.c.channel == reach.channel,
            _SUBSCRIPTION.c.address_key == reach.key,
            _SUBSCRIPTION.c.status == "invited",
            sa.not_(unsettled),
        )
        .values(status="ended", ended_at=now, ended_by="signed up again")
    )
    return freed.rowcount > 0


def _may_be_asked_again(db: sa.Connection, merchant_id: int, subscription_id: int, now: datetime) -> bool:
    """Whether the confirmation of an unconfirmed subscription may be sent once more."""
    sent = db.execute(
        sa.select(sa.func.count().label("many"), sa.func.max(_MESSAGE.c.created_at).label("last")).where(
            _MESSAGE.c.merchant_id == merchant_id,
            _MESSAGE.c.subscription_id == subscription_id,
            _MESSAGE.c.kind == "confirm",
        )
    ).one()
    return sent.many < MOST_CONFIRMATIONS and not (sent.last and sent.last > now - CONFIRMATION_AGAIN_AFTER)


def _has_quota(db: sa.Connection, merchant_id: int, reach: addresses.Reach, now: datetime) -> bool:
    """Whether this mailbox or number may get one more confirmation today, whoever asked for it.

    Somebody else's address can be typed for every item of a shop; the mailbox then gets ten mails (a number three
    texts, which cost money) and not ten thousand.
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
            _SUBSCRIPTION.c.address_key == reach.key,
            _MESSAGE.c.kind == "confirm",
            _MESSAGE.c.created_at > now - timedelta(days=1),
        )
    )
    most = MOST_TEXTS_PER_NUMBER_AND_DAY if reach.channel == "sms" else MOST_CONFIRMATIONS_PER_ADDRESS_AND_DAY
    return (sent or 0) < most


def confirm(rt: ShopperRuntime, merchant_id: int, subscription_id: int) -> bool:
    """The owner of the address says yes: unconfirmed → waiting. Repeating it changes nothing.

    False when the subscription is gone or ended. Looks for stock at once, because it may have come back
    before the message was read. Nobody waits for one thing twice: any variant of a product ends what the same person
    wanted of its single variants, and after it a single one adds nothing.
    """
    its_key = _its_key(merchant_id, subscription_id)
    with transaction(rt.engine) as db:
        key = db.scalar(sa.select(_SUBSCRIPTION.c.address_key).where(its_key))
        if key is None:
            return False
        _one_at_a_time(db, merchant_id, key)
        row = db.execute(
            sa.update(_SUBSCRIPTION)
            .where(its_key, _SUBSCRIPTION.c.status == "unconfirmed")
            .values(status="waiting", confirmed_at=rt.now())
            .returning(_SUBSCRIPTION)
        ).one_or_none()
        if row is not None:
            enqueue(db, merchant_id, [Intent(SHOPPERS, str(one)) for one in _one_wish(db, row, rt.now())])
            return True
        status = db.scalar(sa.select(_SUBSCRIPTION.c.status).where(its_key))
        return status in ("waiting", "invited", "fulfilled")


def _one_wish(db: sa.Connection, row: Any, now: datetime) -> list[int]:
    """End what a confirmed subscription and the same person's others have in common; the variants it waits for."""
    others = sa.and_(
        _theirs(row.merchant_id, row.connection_id, row.channel, row.address_key),
        _SUBSCRIPTION.c.id != row.id,
        _SUBSCRIPTION.c.status != "invited",
    )
    wider = {"status": "ended", "ended_at": now, "ended_by": "any variant"}
    if row.any_of:
        variants = variants_of(db, row.merchant_id, row.connection_id, row.any_of)
        db.execute(
            sa.update(_SUBSCRIPTION)
            .where(others, _SUBSCRIPTION.c.any_of == "", _SUBSCRIPTION.c.variant_id.in_(variants))
            .values(**wider)
        )
        return variants
    product = sa.select(_LISTING.c.product_id).where(
        _LISTING.c.merchant_id == row.merchant_id,
        _LISTING.c.connection_id == row.connection_id,
        _LISTING.c.variant_id == row.variant_id,
        _LISTING.c.product_id != "",
    )
    has_wider = sa.select(sa.literal(1)).where(
        others, _SUBSCRIPTION.c.status == "waiting", _SUBSCRIPTION.c.any_of.in_(product)
    )
    if db.execute(has_wider).first() is not None:
        db.execute(sa.update(_SUBSCRIPTION).where(_its_key(row.merchant_id, row.id)).values(**wider))
        return []
    return [row.variant_id]
