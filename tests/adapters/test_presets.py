"""Presets of hubs' files: each is read from an example, and none says more than somebody has published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.suppliers.file_feed import MANIFEST
from adapters.suppliers.presets import GUESSED, presets, read
from connector.intake.judging import judge_table
from connector.ports.errors import Misconfigured
from connector.ports.suppliers import Feed, FetchMark, Proposal, Proposes, ReadOptions, Table
from connector.registry import Environment

DOBA = """item_id,qty_avail,stock,product_status,title,item_name,price,product_sku,item_sku,upc
44601054,20,in-stock,in-stock,Measuring Cup,"Cup, 250 ml",4.99,EFL1011,BM102589,842822184007
44601055,0,out-of-stock,in-stock,Measuring Cup,"Cup, 500 ml",5.99,EFL1011,BM102590,842822184014
"""
# What such an export may look like: nobody published one.
ANY = """SKU,Title,Inventory Quantity,Price
AB-100,Scarf,12,19.90
AB-200,Belt,0,24.90
AB-300,Hat,7,14.50
"""


def opened(directory: Path, text: str, **config: str) -> tuple[Any, Table]:
    path = directory / "export.csv"
    path.write_text(text)
    supplier = MANIFEST.build({"by_hand": "yes", **config}, {}, Environment())
    feed = Feed(path, path.name, path.stat().st_size, FetchMark(), None)
    return supplier, supplier.open(feed, ReadOptions())


def test_each_preset_is_readable_and_says_how_it_is_known() -> None:
    assert {name: one.basis for name, one in presets().items()} == {
        "doba": "documented",
        "modalyst": GUESSED,
        "salehoo": GUESSED,
        "spocket": GUESSED,
        "syncee": GUESSED,
    }


def test_dobas_columns_are_known_before_the_first_file(tmp_path: Path) -> None:
    supplier, table = opened(tmp_path, DOBA, preset="Doba")
    known = supplier.proposal()

    assert isinstance(supplier, Proposes)
    assert known == Proposal(presets()["doba"].columns, presets()["doba"].words)
    at = [table.shape.columns.index(known.columns[name]) for name in ("sku", "quantity")]
    assert [[row.cells[index] for index in at] for row in table.rows()] == [
        ["BM102589", "20"],
        ["BM102590", "0"],
    ]
    assert table.shape.notes == ()


@pytest.mark.parametrize("name", ["modalyst", "salehoo", "spocket", "syncee"])
def test_an_unpublished_file_is_read_by_its_headers(tmp_path: Path, name: str) -> None:
    supplier, table = opened(tmp_path, ANY, preset=name)
    mapping = judge_table(table).mapping

    assert supplier.proposal() is None
    assert mapping is not None
    assert (mapping.columns["sku"], mapping.columns["quantity"]) == ("SKU", "Inventory Quantity")


def test_a_hubs_file_that_nobody_named_is_recognised(tmp_path: Path) -> None:
    supplier, table = opened(tmp_path, DOBA)

    assert supplier.proposal() is None
    assert [(note.code, "Doba" in note.reason) for note in table.shape.notes] == [("preset", True)]


def test_what_is_chosen_by_the_merchant_goes_before_the_preset(tmp_path: Path) -> None:
    _, table = opened(tmp_path, DOBA.replace(",", ";"), preset="doba", delimiter=";")

    assert table.shape.delimiter == ";"


def test_a_hub_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build({"by_hand": "yes", "preset": "acme"}, {}, Environment())

    assert caught.value.field == "preset"
    assert "doba, modalyst, salehoo, spocket, syncee" in caught.value.remedy


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"title": "X", "basis": "rumour"}, "basis"),
        ({"title": "X", "basis": "documented", "source": "https://x", "columns": {"sku": "a"}}, "quantity"),
        ({"title": "X", "basis": "documented", "columns": {"sku": "a", "quantity": "b"}}, "written"),
        ({"title": "X", "basis": GUESSED, "columns": {"sku": "a", "quantity": "b"}}, "guessed"),
        ({"title": "X", "basis": GUESSED, "colums": {}}, "colums"),
    ],
)
def test_a_preset_that_says_something_impossible_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read("x", document)
