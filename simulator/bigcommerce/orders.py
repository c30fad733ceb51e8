"""V2 orders with their lines, the store's own description, and its inventory settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from simulator.bigcommerce.model import VARIANT_OFFSET
from simulator.bigcommerce.replies import ApiError, Reply, number
from simulator.shop import Order, Shop

STATUSES = {
    0: "Incomplete", 1: "Pending", 2: "Shipped", 3: "Partially Shipped", 4: "Refunded", 5: "Cancelled",
    6: "Declined", 7: "Awaiting Payment", 8: "Awaiting Pickup", 9: "Awaiting Shipment", 10: "Completed",
    11: "Awaiting Fulfillment", 12: "Manual Verification Required", 13: "Disputed", 14: "Partially Refunded",
}  # fmt: skip
_OF_SHOP = {"processing": 11, "pending": 7, "cancelled": 5, "completed": 10, "refunded": 4}
MOST = 250


class Orders:
    """Orders of `Shop`; `order.platform` may hold `status_id`, `refunded` (line id → units) and
    `pickup_location_id`."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def page(self, args: Mapping[str, str]) -> Reply:
        """V2: a bare list, 204 when nothing matches."""
        since = _moment(args.get("min_date_modified"))
        limit, page = number(args, "limit", 50), number(args, "page", 1)
        first = number(args, "min_id", 1)
        if limit > MOST:
            raise ApiError(400, f"The limit must not be above {MOST}.")
        with self.shop.lock:
            found = [
                order
                for _, order in sorted(self.shop.orders.items())
                if order.id >= first and (since is None or order.updated_at.replace(microsecond=0) >= since)
            ]
            shown = found[(page - 1) * limit : page * limit]
            rows = [self.render(order, args) for order in shown]
        return Reply(rows) if rows else Reply(None, 204)

    def one(self, order_id: int, args: Mapping[str, str]) -> Reply:
        with self.shop.lock:
            order = self.shop.orders.get(order_id)
            if order is None:
                return Reply([{"status": 404, "message": "The requested resource was not found."}], 404)
            return Reply(self.render(order, args))

    def status_id(self, order: Order) -> int:
        return int(order.platform.get("status_id", _OF_SHOP.get(order.status, 11)))

    def render(self, order: Order, args: Mapping[str, str]) -> dict[str, Any]:
        status_id = self.status_id(order)
        row: dict[str, Any] = {
            "id": order.id,
            "date_created": _rfc(order.created_at),
            "date_modified": _rfc(order.updated_at),
            "status_id": status_id,
            "status": STATUSES[status_id],
            "is_deleted": False,
            "items_total": sum(line.units for line in order.lines),
            "billing_address": {
                "first_name": "Jane",
                "email": order.platform.get("email", "jane@example.com"),
            },
            "currency_code": self.shop.currency,
            "customer_locale": order.platform.get("locale", "en"),
            "shipping_cost_inc_tax": f"{int(order.platform.get('shipping_minor', 0)) / 100:.4f}",
            "products": {"resource": f"/orders/{order.id}/products"},
        }
        include = set(args.get("include", "").split(","))
        if "consignments.line_items" in include and args.get("consignment_structure") == "object":
            lines, place = self._lines(order), order.platform.get("pickup_location_id")
            shipping = [] if place else [{"id": order.id, "line_items": lines}]
            pickups = [{"id": order.id, "location": {"id": place}, "line_items": lines}] if place else []
            row["consignments"] = {"pickups": pickups, "shipping": shipping, "downloads": [], "email": {}}
        return row

    def _lines(self, order: Order) -> list[dict[str, Any]]:
        refunded = order.platform.get("refunded", {})
        lines = []
        for line in order.lines:
            item = self.shop.items.get(line.item_id)
            lines.append(
                {
                    "id": line.id,
                    "order_id": order.id,
                    "product_id": item.product_id if item else 0,
                    "variant_id": line.item_id + VARIANT_OFFSET,
                    "sku": item.sku if item else "",
                    "type": "physical",
                    "quantity": line.units,
                    "total_inc_tax": f"{line.units * (item.price_minor if item else 0) / 100:.4f}",
                    "applied_discounts": [],
                    "quantity_shipped": order.platform.get("shipped", {}).get(line.id, 0),
                    "quantity_refunded": refunded.get(line.id, 0),
                }
            )
        return lines


def store(shop: Shop, store_hash: str, url: str, plan: str) -> dict[str, Any]:
    """GET /v2/store."""
    return {
        "id": store_hash,
        "name": shop.name,
        "domain": url.partition("://")[2],
        "secure_url": url,
        "status": "live",
        "currency": shop.currency,
        "decimal_places": 2,
        "language": "en",
        "plan_name": plan,
        "plan_level": plan,
        "default_channel_id": 1,
        "timezone": {"name": shop.timezone, "raw_offset": 3600},
        "features": {"stencil_enabled": True},
        "admin_email": "owner@example.com",
    }


INVENTORY_SETTINGS: dict[str, Any] = {
    "product_out_of_stock_behavior": "do_nothing",
    "option_out_of_stock_behavior": "do_nothing",
    "update_stock_behavior": "order_placed",
    "edit_order_stock_adjustment": True,
    "refund_order_stock_adjustment": True,
    "stock_level_display": "dont_show",
    "default_out_of_stock_message": "Currently out of stock",
}


def _rfc(at: datetime) -> str:
    return format_datetime(at.replace(microsecond=0))


def _moment(text: str | None) -> datetime | None:
    """RFC 2822 or ISO 8601, as V2 takes both."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError as exc:
            raise ApiError(400, "The field 'min_date_modified' is invalid.") from exc
    if at.tzinfo is None:
        raise ApiError(400, "The field 'min_date_modified' has no zone.")
    return at
