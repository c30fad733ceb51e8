"""Reads the orders that changed, by ascending id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.stores.bigcommerce.client import ADAPTER, PAGE, BigCommerceClient
from connector.ports.errors import Retryable, Unauthorized, Unsupported
from connector.ports.stores import StoreOrder

OVERLAP = timedelta(seconds=5)
"""Times are compared to the second, and rows are stamped before they are committed."""


def changed_orders(
    client: BigCommerceClient, changed_since: datetime, order: Callable[[dict[str, Any]], StoreOrder | None]
) -> Iterator[list[StoreOrder]]:
    """Pages of orders changed at or after `changed_since`, each made of its row by `order` (None: left out).
    Raises Unsupported without the scope."""
    query = {
        "min_date_modified": (changed_since.astimezone(UTC) - OVERLAP).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        "include": "consignments.line_items",
        "consignment_structure": "object",
        "sort": "id:asc",
        "limit": str(PAGE),
    }
    first = 1
    while True:
        try:
            # By id and not by page: an order changed meanwhile would move the ones behind it.
            rows = client.get("/v2/orders", {**query, "min_id": str(first)})
        except Unauthorized as exc:
            raise Unsupported(
                ADAPTER,
                f"store {client.store_hash}",
                "The app may not read orders.",
                "Grant the scope “Orders: read-only” by accepting the app again.",
            ) from exc
        if rows is None:
            return
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Retryable(ADAPTER, "GET /v2/orders", "The answer is not a list of orders.")
        found = [one for row in rows if (one := order(row)) is not None]
        if found:
            yield found
        if len(rows) < PAGE:
            return
        first = max(int(row["id"]) for row in rows) + 1
