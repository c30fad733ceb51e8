"""The merchant's answer to what waits: approve applies it, reject keeps what was known."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import sqlalchemy as sa

from connector.intake import apply, staging
from connector.intake import runtime as needs
from connector.intake.examine import SourceRow, read_snapshot, read_source
from connector.intake.mapping import Mapping
from connector.intake.records import Outcome, SourceLock, outcome_of, update_run
from connector.intake.runtime import Cause, Decide, NotPossible, Runtime
from connector.intake.staging import NO_DIGESTS, VALUES, Place, distinct, is_in
from connector.ports.suppliers import Digests
from connector.positions.facts import variants_with_open_deductions
from connector.positions.price_news import tell_prices

_ROWS = """
    insert into incoming (item_key, {values}, line, digest, state)
    select h.item_key, h.row ->> 0, h.row ->> 1, h.row ->> 2, cast(h.row ->> 3 as integer),
           cast(h.row ->> 4 as boolean), cast(h.row ->> 5 as boolean), cast(h.row ->> 6 as date),
           cast(h.row ->> 7 as integer), cast(h.row ->> 8 as numeric), cast(h.row ->> 9 as integer),
           cast(h.row ->> 10 as bigint), 0
      from held_change h
     where h.merchant_id = :merchant and h.run_id = :run and h.status = 'held' and h.row <> '[]'
    union all
    select h.item_key, '', '', '', null, false, false, null, null, null, 0, 0, 1
      from held_change h
     where h.merchant_id = :merchant and h.run_id = :run and h.status = 'held' and h.reason = 'faulty'
"""

_MISSING = """
    create temp table missing on commit drop as
    select h.item_key, o.missed_runs, h.quantity_before as units_before,
           (h.quantity_after = 0 and h.quantity_before is distinct from 0) as goes_to_zero
      from held_change h
      join observation o on o.merchant_id = h.merchant_id and o.source_id = h.source_id
                        and o.item_key = h.item_key
     where h.merchant_id = :merchant and h.run_id = :run and h.status = 'held' and h.reason = 'missing'
"""


def approve(rt: Runtime, merchant_id: int, run_id: int, *, decide: Decide = needs.decide) -> Outcome:
    """Apply what a run holds, as if its file had been accepted; rows superseded since are left out.

    Raises NotPossible when nothing of the run waits, SourceBusy, LookupError.
    """
    with rt.engine.connect() as db:
        with db.begin():
            source_id = _source_of(db, merchant_id, run_id)
        with SourceLock(db, merchant_id, source_id):
            with db.begin():
                run = _held_run(db, merchant_id, run_id)
                source = read_source(db, merchant_id, source_id)
                affected = _apply(rt, db, source, run)
                tell_prices(db, merchant_id, run_id)
            decided = decide(
                rt.engine,
                merchant_id,
                sorted(affected),
                now=rt.clock(),
                cause=Cause(kind="run", run_id=run_id, reference="approved"),
            )
            with db.begin():
                update_run(
                    db,
                    merchant_id,
                    run_id,
                    status="applied",
                    stage="done",
                    finished_at=rt.clock(),
                    variants_decided=decided.decided,
                    variants_changed=decided.changed,
                )
        return outcome_of(rt.engine, merchant_id, run_id)


def reject(rt: Runtime, merchant_id: int, run_id: int) -> Outcome:
    """Drop what a run holds. A file held as a whole is not taken again; single rows are not asked about
    again while the file repeats them. What was known stays.

    Raises NotPossible when nothing of the run waits, SourceBusy, LookupError.
    """
    with rt.engine.connect() as db:
        with db.begin():
            source_id = _source_of(db, merchant_id, run_id)
        with SourceLock(db, merchant_id, source_id), db.begin():
            run = _held_run(db, merchant_id, run_id)
            place = Place(merchant_id, source_id, 0)
            given = {"merchant": merchant_id, "run": run_id}
            if run.status == "held":
                apply.quarantine(db, place, [run.sha256])
                update_run(db, merchant_id, run_id, status="rejected", finished_at=rt.clock())
            else:
                digests = db.execute(
                    sa.text(
                        "select cast(row ->> 10 as bigint) from held_change"
                        " where merchant_id = :merchant and run_id = :run and status = 'held'"
                    ),
                    given,
                ).scalars()
                unsigned = np.array(list(digests), dtype=np.int64).view(np.uint64)
                apply.quarantine(db, place, [f"row:{digest}" for digest in unsigned.tolist()])
                update_run(db, merchant_id, run_id, status="applied", finished_at=rt.clock())
            db.execute(
                sa.text(
                    "update held_change set status = 'rejected'"
                    " where merchant_id = :merchant and run_id = :run and status = 'held'"
                ),
                given,
            )
        return outcome_of(rt.engine, merchant_id, run_id)


def _source_of(db: sa.Connection, merchant_id: int, run_id: int) -> int:
    found = db.execute(
        sa.text("select source_id from run where merchant_id = :merchant and id = :run"),
        {"merchant": merchant_id, "run": run_id},
    ).scalar_one_or_none()
    if found is None:
        raise LookupError(f"Merchant {merchant_id} has no run {run_id}.")
    return int(found)


def _held_run(db: sa.Connection, merchant_id: int, run_id: int) -> Any:
    run = db.execute(
        sa.text(
            "select id, status, error_code, sha256, as_of, rows_read, rows_held, shape from run"
            " where merchant_id = :merchant and id = :run for update"
        ),
        {"merchant": merchant_id, "run": run_id},
    ).one()
    if run.status not in ("held", "partly_held"):
        newer = " A newer file was accepted since." if run.error_code == "superseded" else ""
        raise NotPossible(f"Nothing of run {run_id} waits: it is {run.status}.{newer}")
    return run


def _apply(rt: Runtime, db: sa.Connection, source: SourceRow, run: Any) -> set[int]:
    """Write the held rows of `run`, advance the snapshot by them, and leave only the decisions to do."""
    place = source.place
    given = {**place.given, "run": run.id}
    staging.create(db)
    db.execute(sa.text(_ROWS.format(values=VALUES)), given)
    db.execute(sa.text(_MISSING), given)
    staging.compare(db, place)
    known = staging.read_known(db)
    gone = _digests_of_missing(db, place)
    snapshot = read_snapshot(db, place)
    version = run.shape.get("version", "")
    is_file = run.status == "held"
    affected = set(variants_with_open_deductions(db, place.merchant_id, place.source_id))
    written = apply.write_observations(db, place, run.id, source.as_of)
    affected |= written.variant_ids
    if is_file:
        _accept_file(db, source, run)
        # Where it is older than what counted: what was sold since it was made counts again.
        affected.update(variants_with_open_deductions(db, place.merchant_id, place.source_id))
    affected |= apply.match_new(db, place)
    apply.learn_lateness(db, place, run.id, rt.clock())
    applied = apply.applied_digests(db)
    if is_file or snapshot.version == version:
        old = snapshot.digests if snapshot.version == version else NO_DIGESTS
        old = old[~is_in(old, np.sort(np.concatenate([known.digest_before, gone])))]
        rows = run.rows_read if is_file else snapshot.rows or run.rows_read
        apply.write_snapshot(db, place, version, rows, distinct(np.sort(np.concatenate([old, applied]))))
    db.execute(
        sa.text(
            "update held_change set status = 'approved'"
            " where merchant_id = :merchant and run_id = :run and status = 'held'"
        ),
        given,
    )
    update_run(
        db,
        place.merchant_id,
        run.id,
        status="running",
        stage="decide",
        error="",
        error_code="",
        rows_held=0,
        shape={"ends_as": "applied", "approved_at": rt.clock().isoformat()}
        | ({"as_of_before": source.as_of.isoformat() if source.as_of else None} if is_file else {}),
    )
    db.execute(
        sa.text(
            "update run set rows_changed = rows_changed + :changed, rows_new = rows_new + :new"
            " where merchant_id = :merchant and id = :run"
        ),
        {**given, "changed": written.changed, "new": written.new},
    )
    return affected


def _digests_of_missing(db: sa.Connection, place: Place) -> Digests:
    """The records of items that the file does not have: when they come back they must be read again."""
    rows = db.execute(
        sa.text(
            "select o.line_digest from missing m join observation o on o.merchant_id = :merchant"
            " and o.source_id = :source and o.item_key = m.item_key where o.line_digest <> 0"
        ),
        place.given,
    ).scalars()
    return np.array(list(rows), dtype=np.int64).view(np.uint64)


def _accept_file(db: sa.Connection, source: SourceRow, run: Any) -> None:
    """Move the source to the file that was held: its time, its mark and, the first time, its mapping."""
    mapping = Mapping.from_json(run.shape.get("mapping") or {})
    mark = {
        **(run.shape.get("mark") or {}),
        "file_as_of": run.shape.get("file_as_of"),
        "reading": source.reading(mapping),
    }
    keep = source.mapping if source.mapping.columns else mapping
    db.execute(
        sa.text(
            "update source set as_of = :as_of, mark = cast(:mark as jsonb), mapping = cast(:mapping as jsonb)"
            " where merchant_id = :merchant and id = :source"
        ),
        {
            **source.place.given,
            "as_of": run.as_of,
            "mark": json.dumps(mark),
            "mapping": json.dumps(keep.to_json()),
        },
    )
