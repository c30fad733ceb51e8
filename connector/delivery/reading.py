"""Asks the store for its numbers and learns from them before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.delivery.foreign import note
from connector.delivery.work import Work, key_of, ref_of
from connector.outbox.messages import Failed
from connector.positions.decide import Cause
from connector.positions.learn import decide_learnt, lock
from connector.positions.readings import NumberRead
from connector.positions.sales import Learnt, record_numbers


def read(
    work: Work, rows: Sequence[Any], targets: Mapping[int, tuple[int, int | None]] | None = None
) -> bool:
    """Read these listings in the store, learn from it, decide again what it changed, and load them anew.

    `targets` are the numbers that a write of unknown outcome wanted to set, and those it expected. Where an
    order was recorded while we asked, the answer says nothing certain: that listing is read again by its
    next claim, and the answer is False.
    """
    if not rows:
        return True
    refs = [ref_of(row) for row in rows]
    left = {key_of(ref): row for ref, row in zip(refs, rows, strict=True)}
    readings = work.store.read_quantities(refs)
    reads: list[NumberRead] = []
    problems: dict[int, str] = {}
    for reading in readings:
        row = left.pop(key_of(reading.ref), None)
        if row is None:
            continue
        if reading.quantity is None or reading.problem:
            problems[row.id] = reading.problem or "The store does not track this item's quantity."
        else:
            target, expected = (targets or {}).get(row.id, (None, None))
            believed = (row.believed_available, row.doubted_units)
            reads.append(NumberRead(row.id, reading.quantity, target, expected, *believed))
    gone = sorted(row.id for row in left.values())
    before = {row.id: row for row in rows}
    news = {one.listing_id for one in reads if _is_news(before[one.listing_id], one)}
    with transaction(work.rt.engine) as db:
        lock(db, work.merchant_id, before, (row.variant_id for row in rows if row.id in news))
        learnt = record_numbers(
            db,
            work.merchant_id,
            work.connection_id,
            reads,
            work.rt.now(),
            orders_tell=work.store.capabilities.reads_orders,
        )
        note(db, work.merchant_id, work.connection_id, learnt.foreign, work.rt.now())
        work.mark_problems(db, problems)
        if gone:
            db.execute(
                sa.text("update listing set is_gone = true where merchant_id = :m and id = any(:ids)"),
                {"m": work.merchant_id, "ids": gone},
            )
            work.settle(db, {i: Failed("The store does not know this item any more.") for i in gone})
        decide_anew(work, db, learnt)
        work.again(db, sorted(learnt.moved), "an order was recorded while the store was read")
    work.load([row.id for row in rows])
    return not learnt.moved


def _is_news(row: Any, read: NumberRead) -> bool:
    is_other = row.believed_available != read.remote or row.doubted_units or read.target is not None
    return bool(is_other and row.variant_id is not None)


def decide_anew(work: Work, db: sa.Connection, learnt: Learnt) -> None:
    """Decide what readings taught, in the transaction that learnt it."""
    if learnt.units_sold:
        db.execute(_COUNT_SALES, {"m": work.merchant_id, "c": work.connection_id, "units": learnt.units_sold})
    cause = Cause("fall" if learnt.units_sold else "repair")
    decide_learnt(db, work.merchant_id, learnt.variant_ids, now=work.rt.now(), cause=cause)


# Of the comparison that had these numbers read.
_COUNT_SALES = sa.text("""
    update reconciliation set sales_learnt = sales_learnt + :units
     where merchant_id = :m
       and id = (select max(r.id) from reconciliation r where r.merchant_id = :m and r.connection_id = :c)
""")
