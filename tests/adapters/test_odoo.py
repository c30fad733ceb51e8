"""Odoo as a source of stock: on recordings of a real Odoo 19, and where it refuses."""

from __future__ import annotations

import json
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.canonical import StockRow
from adapters.kit.live import LiveSource
from adapters.suppliers.odoo import MANIFEST
from adapters.suppliers.odoo.client import _parsed
from connector.ports.errors import FileFault, Misconfigured, PortError, Unauthorized, Unsupported
from connector.ports.suppliers import Feed, NotModified
from connector.registry import Environment
from simulator.odoo import OdooServer
from simulator.odoo.server import KEY
from tests.adapters.odoo_support import Recorded, Replay, recorded, world

ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)


@pytest.fixture(scope="module")
def server() -> Iterator[OdooServer]:
    with OdooServer(world()) as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[OdooServer]:
    with OdooServer(world()) as running:
        yield running


def odoo(url: str, **config: str) -> LiveSource:
    built: LiveSource = MANIFEST.build(
        {"url": url, "database": "dispo", "username": "admin", **config}, {"api_key": KEY}, ENVIRONMENT
    )
    return built


def by_code(source: LiveSource) -> dict[tuple[str, str], StockRow]:
    return {(row.sku, row.location): row for row in source.api.rows()}


def on_order(source: LiveSource) -> dict[tuple[str, datetime | None], int]:
    return {(line.item, line.arrives_at): line.units for page in source.incoming() for line in page}


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(hour=8, tzinfo=UTC)


ON_ORDER = {
    ("SKU-009", at("2026-11-17")): 24,
    ("SKU-010", at("2026-11-17")): 6,
    ("SKU-005", at("2026-11-23")): 25,
    ("SKU-001", at("2026-11-26")): 15,
    ("SKU-004", at("2026-11-26")): 30,
    ("SKU-012", at("2026-11-30")): 48,
    ("SKU-001", at("2026-12-03")): 40,
    ("SKU-003", at("2026-12-03")): 10,
    ("SKU-002", at("2026-12-10")): 25,
    ("TS-S", at("2027-01-05")): 50,
    ("TS-M", at("2027-01-05")): 50,
    ("TS-L", at("2027-01-20")): 50,
}
PLACES = (recorded("json2_stock_by_location")[0], recorded("json2_warehouses")[0])


def sorted_by_id(one: Recorded) -> Recorded:
    """A recorded list that was asked for by date, in the order we ask for."""
    return replace(one, answer=json.dumps(sorted(one.json, key=lambda row: row["id"])))


def version(number: int) -> Recorded:
    """The recorded version, of another server."""
    told = recorded("json2_version")[0] if number >= 19 else recorded("xmlrpc_version")[0]
    return replace(told, answer=told.answer.replace("<int>19<", f"<int>{number}<"))


# -- on the recordings


def test_the_recorded_products_are_read() -> None:
    with Replay(version(19), *recorded("json2_products_stock")) as replay:
        rows = by_code(odoo(replay.url))

    lamp, unnamed = rows["SKU-001", ""], rows["", ""]
    assert len(rows) == 28
    assert (lamp.id, lamp.gtin, lamp.name) == ("1", "2000000000015", "Lampe d’été « Soleil » & Co 1")
    assert (lamp.quantity, lamp.cost, lamp.unit, lamp.location) == (7, Decimal("4.5"), "Units", "")
    assert (unnamed.id, unnamed.gtin) == ("28", "")
    assert rows["SKU-009", ""].quantity == 0
    assert ("OLD-1", "") not in rows


def test_what_is_on_hand_may_be_chosen() -> None:
    with Replay(version(19), *recorded("json2_products_stock")) as replay:
        assert by_code(odoo(replay.url, quantity="qty_available"))["SKU-001", ""].quantity == 9


def test_the_same_products_are_read_by_xml_rpc() -> None:
    missing = replace(version(19), status=404, answer="<!DOCTYPE html><h1>Not Found</h1>")
    with Replay(version(19), *recorded("json2_products_stock")) as replay:
        by_json = by_code(odoo(replay.url))
    authenticated, products = recorded("xmlrpc_products_stock")
    with Replay(missing, version(18), authenticated, products) as replay:
        by_xml = by_code(odoo(replay.url))

    # An inventory set SKU-020 to 77 between the two recordings.
    assert by_xml.pop(("SKU-020", "")).quantity == 77
    assert by_json.pop(("SKU-020", "")).quantity == 5
    assert by_xml == by_json


def test_recorded_receipts_tell_what_is_on_order() -> None:
    products = recorded("json2_products_stock")
    moves = sorted_by_id(recorded("json2_stock_moves_incoming")[0])
    with Replay(version(19), *PLACES, moves, *products) as replay:
        assert on_order(odoo(replay.url)) == ON_ORDER


def test_purchase_lines_say_the_same_where_receipts_may_not_be_read() -> None:
    refused = replace(recorded("json2_no_rights_403")[0], path="/json/2/stock.move/search_read")
    lines, products = recorded("json2_purchase_lines_incoming")[0], recorded("json2_products_stock")
    with Replay(version(19), *PLACES, refused, sorted_by_id(lines), *products) as replay:
        assert on_order(odoo(replay.url)) == ON_ORDER


def test_a_recorded_slip_moves_the_date() -> None:
    moved, products = recorded("json2_purchase_date_slips")[3], recorded("json2_products_stock")
    with Replay(version(19), *PLACES, moved, *products) as replay:
        assert on_order(odoo(replay.url)) == {("SKU-003", at("2026-12-17")): 10}


def test_a_key_that_may_read_neither_gives_no_dates() -> None:
    refused = recorded("json2_no_rights_403")[0]
    with (
        Replay(
            version(19), *PLACES, replace(refused, path="/json/2/stock.move/search_read"), refused
        ) as replay,
        pytest.raises(Unsupported),
    ):
        on_order(odoo(replay.url))


@pytest.mark.parametrize(
    ("cassette", "kind", "field"),
    [
        ("json2_bad_key_401", Unauthorized, ""),
        ("json2_no_rights_403", Unauthorized, ""),
        ("json2_unknown_database", Misconfigured, "database"),
        ("json2_unknown_field", Misconfigured, "url"),
        ("json2_language_not_installed_422", Misconfigured, "language"),
        ("xmlrpc_wrong_key_fault", Unauthorized, ""),
        ("xmlrpc_no_rights_fault", Unauthorized, ""),
        ("xmlrpc_unknown_field_fault", Misconfigured, "url"),
        ("xmlrpc_authenticate_wrong_key", Unauthorized, ""),
        ("xmlrpc_authenticate_unknown_database", Misconfigured, "database"),
    ],
)
def test_recorded_refusals_are_told_in_our_words(cassette: str, kind: type[PortError], field: str) -> None:
    refusal = recorded(cassette)[0]
    if cassette.startswith("json2"):
        answers = [version(19), replace(refusal, path="/json/2/product.product/search_count")]
    else:
        missing = replace(version(19), status=404, answer="")
        answers = [missing, version(18), refusal]
        if refusal.path.endswith("object"):
            answers.insert(2, recorded("xmlrpc_authenticate")[0])
    with Replay(*answers) as replay, pytest.raises(kind) as caught:
        odoo(replay.url).check()

    assert type(caught.value) is kind
    assert getattr(caught.value, "field", "") == field
    assert caught.value.remedy
    assert not {"Traceback", "dist-packages", KEY} & set(str(caught.value).split())
    assert "/usr/lib" not in str(caught.value)


# -- against the twin of that Odoo


def test_each_chosen_warehouse_has_a_number_of_its_own(server: OdooServer) -> None:
    source = odoo(server.url, warehouses="east, WH")
    rows = by_code(source)

    assert [rows["SKU-001", place].quantity for place in ("WH", "EAST")] == [5, 2]
    assert rows["SKU-009", "WH"].quantity == -3
    assert dict(source.api.fields)["location"] == "location"
    assert len(rows) == 56


def test_only_receipts_of_chosen_warehouses_count(server: OdooServer) -> None:
    lines = [line for page in odoo(server.url, warehouses="EAST").incoming() for line in page]

    assert [(line.item, line.location, line.name) for line in lines] == [
        ("SKU-001", "EAST", "P00002"),
        ("SKU-004", "EAST", "P00002"),
    ]


def test_the_barcode_may_name_items(server: OdooServer) -> None:
    source = odoo(server.url, code="barcode")

    assert dict(source.api.fields)["gtin"] == "gtin"
    assert "sku" not in dict(source.api.fields)
    assert next(line.item for page in source.incoming() for line in page) == "2000000000015"


def test_names_come_in_the_chosen_language(server: OdooServer) -> None:
    assert by_code(odoo(server.url, language="fr_FR"))["SKU-002", ""].name == "Bouilloire 2"


def test_a_company_is_chosen_by_name(fresh: OdooServer) -> None:
    base = fresh.database
    base.put("res.company", 1, name="My Company")
    base.put("res.company", 2, name="Other Company")
    base.put("product.product", 3, company_id=2)
    base.put("product.product", 4, company_id=1)

    rows = by_code(odoo(fresh.url, company="My Company"))

    assert ("SKU-003", "") not in rows
    assert {("SKU-001", ""), ("SKU-004", "")} <= set(rows)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"warehouses": "WH,NORTH"}, "warehouses"),
        ({"company": "Nobody"}, "company"),
        ({"language": "xx"}, "language"),
    ],
)
def test_a_choice_that_odoo_has_not_names_its_field(
    server: OdooServer, config: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        odoo(server.url, **config).check()
    assert caught.value.field == field


def test_the_check_names_what_was_found(server: OdooServer) -> None:
    assert odoo(server.url).check() == "Odoo 19 was found: 28 products with stock, warehouses WH, EAST."


def test_a_receipt_in_dozens_counts_units(fresh: OdooServer) -> None:
    base = fresh.database
    base.put("uom.uom", 1, name="Units", factor=1.0, active=True)
    base.put("uom.uom", 3, name="Dozens", factor=12.0, active=False)
    base.put("stock.move", 14, product_uom=3, product_uom_qty=4.0)

    assert on_order(odoo(fresh.url))["SKU-012", at("2026-11-30")] == 48


@pytest.mark.parametrize(
    "change",
    [{"location_dest_id": 8}, {"state": "draft"}, {"state": "done"}, {"location_id": False}],
    ids=["to a customer", "a draft", "received", "a customer's return"],
)
def test_what_never_comes_to_the_shelf_is_not_on_order(fresh: OdooServer, change: dict[str, Any]) -> None:
    fresh.database.put("stock.move", 5, **change)

    found = on_order(odoo(fresh.url))

    assert ("SKU-003", at("2026-12-03")) not in found
    assert len(found) == 11


def test_a_receipt_that_the_warehouse_puts_off_is_later(fresh: OdooServer) -> None:
    fresh.database.put("stock.move", 5, date="2026-12-20 08:00:00")

    assert on_order(odoo(fresh.url))["SKU-003", at("2026-12-20")] == 10


@pytest.mark.parametrize(
    ("model", "id_", "change", "seconds"),
    [
        ("stock.quant", 35, {"quantity": 77.0}, 60.0),
        ("stock.quant", 35, {"reserved_quantity": 2.0}, 0.0),
        ("stock.quant", 35, {"quantity": 77.0}, -3600.0),
        ("product.product", 20, {"active": False}, 60.0),
        ("product.product", 20, {"default_code": "NEW"}, 60.0),
    ],
    ids=["counted", "reserved in the same second", "stamped earlier", "archived", "renamed"],
)
def test_changes_are_noticed(
    fresh: OdooServer, tmp_path: Path, model: str, id_: int, change: dict[str, Any], seconds: float
) -> None:
    source = odoo(fresh.url)
    feed = source.fetch(None, tmp_path)
    assert isinstance(feed, Feed)
    reads = fresh.calls["product.product", "search_read"]
    assert source.fetch(feed.mark, tmp_path) == NotModified()
    assert fresh.calls["product.product", "search_read"] == reads + 1

    fresh.database.tick(seconds)
    fresh.database.put(model, id_, **change)

    assert isinstance(source.fetch(feed.mark, tmp_path), Feed)


def test_a_change_of_the_product_alone_is_no_stock() -> None:
    told = [json.loads(one.answer) for one in recorded("json2_changed_since")]
    assert (told[5], [one["id"] for one in told[4]]) == ([], [35])


# -- settings and answers that cannot be


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"url": ""}, {}, "url"),
        ({"url": "odoo.example"}, {}, "url"),
        ({"url": "https://me:pw@odoo.example"}, {}, "url"),
        ({"database": ""}, {}, "database"),
        ({}, {"api_key": ""}, "api_key"),
        ({}, {"api_key": "a\nb"}, "api_key"),
        ({"quantity": "virtual_available"}, {}, "quantity"),
        ({"code": "name"}, {}, "code"),
        ({"incoming": "maybe"}, {}, "incoming"),
    ],
)
def test_an_impossible_setting_names_its_field(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    given = {"url": "https://odoo.example", "database": "dispo", **config}
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build(given, {"api_key": KEY, **secrets}, ENVIRONMENT)
    assert caught.value.field == field


def test_a_server_too_old_is_told() -> None:
    missing = replace(version(19), status=404, answer="")
    with Replay(missing, version(13)) as replay, pytest.raises(Misconfigured) as caught:
        odoo(replay.url).check()
    assert "This is Odoo 13." in str(caught.value)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>
<methodResponse><params><param><value><string>&b;</string></value></param></params></methodResponse>"""


@pytest.mark.parametrize(
    "content", [BOMB, BOMB.decode().encode("utf-16"), b"<html></html>", b"", b"<methodResponse>"]
)
def test_an_answer_that_is_no_plain_xml_rpc_is_refused(content: bytes) -> None:
    with pytest.raises(FileFault) as caught:
        _parsed(content, "odoo")
    assert caught.value.code == "bad_xml"


def test_a_plain_answer_is_understood() -> None:
    content = xmlrpc.client.dumps(([{"a": 1.5, "b": None}],), methodresponse=True, allow_none=True)
    assert _parsed(content.encode(), "odoo") == [{"a": 1.5, "b": None}]
