"""Decides what may be sold of a variant and what the shopper is told. Pure.

    available = max(0, Σ over the sources that sell of whole packs of (observed − deducted) − buffer), capped

Which sources sell is the merchant's strategy (`connector.availability.sourcing`); without one all of them do.

Worked example: a supplier shows 25 single units, the variant is a pack of 6 and one pack was sold since:
(25 − 1·6) // 6 = 3 packs; with a buffer of 1 there are 2 to sell.

    >>> from datetime import UTC, datetime
    >>> now = datetime(2026, 11, 22, tzinfo=UTC)
    >>> source = SourceFacts(1, observed=25, units_per_variant=6, deducted=1)
    >>> decide(VariantFacts(7, (source,), Rule(buffer_units=1), now, now.date())).available
    2
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.availability.facts import Decision, Rule, Shown, SourceFacts, VariantFacts
from connector.availability.promising import INCOMING_LASTS as INCOMING_LASTS
from connector.availability.promising import is_fresh as is_fresh
from connector.availability.promising import promise, promise_rechecks
from connector.availability.sourcing import NOTHING_KNOWN, Candidate, Choice, choose, same_currency, shrunk

SELLABLE_FROM_STOCK = frozenset({"in_stock", "low_stock"})


def decide(facts: VariantFacts) -> Decision:
    """The decision for one variant.

    A source that does not say its quantity counts as nothing known, hence 0, and is named in `why`. A
    source older than its `max_age_hours` keeps its number (a silent supplier never empties the shop), or
    what is left of it where the merchant lets it shrink; neither its date nor an exact count is shown,
    unless the merchant keeps the date.
    """
    rule = facts.rule
    counted = [(source, *_sold(source, rule, facts.now)) for source in facts.sources]
    choice = _choice(facts, [(source, units) for source, units, _ in counted])
    total = sum(units for source, units, _ in counted if choice is None or source.source_id in choice.counted)
    if choice is not None:
        rule = replace(rule, buffer_units=rule.buffer_of(choice.counted))
        facts = replace(facts, rule=rule)
    available = max(0, total - rule.buffer_units)
    if rule.cap_units is not None:
        available = min(available, max(0, rule.cap_units))

    date, arithmetic = (None, {}) if available or rule.is_discontinued else promise(_dated(facts), total)
    state = _state(available, date, rule)
    moments = [at for _, _, at in counted if at is not None]
    if choice is not None and choice.recheck_at is not None:
        moments.append(choice.recheck_at)
    if choice is not None and facts.rates_until is not None:
        moments.append(facts.rates_until)
    everywhere = total if choice is None else sum(units for _, units, _ in counted)
    return Decision(
        variant_id=facts.variant_id,
        available=available,
        state=state,
        shown_count=_shown_count(facts, state, everywhere),
        restock_on=date.on if date else None,
        restock_until=date.until if date else None,
        basis=date.basis if date else "",
        evidence_on=date.evidence_on if date else None,
        connection_id=date.connection_id if date else 0,
        recheck_at=_recheck_at(facts, date, moments),
        why={
            "sources": [
                {
                    "source": source.source_id,
                    "observed": source.observed,
                    "per_variant": source.units_per_variant,
                    "deducted": source.deducted,
                    "units": units,
                    "stale": not is_fresh(source, facts.now),
                    **(
                        {"heard_at": source.heard_at.isoformat(timespec="seconds")} if source.heard_at else {}
                    ),
                    **({} if choice is None else _role(source, choice)),
                }
                for source, units, _ in counted
            ],
            "buffer": rule.buffer_units,
            "cap": rule.cap_units,
            "threshold": rule.low_stock_threshold,
            **({"promise": arithmetic} if arithmetic else {}),
            **({} if choice is None else {"sourcing": _sourcing(facts, choice)}),
        },
        sourcing=NOTHING_KNOWN if choice is None else choice.kept,
    )


def _sold(source: SourceFacts, rule: Rule, now: datetime) -> tuple[int, datetime | None]:
    """The units of this source that may be sold, and when silence next takes some of them."""
    units = units_from(source)
    if source.stale != "shrink" or is_fresh(source, now) or source.as_of is None or source.heard_at:
        # What it was asked for since is not silence.
        return units, None
    since = source.as_of + timedelta(hours=source.max_age_hours or 0)
    return shrunk(units, since, now, source.shrink_percent, rule.buffer_units + 1)


def _dated(facts: VariantFacts) -> VariantFacts:
    """The facts for a date: a source whose date the merchant keeps in spite of its age has no limit."""
    if not any(source.stale == "keep" for source in facts.sources):
        return facts
    return replace(
        facts,
        sources=tuple(
            replace(source, max_age_hours=None) if source.stale == "keep" else source
            for source in facts.sources
        ),
    )


def _choice(facts: VariantFacts, counted: list[tuple[SourceFacts, int]]) -> Choice | None:
    """Who sells; None where all do, which costs nothing and is most products' way: no strategy, or nobody to
    choose from."""
    policy = facts.rule.policy
    if policy.adds_own and (
        policy.strategy == "sum" or len({s.source_id for s in facts.sources if not s.is_own}) < 2
    ):
        return None
    found: dict[int, list[tuple[SourceFacts, int]]] = {}
    for source, units in counted:
        found.setdefault(source.source_id, []).append((source, units))
    own = [source_id for source_id, items in found.items() if items[0][0].is_own]
    costs, lacking = same_currency(_costs(facts), facts.rates)
    candidates = [
        Candidate(
            source_id=source_id,
            units=sum(units for _, units in items) if any(s.observed is not None for s, _ in items) else None,
            is_own=items[0][0].is_own,
            is_stale=not all(is_fresh(source, facts.now) for source, _ in items),
            is_failing=items[0][0].is_failing,
            cost=costs.get(source_id),
            lead_time_days=min(
                (s.lead_time_days for s, _ in items if s.lead_time_days is not None), default=None
            ),
            score=items[0][0].score,
            priority=items[0][0].priority,
        )
        for source_id, items in found.items()
    ]
    return choose(
        candidates,
        policy,
        facts.sourcing,
        facts.now,
        facts.rule.buffer_units,
        is_comparable=not lacking,
        buffers={
            one.source_id: facts.rule.buffer_of([one.source_id, *own])
            for one in candidates
            if not one.is_own and facts.rule.supplier_buffers
        },
    )


def _costs(facts: VariantFacts) -> dict[int, tuple[Decimal, str]]:
    """The cost of one variant unit of each supplier that has one, with its currency; of several items the lowest."""
    found: dict[int, tuple[Decimal, str]] = {}
    for source in facts.sources:
        if source.cost is None or source.is_own:
            continue
        cost = source.cost * source.units_per_variant
        if source.source_id not in found or cost < found[source.source_id][0]:
            found[source.source_id] = (cost, source.currency)
    return found


def _role(source: SourceFacts, choice: Choice) -> dict[str, Any]:
    """What this source does, and by what it was judged."""
    said: dict[str, Any] = {"role": choice.reasons.get(source.source_id, "sells")}
    if source.is_own:
        said["own"] = True
    if source.cost is not None:
        said["cost"] = f"{(source.cost * source.units_per_variant).normalize():f}"
        if source.currency:
            said["currency"] = source.currency
    for name in ("lead_time_days", "score", "priority"):
        if (value := getattr(source, name)) is not None:
            said[name] = value
    if source.source_id in choice.returns_at:
        said["returns_at"] = choice.returns_at[source.source_id].isoformat(timespec="minutes")
    return said


def _sourcing(facts: VariantFacts, choice: Choice) -> dict[str, Any]:
    policy, kept = facts.rule.policy, choice.kept
    lacking = same_currency(_costs(facts), facts.rates)[1] if policy.strategy == "cheapest" else ()
    return {
        **({"no_rate": list(lacking)} if lacking else {}),
        "strategy": policy.strategy,
        "adds_own": policy.adds_own,
        "stable_hours": int(policy.stable.total_seconds() // 3600),
        "current": kept.current,
        "since": kept.since.isoformat(timespec="minutes") if kept.since else None,
    }


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
    """ "Only 3 left" is allowed only for an exact and fresh count over all sources, those that stand by too, before
    cap and buffer."""
    if state != "low_stock" or not facts.rule.shows_count or total > facts.rule.low_stock_threshold:
        return None
    for source in facts.sources:
        if source.observed is None or not source.is_exact or not is_fresh(source, facts.now):
            return None
    return total


def _recheck_at(facts: VariantFacts, date: Shown | None, others: list[datetime]) -> datetime | None:
    moments = others + [
        source.as_of + timedelta(hours=source.max_age_hours)
        for source in facts.sources
        if source.max_age_hours is not None and source.as_of is not None and is_fresh(source, facts.now)
    ]
    moments += promise_rechecks(_dated(facts), date) if date else []
    return min(moments) + timedelta(seconds=1) if moments else None
