"""Writes to the customers of orders. These messages are part of the contract: no consent, quiet hours or
unsubscription holds them back, and they carry no advertising.

The address is read from the store in the moment of writing and kept nowhere. Where the store does not tell it, the
message becomes "by_hand": the merchant's page shows the text, ready to send.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy as sa

from connector.db import transaction
from connector.i18n import best_locale
from connector.outbox.messages import Again, Claim, Done, Failed, Intent, Outcome, Unknown, settle
from connector.ports.channels import Channel, OutgoingMessage
from connector.ports.errors import (
    PortError,
    RateLimited,
    Retryable,
    Unsupported,
)
from connector.ports.orders_care import CustomerOf, OrderCare
from connector.shoppers.at_risk.choosing import find
from connector.shoppers.at_risk.looking import history, today_of
from connector.shoppers.at_risk.rules import rule_of
from connector.shoppers.at_risk.wording import facts_of, render_order
from connector.shoppers.fates import LOST_NOTE, busy_wait_s, fate_of
from connector.shoppers.media import ORDER, ways
from connector.shoppers.runtime import ShopperRuntime


class OrderRuntime(ShopperRuntime, Protocol):
    """What writing to customers needs of the running installation."""

    def care(self, merchant_id: int, connection_id: int) -> OrderCare | None: ...


def write_order_message(
    rt: ShopperRuntime, db: sa.Connection, merchant_id: int, risk_id: int, kind: str
) -> Intent:
    """Write the message in the caller's transaction; the intent to send it, for `enqueue` at its end."""
    number = db.execute(
        sa.text("""
            insert into order_message (merchant_id, risk_id, kind, message_id, created_at)
            values (:m, :r, :k, :id, :now) returning id
        """),
        {"m": merchant_id, "r": risk_id, "k": kind, "id": f"{uuid4().hex}@order", "now": rt.now()},
    ).scalar_one()
    own = ways(db, merchant_id, "email")
    # Before every alert: somebody's money and parcel hang on it.
    return Intent(ORDER, str(number), own[0] if own else 0, 3, group_key=f"{number:019}")


def is_written(db: sa.Connection, merchant_id: int, risk_id: int) -> bool:
    """Whether the customer was written to, or is about to be."""
    return bool(
        db.execute(
            sa.text("""
                select 1 from order_message
                 where merchant_id = :m and risk_id = :r and kind = 'at_risk' and status not in ('failed', 'skipped')
                 limit 1
            """),
            {"m": merchant_id, "r": risk_id},
        ).scalar()
    )


def work_order_messages(rt: OrderRuntime, claim: Claim) -> None:
    """The handler of topic "message.order": sends the messages of the claim one by one."""
    channel = rt.channel(claim.turn.merchant_id, claim.turn.connection_id)
    for message in claim.messages:
        if claim.is_out_of_time():
            return
        outcome = _deliver(rt, channel, claim.turn.merchant_id, int(message.subject))
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: outcome})


def _deliver(rt: OrderRuntime, channel: Channel, merchant_id: int, message_id: int) -> Outcome:
    with transaction(rt.engine) as db:
        ready = _look(rt, db, merchant_id, message_id)
    if not isinstance(ready, tuple):
        return ready
    message, risk = ready
    try:
        care = rt.care(merchant_id, risk.connection_id)
        if care is None:
            raise Unsupported("store", f"order {risk.order_id}", "The store tells an app no addresses.")
        person = care.customer(risk.order_id)
    except Unsupported as exc:
        note = f"{exc.cause} {exc.remedy}".strip()
        return _settle(rt, merchant_id, message, "by_hand", Done(note), note)
    except Retryable as exc:
        return Again(exc.retry_after_s if isinstance(exc, RateLimited) else 60.0, exc.cause)
    except PortError as exc:
        # Whatever is wrong with the store, the mail connection of this turn is well.
        return _settle(rt, merchant_id, message, "failed", Failed(exc.cause), exc.cause)
    paid_minor = _paid(care, risk) if message.kind == "at_risk" else None
    with transaction(rt.engine) as db:
        outgoing = _begin(rt, db, merchant_id, message_id, person, paid_minor)
    if outgoing is None:
        return Done()
    try:
        channel.send(outgoing)
    except PortError as exc:
        fate = fate_of(exc)
        if fate.outcome is None:
            _put_off(rt, merchant_id, message_id, fate.note)
            raise
        if fate.status == "waiting":
            return fate.after(busy_wait_s(_put_off(rt, merchant_id, message_id, fate.note)))
        return _settle(rt, merchant_id, message, fate.status, fate.outcome, fate.note)
    return _settle(rt, merchant_id, message, "sent", Done(), "")


def _paid(care: OrderCare, risk: Any) -> int | None:
    """What the store would pay back, discounts, tax and shipping as they were paid; None where it does not say:
    then the message names the price that the shop shows."""
    try:
        return care.plan_refund(risk.order_id, risk.line_id, risk.units, "").amount_minor
    except PortError:
        # Whatever is in the way, the refund itself will tell; the customer is not left waiting for a message.
        return None


def _row(db: sa.Connection, merchant_id: int, message_id: int) -> Any:
    return db.execute(
        sa.text("select * from order_message where merchant_id = :m and id = :id for update"),
        {"m": merchant_id, "id": message_id},
    ).one_or_none()


def _look(
    rt: OrderRuntime, db: sa.Connection, merchant_id: int, message_id: int
) -> tuple[Any, Any] | Outcome:
    """The message and its risk when it is still to be sent."""
    message = _row(db, merchant_id, message_id)
    if message is None:
        return Done()
    if message.status == "sending":
        _end(db, message, "unknown", LOST_NOTE, rt.now())
        _asked(db, message, rt.now())
        return Unknown(LOST_NOTE)
    risk = find(db, merchant_id, message.risk_id)
    if message.status != "waiting" or risk is None:
        return Done()
    untrue = _why_not(message, risk)
    if untrue:
        _end(db, message, "skipped", untrue, rt.now())
        return Done()
    is_frozen = db.scalar(sa.text("select is_frozen from merchant where id = :m"), {"m": merchant_id})
    if is_frozen:
        return Again(60, "Everything is frozen by the merchant.")
    return message, risk


def _why_not(message: Any, risk: Any) -> str:
    """Why this message is not to be sent any more; "" where it is."""
    if message.kind == "at_risk" and risk.status not in ("open", "asked"):
        return "It was settled before it was sent."
    if message.kind == "waits" and risk.closed_by != "wait":
        return "The customer chose otherwise before it was sent."
    return "The store left before it was sent." if risk.store_status == "ended" else ""


def _begin(
    rt: OrderRuntime,
    db: sa.Connection,
    merchant_id: int,
    message_id: int,
    person: CustomerOf,
    paid_minor: int | None,
) -> OutgoingMessage | None:
    """The finished message, its row set to "sending"; None when somebody settled it meanwhile."""
    message = _row(db, merchant_id, message_id)
    now = rt.now()
    if message is None or message.status != "waiting":
        return None
    # Once more, now under its lock: the store was asked in between, and the customer or the merchant was faster.
    risk = find(db, merchant_id, message.risk_id, lock=True)
    untrue = "It was settled before it was sent." if risk is None else _why_not(message, risk)
    if untrue:
        _end(db, message, "skipped", untrue, now)
        return None
    rule = rule_of(db, merchant_id)
    if message.kind == "at_risk":
        db.execute(
            sa.text("""
                update order_risk set answer_by = :by, value_minor = coalesce(:paid, value_minor)
                 where merchant_id = :m and id = :r
            """),
            {
                "paid": paid_minor,
                "m": merchant_id,
                "r": message.risk_id,
                "by": today_of(db, merchant_id, now) + timedelta(days=rule.answer_days),
            },
        )
    risk = find(db, merchant_id, message.risk_id)
    merchant = db.execute(sa.text("select * from merchant where id = :m"), {"m": merchant_id}).one()
    spoken = best_locale([person.locale], merchant.locale)
    facts = facts_of(rt, db, merchant, risk, rule, spoken, now)
    rendered = render_order(message.kind, spoken, facts)
    db.execute(
        sa.text("""
            update order_message set status = 'sending', sending_at = :now, tries = tries + 1, note = ''
             where merchant_id = :m and id = :id
        """),
        {"m": merchant_id, "id": message_id, "now": now},
    )
    host = urlsplit(rt.base_url).hostname or "localhost"
    return OutgoingMessage(
        message_id=f"{message.message_id.partition('@')[0]}@{host}",
        to=person.address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        from_name=facts.seller,
        reply_to=merchant.reply_to,
        language=spoken,
    )


def _settle(
    rt: OrderRuntime, merchant_id: int, message: Any, status: str, outcome: Outcome, note: str
) -> Outcome:
    with transaction(rt.engine) as db:
        _end(db, message, status, note, rt.now())
        if status in ("sent", "unknown"):
            _asked(db, message, rt.now())
    return outcome


def _end(db: sa.Connection, message: Any, status: str, note: str, now: datetime) -> None:
    db.execute(
        sa.text("""
            update order_message set status = :s, note = :n, settled_at = :now
             where merchant_id = :m and id = :id and status in ('waiting', 'sending', 'unknown')
        """),
        {"m": message.merchant_id, "id": message.id, "s": status, "n": note[:500], "now": now},
    )
    db.execute(
        sa.text("""
            update order_risk
               set history = history || cast(:entry as jsonb),
                   -- A day that nobody was told binds nobody: whoever is written to later has all of the time.
                   answer_by = case when status = 'open' and cast(:s as text) in ('failed', 'by_hand', 'skipped')
                                    then null else answer_by end
             where merchant_id = :m and id = :r
        """),
        {
            "m": message.merchant_id,
            "r": message.risk_id,
            "s": status,
            "entry": history(now, "dispo", f"message {status}", message.kind),
        },
    )


def _asked(db: sa.Connection, message: Any, now: datetime) -> None:
    """The customer was asked, or may have been: the time to answer runs."""
    if message.kind == "at_risk":
        mark_asked(db, message.merchant_id, message.risk_id, now)


def mark_asked(db: sa.Connection, merchant_id: int, risk_id: int, now: datetime) -> bool:
    """The time to answer runs from now; also for a text the merchant sent by hand."""
    rule = rule_of(db, merchant_id)
    by = today_of(db, merchant_id, now) + timedelta(days=rule.answer_days)
    return (
        db.execute(
            sa.text("""
                update order_risk set status = 'asked', asked_at = :now, answer_by = coalesce(answer_by, :by)
                 where merchant_id = :m and id = :r and status = 'open'
            """),
            {"m": merchant_id, "r": risk_id, "now": now, "by": by},
        ).rowcount
        > 0
    )


def _put_off(rt: OrderRuntime, merchant_id: int, message_id: int, cause: str) -> int:
    with transaction(rt.engine) as db:
        tries = db.execute(
            sa.text("""
                update order_message set status = 'waiting', sending_at = null, note = :n
                 where merchant_id = :m and id = :id and status = 'sending' returning tries
            """),
            {"m": merchant_id, "id": message_id, "n": cause[:500]},
        ).scalar()
    return tries or 1
