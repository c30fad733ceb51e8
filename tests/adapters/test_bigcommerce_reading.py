"""BigCommerce's catalogue, orders, webhooks, advice, and the settings of its connection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from adapters.stores.bigcommerce import MANIFEST, store_hash_of
from adapters.stores.bigcommerce.adapter import TOPICS, BigCommerceStore
from connector.ports.errors import Misconfigured, Unsupported
from connector.registry import Environment
from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from tests.adapters.bigcommerce_support import (
    ENVIRONMENT,
    SECRET,
    TOKEN,
    Ticker,
    catalogue,
    connected,
    corner_shop,
    serve,
)
from tests.support import ManualClock


@pytest.fixture
def ticker(clock: ManualClock) -> Ticker:
    return Ticker(clock)


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return corner_shop(clock)


@pytest.fixture
def server(shop: Shop, ticker: Ticker) -> Iterator[BigCommerceServer]:
    with serve(shop, ticker) as server:
        yield server


@pytest.fixture
def store(server: BigCommerceServer, ticker: Ticker) -> BigCommerceStore:
    return connected(server, ticker)


# ---------------------------------------------------------------- catalogue, orders, webhooks, check


def test_a_product_deleted_while_pages_are_read_hides_no_other(
    store: BigCommerceStore, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.stores.bigcommerce.adapter.PAGE", 2)
    pages = store.catalog()
    seen = [one.sku for one in next(pages)]
    first = shop.by_sku("MUG-1")[0]
    del shop.items[first.id], shop.products[first.product_id]
    seen += [one.sku for page in pages for one in page]
    assert seen == ["MUG-1", "MUG-2", "MUG-3", "MUG-4", "MUG-5", "TEE-S", "TEE-M", "TEE-L"]


def test_a_listing_names_its_page_price_and_categories(store: BigCommerceStore) -> None:
    tee = catalogue(store)["TEE-S"]
    assert tee.url == "https://store-z4zn3wo.mybigcommerce.com/tee/"
    assert (tee.price_minor, tee.collections, tee.variant_title) == (1999, ("Clothes",), "S")
    assert tee.ref.external_id != tee.ref.product_id


@pytest.mark.parametrize(
    ("status_id", "placed", "shipped"),
    [
        (0, False, False),
        (1, True, False),
        (2, True, True),
        (3, True, True),
        (4, False, False),
        (5, False, False),
        (6, False, False),
        (7, True, False),
        (10, True, True),
        (11, True, False),
        (14, True, True),
    ],
)
def test_which_orders_hold_stock(
    server: BigCommerceServer,
    ticker: Ticker,
    shop: Shop,
    clock: ManualClock,
    status_id: int,
    placed: bool,
    shipped: bool,
) -> None:
    order = shop.buy({shop.by_sku("TEE-L")[0].id: 3})
    order.platform["status_id"] = status_id
    for behaviour, holds in (("order_placed", placed), ("order_completed_or_shipped", shipped)):
        server.settings["update_stock_behavior"] = behaviour
        ((found,),) = connected(server, ticker).orders(clock.now() - timedelta(hours=1))
        assert found.holds_stock is holds


def test_refunded_units_are_not_wanted_any_more(
    store: BigCommerceStore, shop: Shop, clock: ManualClock
) -> None:
    order = shop.buy({shop.by_sku("TEE-L")[0].id: 3})
    order.platform["refunded"] = {order.lines[0].id: 2}
    ((found,),) = store.orders(clock.now() - timedelta(hours=1))
    assert [line.units for line in found.lines] == [1]
    assert found.lines[0].external_id == catalogue(store)["TEE-L"].ref.external_id


def test_orders_are_read_page_by_page(
    store: BigCommerceStore, shop: Shop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.stores.bigcommerce.orders.PAGE", 2)
    for _ in range(5):
        shop.buy({shop.by_sku("TEE-L")[0].id: 1})
    pages = list(store.orders(clock.now() - timedelta(hours=1)))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {one.order_id for page in pages for one in page} == {str(n) for n in shop.orders}
    assert list(store.orders(clock.now() + timedelta(hours=1))) == []


def test_orders_without_the_grant_are_unsupported(
    server: BigCommerceServer, store: BigCommerceStore, clock: ManualClock
) -> None:
    server.app.scopes = tuple(one for one in server.app.scopes if "orders" not in one)
    with pytest.raises(Unsupported, match="Orders: read-only"):
        list(store.orders(clock.now()))


def test_a_webhook_of_an_earlier_token_is_left_alone(
    server: BigCommerceServer, store: BigCommerceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "https://dispo.example/webhooks/bigcommerce/key"
    store.subscribe(address, SECRET)
    kept = dict(server.webhooks.hooks)
    # BigCommerce shows a token only the webhooks made with it, yet refuses a second one of the same address.
    monkeypatch.setattr(store._client, "pages", lambda path: iter(()))
    assert store.subscribe(address, SECRET) == list(TOPICS)
    assert server.webhooks.hooks == kept


def test_check_warns_of_settings_that_work_against_it(server: BigCommerceServer, ticker: Ticker) -> None:
    assert connected(server, ticker).check().warnings == ()
    server.settings |= {
        "product_out_of_stock_behavior": "hide_product",
        "option_out_of_stock_behavior": "hide_option",
        "update_stock_behavior": "order_completed_or_shipped",
    }
    scopes = frozenset(
        {"store_v2_products", "store_inventory_read_only", "store_v2_information", "store_locations"}
    )
    warnings = connected(server, ticker, scopes=scopes).check().warnings
    for word in (
        "hides products",
        "hides options",
        "only when an order is shipped",
        "Orders are not granted",
        "scope store_inventory ",
    ):
        assert sum(word in one for one in warnings) == 1
    assert len(warnings) == 5


# ---------------------------------------------------------------- settings of the connection


@pytest.mark.parametrize(
    "text",
    [
        "z4zn3wo",
        " Z4ZN3WO ",
        "stores/z4zn3wo",
        "https://store-z4zn3wo.mybigcommerce.com",
        "https://store-z4zn3wo.mybigcommerce.com/manage/dashboard",
        "https://api.bigcommerce.com/stores/z4zn3wo/v3/",
    ],
)
def test_the_store_hash_is_found_in_what_people_paste(text: str) -> None:
    assert store_hash_of(text) == "z4zn3wo"


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"store_hash": ""}, {"access_token": TOKEN}, "store_hash"),
        ({"store_hash": "../../v2"}, {"access_token": TOKEN}, "store_hash"),
        ({"store_hash": "https://evil.example/z4zn3wo"}, {"access_token": TOKEN}, "store_hash"),
        ({"store_hash": "z4zn3wo"}, {}, "access_token"),
        ({"store_hash": "z4zn3wo"}, {"access_token": "a\nb"}, "access_token"),
        ({"store_hash": "z4zn3wo", "location_id": "main"}, {"access_token": TOKEN}, "location_id"),
        ({"store_hash": "z4zn3wo", "base_url": "https://evil.example"}, {"access_token": TOKEN}, "base_url"),
    ],
)
def test_a_setting_that_cannot_work_is_named(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build(config, secrets, Environment())
    assert caught.value.field == field
    assert TOKEN not in str(caught.value)


def test_a_wrong_store_is_no_empty_store(server: BigCommerceServer) -> None:
    config = {"store_hash": "another", "base_url": server.url}
    store = MANIFEST.build(config, {"access_token": TOKEN}, ENVIRONMENT)
    for act in (store.check, lambda: list(store.catalog())):
        with pytest.raises(Misconfigured) as caught:
            act()
        assert caught.value.field == "store_hash"
