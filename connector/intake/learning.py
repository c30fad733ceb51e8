"""The history of one source, from its accepted runs in the database, and the limits that follow from it.

Undone and rejected runs teach nothing; a run that was approved teaches what it was approved for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from connector.intake.evidence import Evidence, Verdict
from connector.intake.history import LONGEST, Entry
from connector.intake.reading import Issue
from connector.intake.staging import Place

_SHOWN_COLUMNS = 6


def read_history(db: sa.Connection, merchant_id: int, source_id: int) -> list[Entry]:
    """What the last LONGEST accepted runs of a source were like, the newest last."""
    rows = db.execute(
        sa.text("""
            select shape -> 'learnt' as entry, shape -> 'holds' as holds from run
             where merchant_id = :merchant and source_id = :source and status in ('applied', 'partly_held')
               and shape -> 'learnt' is not null
             order by id desc limit :most
        """),
        {"merchant": merchant_id, "source": source_id, "most": LONGEST},
    ).all()
    return [Entry.from_json(row.entry, [hold["code"] for hold in row.holds or ()]) for row in reversed(rows)]


def tail_of(db: sa.Connection, place: Place, lost: int, rows: int, least: int) -> int:
    """How many of the newly missing items stood below every item that stays; 0 where that is plainly not so
    or fewer than `least` are missing."""
    if lost < least:
        return 0
    first = db.exec_driver_sql(
        "select percentile_disc(0.1) within group (order by line) from missing where missed_runs = 0"
    ).scalar_one()
    # Records take one line or more, so what stays fills at least as many lines as there are rows.
    if first is None or first <= rows:
        return 0
    return int(
        db.execute(
            sa.text("""
                select count(*) from missing where missed_runs = 0 and line > (
                    select coalesce(max(o.line), 2147483647) from observation o
                     where o.merchant_id = :merchant and o.source_id = :source and o.missed_runs = 0
                       and not exists (select 1 from missing m where m.item_key = o.item_key))
            """),
            place.given,
        ).scalar_one()
    )


def notes(evidence: Evidence, verdict: Verdict) -> list[Issue]:
    """What is worth knowing of a file that is taken: holds that were allowed for good, columns that moved."""
    found = [f"You allowed this for good: {hold.sentence}" for hold in verdict.allowed]
    issues = [Issue(0, "", "allowed", text, [], is_note=True) for text in found]
    now, before = evidence.columns, evidence.columns_before
    if not evidence.has_header or not before or now == before:
        return issues
    if sorted(now) == sorted(before):
        text = "The columns stand in another order than last time; each is read by its name."
        return [*issues, Issue(0, "", "columns_moved", text, [], is_note=True)]
    parts = []
    if new := [name for name in now if name not in before]:
        parts.append(f"new: {_list(new)}")
    if gone := [name for name in before if name not in now]:
        parts.append(f"gone: {_list(gone)}")
    text = f"The columns changed ({'; '.join(parts)}); those that are used are read by their names."
    return [*issues, Issue(0, "", "columns_changed", text, [], is_note=True)]


def _list(names: list[str]) -> str:
    shown = ", ".join(f"“{name}”" for name in names[:_SHOWN_COLUMNS])
    return shown if len(names) <= _SHOWN_COLUMNS else f"{shown} and {len(names) - _SHOWN_COLUMNS} more"


def allowed_of(stored: Mapping[str, Any] | None) -> dict[str, float]:
    """`source.allowed` as the guard wants it: code → how far."""
    return {code: float(one["value"]) for code, one in (stored or {}).items()}
