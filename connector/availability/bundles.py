"""Decides what may be sold of a bundle, which is made of other variants. Pure.

    available = max(0, min over components of ⌊available of the component ÷ units in the bundle⌋ − buffer), capped

Worked example: a set takes 1 pan and 4 plates; there are 5 pans and 14 plates: min(5, 3) = 3 sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from connector.availability.facts import Decision, VariantFacts


@dataclass(frozen=True, slots=True)
class Part:
    """One component as it was decided: `units` of it go into one bundle (at least 1)."""

    variant_id: int
    units: int
    available: int
    state: str
    restock_on: date | None = None
    restock_until: date | None = None
    basis: str = ""
    evidence_on: date | None = None
    connection_id: int = 0

    @property
    def share(self) -> int:
        """How many bundles this component alone is enough for."""
        return max(0, self.available) // self.units


def decide_bundle(facts: VariantFacts, parts: Sequence[Part]) -> Decision:
    """The decision for a bundle of `parts` (at least one). What suppliers say of the bundle itself is not used.

    Sold out, it comes back on the latest of the dates of those components that are missing, and on no date
    when one of them has none; it is discontinued when one of them is. A count is never shown: the number is
    one of several shelves. Time alone does not change it: its components are decided again, and it with them.
    """
    rule = facts.rule
    total = min(part.share for part in parts)
    available = max(0, total - rule.buffer_units)
    if rule.cap_units is not None:
        available = min(available, max(0, rule.cap_units))
    lacking = [part for part in parts if part.share <= rule.buffer_units]
    is_discontinued = rule.is_discontinued or any(part.state == "discontinued" for part in lacking)
    latest = None if available or is_discontinued else _latest(lacking, facts.today)
    if available:
        state = "low_stock" if available <= rule.low_stock_threshold else "in_stock"
    elif is_discontinued:
        state = "discontinued"
    elif rule.allows_backorder:
        state = "backorder"
    else:
        state = "restocking" if latest else "out_of_stock"
    return Decision(
        variant_id=facts.variant_id,
        available=available,
        state=state,
        restock_on=latest.restock_on if latest else None,
        restock_until=max(p.restock_until or p.restock_on or date.min for p in lacking) if latest else None,
        basis=latest.basis if latest else "",
        evidence_on=latest.evidence_on if latest else None,
        connection_id=latest.connection_id if latest else 0,
        why={
            "sources": [],
            "bundle": [
                {"variant": p.variant_id, "units": p.units, "available": p.available, "bundles": p.share}
                for p in parts
            ],
            "buffer": rule.buffer_units,
            "cap": rule.cap_units,
            "threshold": rule.low_stock_threshold,
        },
    )


def _latest(lacking: Sequence[Part], today: date) -> Part | None:
    """The missing component that comes last; None when one of them has no date ahead."""
    if not lacking or any(part.restock_on is None or part.restock_on < today for part in lacking):
        return None
    return max(lacking, key=lambda part: (part.restock_on or today, part.restock_until or today))
