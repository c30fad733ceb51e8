"""The page of prices: rules are seen before they are kept, what sells too low is told, everything is exported."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from connector.positions.prices import read_book
from connector.repricing import facts
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


def test_prices_of_a_store_are_seen_approved_and_taken_back(owner: Person, priced: Shop) -> None:
    here = f"/connections/{priced.store_id}/prices"
    owner.post("/prices", {"level": "merchant", "markup_percent": "100"})
    shown = owner.get(here).text
    (seen,) = re.findall(r'name="seen" value="(\w+)"', shown)
    rows = list(csv.DictReader(io.StringIO(owner.get(f"{here}.csv").text.lstrip("\ufeff"))))
    assert ("18.00", "20.00", "11.11") == tuple(
        rows[0][name] for name in ("price", "new_price", "change_percent")
    )

    owner.post(f"{here}/approve", {"seen": "something else"})
    assert "Nothing was approved" in owner.get(here).text
    owner.post(f"{here}/approve", {"seen": seen})
    assert "Approved." in owner.get(here).text
    with priced.engine.connect() as db:
        state = facts.writing_of(db, priced.merchant_id, priced.store_id)
    assert state is not None
    assert ("on", len(rows)) == (state.status, state.permission.allowed)
    assert "Put the prices of before back?" in owner.get(f"{here}/undo").text
    assert owner.get(f"{here}/undo?at=yesterday").status_code == 404
    assert "0 prices are put back" in owner.get(owner.post(f"{here}/undo").headers["Location"]).text
    owner.post(f"{here}/off")
    assert "Switched off." in owner.get(here).text
    assert "0 prices follow" in owner.get(owner.post(f"{here}/hand-over").headers["Location"]).text


def test_many_products_below_their_floor_ask_first_and_a_run_says_which_it_was(
    owner: Person, priced: Shop
) -> None:
    owner.post("/prices", {**FLOOR, "below_floor": "stop"})
    priced.execute("insert into price_stop_guard (merchant_id, held) values (:m, 17)")
    assert "Take 17 products off sale?" in owner.get("/prices").text
    owner.post("/prices/stops/approve")
    assert "17 products go off sale" in owner.get("/prices").text
    with priced.engine.connect() as db:
        run_id = db.exec_driver_sql("select max(id) from run").scalar_one()
    said = {
        "price": "18.00",
        "floor": "20.00",
        "cost": "10",
        "cost_before": "8",
        "currency": "GBP",
        "store": "S",
    }
    priced.execute(
        "insert into price_run_note (merchant_id, run_id, listing_id, says)"
        " select :m, :r, min(id), cast(:says as jsonb) from listing where merchant_id = :m",
        r=run_id,
        says=json.dumps(said),
    )
    assert "The costs of this run put 1 price under its floor" in owner.get(f"/runs/{run_id}").text
    (row,) = csv.DictReader(io.StringIO(owner.get(f"/runs/{run_id}/below-floor.csv").text.lstrip("\ufeff")))
    assert ("8", "10", "20.00") == (row["cost_before"], row["cost"], row["floor"])
