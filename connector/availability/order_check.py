"""Decides which lines of orders a supplier cannot serve by its own word. Pure.

    served = the lines in the order of their sale, while all that was ordered up to one is at most what is there

Worked example: the supplier has 3; 2 were ordered at noon and 2 a minute later. The first line is served, of the
second one unit is missing.

    >>> short([Ordered("a", 2), Ordered("b", 2)], 3)
    {'b': 1}
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Line = TypeVar("Line", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Ordered(Generic[Line]):
    """`units` (≥ 0) taken from one supplier for one `line`, of which that supplier knows nothing yet."""

    line: Line
    units: int


def short(ordered: Sequence[Ordered[Line]], said_units: int) -> dict[Line, int]:
    """The units missing of each line that cannot be served whole; `ordered` the oldest first, `said_units` (≥ 0) what
    the supplier has. Lines that can be served are left out."""
    missing: dict[Line, int] = {}
    left = max(0, said_units)
    for one in ordered:
        taken = min(left, one.units)
        left -= taken
        if taken < one.units:
            missing[one.line] = missing.get(one.line, 0) + one.units - taken
    return missing
