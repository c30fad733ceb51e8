"""The simulated Shopify counts points as published, on an injected clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simulator.dials import Dials
from simulator.shop import Shop
from simulator.shopify.cost import Bucket
from tests.simulator.shopify_api import Api, running, small_shop
from tests.support import ManualClock


class Seconds:
    """A monotonic clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return small_shop(clock)


@pytest.fixture
def api(shop: Shop, seconds: Seconds) -> Iterator[Api]:
    with running(shop, monotonic=seconds) as api:
        yield api


def cost(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["extensions"]["cost"]
    return found


def test_a_bucket_restores_at_its_rate_and_never_overflows(seconds: Seconds) -> None:
    bucket = Bucket(2000, 100, seconds)
    assert bucket.take(1500)
    assert not bucket.take(501)
    assert bucket.take(500)
    seconds.now += 3.5
    assert bucket.status()["currentlyAvailable"] == 350
    seconds.now += 1000
    assert bucket.status() == {"maximumAvailable": 2000, "currentlyAvailable": 2000, "restoreRate": 100}
    assert (bucket.points_used, bucket.throttled, bucket.minimum_s) == (2000, 1, 0)
    assert bucket.take(250)
    assert bucket.minimum_s == 2.5


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ("{ shop { name currencyCode } }", 1),
        ("{ shop { name primaryDomain { url } } }", 2),
        ("{ productVariants(first: 100) { nodes { id sku } pageInfo { hasNextPage } } }", 100),
        ("{ productVariants(first: 10) { edges { node { id product { id } } } } }", 20),
        (
            "{ orders(first: 20) { nodes { id lineItems(first: 20) { nodes { id variant { id } } } } } }",
            820,
        ),
        (
            '{ nodes(ids: ["gid://shopify/Product/1", "gid://shopify/Product/2"]) '
            "{ id ... on Product { title } ... on InventoryItem { variants(first: 3) { nodes { id } } } } }",
            8,
        ),
    ],
)
def test_a_query_costs_its_objects(api: Api, query: str, points: int) -> None:
    assert cost(api.send(query))["requestedQueryCost"] == points


def test_what_was_not_used_is_given_back(api: Api) -> None:
    found = cost(api.send("{ productVariants(first: 100) { nodes { id product { id } } } }"))
    assert (found["requestedQueryCost"], found["actualQueryCost"]) == (200, 6)
    assert found["throttleStatus"]["currentlyAvailable"] == 1994
    assert api.server.bucket.points_used == 6


@pytest.mark.parametrize(("item_cost", "points"), [(0.0, 10), (0.2, 10.6)])
def test_a_mutation_costs_ten_points_and_what_its_items_cost(
    shop: Shop, item_cost: float, points: float
) -> None:
    with running(shop, item_cost=item_cost) as api:
        assert (
            api.set(api.change("A", 6, 5), api.change("B", 8, 7), api.change("C", 1, 0))["userErrors"] == []
        )
        assert api.server.bucket.points_used == pytest.approx(points)


def test_an_empty_bucket_throttles_with_status_200_and_does_nothing(
    api: Api, shop: Shop, seconds: Seconds
) -> None:
    api.server.bucket.empty()
    answer = api.send("{ shop { name } }")
    assert api.last.status_code == 200
    assert "data" not in answer
    assert answer["errors"] == [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]
    assert cost(answer) == {
        "requestedQueryCost": 1,
        "actualQueryCost": None,
        "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 0, "restoreRate": 100},
    }
    seconds.now += 0.01
    assert api.data("{ shop { name } }") == {"shop": {"name": "Small shop"}}


def test_one_query_may_ask_for_1000_points_at_most(api: Api) -> None:
    query = "{ productVariants(first: 250) { nodes { id product { id } inventoryItem { id %s } } } }"
    level = 'inventoryLevel(locationId: "gid://shopify/Location/5001") { id %s }'
    assert cost(api.send(query % (level % "")))["requestedQueryCost"] == 1000
    answer = api.send(query % (level % "location { id }"))
    assert answer["errors"][0]["extensions"] == {"code": "MAX_COST_EXCEEDED", "cost": 1250, "maxCost": 1000}


@pytest.mark.parametrize(("plan", "rate", "size"), [("standard", 100, 2000), ("plus", 1000, 20_000)])
def test_the_plan_sets_the_limiter(shop: Shop, seconds: Seconds, plan: str, rate: int, size: int) -> None:
    with running(shop, plan=plan, monotonic=seconds) as api:
        status = cost(api.send("{ shop { name } }"))["throttleStatus"]
        assert status == {"maximumAvailable": size, "currentlyAvailable": size - 1, "restoreRate": rate}


def test_the_throttle_dial_empties_the_bucket(shop: Shop) -> None:
    with running(shop, dials=Dials(fail_next=["throttle"]), restore_rate=0.001) as api:
        assert api.send("{ shop { name } }")["errors"][0]["message"] == "Throttled"


def test_calls_are_counted_by_operation(api: Api) -> None:
    for _ in range(2):
        api.data("query Who { shop { name } }")
    api.data("{ shop { name } }")
    api.set(api.change("A", 6, 5))
    assert api.server.calls == {"Who": 2, "anonymous": 1, "Set": 1}
    assert api.server.bucket.points_used == 13
