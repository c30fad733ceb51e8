"""Every platform's prices are in the minor units that the core counts in (CLDR's), whatever its own habits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from babel.numbers import list_currencies

from adapters.stores.bigcommerce import prices as bigcommerce
from adapters.stores.bigcommerce.adapter import BigCommerceStore
from adapters.stores.woocommerce import prices as woocommerce
from adapters.stores.woocommerce.shapes import price_minor
from connector.ports.prices import StorePrice
from connector.repricing.facts import minor


def test_a_price_of_seven_is_the_same_number_to_woocommerce_as_to_the_core() -> None:
    wrong = [code for code in list_currencies() if price_minor("7", code) != minor(Decimal(7), code)]
    assert [] == wrong


@pytest.mark.parametrize(
    ("currency", "price_minor", "text"),
    [("RSD", 1200, "1200"), ("IQD", 1500, "1500"), ("KWD", 1250, "1.250"), ("EUR", 2195, "21.95")],
)
def test_what_is_written_to_woocommerce_is_what_was_meant(currency: str, price_minor: int, text: str) -> None:
    fields = woocommerce._fields_of(StorePrice(price_minor), currency)
    assert {"regular_price": text, "sale_price": ""} == fields
    row = {"price": text, **fields}
    assert StorePrice(price_minor) == woocommerce._price(row, currency)


@pytest.mark.parametrize(("currency", "shown", "digits"), [("EUR", 0, 2), ("JPY", 2, 0), ("KWD", 2, 3)])
def test_the_decimals_that_a_bigcommerce_store_shows_are_not_its_currencys(
    currency: str, shown: int, digits: int
) -> None:
    store = BigCommerceStore(None, None)  # type: ignore[arg-type]
    store._about = {"name": "Shop", "currency": currency, "decimal_places": shown}
    assert digits == store._minor_digits()
    written = bigcommerce._fields_of(StorePrice(minor(Decimal("19"), currency)), True, store._minor_digits())
    assert {"price": 19.0, "sale_price": 0.0} == written
