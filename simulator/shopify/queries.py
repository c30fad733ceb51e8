"""Answers to the queries: the shop's state in the shape of the Admin schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from simulator.shop import Item, Order, OrderLine, Product
from simulator.shopify.model import (
    APP_NAMESPACE,
    INVENTORY_ITEM_OFFSET,
    SimLocation,
    digest,
    gid,
    namespace_of,
    number_of,
    price_text,
    stamp,
    too_many,
)
from simulator.shopify.search import connection, matcher

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

Node = dict[str, Any]


class Queries:
    """Root fields of `QueryRoot`. Objects are dicts; a field with arguments or cost is a callable."""

    def __init__(self, server: ShopifyServer) -> None:
        self.server = server
        self.shop = server.shop
        self.levels = server.levels

    def root(self) -> dict[str, Callable[..., Any]]:
        return {
            "shop": self.shop_node,
            "currentAppInstallation": self.installation,
            "locations": self.locations,
            "productVariants": self.product_variants,
            "products": self.products,
            "orders": self.orders,
            "order": lambda info, id: self.node(id, ("Order",)),
            "product": lambda info, id: self.node(id, ("Product",)),
            "productVariant": lambda info, id: self.node(id, ("ProductVariant",)),
            "node": lambda info, id: self.node(id),
            "nodes": lambda info, ids: self.nodes(ids),
            "webhookSubscriptions": self.webhook_subscriptions,
            "metafieldDefinitions": self.metafield_definitions,
            "bulkOperation": lambda info, id: self.server.bulk.show(id),
        }

    def shop_node(self, info: Any) -> Node:
        shop = self.server
        return {
            "id": gid("Shop", 1),
            "name": self.shop.name,
            "email": "owner@example.com",
            "contactEmail": "owner@example.com",
            "myshopifyDomain": shop.domain,
            "currencyCode": self.shop.currency,
            "ianaTimezone": self.shop.timezone,
            "primaryDomain": {
                "id": gid("Domain", 1),
                "host": shop.storefront_url.split("://")[-1],
                "url": shop.storefront_url,
            },
            "plan": {"publicDisplayName": shop.plan, "partnerDevelopment": False, "shopifyPlus": False},
        }

    def installation(self, info: Any) -> Node:
        return {
            "id": gid("AppInstallation", 1),
            "launchUrl": f"https://{self.server.domain}/admin/apps/dispo",
            "accessScopes": [{"handle": scope} for scope in self.server.scopes],
            "activeSubscriptions": [],
        }

    def locations(self, info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> Node:
        # Locations of fulfilment services are legacy and only listed on request.
        found = [
            one
            for one in self.levels.locations.values()
            if (one.is_active or rest.get("includeInactive"))
            and (one.service is None or rest.get("includeLegacy"))
        ]
        by_name = sorted(found, key=lambda one: (one.name, one.id))
        return connection(by_name, lambda one: (one.name, one.id), self.location, first, after)

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

    def product_variants(
        self,
        info: Any,
        first: int | None = None,
        after: str | None = None,
        query: str | None = None,
        sortKey: str = "ID",
        **rest: Any,
    ) -> Node:
        if sortKey != "ID":
            raise GraphQLError("The simulator sorts variants by ID only.")
        wanted = matcher(
            query,
            {
                "updated_at": lambda item: item.updated_at,
                "sku": lambda item: item.sku,
                "id": lambda item: item.id,
                "product_id": lambda item: item.product_id,
                "product_ids": lambda item: item.product_id,
            },
        )
        with self.shop.lock:
            found = [item for _, item in sorted(self.shop.items.items()) if wanted(item)]
        products: dict[int, Node] = {}
        return connection(
            found, lambda item: item.id, lambda item: self.variant(item, products), first, after
        )

    def products(
        self,
        info: Any,
        first: int | None = None,
        after: str | None = None,
        query: str | None = None,
        sortKey: str = "ID",
        **rest: Any,
    ) -> Node:
        wanted = matcher(query, {"updated_at": lambda one: one.updated_at, "id": lambda one: one.id})
        with self.shop.lock:
            found = [one for one in self.shop.products.values() if wanted(one)]
        key = _by_update if sortKey == "UPDATED_AT" else _by_id
        return connection(sorted(found, key=key), key, self.product, first, after)

    def orders(
        self,
        info: Any,
        first: int | None = None,
        after: str | None = None,
        query: str | None = None,
        sortKey: str = "PROCESSED_AT",
        **rest: Any,
    ) -> Node:
        self._needs("read_orders", "orders")
        wanted = matcher(query, {"updated_at": lambda one: one.updated_at, "id": lambda one: one.id})
        with self.shop.lock:
            found = [one for one in self.shop.orders.values() if wanted(one)]
        key = _by_update if sortKey == "UPDATED_AT" else _by_id
        return connection(sorted(found, key=key), key, self.order, first, after)

    def nodes(self, ids: list[str]) -> list[Node | None]:
        if len(ids) > 250:
            raise too_many(len(ids), "ids")
        return [self.node(one) for one in ids]

    def node(self, one: str, kinds: tuple[str, ...] = ()) -> Node | None:
        if not one.startswith("gid://shopify/"):
            raise GraphQLError(f"Invalid global id '{one}'")
        kind = one.removeprefix("gid://shopify/").split("/")[0]
        number = number_of(one, kind)
        if number is None or (kinds and kind not in kinds):
            return None
        if kind == "InventoryItem":
            item = self.levels.item(one)
            return None if item is None else self.inventory_item(item)
        if kind == "ProductVariant":
            item = self.shop.items.get(number)
            return None if item is None else self.variant(item, {})
        if kind == "Product":
            product = self.shop.products.get(number)
            return None if product is None else self.product(product)
        if kind == "Order":
            self._needs("read_orders", "order")
            order = self.shop.orders.get(number)
            return None if order is None else self.order(order)
        return None

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
            "isActive": True,
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
            return connection(
                items, lambda one: one.id, lambda one: self.variant(one, {product.id: node}), first, after
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
        }

    def line(self, order: Order, line: OrderLine) -> Node:
        item = self.shop.items.get(line.item_id)
        removed = int(order.platform.get("removed", {}).get(str(line.id), 0))
        return {
            "id": gid("LineItem", line.id),
            "sku": item.sku if item else None,
            "quantity": line.units,
            # Cancelling refunds every line, so nothing of it is current any more.
            "currentQuantity": 0 if order.status == "cancelled" else line.units - removed,
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

    def webhook_subscriptions(
        self, info: Any, first: int | None = None, after: str | None = None, **rest: Any
    ) -> Node:
        found = self.server.webhooks.subscriptions()
        topics, uri = rest.get("topics"), rest.get("uri")
        found = [one for one in found if (not topics or one.topic in topics) and (not uri or one.uri == uri)]
        return connection(found, lambda one: one.id, lambda one: one.node(), first, after)

    def metafield_definitions(
        self,
        info: Any,
        ownerType: str,
        first: int | None = None,
        after: str | None = None,
        **rest: Any,
    ) -> Node:
        found = [one for one in self.server.definitions if one["ownerType"] == ownerType]
        if rest.get("namespace"):
            wanted = namespace_of(rest["namespace"])
            found = [one for one in found if namespace_of(one["namespace"]) == wanted]
        return connection(found, lambda one: one["number"], lambda one: one, first, after)

    def _needs(self, scope: str, field: str) -> None:
        if scope not in self.server.scopes:
            raise GraphQLError(
                f"Access denied for {field} field. Required access: `{scope}` access scope.",
                extensions={
                    "code": "ACCESS_DENIED",
                    "documentation": "https://shopify.dev/api/usage/access-scopes",
                    "requiredAccess": f"`{scope}` access scope.",
                },
            )


def _collection(title: str) -> Node:
    handle = title.lower().replace(" ", "-")
    return {"id": gid("Collection", int(digest(title)[:8], 16)), "title": title, "handle": handle}


def _by_update(one: Product | Order) -> tuple[str, int]:
    return (one.updated_at.isoformat(), one.id)


def _by_id(one: Product | Order) -> int:
    return one.id
