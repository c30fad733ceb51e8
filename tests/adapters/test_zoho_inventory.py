"""What is special about Zoho Inventory: refresh tokens by region, two ways to count, codes of errors, one call an
order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.live import LiveSource
from adapters.suppliers.zoho_inventory import MANIFEST
from connector.ports.errors import Misconfigured, RateLimited, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming
from connector.ports.suppliers import NotModified
from simulator.zoho_inventory import CLIENT_ID, CLIENT_SECRET, ORGANIZATION, REFRESH_TOKEN, ZohoServer
from tests.adapters.erp_support import HOME, on_order, stock


@pytest.fixture(scope="module")
def running() -> Iterator[ZohoServer]:
    with ZohoServer() as server:
        yield server


@pytest.fixture
def server(running: ZohoServer, monkeypatch: pytest.MonkeyPatch) -> ZohoServer:
    monkeypatch.setattr("adapters.kit.api.pause", lambda seconds: None)
    running.settle()
    running.items, running.orders, running.tokens = {}, {}, {}
    running.forbidden, running.is_spent = set(), False
    item(running, "1", "LAMP", locations=[
        {"location_id": "71", "location_name": "East", "location_actual_available_for_sale_stock": 5,
         "location_available_for_sale_stock": 6, "location_actual_available_stock": 9},
        {"location_id": "72", "location_name": "West", "location_actual_available_for_sale_stock": 2.5,
         "location_available_for_sale_stock": 2, "location_actual_available_stock": 3},
    ])  # fmt: skip
    return running


def item(server: ZohoServer, id_: str, sku: str, **values: Any) -> None:
    server.items[id_] = {
        "item_id": id_, "sku": sku, "name": sku, "status": "active", "item_type": "inventory", "unit": "pcs",
        "actual_available_for_sale_stock": 7.5, "available_for_sale_stock": 8, "actual_available_stock": 12,
        **values,
    }  # fmt: skip


def order(server: ZohoServer, id_: str, **values: Any) -> None:
    line = {"line_item_id": f"line {id_}", "item_id": "1", "sku": "LAMP", "quantity": 12, "quantity_received": 4,
            "quantity_cancelled": 1, "location_id": "71", **values.pop("line", {})}  # fmt: skip
    server.orders[id_] = {
        "purchaseorder_id": id_, "purchaseorder_number": f"PO-{id_}", "status": "issued",
        "expected_delivery_date": "2026-12-03", "is_drop_shipment": False, "line_items": [line], **values,
    }  # fmt: skip


def source(server: ZohoServer, **config: str) -> LiveSource:
    settings = {"organization_id": ORGANIZATION, "client_id": CLIENT_ID, "api_url": server.url,
                "login_url": server.url, **config}  # fmt: skip
    secrets = {"client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
    built = MANIFEST.build(settings, secrets, HOME)
    assert isinstance(built, LiveSource)
    return built


@pytest.mark.parametrize(("choice", "units"), [("", 7.5), ("accounting", 8.0), ("on_hand", 12.0)])
def test_the_chosen_way_to_count_is_read(server: ZohoServer, choice: str, units: float) -> None:
    assert stock(source(server, quantity=choice)) == {("LAMP", ""): units}


def test_chosen_locations_are_told_apart(server: ZohoServer) -> None:
    assert stock(source(server, locations="East, West")) == {("LAMP", "East"): 5.0, ("LAMP", "West"): 2.5}


def test_organizations_with_warehouses_are_understood(server: ZohoServer) -> None:
    server.items["1"].pop("locations")
    server.items["1"]["warehouses"] = [
        {"warehouse_id": "71", "warehouse_name": "Old", "warehouse_actual_available_for_sale_stock": 3}
    ]
    assert stock(source(server, locations="Old")) == {("LAMP", "Old"): 3.0}


def test_inactive_items_and_those_that_nobody_tracks_are_left_out(server: ZohoServer) -> None:
    item(server, "2", "OLD", status="inactive")
    item(server, "3", "ADVICE", item_type="sales")
    item(server, "4", "NEW", actual_available_for_sale_stock="")
    assert stock(source(server)) == {("LAMP", ""): 7.5, ("NEW", ""): None}


def test_a_list_that_moved_while_it_was_read_is_read_again(
    server: ZohoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2, 5):
        item(server, str(number), f"SKU-{number}")
    server.page_size = 2
    pages, known = [], server._page

    def page(name: str, rows: list[Any], ask: Any) -> Any:
        pages.append(name)
        if len(pages) == 2:
            rows.insert(0, {**rows[0], "item_id": "0"})
        return known(name, rows, ask)

    monkeypatch.setattr(server, "_page", page)
    feed = source(server).fetch(None, tmp_path)
    server.page_size = 200
    assert not isinstance(feed, NotModified)
    assert len(feed.path.read_bytes().splitlines()) == 4
    assert len(pages) == 3 + 2


def test_open_lines_are_told_with_what_is_left_and_others_are_not(server: ZohoServer) -> None:
    order(server, "1", status="Partially_Received")
    order(server, "2", status="draft")
    order(server, "3", status="cancelled")
    order(server, "4", is_drop_shipment=True)
    order(server, "5", line={"quantity_received": 11})
    order(server, "6", line={"unit_conversion_id": "99"})
    order(server, "7", expected_delivery_date="", delivery_date="2026-12-09", line={"location_id": "72"})
    third, ninth = (datetime(2026, 12, day, 12, tzinfo=UTC) for day in (3, 9))
    assert on_order(source(server)) == [
        SupplierIncoming("line 1", "PO-1", "LAMP", 7, third),
        SupplierIncoming("line 7", "PO-7", "LAMP", 7, ninth),
    ]
    assert on_order(source(server, locations="West")) == [
        SupplierIncoming("line 7", "PO-7", "LAMP", 7, ninth, "West")
    ]


def test_only_open_orders_cost_a_call(server: ZohoServer) -> None:
    for number in range(5):
        order(server, str(number), status="received" if number else "issued")
    on_order(source(server))
    assert [ask.path.rpartition("/")[2] for ask in server.asks if "purchaseorders" in ask.path] == [
        "purchaseorders", "0",
    ]  # fmt: skip


def test_a_token_that_may_not_read_orders_still_gives_stock(server: ZohoServer) -> None:
    server.forbidden.add("purchaseorders")
    assert source(server).check() == (
        "Zoho Inventory was found: 1 items with stock, locations East, West. "
        "This token may not read what is on order, so it gives no restock dates."
    )
    with pytest.raises(Unsupported):
        on_order(source(server))


def test_a_token_without_the_scope_says_which_is_missing(server: ZohoServer) -> None:
    server.forbidden.add("items")
    with pytest.raises(Unauthorized, match=r"ZohoInventory\.items\.READ"):
        source(server).check()


def test_a_day_that_is_used_up_is_not_waited_for(server: ZohoServer) -> None:
    server.is_spent = True
    with pytest.raises(RateLimited) as caught:
        source(server).check()
    assert caught.value.retry_after_s == pytest.approx(3600, abs=1)
    assert "used up" in str(caught.value)


def test_an_access_token_is_kept_for_its_life_and_renewed(server: ZohoServer) -> None:
    found = source(server)
    stock(found)
    assert len(server.tokens) == 1
    server.tokens = dict.fromkeys(server.tokens, 0.0)
    stock(found)
    assert len(server.tokens) == 2


def test_each_data_center_has_its_own_addresses() -> None:
    secrets = {"client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
    for center, api, login in (
        ("", "https://www.zohoapis.com", "https://accounts.zoho.com"),
        ("eu", "https://www.zohoapis.eu", "https://accounts.zoho.eu"),
        ("ca", "https://www.zohoapis.ca", "https://accounts.zohocloud.ca"),
    ):
        config = {"organization_id": "1", "client_id": "c", "data_center": center}
        zoho = MANIFEST.build(config, secrets, HOME).api._zoho
        assert str(zoho._api._client._base).rstrip("/") == api
        assert zoho._api._sign._token_url == f"{login}/oauth/v2/token"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"locations": "North"}, "locations"),
        ({"organization_id": "99"}, "organization_id"),
        ({"organization_id": "abc"}, "organization_id"),
        ({"data_center": "us"}, "data_center"),
        ({"quantity": "free"}, "quantity"),
    ],
)
def test_a_wrong_choice_names_its_field(server: ZohoServer, config: dict[str, str], field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(server, **config).check()
    assert caught.value.field == field
