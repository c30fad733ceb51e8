"""The shop's things in the shape of the Admin schema: locations, products, variants, stock, orders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from simulator.shop import Item, Order, OrderLine, Product
from simulator.shopify.model import (
    APP_NAMESPACE,
    INVENTORY_ITEM_OFFSET,
    SimLocation,
    digest,
    gid,
    namespace_of,
    price_text,
    stamp,
)
from simulator.shopify.search import connection

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

Node = dict[str, Any]


class Objects:
    """Shows one thing at a time. Objects are dicts; a field with arguments or cost is a callable."""

    def __init__(self, server: ShopifyServer) -> None:
        self.server = server
        self.shop = server.shop
        self.levels = server.levels

    def location(self, one: SimLocation) -> Node:
        return {
            "__typename": "Location",
            "id": gid("Location", one.id),
            "name": one.name,
            "isActive": one.is_active,
            "fulfillsOnlineOrders": one.sells_online,
            "shipsInventory": one.sells_online,
            "fulfillmentService": {"handle": one.service} if one.service else None,
            "address": {"city": "London", "countryCode": "GB"},
        }

    def variant(self, item: Item, products: dict[int, Node]) -> Node:
        product = self.shop.products[item.product_id]
        if item.product_id not in products:
            products[item.product_id] = self.product(product)
        return {
            "__typename": "ProductVariant",
            "id": gid("ProductVariant", item.id),
            "sku": item.sku,
            "barcode": item.gtin or None,
            "title": item.title or "Default Title",
            "price": price_text(item.price_minor, self.shop.currency),
            "compareAtPrice": None
            if item.platform.get("compare_at_minor") is None
            else price_text(item.platform["compare_at_minor"], self.shop.currency),
            "updatedAt": stamp(item.updated_at),
            "inventoryPolicy": "CONTINUE" if item.backorders else "DENY",
            "inventoryQuantity": self.levels.total(item),
            "sellableOnlineQuantity": item.stock or 0,
            "availableForSale": item.can_be_bought,
            "product": products[item.product_id],
            "inventoryItem": self.inventory_item(item),
            "metafield": lambda info, key, namespace=None: self.metafield(
                item, "ProductVariant", namespace, key
            ),
        }

    def inventory_item(self, item: Item) -> Node:
        number = item.id + INVENTORY_ITEM_OFFSET

        def level(info: Any, locationId: str, includeInactive: bool = False) -> Node | None:
            location = self.levels.location(locationId)
            if location is None or not self.levels.is_stocked(item, location.id):
                return None
            return self.level(item, location)

        def all_levels(info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> Node:
            found = [one for one in self.levels.locations.values() if self.levels.is_stocked(item, one.id)]
            return connection(
                found, lambda one: one.id, lambda one: self.level(item, one), first or 250, after
            )

        return {
            "__typename": "InventoryItem",
            "id": gid("InventoryItem", number),
            "sku": item.sku,
            "tracked": item.tracked,
            "updatedAt": stamp(item.updated_at),
            "duplicateSkuCount": lambda info: len(self.shop.by_sku(item.sku)) - 1 if item.sku else 0,
            "inventoryLevel": level,
            "inventoryLevels": all_levels,
            "variants": lambda info, first=None, after=None, **rest: connection(
                [item], lambda one: one.id, lambda one: self.variant(one, {}), first, after
            ),
        }

    def level(self, item: Item, location: SimLocation) -> Node:
        quantity = self.levels.get(item, location.id)
        known = {"available": quantity, "on_hand": quantity}

        def quantities(info: Any, names: list[str]) -> list[Node]:
            number = item.id + INVENTORY_ITEM_OFFSET
            return [
                {
                    "id": f"gid://shopify/InventoryQuantity/{number}-{location.id}?name={name}",
                    "name": name,
                    "quantity": known.get(name, 0),
                    "updatedAt": stamp(item.updated_at),
                }
                for name in names
            ]

        number = item.id + INVENTORY_ITEM_OFFSET
        return {
            "__typename": "InventoryLevel",
            "id": gid("InventoryLevel", f"{location.id}?inventory_item_id={number}"),
            # Deactivating a location deactivates its levels; their numbers stay.
            "isActive": location.is_active,
            "updatedAt": stamp(item.updated_at),
            "location": self.location(location),
            "quantities": quantities,
        }

    def product(self, product: Product) -> Node:
        image = product.image_url
        published = product.published
        url = f"{self.server.storefront_url}/products/{product.handle}"
        items = self.shop.items_of(product)

        def variants(info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> Node:
            by = (lambda one: one.id) if rest.get("sortKey") == "ID" else items.index
            return connection(
                sorted(items, key=by), by, lambda one: self.variant(one, {product.id: node}), first, after
            )

        def collections(info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> Node:
            return connection(sorted(product.collections), lambda title: title, _collection, first, after)

        node: Node = {
            "__typename": "Product",
            "id": gid("Product", product.id),
            "handle": product.handle,
            "title": product.title,
            "status": product.platform.get("status", "ACTIVE"),
            "tags": sorted(product.platform.get("tags", ())),
            "tracksInventory": any(item.tracked for item in items),
            "hasOnlyDefaultVariant": len(items) == 1 and not items[0].title,
            "onlineStoreUrl": url if published else None,
            "publishedAt": stamp(product.updated_at) if published else None,
            "updatedAt": stamp(product.updated_at),
            "featuredMedia": {
                "__typename": "MediaImage",
                "id": gid("MediaImage", product.id),
                "preview": {"image": {"url": image}},
            }
            if image
            else None,
            "collections": collections,
            "variants": variants,
            "variantsCount": {"count": len(items), "precision": "EXACT"},
            "metafield": lambda info, key, namespace=None: self.metafield(product, "Product", namespace, key),
        }
        return node

    def order(self, order: Order) -> Node:
        def lines(info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> Node:
            return connection(
                order.lines, lambda line: line.id, lambda line: self.line(order, line), first, after
            )

        cancelled = order.status == "cancelled"
        return {
            "__typename": "Order",
            "id": gid("Order", order.id),
            "name": f"#{order.id}",
            "createdAt": stamp(order.created_at),
            "updatedAt": stamp(order.updated_at),
            "cancelledAt": stamp(order.updated_at) if cancelled else None,
            "lineItems": lines,
            **self.server.care.fields(order),
            "fulfillmentOrders": lambda info, first=None, after=None, **rest: self.server.fulfilment.shown(
                order, info, first, after
            ),
        }

    def line(self, order: Order, line: OrderLine) -> Node:
        item = self.shop.items.get(line.item_id)
        removed = int(order.platform.get("removed", {}).get(str(line.id), 0))
        return {
            "id": gid("LineItem", line.id),
            "sku": item.sku if item else None,
            "quantity": line.units,
            # Cancelling refunds every line, so nothing of it is current any more.
            "discountedTotalSet": {
                "shopMoney": {
                    "amount": price_text(line.units * (item.price_minor if item else 0), self.shop.currency),
                    "currencyCode": self.shop.currency,
                }
            },
            "taxLines": [],
            "currentQuantity": 0 if order.status == "cancelled" else line.units - removed,
            "refundableQuantity": self.server.care.left(order, line),
            "unfulfilledQuantity": 0 if order.status == "cancelled" else unfulfilled(order, line),
            "variant": None if item is None else self.variant(item, {}),
        }

    def metafield(self, owner: Item | Product, kind: str, namespace: str | None, key: str) -> Node | None:
        space = namespace_of(namespace)
        value = owner.meta.get(f"{space}.{key}")
        if value is None:
            return None
        text = value if isinstance(value, str) else json.dumps(value)
        return {
            "id": gid("Metafield", f"{owner.id}{len(key)}"),
            "namespace": APP_NAMESPACE if space == "$app" else space,
            "key": key,
            "type": "single_line_text_field" if isinstance(value, str) else "json",
            "value": text,
            "jsonValue": value,
            "compareDigest": digest(text),
            "ownerType": "PRODUCTVARIANT" if kind == "ProductVariant" else "PRODUCT",
            "updatedAt": stamp(owner.updated_at),
        }


def unfulfilled(order: Order, line: OrderLine) -> int:
    """Units neither removed nor handed over: `order.platform["fulfilled"]` holds line id → units."""
    removed = int(order.platform.get("removed", {}).get(str(line.id), 0))
    return max(0, line.units - removed - int(order.platform.get("fulfilled", {}).get(str(line.id), 0)))


def _collection(title: str) -> Node:
    handle = title.lower().replace(" ", "-")
    return {"id": gid("Collection", int(digest(title)[:8], 16)), "title": title, "handle": handle}
