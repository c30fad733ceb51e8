"""Whether a run may be applied, or waits for the merchant. PURE: numbers in, verdict out.

A suspicious *file* (rows vanished, a shifted column, another unit) holds everything that it would
change: nothing in it can be trusted. A suspicious *row* holds that row, and the rest goes on.
The limits are fixed until a supplier has a history; `history.learn` makes his own from it. Each sentence
carries the numbers it was judged by.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from connector.intake import rules
from connector.intake.evidence import FIXED, HARDEST, Evidence, Hold, Limits, Verdict, counts_of, goes_to_zero
from connector.intake.signs import UNKNOWN, Moves, Units, in_unit, moves_of

__all__ = [
    "FIXED",
    "UNKNOWN",
    "Evidence",
    "Hold",
    "Limits",
    "Units",
    "Verdict",
    "goes_to_zero",
    "judge",
    "suspicious_rows",
]

TOGETHER = 1.25
"""Several signs, each within its limit, are suspicious when the squares of their shares of it add up to this
(two at 79 %, three at 65 %)."""


def judge(evidence: Evidence, limits: Limits = FIXED, allowed: Mapping[str, float] | None = None) -> Verdict:
    """The verdict on one run. Without history (`rows_before` None) only sanity is checked.

    `allowed` are codes that the merchant approved for good, each up to a value; HARDEST caps them.
    Worked example: 1,000 rows last time, 480 now: 48 % is below half, so the file is held with
    "rows_vanished".
    """
    moves = moves_of(evidence.before, evidence.after)
    holds = _file_holds(evidence, moves, limits)
    passed = tuple(
        hold for hold in holds if hold.value <= min((allowed or {}).get(hold.code, -1), _hardest(hold.code))
    )
    held = tuple(hold for hold in holds if hold not in passed)
    rows = suspicious_rows(evidence.before, evidence.after, limits)
    reason = "large_change"
    if not held and not passed and _is_part_in_unit(evidence, moves, limits):
        rows = rows | in_unit(evidence.before, evidence.after, moves.unit)
        reason = "unit_change"
    return Verdict(held, rows, reason, passed)


def _hardest(code: str) -> float:
    return HARDEST.get(code, -1.0)


def suspicious_rows(before: Units, after: Units, limits: Limits = FIXED) -> npt.NDArray[np.bool_]:
    """Which single changes wait: by more than `row_factor` and more than `row_units`, both between known
    quantities above zero. Going to zero never waits as a row: that would oversell."""
    known = (before > 0) & (after > 0)
    high = np.maximum(before, after)
    low = np.maximum(np.minimum(before, after), 1)
    return known & (high - low > limits.row_units) & (high > limits.row_factor * low)


def strain(evidence: Evidence, moves: Moves, limits: Limits) -> dict[str, float]:
    """How much of its learnt limit each sign uses, 0 and up; {} while nothing is learnt."""
    counts = counts_of(evidence, moves)
    used = {name: counts[name] / most for name, most in limits.expected.items() if most > 0}
    if limits.expected.get("changed", 0) > 0.6 * (evidence.rows_before or 0):
        used.pop("changed", None)  # where most rows always change, that says nothing
    if limits.rows is not None and evidence.rows_before:
        room = max(1.0, evidence.rows_before - limits.rows[0])
        used["rows"] = max(0.0, (evidence.rows_before - evidence.rows) / room)
    return used


def _file_holds(evidence: Evidence, moves: Moves, limits: Limits) -> list[Hold]:
    found = [rules.unreadable(evidence, limits)]
    if evidence.rows_before is not None:
        found += [
            # One cause of missing items is enough to say.
            rules.vanished(evidence, limits)
            or rules.truncated(evidence, limits)
            or rules.keys(evidence, limits),
            rules.encoding(evidence, limits),
            rules.columns(evidence),
            rules.zeros(evidence, goes_to_zero(evidence), limits),
            rules.equal(evidence, limits),
            rules.unit(evidence, moves, limits),
            rules.decimals(evidence, limits),
            rules.wild(evidence, moves, limits),
            rules.duplicates(evidence, limits),
            rules.stale(evidence, moves, limits),
        ]
        holds = [hold for hold in found if hold is not None]
        return holds or rules.together(strain(evidence, moves, limits), limits, TOGETHER)
    return [hold for hold in found if hold is not None]


def _is_part_in_unit(evidence: Evidence, moves: Moves, limits: Limits) -> bool:
    """Whether some of the rows moved by one factor: too few to hold the file, too alike for chance."""
    least = limits.expected.get("unit", limits.unit_rows / 2)
    return (
        evidence.rows_before is not None and moves.in_unit > least and moves.in_unit >= 0.6 * moves.comparable
    )
