"""Orders as far as stock goes, from the API and from webhooks; nobody's name is asked for or kept.

The API is asked for the mark that our own links leave (`customerJourneySummary`), and only of orders that bear one for
what their lines cost: prices of every line would pass the cost of a call. The customer's address is not asked for,
because one field that the shop does not grant fails the whole page; a webhook brings it where it is granted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.kit.marks import mark_in, mark_of
from adapters.kit.money import to_minor
from adapters.stores.shopify.catalogue import moment
from adapters.stores.shopify.client import ShopifyClient
from connector.ports.stores import StoreOrder, StoreOrderLine

# 20 × (1 + 5 + 20 × 2) = 920 points; an order with more lines is read on by itself.
PAGE = 20
LINES = 20
MORE_LINES = 250
VALUED_LINES = 50


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
    mark = _mark(node)
    currency, values = _values(client, node["id"]) if mark and holds else ("", {})
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
                value_minor=values.get(line["id"]),
            )
            for line in lines
            if line["variant"] is not None  # a custom line, or a variant deleted since
        ),
        currency=currency,
        click_mark=mark,
    )


def _mark(node: Mapping[str, Any]) -> str:
    """Our mark on the last visit before the order, else on the first one."""
    journey = node["customerJourneySummary"] or {}
    for visit in (journey.get("lastVisit"), journey.get("firstVisit")):
        said = (visit or {}).get("utmParameters") or {}
        if mark := mark_of(said.get("source"), said.get("campaign")):
            return mark
    return ""


def _values(client: ShopifyClient, order_id: str) -> tuple[str, dict[str, int]]:
    """The currency of an order, and what the present units of its first lines cost, by line id."""
    order = client.query("OrderValues", {"id": order_id, "first": VALUED_LINES})["order"]
    if order is None:
        return "", {}  # deleted meanwhile
    currency = str(order["currencyCode"])
    values = {}
    for line in order["lineItems"]["nodes"]:
        # Both are of the ordered quantity; discounts by code on the whole order are allocated to lines too.
        total = to_minor(line["discountedTotalSet"]["shopMoney"]["amount"], currency)
        if not order["taxesIncluded"]:
            total += sum(
                to_minor(tax["priceSet"]["shopMoney"]["amount"], currency) for tax in line["taxLines"]
            )
        values[line["id"]] = _share(total, line["currentQuantity"], line["quantity"])
    return currency, values


def _share(total_minor: int, units: int, of_units: int) -> int:
    """What `units` of a line that cost `total_minor` for `of_units` cost."""
    return round(total_minor * units / of_units) if of_units else 0


def order_of_webhook(body: Mapping[str, Any]) -> StoreOrder:
    """The order in the body of an orders/* webhook; raises KeyError, TypeError or ValueError when it is not
    one."""
    holds = body["cancelled_at"] is None
    currency = str(body.get("currency") or "")
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
                value_minor=_value_of(line, units, currency, bool(body.get("taxes_included"))),
            )
        )
    return StoreOrder(
        order_id=f"gid://shopify/Order/{int(body['id'])}",
        placed_at=moment(body["created_at"]).astimezone(UTC),
        updated_at=moment(body["updated_at"]).astimezone(UTC),
        holds_stock=holds,
        lines=tuple(lines),
        currency=currency,
        # Shopify leaves it empty for apps that the shop does not grant it to.
        contact=str(body.get("contact_email") or body.get("email") or ""),
        click_mark=mark_in(body.get("landing_site")),
    )


def _value_of(line: Mapping[str, Any], units: int, currency: str, is_taxed: bool) -> int | None:
    """What the present units of a webhook's line cost; None when it does not say."""
    try:
        quantity = int(line["quantity"])
        total = to_minor(line["price"], currency) * quantity
        total -= sum(to_minor(one["amount"], currency) for one in line.get("discount_allocations") or ())
        if not is_taxed:
            total += sum(to_minor(one["price"], currency) for one in line.get("tax_lines") or ())
    except (KeyError, TypeError, ValueError):
        return None
    return _share(total, units, quantity)
