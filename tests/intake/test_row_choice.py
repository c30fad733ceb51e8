"""What a row is where products list variants: chosen by the merchant, remembered, never changed behind their back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector.intake import row_choice
from connector.intake.remembering import Rows, look, remember
from connector.ports.suppliers import Nested
from connector.registry import Environment, manifest
from tests.intake.conftest import MERCHANT, SOURCE, SUPPLIER, Shop

SETS = [
    {"sku": f"SET-{n}", "stock": 5, "variants": [{"sku": f"S-{n}-{k}", "stock": n + k} for k in (1, 2)]}
    for n in range(1, 7)
]
"""Products that can be sold as they are, and so can their variants."""
ONLY_VARIANTS = [{"title": one["sku"], "variants": one["variants"]} for one in SETS]
BOTH = Nested("variants", 6, 12, is_expanded=False, is_asked=True)


class Feed:
    """A shop whose supplier is a JSON file on disk."""

    def __init__(self, shop: Shop, path: Path) -> None:
        self.shop, self.path = shop, path
        shop.rt.suppliers[SUPPLIER] = manifest("suppliers", "file_feed").build(
            {"path": str(path)}, {}, Environment(feed_directories=(path.parent,))
        )

    def run(self, products: list[dict[str, Any]]) -> Any:
        self.path.write_text(json.dumps({"products": products}), encoding="utf-8")
        return self.shop.run()

    def source(self) -> Any:
        return self.shop.all("select read_options, mapping -> 'columns' from source")[0]

    def choose(self, path: str) -> bool:
        with self.shop.engine.begin() as db:
            return row_choice.choose(db, MERCHANT, SOURCE, path)

    def notes(self) -> list[str]:
        last = "select code from run_issue where run_id = (select max(id) from run) order by id"
        return [code for (code,) in self.shop.all(last)]


@pytest.fixture
def feed(shop: Shop, tmp_path: Path) -> Feed:
    directory = tmp_path / "inbox"
    directory.mkdir()
    return Feed(shop, directory / "stock.json")


def test_a_new_source_is_not_read_before_the_merchant_says_what_a_row_is(feed: Feed) -> None:
    outcome = feed.run(SETS)

    assert (outcome.status, outcome.error_code, outcome.rows_read) == ("failed", "rows_unclear", 0)
    assert "6 products" in outcome.error
    assert "12 variants" in outcome.error
    assert ({}, {}) == (feed.shop.observed(), feed.source()[0])

    assert feed.choose("variants")
    outcome = feed.run(SETS)

    assert (outcome.status, outcome.rows_read) == ("applied", 12)
    assert feed.shop.observed()["s-1-2"] == 3
    assert feed.source() == (
        {"variants_path": "variants"},
        {"sku": "variants.sku", "quantity": "variants.stock"},
    )


def test_what_the_first_file_left_no_choice_about_stays_so(feed: Feed) -> None:
    assert feed.run(ONLY_VARIANTS).rows_read == 12
    assert feed.source()[0] == {"variants_path": "variants"}

    # The products get codes and quantities of their own later: the numbers stay those of the variants.
    changed = {**SETS[0], "variants": [{"sku": "S-1-1", "stock": 3}, SETS[0]["variants"][1]]}
    outcome = feed.run([changed, *SETS[1:]])

    assert (outcome.status, outcome.error, outcome.rows_changed) == ("applied", "", 1)
    assert set(feed.shop.observed()) == {f"s-{n}-{k}" for n in range(1, 7) for k in (1, 2)}


def test_a_source_of_before_the_choice_is_read_as_it_was_and_told_of_it(feed: Feed) -> None:
    with feed.shop.engine.begin() as db:
        given = json.dumps({"columns": {"sku": "sku", "quantity": "stock"}})
        db.execute(sa.text("update source set mapping = cast(:m as jsonb)"), {"m": given})

    outcome = feed.run(SETS)
    assert (outcome.status, outcome.rows_read, feed.notes()) == ("applied", 6, ["note:variants_listed"])
    assert feed.source()[0] == {}

    assert not feed.choose(row_choice.PRODUCTS), "nothing is read otherwise by it"
    feed.run([*SETS[:5], {**SETS[5], "stock": 6}])
    assert ([], {"sku": "sku", "quantity": "stock"}) == (feed.notes(), feed.source()[1])


def test_both_readings_are_shown_with_their_rows(feed: Feed) -> None:
    feed.run(SETS)
    shop = feed.shop

    looked = look(shop.rt, MERCHANT, SOURCE)
    assert ("", "", BOTH) == (looked.shown, looked.chosen, looked.judged.shape.nested)
    assert (
        Rows("-", 6, (("SET-1", "5"), ("SET-2", "5"), ("SET-3", "5"))),
        Rows("variants", 12, (("S-1-1", "2"), ("S-1-2", "3"), ("S-2-1", "3"))),
    ) == looked.rows

    looked = look(shop.rt, MERCHANT, SOURCE, "variants")
    assert ("variants", "") == (looked.shown, looked.chosen)
    assert "variants.sku" in looked.judged.shape.columns
    with shop.engine.begin() as db:
        remember(
            db,
            MERCHANT,
            SOURCE,
            {"sku": "variants.sku", "quantity": "variants.stock"},
            {},
            "variants",
        )
    looked = look(shop.rt, MERCHANT, SOURCE)
    assert ("variants", "variants", "variants.sku") == (
        looked.shown,
        looked.chosen,
        looked.mapping.columns["sku"],
    )


def test_another_choice_forgets_the_columns_of_the_first(feed: Feed) -> None:
    feed.run(ONLY_VARIANTS)

    assert feed.choose(row_choice.PRODUCTS)

    assert feed.source() == ({"variants_path": "-"}, None)
    assert look(feed.shop.rt, MERCHANT, SOURCE).shown == "-"


@pytest.mark.parametrize("path", ["", " ", "x" * 201])
def test_an_impossible_path_is_refused(feed: Feed, path: str) -> None:
    with pytest.raises(ValueError, match="empty or longer than 200"):
        feed.choose(path)


@pytest.mark.parametrize(
    ("stored", "nested", "kept"),
    [
        pytest.param({}, Nested("v", 1, 2, is_expanded=True), {"variants_path": "v"}, id="found out"),
        pytest.param({}, {"path": "v", "products": 1, "variants": 2, "is_expanded": True, "is_asked": False},
                     {"variants_path": "v"}, id="as a run stores it"),
        pytest.param({}, Nested("v", 1, 2, is_expanded=False), {}, id="read as always"),
        pytest.param({"variants_path": "-"}, Nested("v", 1, 2, is_expanded=False), {"variants_path": "-"}, id="chosen"),
        pytest.param({"format": "json"}, None, {"format": "json"}, id="no variants"),
    ],
)  # fmt: skip
def test_only_what_was_found_out_is_kept_with_a_file(
    stored: dict[str, str], nested: Any, kept: dict[str, str]
) -> None:
    assert kept == row_choice.settled(stored, nested)
