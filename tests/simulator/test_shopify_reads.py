"""The simulated Shopify pages, searches and keeps metafields as the Admin API 2026-10 does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from simulator.shop import Shop
from simulator.shopify import SimLocation, gid
from tests.simulator.shopify_api import Api, running, small_shop
from tests.support import ManualClock


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return small_shop(clock)


@pytest.fixture
def api(shop: Shop) -> Iterator[Api]:
    with running(shop) as api:
        yield api


# ---------------------------------------------------------------- reading


def test_pages_follow_their_cursor(clock: ManualClock) -> None:
    shop = small_shop(clock, {f"S{n}": n for n in range(7)})
    with running(shop) as api:
        query = (
            "query ($after: String) { productVariants(first: 3, after: $after) "
            "{ nodes { sku } pageInfo { hasNextPage endCursor } } }"
        )
        seen, after = [], None
        for _ in range(3):
            page = api.data(query, after=after)["productVariants"]
            seen.append([node["sku"] for node in page["nodes"]])
            after = page["pageInfo"]["endCursor"]
        assert seen == [["S0", "S1", "S2"], ["S3", "S4", "S5"], ["S6"]]
        assert page["pageInfo"]["hasNextPage"] is False


def test_searches_by_sku_and_by_change(api: Api, shop: Shop, clock: ManualClock) -> None:
    query = "query ($query: String) { productVariants(first: 9, query: $query) { nodes { sku } } }"

    def skus(text: str) -> list[str]:
        return [node["sku"] for node in api.data(query, query=text)["productVariants"]["nodes"]]

    assert skus('sku:"B"') == ["B"]
    assert skus("sku:A OR sku:C") == ["A", "C"]
    start = clock.now()
    later = clock.advance(seconds=90)
    shop.set_stock(shop.by_sku("C")[0].id, 1, by="shop")
    assert skus(f"updated_at:>='{later.strftime('%Y-%m-%dT%H:%M:%SZ')}'") == ["C"]
    assert skus(f"updated_at:<'{later.strftime('%Y-%m-%dT%H:%M:%SZ')}' sku:A") == ["A"]
    assert skus(f"updated_at:>'{(start - timedelta(days=1)).isoformat()}'") == ["A", "B", "C"]
    assert api.send(query, query="colour:red")["errors"][0]["message"] == (
        "The simulator cannot search by 'colour'."
    )


def test_orders_need_their_scope(shop: Shop) -> None:
    query = "{ orders(first: 1) { nodes { id } } }"
    with running(shop, scopes=("read_products",)) as api:
        answer = api.send(query)
        assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
        assert answer["errors"][0]["extensions"]["requiredAccess"] == "`read_orders` access scope."
    shop.buy({shop.by_sku("A")[0].id: 1})
    with running(shop) as api:
        assert len(api.data(query)["orders"]["nodes"]) == 1


def test_locations_of_fulfilment_services_are_listed_on_request(shop: Shop) -> None:
    places = (
        SimLocation(1, "Warehouse"),
        SimLocation(2, "Drop shipper", service="drop-ship"),
        SimLocation(3, "Closed", is_active=False),
    )
    with running(shop, locations=places) as api:
        query = "query ($legacy: Boolean) { locations(first: 9, includeLegacy: $legacy) { nodes { name } } }"

        def names(legacy: bool) -> list[str]:
            return [node["name"] for node in api.data(query, legacy=legacy)["locations"]["nodes"]]

        assert (names(False), names(True)) == (["Warehouse"], ["Drop shipper", "Warehouse"])


# ---------------------------------------------------------------- metafields

METAFIELDS = """mutation ($metafields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $metafields) {
  metafields { namespace key value compareDigest } userErrors { code field elementIndex } } }"""


def metafield(shop: Shop, sku: str, value: str, **more: Any) -> dict[str, Any]:
    owner = gid("ProductVariant", shop.by_sku(sku)[0].id)
    return {"ownerId": owner, "namespace": "$app", "key": "k", "type": "json", "value": value, **more}


def test_metafields_are_set_in_the_apps_own_namespace(api: Api, shop: Shop) -> None:
    payload = api.data(METAFIELDS, metafields=[metafield(shop, "A", '{"x":1}')])["metafieldsSet"]
    assert payload["userErrors"] == []
    assert payload["metafields"][0]["namespace"].startswith("app--")
    assert shop.by_sku("A")[0].meta == {"$app.k": {"x": 1}}


def test_metafields_are_all_or_nothing_and_at_most_25(api: Api, shop: Shop) -> None:
    bad = [
        metafield(shop, "A", "1"),
        metafield(shop, "B", "{"),
        metafield(shop, "C", "2", ownerId="gid://shopify/ProductVariant/1"),
    ]
    payload = api.data(METAFIELDS, metafields=bad)["metafieldsSet"]
    assert payload["userErrors"] == [
        {"code": "INVALID_VALUE", "field": ["metafields", "1", "value"], "elementIndex": 1},
        {"code": "INVALID", "field": ["metafields", "2", "ownerId"], "elementIndex": 2},
    ]
    many = [metafield(shop, "A", "1", key=f"k{n}") for n in range(26)]
    payload = api.data(METAFIELDS, metafields=many)["metafieldsSet"]
    assert payload["userErrors"] == [
        {"code": "LESS_THAN_OR_EQUAL_TO", "field": ["metafields"], "elementIndex": None}
    ]
    assert [item.meta for item in shop.items.values()] == [{}, {}, {}]
    assert api.data(METAFIELDS, metafields=many[:25])["metafieldsSet"]["userErrors"] == []


def test_a_metafields_digest_guards_it(api: Api, shop: Shop) -> None:
    first = api.data(METAFIELDS, metafields=[metafield(shop, "A", "1")])["metafieldsSet"]
    digest = first["metafields"][0]["compareDigest"]
    for given, code in ((digest, []), (digest, ["STALE_OBJECT"])):
        wanted = [metafield(shop, "A", "2", compareDigest=given)]
        payload = api.data(METAFIELDS, metafields=wanted)["metafieldsSet"]
        assert [error["code"] for error in payload["userErrors"]] == code


def test_a_definition_is_made_once_and_binds_the_type(api: Api, shop: Shop) -> None:
    query = (
        "mutation ($definition: MetafieldDefinitionInput!) { metafieldDefinitionCreate("
        "definition: $definition) { createdDefinition { key } userErrors { code } } }"
    )
    wanted = {"key": "k", "name": "K", "ownerType": "PRODUCTVARIANT", "type": "date", "namespace": "$app"}
    made = api.data(query, definition=wanted)["metafieldDefinitionCreate"]
    assert made == {"createdDefinition": {"key": "k"}, "userErrors": []}
    again = api.data(query, definition=wanted)["metafieldDefinitionCreate"]
    assert again["userErrors"] == [{"code": "TAKEN"}]
    payload = api.data(METAFIELDS, metafields=[metafield(shop, "A", "1")])["metafieldsSet"]
    assert [error["code"] for error in payload["userErrors"]] == ["INVALID_TYPE"]
    listed = (
        '{ metafieldDefinitions(first: 9, ownerType: PRODUCTVARIANT, namespace: "$app") { nodes { key } } }'
    )
    assert api.data(listed)["metafieldDefinitions"]["nodes"] == [{"key": "k"}]
