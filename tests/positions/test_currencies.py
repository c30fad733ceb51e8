"""Costs in two currencies as they are stored: whose word counts, and the merchant's rates."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from connector.positions.currencies import checked_rate, currencies_of, save_rate
from connector.positions.why import explain
from tests.builders import NOW, World

TODAY = NOW.date()


class Two:
    """A variant with a supplier whose list names dollars (5.00 each) and one in euros (4.60), the cheapest to sell."""

    def __init__(self, engine: sa.Engine) -> None:
        self.world = world = World(engine)
        self.variant = world.variant("VASE")
        self.dollars, self.euros = world.source(cost_currency="USD"), world.source()
        world.observe(self.dollars, self.variant, 10, cost=Decimal("5.00"))
        world.observe(self.euros, self.variant, 30, cost=Decimal("4.60"))
        world.execute(
            "insert into stock_rule (merchant_id, level, subject, says, changed_at)"
            """ values (:m, 'merchant', '', '{"strategy": "cheapest"}', :now)""",
            now=NOW,
        )

    def rate(self, currency: str, rate: str, day: date = TODAY) -> None:
        with self.world.engine.begin() as db:
            kept = checked_rate(currency, rate, day.isoformat(), "EUR")
            save_rate(db, self.world.merchant_id, kept, actor="test", now=NOW)

    def sells(self) -> int:
        self.world.decide(self.variant)
        return int(self.world.position(self.variant).sourcing["current"])

    def told(self) -> list[str]:
        with self.world.engine.connect() as db:
            return explain(db, self.world.merchant_id, "VASE")[0].lines()


@pytest.fixture
def two(engine: sa.Engine) -> Two:
    return Two(engine)


def test_the_cheapest_is_found_at_the_rate_of_the_day(two: Two) -> None:
    two.rate("USD", "0.9")
    two.rate("USD", "2", date(2999, 1, 1))

    assert two.dollars == two.sells()
    assert any("sells since" in line and "(costs 5 USD)" in line for line in two.told())


def test_without_a_rate_the_merchants_order_counts_and_is_told(two: Two) -> None:
    two.world.execute(
        "update source set cost_currency = 'GBP' where merchant_id = :m and id = :s", s=two.euros
    )
    two.rate("USD", "0.9")

    assert two.dollars == two.sells()
    said = "  Costs are not compared, as there is no exchange rate for GBP: your order counts."
    assert said in two.told()
    assert ["GBP"] == two.world.position(two.variant).why["sourcing"]["no_rate"]


def test_what_the_merchant_names_goes_before_what_the_list_names(two: Two) -> None:
    two.world.execute(
        "insert into price_rule (merchant_id, level, subject, says, actor, changed_at)"
        " values (:m, 'merchant', '', cast(:says as jsonb), '', :now)",
        says=json.dumps({"cost_currency": {str(two.dollars): "EUR"}}),
        now=NOW,
    )

    with two.world.engine.connect() as db:
        assert {two.dollars: "EUR", two.euros: "EUR"} == currencies_of(db, two.world.merchant_id)
    assert two.euros == two.sells()
    assert not any("exchange rate" in line for line in two.told())


def test_a_rate_that_comes_into_force_tomorrow_is_looked_at_then(two: Two) -> None:
    two.rate("USD", "0.95")
    assert two.euros == two.sells()
    assert two.world.position(two.variant).recheck_at is None

    two.world.execute("update merchant set timezone = 'America/New_York' where id = :m")
    two.rate("USD", "0.9", TODAY + timedelta(days=1))
    two.rate("USD", "2", date(2999, 1, 1))
    assert two.euros == two.sells()
    # Midnight in New York, and a second.
    expected = datetime.combine(TODAY + timedelta(days=1), time(5, 0, 1), tzinfo=UTC)
    assert expected == two.world.position(two.variant).recheck_at
