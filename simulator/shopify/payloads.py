"""Bodies of webhooks: the REST-like JSON that Shopify sends, personal data included."""

from __future__ import annotations

from typing import Any

from simulator.shop import Item, Order, Product, Shop
from simulator.shopify.model import INVENTORY_ITEM_OFFSET, gid, price_text, stamp
from simulator.shopify.objects import unfulfilled


def inventory_level(item: Item, location_id: int, available: int, at: Any) -> dict[str, Any]:
    number = item.id + INVENTORY_ITEM_OFFSET
    return {
        "inventory_item_id": number,
        "location_id": location_id,
        "available": available,
        "updated_at": stamp(at),
        "admin_graphql_api_id": gid("InventoryLevel", f"{location_id}?inventory_item_id={number}"),
    }


def product(shop: Shop, one: Product) -> dict[str, Any]:
    """The product with its first 100 variants in full, as Shopify cuts it."""
    items = shop.items_of(one)[:100]
    return {
        "id": one.id,
        "admin_graphql_api_id": gid("Product", one.id),
        "title": one.title,
        "handle": one.handle,
        "status": one.platform.get("status", "ACTIVE").lower(),
        "updated_at": stamp(one.updated_at),
        "variants": [
            {
                "id": item.id,
                "admin_graphql_api_id": gid("ProductVariant", item.id),
                "product_id": one.id,
                "sku": item.sku,
                "title": item.title or "Default Title",
                "price": price_text(item.price_minor, shop.currency),
                "inventory_item_id": item.id + INVENTORY_ITEM_OFFSET,
                "inventory_quantity": item.stock,
                "inventory_policy": "continue" if item.backorders else "deny",
            }
            for item in items
        ],
    }


def order(shop: Shop, one: Order) -> dict[str, Any]:
    cancelled = one.status == "cancelled"
    removed = one.platform.get("removed", {})
    return {
        "id": one.id,
        "admin_graphql_api_id": gid("Order", one.id),
        "name": f"#{one.id}",
        "email": one.platform.get("email", "shopper@example.com"),
        # Where the visit began; `order.platform["landing"]` is a path with its query.
        "landing_site": one.platform.get("landing"),
        "taxes_included": True,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "cancelled_at": stamp(one.updated_at) if cancelled else None,
        "currency": shop.currency,
        "financial_status": "refunded" if cancelled else "paid",
        "customer": {"first_name": "Ada", "last_name": "Example", "email": "shopper@example.com"},
        "line_items": [
            {
                "id": line.id,
                "admin_graphql_api_id": gid("LineItem", line.id),
                "variant_id": line.item_id if line.item_id in shop.items else None,
                "quantity": line.units,
                "price": price_text(
                    shop.items[line.item_id].price_minor if line.item_id in shop.items else 0, shop.currency
                ),
                "discount_allocations": [],
                "tax_lines": [],
                "current_quantity": 0 if cancelled else line.units - int(removed.get(str(line.id), 0)),
                "fulfillable_quantity": 0 if cancelled else unfulfilled(one, line),
            }
            for line in one.lines
        ],
    }
