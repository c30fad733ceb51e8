"""Worked examples and properties of deciding."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.availability.decide import SELLABLE_FROM_STOCK, decide, units_from
from connector.availability.facts import Rule, SourceFacts, VariantFacts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = NOW.date()


def facts(*sources: SourceFacts, rule: Rule | None = None, out_since_on: date | None = None) -> VariantFacts:
    return VariantFacts(7, sources, rule or Rule(), NOW, TODAY, out_since_on)


@pytest.mark.parametrize(
    ("sources", "rule", "available", "state"),
    [
        pytest.param((SourceFacts(1, 12),), Rule(), 12, "in_stock", id="one source"),
        pytest.param(
            (SourceFacts(1, 12), SourceFacts(2, 5)), Rule(), 17, "in_stock", id="two sources add up"
        ),
        pytest.param(
            (SourceFacts(1, 25, 6, 1),), Rule(buffer_units=1), 2, "low_stock", id="packs and buffer"
        ),
        pytest.param((SourceFacts(1, 5, 6),), Rule(), 0, "out_of_stock", id="no whole pack"),
        pytest.param((SourceFacts(1, 100),), Rule(cap_units=10), 10, "in_stock", id="capped"),
        pytest.param((SourceFacts(1, 3, deducted=9),), Rule(), 0, "out_of_stock", id="more sold than seen"),
        pytest.param(
            (SourceFacts(1, 3, deducted=9), SourceFacts(2, 8)),
            Rule(),
            8,
            "in_stock",
            id="an oversold source does not eat another's stock",
        ),
        pytest.param((SourceFacts(1, None),), Rule(), 0, "out_of_stock", id="blank is unknown"),
        pytest.param((SourceFacts(1, 0),), Rule(allows_backorder=True), 0, "backorder", id="backorder"),
        pytest.param((SourceFacts(1, 0),), Rule(is_discontinued=True), 0, "discontinued", id="discontinued"),
        pytest.param((SourceFacts(1, 4),), Rule(is_discontinued=True), 4, "in_stock", id="selling off"),
        pytest.param((SourceFacts(1, 3),), Rule(), 3, "low_stock", id="at the threshold"),
        pytest.param((), Rule(), 0, "out_of_stock", id="no source at all"),
    ],
)
def test_worked_examples(sources: tuple[SourceFacts, ...], rule: Rule, available: int, state: str) -> None:
    decision = decide(facts(*sources, rule=rule))

    assert (available, state) == (decision.available, decision.state)


def test_a_stated_date_goes_before_a_lead_time() -> None:
    stated = SourceFacts(1, 0, restock_on=TODAY + timedelta(days=9))
    quicker = SourceFacts(2, 0, lead_time_days=3)

    decision = decide(facts(stated, quicker, out_since_on=TODAY))

    assert ("restocking", TODAY + timedelta(days=9), "stated") == (
        decision.state,
        decision.restock_on,
        decision.basis,
    )


def test_a_lead_time_counts_from_the_day_it_sold_out_and_ends_without_a_date() -> None:
    source = SourceFacts(1, 0, lead_time_days=3)

    running = decide(facts(source, out_since_on=TODAY - timedelta(days=2)))
    passed = decide(facts(source, out_since_on=TODAY - timedelta(days=4)))

    assert (TODAY + timedelta(days=1), "lead_time") == (running.restock_on, running.basis)
    assert (passed.restock_on, passed.state) == (None, "out_of_stock")


def test_a_date_in_the_past_is_never_shown() -> None:
    decision = decide(facts(SourceFacts(1, 0, restock_on=TODAY - timedelta(days=1))))

    assert (decision.restock_on, decision.state) == (None, "out_of_stock")


def test_a_silent_supplier_keeps_its_number_but_loses_date_and_count() -> None:
    old = NOW - timedelta(hours=30)
    stale = SourceFacts(1, 2, as_of=old, max_age_hours=24)
    stale_out = SourceFacts(1, 0, as_of=old, max_age_hours=24, restock_on=TODAY + timedelta(days=2))

    assert (
        (kept := decide(facts(stale, rule=Rule(shows_count=True)))).available,
        kept.shown_count,
    ) == (2, None)
    assert None is decide(facts(stale_out)).restock_on


@pytest.mark.parametrize(
    ("source", "rule", "count"),
    [
        pytest.param(SourceFacts(1, 2), Rule(shows_count=True), 2, id="exact and fresh"),
        pytest.param(SourceFacts(1, 2), Rule(), None, id="off by default"),
        pytest.param(SourceFacts(1, 2, is_exact=False), Rule(shows_count=True), None, id="not exact"),
        pytest.param(SourceFacts(1, 9), Rule(shows_count=True, cap_units=2), None, id="low only by the cap"),
        pytest.param(
            SourceFacts(1, 9), Rule(shows_count=True, buffer_units=7), None, id="low only by the buffer"
        ),
    ],
)
def test_the_count_is_shown_only_when_it_is_the_truth(
    source: SourceFacts, rule: Rule, count: int | None
) -> None:
    assert count == decide(facts(source, rule=rule)).shown_count


def test_it_is_looked_at_again_when_freshness_ends_or_the_date_passes() -> None:
    fresh = SourceFacts(1, 4, as_of=NOW, max_age_hours=6)
    dated = SourceFacts(1, 0, restock_on=TODAY + timedelta(days=2))

    assert NOW + timedelta(hours=6, seconds=1) == decide(facts(fresh)).recheck_at
    midnight = datetime(2026, 11, 25, 0, 0, 1, tzinfo=UTC)
    assert (TODAY, midnight) == (date(2026, 11, 22), decide(facts(dated)).recheck_at)


def test_a_day_nobody_waits_for_is_no_date() -> None:
    """Suppliers write 9999-12-31 for "never"."""
    never = decide(facts(SourceFacts(1, 0, restock_on=date.max)))
    assert ("out_of_stock", None, None) == (never.state, never.restock_on, never.recheck_at)


@pytest.mark.parametrize(
    ("place", "midnight"),
    [
        pytest.param("Europe/Paris", datetime(2026, 11, 22, 23, 0, 1, tzinfo=UTC), id="east"),
        pytest.param("America/New_York", datetime(2026, 11, 23, 5, 0, 1, tzinfo=UTC), id="west"),
    ],
)
def test_a_date_is_not_shown_after_its_day_at_the_merchants_place(place: str, midnight: datetime) -> None:
    late = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)
    dated = SourceFacts(1, 0, restock_on=date(2026, 11, 22))
    asked = [VariantFacts(7, (dated,), Rule(), at, TODAY, place=ZoneInfo(place)) for at in (late, NOW)]
    # The same moment whenever it is decided: deciding again changes nothing.
    assert [midnight, midnight] == [decide(one).recheck_at for one in asked]


sources = st.builds(
    SourceFacts,
    source_id=st.integers(1, 3),
    observed=st.none() | st.integers(0, 500),
    units_per_variant=st.integers(1, 12),
    deducted=st.integers(0, 60),
    as_of=st.none() | st.just(NOW - timedelta(hours=5)),
    max_age_hours=st.none() | st.integers(1, 10),
    is_exact=st.booleans(),
    restock_on=st.none() | st.dates(TODAY - timedelta(days=5), TODAY + timedelta(days=30)),
    lead_time_days=st.none() | st.integers(0, 30),
)
rules = st.builds(
    Rule,
    buffer_units=st.integers(0, 10),
    cap_units=st.none() | st.integers(0, 50),
    low_stock_threshold=st.integers(0, 10),
    shows_count=st.booleans(),
    allows_backorder=st.booleans(),
    is_discontinued=st.booleans(),
)
cases = st.builds(
    facts,
    sources,
    sources,
    rule=rules,
    out_since_on=st.none() | st.dates(TODAY - timedelta(days=20), TODAY),
)


@given(cases)
def test_it_is_never_negative_and_never_over_the_cap(case: VariantFacts) -> None:
    decision = decide(case)

    assert decision.available >= 0
    assert case.rule.cap_units is None or decision.available <= case.rule.cap_units


@given(cases)
def test_only_whole_packs_that_are_really_there_are_sold(case: VariantFacts) -> None:
    decision = decide(case)

    assert decision.available <= sum(units_from(source) for source in case.sources)
    for source in case.sources:
        taken = (units_from(source) + source.deducted) * source.units_per_variant
        assert units_from(source) == 0 or taken <= (source.observed or 0)


@given(cases, st.integers(1, 200))
def test_more_at_the_supplier_is_never_less_to_sell(case: VariantFacts, more: int) -> None:
    first, *rest = case.sources
    richer = dataclasses.replace(first, observed=(first.observed or 0) + more)

    after = decide(dataclasses.replace(case, sources=(richer, *rest)))

    assert after.available >= decide(case).available


@given(cases)
def test_no_badge_lies(case: VariantFacts) -> None:
    decision = decide(case)

    assert (decision.state in SELLABLE_FROM_STOCK) == (decision.available > 0)
    assert decision.restock_on is None or (decision.available == 0 and decision.restock_on >= case.today)
    assert (decision.state == "restocking") <= (decision.restock_on is not None)
    assert (decision.restock_on is None) == (decision.basis == "")
    if decision.shown_count is not None:
        assert decision.shown_count == sum(units_from(source) for source in case.sources)
        assert decision.shown_count >= decision.available
