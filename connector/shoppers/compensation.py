"""A discount code for somebody who waited longer than they were told, made in the store when it is back.

One code a person and item, so that nothing is ever made twice: the request is kept before the store is asked
("planned"), and a lost answer is repeated by the same code, which the port promises to be harmless. The message waits
some minutes for its code and then goes without: being told in time is worth more. What was made and never told is
taken out of the store again; what was told and not used ends at its date by itself.

Only for those who consented to marketing, as a code is advertising; and only when the merchant switched it on.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Intent, Outcome, settle
from connector.outbox.work import outcome_of
from connector.ports.coupons import Coupon
from connector.ports.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    PortError,
    Rejected,
    Retryable,
    Unauthorized,
    Unsupported,
)
from connector.positions.promises import today_of
from connector.shoppers.policy import ShopperPolicy
from connector.shoppers.render import Code
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.tables import Compensation

_COMPENSATION = Compensation.__table__  # type: ignore[attr-defined]

CODES = "shoppers.code"
"""The outbox topic that takes codes out of a store which nobody was told; its subject is the row's id."""
WAITS_FOR = timedelta(minutes=10)
"""A message waits so long for its code at most."""
ASKS_AGAIN_S = 20.0
LOOKS_AFTER = timedelta(days=1)
LEAST_DAYS_LEFT = 3
"""A code made for a message that could not leave is told later if it is good for so many days more."""
WITHOUT = "Sent without its code."
_NO_ANSWER = "The store did not answer in time."
_LOST = "?"
"""In place of a code's id in the store: it may be there."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

# The restock is measured against the promise under which they signed up; one that is not over counts until now.
_LATE = sa.text("""
select p.restocked_at from promise p
 where p.merchant_id = :m and p.variant_id = :v and p.shown_at <= :asked_at
   and (p.restocked_at is null or p.restocked_at > :asked_at)
 order by p.id desc limit 1
""")
_PRODUCT = sa.text("""
select product_id from listing
 where merchant_id = :m and connection_id = :c and variant_id = :v and not is_gone order by id limit 1
""")
_STATUS = sa.text("select status from message where merchant_id = :m and id = :id")


@dataclass(frozen=True, slots=True)
class Planned:
    """A code that is to be made in the store before its message leaves."""

    merchant_id: int
    row_id: int
    connection_id: int
    coupon: Coupon
    planned_at: datetime


@dataclass(frozen=True, slots=True)
class CodeOf:
    """What a message says of a code: `said` None: nothing; `note` tells the merchant why there is none."""

    said: Code | None = None
    note: str = ""


NO_CODE = CodeOf()


def code_for(rt: ShopperRuntime, db: sa.Connection, row: Any, intents: list[Intent]) -> Planned | CodeOf:
    """The code for a message that is about to leave (`row` as `ready` reads it): to be made first, ready, or none.

    The caller holds the variant's lock, and enqueues what is put into `intents`.
    """
    policy = ShopperPolicy.model_validate(row.says or {})
    is_on = policy.code_percent is not None or policy.code_minor is not None
    if not is_on or not row.wants_marketing or row.shown_on is None:
        return NO_CODE
    now = rt.now()
    today = today_of(db, row.merchant_id, now)
    mine = (_COMPENSATION.c.merchant_id == row.merchant_id) & (
        _COMPENSATION.c.subscription_id == row.subscription_id
    )
    kept = db.execute(sa.select(_COMPENSATION).where(mine).with_for_update()).one_or_none()
    if kept is None or (kept.status == "deleted" and not kept.external_id):
        if not _is_late(db, row, today):
            return NO_CODE
        kept = _plan(db, row, policy, today, now, intents)
        if kept is None:
            return NO_CODE
    if kept.message_id not in (0, row.id):
        return NO_CODE  # one code a person and item: an earlier message told it
    if kept.status == "planned":
        return Planned(row.merchant_id, kept.id, kept.connection_id, _coupon(kept), kept.created_at)
    if kept.status == "refused":
        return CodeOf(note=f"{WITHOUT} {kept.note}")
    if kept.status != "made" or (kept.expires_on - today).days < LEAST_DAYS_LEFT:
        return NO_CODE
    db.execute(sa.update(_COMPENSATION).where(mine).values(message_id=row.id))
    said = Code(kept.code, kept.expires_on, kept.shown_on, kept.percent, kept.amount_minor, kept.currency)
    return CodeOf(said)


def _is_late(db: sa.Connection, row: Any, today: date) -> bool:
    """Whether it came back after the day that this person was shown."""
    given = {"m": row.merchant_id, "v": row.variant_id, "asked_at": row.asked_at}
    found = db.execute(_LATE, given).one_or_none()
    if found is None:
        return False
    back_on = today_of(db, row.merchant_id, found.restocked_at) if found.restocked_at else today
    return bool(back_on > row.shown_on)


def _plan(
    db: sa.Connection,
    row: Any,
    policy: ShopperPolicy,
    today: date,
    now: datetime,
    intents: list[Intent],
) -> Any:
    """Keep the request as it will be sent, and look later whether it was told. None: the listing is gone."""
    product_id = db.scalar(_PRODUCT, {"m": row.merchant_id, "c": row.connection_id, "v": row.variant_id})
    if product_id is None:
        return None
    values = {
        "connection_id": row.connection_id,
        "product_id": product_id,
        "code": "BACK-" + "".join(secrets.choice(_LETTERS) for _ in range(8)),
        "percent": policy.code_percent,
        "amount_minor": policy.code_minor,
        "currency": "" if policy.code_minor is None else row.store_currency or row.currency,
        "shown_on": row.shown_on,
        "expires_on": today + timedelta(days=policy.code_days),
        "status": "planned",
        "external_id": "",
        "message_id": row.id,
        "note": "",
        "created_at": now,
    }
    made = db.execute(
        insert(_COMPENSATION)
        .values(merchant_id=row.merchant_id, subscription_id=row.subscription_id, **values)
        .on_conflict_do_update(index_elements=["merchant_id", "subscription_id"], set_=values)
        .returning(_COMPENSATION)
    ).one()
    later = LOOKS_AFTER.total_seconds()
    intents.append(Intent(CODES, str(made.id), made.connection_id, delay_s=later))
    return made


def _coupon(kept: Any) -> Coupon:
    return Coupon(
        code=kept.code,
        expires_on=kept.expires_on,
        percent=kept.percent,
        amount_minor=kept.amount_minor,
        currency=kept.currency,
        only_external_ids=(kept.product_id,),
        title="Dispo: for waiting longer than told",
    )


def make(rt: ShopperRuntime, planned: Planned) -> Outcome | None:
    """Have the code in the store. None: go on, with it or (refused, or not in time) without it; else wait."""
    try:
        external_id = _create(rt, planned)
    except (Retryable, OutcomeUnknown) as exc:
        if rt.now() - planned.planned_at < WAITS_FOR:
            return Again(ASKS_AGAIN_S, f"It waits for its code. {exc.cause}")
        _note(rt, planned, "refused", f"{_NO_ANSWER} {exc.cause}", _LOST)
        return None
    except PortError as exc:
        # Without the grant, or refused for good. What is wrong with the connection itself is told by its own work;
        # the message must not wait for it.
        _note(rt, planned, "refused", f"{exc.cause} {exc.remedy}".strip())
        return None
    _note(rt, planned, "made", "", external_id)
    return None


def _create(rt: ShopperRuntime, planned: Planned) -> str:
    coupons = rt.coupons(planned.merchant_id, planned.connection_id)
    if coupons is None:
        raise Unsupported("store", f"code {planned.coupon.code}", "This platform has no discount codes.")
    return coupons.create_coupon(planned.coupon).external_id


def _note(rt: ShopperRuntime, planned: Planned, status: str, note: str, external_id: str = "") -> None:
    with transaction(rt.engine) as db:
        db.execute(
            sa.update(_COMPENSATION)
            .where(
                _COMPENSATION.c.merchant_id == planned.merchant_id,
                _COMPENSATION.c.id == planned.row_id,
                _COMPENSATION.c.status == "planned",
            )
            .values(status=status, note=note[:500], external_id=external_id)
        )


def work_codes(rt: ShopperRuntime, claim: Claim) -> None:
    """The handler of topic "shoppers.code": takes a code out of the store that nobody was told."""
    for message in claim.messages:
        if claim.is_out_of_time():
            return
        try:
            outcome = _take_back(rt, claim.turn.merchant_id, int(message.subject))
        except (Unauthorized, Misconfigured):
            raise
        except PortError as exc:
            outcome = outcome_of(exc, message.tries)
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: outcome})


def _take_back(rt: ShopperRuntime, merchant_id: int, row_id: int) -> Outcome:
    its_key = (_COMPENSATION.c.merchant_id == merchant_id) & (_COMPENSATION.c.id == row_id)
    with transaction(rt.engine) as db:
        kept = db.execute(sa.select(_COMPENSATION).where(its_key).with_for_update()).one_or_none()
        if kept is None or not (kept.external_id or kept.status == "planned"):
            return Done("There is nothing in the store.")
        if kept.expires_on < today_of(db, merchant_id, rt.now()):
            return Done("It is over.")
        told = db.scalar(_STATUS, {"m": merchant_id, "id": kept.message_id})
        if kept.status == "refused":
            told = None  # its message went without it
        if told in ("sent", "unknown"):
            return Done("It was told.")
        if told in ("waiting", "sending"):
            return Again(LOOKS_AFTER.total_seconds(), "Its message is on its way.")
        # From here on no message can take it up, so that what is told is never taken away.
        external_id = kept.external_id or _LOST
        db.execute(
            sa.update(_COMPENSATION)
            .where(its_key)
            .values(status="deleted", message_id=0, external_id=external_id)
        )
    coupons = rt.coupons(merchant_id, kept.connection_id)
    if coupons is not None:
        try:
            if external_id == _LOST:
                # The same code tells which it is, whether it is there or not; then it is ours to take away.
                external_id = coupons.create_coupon(_coupon(kept)).external_id
            coupons.delete_coupon(external_id)
        except (Rejected, NotFound, Unsupported):
            pass  # there is none of ours, or we may not touch it: it ends at its date
    with transaction(rt.engine) as db:
        db.execute(sa.update(_COMPENSATION).where(its_key).values(external_id=""))
    return Done()
