"""What a supplier usually does, learnt from his accepted runs: entries in, limits out. PURE.

Every accepted run leaves one small `Entry`. `learn` turns the last LONGEST of them into limits of the
supplier's own: the median and the spread (median absolute deviation) of each sign, never below the largest
ordinary day, wider while there is little history, and always between a floor (below which an ordinary day
would be held) and the fixed limit. An approved hold is the merchant's word that this is ordinary from now
on: what was learnt of that sign before is forgotten.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from connector.intake.evidence import FIXED, Evidence, Limits, counts_of
from connector.intake.signs import Moves
from connector.ports.suppliers import Digests

LONGEST = 60
LEAST = 5
"""Fewer accepted runs than this teach nothing: the fixed limits hold."""
WEEKS = 3
"""A weekday is told apart once it came so often."""

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted run in numbers. `at` is when it came, `counts` the signs (`evidence.counts_of`) as
    items, `rows` of the file and `rows_before` of the one before (0: it was the first). `jump` is the
    largest factor of a single change, `content` names what the file said, `approved` the codes of holds
    that the merchant approved."""

    at: datetime
    rows: int
    rows_before: int
    counts: Mapping[str, int]
    jump: float = 1.0
    content: str = ""
    columns: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The entry as it is kept with its run."""
        return {**asdict(self), "at": self.at.isoformat(), "jump": round(self.jump, 2)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], approved: Sequence[str] = ()) -> Entry:
        """The entry kept as `value`, whose run was approved for the codes in `approved`."""
        return cls(
            at=datetime.fromisoformat(value["at"]),
            rows=value["rows"],
            rows_before=value["rows_before"],
            counts=dict(value["counts"]),
            jump=value.get("jump", 1.0),
            content=value.get("content", ""),
            columns=tuple(value.get("columns", ())),
            approved=tuple(approved),
        )


def entry_of(evidence: Evidence, moves: Moves, at: datetime) -> Entry:
    """What is remembered of a run once it is accepted."""
    return Entry(
        at=at,
        rows=evidence.rows,
        rows_before=evidence.rows_before or 0,
        counts=counts_of(evidence, moves),
        jump=moves.jump,
        content=evidence.content,
        columns=evidence.columns,
    )


@dataclass(frozen=True, slots=True)
class _Sign:
    """Bounds of one learnt limit as shares of the rows, and the hold that speaks of it."""

    floor: float
    ceiling: float
    codes: tuple[str, ...]
    items: float = 3.0


_SIGNS: Mapping[str, _Sign] = {
    "lost": _Sign(0.02, 0.3, ("rows_vanished", "keys_changed", "truncated", "unusual")),
    "to_zero": _Sign(0.04, 0.2, ("many_to_zero", "unusual")),
    "unreadable": _Sign(0.02, 0.2, ("column_shift",)),
    "duplicates": _Sign(0.01, 0.1, ("duplicate_rows",)),
    "fractions": _Sign(0.01, 0.2, ("decimal_change",)),
    "wild": _Sign(0.08, 0.5, ("wild_change", "unit_change", "unusual")),
    "unit": _Sign(0.03, 0.2, ("unit_change",), 8.0),
    "changed": _Sign(0.1, 1.0, ("wild_change", "unit_change", "unusual")),
    "new": _Sign(0.1, 1.0, ("keys_changed", "unusual")),
}
_ROWS_FLOOR, _ROWS_CEILING = 0.03, 0.5
_MOST_DAYS = 4.0


def learn(history: Sequence[Entry], at: datetime, rows_before: int | None) -> Limits:
    """The limits for a run at `at` after a file of `rows_before` rows; FIXED with too little history.

    `history` is in order, the newest last. Worked example: 20 runs of 1,000 rows of which each lost one item
    teach at most 34 lost items: the floor of 2 % (20), twice its square root for chance (9), and 3 + 2.
    """
    history = [entry for entry in history if entry.rows_before][-LONGEST:]
    if len(history) < LEAST or not rows_before:
        return FIXED
    pause = _pause(history, at)
    expected = {
        name: _most(name, sign, _since(history, sign.codes), rows_before, pause)
        for name, sign in _SIGNS.items()
    }
    rows, on = _rows(_since(history, ("rows_vanished", "keys_changed", "truncated")), at, rows_before)
    jump = max(entry.jump for entry in history)
    return replace(
        FIXED,
        expected=expected,
        rows=rows,
        on=on,
        runs=len(history),
        row_factor=float(np.clip(3 * jump, 10, FIXED.row_factor)),
    )


def content_of(file: Digests) -> str:
    """Names what a file says, whatever the order of its records: of its sorted digests."""
    return hashlib.blake2b(file.astype("<u8").tobytes(), digest_size=12).hexdigest()


def seen_on(history: Sequence[Entry], content: str) -> str:
    """The day of an accepted file that said the same, other than the last one; "" when none did."""
    earlier = [entry for entry in history[:-1] if entry.content == content]
    if not content or not earlier or history[-1].content == content:
        return ""
    return f"{earlier[-1].at:%Y-%m-%d}"


def _since(history: Sequence[Entry], codes: Sequence[str]) -> Sequence[Entry]:
    """The history from the last approval of one of `codes` on."""
    for index in range(len(history) - 1, -1, -1):
        if set(history[index].approved) & set(codes):
            return history[index:]
    return history


def _pause(history: Sequence[Entry], at: datetime) -> float:
    """How long the supplier paused before this run, in his usual pauses; 1 to _MOST_DAYS. Three days of
    sales come at once after a weekend."""
    times = [entry.at.timestamp() for entry in history]
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return float(np.clip((at.timestamp() - times[-1]) / usual, 1.0, _MOST_DAYS)) if usual > 0 else 1.0


def _most(name: str, sign: _Sign, history: Sequence[Entry], rows_before: int, pause: float) -> float:
    """At most so many items: the usual share with its spread, and room for chance among few items."""
    shares = np.array([entry.counts.get(name, 0) / entry.rows_before for entry in history])
    middle = float(np.median(shares))
    spread = 1.4826 * float(np.median(np.abs(shares - middle)))
    ordered = np.sort(shares)
    # One day in thirty may have been a fault that nobody noticed.
    top = float(ordered[-2] if len(ordered) >= 30 else ordered[-1])
    room = 1 + 4 / len(shares)
    share = room * max(middle + 5 * spread, 1.5 * top, (middle + 2 * spread) * pause)
    share = float(np.clip(share, sign.floor, sign.ceiling))
    items = share * rows_before
    return items + 2 * math.sqrt(items) + sign.items + 2


def _rows(history: Sequence[Entry], at: datetime, rows_before: int) -> tuple[tuple[int, int], str]:
    """((fewest, most) rows expected, "on a Monday" where the weekday tells).

    The last file and, where the weekdays differ, the same day of the weeks before are what this one is
    compared with; how far the files of the past were from theirs says how far this one may be.
    """
    weekly = [entry for entry in history if entry.at.weekday() == at.weekday()]
    levels, on = [rows_before], ""
    others = [entry.rows for entry in history if entry.at.weekday() != at.weekday()]
    if len(weekly) >= WEEKS and others:
        usual, rest = np.median([e.rows for e in weekly]), np.median(others)
        if abs(usual - rest) > 0.1 * rest:
            levels, on = [int(np.median([e.rows for e in weekly[-WEEKS:]]))], f"on a {DAYS[at.weekday()]}"
            steps = [abs(math.log(max(e.rows, 1) / usual)) for e in weekly]
    if not on:
        steps = [abs(math.log(max(e.rows, 1) / e.rows_before)) for e in history]
    middle = float(np.median(steps))
    spread = 1.4826 * float(np.median(np.abs(np.array(steps) - middle)))
    far = (1 + 4 / len(steps)) * max(middle + 5 * spread, 1.5 * max(steps))
    far = float(np.clip(far, _ROWS_FLOOR, -math.log(_ROWS_CEILING)))
    chance = 2 + 2 * math.sqrt(far * levels[0])
    low = min(levels) * math.exp(-far) - chance
    # Small steps add up: what is left after weeks of them is held against the level of the whole history.
    low = max(low, 0.6 * float(np.median([entry.rows for entry in history]))) if not on else low
    return (max(0, math.floor(low)), math.ceil(max(levels) * math.exp(far) + chance)), on
