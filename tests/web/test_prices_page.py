"""The page of prices: rules are seen before they are kept, what sells too low is told, everything is exported."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from connector.positions.prices import read_book
from tests.web.conftest import Person
from tests.web.shop import Shop

FLOOR = {"level": "merchant", "floor_percent": "40", "tax_percent": "20", "tax_included": "1"}


@pytest.fixture
def priced(shop: Shop) -> Shop:
    """Every product costs 10.00 and sells for 18.00 tax included: a margin of a third."""
    shop.execute("update observation set cost = 10 where merchant_id = :m")
    shop.execute("update listing set price_minor = 1800 where merchant_id = :m")
    return shop


def book(shop: Shop) -> Any:
    with shop.engine.connect() as db:
        return read_book(db, shop.merchant_id)


def test_what_sells_too_low_is_seen_kept_and_told(owner: Person, priced: Shop) -> None:
    assert "below their floor." not in owner.get("/").text

    seen = owner.post("/prices", {**FLOOR, "preview": "1"}).text

    assert "Not saved yet" in seen
    assert book(priced).rules == {}
    assert owner.post("/prices", {**FLOOR, "floor_percent": "100"}).status_code == 422
    assert owner.post("/prices", FLOOR).status_code == 303
    rows = list(csv.DictReader(io.StringIO(owner.get("/prices.csv?only=below").text.lstrip("\ufeff"))))
    assert rows
    first = rows[0]
    assert (first["cost"], first["price"], first["floor"], first["proposal"]) == (
        "10.0000",
        "18.00",
        "20.00",
        "20.00",
    )
    assert (first["margin_percent"], first["state"], first["was_price_30_days"]) == ("33.33", "change", "")
    told = f"{len(rows)} prices are below their floor." if len(rows) > 1 else "1 price is below its floor."
    assert told in owner.get("/").text


def test_rules_of_products_are_kept_and_taken_away(owner: Person, priced: Shop) -> None:
    rule = {"level": "sku", "subject": "A-13", "markup_percent": "100"}
    assert owner.post("/prices", {**rule, "subject": "Z-99"}).status_code == 422

    owner.post("/prices", rule)

    key = ("sku", str(priced.variants["A-13"]))
    assert book(priced).rules == {key: {"markup_percent": "100"}}
    assert "markup 100 %" in owner.get("/prices").text
    owner.post("/prices/remove", {"level": key[0], "subject": key[1]})
    assert book(priced).rules == {}
