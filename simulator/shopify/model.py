"""What a Shopify shop holds beyond `simulator.shop.Shop`: locations, metafields, ids in Shopify's form.

The first location is the one that sells online: its quantity is `Item.stock`. The others keep theirs in
`Item.platform["levels"]` and sell nothing online, as a shop floor that does not fulfil web orders.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from graphql import GraphQLError

from simulator.shop import Item, Shop

VERSION = "2026-10"
APP_NAMESPACE = "app--1900001"
# A variant and its inventory item have different numbers in Shopify; an offset keeps them apart here.
INVENTORY_ITEM_OFFSET = 40_000_000_000
QUANTITY_LIMIT = 1_000_000_000

DEFAULT_SCOPES = (
    "read_products",
    "write_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "read_orders",
    "write_app_proxy",
)
OPTIONAL_SCOPES = (
    "read_inventory_shipments",
    "read_inventory_transfers",
    "read_merchant_managed_fulfillment_orders",
    "read_orders",
    "write_discounts",
    "write_order_edits",
    "write_orders",
)
"""What the app's configuration names as optional: granted or not after the installation."""


@dataclass(frozen=True)
class SimLocation:
    """A place with stock. `service` is the handle of the fulfilment service that owns it, if any."""

    id: int
    name: str
    sells_online: bool = True
    service: str | None = None
    is_active: bool = True


DEFAULT_LOCATIONS = (
    SimLocation(5001, "Warehouse"),
    SimLocation(5002, "Shop floor", sells_online=False),
)


def gid(kind: str, number: int | str) -> str:
    """Shopify's global id of an object."""
    return f"gid://shopify/{kind}/{number}"


def number_of(global_id: str, kind: str) -> int | None:
    """The number in a global id of that kind, None when it is something else."""
    prefix = f"gid://shopify/{kind}/"
    tail = global_id.removeprefix(prefix).split("?")[0]
    return int(tail) if global_id.startswith(prefix) and tail.isdigit() else None


def stamp(at: datetime) -> str:
    """A time as the GraphQL API writes it: UTC, whole seconds, rounded down."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Levels:
    """Quantities per item and location. The caller holds `shop.lock` for anything compound."""

    def __init__(self, shop: Shop, locations: tuple[SimLocation, ...]) -> None:
        self.shop = shop
        self.locations = {location.id: location for location in locations}
        self.online_id = locations[0].id

    def item(self, inventory_item: str) -> Item | None:
        number = number_of(inventory_item, "InventoryItem")
        return None if number is None else self.shop.items.get(number - INVENTORY_ITEM_OFFSET)

    def location(self, location: str) -> SimLocation | None:
        number = number_of(location, "Location")
        return None if number is None else self.locations.get(number)

    def is_stocked(self, item: Item, location_id: int) -> bool:
        """Whether the item has a level there (Shopify shows none where it was never stocked)."""
        if location_id == self.online_id:
            return location_id not in item.platform.get("not_stocked_at", [])
        return str(location_id) in item.platform.get("levels", {})

    def get(self, item: Item, location_id: int) -> int:
        """The available quantity there, 0 where there is no level."""
        if location_id == self.online_id:
            return item.stock or 0
        return int(item.platform.get("levels", {}).get(str(location_id), 0))

    def set(self, item: Item, location_id: int, quantity: int, by: Literal["api", "shop"]) -> None:
        """Set the quantity there, stocking the item at the location if it was not."""
        if location_id == self.online_id:
            elsewhere = [at for at in item.platform.get("not_stocked_at", []) if at != location_id]
            item.platform["not_stocked_at"] = elsewhere
            self.shop.set_stock(item.id, quantity, by=by)
        else:
            item.platform.setdefault("levels", {})[str(location_id)] = quantity
            item.updated_at = self.shop.now()

    def total(self, item: Item) -> int:
        return sum(self.get(item, location_id) for location_id in self.locations)


def price_text(price_minor: int, currency: str) -> str:
    """Money as Shopify writes it: major units with the currency's decimals."""
    decimals = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3}.get(currency, 2)
    return f"{price_minor / 10**decimals:.{decimals}f}" if decimals else str(price_minor)


def too_many(size: int, field: str, limit: int = 250) -> GraphQLError:
    return GraphQLError(
        f"The input array size of {size} is greater than the maximum allowed of {limit}.",
        extensions={"code": "MAX_INPUT_SIZE_EXCEEDED", "field": field},
    )


def namespace_of(namespace: str | None) -> str:
    """`$app` for the app's own namespace however it is written."""
    if namespace in (None, "", "$app", APP_NAMESPACE):
        return "$app"
    return str(namespace)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
