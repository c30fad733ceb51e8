"""Variants nested under products become rows of their own, with what their product says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.suppliers.file_feed.formats import open_table
from adapters.suppliers.file_feed.variants import Found, count, expand, find
from connector.ports.errors import FileFault
from connector.ports.suppliers import Feed, FetchMark, Nested, ReadOptions, Table

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


def _cells(table: Table) -> list[dict[str, str]]:
    return [
        {name: cell for name, cell in zip(table.shape.columns, row.cells, strict=True) if cell}
        for row in table.rows()
    ]


SETS: list[dict[str, Any]] = [
    {"sku": "SET", "stock": 5, "variants": [{"sku": "S-1", "stock": 2}, {"sku": "S-2", "stock": 3}]},
    {"sku": "ONE", "stock": 4, "variants": [{"sku": "O-1", "stock": 4}]},
]
"""Products that can be sold as they are, and so can their variants."""


def _open(path: Path, variants_path: str = "") -> Table:
    feed = Feed(path, path.name, path.stat().st_size, FetchMark(), None)
    return open_table(feed, ReadOptions(variants_path=variants_path), 1_000_000)


def _table(tmp_path: Path, value: object, variants_path: str = "") -> Table:
    path = tmp_path / f"feed{variants_path}.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return _open(path, variants_path)


def _lines(tmp_path: Path, values: list[dict[str, Any]], variants_path: str = "") -> Table:
    path = tmp_path / f"feed{variants_path}.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return _open(path, variants_path)


def _xml(tmp_path: Path, values: list[dict[str, Any]], variants_path: str = "") -> Table:
    path = tmp_path / f"feed{variants_path}.xml"
    body = "\n".join(f"<product>{_elements(value)}</product>" for value in values)
    path.write_text(f"<products>{body}</products>", encoding="utf-8")
    return _open(path, variants_path)


def _elements(value: Any) -> str:
    """`value` as XML, in the order it is written: fields of a product may follow its variants."""
    if not isinstance(value, dict):
        return str(value)
    parts = []
    for name, inner in value.items():
        for one in inner if isinstance(inner, list) else [inner]:
            parts.append(f"<{name}>{_elements(one)}</{name}>")
    return "".join(parts)


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
    assert "Its 3 products" in table.shape.notes[0].reason
    assert "4 rows" in table.shape.notes[0].reason
    assert Nested("variants", 3, 4, is_expanded=True) == table.shape.nested


def test_only_the_variant_that_changed_is_read_again(tmp_path: Path) -> None:
    known = np.sort(_table(tmp_path, VASES).digests())
    changed = json.loads(json.dumps(VASES))
    changed[0]["variants"][1]["stock"]["qty"] = 7

    rows = list(_table(tmp_path, changed).rows(known))

    assert [(2, "7")] == [(row.line, row.cells[-1]) for row in rows]


def test_products_stay_whole_where_the_merchant_says_so(tmp_path: Path) -> None:
    table = _table(tmp_path, VASES, "-")
    assert (3, ()) == (len(table.digests()), table.shape.notes)
    assert Nested("variants", 3, 4, is_expanded=False) == table.shape.nested


def test_a_path_where_no_record_has_variants_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileFault) as caught:
        _table(tmp_path, VASES, "sizes")
    assert ("no_table", "None of its 3 records has variants at “sizes”.") == (
        caught.value.code,
        caught.value.cause,
    )


def test_json_lines_are_read_as_json_is(tmp_path: Path) -> None:
    json_table, table = _table(tmp_path, VASES), _lines(tmp_path, VASES)

    assert _cells(json_table) == _cells(table)
    assert json_table.shape.columns == table.shape.columns
    assert ("jsonl", json_table.shape.nested) == (table.shape.format, table.shape.nested)
    assert [1, 2, 3, 4] == [row.line for row in table.rows()]


def test_a_line_that_is_no_object_stays_one_cell_among_variants(tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl"
    path.write_text("\n".join([json.dumps(VASES[1]), json.dumps(VASES[0]), "{broken", ""]), encoding="utf-8")
    table = _open(path)

    assert [5, 5, 5, 1] == [len(row.cells) for row in table.rows()]
    assert [["{broken"]] == [row.cells for row in table.rows() if len(row.cells) == 1]


def test_xml_variants_have_what_stands_before_and_behind_them(tmp_path: Path) -> None:
    values = [{**one, "brand": "Nord"} for one in VASES[:2]]
    for one in values:
        one["images"] = [{"url": "a.png"}, {"url": "b.png"}]
    table = _xml(tmp_path, [*values, {"title": "Lamp", "brand": "Nord"}])

    vase = {"title": "Vase", "supplier/name": "Nord", "brand": "Nord"}
    images = {"images/url": "a.png", "images[2]/url": "b.png"}
    assert [
        {**vase, **images, "variants/sku": "V-1", "variants/stock/qty": "3"},
        {**vase, **images, "variants/sku": "V-2", "variants/stock/qty": "0"},
        {"title": "Candle", "brand": "Nord", **images, "variants/sku": "C-1", "variants/stock/qty": "9"},
        {"title": "Lamp", "brand": "Nord"},
    ] == _cells(table)
    assert [1, 1, 2, 3] == [row.line for row in table.rows()]
    assert [("variants", "variants_expanded")] == [(note.column, note.code) for note in table.shape.notes]
    assert Nested("variants", 3, 4, is_expanded=True) == table.shape.nested


def test_xml_variants_are_found_in_their_own_element_and_by_their_attributes(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_text(
        """<shop><product id="1"><variants note="new"><variant sku="A" stock="1"><price>2</price><price>3</price>
        </variant><variant sku="B" stock="0"/></variants><variants><variant sku="C" stock="4"/></variants></product>
        <product id="2"><variants/></product></shop>""",
        encoding="utf-8",
    )
    table = _open(path, "variants/variant")

    one = {"@id": "1", "variants/@note": "new"}
    prices = {"variants/variant/price": "2", "variants/variant/price[2]": "3"}
    assert [
        {**one, "variants/variant/@sku": "A", "variants/variant/@stock": "1", **prices},
        {**one, "variants/variant/@sku": "B", "variants/variant/@stock": "0"},
        {**one, "variants/variant/@sku": "C", "variants/variant/@stock": "4"},
        {"@id": "2"},
    ] == _cells(table)
    assert Nested("variants/variant", 2, 4, is_expanded=True) == table.shape.nested


@pytest.mark.parametrize("write", [_table, _lines, _xml])
def test_where_products_could_be_the_items_too_nobody_chooses_for_the_merchant(
    tmp_path: Path, write: Callable[..., Table]
) -> None:
    asked, whole, expanded = (write(tmp_path, SETS, said) for said in ("", "-", "variants"))

    assert Nested("variants", 2, 3, is_expanded=False, is_asked=True) == asked.shape.nested
    assert Nested("variants", 2, 3, is_expanded=False) == whole.shape.nested
    assert Nested("variants", 2, 3, is_expanded=True) == expanded.shape.nested
    assert [2, 2, 3] == [len(table.digests()) for table in (asked, whole, expanded)]
    assert asked.digests().tolist() == whole.digests().tolist()
    assert [(), ()] == [asked.shape.notes, whole.shape.notes]


@pytest.mark.parametrize("write", [_lines, _xml])
def test_only_the_variant_that_changed_is_read_again_in_each_format(
    tmp_path: Path, write: Callable[..., Table]
) -> None:
    known = np.sort(write(tmp_path, VASES).digests())
    changed = json.loads(json.dumps(VASES))
    changed[0]["variants"][1]["stock"]["qty"] = 7

    assert ["7"] == [row.cells[-1] for row in write(tmp_path, changed).rows(known)]


@pytest.mark.parametrize("write", [_lines, _xml])
def test_a_path_without_variants_is_an_error_in_each_format(
    tmp_path: Path, write: Callable[..., Table]
) -> None:
    with pytest.raises(FileFault, match="has variants at “sizes”") as caught:
        write(tmp_path, VASES, "sizes")
    assert "no_table" == caught.value.code


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
    found = find(records)
    assert path == (found.path if found else "")


@pytest.mark.parametrize(
    ("record", "is_choice"),
    [
        pytest.param({"sku": "A", "stock": 1}, True, id="both"),
        pytest.param({"item": {"code": "A"}, "inventory": {"total": 0}}, True, id="deeper"),
        pytest.param({"sku": "A"}, False, id="no quantity"),
        pytest.param({"sku": "A", "stock": None}, False, id="null"),
        pytest.param({"title": "A", "images": [{"code": "A", "stock": "x"}, 1]}, False, id="in a list only"),
    ],
)
def test_a_choice_is_one_where_records_say_code_and_quantity_themselves(
    record: dict[str, Any], is_choice: bool
) -> None:
    listed = {"v": [{"sku": "B", "qty": 1}, {"sku": "C", "qty": 1}]}
    assert Found("v", is_choice) == find([{**record, **listed}])


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
    assert len(rows) == count(record, "v")
