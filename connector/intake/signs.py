"""What a run's numbers look like, before anyone judges them: arrays in, counts out. PURE.

Each sign is a count of items that an ordinary day moves a little and a broken file moves at once. `guard`
holds them against limits; `history` keeps them and learns the limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Units = npt.NDArray[np.int64]

UNKNOWN = -1
"""Stands for "the supplier did not say" in arrays of units."""

WILD_FACTOR = 2.0
"""A quantity that more than doubles or halves between two files …"""
WILD_UNITS = 3
"""… and by more than so many units moved wildly."""

UNIT_FACTOR = 1.8
"""The smallest factor that can be another unit (a pair for a piece is 2)."""
_WINDOW = 0.1
"""Factors within so much of each other (natural logarithm, 10 %) are one and the same."""
_SMALL = 2
"""Below so many units rounding hides the factor: 1 → 2 says nothing about packs."""

_JUMP_UNITS = 500

# UTF-8 read as Windows-1252 or Latin-1 leaves these pairs, in lower case too; the other way leaves U+FFFD.
GARBLED = re.compile("\ufffd|[\u00c3\u00e3\u00c2\u00e2\u00c5\u00e5][\u0080-\u00bf\u0152-\u2122]")
"""Letters that were read in a wrong encoding."""


@dataclass(frozen=True, slots=True)
class Moves:
    """How the known items moved. `changed` say another number, `to_zero` and `from_zero` cross zero,
    `wild` move by more than WILD_FACTOR and WILD_UNITS, `comparable` have a factor worth naming (see
    `unit_of`), `in_unit` of them the most common one, `unit` (above 1: more than before; 0 when none).
    `jump` the largest factor among changes of 500 units or more, 1 when there is none."""

    changed: int = 0
    to_zero: int = 0
    from_zero: int = 0
    wild: int = 0
    comparable: int = 0
    in_unit: int = 0
    unit: float = 0.0
    jump: float = 1.0


def moves_of(before: Units, after: Units) -> Moves:
    """The moves between two arrays of the same length, UNKNOWN where not said.

    Worked example: 10 → 120, 20 → 240, 30 → 29 gives changed 3, wild 2, comparable 2, in_unit 2, unit 12.
    """
    differs = before != after
    before, after = before[differs], after[differs]
    both = (before > 0) & (after > 0)
    high = np.maximum(before, after)[both].astype(np.float64)
    low = np.maximum(np.minimum(before, after)[both], 1).astype(np.float64)
    factors = high / low
    far = high - low >= _JUMP_UNITS
    logs = _logs(before, after)
    unit, count = _most_common(logs)
    return Moves(
        changed=len(before),
        to_zero=int(((before > 0) & (after <= 0)).sum()),
        from_zero=int(((before == 0) & (after > 0)).sum()),
        wild=int(((factors > WILD_FACTOR) & (high - low > WILD_UNITS)).sum()),
        comparable=len(logs),
        in_unit=count,
        unit=float(np.exp(unit)) if count else 0.0,
        jump=float(factors[far].max()) if far.any() else 1.0,
    )


def in_unit(before: Units, after: Units, unit: float) -> npt.NDArray[np.bool_]:
    """Which items moved by about the factor `unit`, those too small to tell included: a small quantity
    that moved at all is taken to have moved with the others."""
    ratio = np.ones(len(before))
    both = (before > 0) & (after > 0) & (before != after)
    ratio[both] = after[both] / before[both]
    close = np.abs(np.log(ratio) - np.log(unit)) <= _WINDOW
    small = np.minimum(before, after) < _SMALL
    same_way = (ratio > UNIT_FACTOR) if unit > 1 else (ratio < 1 / UNIT_FACTOR)
    found: npt.NDArray[np.bool_] = both & (close | (small & same_way))
    return found


def _logs(before: Units, after: Units) -> npt.NDArray[np.float64]:
    told = (np.minimum(before, after) >= _SMALL) & (before != after)
    logs: npt.NDArray[np.float64] = np.log(after[told] / before[told])
    return np.sort(logs[np.abs(logs) >= np.log(UNIT_FACTOR)])


def _most_common(ordered: npt.NDArray[np.float64]) -> tuple[float, int]:
    """(middle, size) of the fullest window of `_WINDOW` over sorted logarithms; (0, 0) of none."""
    if not len(ordered):
        return 0.0, 0
    ends = np.searchsorted(ordered, ordered + _WINDOW, side="right")
    counts = ends - np.arange(len(ordered))
    best = int(np.argmax(counts))
    return float(np.median(ordered[best : ends[best]])), int(counts[best])
