"""Fulfilment orders: where the lines of an order are taken from.

Every order starts at the location that sells online. Moving a line, or part of it, to another location moves what it
has committed: the number of the location it leaves rises, that of the other falls, as in Shopify.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simulator.shop import Order, OrderLine
from simulator.shopify.model import gid
from simulator.shopify.search import connection

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

SCOPE = "read_merchant_managed_fulfillment_orders"
Node = dict[str, Any]


class Fulfilment:
    """`order.platform["assigned"]` has line id → location id → units, as texts; nothing of a line that never moved."""

    def __init__(self, server: ShopifyServer) -> None:
        self._server = server

    def places_of(self, order: Order, line: OrderLine) -> dict[int, int]:
        """Location id → units of this line taken from there."""
        assigned: Mapping[str, int] | None = order.platform.get("assigned", {}).get(str(line.id))
        if assigned is None:
            return {self._server.levels.online_id: line.units}
        return {int(place): units for place, units in assigned.items() if units}

    def move(self, order: Order, line: OrderLine, location_id: int, units: int | None = None) -> None:
        """Take `units` of a line (all of it by default) from another location than now."""
        shop, levels = self._server.shop, self._server.levels
        with shop.lock:
            now = self.places_of(order, line)
            left = line.units if units is None else units
            item = shop.items[line.item_id]
            for place in sorted(now.keys() - {location_id}):
                moved = min(left, now[place])
                left -= moved
                now[place] -= moved
                now[location_id] = now.get(location_id, 0) + moved
                levels.set(item, place, levels.get(item, place) + moved, "shop")
                levels.set(item, location_id, levels.get(item, location_id) - moved, "shop")
            assigned = order.platform.setdefault("assigned", {})
            assigned[str(line.id)] = {str(place): count for place, count in now.items() if count}
        shop.record_order(order, by="shop")

    def shown(self, order: Order, info: Any, first: int | None, after: str | None) -> Node:
        """The connection `Order.fulfillmentOrders`: one for each location."""
        self._server.queries.needs(SCOPE, "fulfillmentOrders")
        parcels: dict[int, list[tuple[OrderLine, int]]] = {}
        for line in order.lines:
            for place, units in self.places_of(order, line).items():
                parcels.setdefault(place, []).append((line, units))
        return connection(
            sorted(parcels), lambda place: place, lambda place: self._parcel(order, place, parcels[place]),
            first, after,
        )  # fmt: skip

    def node(self, number: int) -> Node | None:
        """The fulfilment order of that number."""
        order = self._server.shop.orders.get(number // 100_000)
        if order is None:
            return None
        place = number % 100_000
        lines = [
            (line, units)
            for line in order.lines
            for at, units in self.places_of(order, line).items()
            if at == place
        ]
        return self._parcel(order, place, lines) if lines else None

    def _parcel(self, order: Order, place: int, lines: list[tuple[OrderLine, int]]) -> Node:
        location = self._server.levels.locations.get(place)
        objects = self._server.objects
        is_cancelled = order.status == "cancelled"

        def line_items(info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> Node:
            return connection(
                lines,
                lambda one: one[0].id,
                lambda one: {
                    "id": gid("FulfillmentOrderLineItem", one[0].id * 100_000 + place),
                    "totalQuantity": one[1],
                    "remainingQuantity": 0 if is_cancelled else one[1],
                    "lineItem": objects.line(order, one[0]),
                },
                first,
                after,
            )

        return {
            "__typename": "FulfillmentOrder",
            "id": gid("FulfillmentOrder", order.id * 100_000 + place),
            "status": "CANCELLED" if is_cancelled else "OPEN",
            "assignedLocation": {
                "name": location.name if location else "",
                "location": objects.location(location) if location else None,
            },
            "lineItems": line_items,
        }
