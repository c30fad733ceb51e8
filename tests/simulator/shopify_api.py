"""Raw calls to the simulated Shopify, as any app could make them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from simulator.shop import Item, Shop
from simulator.shopify import ShopifyServer, gid
from simulator.shopify.model import INVENTORY_ITEM_OFFSET, VERSION

TOKEN = "shpat_simulator_test"
SECRET = "simulator test secret"
WAREHOUSE = gid("Location", 5001)
SHOP_FLOOR = gid("Location", 5002)

SET = """mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { reason changes { name delta quantityAfterChange item { id } location { id } } }
    userErrors { code field message }
  }
}"""


def small_shop(clock: Any, stocks: dict[str, int | None] | None = None) -> Shop:
    """A shop of plain products, SKU → stock (None: not tracked)."""
    shop = Shop("Small shop", currency="GBP", clock=clock)
    for sku, stock in (stocks or {"A": 5, "B": 7, "C": 0}).items():
        tracked = stock is not None
        shop.add_product(
            f"Product {sku}", [{"sku": sku, "price_minor": 1250, "stock": stock, "tracked": tracked}]
        )
    return shop


class Api:
    """An app's calls; `last` is the last HTTP answer."""

    def __init__(self, server: ShopifyServer, token: str = TOKEN) -> None:
        self.server = server
        self.http = httpx2.Client(
            base_url=server.url,
            headers={"X-Shopify-Access-Token": token} if token else {},
            trust_env=False,
            timeout=30.0,
        )

    def send(self, text: str, /, version: str = VERSION, **variables: Any) -> dict[str, Any]:
        self.last = self.http.post(
            f"/admin/api/{version}/graphql.json", json={"query": text, "variables": variables}
        )
        found: dict[str, Any] = self.last.json()
        return found

    def data(self, text: str, /, **variables: Any) -> dict[str, Any]:
        answer = self.send(text, **variables)
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    def change(
        self, sku: str, quantity: int, expected: int | None, location: str = WAREHOUSE
    ) -> dict[str, Any]:
        return {
            "inventoryItemId": inventory_item(self.server.shop.by_sku(sku)[0]),
            "locationId": location,
            "quantity": quantity,
            "changeFromQuantity": expected,
        }

    def set(self, *changes: dict[str, Any], key: str = "key-1", **more: Any) -> dict[str, Any]:
        """The payload of `inventorySetQuantities`."""
        wanted = {"name": "available", "reason": "correction", "quantities": list(changes), **more}
        payload: dict[str, Any] = self.data(SET, input=wanted, key=key)["inventorySetQuantities"]
        return payload

    def codes(self, payload: dict[str, Any]) -> list[tuple[str, list[str] | None]]:
        return [(error["code"], error["field"]) for error in payload["userErrors"]]


def inventory_item(item: Item) -> str:
    return gid("InventoryItem", item.id + INVENTORY_ITEM_OFFSET)


@contextmanager
def running(shop: Shop, **options: Any) -> Iterator[Api]:
    """The simulator of `shop`, with an app's client."""
    server = ShopifyServer(shop, api_key="client-id", api_secret=SECRET, access_token=TOKEN, **options)
    with server:
        api = Api(server)
        try:
            yield api
        finally:
            api.http.close()
