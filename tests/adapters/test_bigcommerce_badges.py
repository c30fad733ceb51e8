"""Badges as metafields: made once, updated by their ids, and the ids learnt again by a new process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date

import pytest

from adapters.stores.bigcommerce.adapter import BigCommerceStore
from connector.ports.errors import OutcomeUnknown
from connector.ports.stores import BadgeChange, BadgeFacts, ItemResult, StoreListing
from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from tests.adapters.bigcommerce_support import Ticker, catalogue, connected, corner_shop, serve
from tests.support import ManualClock

PATH = "v3/catalog/variants/metafields"
OUT = BadgeFacts("out_of_stock")
SOON = BadgeFacts("restocking", None, date(2026, 2, 1), date(2026, 2, 4))


@pytest.fixture
def ticker(clock: ManualClock) -> Ticker:
    return Ticker(clock)


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return corner_shop(clock, mugs=60)


@pytest.fixture
def server(shop: Shop, ticker: Ticker) -> Iterator[BigCommerceServer]:
    with serve(shop, ticker, quota=10_000) as server:
        yield server


@pytest.fixture
def store(server: BigCommerceServer, ticker: Ticker) -> BigCommerceStore:
    return connected(server, ticker)


@pytest.fixture
def listings(store: BigCommerceStore) -> dict[str, StoreListing]:
    return catalogue(store)


def show(store: BigCommerceStore, listings: list[StoreListing], badge: BadgeFacts) -> list[ItemResult]:
    results = []
    for request in store.plan_badges([BadgeChange(one.ref, badge) for one in listings]):
        results += store.send(request, "key")
    return results


def shown(shop: Shop, sku: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(shop.by_sku(sku)[0].meta["dispo.availability"])
    return found


def metafield_calls(server: BigCommerceServer) -> dict[str, int]:
    return {name: n for name, n in server.calls.items() if "metafields" in name}


def test_fifty_badges_are_one_call_to_make_and_one_to_change(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop, listings: dict[str, StoreListing]
) -> None:
    mugs = [listings[f"MUG-{n}"] for n in range(1, 51)]
    for badge in (OUT, SOON):
        assert {one.status for one in show(store, mugs, badge)} == {"done"}
    assert metafield_calls(server) == {f"POST {PATH}": 1, f"PUT {PATH}": 1}
    expected = {"state": "restocking", "restock_on": "2026-02-01", "restock_until": "2026-02-04"}
    assert shown(shop, "MUG-50") == expected
    assert len(server.catalog.metafields) == 50


def test_a_badge_may_be_read_by_storefronts_and_written_by_us_alone(
    server: BigCommerceServer, store: BigCommerceStore, listings: dict[str, StoreListing]
) -> None:
    show(store, [listings["TEE-M"]], OUT)
    (kept,) = server.catalog.metafields.values()
    assert (kept.namespace, kept.key, kept.permission_set) == ("dispo", "availability", "read_and_sf_access")
    assert str(kept.resource_id) == listings["TEE-M"].ref.external_id


def test_a_new_process_learns_the_ids_of_what_is_there(
    server: BigCommerceServer,
    store: BigCommerceStore,
    ticker: Ticker,
    shop: Shop,
    listings: dict[str, StoreListing],
) -> None:
    mugs = [listings[f"MUG-{n}"] for n in range(1, 11)]
    show(store, mugs[:6], OUT)
    server.calls.clear()
    assert [one.status for one in show(connected(server, ticker), mugs, SOON)] == ["done"] * 10
    assert metafield_calls(server) == {f"POST {PATH}": 1, f"GET {PATH}": 1, f"PUT {PATH}": 1}
    assert {shown(shop, f"MUG-{n}")["state"] for n in range(1, 11)} == {"restocking"}
    assert len(server.catalog.metafields) == 10


def test_among_many_badges_a_few_are_looked_up_one_by_one(
    server: BigCommerceServer,
    store: BigCommerceStore,
    ticker: Ticker,
    listings: dict[str, StoreListing],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mugs = [listings[f"MUG-{n}"] for n in range(1, 51)]
    show(store, mugs, OUT)
    monkeypatch.setattr("adapters.stores.bigcommerce.writes.PAGE", 5)
    server.calls.clear()
    assert [one.status for one in show(connected(server, ticker), mugs[40:43], SOON)] == ["done"] * 3
    own = "GET v3/catalog/products/<id>/variants/<id>/metafields"
    assert metafield_calls(server) == {f"POST {PATH}": 1, f"GET {PATH}": 1, own: 3, f"PUT {PATH}": 1}


def test_a_metafield_somebody_deleted_is_made_again(
    server: BigCommerceServer, store: BigCommerceStore, shop: Shop, listings: dict[str, StoreListing]
) -> None:
    mugs = [listings["MUG-1"], listings["MUG-2"]]
    show(store, mugs, OUT)
    del server.catalog.metafields[min(server.catalog.metafields)]
    assert [one.status for one in show(store, mugs, SOON)] == ["retry", "done"]
    assert [one.status for one in show(store, mugs, SOON)] == ["done", "done"]
    assert shown(shop, "MUG-1")["state"] == "restocking"


def test_a_variant_that_is_gone_does_not_fail_its_neighbours(
    store: BigCommerceStore, shop: Shop, listings: dict[str, StoreListing]
) -> None:
    gone = shop.by_sku("MUG-2")[0]
    del shop.items[gone.id], shop.products[gone.product_id]
    results = show(store, [listings[f"MUG-{n}"] for n in (1, 2, 3)], OUT)
    assert [one.status for one in results] == ["done", "not_found", "done"]
    assert "does not exist" in results[1].reason


def test_a_lost_answer_makes_no_second_metafield(
    server: BigCommerceServer, store: BigCommerceStore, listings: dict[str, StoreListing]
) -> None:
    server.dials.fail_next.append("timeout_after_success")
    with pytest.raises(OutcomeUnknown):
        show(store, [listings["MUG-1"]], OUT)
    assert [one.status for one in show(store, [listings["MUG-1"]], SOON)] == ["done"]
    assert [one.value for one in server.catalog.metafields.values()] == [
        '{"state": "restocking", "restock_on": "2026-02-01", "restock_until": "2026-02-04"}'
    ]


def test_a_badge_is_shown_where_the_number_cannot_be_written(
    store: BigCommerceStore, shop: Shop, listings: dict[str, StoreListing]
) -> None:
    tee = shop.products[shop.by_sku("TEE-S")[0].product_id]
    tee.platform["inventory_tracking"] = "product"
    shared = catalogue(store)["TEE-S"]
    assert shared.problem
    assert [one.status for one in show(store, [shared], OUT)] == ["done"]
    assert shown(shop, "TEE-S") == {"state": "out_of_stock"}
