"""Items whose quantity may jump: within a band that the merchant gave with an approval, and no further.

The guard holds a single row whose quantity jumps. Where that is how an item is (a placeholder that comes and goes, a
pallet at a time) it would be asked about each time. A band says between which quantities that item may jump: as far as
what was approved and a tenth beyond on both sides. It never lets a file pass that is held as a whole, and each run
that uses it says so.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from connector.accounts.audit import record
from connector.intake.guard import Verdict
from connector.intake.reading import Issue
from connector.intake.runtime import NotPossible
from connector.intake.staging import Place

MOST_AT_ONCE = 200
"""So many items a merchant can look at before saying yes to them."""
JUMPS = ("large_change", "unit_change")
"""Reasons of held rows that a band answers."""
_BEYOND = 0.1


@dataclass(frozen=True, slots=True)
class Band:
    """One item that may jump between `low` and `high` units, both included; given with run `run_id`."""

    item_key: str
    low: int
    high: int
    run_id: int
    by: str = ""
    at: datetime | None = None


def band_around(before: int, after: int) -> tuple[int, int]:
    """(low, high) of what was approved and a tenth beyond.

    >>> band_around(10, 9_000)
    (9, 9900)
    >>> band_around(9_000, 10)
    (9, 9900)
    """
    low, high = min(before, after), max(before, after)
    return math.floor(low * (1 - _BEYOND)), math.ceil(high * (1 + _BEYOND) - 1e-9)


def proposed(
    db: sa.Connection, merchant_id: int, run_id: int, rows: Collection[int]
) -> tuple[dict[int, Band], int]:
    """(id of the held row → the band it would get, how many of `rows` are no jump and get none)."""
    found = db.execute(
        sa.text("""
            select id, item_key, quantity_before, quantity_after from held_change
             where merchant_id = :m and run_id = :r and id = any(cast(:rows as bigint[])) and status = 'held'
               and reason = any(:jumps) and quantity_before > 0 and quantity_after > 0
             order by id
        """),
        {"m": merchant_id, "r": run_id, "rows": list(rows), "jumps": list(JUMPS)},
    ).all()
    bands = {
        row.id: Band(row.item_key, *band_around(row.quantity_before, row.quantity_after), run_id)
        for row in found
    }
    return bands, len(set(rows)) - len(bands)


def give(
    db: sa.Connection, merchant_id: int, run_id: int, rows: Collection[int], *, actor: str, now: datetime
) -> list[int]:
    """Let the items of these held rows jump so far from now on; returns the ids of the rows it was given for, which
    the caller approves. What an item was given before is only ever widened.

    Raises NotPossible when none of them is a jump, or they are more than MOST_AT_ONCE; LookupError for a run of
    somebody else.
    """
    source_id = db.execute(
        sa.text("select source_id from run where merchant_id = :m and id = :r"),
        {"m": merchant_id, "r": run_id},
    ).scalar_one_or_none()
    if source_id is None:
        raise LookupError(run_id)
    bands, _ = proposed(db, merchant_id, run_id, rows)
    if not bands:
        raise NotPossible(
            f"None of these rows of run {run_id} is a jump from one quantity to another: they can be approved once."
        )
    if len(bands) > MOST_AT_ONCE:
        raise NotPossible(f"At most {MOST_AT_ONCE} items are let jump at once; these are {len(bands):,}.")
    db.execute(
        sa.text("""
            insert into item_band as b (merchant_id, source_id, item_key, low, high, run_id, given_by, given_at)
            values (:m, :s, :item, :low, :high, :r, :by, :at)
                on conflict (merchant_id, source_id, item_key) do update
               set low = least(b.low, excluded.low), high = greatest(b.high, excluded.high),
                   run_id = excluded.run_id, given_by = excluded.given_by, given_at = excluded.given_at
        """),
        [
            {"m": merchant_id, "s": source_id, "item": band.item_key, "low": band.low, "high": band.high,
             "r": run_id, "by": actor, "at": now}
            for band in bands.values()
        ],
    )  # fmt: skip
    subject = f"source {source_id}: {len(bands)} items (run {run_id})"
    items = [f"{band.item_key}: {band.low}–{band.high}" for band in bands.values()]
    record(db, merchant_id, now, actor, "source.allow_items", subject, {"items": items})
    return sorted(bands)


def bands_at(
    db: sa.Connection, merchant_id: int, source_id: int, *, after: str = "", limit: int
) -> list[Band]:
    """The items of a source that may jump, by their codes; `after` the last one of the page before."""
    rows = db.execute(
        sa.text("""
            select item_key, low, high, run_id, given_by, given_at from item_band
             where merchant_id = :m and source_id = :s and item_key > :after order by item_key limit :n
        """),
        {"m": merchant_id, "s": source_id, "after": after, "n": limit},
    )
    return [Band(*row) for row in rows]


def take_back(
    db: sa.Connection, merchant_id: int, source_id: int, item_key: str, *, actor: str, now: datetime
) -> bool:
    """Ask about this item's jumps again; False when it had no band."""
    taken = db.execute(
        sa.text(
            "delete from item_band where merchant_id = :m and source_id = :s and item_key = :item returning low"
        ),
        {"m": merchant_id, "s": source_id, "item": item_key},
    ).first()
    if taken is not None:
        record(db, merchant_id, now, actor, "source.disallow_item", f"source {source_id}: {item_key}")
    return taken is not None


def let_pass(db: sa.Connection, place: Place, verdict: Verdict) -> tuple[npt.NDArray[np.bool_], list[Issue]]:
    """(the rows that still wait, a note on each that its band lets pass), from the `known` of this transaction."""
    flagged = np.flatnonzero(verdict.rows)
    if verdict.file or not len(flagged):
        return verdict.rows, []
    passed = db.execute(
        sa.text("""
            select k.n, k.line, k.item_key, k.units_before, k.units_after, b.low, b.high, b.run_id
              from item_band b
              join known k on k.item_key = b.item_key and k.n = any(cast(:numbers as int[]))
             where b.merchant_id = :merchant and b.source_id = :source
               and k.units_before between b.low and b.high and k.units_after between b.low and b.high
             order by k.line
        """),
        {**place.given, "numbers": (flagged + 1).tolist()},
    ).all()
    waits = verdict.rows.copy()
    waits[[row.n - 1 for row in passed]] = False
    return waits, [
        Issue(row.line, "", "item_may_jump", _said(row), [row.item_key], is_note=True) for row in passed
    ]


def _said(row: sa.Row[tuple[object, ...]]) -> str:
    return (
        f"“{row.item_key}” goes from {row.units_before:,} to {row.units_after:,}: you let it move between"
        f" {row.low:,} and {row.high:,} (run {row.run_id})."
    )
