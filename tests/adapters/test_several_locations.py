"""Reading and writing one store at several locations, on both platforms that have them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from adapters.stores.bigcommerce.adapter import BigCommerceStore
from adapters.stores.shopify.catalogue import NOT_STOCKED
from adapters.stores.shopify.fulfilment import split_line
from connector.ports.errors import Misconfigured
from connector.ports.stores import ListingRef, QuantityChange, Store, StoreOrderLine
from simulator.bigcommerce import BigCommerceServer
from simulator.bigcommerce.model import SimLocation as BigCommerceLocation
from simulator.shopify import SimLocation, gid
from tests.adapters import bigcommerce_support as bigcommerce
from tests.adapters import shopify_support as shopify
from tests.support import ManualClock

MAIN, FLOOR = gid("Location", 5001), gid("Location", 5002)


def _numbers(store: Store, *places: str) -> dict[tuple[str, str | None], tuple[int | None, str | None]]:
    return {
        (one.sku, one.ref.location_id): (one.available, one.problem)
        for page in store.catalog(None, places)
        for one in page
    }


def _refs(store: Store, sku: str, *places: str) -> list[ListingRef]:
    return [one.ref for page in store.catalog(None, places) for one in page if one.sku == sku]


def _write(store: Store, *changes: tuple[ListingRef, int, int | None]) -> list[tuple[str | None, str, str]]:
    planned = store.plan_quantities([QuantityChange(*change) for change in changes])
    return [
        (one.ref.location_id, one.status, one.reason)
        for number, request in enumerate(planned)
        for one in store.send(request, f"key-{number}")
    ]


def test_shopify_reads_each_variant_at_each_location(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.stores.shopify.catalogue.BULK_POLL_S", (0.01,))
    shop = shopify.small_shop(clock)
    item = next(iter(shop.items.values()))
    item.platform["levels"] = {"5002": 3}
    with shopify.serve(shop) as server:
        store = shopify.connected(server)
        whole = _numbers(store, MAIN, FLOOR)
        assert len(whole) == 2 * len(shop.items)
        assert whole[item.sku, MAIN] == (item.stock, None)
        assert whole[item.sku, FLOOR] == (3, None)
        other = next(one for one in shop.items.values() if one.tracked and one is not item)
        assert whole[other.sku, FLOOR] == (None, NOT_STOCKED)

        changed = {
            (one.sku, one.ref.location_id): (one.available, one.problem)
            for page in store.catalog(item.updated_at, (MAIN, FLOOR))
            for one in page
        }
        assert changed == whole


def test_shopify_writes_each_location_by_itself_and_refuses_a_deactivated_one(clock: ManualClock) -> None:
    shop = shopify.small_shop(clock)
    item = next(one for one in shop.items.values() if one.tracked)
    item.platform["levels"] = {"5002": 3}
    with shopify.serve(shop) as server:
        store = shopify.connected(server)
        refs = [
            ListingRef(
                gid("ProductVariant", item.id), "p", gid("InventoryItem", item.id + 40_000_000_000), place
            )
            for place in (MAIN, FLOOR)
        ]
        before = item.stock
        assert _write(store, (refs[0], 7, before), (refs[1], 9, 3)) == [
            (MAIN, "done", ""),
            (FLOOR, "done", ""),
        ]
        assert [one.quantity for one in store.read_quantities(refs)] == [7, 9]

        server.levels.locations[5002] = replace(server.levels.locations[5002], is_active=False)
        said = _write(store, (refs[0], 6, 7), (refs[1], 8, 9))
        assert [(place, status) for place, status, _ in said] == [(MAIN, "retry"), (FLOOR, "rejected")]
        assert said[1][2] == NOT_STOCKED
        assert [(one.quantity, one.problem) for one in store.read_quantities(refs)] == [
            (7, None),
            (None, NOT_STOCKED),
        ]


def test_shopify_says_which_locations_sell_online(clock: ManualClock) -> None:
    places = (SimLocation(5001, "Warehouse"), SimLocation(5002, "Shop floor", sells_online=False))
    with shopify.serve(shopify.small_shop(clock), locations=places) as server:
        assert {one.name: one.sells_online for one in shopify.connected(server).locations()} == {
            "Warehouse": True,
            "Shop floor": False,
        }


PLACES = (
    BigCommerceLocation(1, "BC-LOCATION-1", "Main", is_default=True),
    BigCommerceLocation(2, "CELLAR", "Cellar"),
)
CLOSED = "The location “Cellar” is closed, so BigCommerce sells nothing of it."


def _bigcommerce(server: BigCommerceServer, ticker: bigcommerce.Ticker) -> BigCommerceStore:
    return bigcommerce.connected(server, ticker, "1")


def test_bigcommerce_reads_and_writes_each_location(clock: ManualClock) -> None:
    ticker = bigcommerce.Ticker(clock)
    shop = bigcommerce.corner_shop(clock, mugs=2)
    places = tuple(replace(one) for one in PLACES)
    with bigcommerce.serve(shop, ticker, locations=places) as server:
        store = _bigcommerce(server, ticker)
        found = _numbers(store, "1", "2")
        assert (found["MUG-2", "1"], found["MUG-2", "2"]) == ((2, None), (0, None))

        refs = _refs(store, "MUG-2", "1", "2")
        assert [one.quantity for one in store.read_quantities(refs)] == [2, 0]
        assert _write(store, (refs[0], 5, 2), (refs[1], 8, 0)) == [("1", "done", ""), ("2", "done", "")]
        assert [one.quantity for one in store.read_quantities(refs)] == [5, 8]


def test_a_closed_location_of_several_does_not_stop_the_others(clock: ManualClock) -> None:
    ticker = bigcommerce.Ticker(clock)
    shop = bigcommerce.corner_shop(clock, mugs=2)
    places = tuple(replace(one) for one in PLACES)
    with bigcommerce.serve(shop, ticker, locations=places) as server:
        store = _bigcommerce(server, ticker)
        refs = _refs(store, "MUG-2", "1", "2")
        places[1].enabled = False

        said = _write(store, (refs[0], 5, 2), (refs[1], 8, 0))
        assert [(place, status) for place, status, _ in said] == [("1", "done"), ("2", "rejected")]
        assert CLOSED in said[1][2]
        found = _numbers(store, "1", "2")
        assert found["MUG-2", "1"] == (5, None)
        assert found["MUG-2", "2"] == (None, f"{CLOSED} Open it in BigCommerce.")

        # The connection's own location is another matter: nothing goes on without it.
        places[0].enabled = False
        with pytest.raises(Misconfigured):
            _write(store, (refs[0], 6, 5))


def test_a_deleted_location_of_several_has_a_reason(clock: ManualClock) -> None:
    ticker = bigcommerce.Ticker(clock)
    shop = bigcommerce.corner_shop(clock, mugs=2)
    with bigcommerce.serve(shop, ticker, locations=tuple(replace(one) for one in PLACES)) as server:
        store = _bigcommerce(server, ticker)
        refs = _refs(store, "MUG-2", "1", "2")
        del server.levels.locations[2]

        readings = store.read_quantities(refs)

        assert (readings[0].quantity, readings[0].problem) == (2, None)
        assert readings[1].quantity is None
        assert readings[1].problem is not None
        assert "no such location" in readings[1].problem


def test_bigcommerce_tells_where_an_order_is_picked_up(clock: ManualClock) -> None:
    ticker = bigcommerce.Ticker(clock)
    shop = bigcommerce.corner_shop(clock, mugs=2)
    with bigcommerce.serve(shop, ticker, locations=tuple(replace(one) for one in PLACES)) as server:
        store = _bigcommerce(server, ticker)
        item = shop.by_sku("MUG-2")[0]
        since = clock.now()
        shop.buy({item.id: 1})
        picked_up = shop.buy({item.id: 1})
        picked_up.platform["pickup_location_id"] = 2

        lines = [
            line.location_id
            for page in store.orders(since, tells_locations=True)
            for order in page
            for line in order.lines
        ]

        assert lines == [None, "2"]


SCOPES = ("read_orders", "read_merchant_managed_fulfillment_orders", "read_locations", "write_products")


def _lines(store: Store, since: datetime) -> list[tuple[str, int, int, str | None]]:
    return [
        (line.line_id.removeprefix("gid://shopify/LineItem/"), line.units, line.taken, line.location_id)
        for page in store.orders(since, tells_locations=True)
        for order in page
        for line in order.lines
    ]


def test_shopify_tells_where_the_lines_of_an_order_are_taken_from(clock: ManualClock) -> None:
    shop = shopify.small_shop(clock)
    item = shop.by_sku("B")[0]
    item.platform["levels"] = {"5002": 4}
    with shopify.serve(shop, scopes=SCOPES) as server:
        store = shopify.connected(server)
        store.check()
        since = clock.now()
        order = shop.buy({item.id: 3})
        line = order.lines[0]
        assert _lines(store, since) == [(str(line.id), 3, 3, MAIN)]

        server.fulfilment.move(order, line, 5002, 2)
        assert (item.stock, server.levels.get(item, 5002)) == (6, 2)
        assert _lines(store, since) == [
            (str(line.id), 1, 1, MAIN),
            (f"{line.id}@{FLOOR}", 2, 2, FLOOR),
        ]

        # Without the scope the order is read all the same.
        server.scopes = tuple(one for one in SCOPES if "fulfillment" not in one)
        assert _lines(store, since) == [(str(line.id), 3, 3, None)]


def test_many_parcels_and_lines_of_one_order_are_read_on(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.stores.shopify.fulfilment.PARCELS", 1)
    monkeypatch.setattr("adapters.stores.shopify.fulfilment.LINES", 1)
    monkeypatch.setattr("adapters.stores.shopify.fulfilment.MORE_LINES", 1)
    shop = shopify.small_shop(clock)
    with shopify.serve(shop, scopes=SCOPES) as server:
        store = shopify.connected(server)
        store.check()
        since = clock.now()
        order = shop.buy({shop.by_sku(sku)[0].id: 2 for sku in ("A", "B")})
        server.fulfilment.move(order, order.lines[1], 5002, 1)

        assert sorted(_lines(store, since)) == sorted(
            [
                (str(order.lines[0].id), 2, 2, MAIN),
                (str(order.lines[1].id), 1, 1, MAIN),
                (f"{order.lines[1].id}@{FLOOR}", 1, 1, FLOOR),
            ]
        )


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        pytest.param({}, [("7", 5, 6, None)], id="nobody tells"),
        pytest.param({"a": 5}, [("7", 5, 6, "a")], id="one"),
        pytest.param({"b": 3, "a": 2}, [("7", 2, 2, "a"), ("7@b", 3, 4, "b")], id="two"),
        pytest.param({"a": 1, "b": 1}, [("7", 4, 1, "a"), ("7@b", 1, 5, "b")], id="not all assigned"),
        pytest.param({"a": 6, "b": 3}, [("7", 5, 6, "a"), ("7@b", 0, 0, "b")], id="refunded since"),
    ],
)
def test_a_line_is_split_by_its_locations(
    places: dict[str, int], expected: list[tuple[str, int, int, str | None]]
) -> None:
    line = StoreOrderLine("7", "v", 5, taken=6)

    found = split_line(line, places)

    assert [(one.line_id, one.units, one.taken, one.location_id) for one in found] == expected
    assert sum(one.units for one in found) == line.units
    assert sum(one.taken for one in found) == line.taken
