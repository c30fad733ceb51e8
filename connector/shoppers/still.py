"""What ends by itself: sign-ups that nobody confirms, and waiting for a year that nobody wants to go on with.

Those who have waited for nearly a year are asked once whether they still want it.

The form promises twelve months at most: so they are asked thirty days before those are over. A yes is a consent of
that day, good for twelve months of its own; the place in the queue stays.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox.messages import enqueue
from connector.shoppers.devices import leave_with
from connector.shoppers.messages import write_message
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.tables import Message, Subscription

_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

UNCONFIRMED_LASTS = timedelta(days=7)
ANSWER_WITHIN = timedelta(days=30)
ASKED_AFTER = timedelta(days=365) - ANSWER_WITHIN
MOST_AT_ONCE = 500


def ask(rt: ShopperRuntime, merchant_id: int) -> int:
    """Write the question to everybody of this merchant whose time it is; how many. Asking again asks nobody twice."""
    count = 0
    while True:
        with transaction(rt.engine) as db:
            due = (
                sa.select(_SUBSCRIPTION.c.id)
                .where(
                    _SUBSCRIPTION.c.merchant_id == merchant_id,
                    _SUBSCRIPTION.c.status == "waiting",
                    _SUBSCRIPTION.c.confirmed_at <= rt.now() - ASKED_AFTER,
                    _SUBSCRIPTION.c.asked_again_at.is_(None),
                )
                .order_by(_SUBSCRIPTION.c.id)
                .limit(MOST_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
            asked = list(
                db.scalars(
                    sa.update(_SUBSCRIPTION)
                    .where(
                        _SUBSCRIPTION.c.merchant_id == merchant_id,
                        _SUBSCRIPTION.c.id.in_(due.scalar_subquery()),
                    )
                    .values(asked_again_at=rt.now())
                    .returning(_SUBSCRIPTION.c.id)
                )
            )
            intents = [write_message(rt, db, merchant_id, one, "still_waiting") for one in sorted(asked)]
            enqueue(db, merchant_id, intents)
        count += len(asked)
        if len(asked) < MOST_AT_ONCE:
            return count


def answer(rt: ShopperRuntime, merchant_id: int, subscription_id: int) -> bool:
    """They still want it: the twelve months begin anew. Repeating it changes nothing. False: it has ended."""
    its_key = sa.and_(_SUBSCRIPTION.c.merchant_id == merchant_id, _SUBSCRIPTION.c.id == subscription_id)
    with transaction(rt.engine) as db:
        db.execute(
            sa.update(_SUBSCRIPTION)
            .where(
                its_key,
                # Also of somebody invited at this moment, who waits again when it sells out before the message leaves.
                _SUBSCRIPTION.c.status.in_(("waiting", "invited")),
                _SUBSCRIPTION.c.asked_again_at.is_not(None),
            )
            .values(confirmed_at=rt.now(), asked_again_at=None)
        )
        status = db.scalar(sa.select(_SUBSCRIPTION.c.status).where(its_key))
    return status in ("waiting", "invited", "fulfilled")


def end_unanswered(db: sa.Connection, merchant_id: int, now: datetime) -> int:
    """End what was asked about thirty days ago and not answered; the number. The address leaves with it."""
    ended = db.scalars(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.status == "waiting",
            _SUBSCRIPTION.c.asked_again_at <= now - ANSWER_WITHIN,
        )
        .values(
            status="ended",
            ended_at=now,
            ended_by="retention",
            address="",
            address_key="",
            consent_text="",
            marketing_text="",
            push_keys={},
        )
        .returning(_SUBSCRIPTION.c.id)
    ).all()
    leave_with(db, merchant_id, ended, "retention", now)
    return len(ended)


def expire(db: sa.Connection, merchant_id: int, now: datetime) -> int:
    """Remove what nobody confirmed within seven days, with its messages; the number of subscriptions."""
    gone = (
        sa.delete(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.status == "unconfirmed",
            _SUBSCRIPTION.c.created_at <= now - UNCONFIRMED_LASTS,
        )
        .returning(_SUBSCRIPTION.c.id)
        .cte("gone")
    )
    # In one statement: a whole import may leave at once, and no statement takes 65,536 ids one by one.
    untold = (
        sa.delete(_MESSAGE)
        .where(_MESSAGE.c.merchant_id == merchant_id, _MESSAGE.c.subscription_id == gone.c.id)
        .returning(_MESSAGE.c.id)
        .cte("untold")
    )
    return db.execute(sa.select(sa.func.count()).select_from(gone).add_cte(untold)).scalar_one()
