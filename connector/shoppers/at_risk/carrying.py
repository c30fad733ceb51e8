"""Carries a choice out in the store: the refund, the substitute, the voucher.

A refund is planned (nothing is called while a transaction is open), stored as a frozen request together with the
fact that it leaves now, and only then sent. What a crash or a lost answer left open is looked for in the store by
its reference first. Found: done. Not found: sent again under the same key where the store honours keys; elsewhere
only once ten minutes have passed, in which any request still under way would have ended. That it is done, and that the
risk is closed, is one transaction: a worker killed between the two would have paid again. Of one order nothing is
planned while something else of it is open: the store cannot say yet which line is the last, whose refund brings the
shipping back. A voucher needs none of this: its code exists once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox import attempts
from connector.outbox.attempts import Attempt
from connector.outbox.messages import Again, Claim, Done, Failed, Outcome, enqueue, hold, settle
from connector.outbox.messages import Message as Claimed
from connector.outbox.work import outcome_of
from connector.ports.coupons import Coupon, Coupons
from connector.ports.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    PortError,
    Rejected,
    Unauthorized,
    Unsupported,
)
from connector.ports.orders_care import CareDone, CareRequest, OrderCare
from connector.shoppers.at_risk.choosing import CARE, find, substitutes
from connector.shoppers.at_risk.looking import history, today_of
from connector.shoppers.at_risk.rules import rule_of
from connector.shoppers.at_risk.wording import number_of, voucher_of
from connector.shoppers.at_risk.writing import OrderRuntime, write_order_message

LOST_AFTER = timedelta(minutes=10)
"""A store that honours no keys has ended whatever was sent to it by then, or never got it."""
LOOK_AGAIN_S = 60.0
BUSY_ORDER = "Something else of this order is under way in the store."
LOST_ANSWER = "The store's answer was lost; it is looked for before anything is repeated."
NO_ORDERS = "This platform lets no app change orders."
NO_CODES = "This platform has no discount codes."
SOLD_OUT = "The substitute is sold out meanwhile."
STORE_LEFT = "This store is not connected any more."
_SENT_AS = {"refund": "refunded", "voucher": "voucher", "substitute": "substitute"}


class CareRuntime(OrderRuntime, Protocol):
    """What carrying out needs of the running installation."""

    def coupons(self, merchant_id: int, connection_id: int) -> Coupons | None: ...


def work_care(rt: CareRuntime, claim: Claim) -> None:
    """The handler of topic "store.care": one risk after another."""
    turn = claim.turn
    with transaction(rt.engine) as db:
        attempts.discard_frozen(db, turn.merchant_id, turn.connection_id, CARE)
        left = attempts.open_attempts(db, turn.merchant_id, turn.connection_id, CARE)
    open_by_risk = {int(one.request["risk_id"]): one for one in left}
    for message in claim.messages:
        if claim.is_out_of_time():
            return
        outcome = _carry(rt, claim, message, open_by_risk.get(int(message.subject)))
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: outcome})


def _carry(rt: CareRuntime, claim: Claim, message: Claimed, left: Attempt | None) -> Outcome:
    merchant_id, risk_id = claim.turn.merchant_id, int(message.subject)
    with rt.engine.connect() as db:
        risk = find(db, merchant_id, risk_id)
        is_frozen = db.scalar(sa.text("select is_frozen from merchant where id = :m"), {"m": merchant_id})
    if risk is None or (left is None and risk.carry not in ("todo", "unknown")):
        return Done("Nothing is to be done any more.")
    if risk.store_status == "ended":
        return _by_hand(rt, risk, STORE_LEFT)
    # Frozen or paused means that nothing is written, money included; what was sent before may be looked for.
    if left is None and (is_frozen or risk.store_status != "active"):
        return Again(300.0, "The store is paused, or everything is frozen.")
    try:
        if risk.choice == "voucher":
            return _voucher(rt, risk)
        care = rt.care(merchant_id, risk.connection_id)
        if care is None:
            return _by_hand(rt, risk, NO_ORDERS)
        if left is not None:
            return _take_up(rt, claim, care, risk, left)
        return _send_new(rt, claim, care, risk)
    except (Unauthorized, Misconfigured):
        raise  # the connection as a whole
    except Unsupported as exc:
        return _by_hand(rt, risk, f"{exc.cause} {exc.remedy}".strip())
    except (Rejected, NotFound) as exc:
        return _failed(rt, risk, f"{exc.cause} {exc.remedy}".strip())
    except PortError as exc:
        return outcome_of(exc, message.tries)


def _send_new(rt: CareRuntime, claim: Claim, care: OrderCare, risk: Any) -> Outcome:
    if _is_busy(rt, risk):
        return Again(LOOK_AGAIN_S, BUSY_ORDER)
    reference = f"Dispo {risk.merchant_id}-{risk.id}"
    if risk.choice == "substitute":
        with rt.engine.connect() as db:
            external_id = _listing_of(db, risk)
        request = care.plan_substitute(risk.order_id, risk.line_id, risk.units, external_id, reference)
    else:
        request = care.plan_refund(risk.order_id, risk.line_id, risk.units, reference)
    with transaction(rt.engine) as db:
        hold(db, claim)
        present = find(db, risk.merchant_id, risk.id, lock=True)
        if present is None or present.carry not in ("todo", "unknown"):
            return Done("Nothing is to be done any more.")
        body = {"risk_id": risk.id, **asdict(request), "body": dict(request.body)}
        attempt = attempts.freeze_sent(
            db, risk.merchant_id, risk.connection_id, CARE, f"care.{request.kind}", body
        )
    return _send(rt, care, risk, attempt, request)


def _take_up(rt: CareRuntime, claim: Claim, care: OrderCare, risk: Any, attempt: Attempt) -> Outcome:
    """What an earlier worker sent without learning its end."""
    request = _request(attempt)
    try:
        found = care.find(request)
    except (Rejected, NotFound) as exc:
        # It arrived and came to nothing, or its order is gone: there is nothing left to look for.
        with transaction(rt.engine) as db:
            attempts.fail(db, attempt, exc.cause)
        raise
    if found is not None:
        note = f"Found in the store: {found.external_id}."
        return _finish(rt, risk, found, lambda db: attempts.resolve(db, attempt, note))
    if care.capabilities.honours_keys:
        with transaction(rt.engine) as db:
            hold(db, claim)
            attempt = attempts.mark_sent(db, attempt)
        return _send(rt, care, risk, attempt, request)
    with rt.engine.connect() as db:
        age = db.execute(sa.text("select clock_timestamp() - :at"), {"at": attempt.sent_at}).scalar_one()
    if age < LOST_AFTER:
        _note(rt, risk, "unknown", LOST_ANSWER)
        return Again(LOOK_AGAIN_S, "The store does not show the refund yet.")
    with transaction(rt.engine) as db:
        attempts.fail(db, attempt, "It never arrived: the store has no refund of this reference.")
    return _send_new(rt, claim, care, risk)


def _send(rt: CareRuntime, care: OrderCare, risk: Any, attempt: Attempt, request: CareRequest) -> Outcome:
    try:
        done = care.send(request, str(attempt.idempotency_key))
    except OutcomeUnknown as exc:
        with transaction(rt.engine) as db:
            attempts.unknown(db, attempt, exc.cause)
        _note(rt, risk, "unknown", LOST_ANSWER)
        return Again(LOOK_AGAIN_S, exc.cause)
    except PortError as exc:
        # Certainly not done: refused, or it never left.
        with transaction(rt.engine) as db:
            attempts.fail(db, attempt, exc.cause)
        raise
    return _finish(rt, risk, done, lambda db: attempts.succeed(db, attempt, done.external_id))


def _is_busy(rt: CareRuntime, risk: Any) -> bool:
    """Whether another line of this order has a request whose end is not known."""
    with rt.engine.connect() as db:
        others = [
            int(one.request["risk_id"])
            for one in attempts.open_attempts(db, risk.merchant_id, risk.connection_id, CARE)
            if one.request["order_id"] == risk.order_id and int(one.request["risk_id"]) != risk.id
        ]
        # What was left to the merchant's hands is not waited for.
        return bool(others) and bool(
            db.scalar(
                sa.text("""
                    select 1 from order_risk
                     where merchant_id = :m and id = any(:others) and carry in ('todo', 'unknown') limit 1
                """),
                {"m": risk.merchant_id, "others": others},
            )
        )


def _voucher(rt: CareRuntime, risk: Any) -> Outcome:
    coupons = rt.coupons(risk.merchant_id, risk.connection_id)
    if coupons is None:
        return _by_hand(rt, risk, NO_CODES)
    with rt.engine.connect() as db:
        rule = rule_of(db, risk.merchant_id)
        amount, expires_on = voucher_of(risk, rule, today_of(db, risk.merchant_id, risk.chosen_at))
    coupons.create_coupon(
        Coupon(
            risk.voucher_code,
            expires_on,
            amount_minor=amount,
            currency=risk.currency,
            title=f"Dispo: voucher for order {number_of(risk.order_id)}",
        )
    )
    return _finish(rt, risk, None)


def _finish(
    rt: CareRuntime,
    risk: Any,
    done: CareDone | None,
    end_attempt: Callable[[sa.Connection], object] = lambda db: None,
) -> Outcome:
    """It is done in the store: end the request, close the risk and tell the customer, in one transaction."""
    now = rt.now()
    with transaction(rt.engine) as db:
        end_attempt(db)
        changed = db.execute(
            sa.text("""
                update order_risk
                   set status = 'closed', closed_at = :now, closed_by = choice, carry = 'done', carry_note = '',
                       refund_minor = :minor, history = history || cast(:entry as jsonb)
                 where merchant_id = :m and id = :id and status = 'chosen'
            """),
            {
                "m": risk.merchant_id,
                "id": risk.id,
                "now": now,
                "minor": done.amount_minor if done is not None and risk.choice == "refund" else None,
                "entry": history(now, "dispo", "done", risk.choice),
            },
        ).rowcount
        if changed:
            intent = write_order_message(rt, db, risk.merchant_id, risk.id, _SENT_AS[risk.choice])
            enqueue(db, risk.merchant_id, [intent])
    return Done()


def _by_hand(rt: CareRuntime, risk: Any, note: str) -> Outcome:
    _note(rt, risk, "by_hand", note)
    return Done(note)


def _failed(rt: CareRuntime, risk: Any, note: str) -> Outcome:
    _note(rt, risk, "failed", note)
    return Failed(note)


def _note(rt: CareRuntime, risk: Any, carry: str, note: str) -> None:
    now: datetime = rt.now()
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update order_risk
                   set carry = cast(:carry as text), carry_note = :note,
                       history = case when carry = cast(:carry as text) then history
                                      else history || cast(:entry as jsonb) end
                 where merchant_id = :m and id = :id and status = 'chosen'
            """),
            {
                "m": risk.merchant_id,
                "id": risk.id,
                "carry": carry,
                "note": note[:500],
                "entry": history(now, "dispo", carry, note[:200]),
            },
        )


def _listing_of(db: sa.Connection, risk: Any) -> str:
    """The substitute as the store names it; Rejected when it is not there any more."""
    for one in substitutes(db, risk):
        if one.variant_id == risk.substitute_id:
            return str(one.external_id)
    raise Rejected("store", f"order {number_of(risk.order_id)}", SOLD_OUT)


def _request(attempt: Attempt) -> CareRequest:
    fields = {name: value for name, value in attempt.request.items() if name != "risk_id"}
    return CareRequest(**fields)
