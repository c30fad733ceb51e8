"""What a store's own fields should say of a product, and whose a field is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

FROM_STOCK = frozenset({"in_stock", "low_stock", "made_to_order"})
AHEAD = frozenset({"preorder", "backorder"})
_BEST_FIRST = ("preorder", "backorder", "restocking", "out_of_stock", "discontinued")


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """One variant of a product. `state` is None for one that we do not keep; `sells` says whether the store
    itself sells that one now."""

    state: str | None
    restock_on: date | None = None
    restock_until: date | None = None
    sells: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """What may be said of a product as a whole: a badge state, with days where one is promised."""

    state: str
    on: date | None = None
    until: date | None = None

    @property
    def preorder_on(self) -> date | None:
        """The day from which a product that is sold ahead is there; None when it is not, or nobody knows."""
        return self.on if self.state in AHEAD else None


def note_of(variants: Iterable[VariantFacts]) -> Note | None:
    """The best that can be said of a product that sells nothing from stock; of equals the earliest day.

    None, so that the merchant's own words stand, while any variant sells from stock, and for a product of
    which we keep nothing.
    """
    best: Note | None = None
    for one in variants:
        if one.state in FROM_STOCK or (one.state is None and one.sells):
            return None
        if one.state is not None and one.state in _BEST_FIRST:
            note = Note(one.state, one.restock_on, one.restock_until)
            if best is None or _rank(note) < _rank(best):
                best = note
    return best


def _rank(note: Note) -> tuple[int, date]:
    return _BEST_FIRST.index(note.state), note.on or date.max


Step = Literal["write", "keep", "forget", "theirs"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A field that we wrote: the merchant's value `before`, and the two it may have now, after a call whose
    answer was lost: what `was` there and `ours`."""

    before: str
    was: str
    ours: str


def step_of(kept: Kept | None, present: str, wanted: str | None) -> Step:
    """What to do with a field that holds `present` and should say `wanted` (None: what it said before us).

    "write" it; "keep" it as it is, which is as it should be; "forget" that it was ever ours; leave it, because
    it is "theirs": somebody changed it since.
    """
    if kept is None:
        return "forget" if wanted is None or wanted == present else "write"
    target = kept.before if wanted is None else wanted
    if present == target:
        return "forget" if wanted is None else "keep"
    return "write" if present in (kept.was, kept.ours) else "theirs"
