"""Completes what a killed run left. A run, an approval and an undo all write what they say in one transaction
and decide afterwards, in chunks; a kill leaves either nothing, or everything but some decisions.

Which variants were left is not stored: deciding more than those is harmless, since an answer that is the same
writes nothing.
"""

from __future__ import annotations

import sqlalchemy as sa

from connector.db import transaction
from connector.intake import runtime as needs
from connector.intake.records import SourceLock, update_run
from connector.intake.runtime import Cause, Decide, Runtime, SourceBusy


def sweep(rt: Runtime, merchant_id: int, *, decide: Decide = needs.decide) -> list[int]:
    """Complete every run of this merchant whose worker died, whether or not its supplier is read again;
    returns their sources. One that is at work holds its source's lock and is left alone."""
    with rt.engine.connect() as db:
        sources = list(
            db.execute(
                sa.text(
                    "select distinct source_id from run where merchant_id = :merchant"
                    " and status = 'running' and stage <> 'queued' order by source_id"
                ),
                {"merchant": merchant_id},
            ).scalars()
        )
        db.rollback()
        swept = []
        for source_id in sources:
            try:
                with SourceLock(db, merchant_id, source_id):
                    finish(rt, db, merchant_id, source_id, decide=decide)
            except SourceBusy:
                continue  # it is not dead
            swept.append(source_id)
    return swept


def finish(
    rt: Runtime,
    db: sa.Connection,
    merchant_id: int,
    source_id: int,
    run_id: int | None = None,
    *,
    decide: Decide = needs.decide,
) -> None:
    """Complete what is left of this source, under its lock (held by `db`): a run that says "running" and has
    begun is dead then. `run_id` is the run that is about to begin again."""
    given = {"merchant": merchant_id, "source": source_id}
    with db.begin():
        dead = db.execute(
            sa.text(
                "select id, shape ->> 'ends_as' as ends_as from run where merchant_id = :merchant"
                " and source_id = :source and status = 'running' and stage = 'decide' order by id"
            ),
            given,
        ).all()
    for row in dead:
        is_undo = row.ends_as == "undone"
        decided = decide(
            rt.engine,
            merchant_id,
            _linked(db, given, of_all_sources=is_undo),
            now=rt.clock(),
            cause=Cause(kind="undo" if is_undo else "run", run_id=row.id),
        )
        with transaction(rt.engine) as writing:
            update_run(
                writing,
                merchant_id,
                row.id,
                status=row.ends_as or "unchanged",
                stage="done",
                finished_at=rt.clock(),
                variants_decided=decided.decided,
                variants_changed=decided.changed,
            )
    with transaction(rt.engine) as writing:
        writing.execute(
            sa.text(
                "update run set status = 'failed', error_code = 'interrupted', finished_at = :now,"
                " error = 'The run was interrupted before anything was applied. It is run again.'"
                " where merchant_id = :merchant and source_id = :source and status = 'running'"
                "   and stage <> 'queued' and id <> :run"
            ),
            {**given, "now": rt.clock(), "run": run_id or 0},
        )


def _linked(db: sa.Connection, given: dict[str, int], *, of_all_sources: bool) -> list[int]:
    """The variants to decide. An undo forgets links, after which nothing tells that a variant which another
    source has too was one of them: then all that have a source are asked."""
    which = "" if of_all_sources else " and source_id = :source"
    with db.begin():
        return list(
            db.execute(
                sa.text(
                    f"select distinct variant_id from supplier_item where merchant_id = :merchant{which}"  # noqa: S608
                ),
                given,
            ).scalars()
        )
