"""The regular look at a merchant's orders, and what follows from it by the merchant's rules."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.shoppers.at_risk.choosing import Choice, choose, find, silent
from connector.shoppers.at_risk.looking import Looked, hold_looks, look
from connector.shoppers.at_risk.rules import rule_of
from connector.shoppers.at_risk.writing import is_written, write_order_message
from connector.shoppers.runtime import ShopperRuntime

AT_RISK = "orders.at_risk"
"""The kind of schedule row, one a merchant."""
KEEP = timedelta(days=730)
"""Closed risks are kept for so long: questions about a refund come within two years."""


def work_risks(rt: ShopperRuntime, merchant_id: int) -> Looked:
    """Look once; harmless to repeat. Where the merchant wants it, customers are written to at once; whoever did not
    answer in time is refunded, or left to the merchant, as the rule says."""
    now = rt.now()
    with transaction(rt.engine) as db:
        rule = rule_of(db, merchant_id)
        looked = look(db, merchant_id, rule, now)
        intents: list[Intent] = []
        if rule.no_answer == "refund":
            for risk_id in silent(db, merchant_id, now):
                intents += choose(db, merchant_id, risk_id, "refund", "rule", rule, now) or []
        if rule.writes == "auto":
            for risk_id in _unwritten(db, merchant_id):
                intents.append(write_order_message(rt, db, merchant_id, risk_id, "at_risk"))
        intents += [write_order_message(rt, db, merchant_id, one, "found") for one in looked.found]
        _prune(db, merchant_id, now)
        if intents:
            enqueue(db, merchant_id, intents)
    return looked


def ask(rt: ShopperRuntime, merchant_id: int, risk_id: int) -> bool:
    """Write to the customer, at the merchant's word; False when that was done, or it is settled."""
    with transaction(rt.engine) as db:
        status = db.execute(
            sa.text("select status from order_risk where merchant_id = :m and id = :r for update"),
            {"m": merchant_id, "r": risk_id},
        ).scalar()
        if status != "open" or is_written(db, merchant_id, risk_id):
            return False
        enqueue(db, merchant_id, [write_order_message(rt, db, merchant_id, risk_id, "at_risk")])
    return True


def answer(
    rt: ShopperRuntime, merchant_id: int, risk_id: int, choice: Choice, by: str, *, substitute_id: int = 0
) -> bool:
    """What the customer or the merchant chose, with what follows from it; False when it is settled or not offered.
    Who keeps waiting gets the new date in writing: a page that was looked at once proves nothing."""
    now = rt.now()
    with transaction(rt.engine) as db:
        present = find(db, merchant_id, risk_id)
        is_closed = present is not None and present.status == "closed"
        if is_closed:
            hold_looks(db, merchant_id)
        given = (choice, by, rule_of(db, merchant_id), now)
        intents = choose(db, merchant_id, risk_id, *given, substitute_id=substitute_id, may_reopen=is_closed)
        if intents is not None and choice == "wait" and by == "customer":
            intents = [*intents, write_order_message(rt, db, merchant_id, risk_id, "waits")]
        if intents:
            enqueue(db, merchant_id, intents)
    return intents is not None


def _unwritten(db: sa.Connection, merchant_id: int) -> list[int]:
    return list(
        db.scalars(
            sa.text("""
                select r.id from order_risk r
                 where r.merchant_id = :m and r.status = 'open'
                   and not exists (select 1 from order_message n
                                    where n.merchant_id = r.merchant_id and n.risk_id = r.id and n.kind = 'at_risk')
                 order by r.id for update of r
            """),
            {"m": merchant_id},
        )
    )


def _prune(db: sa.Connection, merchant_id: int, now: datetime) -> None:
    given = {"m": merchant_id, "before": now - KEEP}
    db.execute(
        sa.text("""
            delete from order_message where merchant_id = :m and risk_id in (
                select id from order_risk where merchant_id = :m and closed_at < :before)
        """),
        given,
    )
    db.execute(sa.text("delete from order_risk where merchant_id = :m and closed_at < :before"), given)
