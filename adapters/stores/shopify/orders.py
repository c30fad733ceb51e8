"""Orders as far as stock goes, from the API and from webhooks; nobody's name is asked for or kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.stores.shopify.catalogue import moment
from adapters.stores.shopify.client import ShopifyClient
from connector.ports.stores import StoreOrder, StoreOrderLine

# 20 × (1 + 20 × 2) = 820 points; an order with more lines is read on by itself.
PAGE = 20
LINES = 20
MORE_LINES = 250


def changed_orders(client: ShopifyClient, since: datetime) -> Iterator[list[StoreOrder]]:
    """Pages of orders changed at or after `since`, oldest change first."""
    at = since.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
    after = None
    while True:
        asked = {"first": PAGE, "after": after, "query": f"updated_at:>='{at}'", "lines": LINES}
        data = client.query("OrdersPage", asked)["orders"]
        page = [_order(client, node) for node in data["nodes"]]
        if page:
            yield page
        if not data["pageInfo"]["hasNextPage"]:
            return
        after = data["pageInfo"]["endCursor"]


def _order(client: ShopifyClient, node: Mapping[str, Any]) -> StoreOrder:
    lines = list(node["lineItems"]["nodes"])
    page = node["lineItems"]["pageInfo"]
    while page["hasNextPage"]:
        asked = {"id": node["id"], "first": MORE_LINES, "after": page["endCursor"]}
        found = client.query("OrderLines", asked)["order"]
        if found is None:
            break  # deleted meanwhile
        lines += found["lineItems"]["nodes"]
        page = found["lineItems"]["pageInfo"]
    holds = node["cancelledAt"] is None
    return StoreOrder(
        order_id=node["id"],
        placed_at=moment(node["createdAt"]),
        updated_at=moment(node["updatedAt"]),
        holds_stock=holds,
        lines=tuple(
            StoreOrderLine(
                line_id=line["id"],
                external_id=line["variant"]["id"],
                # currentQuantity is ordered minus refunded and removed.
                units=line["currentQuantity"] if holds else 0,
                # Shopify takes an order's units off the number when it is placed.
                taken=line["quantity"],
                shipped=max(0, line["currentQuantity"] - line["unfulfilledQuantity"]) if holds else 0,
            )
            for line in lines
            if line["variant"] is not None  # a custom line, or a variant deleted since
        ),
    )


def order_of_webhook(body: Mapping[str, Any]) -> StoreOrder:
    """The order in the body of an orders/* webhook; raises KeyError, TypeError or ValueError when it is not
    one."""
    holds = body["cancelled_at"] is None
    lines = []
    for line in body["line_items"]:
        if line.get("variant_id") is None:
            continue
        units = int(line["current_quantity"] if "current_quantity" in line else line["quantity"])
        lines.append(
            StoreOrderLine(
                line_id=f"gid://shopify/LineItem/{int(line['id'])}",
                external_id=f"gid://shopify/ProductVariant/{int(line['variant_id'])}",
                units=units if holds else 0,
                taken=int(line["quantity"]),
                shipped=max(0, units - int(line.get("fulfillable_quantity", units))) if holds else 0,
            )
        )
    return StoreOrder(
        order_id=f"gid://shopify/Order/{int(body['id'])}",
        placed_at=moment(body["created_at"]).astimezone(UTC),
        updated_at=moment(body["updated_at"]).astimezone(UTC),
        holds_stock=holds,
        lines=tuple(lines),
    )
