"""The simulated Odoo answers what a real Odoo 19 answered."""

from __future__ import annotations

import json
import xmlrpc.client
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from simulator.odoo import OdooServer
from tests.adapters.odoo_support import CASSETTES, Recorded, recorded, world

KEYS = {
    "odoo-test-api-key": (2, "admin"),
    "odoo-test-reader-key": (5, "reader"),
}
SCENES = sorted(path.stem for path in CASSETTES.glob("*.yaml"))
# These change the database, and so what was recorded after them.
LATE = ("json2_purchase_date_slips", "json2_changed_since")
AFTERWARDS = (
    "xmlrpc_products_stock",
    "xmlrpc_products_stock_per_warehouse",
    "xmlrpc_purchase_lines_incoming",
    "xmlrpc_stock_moves_incoming",
)
MOVING = {"write_date", "debug"}
CLIENT = httpx.Client(verify=False, trust_env=False)


@pytest.fixture(scope="module")
def server() -> Iterator[OdooServer]:
    with OdooServer(world()) as running:
        running.keys = dict(KEYS)
        yield running


def ask(server: OdooServer, one: Recorded) -> httpx.Response:
    headers: dict[str, str] = {
        name: one.headers[name] for name in ("content-type", "x-odoo-database") if name in one.headers
    }
    if one.path.startswith("/json"):
        key = "odoo-test-reader-key" if one.cassette == "json2_no_rights_403" else "odoo-test-api-key"
        if one.cassette == "json2_bad_key_401":
            key = "wrong"
        if one.cassette != "json2_no_key_401":
            headers["authorization"] = f"bearer {key}"
    return CLIENT.request(one.method, server.url + one.path, content=one.body.encode(), headers=headers)


def plain(value: Any) -> Any:
    """An answer without what moves with the clock and the traceback."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if name not in MOVING}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def compare(server: OdooServer, one: Recorded) -> None:
    answer = ask(server, one)
    assert answer.status_code == one.status
    if one.path.startswith("/xmlrpc"):
        ours: Any
        try:
            ours = xmlrpc.client.loads(answer.content)[0][0]
        except xmlrpc.client.Fault as fault:
            assert isinstance(one.xml, xmlrpc.client.Fault)
            assert fault.faultCode == one.xml.faultCode
            if fault.faultCode in (2, 3):
                assert fault.faultString == one.xml.faultString
            return
        assert plain(ours) == plain(one.xml)
    elif one.answer.lstrip().startswith("<"):
        assert answer.headers["content-type"].startswith("text/html")
    elif "AccessError" in one.answer:
        # The real one lists groups of the installed apps.
        assert answer.json()["name"] == one.json["name"]
        assert answer.json()["message"].split()[:6] == one.json["message"].split()[:6]
    else:
        assert plain(answer.json()) == plain(one.json)


@pytest.mark.parametrize("name", [scene for scene in SCENES if scene not in (*LATE, *AFTERWARDS)])
def test_the_twin_answers_as_the_recorded_odoo(server: OdooServer, name: str) -> None:
    for one in recorded(name):
        compare(server, one)


def test_the_twin_changes_as_the_recorded_odoo() -> None:
    with OdooServer(world()) as server:
        server.keys = dict(KEYS)
        server.database.now = datetime(2026, 11, 21, 23, 34, 23, tzinfo=UTC)
        for name in (*LATE, *AFTERWARDS):
            for one in recorded(name):
                compare(server, one)
        stamps = {one["write_date"] for one in json.loads(json.dumps(recorded(LATE[1])[4].json))}
        assert stamps == {server.database.tables["stock.quant"][35]["write_date"]}


def test_what_the_twin_does_not_know_is_no_empty_answer() -> None:
    with OdooServer(world()) as server:
        body = {"domain": [["name", "ilike", "lamp"]]}
        answer = CLIENT.post(
            f"{server.url}/json/2/product.product/search_read",
            json=body,
            headers={"authorization": "bearer odoo-test-api-key"},
        )
    assert (answer.status_code, answer.json()["message"]) == (500, "Invalid operator 'ilike' in domain")
