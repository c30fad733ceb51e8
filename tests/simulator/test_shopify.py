"""The simulated Shopify enforces what the Admin API 2026-10 enforces."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from simulator.dials import Dials
from simulator.shop import Shop
from simulator.shopify import gid
from tests.simulator.shopify_api import SHOP_FLOOR, WAREHOUSE, Api, inventory_item, running, small_shop
from tests.support import ManualClock


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return small_shop(clock)


@pytest.fixture
def api(shop: Shop) -> Iterator[Api]:
    with running(shop) as api:
        yield api


def stock(shop: Shop, sku: str) -> int | None:
    return shop.by_sku(sku)[0].stock


# ---------------------------------------------------------------- the door


@pytest.mark.parametrize("token", ["", "shpat_of_another_shop", "é"], ids=["none", "wrong", "not ascii"])
def test_a_wrong_token_is_refused(api: Api, token: str) -> None:
    headers = {"X-Shopify-Access-Token": token.encode("utf-8")}
    answer = httpx2.post(
        f"{api.server.url}/admin/api/2026-10/graphql.json",
        json={"query": "{ shop { name } }"},
        headers=headers,
        trust_env=False,
    )
    assert (answer.status_code, api.server.calls) == (401, {})


def test_only_the_pinned_version_is_served(api: Api) -> None:
    api.send("{ shop { name } }", version="2025-10")
    assert api.last.status_code == 404


def test_a_field_that_does_not_exist_is_refused_by_the_schema(api: Api) -> None:
    answer = api.send("{ shop { nickname } }")
    assert (
        answer["errors"][0]["message"] == "Cannot query field 'nickname' on type 'Shop'. Did you mean 'name'?"
    )
    assert api.server.bucket.points_used == 0


def test_a_field_nobody_simulated_is_an_error_not_an_invention(api: Api) -> None:
    answer = api.send("{ inventoryProperties { quantityNames { name } } }")
    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["inventoryProperties"]


def test_a_frozen_shop_answers_402(api: Api) -> None:
    api.server.is_frozen = True
    api.send("{ shop { name } }")
    assert api.last.status_code == 402


# ---------------------------------------------------------------- setting quantities


def test_sets_quantities_and_tells_the_deltas(api: Api, shop: Shop) -> None:
    payload = api.set(api.change("A", 9, 5), api.change("C", 4, 0))
    assert payload["userErrors"] == []
    assert payload["inventoryAdjustmentGroup"] == {
        "reason": "correction",
        "changes": [
            {
                "name": "available",
                "delta": delta,
                "quantityAfterChange": after,
                "item": {"id": inventory_item(shop.by_sku(sku)[0])},
                "location": {"id": WAREHOUSE},
            }
            for sku, delta, after in (("A", 4, 9), ("C", 4, 4))
        ],
    }
    assert (stock(shop, "A"), stock(shop, "B"), stock(shop, "C")) == (9, 7, 4)


def test_null_skips_the_comparison(api: Api, shop: Shop) -> None:
    assert api.set(api.change("A", 9, None))["userErrors"] == []
    assert stock(shop, "A") == 9


def test_leaving_the_comparison_out_is_an_error(api: Api, shop: Shop) -> None:
    change = api.change("A", 9, None)
    del change["changeFromQuantity"]
    wanted = {"name": "available", "reason": "correction", "quantities": [change]}
    query = (
        "mutation ($input: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $input) "
        '@idempotent(key: "k") { userErrors { code } } }'
    )
    answer = api.send(query, input=wanted)
    assert answer["data"] == {"inventorySetQuantities": None}
    assert answer["errors"][0]["extensions"] == {"code": "INVALID_FIELD_ARGUMENTS"}
    assert stock(shop, "A") == 5


def test_the_idempotent_directive_is_mandatory(api: Api, shop: Shop) -> None:
    wanted = {"name": "available", "reason": "correction", "quantities": [api.change("A", 9, 5)]}
    query = (
        "mutation ($input: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $input) "
        "{ userErrors { code } } }"
    )
    answer = api.send(query, input=wanted)
    assert answer["errors"][0]["message"] == (
        "The @idempotent directive is required for this mutation but was not provided."
    )
    assert answer["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert stock(shop, "A") == 5


def test_one_stale_item_fails_the_whole_batch_without_naming_it(api: Api, shop: Shop) -> None:
    payload = api.set(api.change("A", 9, 5), api.change("B", 9, 6))
    assert api.codes(payload) == [("CHANGE_FROM_QUANTITY_STALE", None)]
    assert payload["inventoryAdjustmentGroup"] is None
    assert (stock(shop, "A"), stock(shop, "B")) == (5, 7)


def test_a_shop_may_name_the_stale_items(shop: Shop) -> None:
    with running(shop, names_stale_items=True) as api:
        payload = api.set(api.change("A", 9, 5), api.change("B", 9, 6), api.change("C", 9, 1))
        path = ["input", "quantities"]
        assert api.codes(payload) == [
            ("CHANGE_FROM_QUANTITY_STALE", [*path, "1", "changeFromQuantity"]),
            ("CHANGE_FROM_QUANTITY_STALE", [*path, "2", "changeFromQuantity"]),
        ]


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"inventoryItemId": gid("InventoryItem", 1)}, "INVALID_INVENTORY_ITEM", "inventoryItemId"),
        ({"inventoryItemId": gid("ProductVariant", 1001)}, "INVALID_INVENTORY_ITEM", "inventoryItemId"),
        ({"locationId": gid("Location", 9)}, "INVALID_LOCATION", "locationId"),
        ({"quantity": 1_000_000_001}, "INVALID_QUANTITY_TOO_HIGH", "quantity"),
    ],
)
def test_a_wrong_item_fails_the_batch_and_is_named(
    api: Api, shop: Shop, wrong: dict[str, Any], code: str, field: str
) -> None:
    payload = api.set(api.change("A", 9, 5), {**api.change("B", 9, 7), **wrong})
    assert api.codes(payload) == [(code, ["input", "quantities", "1", field])]
    assert (stock(shop, "A"), stock(shop, "B")) == (5, 7)


def test_an_untracked_item_cannot_be_set(clock: ManualClock) -> None:
    shop = small_shop(clock, {"GIFT": None})
    with running(shop) as api:
        payload = api.set(api.change("GIFT", 9, None))
        code = ("NON_MUTABLE_INVENTORY_ITEM", ["input", "quantities", "0", "inventoryItemId"])
        assert api.codes(payload) == [code]
        tracked = api.data(
            "mutation ($id: ID!) { inventoryItemUpdate(id: $id, input: {tracked: true}) "
            "{ inventoryItem { tracked } userErrors { message } } }",
            id=inventory_item(shop.by_sku("GIFT")[0]),
        )["inventoryItemUpdate"]
        assert tracked == {"inventoryItem": {"tracked": True}, "userErrors": []}
        assert api.set(api.change("GIFT", 9, 0), key="key-2")["userErrors"] == []
        assert stock(shop, "GIFT") == 9


def test_an_item_may_come_once_for_each_location(api: Api, shop: Shop) -> None:
    assert api.set(api.change("A", 9, 5), api.change("A", 3, 0, SHOP_FLOOR))["userErrors"] == []
    payload = api.set(api.change("A", 1, 9), api.change("A", 2, 9), key="key-2")
    assert api.codes(payload) == [
        ("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", ["input", "quantities", "1", "locationId"])
    ]
    assert stock(shop, "A") == 9


def test_locations_keep_their_own_numbers(api: Api, shop: Shop) -> None:
    item = inventory_item(shop.by_sku("A")[0])
    query = (
        "query ($ids: [ID!]!, $at: ID!) { nodes(ids: $ids) { ... on InventoryItem { inventoryLevel("
        'locationId: $at) { quantities(names: ["available"]) { quantity } } } } }'
    )
    assert api.data(query, ids=[item], at=SHOP_FLOOR)["nodes"] == [{"inventoryLevel": None}]
    # Since 2026-10 a quantity can be set where the item was never stocked.
    assert api.set(api.change("A", 3, 0, SHOP_FLOOR))["userErrors"] == []
    for place, quantity in ((SHOP_FLOOR, 3), (WAREHOUSE, 5)):
        level = api.data(query, ids=[item], at=place)["nodes"][0]["inventoryLevel"]
        assert level == {"quantities": [{"quantity": quantity}]}


@pytest.mark.parametrize(("items", "is_taken"), [(250, True), (251, False)])
def test_a_batch_holds_at_most_250_items(clock: ManualClock, items: int, is_taken: bool) -> None:
    shop = small_shop(clock, {f"S{n}": 1 for n in range(items)})
    with running(shop) as api:
        wanted = {
            "name": "available",
            "reason": "correction",
            "quantities": [api.change(f"S{n}", 2, 1) for n in range(items)],
        }
        answer = api.send(
            "mutation ($input: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $input) "
            '@idempotent(key: "k") { userErrors { code } } }',
            input=wanted,
        )
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        assert codes == ([] if is_taken else ["MAX_INPUT_SIZE_EXCEEDED"])
        assert {item.stock for item in shop.items.values()} == {2 if is_taken else 1}


@pytest.mark.parametrize(
    ("more", "code"), [({"name": "committed"}, "INVALID_NAME"), ({"reason": "because"}, "INVALID_REASON")]
)
def test_name_and_reason_are_checked(api: Api, shop: Shop, more: dict[str, str], code: str) -> None:
    assert [one for one, _ in api.codes(api.set(api.change("A", 9, 5), **more))] == [code]
    assert stock(shop, "A") == 5


# ---------------------------------------------------------------- idempotency


def test_a_repeated_key_answers_from_memory(api: Api, shop: Shop) -> None:
    api.set(api.change("A", 9, 5))
    shop.set_stock(shop.by_sku("A")[0].id, 8, by="shop")
    assert api.set(api.change("A", 9, 5))["userErrors"] == []
    assert (stock(shop, "A"), api.server.keys.replayed) == (8, 1)


def test_a_shop_may_run_a_repeated_key_again(shop: Shop) -> None:
    with running(shop, replays_answers=False) as api:
        api.set(api.change("A", 9, 5))
        payload = api.set(api.change("A", 9, 5))
        assert api.codes(payload) == [("CHANGE_FROM_QUANTITY_STALE", None)]
        assert stock(shop, "A") == 9


def test_a_key_belongs_to_its_parameters(api: Api, shop: Shop) -> None:
    api.set(api.change("A", 9, 5))
    payload = api.set(api.change("A", 10, 9))
    assert api.codes(payload) == [("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", None)]
    assert stock(shop, "A") == 9


def test_a_failed_attempt_uses_its_key_up(api: Api, shop: Shop) -> None:
    assert api.codes(api.set(api.change("A", 9, 4))) == [("CHANGE_FROM_QUANTITY_STALE", None)]
    assert api.codes(api.set(api.change("A", 9, 4))) == [("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", None)]
    assert api.set(api.change("A", 9, 5), key="key-2")["userErrors"] == []


def test_a_key_is_forgotten_after_24_hours(api: Api, shop: Shop, clock: ManualClock) -> None:
    api.set(api.change("A", 9, 5))
    clock.advance(hours=24)
    assert api.set(api.change("A", 9, 5))["userErrors"] == []
    clock.advance(seconds=1)
    assert api.codes(api.set(api.change("A", 9, 5))) == [("CHANGE_FROM_QUANTITY_STALE", None)]


def test_a_request_under_a_key_in_use_is_refused(shop: Shop) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        go_on.wait(5)

    with running(shop, during_write=hold) as api:
        first: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: first.append(Api(api.server).set(api.change("A", 9, 5))))
        thread.start()
        assert entered.wait(5)
        assert api.codes(api.set(api.change("A", 9, 5))) == [("IDEMPOTENCY_CONCURRENT_REQUEST", None)]
        go_on.set()
        thread.join(5)
        assert first[0]["userErrors"] == []
        assert (stock(shop, "A"), api.server.items_written) == (9, 1)


def test_of_two_writers_with_the_same_expectation_one_wins(clock: ManualClock) -> None:
    shop = small_shop(clock, {f"S{n}": 5 for n in range(20)})
    with running(shop) as api:
        outcomes: list[int] = []

        def write(name: str) -> None:
            mine = Api(api.server)
            for n in range(20):
                payload = mine.set(api.change(f"S{n}", 6 if name == "x" else 7, 5), key=f"{name}-{n}")
                outcomes.append(len(payload["userErrors"]))

        threads = [threading.Thread(target=write, args=(name,)) for name in "xy"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(outcomes) == [0] * 20 + [1] * 20


# ---------------------------------------------------------------- faults


def test_a_lost_answer_leaves_its_effect(shop: Shop) -> None:
    dials = Dials(fail_next=["timeout_after_success"])
    with running(shop, dials=dials) as api:
        answer = httpx2.post(
            f"{api.server.url}/admin/api/2026-10/graphql.json",
            json={"query": TRACK_OFF, "variables": {"id": inventory_item(shop.by_sku("A")[0])}},
            headers=dict(api.http.headers),
            trust_env=False,
        )
        assert (answer.status_code, shop.by_sku("A")[0].tracked) == (504, False)


TRACK_OFF = (
    "mutation ($id: ID!) { inventoryItemUpdate(id: $id, input: {tracked: false}) { userErrors { message } } }"
)


def test_a_cut_before_the_effect_leaves_nothing(shop: Shop) -> None:
    with running(shop, dials=Dials(fail_next=["cut_before"])) as api:
        with pytest.raises(httpx2.HTTPError):
            api.set(api.change("A", 9, 5))
        assert (stock(shop, "A"), api.server.calls) == (5, {})
