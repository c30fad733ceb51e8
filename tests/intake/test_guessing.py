"""What each column is, judged together from headers and values."""

from __future__ import annotations

import time

import pytest

from benchmarks.header_sets import DATA, read_sets
from connector.intake.guessing import SURE, Column, judge_columns
from connector.intake.lexicon import ideas_of

_EANS = ["4006381333931", "96385074", "036000291452", "4012345678901", "5901234123457", "8711253001202"]


def _fields(header: str, *rows: str) -> dict[str, str]:
    columns = header.split(";")
    return {c.column: c.field for c in judge_columns(columns, [row.split(";") for row in rows]) if c.field}


def _column(columns: list[Column], name: str) -> Column:
    return next(one for one in columns if one.column == name)


@pytest.mark.parametrize(
    ("header", "ideas", "unknown"),
    [
        ("Mindestbestellmenge", {"MIN", "ORDER", "QTY"}, 0),
        ("QTY_AVAIL", {"QTY", "AVAIL"}, 0),
        ("qtyAvailable", {"QTY", "AVAIL"}, 0),
        ("CodeEANColis", {"NUM", "GTIN", "PACK"}, 0),
        ("P.V.P.", {"RETAIL"}, 0),
        ("Lieferantenartikelnummer", {"SUPPLIER", "ITEM", "NUM"}, 0),
        ("Wysokość xyzzy", set(), 2),
    ],
)
def test_a_header_is_cut_into_what_its_words_mean(header: str, ideas: set[str], unknown: int) -> None:
    assert ideas_of(header) == (frozenset(ideas), unknown)


def test_numbers_that_are_not_for_sale_are_left_alone() -> None:
    rows = [f"A-{n};{n * 3};{n % 3};{n % 2 * 40};5;{n * 4}" for n in range(1, 13)]

    assert _fields("SKU;Verfügbar;Reserviert;Im Zulauf;Meldebestand;Bestand gesamt", *rows) == {
        "SKU": "sku",
        "Verfügbar": "quantity",
    }


def test_the_carton_barcode_and_the_parent_are_not_the_items() -> None:
    rows = [f"P-{n // 6};C-{n};{_EANS[n % 6]};1{_EANS[0][:-1]}8;{n}" for n in range(12)]

    found = _fields("Parent SKU;SKU;EAN;EAN carton;Stock", *rows)

    assert found == {"SKU": "sku", "EAN": "gtin", "Stock": "quantity"}


def test_a_bare_price_beside_a_retail_price_is_what_the_merchant_pays() -> None:
    rows = [f"A-{n};{n + 1}.50;{2 * n + 3}.00;{n}" for n in range(12)]

    assert _fields("sku;price;msrp;qty", *rows)["price"] == "cost"
    assert _fields("sku;cost;price;qty", *rows) == {
        "sku": "sku",
        "cost": "cost",
        "price": "price",
        "qty": "quantity",
    }


def test_stock_words_are_the_quantity_only_where_there_is_no_number() -> None:
    words = ["in stock", "sold out", "in stock", "low stock"] * 3

    alone = _fields("sku;availability", *(f"A-{n};{word}" for n, word in enumerate(words)))
    beside = _fields("sku;availability;qty", *(f"A-{n};{word};{n}" for n, word in enumerate(words)))

    assert alone["availability"] == "quantity"
    assert beside == {"sku": "sku", "availability": "availability", "qty": "quantity"}


def test_two_columns_that_could_both_be_the_stock_are_asked_about() -> None:
    rows = [[f"A-{n}", str(n), str(n * 2)] for n in range(1, 13)]

    columns = judge_columns(["sku", "Stock Lyon", "Stock Lille"], rows)
    guessed = [one for one in columns if one.field == "quantity"]

    assert len(guessed) == 1
    assert guessed[0].confidence < SURE
    assert guessed[0].is_asked


def test_a_file_without_a_header_is_proposed_from_its_values_and_asked_about() -> None:
    rows = [[_EANS[n % 6], f"Lamp {n} red", str(n * 7 % 40), f"{n}.95"] for n in range(12)]

    columns = judge_columns(["column 1", "column 2", "column 3", "column 4"], rows)

    assert [one.field for one in columns] == ["gtin", "name", "quantity", "price"]
    assert _column(columns, "column 3").is_asked
    assert not _column(columns, "column 1").is_asked


def test_the_reason_names_header_and_values() -> None:
    columns = judge_columns(["EAN13"], [[ean] for ean in _EANS])

    assert columns[0].reason == "header “EAN13”; 100% of its values are barcodes with the right check digit"


def test_sets_kept_apart_are_read_right() -> None:
    right = total = wrong_though_sure = 0
    for one in read_sets(DATA / "mapping_heldout.txt"):
        names = (
            one.columns if one.has_header else tuple(f"column {n}" for n in range(1, len(one.columns) + 1))
        )
        for truth, found in zip(one.fields, judge_columns(names, one.rows), strict=True):
            total += 1
            right += truth == found.field
            wrong_though_sure += found.field not in ("", truth) and found.confidence >= SURE
    assert total == 465
    assert right / total >= 0.95
    assert wrong_though_sure / total <= 0.02


def test_a_wide_file_is_judged_in_a_moment() -> None:
    columns = [f"attribute_{n}" for n in range(120)] + ["sku", "stock"]
    rows = [[f"v{n % 7}" for n in range(120)] + [f"A-{r}", str(r)] for r in range(30)]

    before = time.process_time()
    found = {one.column: one.field for one in judge_columns(columns, rows) if one.field}

    assert found == {"sku": "sku", "stock": "quantity"}
    assert time.process_time() - before < 2
