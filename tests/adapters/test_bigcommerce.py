"""What is special about BigCommerce: late reads, refusals, tracking, locations, the rate window, settings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.stores.bigcommerce.adapter import BigCommerceStore
from adapters.stores.bigcommerce.client import BUSY_S, LEFT_FOR_WRITES
from adapters.stores.bigcommerce.locations import pick
from connector.ports.errors import Misconfigured, OutcomeUnknown, RateLimited
from connector.ports.stores import QuantityChange, Reading
from simulator.bigcommerce import BigCommerceServer
from simulator.bigcommerce.model import MOST, VARIANT_OFFSET, SimLocation
from simulator.shop import Shop
from tests.adapters.bigcommerce_support import (
    Ticker,
    catalogue,
    change,
    connected,
    corner_shop,
    ref,
    serve,
)
from tests.support import ManualClock

ADJUST = "PUT v3/inventory/adjustments/absolute"
LOOK = "GET v3/inventory/locations/<id>/items"


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


def stock(shop: Shop, sku: str) -> int | None:
    return shop.by_sku(sku)[0].stock


# ---------------------------------------------------------------- late reads


def test_a_number_counts_as_written_when_the_store_shows_it(
    server: BigCommerceServer, store: BigCommerceStore, ticker: Ticker
) -> None:
    server.levels.lag_s = 1.5
    mug = catalogue(store)["MUG-3"]
    (request,) = store.plan_quantities([change(mug, 40)])
    (result,) = store.send(request, "key")
    assert result.status == "done"
    assert ticker.slept == [0.25, 0.5, 1.0]
    assert store.read_quantities([mug.ref]) == [Reading(mug.ref, 40)]


def test_a_number_that_is_accepted_and_not_shown_is_an_unknown_outcome(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    server.levels.lag_s = 60.0
    mug = catalogue(store)["MUG-3"]
    (request,) = store.plan_quantities([change(mug, 40)])
    with pytest.raises(OutcomeUnknown, match="does not show"):
        store.send(request, "key")
    assert stock(shop, "MUG-3") == 40
    assert store.read_quantities([mug.ref]) == [Reading(mug.ref, 3)]
    assert server.calls[ADJUST] == 1, "it is never sent twice by itself"


def test_a_look_that_fails_does_not_say_that_nothing_happened(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    mug = catalogue(store)["MUG-3"]
    (request,) = store.plan_quantities([change(mug, 40)])
    server.dials.fail_next += ["none", "error"]
    with pytest.raises(OutcomeUnknown):
        store.send(request, "key")
    assert stock(shop, "MUG-3") == 40


# ---------------------------------------------------------------- refusals


def test_bad_items_are_found_by_halving_when_nobody_is_named(ticker: Ticker, clock: ManualClock) -> None:
    shop = corner_shop(clock, mugs=200)
    with serve(shop, ticker, quota=10_000) as server:
        store = connected(server, ticker)
        server.inventory.names_bad_items = False
        listings = catalogue(store)
        for sku in ("MUG-17", "MUG-150"):
            item = shop.by_sku(sku)[0]
            del shop.items[item.id], shop.products[item.product_id]
        changes = [change(listings[f"MUG-{n}"], 900 + n) for n in range(1, 201)]
        (request,) = store.plan_quantities(changes)
        results = store.send(request, "key")
    bad = [n for n, one in enumerate(results, 1) if one.status != "done"]
    assert bad == [17, 150]
    assert {results[n - 1].status for n in bad} == {"rejected"}
    assert [stock(shop, f"MUG-{n}") for n in range(1, 201) if n not in bad] == [
        900 + n for n in range(1, 201) if n not in bad
    ]
    assert server.calls[ADJUST] == 31


def test_halving_ends_and_leaves_the_rest_for_later(ticker: Ticker, clock: ManualClock) -> None:
    shop = corner_shop(clock, mugs=100)
    with serve(shop, ticker, quota=10_000) as server:
        store = connected(server, ticker)
        server.inventory.names_bad_items = False
        listings = catalogue(store)
        for product in shop.products.values():
            product.platform["inventory_tracking"] = "none"
        changes = [change(listings[f"MUG-{n}"], 7) for n in range(1, 101)]
        (request,) = store.plan_quantities(changes)
        results = store.send(request, "key")
    assert server.calls[ADJUST] == 40
    assert {one.status for one in results} == {"rejected", "retry"}
    assert stock(shop, "MUG-1") == 1


def test_a_changed_way_of_tracking_is_told_in_the_stores_words(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    listings = catalogue(store)
    mug = shop.by_sku("MUG-2")[0]
    shop.products[mug.product_id].platform["inventory_tracking"] = "variant"
    (request,) = store.plan_quantities([change(listings[sku], 8) for sku in ("MUG-1", "MUG-2", "TEE-S")])
    first, second, third = store.send(request, "key")
    assert (first.status, second.status, third.status) == ("retry", "rejected", "retry")
    expected = (
        f"Item with product_id {mug.product_id} is tracked by variant, please update stock by variant id"
    )
    assert second.reason == expected
    assert stock(shop, "MUG-1") == 1
    again = catalogue(store)["MUG-2"]
    (request,) = store.plan_quantities([change(again, 8)])
    assert [one.status for one in store.send(request, "key")] == ["done"]


def test_an_id_that_begins_with_a_refused_one_is_not_refused_with_it(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    long, short = shop.by_sku("TEE-S")[0], shop.by_sku("TEE-M")[0]
    number = (short.id + VARIANT_OFFSET) // 10
    changes = [QuantityChange(ref(number), 1, 0), QuantityChange(catalogue(store)["TEE-M"].ref, 1, 0)]
    first, second = store.send(store.plan_quantities(changes)[0], "key")
    assert (first.status, second.status) == ("not_found", "retry")
    assert long.stock == 4


def test_each_refused_item_gets_its_own_words(store: BigCommerceStore) -> None:
    changes = [QuantityChange(ref(n), 1, 0) for n in (501, 50)]
    results = store.send(store.plan_quantities(changes)[0], "key")
    assert [(one.status, one.reason) for one in results] == [
        ("not_found", "Item with variant_id 501 does not exist"),
        ("not_found", "Item with variant_id 50 does not exist"),
    ]


def test_a_number_beyond_the_limit_is_refused_without_asking(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    listings = catalogue(store)
    changes = [change(listings["MUG-1"], MOST + 1), change(listings["MUG-2"], MOST)]
    (request,) = store.plan_quantities(changes)
    first, second = store.send(request, "key")
    assert (first.status, second.status) == ("rejected", "done")
    assert "2,147,483,647" in first.reason
    assert (stock(shop, "MUG-1"), stock(shop, "MUG-2")) == (1, MOST)
    assert server.inventory.counts["over_limit"] == 0


def test_a_plan_holds_two_thousand_of_one_location(store: BigCommerceStore) -> None:
    here = [QuantityChange(ref(n), 1, 0) for n in range(1, 4_502)]
    assert [len(one.refs) for one in store.plan_quantities(here)] == [2000, 2000, 501]
    for bad in (-1, True, 1.0):
        with pytest.raises(ValueError, match="whole number"):
            store.plan_quantities([QuantityChange(ref(1), bad, 0)])  # type: ignore[arg-type]


def test_one_adjustment_at_a_time(server: BigCommerceServer, store: BigCommerceStore, shop: Shop) -> None:
    server.inventory.takes_s = 0.05
    listings = catalogue(store)
    requests = [store.plan_quantities([change(listings[f"MUG-{n}"], 70 + n)])[0] for n in range(1, 6)]
    threads = [threading.Thread(target=store.send, args=(one, "key")) for one in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert [stock(shop, f"MUG-{n}") for n in range(1, 6)] == [71, 72, 73, 74, 75]
    assert server.inventory.counts["concurrent"] == 0


def test_another_apps_adjustment_makes_ours_wait(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    (request,) = store.plan_quantities([change(catalogue(store)["MUG-1"], 9)])
    with server.inventory._turn, pytest.raises(RateLimited) as caught:
        store.send(request, "key")
    assert caught.value.retry_after_s == BUSY_S
    assert stock(shop, "MUG-1") == 1


# ---------------------------------------------------------------- tracking and locations


def test_stock_shared_by_variants_is_listed_with_the_reason(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    tee = shop.products[shop.by_sku("TEE-S")[0].product_id]
    tee.platform["inventory_tracking"] = "product"
    listings = catalogue(store)
    tees = [listings[f"TEE-{size}"] for size in "SML"]
    assert {one.ref.stock_id for one in tees} == {f"shared:{tee.id}"}
    assert [(one.available, one.is_tracked) for one in tees] == [(4, True)] * 3
    assert all("as a whole" in (one.problem or "") for one in tees)
    (reading, *_) = store.read_quantities([one.ref for one in tees])
    assert (reading.quantity, reading.problem) == (None, tees[0].problem)
    (request,) = store.plan_quantities([change(tees[0], 5), change(listings["MUG-1"], 5)])
    assert [one.status for one in store.send(request, "key")] == ["rejected", "done"]
    assert stock(shop, "TEE-S") == 4


def test_what_has_no_inventory_any_more_is_explained_by_the_catalogue(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    listings = catalogue(store)
    refs = [listings[sku].ref for sku in ("MUG-1", "MUG-2", "MUG-3", "TEE-S", "TEE-M")]
    shop.products[shop.by_sku("MUG-2")[0].product_id].platform["inventory_tracking"] = "none"
    tee = shop.by_sku("TEE-S")[0]
    shop.products[tee.product_id].platform["inventory_tracking"] = "product"
    gone = shop.by_sku("MUG-3")[0]
    del shop.items[gone.id], shop.products[gone.product_id]
    server.calls.clear()
    found = {one.ref.external_id: (one.quantity, one.problem) for one in store.read_quantities(refs)}
    assert found[refs[0].external_id] == (1, None)
    assert found[refs[1].external_id] == (None, listings_problem(store, "MUG-2"))
    assert refs[2].external_id not in found
    assert found[refs[4].external_id] == (None, listings_problem(store, "TEE-M"))


def listings_problem(store: BigCommerceStore, sku: str) -> str:
    problem = catalogue(store)[sku].problem
    assert problem
    return problem


def test_the_number_is_what_is_on_hand_whatever_the_store_keeps_back(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop
) -> None:
    shop.by_sku("TEE-L")[0].platform["safety_stock"] = 2
    tee = catalogue(store)["TEE-L"]
    assert tee.available == 9
    (request,) = store.plan_quantities([change(tee, 6)])
    assert [one.status for one in store.send(request, "key")] == ["done"]
    assert store.read_quantities([tee.ref]) == [Reading(tee.ref, 6)]


PLACES = (
    SimLocation(1, "WEB", "Web shop", is_default=True),
    SimLocation(7, "LYON", "Lyon"),
    SimLocation(9, "OLD", "Closed", enabled=False),
)


def test_the_default_location_is_written_unless_another_is_chosen(shop: Shop, ticker: Ticker) -> None:
    with serve(shop, ticker, locations=PLACES) as server:
        web, lyon = connected(server, ticker), connected(server, ticker, "7")
        assert [(one.location_id, one.name, one.writable) for one in web.locations()] == [
            ("1", "Web shop", True),
            ("7", "Lyon", True),
            ("9", "Closed", False),
        ]
        for store, expected, units in ((web, 3, 30), (lyon, 0, 70)):
            mug = catalogue(store)["MUG-3"]
            assert mug.available == expected
            (request,) = store.plan_quantities([change(mug, units)])
            assert [one.status for one in store.send(request, "key")] == ["done"]
        mug_item = shop.by_sku("MUG-3")[0]
        assert (server.levels.get(mug_item, 1), server.levels.get(mug_item, 7)) == (30, 70)
        assert any("2 locations; Dispo writes “Lyon”" in one for one in lyon.check().warnings)


def test_a_location_that_is_gone_names_the_setting(server: BigCommerceServer, ticker: Ticker) -> None:
    with pytest.raises(Misconfigured) as caught:
        catalogue(connected(server, ticker, "42"))
    assert caught.value.field == "location_id"


def own_places() -> tuple[SimLocation, ...]:
    """PLACES for a test that changes them."""
    return tuple(replace(one) for one in PLACES)


def test_a_new_default_location_is_followed_with_the_next_reading(shop: Shop, ticker: Ticker) -> None:
    with serve(shop, ticker, locations=own_places()) as server:
        store = connected(server, ticker)
        assert catalogue(store)["MUG-3"].ref.location_id == "1"
        server.levels.locations[1].is_default = False
        server.levels.locations[7].is_default = True
        assert catalogue(store)["MUG-3"].ref.location_id == "7"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("9", "The location “Closed” is closed, so BigCommerce sells nothing of it. Open it in BigCommerce, or "
              "choose another one: “Web shop” (1), “Lyon” (7)."),
        ("42", "The store has no location 42 any more. Choose another one: “Web shop” (1), “Lyon” (7)."),
    ],
    ids=["closed", "deleted"],
)  # fmt: skip
def test_a_location_that_cannot_be_sold_from_is_named_with_the_others(
    shop: Shop, ticker: Ticker, chosen: str, expected: str
) -> None:
    with serve(shop, ticker, locations=own_places()) as server:
        for ask in (lambda s: s.check(), catalogue):
            with pytest.raises(Misconfigured) as caught:
                ask(connected(server, ticker, chosen))
            assert f"{caught.value.cause} {caught.value.remedy}" == expected
            assert caught.value.field == "location_id"


@pytest.mark.parametrize("what", ["closed", "deleted"])
def test_a_location_that_closes_before_a_write_writes_nothing_and_blames_no_item(
    shop: Shop, ticker: Ticker, what: str
) -> None:
    with serve(shop, ticker, locations=own_places()) as server:
        store = connected(server, ticker, "7")
        listings = catalogue(store)
        if what == "closed":
            server.levels.locations[7].enabled = False
        else:
            del server.levels.locations[7]
        (request,) = store.plan_quantities([change(one, 5) for one in listings.values()])
        with pytest.raises(Misconfigured, match="location") as caught:
            store.send(request, "key")
        assert caught.value.field == "location_id"
        assert (server.inventory.counts["written"], server.calls[ADJUST]) == (0, 1)


def place(place_id: int, *, enabled: bool = True) -> dict[str, Any]:
    return {"id": place_id, "label": f"Place {place_id}", "enabled": enabled}


@pytest.mark.parametrize(
    ("found", "defaults", "chosen", "expected"),
    [
        pytest.param([place(1), place(2)], ["2"], None, "2", id="the default one"),
        pytest.param([place(1), place(2)], ["2"], "1", "1", id="the chosen one goes before"),
        pytest.param([place(1), place(2, enabled=False)], [], None, "1", id="the only open one"),
        pytest.param(
            [place(1, enabled=False), place(2)], ["1"], None, None, id="a closed default is no guess"
        ),
        pytest.param([place(1), place(2)], [], None, None, id="several and no default"),
        pytest.param([place(1), place(2)], ["1", "2"], None, None, id="two defaults"),
        pytest.param([], [], None, None, id="none at all"),
    ],
)
def test_one_location_is_written(
    found: list[dict[str, Any]], defaults: list[str], chosen: str | None, expected: str | None
) -> None:
    if expected is not None:
        assert pick(found, defaults, chosen) == expected
        return
    with pytest.raises(Misconfigured) as caught:
        pick(found, defaults, chosen)
    assert caught.value.field == "location_id"


# ---------------------------------------------------------------- the rate window


def test_a_read_waits_for_the_window_to_turn(shop: Shop, ticker: Ticker) -> None:
    with serve(shop, ticker, quota=LEFT_FOR_WRITES + 3) as server:
        store = connected(server, ticker)
        mug = catalogue(store)["MUG-1"]  # seven calls: it had to wait
        assert ticker.slept != []
        assert sum(ticker.slept) <= 3 * 30.2
        assert server.window.least_left >= LEFT_FOR_WRITES - 1, "reads leave the last ones to writes"
        assert mug.available == 1


def test_a_write_is_not_held_but_told_how_long_to_wait(
    server: BigCommerceServer, store: BigCommerceStore, ticker: Ticker, shop: Shop
) -> None:
    (request,) = store.plan_quantities([change(catalogue(store)["MUG-1"], 9)])
    server.window.spend(1000)
    ticker.slept.clear()
    with pytest.raises(RateLimited) as caught:
        store.send(request, "key")
    assert 0 < caught.value.retry_after_s <= 30.1
    assert ticker.slept == []
    assert stock(shop, "MUG-1") == 1
    ticker.sleep(caught.value.retry_after_s)
    assert [one.status for one in store.send(request, "key")] == ["done"]


def test_a_write_uses_the_requests_that_reads_leave(
    server: BigCommerceServer, store: BigCommerceStore, ticker: Ticker
) -> None:
    (request,) = store.plan_quantities([change(catalogue(store)["MUG-1"], 9)])
    store.read_quantities(request.refs)
    server.window.spend(server.window.quota - LEFT_FOR_WRITES - 7)
    store.read_quantities(request.refs)  # tells the client how few are left
    ticker.slept.clear()
    assert [one.status for one in store.send(request, "key")] == ["done"]
    assert ticker.slept == []
    store.read_quantities(request.refs)
    assert ticker.slept == [30.0], "a read waits for the next window"
