"""What each column is, judged together from headers and values."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.header_sets import DATA, read_sets
from connector.intake.guessing import SURE, Column, judge_columns
from connector.intake.judging import judge_file
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
        ("Item #", {"SKU"}, 0),
        ("MwSt %", {"TAX", "MEASURE"}, 0),
        ("Letzter EK", {"PAST", "COST"}, 0),
        ("N° article", {"ITEM", "NUM"}, 0),
        ("EMBAL", {"PACK"}, 0),
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


def test_what_is_free_goes_before_what_is_there_and_is_sure() -> None:
    rows = [[f"A-{n}", str(n * 3 + n % 4), str(n * 3)] for n in range(12)]

    columns = judge_columns(["Artikelcode", "Voorraad", "Vrije voorraad"], rows)

    assert [one.field for one in columns] == ["sku", "", "quantity"]
    assert not _column(columns, "Vrije voorraad").is_asked


def test_a_date_that_stands_where_nothing_is_left_is_the_date_of_return() -> None:
    rows = [f"A-{n};{n % 4 * 5};{'' if n % 4 else '2026-12-24'};2024-03-0{n % 9 + 1}" for n in range(16)]

    found = _fields("SKU;Stock;Qwerty;Zuletzt gekauft", *rows)

    assert found == {"SKU": "sku", "Stock": "quantity", "Qwerty": "restock_on"}


def test_a_date_beside_what_is_there_is_not_the_date_of_return() -> None:
    rows = [f"A-{n};{n % 4 * 5};2026-12-{n % 9 + 10};{n % 3 + 20}.01.2027" for n in range(16)]

    found = _fields("SKU;Stock;Xyzzy;Änderungsdatum", *rows)

    assert found == {"SKU": "sku", "Stock": "quantity"}


def test_a_few_units_of_measure_are_the_unit_whatever_the_header_adds() -> None:
    rows = [f"A-{n};{n};{'pcs' if n % 4 else 'box'}" for n in range(12)]

    assert _fields("SKU;Stock;Units Type", *rows)["Units Type"] == "unit"


def test_yes_and_no_and_colours_are_no_stock_words_under_a_header_that_asks_no_such_thing() -> None:
    rows = [f"A-{n};{n};{'nein' if n % 5 else 'ja'};{'rosso' if n % 3 else 'verde'}" for n in range(1, 13)]

    assert _fields("SKU;Bestand;Zerbrechlich;Variante", *rows) == {"SKU": "sku", "Bestand": "quantity"}


def test_the_first_of_numbered_price_lists_is_the_price() -> None:
    rows = [f"A-{n};{n};{n + 1},90;{n + 4},90;{n + 9},90" for n in range(12)]

    assert _fields("SKU;Bestand;EK;VK2;VK1", *rows) == {
        "SKU": "sku",
        "Bestand": "quantity",
        "EK": "cost",
        "VK1": "price",
    }


def test_decimals_that_no_header_explains_are_no_sure_price() -> None:
    rows = [[f"A-{n}", str(n), f"{n}.25", f"{n}.75"] for n in range(12)]

    columns = judge_columns(["sku", "stock", "G.W. (kg)", "Xyzzy"], rows)

    assert [one.field for one in columns if one.field and not one.is_asked] == ["sku", "quantity"]


def test_of_two_bare_prices_the_lower_is_what_the_merchant_pays() -> None:
    rows = [f"A-{n};{n};{2 * n + 5}.50;{n + 1}.20" for n in range(12)]

    found = _fields("sku;stock;price A;price B", *rows)

    assert (found["price A"], found["price B"]) == ("price", "cost")


def test_the_name_is_the_short_text_and_not_the_description() -> None:
    rows = [f"A-{n};{n};<p>Lamp {n} in red, with a shade</p>;Lamp {n} red" for n in range(12)]

    assert _fields("sku;stock;Description;Title", *rows)["Title"] == "name"


def test_judging_a_file_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_bytes("sku;stock\r\nA-1;3\r\nA-2;4\r\n".encode("utf-16"))

    assert [one.field for one in judge_file(path).columns] == ["sku", "quantity"]
    assert [path] == list(tmp_path.iterdir())


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
    assert right / total >= 0.96
    assert wrong_though_sure / total <= 0.02


def test_a_wide_file_is_judged_in_a_moment() -> None:
    columns = [f"attribute_{n}" for n in range(120)] + ["sku", "stock"]
    rows = [[f"v{n % 7}" for n in range(120)] + [f"A-{r}", str(r)] for r in range(30)]

    before = time.process_time()
    found = {one.column: one.field for one in judge_columns(columns, rows) if one.field}

    assert found == {"sku": "sku", "stock": "quantity"}
    assert time.process_time() - before < 2
