"""What a supplier usually does, learnt from his accepted runs: entries in, limits out. PURE.

Every accepted run leaves one small `Entry`. `learn` turns the last LONGEST of them into limits of the
supplier's own: the median and the spread (median absolute deviation) of each sign, never below the largest
ordinary day, wider while there is little history, and always between a floor (below which an ordinary day
would be held) and the fixed limit. A run that was approved counts as an ordinary day; a reason approved twice
lifts the fixed limit as well, up to HARDEST.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from connector.intake.evidence import FIXED, HARDEST, Evidence, Limits, counts_of
from connector.intake.signs import Moves
from connector.ports.suppliers import Digests

LONGEST = 60
LEAST = 3
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
    """Bounds of one learnt limit as shares of the rows, the field of `Limits` with its fixed share, and the
    holds that speak of it."""

    floor: float
    ceiling: float
    field: str
    codes: tuple[str, ...]


_SIGNS: Mapping[str, _Sign] = {
    "lost": _Sign(0.02, 0.3, "lost_share", ("rows_vanished", "keys_changed", "truncated")),
    "to_zero": _Sign(0.04, 0.2, "zero_share", ("many_to_zero",)),
    "unreadable": _Sign(0.02, 0.2, "unreadable_share", ("column_shift",)),
    "duplicates": _Sign(0.01, 0.1, "duplicate_share", ("duplicate_rows",)),
    "fractions": _Sign(0.01, 0.2, "fraction_share", ("decimal_change",)),
    "wild": _Sign(0.08, 0.7, "wild_share", ("wild_change",)),
    "unit": _Sign(0.03, 0.2, "unit_share", ("unit_change",)),
    "changed": _Sign(0.1, 1.0, "", ()),
    "new": _Sign(0.1, 1.0, "", ()),
}
_ROWS_FLOOR, _ROWS_CEILING, _ROWS_HARDEST = 0.03, 0.5, 0.9
_MOST_DAYS = 4.0
_ITEMS = 3.0
"""So many items are let pass whatever their share: among eighty articles one is 1.25 %."""
_TWICE = 2
"""A merchant who approved a reason so often, or as many runs beyond the fixed limit, has said that it is this
supplier's way: then the fixed limit gives way too, up to HARDEST."""
_JUMPS = (50.0, 1000.0)


def learn(history: Sequence[Entry], at: datetime, rows_before: int | None) -> Limits:
    """The limits for a run at `at` after a file of `rows_before` rows; FIXED with too little history.

    `history` is in order, the newest last. Worked example: 20 runs of 1,000 rows of which each lost one item
    teach at most 31.9 lost items: the floor of 2 % (20), twice its square root (8.9) for chance, and 3.
    """
    history = [entry for entry in history if entry.rows_before][-LONGEST:]
    if len(history) < LEAST or not rows_before:
        return FIXED
    pause = _pause(history, at)
    expected, shares = {}, {}
    for name, sign in _SIGNS.items():
        beyond = (
            entry.counts.get(name, 0) > sign.ceiling * entry.rows_before
            or set(entry.approved) & set(sign.codes)
            for entry in history
        )
        is_his_way = bool(sign.codes) and sum(map(bool, beyond)) >= _TWICE
        ceiling = max((HARDEST[code] for code in sign.codes), default=1.0) if is_his_way else sign.ceiling
        share = _share(name, sign.floor, ceiling, history, pause)
        items = share * rows_before
        expected[name] = items + 2 * math.sqrt(items) + _ITEMS
        if is_his_way and share > sign.ceiling:
            shares[sign.field] = share
    rows, on = _rows(history, at, rows_before, is_loose="lost_share" in shares)
    if "lost_share" in shares:
        shares["least_rows_share"] = min(FIXED.least_rows_share, rows[0] / rows_before)
    jump = max(entry.jump for entry in history)
    return replace(
        FIXED,
        expected=expected,
        rows=rows,
        on=on,
        runs=len(history),
        row_factor=float(np.clip(1.5 * jump, *_JUMPS)),
        **shares,  # type: ignore[arg-type]  # each names a share, which is a float
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


def garbled_before(history: Sequence[Entry]) -> int:
    """The most rows with garbled letters that an accepted file had: some suppliers' always have some."""
    return max((entry.counts.get("garbled", 0) for entry in history), default=0)


def _pause(history: Sequence[Entry], at: datetime) -> float:
    """How long the supplier paused before this run, in his usual pauses; 1 to _MOST_DAYS. Three days of
    sales come at once after a weekend."""
    times = [entry.at.timestamp() for entry in history]
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return float(np.clip((at.timestamp() - times[-1]) / usual, 1.0, _MOST_DAYS)) if usual > 0 else 1.0


def _share(name: str, floor: float, ceiling: float, history: Sequence[Entry], pause: float) -> float:
    """The largest share of the rows that is still ordinary."""
    shares = np.array([entry.counts.get(name, 0) / entry.rows_before for entry in history])
    middle = float(np.median(shares))
    spread = 1.4826 * float(np.median(np.abs(shares - middle)))
    top = float(shares.max())
    room = 1 + 4 / len(shares)
    share = room * max(middle + 5 * spread, 1.5 * top, (middle + 2 * spread) * pause)
    return float(np.clip(share, floor, ceiling))


def _rows(
    history: Sequence[Entry], at: datetime, rows_before: int, *, is_loose: bool
) -> tuple[tuple[int, int], str]:
    """((fewest, most) rows expected, "on a Monday" where the weekday tells).

    The last file or, where this weekday's files are of another size, those of the same weekday are what this
    one is compared with; how far the files of the past were from theirs says how far this one may be.
    """
    weekly = [entry.rows for entry in history if entry.at.weekday() == at.weekday()]
    others = [entry.rows for entry in history if entry.at.weekday() != at.weekday()]
    level, on = float(rows_before), ""
    steps = [abs(math.log(max(entry.rows, 1) / entry.rows_before)) for entry in history]
    if len(weekly) >= WEEKS and others:
        usual, rest = float(np.median(weekly)), float(np.median(others))
        if abs(usual - rest) > max(0.1 * rest, abs(rows_before - rest)):
            level, on = float(np.median(weekly[-WEEKS:])), f"on a {DAYS[at.weekday()]}"
            steps = [abs(math.log(max(rows, 1) / usual)) for rows in weekly]
    middle = float(np.median(steps))
    spread = 1.4826 * float(np.median(np.abs(np.array(steps) - middle)))
    far = (1 + 4 / len(steps)) * max(middle + 5 * spread, 1.5 * max(steps))
    far = float(np.clip(far, _ROWS_FLOOR, -math.log(1 - (_ROWS_HARDEST if is_loose else _ROWS_CEILING))))
    chance = 2 + 2 * math.sqrt(far * level)
    low, high = level * math.exp(-far) - chance, level * math.exp(far) + chance
    if not is_loose:
        # Small steps add up: what is left after weeks of them is held against the level of the whole history.
        since = next((n for n in range(len(history) - 1, -1, -1) if set(history[n].approved) & _FEWER), 0)
        low = max(low, 0.6 * float(np.median([entry.rows for entry in history[since:]])))
    return (max(0, math.floor(low)), math.ceil(max(low, high))), on


_FEWER = frozenset({"rows_vanished", "keys_changed", "truncated"})
