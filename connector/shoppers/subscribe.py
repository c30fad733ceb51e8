"""A shopper asks to be told: sign up and confirm (`connector.shoppers.still` ends what nobody confirms).

The answer to a sign-up is the same whether the address is new, known, waiting, suppressed or was caught
by the honeypot: the page never tells who is on the list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connector.catalog.tables import Listing
from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.positions.topics import SHOPPERS
from connector.shoppers import addresses
from connector.shoppers.messages import write_message
from connector.shoppers.offer import Offer, variants_of
from connector.shoppers.policy import ShopperPolicy
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import BUYABLE
from connector.shoppers.tables import Message, Subscription

_LISTING = Listing.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

MOST_WANTED_UNITS = 99
OPEN = ("unconfirmed", "waiting", "invited")
CONFIRMATION_AGAIN_AFTER = timedelta(hours=1)
MOST_CONFIRMATIONS = 3
MOST_CONFIRMATIONS_PER_ADDRESS_AND_DAY = 10
MOST_TEXTS_PER_NUMBER_AND_DAY = 3
_MOST_A_DAY = {"email": MOST_CONFIRMATIONS_PER_ADDRESS_AND_DAY, "sms": MOST_TEXTS_PER_NUMBER_AND_DAY}

# Texts rather than expressions: a page that many stand on signs up twice as many.
_PLACE = sa.text("""
select l.merchant_id, l.connection_id, l.variant_id, l.product_id, m.name, m.sender_name, l.url,
       l.confirmed_available, p.available, p.state, r.says
  from connection c
  join listing l on l.merchant_id = c.merchant_id and l.connection_id = c.id
  join merchant m on m.id = c.merchant_id
  left join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
  left join shopper_rules r on r.merchant_id = c.merchant_id
 where c.public_key = :key and c.status <> 'ended'
   and l.external_id = :external_id and l.variant_id is not null and not l.is_gone
 order by l.confirmed_available desc nulls last, l.id limit 1
""")
_ONE_AT_A_TIME = sa.text("select pg_advisory_xact_lock(hashtextextended(:key, :m))")
# Whoever waits for any variant waits for this one; asking for any twice, from two variants, is one wish.
_KNOWN = sa.text("""
select exists (select 1 from suppression x where x.merchant_id = :m and x.address_digest = any(:digests))
         as is_suppressed,
       (select count(*) from message g join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
         where s.merchant_id = :m and s.address_key = :key and g.kind = 'confirm' and g.created_at > :day_ago)
         as asked_today,
       w.id as wider_id, w.status as wider_status
  from (select 1) as one
  left join lateral (
    select s.id, s.status from subscription s
     where :product_id <> '' and s.merchant_id = :m and s.connection_id = :c and s.channel = :channel
       and s.address_key = :key and s.any_of = :product_id
       and (s.status in ('waiting', 'invited') or (:wants_any and s.status = 'unconfirmed'))
     limit 1
  ) w on true
""")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEW = insert(_SUBSCRIPTION).on_conflict_do_nothing().returning(_SUBSCRIPTION.c.id)

Answer = Literal["check_mail", "check_phone", "in_stock", "discontinued"]


class UnknownListing(LookupError):
    """There is no such store, or it sells no such item that Dispo knows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands who signs up: one listing of one store. `product_id` is the store's own, `policy` what
    its merchant chose for messages to shoppers."""

    merchant_id: int
    connection_id: int
    variant_id: int
    seller: str
    url: str
    is_buyable: bool
    is_discontinued: bool
    product_id: str = ""
    policy: ShopperPolicy = field(default_factory=ShopperPolicy)


def find_place(db: sa.Connection, public_key: str, external_id: str) -> Place:
    """The listing behind a store's public key and the store's own id of the item.

    Raises UnknownListing. `is_buyable`: our position says that it may be bought and the store's own
    number does not say otherwise; without a position the store's number alone decides.
    """
    if "\0" in public_key + external_id or _SURROGATE.search(public_key + external_id):
        raise UnknownListing("There is no such store or item.")  # PostgreSQL has no such text
    row = db.execute(_PLACE, {"key": public_key, "external_id": external_id}).one_or_none()
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
        policy=ShopperPolicy.model_validate(row.says or {}),
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
        known = db.execute(
            _KNOWN,
            {
                "m": place.merchant_id,
                "c": place.connection_id,
                "product_id": place.product_id,
                "channel": reach.channel,
                "key": reach.key,
                "digests": list(rt.keyring.digests("suppression", reach.key)),
                "day_ago": now - timedelta(days=1),
                "wants_any": bool(wish["any_of"]),
            },
        ).one()
        if known.is_suppressed:
            return told
        subscription_id = _put(db, place, reach, wish, known, now)
        # Somebody else's address can be typed for every item of a shop; the mailbox then gets ten mails (a number
        # three texts, which cost money) and not ten thousand, whoever asked for them.
        if subscription_id is not None and known.asked_today < _MOST_A_DAY[reach.channel]:
            intent = write_message(rt, db, place.merchant_id, subscription_id, "confirm")
            enqueue(db, place.merchant_id, [intent])
    return told


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _one_at_a_time(db: sa.Connection, merchant_id: int, key: str) -> None:
    """One address at a time, so that what is counted and looked for holds when thousands post it at once."""
    db.execute(_ONE_AT_A_TIME, {"key": key, "m": merchant_id})


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
    db: sa.Connection, place: Place, reach: addresses.Reach, wish: dict[str, Any], known: Any, now: datetime
) -> int | None:
    """The subscription that is to be confirmed now; None where there is one that needs, or gets, no message."""
    wider = known.wider_id
    if known.wider_status == "invited" and _free_the_place(db, place, reach, now):
        wider = None
    if wider is None:
        new = {
            "merchant_id": place.merchant_id,
            "variant_id": place.variant_id,
            "connection_id": place.connection_id,
            "channel": reach.channel,
            "address": reach.address,
            "address_key": reach.key,
            "created_at": now,
            **wish,
        }
        made = db.scalar(_NEW, new)
        if made is None and _free_the_place(db, place, reach, now):
            made = db.scalar(_NEW, new)
        if made is not None:
            return int(made)
        # One open row a variant, whichever of the merchant's stores they stand in.
        which = sa.and_(
            _SUBSCRIPTION.c.merchant_id == place.merchant_id,
            _SUBSCRIPTION.c.variant_id == place.variant_id,
            _SUBSCRIPTION.c.channel == reach.channel,
            _SUBSCRIPTION.c.address_key == reach.key,
        )
    else:
        which = _its_key(place.merchant_id, wider)
    kept = db.scalar(
        sa.update(_SUBSCRIPTION)
        .where(which, _SUBSCRIPTION.c.status == "unconfirmed")
        .values(**wish)
        .returning(_SUBSCRIPTION.c.id)
    )
    return int(kept) if kept is not None and _may_be_asked_again(db, place.merchant_id, kept, now) else None


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
