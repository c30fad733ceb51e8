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

from datetime import UTC, date, datetime, time, timedelta

from connector.availability.facts import Decision, IncomingFacts, Rule, SourceFacts, VariantFacts

SELLABLE_FROM_STOCK = frozenset({"in_stock", "low_stock"})
INCOMING_LASTS = timedelta(days=2)
"""How long a shipment stays evidence after the store last told of it; it is asked many times a day."""


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

    restock_on, basis = (None, "") if available else _restock_date(facts, total)
    state = _state(available, restock_on, rule)
    if state in ("out_of_stock", "discontinued"):
        restock_on, basis = None, ""
    return Decision(
        variant_id=facts.variant_id,
        available=available,
        state=state,
        shown_count=_shown_count(facts, state, total),
        restock_on=restock_on,
        restock_until=restock_on,
        basis=basis,
        recheck_at=_recheck_at(facts, restock_on),
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


def is_fresh(source: SourceFacts, now: datetime) -> bool:
    """Whether what the source says is young enough to be shown; no limit means always."""
    if source.max_age_hours is None:
        return True
    return source.as_of is not None and now - source.as_of <= timedelta(hours=source.max_age_hours)


def _state(available: int, restock_on: date | None, rule: Rule) -> str:
    if available > 0:
        return "low_stock" if available <= rule.low_stock_threshold else "in_stock"
    if rule.is_discontinued:
        return "discontinued"
    if rule.allows_backorder:
        return "backorder"
    return "restocking" if restock_on is not None else "out_of_stock"


def _restock_date(facts: VariantFacts, total: int) -> tuple[date | None, str]:
    """The earliest date there is evidence for, today or later. A stated date and a shipment go before a lead
    time; where both name the same day it rests on the shipment, which somebody can see moving.

    A lead time counts from the day the variant sold out, so that the date does not slide along with
    the days; once it has passed there is no evidence left and no date is shown.
    """
    fresh = [source for source in facts.sources if is_fresh(source, facts.now)]
    known = [
        (s.restock_on, "stated") for s in fresh if s.restock_on is not None and s.restock_on >= facts.today
    ]
    arrival = _arrives_on(facts, total)
    if arrival is not None:
        known.append((arrival, "shipment"))
    if known:
        return min(known)
    if facts.out_since_on is None:
        return None, ""
    expected = [
        facts.out_since_on + timedelta(days=s.lead_time_days)
        for s in fresh
        if s.lead_time_days is not None and s.lead_time_days > 0
    ]
    ahead = [day for day in expected if day >= facts.today]
    return (min(ahead), "lead_time") if ahead else (None, "")


def _arrives_on(facts: VariantFacts, total: int) -> date | None:
    """The first day, today or later, on which what is on its way makes the variant sellable again: the units
    there (`total`) and those expected until then are more than the buffer. A shipment that is late has no
    date any more, so its units count for no day.

        first d: total + Σ units expected on or before d > buffer

    Worked example: nothing is there, the buffer is 2, two units come on the 3rd and five on the 9th: the 9th.
    """
    if facts.rule.cap_units is not None and facts.rule.cap_units <= 0:
        return None
    sellable = total - facts.rule.buffer_units
    for one in sorted(_expected(facts), key=lambda one: one.on):
        sellable += one.units
        if sellable > 0:
            return one.on
    return None


def _expected(facts: VariantFacts) -> list[IncomingFacts]:
    """What is on its way, not late, and was seen to be so lately."""
    return [
        one
        for one in facts.incoming
        if one.units > 0 and one.on >= facts.today and facts.now - one.as_of <= INCOMING_LASTS
    ]


def _shown_count(facts: VariantFacts, state: str, total: int) -> int | None:
    """ "Only 3 left" is allowed only for an exact and fresh count over all sources, before cap and buffer."""
    if state != "low_stock" or not facts.rule.shows_count or total > facts.rule.low_stock_threshold:
        return None
    for source in facts.sources:
        if source.observed is None or not source.is_exact or not is_fresh(source, facts.now):
            return None
    return total


def _recheck_at(facts: VariantFacts, restock_on: date | None) -> datetime | None:
    moments = [
        source.as_of + timedelta(hours=source.max_age_hours)
        for source in facts.sources
        if source.max_age_hours is not None and source.as_of is not None and is_fresh(source, facts.now)
    ]
    if restock_on is not None:
        moments += [one.as_of + INCOMING_LASTS for one in _expected(facts)]
    if restock_on is not None and restock_on < date.max:
        # The date is shown through its whole day at the merchant's place, and not a minute longer.
        midnight = datetime.combine(restock_on + timedelta(days=1), time(), tzinfo=facts.place)
        moments.append(midnight.astimezone(UTC))
    return min(moments) + timedelta(seconds=1) if moments else None
