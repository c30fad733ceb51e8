"""What is on its way to a Shopify shop, read from its transfers and shipments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from adapters.stores.shopify import incoming
from adapters.stores.shopify.adapter import INCOMING_TOPICS, ShopifyStore
from adapters.stores.shopify.webhooks import ShopifyWebhooks
from connector.ports.errors import Unsupported
from connector.ports.incoming import StoreIncoming
from simulator.shopify import ShopifyServer
from simulator.shopify.model import DEFAULT_SCOPES, SimLocation
from simulator.shopify.webhooks import header_topic
from tests.adapters.shopify_support import FLOOR, SECRET, WAREHOUSE, connected, ref, serve, small_shop
from tests.support import ManualClock

SCOPES = (*DEFAULT_SCOPES, *incoming.SCOPES)
FLOOR_ID = 5002


@pytest.fixture
def server(clock: ManualClock) -> Iterator[ShopifyServer]:
    with serve(small_shop(clock.now), scopes=SCOPES) as running:
        yield running


@pytest.fixture
def store(server: ShopifyServer) -> ShopifyStore:
    return connected(server, scopes=SCOPES)


def item(server: ShopifyServer, sku: str) -> int:
    return server.shop.by_sku(sku)[0].id


def found(store: ShopifyStore) -> list[StoreIncoming]:
    return [one for page in store.incoming() for one in page]


def seen(store: ShopifyStore) -> list[tuple[str, int]]:
    return sorted((one.name, one.units) for one in found(store))


def test_a_line_names_item_place_units_and_day(
    server: ShopifyServer, store: ShopifyStore, clock: ManualClock
) -> None:
    day = clock.now() + timedelta(days=3)
    shipment = server.transfers.ship({item(server, "C"): 12}, day)
    (one,) = found(store)
    assert one == StoreIncoming(
        reference=f"gid://shopify/InventoryShipmentLineItem/{shipment.lines[0].id}",
        name="#T0001-1",
        stock_id=ref(server.shop, "C").stock_id,
        location_id=WAREHOUSE,
        units=12,
        arrives_at=day,
    )
    server.transfers.expect(shipment, None)
    assert found(store)[0].arrives_at is None


@pytest.mark.parametrize(
    ("transfer", "shipment", "expected"),
    [
        pytest.param("IN_PROGRESS", "IN_TRANSIT", [("#T0001-1", 5)], id="on its way"),
        pytest.param("READY_TO_SHIP", "IN_TRANSIT", [("#T0001-1", 5)], id="the rest is ready"),
        pytest.param("IN_PROGRESS", "DRAFT", [], id="planned only"),
        pytest.param("IN_PROGRESS", "RECEIVED", [], id="received"),
        pytest.param("IN_PROGRESS", "OTHER", [], id="a status that is not known"),
        pytest.param("CANCELED", "IN_TRANSIT", [], id="cancelled"),
        pytest.param("TRANSFERRED", "IN_TRANSIT", [], id="done"),
        pytest.param("DRAFT", "IN_TRANSIT", [], id="a draft"),
    ],
)
def test_only_what_is_under_way_counts(
    server: ShopifyServer,
    store: ShopifyStore,
    clock: ManualClock,
    transfer: str,
    shipment: str,
    expected: list[tuple[str, int]],
) -> None:
    to = server.transfers.start(status=transfer)
    server.transfers.ship({item(server, "C"): 5}, clock.now(), to=to, status=shipment)
    assert seen(store) == expected


def test_what_arrived_leaves_unit_by_unit(
    server: ShopifyServer, store: ShopifyStore, clock: ManualClock
) -> None:
    shipment = server.transfers.ship({item(server, "C"): 5}, clock.now())
    server.transfers.receive(shipment, 2)
    assert (seen(store), server.shop.by_sku("C")[0].stock) == ([("#T0001-1", 3)], 2)
    server.transfers.receive(shipment)
    assert (seen(store), server.shop.by_sku("C")[0].stock) == ([], 5)


def test_a_cancelled_transfer_takes_its_shipments_along(
    server: ShopifyServer, store: ShopifyStore, clock: ManualClock
) -> None:
    shipment = server.transfers.ship({item(server, "C"): 5}, clock.now())
    server.transfers.cancel(server.transfers.all[shipment.transfer_id])
    assert found(store) == []


def test_what_goes_where_nothing_is_sold_online_does_not_count(
    server: ShopifyServer, store: ShopifyStore, clock: ManualClock
) -> None:
    server.transfers.ship({item(server, "C"): 5}, clock.now(), location_id=FLOOR_ID)
    server.transfers.ship({item(server, "A"): 1}, clock.now(), location_id=999)
    assert found(store) == []
    del server.levels.locations[FLOOR_ID]
    server.levels.locations[FLOOR_ID] = SimLocation(FLOOR_ID, "Shop floor")
    assert [one.location_id for one in found(store)] == [FLOOR]


def test_an_item_that_was_deleted_is_left_out(
    server: ShopifyServer, store: ShopifyStore, clock: ManualClock
) -> None:
    server.transfers.ship({item(server, "C"): 5, item(server, "A"): 1}, clock.now())
    del server.shop.items[item(server, "A")]
    assert seen(store) == [("#T0001-1", 5)]


def test_long_lists_are_read_whole(server: ShopifyServer, clock: ManualClock) -> None:
    """More shipments than fit in a page, more of one transfer, and more lines of one shipment."""
    shop = server.shop
    many = [
        shop.add_product(f"P{n}", [{"sku": f"P{n}", "price_minor": 1, "stock": 0}]).id for n in range(140)
    ]
    one = server.transfers.start()
    for _ in range(30):
        server.transfers.ship({item(server, "C"): 1}, clock.now(), to=one)
    server.transfers.ship(dict.fromkeys(many, 2), clock.now())
    for _ in range(70):
        server.transfers.ship({item(server, "A"): 3}, clock.now())
    server.bucket = type(server.bucket)(1e6, 100, lambda: 0.0)
    lines = found(connected(server, scopes=SCOPES))
    assert len(lines) == len({line.reference for line in lines}) == 30 + 140 + 70
    assert sum(line.units for line in lines) == 30 + 280 + 210


def test_without_shipments_it_costs_two_calls(server: ShopifyServer, store: ShopifyStore) -> None:
    server.calls.clear()
    assert found(store) == []
    assert dict(server.calls) == {"Locations": 1, "TransfersOpen": 1}


@pytest.mark.parametrize("missing", incoming.SCOPES)
def test_without_the_grant_it_is_unsupported_and_says_which(server: ShopifyServer, missing: str) -> None:
    server.scopes = tuple(scope for scope in SCOPES if scope != missing)
    store = connected(server, scopes=server.scopes)
    assert store.capabilities.reads_incoming is False
    server.transfers.ship({item(server, "C"): 5}, server.shop.now())
    with pytest.raises(Unsupported) as caught:
        found(store)
    assert missing in caught.value.cause


def test_the_capability_follows_what_the_shop_grants(server: ShopifyServer) -> None:
    store = connected(server, scopes=())
    assert store.capabilities.reads_incoming is False
    store.check()
    assert store.capabilities.reads_incoming is True


def test_the_webhooks_of_shipments_are_set_with_the_grant_only(server: ShopifyServer) -> None:
    address = "https://dispo.test/webhooks/shopify/key"
    with_grant = connected(server, scopes=SCOPES).subscribe(address, SECRET)
    server.webhooks.clear()
    without = connected(server, scopes=DEFAULT_SCOPES).subscribe(address, SECRET)
    told = {header_topic(topic) for topic in INCOMING_TOPICS}
    assert set(with_grant) - set(without) == told
    assert "inventory_shipments/mark_in_transit" in told
    assert {ShopifyWebhooks().read(topic, b"{}").kind for topic in told} == {"incoming"}


def test_topics_are_spelt_as_deliveries_spell_them(server: ShopifyServer) -> None:
    address = "https://dispo.test/webhooks/shopify/key"
    kept = connected(server, scopes=SCOPES).subscribe(address, SECRET)
    assert sorted(kept) == sorted(header_topic(one.topic) for one in server.webhooks.subscriptions())
