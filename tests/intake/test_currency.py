"""Which currency a list names its costs in."""

from __future__ import annotations

from datetime import date

import pytest

from connector.intake.currency import code_of, currency_column, told
from connector.intake.mapping import Mapping
from connector.intake.reading import RowReader
from connector.ports.suppliers import RawRow

COLUMNS = ("sku", "qty", "cost", "Currency")
MAPPING = Mapping(columns={"sku": "sku", "quantity": "qty", "cost": "cost"})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("EUR", "EUR"),
        (" usd ", "USD"),
        ("12,50 €", "EUR"),
        ("GBP 4.20", "GBP"),
        ("$ 4.20", ""),
        ("4.20", ""),
        ("EUR/USD", ""),
        ("per 100 pcs", ""),
    ],
)
def test_a_cell_names_a_currency_only_where_there_is_no_doubt(text: str, code: str) -> None:
    assert code == code_of(text)


def test_the_column_is_found_by_its_header() -> None:
    assert (3, 1, -1) == (
        currency_column(COLUMNS),
        currency_column(["SKU", "Währung"]),
        currency_column(["currency", "Devise"]),
    )


@pytest.mark.parametrize(
    ("seen", "before", "is_whole", "now"),
    [
        pytest.param(set(), "USD", True, "USD", id="nothing is said"),
        pytest.param({"USD"}, "", False, "USD", id="said for the first time"),
        pytest.param({"USD"}, "EUR", True, "USD", id="the whole list is in another one"),
        pytest.param({"USD"}, "EUR", False, "XXX", id="only what changed is in another one"),
        pytest.param({"USD", "EUR"}, "EUR", True, "XXX", id="several"),
        pytest.param({"USD"}, "XXX", True, "USD", id="clear again"),
    ],
)
def test_what_is_known_after_a_list(seen: set[str], before: str, is_whole: bool, now: str) -> None:
    assert now == told(seen, before, is_whole)


def test_a_list_is_read_for_it_where_it_has_costs() -> None:
    reader = RowReader(MAPPING, COLUMNS, date(2026, 11, 22))
    for line, cells in enumerate(
        (["a", "1", "2.50", "USD"], ["b", "1", "", "EUR"], ["c", "1", "3.10 £", ""]), 1
    ):
        reader.line(RawRow(line, cells, line))
    assert {"USD", "GBP"} == reader.currencies
