"""Costs in two currencies: compared at the merchant's rates, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connector.availability.decide import decide
from connector.availability.facts import Decision, Rule, SourceFacts, VariantFacts
from connector.availability.sourcing import Policy, same_currency

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RATES = {"EUR": Decimal(1), "USD": Decimal("0.90")}
DOLLARS = SourceFacts(1, 5, cost=Decimal("5.00"), currency="USD", priority=2)
EUROS = SourceFacts(2, 7, cost=Decimal("4.60"), currency="EUR", priority=1)


def decided(rates: dict[str, Decimal], *sources: SourceFacts) -> Decision:
    rule = Rule(policy=Policy("cheapest"))
    return decide(VariantFacts(7, sources, rule, NOW, NOW.date(), rates=rates))


def sells(decision: Decision) -> list[int]:
    return [one["source"] for one in decision.why["sources"] if one["role"] == "sells"]


@pytest.mark.parametrize(
    ("costs", "rates", "expected"),
    [
        pytest.param(
            {1: ("5", "USD"), 2: ("4.6", "USD")},
            {},
            ({1: "5", 2: "4.6"}, ()),
            id="one currency needs no rate",
        ),
        pytest.param({1: ("5", "USD"), 2: ("4.6", "EUR")}, RATES, ({1: "4.5", 2: "4.6"}, ()), id="converted"),
        pytest.param({1: ("5", "USD"), 2: ("4.6", "EUR")}, {"EUR": Decimal(1)}, ({}, ("USD",)), id="no rate"),
        pytest.param({1: ("5", "XXX"), 2: ("4.6", "GBP")}, RATES, ({}, ("GBP", "XXX")), id="two are lacking"),
        pytest.param({}, {}, ({}, ()), id="no costs"),
    ],
)
def test_numbers_are_compared_in_one_currency_only(
    costs: dict[int, tuple[str, str]],
    rates: dict[str, Decimal],
    expected: tuple[dict[int, str], tuple[str, ...]],
) -> None:
    found = same_currency({source: (Decimal(cost), code) for source, (cost, code) in costs.items()}, rates)
    assert ({source: Decimal(cost) for source, cost in expected[0].items()}, expected[1]) == found


def test_the_cheapest_at_the_merchants_rate_sells() -> None:
    # 5.00 is more than 4.60 as a bare number, and less at 0.90.
    at_rate = decided(RATES, DOLLARS, EUROS)
    assert ([1], 5) == (sells(at_rate), at_rate.available)
    assert ("5", "USD") == (at_rate.why["sources"][0]["cost"], at_rate.why["sources"][0]["currency"])
    assert "no_rate" not in at_rate.why["sourcing"]
    assert [2] == sells(decided({**RATES, "USD": Decimal("0.95")}, DOLLARS, EUROS))


def test_without_a_rate_the_merchants_order_counts_and_it_is_said() -> None:
    cheap_number = replace(DOLLARS, cost=Decimal("0.01"))
    decision = decided({"EUR": Decimal(1)}, cheap_number, EUROS)

    assert ([2], 7) == (sells(decision), decision.available)
    assert ["USD"] == decision.why["sourcing"]["no_rate"]
    assert "cheapest" == decision.why["sourcing"]["strategy"] == decision.sourcing.strategy


def test_a_rate_that_comes_later_changes_the_supplier_only_after_the_stable_period() -> None:
    first = decided({"EUR": Decimal(1)}, DOLLARS, EUROS)
    facts = VariantFacts(
        7,
        (DOLLARS, EUROS),
        Rule(policy=Policy("cheapest")),
        NOW,
        NOW.date(),
        sourcing=first.sourcing,
        rates={**RATES, "USD": Decimal("0.80")},
    )
    assert [2] == sells(decide(facts))
    later = replace(facts, now=NOW + Policy().stable)
    assert [1] == sells(decide(later))
