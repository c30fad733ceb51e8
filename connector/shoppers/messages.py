"""Every message to a person: queue it, check again, send it once, and say what became of it.

The life of a message: waiting → sending → sent, failed or unknown; or waiting → skipped. "sending" is
committed alone, immediately before the provider is called. A process that dies after that leaves the
row in "sending", and whoever finds it there makes it "unknown": it is not repeated, the merchant sees
it and may `resend` it. A definite refusal of the moment (mailbox busy, provider down) puts it back to
"waiting" with its note, as often as it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy as sa

from connector.accounts.tables import Connection, Merchant
from connector.catalog.tables import Listing
from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Failed, Intent, Outcome, Unknown, enqueue, settle
from connector.ports.channels import Channel, OutgoingMessage
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Retryable,
    Unauthorized,
)
from connector.positions.topics import SHOPPERS
from connector.shoppers import addresses, links
from connector.shoppers.render import Facts, Kind, render
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import lock_variant, stock_of, wait_for_store_s
from connector.shoppers.tables import Episode, Message, Subscription

EMAIL = "message.email"

_MERCHANT = Merchant.__table__  # type: ignore[attr-defined]
_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_LISTING = Listing.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]
_EPISODE = Episode.__table__  # type: ignore[attr-defined]

_VARIANT_ID = sa.func.coalesce(sa.func.nullif(_MESSAGE.c.variant_id, 0), _SUBSCRIPTION.c.variant_id).label(
    "variant_id"
)
"""What a message speaks of."""

LOST_NOTE = "The process ended while this was being sent: it may have arrived. It is not repeated."


def write_message(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    subscription_id: int,
    kind: Kind,
    invitation_id: int | None = None,
    *,
    variant_id: int = 0,
    context: Mapping[str, Any] | None = None,
) -> Intent:
    """Write the message in the caller's transaction; the intent to send it, for `enqueue` at its end. `variant_id`:
    what it speaks of, 0: what the subscription waits for; `context`: what it promises (dates, codes), for JSON."""
    host = urlsplit(rt.base_url).hostname or "localhost"
    message_id = db.scalar(
        sa.insert(_MESSAGE)
        .values(
            merchant_id=merchant_id,
            kind=kind,
            channel="email",
            subscription_id=subscription_id,
            invitation_id=invitation_id,
            variant_id=variant_id,
            message_id=f"{uuid4().hex}@{host}",
            created_at=rt.now(),
            context=dict(context or {}),
        )
        .returning(_MESSAGE.c.id)
    )
    # Somebody who just signed up is looking at the mailbox: before the alerts of a large wave.
    return _intent(db, merchant_id, cast(int, message_id), lane=4 if kind == "confirm" else 5)


def _intent(db: sa.Connection, merchant_id: int, message_id: int, *, lane: int = 5) -> Intent:
    """To be sent by the merchant's own mail connection, else by the installation's (0)."""
    own = db.scalar(
        sa.select(_CONNECTION.c.id)
        .where(
            _CONNECTION.c.merchant_id == merchant_id,
            _CONNECTION.c.kind == "channel",
            _CONNECTION.c.adapter == "email",
            _CONNECTION.c.status == "active",
        )
        .order_by(_CONNECTION.c.id)
        .limit(1)
    )
    # Claims sort by group_key as text: the digits are filled up so that those who came first go first.
    return Intent(EMAIL, str(message_id), own or 0, lane, group_key=f"{message_id:019}")


def work_messages(rt: ShopperRuntime, claim: Claim) -> None:
    """The handler of topic "message.email": sends the messages of the claim one by one."""
    channel = rt.channel(claim.turn.merchant_id, claim.turn.connection_id)
    for message in claim.messages:
        if claim.is_out_of_time():
            return  # what is left goes back to pending
        outcome = deliver(rt, channel, claim.turn.merchant_id, int(message.subject))
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: outcome})


def deliver(rt: ShopperRuntime, channel: Channel, merchant_id: int, message_id: int) -> Outcome:
    """Check, commit "sending", send, commit the result; what the outbox shall do with its intent.

    Raises Unauthorized or Misconfigured when the channel is at fault, not this person: the message
    waits on, and so does everybody behind it until the connection is mended.
    """
    with transaction(rt.engine) as db:
        prepared = _prepare(rt, db, merchant_id, message_id)
    if not isinstance(prepared, OutgoingMessage):
        return prepared
    try:
        channel.send(prepared)
    except OutcomeUnknown as exc:
        note = f"{exc.cause} It may have arrived and is not repeated."
        return _settle(rt, merchant_id, message_id, "unknown", Unknown(note), note)
    except RateLimited as exc:
        _put_off(rt, merchant_id, message_id, exc.cause)
        return Again(exc.retry_after_s, exc.cause)
    except Retryable as exc:
        tries = _put_off(rt, merchant_id, message_id, exc.cause)
        return Again(min(30.0 * 2.0 ** min(tries - 1, 10), 21_600.0), exc.cause)
    except (Unauthorized, Misconfigured) as exc:
        _put_off(rt, merchant_id, message_id, f"{exc.cause} {exc.remedy}".strip())
        raise
    except PortError as exc:
        return _settle(rt, merchant_id, message_id, "failed", Failed(exc.cause), exc.cause)
    return _settle(rt, merchant_id, message_id, "sent", Done(), "")


def _prepare(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, message_id: int
) -> OutgoingMessage | Outcome:
    """The finished message with its row set to "sending", or what to do instead."""
    now = rt.now()
    its_key = (_MESSAGE.c.merchant_id == merchant_id) & (_MESSAGE.c.id == message_id)
    found = db.execute(
        sa.select(_MESSAGE.c.kind, _VARIANT_ID)
        .join_from(
            _MESSAGE,
            _SUBSCRIPTION,
            (_SUBSCRIPTION.c.merchant_id == _MESSAGE.c.merchant_id)
            & (_SUBSCRIPTION.c.id == _MESSAGE.c.subscription_id),
        )
        .where(its_key)
    ).one_or_none()
    if found is None:
        return Done()  # expired or erased: there is nobody to write to
    lock_variant(db, merchant_id, found.variant_id)
    message = db.execute(sa.select(_MESSAGE).where(its_key).with_for_update()).one()
    if message.status == "sending":
        db.execute(
            sa.update(_MESSAGE).where(its_key).values(status="unknown", settled_at=now, note=LOST_NOTE)
        )
        _close_subscription(db, merchant_id, message.subscription_id)
        return Unknown(LOST_NOTE)
    if message.status != "waiting":
        return Done()
    person = db.execute(
        sa.select(_SUBSCRIPTION)
        .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == message.subscription_id)
        .with_for_update()
    ).one()
    merchant = db.execute(sa.select(_MERCHANT).where(_MERCHANT.c.id == merchant_id)).one()

    if person.status == "ended" or not person.address:
        return _skip(db, its_key, "The shopper left before it was sent.", now)
    if addresses.is_suppressed(db, rt.keyring, merchant_id, person.address_key):
        _end(db, merchant_id, person.id, "suppressed", now)
        return _skip(db, its_key, "This address must not be written to.", now)
    if not _has_store(db, merchant_id, person.connection_id):
        if person.status == "invited":
            db.execute(
                sa.update(_SUBSCRIPTION)
                .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == person.id)
                .values(status="waiting")
            )
        return _skip(db, its_key, "The store left before it was sent; the place is kept.", now)
    if message.kind == "confirm" and person.status != "unconfirmed":
        return _skip(db, its_key, "Already confirmed.", now)
    if message.kind == "back_in_stock":
        stock = stock_of(db, merchant_id, found.variant_id)
        if stock.free_units == 0:
            _skip(db, its_key, "Sold out again before it was sent; the place is kept.", now)
            _put_back(db, merchant_id, person, found.variant_id, now)
            return Done()
        if merchant.is_frozen:
            return Again(60, "Everything is frozen by the merchant.")
        if not stock.is_live_at(person.connection_id):
            return Again(wait_for_store_s(now - message.created_at), "The store does not show it yet.")

    outgoing = _write(rt, db, merchant, person, message, found.variant_id)
    db.execute(
        sa.update(_MESSAGE)
        .where(its_key)
        .values(
            status="sending", sending_at=now, tries=_MESSAGE.c.tries + 1, subject=outgoing.subject, note=""
        )
    )
    return outgoing


def _has_store(db: sa.Connection, merchant_id: int, connection_id: int) -> bool:
    """Whether the store that somebody signed up at is still with us."""
    status = db.scalar(
        sa.select(_CONNECTION.c.status).where(
            _CONNECTION.c.merchant_id == merchant_id, _CONNECTION.c.id == connection_id
        )
    )
    return status != "ended"


def _write(
    rt: ShopperRuntime, db: sa.Connection, merchant: Any, person: Any, message: Any, variant_id: int
) -> OutgoingMessage:
    """Render it from what the store says now: title, picture and price are read here, not earlier."""
    listing = db.execute(
        sa.select(_LISTING.c.title, _LISTING.c.url, _LISTING.c.image_url, _LISTING.c.price_minor)
        .where(
            _LISTING.c.merchant_id == merchant.id,
            _LISTING.c.connection_id == person.connection_id,
            _LISTING.c.variant_id == variant_id,
        )
        .order_by(_LISTING.c.confirmed_available.desc().nulls_last(), _LISTING.c.id)
        .limit(1)
    ).one_or_none()
    config = db.scalar(
        sa.select(_CONNECTION.c.config).where(
            _CONNECTION.c.merchant_id == merchant.id, _CONNECTION.c.id == person.connection_id
        )
    )

    def signed(purpose: links.Purpose, subject_id: int) -> str:
        return links.link(rt.keyring, rt.base_url, purpose, merchant.id, subject_id, person.locale)

    is_confirmation = message.kind == "confirm"
    leave_url = signed("leave", person.id)
    facts = Facts(
        seller=merchant.sender_name or merchant.name,
        title=listing.title if listing else "",
        main_url=signed("confirm", person.id) if is_confirmation else signed("click", message.id),
        leave_url=leave_url,
        me_url=signed("me", person.id),
        asked_on=person.created_at.date(),
        image_url=listing.image_url if listing else "",
        price_minor=listing.price_minor if listing else None,
        currency=str((config or {}).get("currency") or merchant.currency),
        privacy_url=merchant.privacy_url,
    )
    rendered = render(message.kind, person.locale, facts)
    return OutgoingMessage(
        message_id=message.message_id,
        to=person.address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        from_name=facts.seller,
        reply_to=merchant.reply_to,
        unsubscribe_url=leave_url,
        language=person.locale,
    )


def _settle(
    rt: ShopperRuntime, merchant_id: int, message_id: int, status: str, outcome: Outcome, note: str
) -> Outcome:
    with transaction(rt.engine) as db:
        subscription_id = db.scalar(
            sa.update(_MESSAGE)
            .where(
                _MESSAGE.c.merchant_id == merchant_id,
                _MESSAGE.c.id == message_id,
                # Somebody may have taken us for dead and said "unknown": we know better now.
                _MESSAGE.c.status.in_(("sending", "unknown")),
            )
            .values(status=status, settled_at=rt.now(), note=note)
            .returning(_MESSAGE.c.subscription_id)
        )
        if subscription_id is not None and status in ("sent", "unknown"):
            _close_subscription(db, merchant_id, subscription_id)
    return outcome


def _put_off(rt: ShopperRuntime, merchant_id: int, message_id: int, cause: str) -> int:
    """Nothing was sent: back to "waiting", with the cause for the merchant; how often it was tried."""
    with transaction(rt.engine) as db:
        tries = db.scalar(
            sa.update(_MESSAGE)
            .where(
                _MESSAGE.c.merchant_id == merchant_id,
                _MESSAGE.c.id == message_id,
                _MESSAGE.c.status.in_(("sending", "unknown")),
            )
            .values(status="waiting", sending_at=None, note=cause)
            .returning(_MESSAGE.c.tries)
        )
    return tries or 1


def _skip(db: sa.Connection, its_key: sa.ColumnElement[bool], note: str, now: datetime) -> Outcome:
    db.execute(sa.update(_MESSAGE).where(its_key).values(status="skipped", settled_at=now, note=note))
    return Done()


def _put_back(db: sa.Connection, merchant_id: int, person: Any, variant_id: int, now: datetime) -> None:
    """The units are gone: this person waits again in the old place, and the episode is over, so that
    the next restock invites them anew."""
    if person.status == "invited":
        db.execute(
            sa.update(_SUBSCRIPTION)
            .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == person.id)
            .values(status="waiting")
        )
    db.execute(
        sa.update(_EPISODE)
        .where(
            _EPISODE.c.merchant_id == merchant_id,
            _EPISODE.c.variant_id == variant_id,
            _EPISODE.c.closed_at.is_(None),
        )
        .values(closed_at=now, closed_by="sold out")
    )
    enqueue(db, merchant_id, [Intent(SHOPPERS, str(variant_id))])


def _close_subscription(db: sa.Connection, merchant_id: int, subscription_id: int) -> None:
    db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.id == subscription_id,
            _SUBSCRIPTION.c.status == "invited",
        )
        .values(status="fulfilled")
    )


def _end(db: sa.Connection, merchant_id: int, subscription_id: int, by: str, now: datetime) -> None:
    db.execute(
        sa.update(_SUBSCRIPTION)
        .where(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == subscription_id)
        .values(status="ended", ended_at=now, ended_by=by)
    )


def resend(rt: ShopperRuntime, merchant_id: int, message_id: int) -> bool:
    """The merchant decides to send a failed or unknown message again, under its old Message-ID so that
    mailboxes may drop a duplicate. It is checked again like any other. False when it is neither failed
    nor unknown, or the shopper left."""
    with transaction(rt.engine) as db:
        again = db.execute(
            sa.update(_MESSAGE)
            .where(
                _MESSAGE.c.merchant_id == merchant_id,
                _MESSAGE.c.id == message_id,
                _MESSAGE.c.status.in_(("failed", "unknown")),
                sa.exists().where(
                    _SUBSCRIPTION.c.merchant_id == merchant_id,
                    _SUBSCRIPTION.c.id == _MESSAGE.c.subscription_id,
                    _SUBSCRIPTION.c.status != "ended",
                ),
            )
            .values(status="waiting", settled_at=None, note="Sent again by the merchant.")
            .returning(_MESSAGE.c.id)
        ).one_or_none()
        if again is None:
            return False
        enqueue(db, merchant_id, [_intent(db, merchant_id, message_id)])
    return True


def settle_lost(db: sa.Connection, merchant_id: int, now: datetime, after: timedelta) -> int:
    """Messages "sending" for longer than `after` become unknown, even when their intent is lost as
    well; the number of them. `after` must be longer than any provider's call."""
    lost = list(
        db.scalars(
            sa.update(_MESSAGE)
            .where(
                _MESSAGE.c.merchant_id == merchant_id,
                _MESSAGE.c.status == "sending",
                _MESSAGE.c.sending_at <= now - after,
            )
            .values(status="unknown", settled_at=now, note=LOST_NOTE)
            .returning(_MESSAGE.c.subscription_id)
        )
    )
    for subscription_id in lost:
        _close_subscription(db, merchant_id, subscription_id)
    return len(lost)
