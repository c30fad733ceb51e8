"""Suppliers that answer for single items: Odoo and any JSON API, against their twins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.suppliers.json_api import MANIFEST as JSON_API
from adapters.suppliers.json_api.live import JsonLive
from adapters.suppliers.odoo import MANIFEST as ODOO
from connector.ports.errors import Misconfigured, PortError
from connector.ports.live_check import LiveCheck
from connector.registry import Environment
from simulator.json_api import JsonApiServer
from simulator.odoo import OdooServer
from simulator.odoo.server import KEY
from tests.adapters.odoo_support import world

ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=2.0)
PLAIN = {"columns": "sku=sku, quantity=free", "items_path": "data.items", "url": "https://api.example/all"}


def odoo(url: str, **config: str) -> Any:
    assert ODOO.live_check is not None
    given = {"url": url, "database": "dispo", "username": "admin", "live_check": "yes", **config}
    return ODOO.live_check(given, {"api_key": KEY}, ENVIRONMENT)


def json_api(url: str, **config: str) -> Any:
    assert JSON_API.live_check is not None
    return JSON_API.live_check({**PLAIN, "item_url": url, **config}, {}, replace(ENVIRONMENT))


def test_odoo_answers_as_it_is_read() -> None:
    with OdooServer(world()) as running:
        everything = ODOO.build(
            {"url": running.url, "database": "dispo", "username": "admin"}, {"api_key": KEY}, ENVIRONMENT
        )
        known = {
            row.sku: int(row.quantity)
            for row in everything.api.rows()
            if row.sku and row.quantity is not None
        }
        asked = sorted(known)[:3]
        part: LiveCheck = odoo(running.url)

        assert {code: known[code] for code in asked} == part.stock_of([*asked, "NO-SUCH"], 1.0)


def test_nobody_is_asked_where_the_merchant_wants_none() -> None:
    assert odoo("https://odoo.example", live_check="") is None
    assert json_api("") is None
    with pytest.raises(Misconfigured) as caught:
        odoo("https://odoo.example", live_check="perhaps")
    assert "live_check" == caught.value.field
    with pytest.raises(Misconfigured) as caught:
        json_api("https://api.example/stock")
    assert "item_url" == caught.value.field


@pytest.fixture(scope="module")
def server() -> Iterator[JsonApiServer]:
    with JsonApiServer() as running:
        running.items = [
            {"sku": "S/1", "free": 0},
            {"sku": "S-2", "free": 7.9},
            {"sku": "S-3", "free": "many"},
        ]
        yield running


def test_a_json_api_is_asked_item_by_item(server: JsonApiServer) -> None:
    part: LiveCheck = json_api(f"{server.url}/none?item={{item}}", item_path="data.items")
    assert {"S/1": 0, "S-2": 7, "S-3": None} == part.stock_of(["S/1", "S-2", "S-3", "S-4"], 2.0)


def test_the_deadline_ends_the_asking(server: JsonApiServer) -> None:
    part: JsonLive = json_api(f"{server.url}/none?item={{item}}", item_path="data.items")
    times = iter([0.0, 0.1, 0.8])
    part._clock = lambda: next(times)
    assert {"S/1": 0} == part.stock_of(["S/1", "S-2"], 0.7)


def test_what_does_not_answer_is_an_error() -> None:
    part: LiveCheck = json_api("http://127.0.0.1:9/none?item={item}")
    with pytest.raises(PortError):
        part.stock_of(["S-1"], 0.5)
