"""Connecting a system that is read by its API, in the browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from connector import i18n
from connector.bootstrap import Runtime
from connector.registry import ADAPTERS, Environment, manifest
from connector.web.source_words import source_words
from simulator.netsuite import CERTIFICATE_ID, CLIENT_ID, NetSuiteServer, new_key
from simulator.odoo import OdooServer
from simulator.odoo.server import KEY
from tests.adapters.odoo_support import world
from tests.web.conftest import Person
from tests.web.shop import Shop


@pytest.fixture
def odoo(rt: Runtime) -> Iterator[OdooServer]:
    rt.__dict__["environment"] = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}))
    with OdooServer(world()) as running:
        yield running


def form(odoo: OdooServer, **changes: str) -> dict[str, str]:
    given = {
        "name": "Our Odoo", "missing": "zero_after", "s-url": odoo.url, "s-database": "dispo", "s-api_key": KEY,
        "s-warehouses": "WH",
    }  # fmt: skip
    return {**given, **changes}


def connected(shop: Shop) -> list[tuple[object, ...]]:
    statement = """
        select c.adapter, c.name, c.config ->> 'warehouses', c.config::text like :key, s.missing_policy, h.kind
          from connection c
          join source s on s.merchant_id = c.merchant_id and s.connection_id = c.id
          join schedule h on h.merchant_id = c.merchant_id and h.subject_id = s.id and h.kind like 'supplier.%'
         where c.merchant_id = :m and c.adapter = 'odoo'
    """
    with shop.engine.connect() as db:
        return [
            tuple(row) for row in db.execute(sa.text(statement), {"m": shop.merchant_id, "key": f"%{KEY}%"})
        ]


def test_every_kind_of_source_is_offered_and_has_a_form(owner: Person) -> None:
    start = owner.get("/suppliers/new").text
    for name in sorted(set(ADAPTERS["suppliers"]) - {"file_feed"}):
        assert f'href="/suppliers/new/{name}"' in start
        text = owner.get(f"/suppliers/new/{name}").text
        for field in manifest("suppliers", name).fields:
            assert f'name="s-{field.name}"' in text
    assert 404 == owner.get("/suppliers/new/file_feed").status_code
    assert 404 == owner.get("/suppliers/new/nothing").status_code


def test_an_odoo_is_connected(owner: Person, shop: Shop, odoo: OdooServer) -> None:
    answer = owner.post("/suppliers/new/odoo", form(odoo))

    assert (303, "/runs?source=") == (answer.status_code, answer.headers["Location"][:13])
    assert connected(shop) == [("odoo", "Our Odoo", "WH", False, "zero_after", "supplier.sync")]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": ""}, "name", "at most 80"),
        ({"s-database": ""}, "database", "needed"),
        ({"s-warehouses": "NORTH"}, "warehouses", "Use one of: EAST, WH."),
        ({"lead_time_days": "many"}, "lead", "whole days"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_saved(
    owner: Person, shop: Shop, odoo: OdooServer, changes: dict[str, str], field: str, words: str
) -> None:
    answer = owner.post("/suppliers/new/odoo", form(odoo, **changes))

    assert (422, []) == (answer.status_code, connected(shop))
    error = answer.text.partition(f'id="{field}-error">')[2].partition("</small>")[0]
    assert words in error
    assert KEY not in answer.text


def test_a_refused_key_is_said_and_not_shown(owner: Person, shop: Shop, odoo: OdooServer) -> None:
    answer = owner.post("/suppliers/new/odoo", form(odoo, **{"s-api_key": "a-wrong-key"}))

    assert (422, []) == (answer.status_code, connected(shop))
    assert "Odoo refused the API key." in answer.text
    assert "a-wrong-key" not in answer.text


def test_another_merchants_connection_is_not_shown(
    owner: Person, stranger: Person, shop: Shop, odoo: OdooServer
) -> None:
    owner.post("/suppliers/new/odoo", form(odoo))

    assert "Our Odoo" in owner.get("/connections").text
    assert "Our Odoo" not in stranger.get("/connections").text


def test_a_run_says_what_it_read_of_the_orders(owner: Person, shop: Shop) -> None:
    shapes = ('{"incoming": {"lines": 1234}}', '{"incoming": {"problem": "No answer came in time."}}')
    with shop.engine.begin() as db:
        source = db.execute(
            sa.text("select min(id) from source where merchant_id = :m"), {"m": shop.merchant_id}
        ).scalar_one()
        runs = [
            db.execute(
                sa.text(
                    "insert into run (merchant_id, source_id, status, started_at, shape)"
                    " values (:m, :s, 'applied', now(), cast(:shape as jsonb)) returning id"
                ),
                {"m": shop.merchant_id, "s": source, "shape": shape},
            ).scalar_one()
            for shape in shapes
        ]
    read, failed = (owner.get(f"/runs/{run}").text for run in runs)

    assert "<dt>Lines on order</dt><dd>1,234</dd>" in read
    assert "could not be read" not in read
    assert "No answer came in time." in failed


def test_a_key_of_several_lines_is_taken_whole_and_shown_to_nobody(
    odoo: OdooServer, owner: Person, shop: Shop
) -> None:
    pem, public = new_key()
    with NetSuiteServer() as netsuite:
        netsuite.certificates = {CERTIFICATE_ID: public}
        given = {"name": "Our NetSuite", "missing": "keep", "s-account": "1234567", "s-client_id": CLIENT_ID,
                 "s-certificate_id": CERTIFICATE_ID, "s-api_url": netsuite.url}  # fmt: skip
        wrong = owner.post("/suppliers/new/netsuite", {**given, "s-private_key": pem[:60]})
        taken = owner.post("/suppliers/new/netsuite", {**given, "s-private_key": pem.replace("\n", "\r\n")})
    assert '<textarea id="s-private_key"' in owner.get("/suppliers/new/netsuite").text
    assert (422, 303) == (wrong.status_code, taken.status_code)
    assert "no private key in PEM form" in wrong.text
    assert "PRIVATE KEY" not in wrong.text
    with shop.engine.connect() as db:
        kept = sa.text("select config::text from connection where merchant_id = :m and adapter = 'netsuite'")
        assert "PRIVATE KEY" not in db.execute(kept, {"m": shop.merchant_id}).scalar_one()


def test_the_settings_are_told_in_every_language() -> None:
    english = source_words(lambda text: text)
    for name in (
        "bigbuy",
        "business_central",
        "cj_dropshipping",
        "erpnext",
        "inventory_source",
        "json_api",
        "netsuite",
        "odoo",
        "printful",
        "sap_s4hana",
        "zoho_inventory",
    ):
        for field in manifest("suppliers", name).fields:
            assert field.label in english
            assert field.help in english
    french = source_words(i18n.gettext("fr"))
    assert french["Warehouses"] == "Entrepôts"
