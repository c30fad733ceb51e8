"""Asks the store for its numbers and learns from them before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.delivery.work import Work, key_of, ref_of
from connector.outbox.messages import Failed
from connector.positions.decide import Cause, decide
from connector.positions.sales import Learnt, NumberRead, record_numbers


def read(work: Work, rows: Sequence[Any], targets: Mapping[int, int] | None = None) -> None:
    """Read these listings in the store, learn from it, decide again what it changed, and load them anew.

    `targets` are the numbers that writes of unknown outcome wanted to set. Where an order was recorded
    while we asked, the answer says nothing certain: that listing is read again by its next claim.
    """
    if not rows:
        return
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
            reads.append(
                NumberRead(row.id, reading.quantity, (targets or {}).get(row.id), row.believed_available)
            )
    gone = sorted(row.id for row in left.values())
    with transaction(work.rt.engine) as db:
        learnt = record_numbers(db, work.merchant_id, work.connection_id, reads, work.rt.now())
        work.mark_problems(db, problems)
        if gone:
            db.execute(
                sa.text("""
                    update listing set is_gone = true where merchant_id = :m and id in (
                       select id from listing where merchant_id = :m and id = any(:ids) order by id for update)
                """),
                {"m": work.merchant_id, "ids": gone},
            )
            work.settle(db, {i: Failed("The store does not know this item any more.") for i in gone})
        work.again(db, sorted(learnt.moved), "an order was recorded while the store was read")
    decide_learnt(work, learnt)
    work.load([row.id for row in rows])


def decide_learnt(work: Work, learnt: Learnt) -> None:
    """Decide again what readings taught. Call it after their commit."""
    if learnt.variant_ids:
        cause = Cause("fall" if learnt.units_sold else "repair")
        decide(work.rt.engine, work.merchant_id, sorted(learnt.variant_ids), now=work.rt.now(), cause=cause)
