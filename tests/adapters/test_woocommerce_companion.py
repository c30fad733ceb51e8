"""The WooCommerce adapter and the companion plugin: found, used, lost; what the plugin answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from adapters.stores.woocommerce.adapter import WooCommerceStore
from adapters.stores.woocommerce.companion import ASK_AGAIN_S, OPERATION, Companion
from adapters.stores.woocommerce.shapes import PARENT, SHOP_WIDE_OFF, UNMANAGED
from connector.ports.errors import OutcomeUnknown, Rejected, Retryable, Unauthorized
from connector.ports.people import people_secret
from connector.ports.stores import BadgeChange, BadgeFacts, ListingRef, QuantityChange, StoreListing
from simulator.dials import Dials
from simulator.shop import Shop
from simulator.woocommerce import WooCommerceServer
from simulator.woocommerce.auth import ApiKey
from tests.adapters.test_woocommerce import KEY, SECRET, connect, listed
from tests.support import ManualClock

STATUS, STOCK = "GET wc-dispo/v1/status", "POST wc-dispo/v1/stock"


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    shop = Shop("Shop", currency="EUR", clock=clock)
    for n in range(1, 151):
        shop.add_product(f"Cup {n}", [{"sku": f"CUP-{n:03}", "price_minor": 100, "stock": n}])
    for letter in "ABC":
        shop.add_product(
            f"Tee {letter}",
            [{"title": s, "sku": f"{letter}-{s}", "price_minor": 100, "stock": 5} for s in "SM"],
        )
    return shop


@pytest.fixture
def dials() -> Dials:
    return Dials()


@pytest.fixture
def server(shop: Shop, dials: Dials) -> Iterator[WooCommerceServer]:
    with WooCommerceServer(
        shop, key=KEY, secret=SECRET, dials=dials, deliver_webhooks=False, has_plugin=True
    ) as server:
        yield server


@pytest.fixture
def store(server: WooCommerceServer) -> WooCommerceStore:
    store = connect(server.url)
    assert store.capabilities.compare_and_set == "plugin"
    return store


@pytest.fixture
def listings(store: WooCommerceStore) -> dict[str, StoreListing]:
    return listed(store)


def kind(store: WooCommerceStore) -> str:
    return store.capabilities.compare_and_set


# ------------------------------------------------------------------ finding it


def test_the_shop_is_asked_once_for_its_plugin(server: WooCommerceServer, store: WooCommerceStore) -> None:
    for _ in range(3):
        facts = store.capabilities
    assert (facts.compare_and_set, facts.batches_by_product) == ("plugin", False)
    assert server.calls[STATUS] == 1


def test_without_the_plugin_the_shop_cannot_compare(server: WooCommerceServer) -> None:
    server.has_plugin = False
    store = connect(server.url)
    for _ in range(3):
        facts = store.capabilities
    assert (facts.compare_and_set, facts.batches_by_product) == ("read_then_write", True)
    assert server.calls[STATUS] == 1


def test_a_plugin_without_the_feature_is_not_used(server: WooCommerceServer) -> None:
    server.companion.features = ["badges"]
    store = connect(server.url)
    assert store.capabilities.compare_and_set == "read_then_write"
    (request,) = store.plan_quantities([QuantityChange(ListingRef("1001", "1001", "1001"), 4, 1)])
    assert request.operation == "update_products"


def test_a_plugin_installed_later_is_found_after_a_while(server: WooCommerceServer) -> None:
    server.has_plugin = False
    at = [1000.0]
    companion = Companion(connect(server.url)._client, lambda: at[0])
    assert companion.features() == frozenset()
    server.has_plugin = True
    at[0] += ASK_AGAIN_S - 1
    assert companion.features() == frozenset()
    at[0] += 1
    assert companion.features() == {"conditional_stock", "badges", "connection", "people"}
    at[0] += 100 * ASK_AGAIN_S
    assert companion.features() != frozenset()
    assert server.calls[STATUS] == 2


def test_a_check_finds_a_new_plugin_at_once(server: WooCommerceServer) -> None:
    server.has_plugin = False
    store = connect(server.url)
    assert kind(store) == "read_then_write"
    server.has_plugin = True
    store.check()
    assert kind(store) == "plugin"


def test_a_question_that_fails_says_nothing_and_is_asked_again(
    server: WooCommerceServer, dials: Dials
) -> None:
    store = connect(server.url)
    dials.fail_next.append("error")
    assert [kind(store), kind(store)] == ["read_then_write", "plugin"]


def test_a_plugin_that_was_switched_off_is_retried_without_it(
    shop: Shop, server: WooCommerceServer, store: WooCommerceStore, listings: dict[str, StoreListing]
) -> None:
    change = QuantityChange(listings["CUP-007"].ref, 70, 7)
    (request,) = store.plan_quantities([change])
    server.has_plugin = False
    with pytest.raises(Retryable):
        store.send(request, "key")
    assert shop.by_sku("CUP-007")[0].stock == 7
    assert store.capabilities.compare_and_set == "read_then_write"
    (request,) = store.plan_quantities([change])
    assert [result.status for result in store.send(request, "key")] == ["done"]
    assert shop.by_sku("CUP-007")[0].stock == 70


# ------------------------------------------------------------------ writing


def test_one_batch_holds_products_and_variations_of_several_products(
    shop: Shop, server: WooCommerceServer, store: WooCommerceStore, listings: dict[str, StoreListing]
) -> None:
    skus = ["A-S", "CUP-001", "B-M", "C-S", "CUP-002"]
    requests = store.plan_quantities(
        [QuantityChange(listings[s].ref, 40, listings[s].available) for s in skus]
    )
    assert [(one.operation, len(one.refs)) for one in requests] == [(OPERATION, 5)]
    assert [result.status for result in store.send(requests[0], "key")] == ["done"] * 5
    assert [shop.by_sku(sku)[0].stock for sku in skus] == [40] * 5
    assert server.calls[STOCK] == 1


def test_batches_hold_a_hundred(store: WooCommerceStore, listings: dict[str, StoreListing]) -> None:
    cups = [one for sku, one in sorted(listings.items()) if sku.startswith("CUP-")]
    requests = store.plan_quantities([QuantityChange(one.ref, 1, one.available) for one in cups])
    assert [len(one.refs) for one in requests] == [100, 50]
    badges = store.plan_badges([BadgeChange(one.ref, BadgeFacts("in_stock")) for one in cups])
    assert [len(one.refs) for one in badges] == [100, 50]


def test_a_sale_meanwhile_is_a_conflict_that_names_the_number(
    shop: Shop, store: WooCommerceStore, listings: dict[str, StoreListing]
) -> None:
    changes = [
        QuantityChange(listings[s].ref, 90, listings[s].available) for s in ("CUP-020", "A-S", "CUP-021")
    ]
    (request,) = store.plan_quantities(changes)
    shop.buy({shop.by_sku("A-S")[0].id: 2, shop.by_sku("CUP-021")[0].id: 21})
    results = store.send(request, "key")
    assert [(one.status, one.remote) for one in results] == [("done", None), ("conflict", 3), ("conflict", 0)]
    assert [shop.by_sku(sku)[0].stock for sku in ("CUP-020", "A-S", "CUP-021")] == [90, 3, 0]


def test_a_conflict_leaves_the_badge_alone(
    shop: Shop, store: WooCommerceStore, listings: dict[str, StoreListing]
) -> None:
    ref = listings["CUP-030"].ref
    (request,) = store.plan_quantities([QuantityChange(ref, 0, 29, BadgeFacts("out_of_stock"))])
    (result,) = store.send(request, "key")
    assert (result.status, result.remote) == ("conflict", 30)
    assert shop.by_sku("CUP-030")[0].meta == {}


def test_an_unknown_number_is_set_whatever_it_is(
    shop: Shop, store: WooCommerceStore, listings: dict[str, StoreListing]
) -> None:
    (request,) = store.plan_quantities([QuantityChange(listings["CUP-031"].ref, 8, None)])
    assert request.body == {"items": [{"id": int(listings["CUP-031"].ref.stock_id), "from": None, "to": 8}]}
    assert [one.status for one in store.send(request, "key")] == ["done"]
    assert shop.by_sku("CUP-031")[0].stock == 8


def test_a_badge_by_itself_touches_no_number_and_no_stamp(
    shop: Shop, store: WooCommerceStore, clock: ManualClock, listings: dict[str, StoreListing]
) -> None:
    stamp = shop.by_sku("CUP-040")[0].updated_at
    clock.advance(hours=1)
    badge = BadgeFacts("restocking", None, date(2026, 3, 1), date(2026, 3, 4))
    (request,) = store.plan_badges([BadgeChange(listings["CUP-040"].ref, badge)])
    assert [one.status for one in store.send(request, "key")] == ["done"]
    item = shop.by_sku("CUP-040")[0]
    assert item.meta == {
        "_dispo_state": "restocking",
        "_dispo_count": "",
        "_dispo_restock_on": "2026-03-01",
        "_dispo_restock_until": "2026-03-04",
    }
    assert (item.stock, item.updated_at) == (40, stamp)


@pytest.mark.parametrize("quantity", [pytest.param(True, id="a truth value"), -1, 2.0, "3"])
def test_what_is_no_number_is_never_planned(store: WooCommerceStore, quantity: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        store.plan_quantities([QuantityChange(ListingRef("1001", "1001", "1001"), quantity, 1)])


# ------------------------------------------------------------------ refusals


def test_items_the_shop_does_not_manage_are_rejected_with_the_reason(
    shop: Shop, server: WooCommerceServer, store: WooCommerceStore, listings: dict[str, StoreListing]
) -> None:
    shop.by_sku("CUP-050")[0].tracked = False
    shop.by_sku("A-S")[0].platform["manage_stock"] = "parent"
    changes = [QuantityChange(listings[s].ref, 9, 5) for s in ("CUP-050", "A-S")]
    (request,) = store.plan_quantities(changes)
    results = store.send(request, "key")
    assert [(one.status, one.reason) for one in results] == [("rejected", UNMANAGED), ("rejected", PARENT)]
    assert shop.by_sku("A-S")[0].stock == 5


def test_a_shop_without_stock_management_says_so(
    server: WooCommerceServer, store: WooCommerceStore, listings: dict[str, StoreListing]
) -> None:
    server.settings["woocommerce_manage_stock"] = "no"
    (request,) = store.plan_quantities([QuantityChange(listings["CUP-051"].ref, 9, 51)])
    assert [(one.status, one.reason) for one in store.send(request, "key")] == [("rejected", SHOP_WIDE_OFF)]


def test_an_item_in_the_trash_is_not_found(
    shop: Shop, store: WooCommerceStore, listings: dict[str, StoreListing]
) -> None:
    shop.products[int(listings["CUP-052"].ref.product_id)].platform["status"] = "trash"
    (request,) = store.plan_quantities([QuantityChange(listings["CUP-052"].ref, 9, 52)])
    assert [one.status for one in store.send(request, "key")] == ["not_found"]
    assert shop.by_sku("CUP-052")[0].stock == 52


def test_a_key_that_may_only_read_finds_the_plugin_and_cannot_write(
    shop: Shop, server: WooCommerceServer, listings: dict[str, StoreListing]
) -> None:
    server.keyring.keys.append(ApiKey("ck_reader", "cs_reader", "read"))
    reader = connect(server.url, key="ck_reader", secret="cs_reader")
    assert reader.capabilities.compare_and_set == "plugin"
    (request,) = reader.plan_quantities([QuantityChange(listings["CUP-053"].ref, 9, 53)])
    with pytest.raises(Unauthorized) as caught:
        reader.send(request, "key")
    assert "Read/Write" in caught.value.remedy
    assert shop.by_sku("CUP-053")[0].stock == 53


def test_more_than_a_hundred_items_are_refused(
    server: WooCommerceServer, store: WooCommerceStore, shop: Shop
) -> None:
    items = [{"id": n, "from": None, "to": 0} for n in range(101)]
    with pytest.raises(Rejected):
        store._client.ask_plugin("stock", {"items": items})
    assert shop.by_sku("CUP-001")[0].stock == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="no items"),
        pytest.param({"items": []}, id="too few"),
        pytest.param({"items": [{"id": 1, "status": "done"}]}, id="another item"),
        pytest.param({"items": ["done"]}, id="no objects"),
        pytest.param([], id="a list"),
    ],
)
def test_an_answer_that_does_not_list_the_items_is_an_unknown_outcome(
    store: WooCommerceStore,
    listings: dict[str, StoreListing],
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
) -> None:
    (request,) = store.plan_quantities([QuantityChange(listings["CUP-054"].ref, 9, 54)])
    client = store._client
    monkeypatch.setattr(client, "ask_plugin", lambda path, body=None: type("A", (), {"data": answer})())
    with pytest.raises(OutcomeUnknown):
        store.send(request, "key")


# ------------------------------------------------------------------ telling it where Dispo is


def test_the_plugin_learns_where_dispo_is_with_the_webhooks(
    server: WooCommerceServer, store: WooCommerceStore
) -> None:
    store.subscribe("https://dispo.example/sub/webhooks/woocommerce/Ab3-xyz_9876", "secret")
    assert (server.companion.server, server.companion.key) == ("https://dispo.example/sub", "Ab3-xyz_9876")


def test_an_address_of_another_kind_is_not_told(server: WooCommerceServer, store: WooCommerceStore) -> None:
    store.subscribe("https://relay.example/hooks/shop-1", "secret")
    assert (server.companion.server, server.companion.key) == ("", "")


def test_the_plugin_is_told_where_dispo_is_and_how_to_ask_about_people(server: WooCommerceServer) -> None:
    connect(server.url).subscribe("https://dispo.example/webhooks/woocommerce/key-of-the-shop", "shh")

    told = server.companion
    assert (told.server, told.key) == ("https://dispo.example", "key-of-the-shop")
    assert told.secret == people_secret("shh")
    assert told.secret != "shh"


def test_a_plugin_that_was_updated_meanwhile_is_told_the_secret_then(server: WooCommerceServer) -> None:
    server.companion.features = ["conditional_stock", "badges", "connection"]
    store = connect(server.url)
    address = "https://dispo.example/webhooks/woocommerce/key-of-the-shop"
    store.subscribe(address, "shh")
    assert (server.companion.key, server.companion.secret) == ("key-of-the-shop", "")

    server.companion.features.append("people")
    store.subscribe(address, "shh")

    assert server.companion.secret == people_secret("shh")
