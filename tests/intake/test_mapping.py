"""Which column is what."""

from __future__ import annotations

import pytest

from connector.catalog.keys import KeyRules
from connector.intake.headers import HEADERS
from connector.intake.mapping import FIELDS, SURE, Mapping, guess, header_words, is_gtin, mapping_from


def _found(columns: list[str], *rows: list[str]) -> dict[str, str]:
    return {offer.field: offer.column for offer in guess(columns, rows) if offer.confidence >= SURE}


@pytest.mark.parametrize(
    ("language", "columns"),
    [
        ("en", ["SKU", "Barcode", "Qty available", "ETA"]),
        ("fr", ["Référence", "Code EAN", "Quantité en stock", "Date de réappro"]),
        ("de", ["Artikelnummer", "EAN", "Lagerbestand", "Liefertermin"]),
        ("es", ["Referencia", "Código de barras", "Existencias", "Fecha reposición"]),
        ("it", ["Codice articolo", "Codice EAN", "Giacenza", "Data riassortimento"]),
        ("nl", ["Artikelcode", "Streepjescode", "Voorraad", "Verwachte datum"]),
        ("pt", ["Código artigo", "EAN", "Estoque", "Data de reposição"]),
        ("pl", ["Kod produktu", "Kod kreskowy", "Stan magazynowy", "Data dostawy"]),
    ],
)
def test_headers_are_known_in_eight_languages(language: str, columns: list[str]) -> None:
    rows = [["A-1", "4006381333931", "5", "2026-12-06"], ["A-2", "96385074", "0", ""]]

    found = _found(columns, *rows)

    assert found == dict(zip(("sku", "gtin", "quantity", "restock_on"), columns, strict=True))


def test_the_number_that_may_be_sold_is_chosen_among_several() -> None:
    columns = [
        "Item",
        "Min order qty",
        "Reserved qty",
        "Qty on order",
        "Available",
        "Pack size",
        "Cost price",
    ]

    assert _found(
        columns, ["A-1", "6", "2", "100", "14", "6", "3.20"], ["A-2", "6", "0", "0", "3", "6", "1.10"]
    ) == {
        "sku": "Item",
        "quantity": "Available",
        "pack_size": "Pack size",
        "cost": "Cost price",
        "moq": "Min order qty",
    }


def test_a_header_whose_values_do_not_fit_is_not_sure() -> None:
    offers = {o.field: o for o in guess(["SKU", "Stock"], [["A-1", "oak"], ["A-2", "blue"]])}

    assert offers["sku"].confidence >= SURE
    assert "quantity" not in offers
    assert mapping_from(list(offers.values())) is None


def test_values_alone_tell_barcodes_and_stock_words() -> None:
    assert _found(["a", "b"], ["4006381333931", "auf Lager"], ["96385074", "ausverkauft"]) == {
        "gtin": "a",
        "quantity": "b",
    }


def test_nothing_is_guessed_from_bare_numbers() -> None:
    assert _found(["a", "b"], ["1", "2"], ["3", "4"]) == {}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Qté_en-stock ", "qte en stock"),
        ("StockLevel", "stock level"),
        ("Größe", "grosse"),
        ("ILOŚĆ", "ilosc"),
        ("Menge (Stk.)", "menge stk"),
    ],
)
def test_headers_are_compared_without_accents_case_and_signs(header: str, words: str) -> None:
    assert header_words(header) == words


def test_every_known_header_is_written_as_it_is_compared() -> None:
    wrong = {
        (name, header)
        for name, known in HEADERS.items()
        for header in known
        if header_words(header) != header
    }

    assert wrong == set()
    assert set(HEADERS) <= set(FIELDS)


def test_a_mapping_survives_storing() -> None:
    mapping = Mapping(
        columns={"sku": "A", "quantity": "B"},
        decimal={"quantity": ","},
        date_order="dmy",
        duplicates="sum",
        negatives="fault",
        words={"bald": 0},
        locations=("Lyon",),
        keys=KeyRules("acme-", "", True),
    )

    assert Mapping.from_json(mapping.to_json()) == mapping
    assert Mapping.from_json({}) == Mapping()


def test_a_column_is_found_by_name_by_likeness_and_by_number() -> None:
    columns = ["SKU", "Qty ", "qty"]

    assert Mapping(columns={"quantity": "qty"}).place("quantity", columns) == 2
    assert Mapping(columns={"quantity": "QTY"}).place("quantity", columns) == -1, "two are alike"
    assert Mapping(columns={"sku": "sku"}).place("sku", columns) == 0
    assert Mapping(columns={"sku": "#2"}).place("sku", columns) == 1
    assert Mapping(columns={"sku": "#9"}).place("sku", columns) == -1
    assert Mapping().place("sku", columns) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4006381333931", True),
        ("4006381333932", False),
        ("96385074", True),
        ("036000291452", True),
        ("00036000291452", True),
        ("123", False),
        ("400638133393x", False),
    ],
)
def test_a_barcode_has_the_right_check_digit(text: str, expected: bool) -> None:
    assert is_gtin(text) == expected
