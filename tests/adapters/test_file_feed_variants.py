"""Variants nested under products become rows of their own, with what their product says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.suppliers.file_feed.json_table import JsonTable
from adapters.suppliers.file_feed.variants import expand, guess
from connector.ports.errors import FileFault

VASES: list[dict[str, Any]] = [
    {
        "title": "Vase",
        "supplier": {"name": "Nord"},
        "images": [{"url": "a.png"}],
        "variants": [{"sku": "V-1", "stock": {"qty": 3}}, {"sku": "V-2", "stock": {"qty": 0}}],
    },
    {"title": "Candle", "variants": [{"sku": "C-1", "stock": {"qty": 9}}]},
    {"title": "Lamp", "variants": []},
]


def _table(tmp_path: Path, value: object, variants_path: str = "") -> JsonTable:
    path = tmp_path / "feed.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return JsonTable(path, 0, "utf-8", "", "feed.json", variants_path)


def _cells(table: JsonTable) -> list[dict[str, str]]:
    return [
        {name: cell for name, cell in zip(table.shape.columns, row.cells, strict=True) if cell}
        for row in table.rows()
    ]


def test_one_row_for_each_variant_with_its_product_s_fields(tmp_path: Path) -> None:
    table = _table(tmp_path, {"products": VASES})

    vase = {"title": "Vase", "supplier.name": "Nord", "images": '[{"url":"a.png"}]'}
    assert [
        {**vase, "variants.sku": "V-1", "variants.stock.qty": "3"},
        {**vase, "variants.sku": "V-2", "variants.stock.qty": "0"},
        {"title": "Candle", "variants.sku": "C-1", "variants.stock.qty": "9"},
        {"title": "Lamp"},
    ] == _cells(table)
    assert [1, 2, 3, 4] == [row.line for row in table.rows()]
    assert [("variants", "variants_expanded")] == [(note.column, note.code) for note in table.shape.notes]
    assert "Each of its 3 products" in table.shape.notes[0].reason
    assert "4 rows" in table.shape.notes[0].reason


def test_only_the_variant_that_changed_is_read_again(tmp_path: Path) -> None:
    known = np.sort(_table(tmp_path, VASES).digests())
    changed = json.loads(json.dumps(VASES))
    changed[0]["variants"][1]["stock"]["qty"] = 7

    rows = list(_table(tmp_path, changed).rows(known))

    assert [(2, "7")] == [(row.line, row.cells[-1]) for row in rows]


def test_products_stay_whole_where_the_merchant_says_so(tmp_path: Path) -> None:
    table = _table(tmp_path, VASES, "-")
    assert (3, ()) == (len(table.digests()), table.shape.notes)


def test_a_path_where_no_record_has_variants_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileFault) as caught:
        _table(tmp_path, VASES, "sizes")
    assert ("no_table", "None of its 3 records has variants at “sizes”.") == (
        caught.value.code,
        caught.value.cause,
    )


@pytest.mark.parametrize(
    ("records", "path"),
    [
        pytest.param(VASES, "variants", id="variants"),
        pytest.param([{"offer": {"skus": [{"stockCode": "A", "onHand": 1}]}}], "offer.skus", id="deeper"),
        pytest.param([{"sku": "A", "sites": [{"site": "Lyon", "qty": 3}]}], "", id="warehouses have no code"),
        pytest.param([{"sku": "A", "prices": [{"code": "EUR", "net": 3}]}], "", id="prices have no quantity"),
        pytest.param(
            [{"a": [{"sku": "A", "qty": 1}], "b": [{"sku": "B", "qty": 1}]}], "", id="two such lists"
        ),
        pytest.param([VASES[0], {"x": 1}, {"x": 2}], "", id="seldom"),
        pytest.param([{"sku": "A", "qty": 1}], "", id="flat"),
    ],
)
def test_the_list_is_found_only_where_it_is_obvious(records: list[dict[str, Any]], path: str) -> None:
    assert path == guess(records)


@pytest.mark.parametrize(
    ("record", "rows"),
    [
        ({"t": 1, "v": {"sku": "A"}}, [{"t": 1, "v": {"sku": "A"}}]),
        ({"t": 1}, [{"t": 1}]),
        ({"t": 1, "v": None}, [{"t": 1}]),
        ({"t": 1, "v": ["A", "B"]}, [{"t": 1, "v": "A"}, {"t": 1, "v": "B"}]),
    ],
    ids=["one without a list", "none", "null", "texts"],
)
def test_nothing_is_left_out(record: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    assert rows == [dict(one) for one in expand(record, "v")]
