"""Decides what may be sold of a variant and what the shopper is told. Pure.

    available = max(0, Σ over sources of whole packs of (observed − deducted) − buffer), capped

Worked example: a supplier shows 25 single units, the variant is a pack of 6 and one pack was sold since:
(25 − 1·6) // 6 = 3 packs; with a buffer of 1 there are 2 to sell.

    >>> from datetime import UTC, datetime
    >>> now = datetime(2026, 11, 22, tzinfo=UTC)
    >>> source = SourceFacts(1, observed=25, units_per_variant=6, deducted=1)
    >>> decide(VariantFacts(7, (source,), Rule(buffer_units=1), now, now.date())).available
    2
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.availability.facts import Decision, Rule, Shown, SourceFacts, VariantFacts
from connector.availability.promising import INCOMING_LASTS as INCOMING_LASTS
from connector.availability.promising import is_fresh as is_fresh
from connector.availability.promising import promise, promise_rechecks

SELLABLE_FROM_STOCK = frozenset({"in_stock", "low_stock"})


def decide(facts: VariantFacts) -> Decision:
    """The decision for one variant.

    A source that does not say its quantity counts as nothing known, hence 0, and is named in `why`. A
    source older than its `max_age_hours` keeps its number (a silent supplier never empties the shop)
    but neither its date nor an exact count is shown.
    """
    rule = facts.rule
    counted = [(source, units_from(source)) for source in facts.sources]
    total = sum(units for _, units in counted)
    available = max(0, total - rule.buffer_units)
    if rule.cap_units is not None:
        available = min(available, max(0, rule.cap_units))

    date, arithmetic = (None, {}) if available or rule.is_discontinued else promise(facts, total)
    state = _state(available, date, rule)
    return Decision(
        variant_id=facts.variant_id,
        available=available,
        state=state,
        shown_count=_shown_count(facts, state, total),
        restock_on=date.on if date else None,
        restock_until=date.until if date else None,
        basis=date.basis if date else "",
        evidence_on=date.evidence_on if date else None,
        connection_id=date.connection_id if date else 0,
        recheck_at=_recheck_at(facts, date),
        why={
            "sources": [
                {
                    "source": source.source_id,
                    "observed": source.observed,
                    "per_variant": source.units_per_variant,
                    "deducted": source.deducted,
                    "units": units,
                    "stale": not is_fresh(source, facts.now),
                }
                for source, units in counted
            ],
            "buffer": rule.buffer_units,
            "cap": rule.cap_units,
            "threshold": rule.low_stock_threshold,
            **({"promise": arithmetic} if arithmetic else {}),
        },
    )


def is_known(facts: VariantFacts) -> bool:
    """Whether anything is known of this variant's quantity: a supplier said one, or no supplier has it at
    all. Where every supplier that lists it leaves its quantity blank, nobody can decide."""
    return not facts.sources or any(source.observed is not None for source in facts.sources)


def units_from(source: SourceFacts) -> int:
    """Whole variant units this source can give, never negative; 0 when it does not say."""
    if source.observed is None:
        return 0
    left = source.observed - source.deducted * source.units_per_variant
    return max(0, left // source.units_per_variant)


def _state(available: int, date: Shown | None, rule: Rule) -> str:
    if available > 0:
        return "low_stock" if available <= rule.low_stock_threshold else "in_stock"
    if rule.is_discontinued:
        return "discontinued"
    if rule.allows_backorder:
        return "backorder"
    return "restocking" if date is not None else "out_of_stock"


def _shown_count(facts: VariantFacts, state: str, total: int) -> int | None:
    """ "Only 3 left" is allowed only for an exact and fresh count over all sources, before cap and buffer."""
    if state != "low_stock" or not facts.rule.shows_count or total > facts.rule.low_stock_threshold:
        return None
    for source in facts.sources:
        if source.observed is None or not source.is_exact or not is_fresh(source, facts.now):
            return None
    return total


def _recheck_at(facts: VariantFacts, date: Shown | None) -> datetime | None:
    moments = [
        source.as_of + timedelta(hours=source.max_age_hours)
        for source in facts.sources
        if source.max_age_hours is not None and source.as_of is not None and is_fresh(source, facts.now)
    ]
    moments += promise_rechecks(facts, date) if date else []
    return min(moments) + timedelta(seconds=1) if moments else None
