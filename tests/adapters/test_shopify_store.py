"""What the Shopify adapter does beyond the conformance suite, on the simulated shop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.stores.shopify import build
from adapters.stores.shopify.catalogue import NOT_STOCKED, UNTRACKED, VARIANTS_PAGE, product_groups
from connector.ports.errors import (
    Misconfigured,
    Retryable,
    Unsupported,
)
from connector.ports.stores import (
    Location,
    QuantityChange,
)
from connector.registry import Environment, manifest
from simulator.dials import Dials
from simulator.shop import Shop
from simulator.shopify import ShopifyServer, SimLocation, gid
from tests.adapters.shopify_support import (
    ENVIRONMENT,
    FLOOR,
    TOKEN,
    by_sku,
    connected,
    outcome,
    ref,
    send,
    serve,
    small_shop,
)
from tests.support import ManualClock


@pytest.fixture
def dials() -> Dials:
    return Dials()


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return small_shop(clock)


@pytest.fixture
def server(shop: Shop, dials: Dials) -> Iterator[ShopifyServer]:
    with serve(shop, dials=dials) as server:
        yield server


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("config", "token", "field"),
    [
        ({"shop": ""}, TOKEN, "shop"),
        ({"shop": "shop.example"}, TOKEN, "shop"),
        ({"shop": "evil.example/.myshopify.com"}, TOKEN, "shop"),
        ({"shop": "demo.myshopify.com"}, "", "access_token"),
        ({"shop": "demo.myshopify.com", "location_id": "main"}, TOKEN, "location_id"),
        ({"shop": "demo.myshopify.com", "base_url": "https://stranger.example"}, TOKEN, "base_url"),
        ({"shop": "demo.myshopify.com", "base_url": "http://127.0.0.2:1"}, TOKEN, "base_url"),
    ],
)
def test_a_wrong_setting_is_named_before_any_call(config: dict[str, str], token: str, field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        build(config, {"access_token": token}, ENVIRONMENT)
    assert caught.value.field == field
    assert TOKEN not in str(caught.value)


def test_the_registry_builds_a_store_that_speaks_to_the_simulator(server: ShopifyServer) -> None:
    config = {
        "shop": "https://Demo.myshopify.com/",
        "base_url": server.url,
        "location_id": "5001",
        "scopes": "read_products, read_orders",
    }
    port = server.url.rsplit(":", 1)[1]
    environment = Environment(allowed_private_hosts=frozenset({f"127.0.0.1:{port}"}))
    store = manifest("stores", "shopify").build(
        config, {"access_token": TOKEN, "api_secret": "s"}, environment
    )
    assert store.capabilities.reads_orders is True
    assert store.check().name == "Small"


def test_a_shop_connected_by_hand_needs_the_secret_that_signs_its_webhooks() -> None:
    config = {"shop": "demo.myshopify.com"}
    with pytest.raises(Misconfigured) as caught:
        build(config, {"access_token": TOKEN}, ENVIRONMENT)
    assert caught.value.field == "api_secret"


def test_check_lists_missing_scopes_and_learns_the_granted(shop: Shop) -> None:
    with serve(shop, scopes=("write_products", "read_inventory", "read_locations")) as server:
        store = connected(server)
        check = store.check()
        assert check.warnings == (
            "The app lacks the scope write_inventory: quantities cannot be written. "
            "Update the app's permissions.",
        )
        assert store.capabilities.reads_orders is False
        with pytest.raises(Unsupported) as caught:
            list(store.orders(shop.now()))
        assert "read_orders" in caught.value.cause


# ---------------------------------------------------------------- locations


def test_locations_of_fulfilment_services_are_not_ours_to_write(shop: Shop) -> None:
    places = (SimLocation(1, "Warehouse"), SimLocation(2, "Drop shipper", service="drop"))
    with serve(shop, locations=places) as server:
        store = connected(server)
        assert store.locations() == [
            Location(gid("Location", 2), "Drop shipper", writable=False),
            Location(gid("Location", 1), "Warehouse", writable=True),
        ]
        assert by_sku(store.catalog())["A"].ref.location_id == gid("Location", 1)


def test_a_shop_with_two_online_locations_asks_which_to_write(shop: Shop) -> None:
    places = (SimLocation(1, "North"), SimLocation(2, "South"))
    with serve(shop, locations=places) as server:
        store = connected(server)
        with pytest.raises(Misconfigured) as caught:
            store.catalog()
        assert caught.value.field == "location_id"
        assert caught.value.cause == (
            "2 locations could be written: North (gid://shopify/Location/1), "
            "South (gid://shopify/Location/2)."
        )
        assert store.check().warnings == (f"{caught.value.cause} {caught.value.remedy}",)
        assert by_sku(connected(server, location_id=gid("Location", 1)).catalog())["A"].available == 5


def test_places_are_read_together_and_written_apart(shop: Shop, server: ShopifyServer) -> None:
    store = connected(server)
    here, there = ref(shop, "A"), ref(shop, "A", FLOOR)
    results = send(store, [QuantityChange(here, 9, 5), QuantityChange(there, 2, None)])
    assert outcome(results) == [("done", None), ("done", None)]
    server.calls.clear()
    found = store.read_quantities([here, there, ref(shop, "B", FLOOR)])
    assert [(one.ref, one.quantity, one.problem) for one in found] == [
        (here, 9, None),
        (there, 2, None),
        (ref(shop, "B", FLOOR), None, NOT_STOCKED),
    ]
    assert server.calls == {"Quantities": 1}


# ---------------------------------------------------------------- catalogue


def test_the_whole_catalogue_costs_a_handful_of_points(shop: Shop, server: ShopifyServer) -> None:
    store = connected(server)
    listings = by_sku(store.catalog())
    assert {sku: one.available for sku, one in listings.items()} == {"A": 5, "B": 7, "C": 0, "GIFT": None}
    assert listings["GIFT"].problem == UNTRACKED
    assert "ProductsPage" not in server.calls
    # The bulk query 10, the shop and its locations a few, a point for each poll.
    assert server.bucket.points_used - server.calls["BulkPoll"] < 30


def test_a_failed_bulk_query_is_retryable(shop: Shop, server: ShopifyServer) -> None:
    server.bulk.fail_next = True
    with pytest.raises(Retryable) as caught:
        list(connected(server).catalog())
    assert caught.value.cause == "It ended as FAILED (INTERNAL_SERVER_ERROR)."


@pytest.mark.parametrize("fault", ["error", "cut_before", "timeout_after_success", "cut_after_success"])
def test_a_catalogue_that_breaks_off_is_retryable_wherever_it_breaks(
    server: ShopifyServer, dials: Dials, fault: Any
) -> None:
    """The calls are the shop, its locations, the start of the bulk query, a poll, and the download."""
    store = connected(server)
    for calls_before in (2, 3):
        dials.fail_next = ["none"] * calls_before + [fault]
        with pytest.raises(Retryable):
            list(connected(server).catalog())
    assert dials.fail_next == []
    assert len(by_sku(store.catalog())) == 4


def test_an_empty_shop_has_an_empty_catalogue(clock: ManualClock) -> None:
    with serve(Shop("Empty", clock=clock)) as server:
        assert list(connected(server).catalog()) == []


def test_a_renamed_product_brings_its_variants_again(
    shop: Shop, server: ShopifyServer, clock: ManualClock
) -> None:
    store = connected(server)
    since = clock.advance(minutes=1)
    assert by_sku(store.catalog(since)) == {}
    product = shop.products[shop.by_sku("B")[0].product_id]
    product.title, product.updated_at = "Renamed", clock.advance(seconds=1)
    assert [(sku, one.product_title) for sku, one in by_sku(store.catalog(since)).items()] == [
        ("B", "Renamed")
    ]


@pytest.mark.parametrize(
    ("products", "pages", "bulks"), [(152, 2, 0), (153, 3, 0), (692, 10, 0), (693, 0, 1)]
)
def test_many_changes_are_read_by_one_bulk_query(
    clock: ManualClock, products: int, pages: int, bulks: int
) -> None:
    shop = Shop("Busy", clock=clock)
    for n in range(products):
        shop.add_product(f"P{n}", [{"sku": f"S{n}", "price_minor": 1, "stock": n}])
    with serve(shop, bucket=100_000) as server:
        assert len(by_sku(connected(server).catalog(clock.now()))) == products
        assert (server.calls["ProductsPage"], server.calls["BulkRead"]) == (pages, bulks)


def test_products_are_read_with_others_of_their_size() -> None:
    """The example of `product_groups`; each query's points are under the limit for one."""
    sizes = {f"small-{n:03}": 1 for n in range(80)} | {"four": 4, "large": 300}
    groups = list(product_groups(sizes))
    assert [{1: 76}, {1: 4, 4: 1}, {VARIANTS_PAGE: 1}] == [
        {size: len(ids) for size, ids in group.items()} for group in groups
    ]
    assert sorted(sizes) == sorted(one for group in groups for ids in group.values() for one in ids)


def test_a_product_with_more_variants_than_a_query_may_ask_for_is_read_to_its_end(clock: ManualClock) -> None:
    shop = Shop("Screws", clock=clock)
    shop.add_product(
        "Screw", [{"title": f"{n} mm", "sku": f"S{n}", "price_minor": 1, "stock": n} for n in range(260)]
    )
    shop.add_product("Nut", [{"sku": "N", "price_minor": 1, "stock": 7}])
    with serve(shop, bucket=100_000) as server:
        found = [one for page in connected(server).catalog(clock.now()) for one in page]
        assert 261 == len({one.ref for one in found}) == len(found)
        assert {f"S{n}": n for n in range(260)} | {"N": 7} == {one.sku: one.available for one in found}
        # The screw's first page is too dear to be read together with the nut.
        assert 3 == server.calls["ProductsPage"]


def test_both_readings_say_the_same(shop: Shop, clock: ManualClock) -> None:
    many = tuple(f"Collection {n:02}" for n in range(23))
    shop.add_product(
        "Tee",
        [{"title": size, "sku": f"TEE-{size}", "price_minor": 1999, "stock": 1} for size in "SML"],
        collections=many,
        image_url="https://cdn.example/tee.jpg",
    )
    with serve(shop, bucket=100_000) as server:
        store = connected(server)
        since = clock.now()
        whole, changed = by_sku(store.catalog()), by_sku(store.catalog(since))
        assert whole == changed
        tee = whole["TEE-M"]
        number = shop.by_sku("TEE-M")[0].id
        assert tee.url == f"https://demo.myshopify.com/products/tee?variant={number}"
        assert (tee.collections, tee.image_url) == (many, "https://cdn.example/tee.jpg")
        assert (tee.variant_title, whole["A"].variant_title) == ("M", "")


@pytest.mark.parametrize(
    ("currency", "price_minor", "text"), [("JPY", 1250, "1250"), ("KWD", 1250, "1.250"), ("EUR", 5, "0.05")]
)
def test_prices_keep_the_currencys_own_decimals(
    clock: ManualClock, currency: str, price_minor: int, text: str
) -> None:
    shop = Shop("Coins", currency=currency, clock=clock)
    shop.add_product("One", [{"sku": "ONE", "price_minor": price_minor, "stock": 1}])
    with serve(shop) as server:
        item = next(iter(shop.items.values()))
        assert server.objects.variant(item, {})["price"] == text
        assert by_sku(connected(server).catalog())["ONE"].price_minor == price_minor


# ---------------------------------------------------------------- orders


def test_a_long_order_is_read_to_its_last_line(clock: ManualClock) -> None:
    shop = Shop("Wholesale", clock=clock)
    for n in range(45):
        shop.add_product(f"P{n}", [{"sku": f"S{n}", "price_minor": 1, "stock": 9}])
    shop.buy({item: 1 + n % 3 for n, item in enumerate(shop.items)})
    with serve(shop) as server:
        ((order,),) = connected(server).orders(clock.now())
        assert [line.external_id for line in order.lines] == [gid("ProductVariant", i) for i in shop.items]
        assert sum(line.units for line in order.lines) == 90
        assert server.calls == {"OrdersPage": 1, "OrderLines": 1}


def test_removed_units_and_cancelled_orders_no_longer_count(
    shop: Shop, server: ShopifyServer, clock: ManualClock
) -> None:
    kept = shop.buy({shop.by_sku("A")[0].id: 3})
    kept.platform["removed"] = {str(kept.lines[0].id): 2}
    shop.cancel(shop.buy({shop.by_sku("B")[0].id: 1}).id)
    (page,) = connected(server).orders(clock.now())
    assert [(order.holds_stock, [line.units for line in order.lines]) for order in page] == [
        (True, [1]),
        (False, [0]),
    ]


# ---------------------------------------------------------------- subscriptions


def test_orders_are_heard_without_anybodys_name(shop: Shop, server: ShopifyServer) -> None:
    store = connected(server)
    assert store.subscribe("https://app.example/hooks", "unused") == [
        "inventory_levels/update",
        "products/create",
        "products/update",
        "products/delete",
        "app/uninstalled",
        "orders/create",
        "orders/updated",
    ]
    asked = {one.topic: one.fields for one in server.webhooks.subscriptions()}
    assert asked["ORDERS_CREATE"] == ("id", "created_at", "updated_at", "cancelled_at", "line_items")


def test_without_the_scope_orders_are_not_subscribed(shop: Shop) -> None:
    with serve(shop, scopes=("read_products",)) as server:
        topics = connected(server, scopes=()).subscribe("https://app.example/hooks", "unused")
        assert [topic for topic in topics if topic.startswith("orders/")] == []


def test_what_is_missing_is_added_and_the_rest_left_alone(shop: Shop, server: ShopifyServer) -> None:
    store = connected(server)
    store.subscribe("https://app.example/hooks", "unused")
    first = server.webhooks.subscriptions()
    server.webhooks.unsubscribe(first[0].id)
    store.subscribe("https://app.example/hooks", "unused")
    now = server.webhooks.subscriptions()
    assert now[:-1] == first[1:]
    assert now[-1].topic == first[0].topic


def test_an_address_shopify_refuses_names_the_setting(server: ShopifyServer) -> None:
    with pytest.raises(Misconfigured) as caught:
        connected(server).subscribe("http://app.example/hooks", "unused")
    assert (caught.value.field, caught.value.cause) == (
        "public_url",
        "Address protocol http:// is not supported",
    )
    assert server.webhooks.subscriptions() == []
