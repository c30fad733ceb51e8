"""The simulated Shopify's transfers, shipments and optional scopes keep the real ones' rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator.shopify.model import DEFAULT_SCOPES, OPTIONAL_SCOPES
from tests.conformance.stores import Mailbox
from tests.simulator.shopify_api import Api, inventory_item, running, small_shop
from tests.support import ManualClock, eventually

SCOPES = tuple(dict.fromkeys((*DEFAULT_SCOPES, *OPTIONAL_SCOPES)))

SHIPMENTS = """query Shipments($query: String) { inventoryShipments(first: 8, query: $query) {
  nodes { name status tracking { arrivesAt } lineItems(first: 8) {
    nodes { quantity unreceivedQuantity inventoryItem { id } } } } } }"""
TRANSFERS = """query Transfers($query: String) { inventoryTransfers(first: 8, query: $query) {
  nodes { name status destination { name location { id } } shipments(first: 8) { nodes { name } } } } }"""


def shipments(api: Api, query: str | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.data(SHIPMENTS, query=query)["inventoryShipments"]["nodes"]
    return found


def test_a_shipment_goes_from_the_road_to_the_shelf(clock: ManualClock) -> None:
    with running(small_shop(clock.now), scopes=SCOPES) as api:
        shop, transfers = api.server.shop, api.server.transfers
        item = shop.by_sku("C")[0]
        shipment = transfers.ship({item.id: 5}, clock.now() + timedelta(days=2))
        (shown,) = shipments(api)
        assert (shown["name"], shown["status"]) == ("#T0001-1", "IN_TRANSIT")
        assert shown["tracking"] == {"arrivesAt": "2026-01-07T09:00:00Z"}
        assert shown["lineItems"]["nodes"] == [
            {"quantity": 5, "unreceivedQuantity": 5, "inventoryItem": {"id": inventory_item(item)}}
        ]
        transfers.receive(shipment, 2)
        assert (shipments(api)[0]["status"], item.stock) == ("PARTIALLY_RECEIVED", 2)
        assert api.data(TRANSFERS)["inventoryTransfers"]["nodes"][0]["status"] == "IN_PROGRESS"
        transfers.receive(shipment)
        assert (shipments(api)[0]["status"], item.stock) == ("RECEIVED", 5)
        assert api.data(TRANSFERS)["inventoryTransfers"]["nodes"][0]["status"] == "TRANSFERRED"


def test_the_status_is_searched_with_or(clock: ManualClock) -> None:
    with running(small_shop(clock.now), scopes=SCOPES) as api:
        transfers, item = api.server.transfers, api.server.shop.by_sku("C")[0].id
        for status in ("DRAFT", "IN_TRANSIT", "PARTIALLY_RECEIVED", "RECEIVED"):
            transfers.ship({item: 1}, None, status=status)
        found = shipments(api, "status:in_transit OR status:partially_received")
        assert [one["status"] for one in found] == ["IN_TRANSIT", "PARTIALLY_RECEIVED"]
        assert len(shipments(api)) == 4


def test_a_location_that_was_closed_leaves_its_name(clock: ManualClock) -> None:
    with running(small_shop(clock.now), scopes=SCOPES) as api:
        api.server.transfers.start(location_id=77)
        (shown,) = api.data(TRANSFERS)["inventoryTransfers"]["nodes"]
        assert shown["destination"] == {"name": "Closed", "location": None}


@pytest.mark.parametrize(
    ("text", "scope"),
    [(SHIPMENTS, "read_inventory_shipments"), (TRANSFERS, "read_inventory_transfers")],
    ids=["shipments", "transfers"],
)
def test_each_is_refused_without_its_scope(clock: ManualClock, text: str, scope: str) -> None:
    with running(small_shop(clock.now), scopes=SCOPES) as api:
        assert "errors" not in api.send(text)
        api.server.withdraw(scope)
        (error,) = api.send(text)["errors"]
        assert error["extensions"]["code"] == "ACCESS_DENIED"
        assert scope in error["message"]


def test_only_what_the_configuration_names_may_be_granted(clock: ManualClock) -> None:
    with running(small_shop(clock.now)) as api, pytest.raises(ValueError, match="write_themes"):
        api.server.grant("write_themes")


def test_a_scope_that_is_withdrawn_takes_its_webhooks_along(clock: ManualClock) -> None:
    with running(small_shop(clock.now), scopes=SCOPES) as api:
        for topic in ("ORDERS_CREATE", "PRODUCTS_UPDATE", "INVENTORY_SHIPMENTS_CREATE"):
            api.server.webhooks.subscribe(topic, "http://127.0.0.1:9/hook")
        api.server.withdraw("read_orders", "read_inventory_shipments")
        assert [one.topic for one in api.server.webhooks.subscriptions()] == ["PRODUCTS_UPDATE"]


def test_a_change_of_scopes_is_told_to_the_apps_own_address(clock: ManualClock) -> None:
    with Mailbox() as box, running(small_shop(clock.now), scopes=("read_products",)) as api:
        api.server.grant("read_orders", address=box.address)
        eventually(lambda: len(box.received) == 1, "the change is told")
        (told,) = box.received
        assert told.headers["X-Shopify-Topic"] == "app/scopes_update"
        assert b'"previous": ["read_products"], "current": ["read_products", "read_orders"]' in told.body
