"""Writes what a run found: observations, held rows, issues and the snapshot, in the caller's transaction.

Only rows that say something else are written as changed; a record that reads the same only gets its new
digest. `previous` keeps what was observed before, for undo. The snapshot advances for applied records
alone, so everything else is read again next time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from connector.catalog import matching
from connector.intake.currency import told
from connector.intake.guard import Hold
from connector.intake.reading import Issues
from connector.intake.staging import VALUES, Place, distinct, driver, is_in, units_of
from connector.ports.suppliers import Digests
from connector.positions.evidence import record_run
from connector.positions.promises import today_of

PREVIOUS = (
    "jsonb_build_array(o.sku, o.gtin, o.supplier_sku, o.quantity, o.is_at_least, o.is_word, o.restock_on,"
    " o.lead_time_days, o.cost, o.line, o.run_id, o.missed_runs,"
    " coalesce(o.as_of, cast(:as_of_before as timestamptz)),"
    " case when jsonb_typeof(o.previous) = 'array' and jsonb_typeof(o.previous -> 13) <> 'null'"
    " then jsonb_set(o.previous, '{13}', 'false') else o.previous end)"
)
"""`previous` of an observation `o` about to be replaced; `undo` reads it by place. Its last place holds the row
before that one, so that two runs can be taken back in any order; in that row the place is null when nothing was
known before, and false when something was that is not kept any more."""

KEEP_PREVIOUS = f"case when o.run_id = :run then o.previous else {PREVIOUS} end"

ROW = (
    "jsonb_build_array(i.sku, i.gtin, i.supplier_sku, i.quantity, i.is_at_least, i.is_word, i.restock_on,"
    " i.lead_time_days, i.cost, i.line, i.digest)"
)
"""A held row as it is kept; `held` reads it by place."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: rows that changed, rows new to us, and the variants that hang on them."""

    changed: int
    new: int
    variant_ids: set[int]


def write_observations(
    db: sa.Connection, place: Place, run_id: int, as_of_before: datetime | None
) -> Written:
    """Write the usable rows of `staged_rows` and what `missing` says; returns what changed.

    Rows that were not confirmed (held, faulty, missing) keep their quantity and are pinned to the moment
    they held for, so that sales since then go on being deducted from them.
    """
    given = {**place.given, "run": run_id, "as_of_before": as_of_before}
    values = ", ".join(f"i.{name.strip()}" for name in VALUES.split(","))
    new = db.execute(
        sa.text(f"""
            insert into observation (merchant_id, source_id, item_key, {VALUES}, line, line_digest, run_id)
            select :merchant, :source, i.item_key, {values}, i.line, i.digest, :run
              from staged_rows i
             where i.state = 0 and not exists (select 1 from known k where k.item_key = i.item_key)
             order by i.item_key
        """),  # noqa: S608 - column names of this module
        given,
    ).rowcount
    sets = ", ".join(f"{name.strip()} = i.{name.strip()}" for name in VALUES.split(","))
    changed = db.execute(
        sa.text(f"""
            update observation o
               set {sets}, line = i.line, line_digest = i.digest, run_id = :run, previous = {KEEP_PREVIOUS},
                   missed_runs = 0, as_of = null
              from staged_rows i join known k on k.item_key = i.item_key
             where o.merchant_id = :merchant and o.source_id = :source and o.item_key = i.item_key
               and k.differs
        """),  # noqa: S608 - column names of this module
        given,
    ).rowcount
    db.execute(
        sa.text("""
            update observation o set line = k.line, line_digest = k.digest, missed_runs = 0, as_of = null
              from known k
             where o.merchant_id = :merchant and o.source_id = :source and o.item_key = k.item_key
               and k.state = 0 and not k.differs
        """),
        given,
    )
    db.execute(
        sa.text("""
            update observation o
               set line_digest = 0, as_of = coalesce(o.as_of, cast(:as_of_before as timestamptz))
              from known k
             where o.merchant_id = :merchant and o.source_id = :source and o.item_key = k.item_key
               and k.state <> 0 and (o.line_digest <> 0 or o.as_of is null)
        """),
        given,
    )
    zeroed = _write_missing(db, given)
    return Written(changed + zeroed, new, _variants(db, given))


def _write_missing(db: sa.Connection, given: dict[str, Any]) -> int:
    zeroed = db.execute(
        sa.text(f"""
            update observation o
               set quantity = 0, is_at_least = false, is_word = false, line_digest = 0, as_of = null,
                   missed_runs = least(o.missed_runs + 1, 32000), previous = {KEEP_PREVIOUS}, run_id = :run
              from missing m
             where o.merchant_id = :merchant and o.source_id = :source and o.item_key = m.item_key
               and m.goes_to_zero
        """),  # noqa: S608 - constants of this module
        given,
    ).rowcount
    # Rows that already wait at their number are counted on only while the count can still decide
    # something: a list of items gone for years costs nothing per run.
    db.execute(
        sa.text("""
            update observation o
               set line_digest = 0, missed_runs = o.missed_runs + 1,
                   as_of = coalesce(o.as_of, cast(:as_of_before as timestamptz))
              from missing m, source s
             where o.merchant_id = :merchant and o.source_id = :source and o.item_key = m.item_key
               and s.merchant_id = :merchant and s.id = :source and not m.goes_to_zero
               and (o.missed_runs = 0
                    or (s.missing_policy = 'zero_after' and o.missed_runs < s.missing_after))
        """),
        given,
    )
    return int(zeroed)


def _variants(db: sa.Connection, given: dict[str, Any]) -> set[int]:
    """Variants linked to what this run changed or confirmed again after a doubt."""
    rows = db.execute(
        sa.text("""
            select distinct l.variant_id
              from (select item_key from known where differs or (state = 0 and was_unconfirmed)
                    union all select item_key from missing where goes_to_zero
                    union all select i.item_key from staged_rows i where i.state = 0
                       and not exists (select 1 from known k where k.item_key = i.item_key)) c
              join supplier_item l on l.merchant_id = :merchant and l.source_id = :source
                                  and l.item_key = c.item_key
        """),
        given,
    )
    return {row[0] for row in rows}


def match_new(db: sa.Connection, place: Place) -> set[int]:
    """Match the items that this run saw for the first time or under other codes; returns the variants
    whose links changed."""
    renamed = db.exec_driver_sql("select item_key from known where is_renamed and state = 0").scalars().all()
    changed = matching.unlink(db, place.merchant_id, place.source_id, renamed) if renamed else set()
    looked_at = db.exec_driver_sql(
        "select exists (select 1 from known where is_renamed and state = 0)"
        " or (select count(*) from staged_rows where state = 0) > (select count(*) from known where state = 0)"
    ).scalar_one()
    if looked_at:
        items = (
            "(select i.item_key, i.sku, i.gtin, i.supplier_sku"
            " from staged_rows i left join known k on k.item_key = i.item_key"
            " where i.state = 0 and (k.item_key is null or k.is_renamed))"
        )
        changed |= matching.match_source(db, place.merchant_id, place.source_id, items=items)
    return changed


def learn_lateness(db: sa.Connection, place: Place, run_id: int, at: datetime) -> None:
    """Keep what this run tells of dates stated and restocks come true, once it is written and matched."""
    today = today_of(db, place.merchant_id, at)
    record_run(db, place.merchant_id, place.source_id, run_id, _TOUCHED, today=today)


# A quantity that is not said is neither zero nor there.
_TOUCHED = """
    select item_key, coalesce(quantity <= 0, false) as is_zero from staged_rows
     where state = 0 and (quantity is not null or is_word)
     union all
    select item_key, true from missing where goes_to_zero
"""


def write_held(
    db: sa.Connection, place: Place, run_id: int, holds: tuple[Hold, ...], row_reason: str = ""
) -> int:
    """Keep what waits: every change of the file when it is held as a whole (`holds`), else the rows in
    state held. Returns how many rows wait.

    A row without values ("[]") stands for an item that the file does not have ("missing") or not
    readably ("faulty"): approving the file must not confirm its old number.
    """
    given = {**place.given, "run": run_id, "reason": holds[0].code if holds else row_reason}
    if not holds:
        return _keep_rows(db, given, "i.state = 2")
    rows = _keep_rows(db, given, "i.state in (0, 2) and (k.item_key is null or k.differs or k.state = 2)")
    db.execute(
        sa.text("""
            insert into held_change (merchant_id, run_id, source_id, item_key, reason,
                                     quantity_before, quantity_after, row)
            select :merchant, :run, :source, k.item_key, 'faulty', k.units_before, k.units_before, '[]'
              from known k where k.state = 1
        """),
        given,
    )
    rows += db.execute(
        sa.text("""
            insert into held_change (merchant_id, run_id, source_id, item_key, reason,
                                     quantity_before, quantity_after, row)
            select :merchant, :run, :source, m.item_key, 'missing', m.units_before,
                   case when m.goes_to_zero then 0 else m.units_before end, '[]'
              from missing m where m.goes_to_zero or m.missed_runs = 0 order by m.item_key
        """),
        given,
    ).rowcount
    return rows


def _keep_rows(db: sa.Connection, given: dict[str, Any], which: str) -> int:
    return int(
        db.execute(
            sa.text(f"""
                insert into held_change (merchant_id, run_id, source_id, item_key, reason,
                                         quantity_before, quantity_after, row)
                select :merchant, :run, :source, i.item_key, :reason, k.units_before, {units_of("i")}, {ROW}
                  from staged_rows i left join known k on k.item_key = i.item_key
                 where {which} order by i.line
            """),  # noqa: S608 - constants of this module
            given,
        ).rowcount
    )


def supersede(db: sa.Connection, place: Place, run_id: int) -> None:
    """Close what waited before and was now answered by a newer accepted file: the rows of items that it
    has, and everything of files that were held as a whole. A run of which nothing waits any more has ended."""
    given = {**place.given, "run": run_id}
    db.execute(
        sa.text("""
            update held_change h set status = 'superseded'
             where h.merchant_id = :merchant and h.source_id = :source and h.status = 'held'
               and h.run_id <> :run
               and (exists (select 1 from staged_rows i where i.item_key = h.item_key)
                    or h.run_id in (select r.id from run r where r.merchant_id = :merchant
                                       and r.source_id = :source and r.status = 'held'))
        """),
        given,
    )
    db.execute(
        sa.text("""
            update run set status = 'rejected', error_code = 'superseded',
                           error = 'A newer file was accepted (run ' || :run || ').'
             where merchant_id = :merchant and source_id = :source and status = 'held' and id <> :run
        """).bindparams(sa.bindparam("run", type_=sa.BigInteger)),
        given,
    )
    db.execute(
        sa.text("""
            update run r set rows_held = w.waiting,
                             status = case when w.waiting = 0 then 'applied' else r.status end
              from (select p.id, count(h.id) as waiting from run p
                      left join held_change h on h.merchant_id = p.merchant_id and h.run_id = p.id
                                             and h.status = 'held'
                     where p.merchant_id = :merchant and p.source_id = :source and p.status = 'partly_held'
                       and p.id <> :run
                     group by p.id) w
             where r.merchant_id = :merchant and r.id = w.id and r.status = 'partly_held'
               and (r.rows_held <> w.waiting or w.waiting = 0)
        """),
        given,
    )


def write_issues(db: sa.Connection, merchant_id: int, run_id: int, issues: Issues) -> None:
    """Keep the issues of a run: detail as far as it was kept, and where that is not all, one summary."""
    total = issues.faults.total() + issues.notes.total()
    with driver(db).cursor() as cursor:
        copying = 'copy run_issue (merchant_id, run_id, line, "column", code, reason, cells) from stdin'
        with cursor.copy(copying) as copy:
            for issue in issues.kept:
                code = f"note:{issue.code}" if issue.is_note else issue.code
                cells = json.dumps(issue.cells).replace("\\u0000", "")
                texts = (text.replace("\x00", "") for text in (issue.column, code, issue.reason))
                copy.write_row((merchant_id, run_id, issue.line, *texts, cells))
            if issues.left_out:
                counts = ", ".join(
                    f"{code} {n:,}" for code, n in (issues.faults + issues.notes).most_common()
                )
                reason = f"{total:,} in all ({counts}); detail is kept for the first {len(issues.kept):,}."
                copy.write_row((merchant_id, run_id, 0, "", "summary", reason, "[]"))


def keep_currency(db: sa.Connection, place: Place, currencies: frozenset[str], *, is_whole: bool) -> set[int]:
    """Note the currency that a list names its costs in; the variants to decide again, where it is another one now
    (see `currency.told`)."""
    if not currencies:
        return set()
    return set_currency(db, place, told(currencies, currency_of(db, place), is_whole))


def currency_of(db: sa.Connection, place: Place) -> str:
    """The currency that the last list which named one gave its costs in, "" where none did."""
    query = "select cost_currency from source where merchant_id = :merchant and id = :source"
    return str(db.execute(sa.text(query), place.given).scalar_one())


def set_currency(db: sa.Connection, place: Place, now: str) -> set[int]:
    """Note another currency of a source's costs; the variants to decide again, none where it is no other one."""
    change = """
        update source set cost_currency = :now
         where merchant_id = :merchant and id = :source and cost_currency <> :now
    """
    if not db.execute(sa.text(change), {**place.given, "now": now}).rowcount:
        return set()
    variants = (
        "select distinct variant_id from supplier_item where merchant_id = :merchant and source_id = :source"
    )
    return set(db.scalars(sa.text(variants), place.given))


def applied_digests(db: sa.Connection, read: Digests | None = None) -> Digests:
    """The digests of the records of `staged_rows` that were applied (sorted). `read` are those of all the
    usable ones where none were made one: then only the exceptions are asked for."""
    which = "state <> 0" if read is not None else "state = 0 and digest <> 0"
    with driver(db).cursor() as cursor:
        cursor.execute(f"select digest from staged_rows where {which}")  # noqa: S608 - constants above
        found = np.array([row[0] for row in cursor], dtype=np.int64).view(np.uint64)
    found.sort()
    return found if read is None else read[~is_in(read, found)]


def next_snapshot(file: Digests, *applied: Digests) -> Digests:
    """What need not be read again: the file's digests that are in any of `applied` (all sorted)."""
    kept = np.zeros(len(file), dtype=bool)
    for digests in applied:
        kept |= is_in(file, digests)
    return distinct(file[kept])


def write_snapshot(db: sa.Connection, place: Place, version: str, rows: int, digests: Digests) -> None:
    """Replace the source's snapshot; what was quarantined stays so (see `quarantine`)."""
    with driver(db).cursor() as cursor:
        cursor.execute(
            "insert into snapshot (merchant_id, source_id, version, row_count, digests)"
            " values (%s, %s, %s, %s, %b)"
            " on conflict (merchant_id, source_id) do update set version = excluded.version,"
            " row_count = excluded.row_count, digests = excluded.digests",
            (place.merchant_id, place.source_id, version, rows, digests.astype("<u8").tobytes()),
        )


def quarantine(db: sa.Connection, place: Place, entries: Sequence[str]) -> None:
    """Remember what must not be taken again: a file by its sha256, a record as "row:<digest>"."""
    db.execute(
        sa.text("""
            insert into snapshot as s (merchant_id, source_id, version, row_count, digests, quarantined)
            values (:merchant, :source, '', 0, '', cast(:entries as jsonb))
                on conflict (merchant_id, source_id) do update
               set quarantined = s.quarantined || excluded.quarantined
        """),
        {**place.given, "entries": json.dumps(list(entries))},
    )


def forget_absent(db: sa.Connection, place: Place, quarantined: frozenset[str], file: Digests) -> None:
    """Drop quarantined records that the newest file no longer has; files stay quarantined."""
    rows = sorted(entry for entry in quarantined if entry.startswith("row:"))
    if not rows:
        return
    present = is_in(np.array([int(entry[4:]) for entry in rows], dtype=np.uint64), file)
    kept = sorted(quarantined - set(rows)) + [row for row, stays in zip(rows, present, strict=True) if stays]
    db.execute(
        sa.text(
            "update snapshot set quarantined = cast(:kept as jsonb)"
            " where merchant_id = :merchant and source_id = :source"
        ),
        {**place.given, "kept": json.dumps(kept)},
    )
