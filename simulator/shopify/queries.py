"""Answers to the queries: what is listed, found and paged. `objects` shows each thing found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from simulator.shop import Order, Product
from simulator.shopify.model import (
    gid,
    namespace_of,
    number_of,
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
        self.objects = server.objects

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
            "id": shop.shop_id,
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
            **self.server.subscriptions.installation(),
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
        return connection(by_name, lambda one: (one.name, one.id), self.objects.location, first, after)

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
            found, lambda item: item.id, lambda item: self.objects.variant(item, products), first, after
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
        return connection(sorted(found, key=key), key, self.objects.product, first, after)

    def orders(
        self,
        info: Any,
        first: int | None = None,
        after: str | None = None,
        query: str | None = None,
        sortKey: str = "PROCESSED_AT",
        **rest: Any,
    ) -> Node:
        self.needs("read_orders", "orders")
        wanted = matcher(query, {"updated_at": lambda one: one.updated_at, "id": lambda one: one.id})
        with self.shop.lock:
            found = [one for one in self.shop.orders.values() if wanted(one)]
        key = _by_update if sortKey == "UPDATED_AT" else _by_id
        return connection(sorted(found, key=key), key, self.objects.order, first, after)

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
            return None if item is None else self.objects.inventory_item(item)
        if kind == "ProductVariant":
            item = self.shop.items.get(number)
            return None if item is None else self.objects.variant(item, {})
        if kind == "Product":
            product = self.shop.products.get(number)
            return None if product is None else self.objects.product(product)
        if kind == "FulfillmentOrder":
            return self.server.fulfilment.node(number)
        if kind == "Order":
            self.needs("read_orders", "order")
            order = self.shop.orders.get(number)
            return None if order is None else self.objects.order(order)
        return None

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

    def needs(self, scope: str, field: str) -> None:
        """Refuse `field` to an app that was not granted `scope`."""
        if scope not in self.server.scopes:
            raise GraphQLError(
                f"Access denied for {field} field. Required access: `{scope}` access scope.",
                extensions={
                    "code": "ACCESS_DENIED",
                    "documentation": "https://shopify.dev/api/usage/access-scopes",
                    "requiredAccess": f"`{scope}` access scope.",
                },
            )


def _by_update(one: Product | Order) -> tuple[str, int]:
    return (one.updated_at.isoformat(), one.id)


def _by_id(one: Product | Order) -> int:
    return one.id
