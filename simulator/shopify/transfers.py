"""Inventory transfers and shipments: what is on its way from a supplier or between locations.

A transfer goes DRAFT → READY_TO_SHIP → IN_PROGRESS → TRANSFERRED, or CANCELED; a shipment of it DRAFT →
IN_TRANSIT → PARTIALLY_RECEIVED → RECEIVED. Only what a shop's own people do is here, the app reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.shopify.model import gid, number_of, stamp
from simulator.shopify.search import connection, matcher

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

READ_TRANSFERS, READ_SHIPMENTS = "read_inventory_transfers", "read_inventory_shipments"


@dataclass
class SimShipmentLine:
    id: int
    item_id: int
    units: int
    received: int = 0


@dataclass
class SimShipment:
    """One parcel of a transfer. `arrives_at` is None where nobody entered when it is expected."""

    id: int
    name: str
    transfer_id: int
    lines: list[SimShipmentLine]
    arrives_at: datetime | None = None
    status: str = "IN_TRANSIT"


@dataclass
class SimTransfer:
    """A transfer to one location; its shipments are in the order in which they were made."""

    id: int
    name: str
    location_id: int
    status: str = "IN_PROGRESS"
    shipments: list[SimShipment] = field(default_factory=list)


class Transfers:
    """The transfers of one shop, the shop's own work on them, and the queries that show them."""

    def __init__(self, server: ShopifyServer) -> None:
        self._server = server
        self._shop = server.shop
        self.all: dict[int, SimTransfer] = {}

    # ------------------------------------------------------------ the shop's own work

    def start(self, location_id: int | None = None, status: str = "IN_PROGRESS") -> SimTransfer:
        """A new transfer to a location, the online one unless named."""
        with self._shop.lock:
            number = self._shop.new_id()
            name = f"#T{len(self.all) + 1:04}"
            transfer = SimTransfer(number, name, location_id or self._server.levels.online_id, status)
            self.all[number] = transfer
        return transfer

    def ship(
        self,
        units: dict[int, int],
        arrives_at: datetime | None,
        *,
        to: SimTransfer | None = None,
        location_id: int | None = None,
        status: str = "IN_TRANSIT",
    ) -> SimShipment:
        """Send item id → units on their way, with a transfer `to` which they belong, a new one by default."""
        transfer = to or self.start(location_id)
        with self._shop.lock:
            name = f"{transfer.name}-{len(transfer.shipments) + 1}"
            lines = [SimShipmentLine(self._shop.new_id(), item, count) for item, count in units.items()]
            shipment = SimShipment(self._shop.new_id(), name, transfer.id, lines, arrives_at, status)
            transfer.shipments.append(shipment)
        self._tell("INVENTORY_SHIPMENTS_CREATE", shipment)
        return shipment

    def expect(self, shipment: SimShipment, arrives_at: datetime | None) -> None:
        """The carrier names another day."""
        shipment.arrives_at = arrives_at
        self._tell("INVENTORY_SHIPMENTS_UPDATE_TRACKING", shipment)

    def receive(self, shipment: SimShipment, units: int | None = None) -> None:
        """Put what arrived on the shelf: all that is missing, or so many units of each line."""
        transfer = self.all[shipment.transfer_id]
        for line in shipment.lines:
            with self._shop.lock:
                arrived = min(line.units - line.received, line.units if units is None else units)
                line.received += arrived
                item = self._shop.items[line.item_id]
                there = self._server.levels.get(item, transfer.location_id)
            if arrived:
                self._server.levels.set(item, transfer.location_id, there + arrived, "shop")
        is_whole = all(line.received == line.units for line in shipment.lines)
        shipment.status = "RECEIVED" if is_whole else "PARTIALLY_RECEIVED"
        if all(one.status == "RECEIVED" for one in transfer.shipments):
            transfer.status = "TRANSFERRED"
        self._tell("INVENTORY_SHIPMENTS_RECEIVE_ITEMS", shipment)

    def cancel(self, transfer: SimTransfer) -> None:
        """Nothing of it comes any more; its shipments stay as they were."""
        transfer.status = "CANCELED"
        if self._server.webhooks.wants("INVENTORY_TRANSFERS_CANCEL"):
            body = {"id": transfer.id, "admin_graphql_api_id": gid("InventoryTransfer", transfer.id)}
            self._server.webhooks.emit("INVENTORY_TRANSFERS_CANCEL", body)

    def _tell(self, topic: str, shipment: SimShipment) -> None:
        if self._server.webhooks.wants(topic):
            body = {
                "admin_graphql_api_id": gid("InventoryShipment", shipment.id),
                "inventory_transfer_id": gid("InventoryTransfer", shipment.transfer_id),
                "line_items": [],
            }
            self._server.webhooks.emit(topic, body)

    # ------------------------------------------------------------ queries

    def root(self) -> dict[str, Callable[..., Any]]:
        return {
            "inventoryTransfers": self._transfers,
            "inventoryTransfer": lambda info, id: self._one_transfer(id),
            "inventoryShipments": self._shipments,
            "inventoryShipment": lambda info, id: self._one_shipment(id),
        }

    def _each_shipment(self) -> Iterator[SimShipment]:
        for transfer in self.all.values():
            yield from transfer.shipments

    def _transfers(
        self, info: Any, first: int | None = None, after: str | None = None, **rest: Any
    ) -> dict[str, Any]:
        self._server.queries.needs(READ_TRANSFERS, "inventoryTransfers")
        wanted = matcher(rest.get("query"), {"status": lambda one: one.status.lower()})
        with self._shop.lock:
            found = [one for _, one in sorted(self.all.items()) if wanted(one)]
        return connection(found, lambda one: one.id, self._transfer, first, after)

    def _shipments(
        self, info: Any, first: int | None = None, after: str | None = None, **rest: Any
    ) -> dict[str, Any]:
        self._server.queries.needs(READ_SHIPMENTS, "inventoryShipments")
        wanted = matcher(rest.get("query"), {"status": lambda one: one.status.lower()})
        with self._shop.lock:
            found = sorted((one for one in self._each_shipment() if wanted(one)), key=lambda one: one.id)
        return connection(found, lambda one: one.id, self._shipment, first, after)

    def _one_transfer(self, global_id: str) -> dict[str, Any] | None:
        self._server.queries.needs(READ_TRANSFERS, "inventoryTransfer")
        found = self.all.get(number_of(global_id, "InventoryTransfer") or 0)
        return None if found is None else self._transfer(found)

    def _one_shipment(self, global_id: str) -> dict[str, Any] | None:
        self._server.queries.needs(READ_SHIPMENTS, "inventoryShipment")
        number = number_of(global_id, "InventoryShipment")
        found = next((one for one in self._each_shipment() if one.id == number), None)
        return None if found is None else self._shipment(found)

    def _transfer(self, one: SimTransfer) -> dict[str, Any]:
        place = self._server.levels.locations.get(one.location_id)

        def shipments(info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> Any:
            self._server.queries.needs(READ_SHIPMENTS, "shipments")
            return connection(one.shipments, lambda ship: ship.id, self._shipment, first, after)

        return {
            "__typename": "InventoryTransfer",
            "id": gid("InventoryTransfer", one.id),
            "name": one.name,
            "status": one.status,
            "referenceName": None,
            "origin": None,
            # The name is kept when the location itself is deleted.
            "destination": {
                "name": place.name if place else "Closed",
                "location": self._server.objects.location(place) if place else None,
            },
            "shipments": shipments,
        }

    def _shipment(self, one: SimShipment) -> dict[str, Any]:
        def lines(info: Any, first: int | None = None, after: str | None = None, **rest: Any) -> Any:
            return connection(one.lines, lambda line: line.id, self._line, first, after)

        return {
            "__typename": "InventoryShipment",
            "id": gid("InventoryShipment", one.id),
            "name": one.name,
            "status": one.status,
            "dateShipped": None,
            "tracking": {"arrivesAt": stamp(one.arrives_at)} if one.arrives_at else None,
            "lineItems": lines,
        }

    def _line(self, line: SimShipmentLine) -> dict[str, Any]:
        item = self._shop.items.get(line.item_id)
        return {
            "id": gid("InventoryShipmentLineItem", line.id),
            "quantity": line.units,
            "unreceivedQuantity": line.units - line.received,
            "inventoryItem": self._server.objects.inventory_item(item) if item else None,
        }
