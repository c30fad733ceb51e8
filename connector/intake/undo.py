"""Takes a run back: what was observed before it counts again, and its file is not taken a second time.

Sales made since stay deducted; no old store number is written anywhere: the variants are decided again
from the restored observations.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from connector.catalog import matching
from connector.intake import apply
from connector.intake import runtime as needs
from connector.intake.examine import read_snapshot
from connector.intake.records import Outcome, SourceLock, outcome_of, update_run
from connector.intake.runtime import Cause, Decide, NotPossible, Runtime
from connector.intake.staging import Place, is_in
from connector.positions.evidence import forget_run
from connector.positions.facts import variants_with_open_deductions
from connector.positions.price_news import tell_prices

# By place, as `apply.PREVIOUS` wrote it.
_RESTORE = sa.text("""
    update observation o
       set sku = o.previous ->> 0, gtin = o.previous ->> 1, supplier_sku = o.previous ->> 2,
           quantity = cast(o.previous ->> 3 as integer), is_at_least = cast(o.previous ->> 4 as boolean),
           is_word = cast(o.previous ->> 5 as boolean), restock_on = cast(o.previous ->> 6 as date),
           lead_time_days = cast(o.previous ->> 7 as integer), cost = cast(o.previous ->> 8 as numeric),
           line = cast(o.previous ->> 9 as integer), run_id = cast(o.previous ->> 10 as bigint),
           missed_runs = cast(o.previous ->> 11 as smallint),
           as_of = cast(o.previous ->> 12 as timestamptz), line_digest = 0,
           previous = nullif(o.previous -> 13, 'null')
     where o.merchant_id = :merchant and o.source_id = :source and o.run_id = :run
       and jsonb_typeof(o.previous) = 'array'
    returning o.item_key
""")

# What two undone runs have left behind and a third takes back too: there was a number, but it is not kept. Not
# knowing is said as such: the stores keep theirs, and links made by hand stay.
_NOT_KEPT = sa.text("""
    update observation o
       set quantity = null, is_at_least = false, is_word = false, restock_on = null, lead_time_days = null,
           line_digest = 0
     where o.merchant_id = :merchant and o.source_id = :source and o.run_id = :run and o.previous = 'false'
    returning o.item_key
""")

# Rows that a newer run replaced: taking that one back later must not bring this run's number back.
_UNCHAIN = sa.text("""
    update observation o
       set previous = case when o.previous ->> 10 = cast(:run as text)
                           then nullif(o.previous -> 13, 'null')
                           else jsonb_set(o.previous, '{13}', coalesce(o.previous -> 13 -> 13, 'null')) end
     where o.merchant_id = :merchant and o.source_id = :source
       and (o.previous ->> 10 = cast(:run as text) or o.previous -> 13 ->> 10 = cast(:run as text))
""")

_FORGET = sa.text("""
    delete from observation
     where merchant_id = :merchant and source_id = :source and run_id = :run and previous is null
    returning item_key
""")


# How many rows the next file is held against: those of the last one that still counts.
_ROWS_BEFORE = sa.text("""
    select rows_read from run
     where merchant_id = :merchant and source_id = :source and id <> :run
       and status in ('applied', 'partly_held')
     order by id desc limit 1
""")


# Whether a newer file, or a word that nothing changed, confirmed the source since.
_NEWER = """
    select 1 from run r where r.merchant_id = :merchant and r.source_id = :source and r.id > :run
       and r.status in ('applied', 'partly_held', 'unchanged') and r.error_code = ''
"""
_IS_NEWER = sa.text(f"select exists ({_NEWER})")


def undo(rt: Runtime, merchant_id: int, run_id: int, *, decide: Decide = needs.decide) -> Outcome:
    """Restore what was observed before this run, where nothing newer has replaced it since.

    Items the run brought for the first time are forgotten; their listings leave management, because not
    knowing is no reason to write a zero. Raises NotPossible for a run that applied nothing (any more),
    SourceBusy, LookupError.
    """
    with rt.engine.connect() as db:
        with db.begin():
            source_id = _undoable(db, merchant_id, run_id).source_id
        with SourceLock(db, merchant_id, source_id):
            with db.begin():
                run = _undoable(db, merchant_id, run_id)
                affected = _restore(db, run, merchant_id)
                tell_prices(db, merchant_id)
                update_run(
                    db, merchant_id, run_id, status="running", stage="decide", shape={"ends_as": "undone"}
                )
            decided = decide(
                rt.engine,
                merchant_id,
                sorted(affected),
                now=rt.clock(),
                cause=Cause(kind="undo", run_id=run_id),
            )
            with db.begin():
                update_run(
                    db,
                    merchant_id,
                    run_id,
                    status="undone",
                    stage="done",
                    finished_at=rt.clock(),
                    variants_decided=decided.decided,
                    variants_changed=decided.changed,
                )
        return outcome_of(rt.engine, merchant_id, run_id)


def _undoable(db: sa.Connection, merchant_id: int, run_id: int) -> Any:
    run = db.execute(
        sa.text(
            "select id, source_id, status, sha256, as_of, shape from run"
            " where merchant_id = :merchant and id = :run"
        ),
        {"merchant": merchant_id, "run": run_id},
    ).one_or_none()
    if run is None:
        raise LookupError(f"Merchant {merchant_id} has no run {run_id}.")
    if run.status not in ("applied", "partly_held"):
        raise NotPossible(f"Run {run_id} cannot be undone: it is {run.status} and has nothing applied.")
    return run


def _restore(db: sa.Connection, run: Any, merchant_id: int) -> set[int]:
    place = Place(merchant_id, run.source_id, 0)
    given = {"merchant": merchant_id, "source": run.source_id, "run": run.id}
    digests = db.execute(
        sa.text(
            "select line_digest from observation where merchant_id = :merchant and source_id = :source"
            " and run_id = :run and line_digest <> 0"
        ),
        given,
    ).scalars()
    taken = np.sort(np.array(list(digests), dtype=np.int64).view(np.uint64))
    snapshot = read_snapshot(db, place)
    if snapshot.rows is not None:
        kept = snapshot.digests[~is_in(snapshot.digests, taken)]
        rows = db.execute(_ROWS_BEFORE, given).scalar()
        apply.write_snapshot(db, place, snapshot.version, snapshot.rows if rows is None else rows, kept)
    apply.quarantine(db, place, [run.sha256])
    db.execute(
        sa.text(
            "update held_change set status = 'rejected'"
            " where merchant_id = :merchant and run_id = :run and status = 'held'"
        ),
        given,
    )
    _move_back(db, run, given)
    restored = [*db.execute(_RESTORE, given).scalars(), *db.execute(_NOT_KEPT, given).scalars()]
    db.execute(_UNCHAIN, given)
    affected = _linked(db, given, restored)
    # The costs given back are in the currency they were in.
    before = run.shape.get("currency_before")
    if before is not None and not db.execute(_IS_NEWER, given).scalar_one():
        affected |= apply.set_currency(db, place, before)
    forgotten = db.execute(_FORGET, given).scalars().all()
    forget_run(db, merchant_id, run.source_id, run.id, [*restored, *forgotten])
    if forgotten:
        affected |= matching.unlink(db, merchant_id, run.source_id, forgotten)
        affected = _still_linked(db, merchant_id, affected)
    return affected | set(variants_with_open_deductions(db, merchant_id, run.source_id))


def _move_back(db: sa.Connection, run: Any, given: dict[str, Any]) -> None:
    """Take back the file's confirmation of the rows it left unchanged, unless a newer file confirmed
    them, and fetch the next file whole."""
    before = run.shape.get("as_of_before")
    db.execute(
        sa.text(f"""
            update source s
               set mark = '{{}}',
                   as_of = case when exists ({_NEWER}) then s.as_of else cast(:before as timestamptz) end
             where s.merchant_id = :merchant and s.id = :source
        """),  # noqa: S608 - a constant of this module
        {**given, "before": datetime.fromisoformat(before) if before else None},
    )


def _linked(db: sa.Connection, given: dict[str, Any], item_keys: Any) -> set[int]:
    rows = db.execute(
        sa.text(
            "select distinct variant_id from supplier_item where merchant_id = :merchant"
            " and source_id = :source and item_key = any(cast(:keys as text[]))"
        ),
        {**given, "keys": list(item_keys)},
    )
    return {row[0] for row in rows}


def _still_linked(db: sa.Connection, merchant_id: int, variant_ids: set[int]) -> set[int]:
    rows = db.execute(
        sa.text(
            "select distinct variant_id from supplier_item"
            " where merchant_id = :merchant and variant_id = any(cast(:variants as bigint[]))"
        ),
        {"merchant": merchant_id, "variants": sorted(variant_ids)},
    )
    return {row[0] for row in rows}
