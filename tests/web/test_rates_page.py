"""The page of exchange rates: checked, kept, and what is lacking said."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa

from connector.positions.currencies import convert, rates_on
from tests.web.conftest import Person
from tests.web.shop import Shop


def rates(shop: Shop) -> dict[str, Decimal]:
    with shop.engine.connect() as db:
        return {one.currency: one.rate for one in rates_on(db, shop.merchant_id, date(2030, 1, 1))}


def test_a_rate_is_kept_from_its_day_on_and_removed(owner: Person, shop: Shop) -> None:
    for rate, day in (("0,90", "2026-01-05"), ("0.95", "2026-02-01"), ("2", "2999-01-01")):
        answer = owner.post("/rates", {"currency": "usd", "rate": rate, "valid_from": day})
        assert 303 == answer.status_code

    assert {"USD": Decimal("0.95")} == rates(shop)
    text = owner.get("/rates").text
    assert "0.95 EUR" in text and "1 February 2026" in text
    with shop.engine.connect() as db:
        due = sa.text("select count(*) from schedule where merchant_id = :m and kind = 'positions.all'")
        assert 1 == db.execute(due, {"m": shop.merchant_id}).scalar_one()

    assert 303 == owner.post("/rates/USD/remove").status_code
    assert ({}, 404) == (rates(shop), owner.post("/rates/USD/remove").status_code)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"currency": "EUR"}, "currency", id="the merchant's own"),
        pytest.param({"currency": "XXX"}, "currency", id="no currency"),
        pytest.param({"rate": "0"}, "rate", id="worth nothing"),
        pytest.param({"rate": "nan"}, "rate", id="no number"),
        pytest.param({"valid_from": "soon"}, "valid_from", id="no date"),
    ],
)
def test_a_mistake_is_said_beside_its_field(
    owner: Person, shop: Shop, changes: dict[str, str], field: str
) -> None:
    answer = owner.post("/rates", {"currency": "USD", "rate": "0.9", "valid_from": "2026-01-05", **changes})
    assert (422, {}) == (answer.status_code, rates(shop))
    assert f'id="{field}-error"' in answer.text


def test_a_currency_without_a_rate_and_an_unclear_list_are_told(owner: Person, shop: Shop) -> None:
    shop.execute("update source set cost_currency = 'USD' where merchant_id = :m")
    assert "No rate for USD" in owner.get("/rates").text
    shop.execute("update source set cost_currency = 'XXX' where merchant_id = :m")
    text = owner.get("/rates").text
    assert "names several currencies" in text and "No rate for" not in text


def test_sums_are_converted_through_the_merchants_own_currency() -> None:
    worth = {"EUR": Decimal(1), "USD": Decimal("0.90"), "GBP": Decimal("1.20")}
    assert Decimal("9.0000") == convert(Decimal(12), "USD", "GBP", worth)
    assert Decimal(12) == convert(Decimal(12), "JPY", "JPY", worth)
    assert convert(Decimal(12), "JPY", "EUR", worth) is None
