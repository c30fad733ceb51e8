"""The merchant's answer to what waits: approve applies it, reject keeps what was known."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from connector.catalog.keys import sku_key
from connector.intake import apply, row_choice, staging
from connector.intake import runtime as needs
from connector.intake.examine import SourceRow, read_snapshot, read_source
from connector.intake.mapping import Mapping
from connector.intake.records import Outcome, SourceLock, outcome_of, update_run
from connector.intake.runtime import Cause, Decide, NotPossible, Runtime
from connector.intake.staging import NO_DIGESTS, VALUES, Place, distinct, is_in
from connector.ports.suppliers import Digests
from connector.positions.facts import variants_with_open_deductions
from connector.positions.price_news import tell_prices

_CHOSEN = """h.merchant_id = :merchant and h.run_id = :run and h.status = 'held'
       and (cast(:rows as bigint[]) is null or h.id = any(cast(:rows as bigint[])))"""
"""Which of a run's rows are answered: those given, or all that wait."""

_ROWS = """
    insert into staged_rows (item_key, {values}, line, digest, state)
    select h.item_key, h.row ->> 0, h.row ->> 1, h.row ->> 2, cast(h.row ->> 3 as integer),
           cast(h.row ->> 4 as boolean), cast(h.row ->> 5 as boolean), cast(h.row ->> 6 as date),
           cast(h.row ->> 7 as integer), cast(h.row ->> 8 as numeric), cast(h.row ->> 9 as integer),
           cast(h.row ->> 10 as bigint), 0
      from held_change h
     where {chosen} and h.row <> '[]'
    union all
    select h.item_key, '', '', '', null, false, false, null, null, null, 0, 0, 1
      from held_change h
     where {chosen} and h.reason = 'faulty'
"""

_MISSING = f"""
    create temp table missing on commit drop as
    select h.item_key, o.missed_runs, h.quantity_before as units_before,
           (h.quantity_after = 0 and h.quantity_before is distinct from 0) as goes_to_zero
      from held_change h
      join observation o on o.merchant_id = h.merchant_id and o.source_id = h.source_id
                        and o.item_key = h.item_key
     where {_CHOSEN} and h.reason = 'missing'
"""  # noqa: S608 - constants of this module, no input

# Of a file that was held as a whole and is not taken over as one: its rows are as old as the file, and what it
# left unchanged is not confirmed.
_AS_OLD_AS_FILE = """
    update observation o set as_of = :as_of
     where o.merchant_id = :merchant and o.source_id = :source
       and o.item_key in (select item_key from staged_rows where state = 0
                           union all select item_key from missing where goes_to_zero)
"""


@dataclass(frozen=True, slots=True)
class _Answer:
    """Which rows are answered (None: all that wait) and how it stands around them: `rest` rows go on waiting,
    `approved` and `rejected` were answered before."""

    rows: tuple[int, ...] | None
    rest: int
    approved: int
    rejected: int


def approve(
    rt: Runtime,
    merchant_id: int,
    run_id: int,
    *,
    rows: Collection[int] | None = None,
    decide: Decide = needs.decide,
) -> Outcome:
    """Apply what a run holds, as if its file had been accepted; rows superseded since are left out.

    `rows` are ids of held rows: only these are applied, the rest goes on waiting. Of a file that was held as a whole
    they then count from the file's own time on, and what it left unchanged is confirmed only once everything of it
    is approved.

    Raises NotPossible when nothing of it waits, SourceBusy, LookupError.
    """
    with rt.engine.connect() as db:
        with db.begin():
            source_id = _source_of(db, merchant_id, run_id)
        with SourceLock(db, merchant_id, source_id):
            with db.begin():
                run = _held_run(db, merchant_id, run_id)
                answer = _answer(db, merchant_id, run_id, rows)
                source = read_source(db, merchant_id, source_id)
                affected = _apply(rt, db, source, run, answer)
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
                    status=run.status if answer.rest else "applied",
                    stage="done",
                    finished_at=rt.clock(),
                    variants_decided=decided.decided,
                    variants_changed=decided.changed,
                )
        return outcome_of(rt.engine, merchant_id, run_id)


def reject(rt: Runtime, merchant_id: int, run_id: int, *, rows: Collection[int] | None = None) -> Outcome:
    """Drop what a run holds. A file held as a whole is not taken again; single rows are not asked about
    again while the file repeats them. What was known stays. `rows` are ids of held rows: only these are
    dropped, the rest goes on waiting.

    Raises NotPossible when nothing of it waits, SourceBusy, LookupError.
    """
    with rt.engine.connect() as db:
        with db.begin():
            source_id = _source_of(db, merchant_id, run_id)
        with SourceLock(db, merchant_id, source_id), db.begin():
            run = _held_run(db, merchant_id, run_id)
            answer = _answer(db, merchant_id, run_id, rows)
            place = Place(merchant_id, source_id, 0)
            given = {"merchant": merchant_id, "run": run_id, "rows": _array(answer)}
            is_file = run.status == "held"
            if not is_file or answer.rows is not None or answer.approved:
                digests = db.execute(
                    sa.text(
                        "select cast(h.row ->> 10 as bigint) from held_change h"  # noqa: S608 - a constant
                        f" where {_CHOSEN} and h.row <> '[]'"
                    ),
                    given,
                ).scalars()
                unsigned = np.array(list(digests), dtype=np.int64).view(np.uint64)
                apply.quarantine(db, place, [f"row:{digest}" for digest in unsigned.tolist()])
            _set(db, given, "rejected")
            ends: dict[str, Any] = {"rows_held": answer.rest}
            if not answer.rest:
                ends = {"finished_at": rt.clock(), "status": "applied"}
                if is_file:
                    apply.quarantine(db, place, [run.sha256])
                    ends["status"] = "applied" if answer.approved else "rejected"
            update_run(db, merchant_id, run_id, **ends)
        return outcome_of(rt.engine, merchant_id, run_id)


def rows_of_skus(db: sa.Connection, merchant_id: int, run_id: int, skus: Collection[str]) -> list[int]:
    """The ids of the rows a run holds for these SKUs, which may be the supplier's item or the product's.

    Raises NotPossible naming every SKU for which nothing waits.
    """
    wanted = {sku_key(sku): sku for sku in skus}
    found = db.execute(
        sa.text("""
            select h.id, h.item_key, v.sku_key from held_change h
              left join supplier_item i on i.merchant_id = h.merchant_id and i.source_id = h.source_id
                                       and i.item_key = h.item_key
              left join variant v on v.merchant_id = i.merchant_id and v.id = i.variant_id
             where h.merchant_id = :merchant and h.run_id = :run and h.status = 'held'
               and (h.item_key = any(cast(:keys as text[])) or v.sku_key = any(cast(:keys as text[])))
        """),
        {"merchant": merchant_id, "run": run_id, "keys": list(wanted)},
    ).all()
    known = {key for row in found for key in (row.item_key, row.sku_key)}
    if lost := [sku for key, sku in wanted.items() if key not in known]:
        raise NotPossible(
            f"Nothing of run {run_id} waits for: {', '.join(lost)}. See: dispo runs show {run_id}"
        )
    return sorted({row.id for row in found})


def _answer(db: sa.Connection, merchant_id: int, run_id: int, rows: Collection[int] | None) -> _Answer:
    """How it stands with a run whose `rows` are answered now. Raises NotPossible when none of them waits."""
    chosen = None if rows is None else tuple(sorted(set(rows)))
    found = db.execute(
        sa.text(
            "select count(*) filter (where h.status = 'held') as waiting,"  # noqa: S608 - a constant
            f" count(*) filter (where {_CHOSEN}) as chosen,"
            " count(*) filter (where h.status = 'approved') as approved,"
            " count(*) filter (where h.status = 'rejected') as rejected"
            " from held_change h where h.merchant_id = :merchant and h.run_id = :run"
        ),
        {"merchant": merchant_id, "run": run_id, "rows": None if chosen is None else list(chosen)},
    ).one()
    if chosen is not None and not found.chosen:
        raise NotPossible(f"None of these rows of run {run_id} waits: they were answered meanwhile.")
    return _Answer(chosen, found.waiting - found.chosen, found.approved, found.rejected)


def _array(answer: _Answer) -> list[int] | None:
    return None if answer.rows is None else list(answer.rows)


def _set(db: sa.Connection, given: dict[str, Any], status: str) -> None:
    db.execute(
        sa.text(f"update held_change h set status = '{status}' where {_CHOSEN}"),  # noqa: S608 - constants
        given,
    )


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
        raise NotPossible(f"Nothing of run {run_id} waits: it is {run.status}.{_newer(db, merchant_id, run)}")
    return run


def _newer(db: sa.Connection, merchant_id: int, run: Any) -> str:
    if run.error_code == "superseded":
        return " A newer file was accepted since."
    answered = db.execute(
        sa.text(
            "select count(*) from held_change where merchant_id = :m and run_id = :r and status = 'superseded'"
        ),
        {"m": merchant_id, "r": run.id},
    ).scalar_one()
    return f" A newer file answered {answered:,} of its rows." if answered else ""


def _apply(rt: Runtime, db: sa.Connection, source: SourceRow, run: Any, answer: _Answer) -> set[int]:
    """Write the answered rows of `run`, advance the snapshot by them, and leave only the decisions to do."""
    place = source.place
    given = {**place.given, "run": run.id, "rows": _array(answer)}
    staging.create(db)
    db.execute(sa.text(_ROWS.format(values=VALUES, chosen=_CHOSEN)), given)
    db.execute(sa.text(_MISSING), given)
    staging.compare(db, place)
    known = staging.read_known(db)
    gone = _digests_of_missing(db, place)
    snapshot = read_snapshot(db, place)
    version = run.shape.get("version", "")
    was_file = run.status == "held"
    # Taken over as a file only where every row of it is.
    is_file = was_file and not answer.rest and not answer.rejected
    affected = set(variants_with_open_deductions(db, place.merchant_id, place.source_id))
    currency = apply.currency_of(db, place)
    written = apply.write_observations(db, place, run.id, source.as_of)
    affected |= written.variant_ids
    if is_file:
        _accept_file(db, source, run)
        named = frozenset(run.shape.get("currencies") or ())
        affected |= apply.keep_currency(db, place, named, is_whole=bool(run.shape.get("is_whole")))
        # Where it is older than what counted: what was sold since it was made counts again.
        affected.update(variants_with_open_deductions(db, place.merchant_id, place.source_id))
    elif was_file:
        if run.as_of is not None:
            db.execute(sa.text(_AS_OLD_AS_FILE), {**given, "as_of": run.as_of})
        if not answer.rest:
            apply.quarantine(db, place, [run.sha256])
    affected |= apply.match_new(db, place)
    apply.learn_lateness(db, place, run.id, rt.clock())
    applied = apply.applied_digests(db)
    if is_file or snapshot.version == version:
        old = snapshot.digests if snapshot.version == version else NO_DIGESTS
        old = old[~is_in(old, np.sort(np.concatenate([known.digest_before, gone])))]
        rows = run.rows_read if is_file else snapshot.rows or run.rows_read
        apply.write_snapshot(db, place, version, rows, distinct(np.sort(np.concatenate([old, applied]))))
    _set(db, given, "approved")
    cleared = {} if answer.rest else {"error": "", "error_code": ""}
    update_run(
        db,
        place.merchant_id,
        run.id,
        status="running",
        stage="decide",
        rows_held=answer.rest,
        shape={"ends_as": run.status if answer.rest else "applied", "approved_at": rt.clock().isoformat()}
        | (_before(source, currency) if was_file else {}),
        **cleared,
    )
    db.execute(
        sa.text(
            "update run set rows_changed = rows_changed + :changed, rows_new = rows_new + :new"
            " where merchant_id = :merchant and id = :run"
        ),
        {**given, "changed": written.changed, "new": written.new},
    )
    return affected


def _before(source: SourceRow, currency: str) -> dict[str, Any]:
    """What an undo of a file that is taken now gives back."""
    return {
        "as_of_before": source.as_of.isoformat() if source.as_of else None,
        "currency_before": currency,
    }


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
    options = row_choice.settled(source.read_options, run.shape.get("nested"))
    source = replace(source, read_options=options)
    row_choice.keep(db, source.place.merchant_id, source.place.source_id, options)
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
