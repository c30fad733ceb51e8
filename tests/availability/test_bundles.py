"""What may be sold of a bundle."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.availability.bundles import Part, decide_bundle
from connector.availability.facts import Rule, VariantFacts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _facts(rule: Rule | None = None) -> VariantFacts:
    return VariantFacts(1, (), rule or Rule(), NOW, NOW.date())


def _part(variant: int, units: int, available: int, state: str = "", on: date | None = None) -> Part:
    return Part(
        variant, units, available, state or ("in_stock" if available else "out_of_stock"), on, on, "stated"
    )


def test_the_scarcest_component_decides() -> None:
    decision = decide_bundle(_facts(), [_part(2, 1, 5), _part(3, 4, 14)])

    assert (decision.available, decision.state) == (3, "low_stock")
    assert decision.why["bundle"] == [
        {"variant": 2, "units": 1, "available": 5, "bundles": 5},
        {"variant": 3, "units": 4, "available": 14, "bundles": 3},
    ]


def test_buffer_and_cap_of_the_bundle_apply() -> None:
    parts = [_part(2, 2, 41)]

    assert decide_bundle(_facts(Rule(buffer_units=5)), parts).available == 15
    assert decide_bundle(_facts(Rule(buffer_units=5, cap_units=4)), parts).available == 4


def test_it_comes_back_with_the_last_of_what_is_missing() -> None:
    early, late = date(2026, 12, 1), date(2026, 12, 20)
    parts = [_part(2, 1, 0, "restocking", early), _part(3, 1, 0, "restocking", late), _part(4, 1, 9)]

    decision = decide_bundle(_facts(), parts)

    assert (decision.state, decision.restock_on, decision.restock_until) == ("restocking", late, late)


@pytest.mark.parametrize(
    ("parts", "rule", "state"),
    [
        ([_part(2, 1, 0, "restocking", date(2026, 12, 1)), _part(3, 1, 0)], Rule(), "out_of_stock"),
        ([_part(2, 2, 1, "low_stock")], Rule(), "out_of_stock"),
        ([_part(2, 1, 0, "discontinued"), _part(3, 1, 7)], Rule(), "discontinued"),
        ([_part(2, 1, 0, "restocking", date(2026, 11, 1))], Rule(), "out_of_stock"),
        ([_part(2, 1, 0)], Rule(allows_backorder=True), "backorder"),
    ],
    ids=["one has no date", "not enough of one", "one is discontinued", "a date gone by", "backorder"],
)
def test_a_date_is_shown_only_with_evidence_for_all(parts: list[Part], rule: Rule, state: str) -> None:
    decision = decide_bundle(_facts(rule), parts)

    assert (decision.available, decision.state, decision.restock_on) == (0, state, None)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 500)), min_size=1, max_size=8),
    st.integers(0, 20),
    st.none() | st.integers(0, 50),
)
def test_never_more_than_any_component_gives(
    given_parts: list[tuple[int, int]], buffer_units: int, cap: int | None
) -> None:
    parts = [_part(n + 2, units, available) for n, (units, available) in enumerate(given_parts)]

    decision = decide_bundle(_facts(Rule(buffer_units=buffer_units, cap_units=cap)), parts)

    assert decision.available >= 0
    for units, available in given_parts:
        assert decision.available * units <= available
        assert decision.available + buffer_units <= max(available // units, buffer_units)
