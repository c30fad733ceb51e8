"""What is on its way to the shop's shelves: shipments in transit of transfers that are under way.

A transfer says where to, a shipment says what, how many and when. Shopify has no filter by change for either,
but it has one by status, and few are open at a time: all of those are read each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.stores.shopify.catalogue import moment, nodes
from adapters.stores.shopify.client import ShopifyClient
from connector.ports.incoming import StoreIncoming

SCOPES = ("read_inventory_shipments", "read_inventory_transfers")
# 60 × (3 + 12) = 900 points; a transfer with more shipments is read on by itself.
TRANSFERS_PAGE = 60
SHIPMENTS_OF_TRANSFER = 12
# 8 × (2 + 60 × 2) = 976 points; a shipment with more lines is read on by itself.
SHIPMENTS_PAGE = 8
LINES = 60
LONG_PAGE = 250
# A shipment under way belongs to a transfer in one of these; Shopify keeps those of a cancelled one.
OPEN_TRANSFERS = ("IN_PROGRESS", "READY_TO_SHIP")
ON_ITS_WAY = ("IN_TRANSIT", "PARTIALLY_RECEIVED")


def on_its_way(client: ShopifyClient, places: frozenset[str]) -> Iterator[list[StoreIncoming]]:
    """Pages of the units on their way to `places` (ids of locations)."""
    destinations = _destinations(client, places)
    if not destinations:
        return
    asked = {"first": SHIPMENTS_PAGE, "lines": LINES, "query": _any_of(ON_ITS_WAY)}
    for shipment in nodes(client, "ShipmentsOpen", "inventoryShipments", asked):
        place = destinations.get(shipment["id"])
        if place is None or shipment["status"] not in ON_ITS_WAY:
            continue
        page = [
            one for line in _lines(client, shipment) if (one := _incoming(shipment, line, place)) is not None
        ]
        if page:
            yield page


def _destinations(client: ShopifyClient, places: frozenset[str]) -> dict[str, str]:
    """Shipment → location, for the open transfers to `places`."""
    asked = {
        "first": TRANSFERS_PAGE,
        "shipments": SHIPMENTS_OF_TRANSFER,
        "query": _any_of(OPEN_TRANSFERS),
    }
    found = {}
    for transfer in nodes(client, "TransfersOpen", "inventoryTransfers", asked):
        # A location that was deleted since has a name left and no more.
        place = ((transfer["destination"] or {}).get("location") or {}).get("id")
        if place not in places or transfer["status"] not in OPEN_TRANSFERS:
            continue
        shipments = transfer["shipments"]
        while True:
            found.update({one["id"]: place for one in shipments["nodes"]})
            if not shipments["pageInfo"]["hasNextPage"]:
                break
            more = {"id": transfer["id"], "first": LONG_PAGE, "after": shipments["pageInfo"]["endCursor"]}
            again = client.query("TransferShipments", more)["inventoryTransfer"]
            if again is None:
                break  # deleted meanwhile
            shipments = again["shipments"]
    return found


def _lines(client: ShopifyClient, shipment: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    lines = shipment["lineItems"]
    while lines is not None:
        yield from lines["nodes"]
        if not lines["pageInfo"]["hasNextPage"]:
            return
        more = {"id": shipment["id"], "first": LONG_PAGE, "after": lines["pageInfo"]["endCursor"]}
        again = client.query("ShipmentLines", more)["inventoryShipment"]
        lines = None if again is None else again["lineItems"]


def _incoming(shipment: Mapping[str, Any], line: Mapping[str, Any], place: str) -> StoreIncoming | None:
    """None for what has arrived whole, and for an item that was deleted."""
    item, units = line["inventoryItem"], int(line["unreceivedQuantity"])
    if item is None or units <= 0:
        return None
    arrives_at = (shipment["tracking"] or {}).get("arrivesAt")
    return StoreIncoming(
        reference=line["id"],
        name=shipment["name"],
        stock_id=item["id"],
        location_id=place,
        units=units,
        arrives_at=moment(arrives_at) if arrives_at else None,
    )


def _any_of(statuses: tuple[str, ...]) -> str:
    return " OR ".join(f"status:{one.lower()}" for one in statuses)
