"""The Shopify adapter on its simulator, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from adapters.stores.shopify.adapter import ShopifyStore
from adapters.stores.shopify.client import ShopifyClient
from connector.ports.stores import BadgeFacts, ItemResult, ListingRef, QuantityChange, StoreListing
from connector.registry import Environment
from simulator.shop import Shop
from simulator.shopify import ShopifyServer, gid
from simulator.shopify.model import DEFAULT_SCOPES, INVENTORY_ITEM_OFFSET

TOKEN = "shpat_conformance_token"
SECRET = "conformance webhook secret"
WAREHOUSE, FLOOR = gid("Location", 5001), gid("Location", 5002)
ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=30.0)


def connected(
    server: ShopifyServer,
    token: str = TOKEN,
    location_id: str | None = None,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
    **options: Any,
) -> ShopifyStore:
    """The adapter without real waiting; `options` go to the client."""
    options.setdefault("sleep", lambda seconds: None)
    client = ShopifyClient(ENVIRONMENT, server.domain, token, server.url, **options)
    return ShopifyStore(client, location_id, frozenset(scopes))


def badge_of(value: Any) -> BadgeFacts | None:
    """What a theme reads from the metafield's value."""
    if value is None:
        return None
    dates = {
        name: date.fromisoformat(value[name]) for name in ("restock_on", "restock_until") if name in value
    }
    return BadgeFacts(value["state"], value.get("count"), **dates)


def small_shop(clock: Any) -> Shop:
    """A: 5, B: 7, C: 0, and an untracked gift."""
    shop = Shop("Small", currency="GBP", clock=clock)
    for sku, stock in (("A", 5), ("B", 7), ("C", 0)):
        shop.add_product(f"Product {sku}", [{"sku": sku, "price_minor": 1250, "stock": stock}])
    shop.add_product("Gift", [{"sku": "GIFT", "price_minor": 100, "stock": None, "tracked": False}])
    return shop


def serve(shop: Shop, **options: Any) -> ShopifyServer:
    return ShopifyServer(shop, api_key="k", api_secret=SECRET, access_token=TOKEN, **options)


def ref(shop: Shop, sku: str, location: str | None = WAREHOUSE) -> ListingRef:
    item = shop.by_sku(sku)[0]
    return ListingRef(
        gid("ProductVariant", item.id),
        gid("Product", item.product_id),
        gid("InventoryItem", item.id + INVENTORY_ITEM_OFFSET),
        location,
    )


def send(store: Any, changes: list[QuantityChange], key: str = "key") -> list[ItemResult]:
    (request,) = store.plan_quantities(changes)
    results: list[ItemResult] = store.send(request, key)
    return results


def outcome(results: list[ItemResult]) -> list[tuple[str, int | None]]:
    return [(one.status, one.remote) for one in results]


def by_sku(pages: Iterator[list[StoreListing]]) -> dict[str, StoreListing]:
    return {one.sku: one for page in pages for one in page}
