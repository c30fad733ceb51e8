"""Where the lines of an order are taken from: the location its fulfilment orders are assigned to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.stores.shopify.client import AccessDenied, ShopifyClient
from connector.ports.stores import StoreOrder, StoreOrderLine

SCOPE = "read_merchant_managed_fulfillment_orders"
# 5 × (3 + 20 × 2) = 215 points; an order in more parcels, and a parcel of more lines, is read on.
PARCELS = 5
LINES = 20
MORE_LINES = 250


def with_places(client: ShopifyClient, order: StoreOrder) -> StoreOrder:
    """The order with the locations of its lines, by one call for most orders. A line is left as it is where Shopify
    does not tell, as without the scope."""
    if not order.lines or not order.holds_stock:
        return order
    try:
        places = _places(client, order.order_id)
    except AccessDenied:
        return order
    lines = [part for line in order.lines for part in split_line(line, places.get(line.line_id, {}))]
    return replace(order, lines=tuple(lines))


def split_line(line: StoreOrderLine, places: Mapping[str, int]) -> list[StoreOrderLine]:
    """A line taken from one location or from several: `places` maps each to its units. What is wanted beyond them,
    because parts of the line were never assigned, goes to the first.

    The first location in the order of ids keeps the line's own id, the others have one of their own, so that the
    same order always gives the same lines.

    >>> [(one.line_id, one.units, one.location_id) for one in
    ...  split_line(StoreOrderLine("7", "v", 5), {"b": 2, "a": 3})]
    [('7', 3, 'a'), ('7@b', 2, 'b')]
    """
    found = sorted((place, units) for place, units in places.items() if units > 0)
    if not found:
        return [line]
    answer = []
    left, taken, shipped = line.units, line.taken, line.shipped
    for number, (place, units) in enumerate(found):
        is_last = number == len(found) - 1
        mine, was = min(left, units), taken if is_last else min(taken, units)
        sent = min(shipped, mine)
        left, taken, shipped = left - mine, taken - was, shipped - sent
        line_id = f"{line.line_id}@{place}" if number else line.line_id
        answer.append(replace(line, line_id=line_id, units=mine, taken=was, shipped=sent, location_id=place))
    if left:
        answer[0] = replace(answer[0], units=answer[0].units + left)
    return answer


def _places(client: ShopifyClient, order_id: str) -> dict[str, dict[str, int]]:
    """Line → location → units assigned to it."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    after = None
    while True:
        asked = {"id": order_id, "first": PARCELS, "after": after, "lines": LINES}
        order = client.query("OrderPlaces", asked)["order"]
        if order is None:
            return {}  # deleted meanwhile
        page = order["fulfillmentOrders"]
        for parcel in page["nodes"]:
            location = parcel["assignedLocation"]["location"]
            # What was cancelled is assigned anew by another one; a location may have been deleted.
            if parcel["status"] == "CANCELLED" or location is None:
                continue
            for line in _lines(client, parcel):
                found[line["lineItem"]["id"]][location["id"]] += int(line["totalQuantity"])
        if not page["pageInfo"]["hasNextPage"]:
            return {line: dict(places) for line, places in found.items()}
        after = page["pageInfo"]["endCursor"]


def _lines(client: ShopifyClient, parcel: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    lines = list(parcel["lineItems"]["nodes"])
    page = parcel["lineItems"]["pageInfo"]
    while page["hasNextPage"]:
        asked = {"id": parcel["id"], "first": MORE_LINES, "after": page["endCursor"]}
        found = client.query("PlaceLines", asked)["node"]
        if found is None:
            break  # gone meanwhile
        lines += found["lineItems"]["nodes"]
        page = found["lineItems"]["pageInfo"]
    return lines
