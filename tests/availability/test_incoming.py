"""A restock date that rests on units on their way: worked examples and properties."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.availability.decide import INCOMING_LASTS, decide
from connector.availability.facts import IncomingFacts, Rule, SourceFacts, VariantFacts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = NOW.date()


def day(days: int) -> date:
    return TODAY + timedelta(days=days)


def coming(units: int, days: int, *, seen_h: float = 0) -> IncomingFacts:
    return IncomingFacts(units, day(days), NOW - timedelta(hours=seen_h))


def facts(
    *incoming: IncomingFacts,
    sources: tuple[SourceFacts, ...] = (SourceFacts(1, 0),),
    rule: Rule | None = None,
    out_since_on: date | None = None,
) -> VariantFacts:
    return VariantFacts(7, sources, rule or Rule(), NOW, TODAY, out_since_on, incoming=incoming)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(facts(coming(5, 3)), (day(3), "shipment"), id="a shipment has a date"),
        pytest.param(facts(coming(5, 0)), (day(0), "shipment"), id="it comes today"),
        pytest.param(facts(coming(5, -1)), (None, ""), id="a late shipment has none"),
        pytest.param(facts(coming(0, 3)), (None, ""), id="an empty one has none"),
        pytest.param(facts(coming(5, 9), coming(1, 4)), (day(4), "shipment"), id="the earliest of two"),
        pytest.param(
            facts(coming(5, -1), coming(1, 4)), (day(4), "shipment"), id="the late one is passed over"
        ),
        pytest.param(
            facts(coming(2, 3), coming(5, 9), rule=Rule(buffer_units=2)),
            (day(9), "shipment"),
            id="the first does not reach the buffer",
        ),
        pytest.param(
            facts(coming(2, 3), sources=(SourceFacts(1, 1),), rule=Rule(buffer_units=2)),
            (day(3), "shipment"),
            id="what is there helps to reach it",
        ),
        pytest.param(
            facts(coming(9, -2), coming(2, 3), rule=Rule(buffer_units=2)),
            (None, ""),
            id="late units do not help",
        ),
        pytest.param(facts(coming(5, 3), rule=Rule(cap_units=0)), (None, ""), id="capped to nothing"),
        pytest.param(facts(coming(5, 3, seen_h=49)), (None, ""), id="the store was silent for two days"),
        pytest.param(
            facts(coming(5, 6), sources=(SourceFacts(1, 0, restock_on=day(4)),)),
            (day(4), "stated"),
            id="the supplier is quicker",
        ),
        pytest.param(
            facts(coming(5, 3), sources=(SourceFacts(1, 0, restock_on=day(4)),)),
            (day(3), "shipment"),
            id="the shipment is quicker",
        ),
        pytest.param(
            facts(coming(5, 4), sources=(SourceFacts(1, 0, restock_on=day(4)),)),
            (day(4), "shipment"),
            id="both on one day",
        ),
        pytest.param(
            facts(coming(5, 20), sources=(SourceFacts(1, 0, lead_time_days=5),), out_since_on=TODAY),
            (day(20), "shipment"),
            id="a shipment goes before a lead time",
        ),
    ],
)
def test_worked_examples(case: VariantFacts, expected: tuple[date | None, str]) -> None:
    decision = decide(case)

    assert expected == (decision.restock_on, decision.basis)
    assert decision.state == ("restocking" if decision.restock_on else "out_of_stock")


def test_what_can_be_sold_now_needs_no_date() -> None:
    assert (None, "") == (
        (decision := decide(facts(coming(5, 3), sources=(SourceFacts(1, 4),)))).restock_on,
        decision.basis,
    )


def test_a_discontinued_variant_is_promised_by_no_shipment() -> None:
    decision = decide(facts(coming(5, 3), rule=Rule(is_discontinued=True)))

    assert ("discontinued", None) == (decision.state, decision.restock_on)


def test_a_date_is_decided_again_when_its_evidence_grows_old() -> None:
    """The store answers many times a day; where it fell silent the date is taken down after two days."""
    seen = NOW - timedelta(hours=5)
    decision = decide(facts(coming(5, 9, seen_h=5)))

    assert seen + INCOMING_LASTS + timedelta(seconds=1) == decision.recheck_at


def test_a_date_is_taken_down_after_its_day_at_the_merchants_place() -> None:
    place = ZoneInfo("Europe/Paris")
    arriving = VariantFacts(
        7, (SourceFacts(1, 0),), Rule(), NOW, TODAY, place=place, incoming=(coming(5, 1),)
    )

    assert datetime(2026, 11, 23, 23, 0, 1, tzinfo=UTC) == decide(arriving).recheck_at


shipments = st.builds(coming, st.integers(0, 9), st.integers(-5, 30), seen_h=st.integers(0, 80))
cases = st.builds(
    facts,
    shipments,
    shipments,
    shipments,
    sources=st.tuples(st.builds(SourceFacts, st.just(1), st.integers(0, 6))),
    rule=st.builds(Rule, buffer_units=st.integers(0, 12), cap_units=st.none() | st.integers(0, 3)),
)


@given(cases)
def test_a_date_is_never_in_the_past_and_enough_comes_until_then(case: VariantFacts) -> None:
    decision = decide(case)

    if decision.restock_on is not None:
        assert decision.restock_on >= TODAY
        there = sum(source.observed or 0 for source in case.sources)
        until = sum(one.units for one in case.incoming if TODAY <= one.on <= decision.restock_on)
        assert there + until > case.rule.buffer_units
        assert decision.restock_on in {one.on for one in case.incoming if one.units > 0}


@given(cases, st.integers(1, 20))
def test_a_shipment_that_is_put_off_never_brings_the_date_forward(case: VariantFacts, days: int) -> None:
    first, *rest = case.incoming
    later = IncomingFacts(first.units, first.on + timedelta(days=days), first.as_of)
    before = decide(case).restock_on
    after = decide(VariantFacts(7, case.sources, case.rule, NOW, TODAY, incoming=(later, *rest))).restock_on

    # A late one that gets a new date may make one where there was none.
    if first.on >= TODAY and before is not None:
        assert after is None or after >= before
