"""Business Central as a source of stock: what to ask, and what the answers mean.

`items.inventory` is one number over all locations, in the item's base unit, and nothing in the API v2.0 knows
stock by location; so locations are summed up from the open item ledger entries of a published page, which is
what `inventory` is made of too. What customers have ordered and not been sent is taken off, whatever the order's
status, as Business Central's own “Qty. on Sales Order” counts it. On order is what released purchase orders
have not received: drafts are not counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from adapters.kit.canonical import StockRow, fields
from adapters.kit.erp import day, number, open_line, unknown
from adapters.suppliers.business_central.client import ADAPTER, BusinessCentral, Record
from connector.ports.errors import NotFound, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming

_NO = Decimal(0)
_NOWHERE = "00000000-0000-0000-0000-000000000000"
_ITEMS = {
    "$filter": "type eq 'Inventory' and blocked eq false",
    "$select": "id,number,displayName,gtin,inventory,baseUnitOfMeasureCode,unitCost",
}
_SALES = {"$filter": "fullyShipped eq false", "$expand": "salesOrderLines"}
_ORDERS = {"$filter": "fullyReceived eq false", "$expand": "purchaseOrderLines"}
_RELEASED = "Open"
"""What the API calls an order that was released; one that was not is a “Draft”."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the merchant chose. `locations` are codes, empty: all together as one number. `ledger` and `units`
    are names of published web services; no `units`: lines in other units than the item's are not understood."""

    is_available: bool = True
    code: Literal["number", "gtin"] = "number"
    locations: tuple[str, ...] = ()
    ledger: str = "ItemLedgerEntries"
    units: str = ""
    reads_incoming: bool = True


@dataclass(slots=True)
class _Known:
    """What lines refer to: items by id, locations' codes by id, units of an item that are not its own."""

    items: dict[str, Record]
    places: dict[str, str]
    units: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    def factor(self, line: Record) -> Decimal | None:
        """How many of the item's own unit one of the line's is; None where that is not known."""
        item = self.items[str(line["itemId"])]
        unit = str(line.get("unitOfMeasureCode") or "")
        if not unit or unit == item["baseUnitOfMeasureCode"]:
            return Decimal(1)
        return self.units.get((str(item["number"]), unit))

    def place(self, line: Record) -> str:
        return self.places.get(str(line.get("locationId") or _NOWHERE), "")


class BusinessCentralStock:
    """See `adapters.kit.live.LiveApi`."""

    def __init__(self, central: BusinessCentral, choices: Choices) -> None:
        self.name = ADAPTER
        self.subject = central.subject
        self.reads_incoming = choices.reads_incoming
        self.fields = fields(
            "sku" if choices.code == "number" else "gtin",
            "quantity",
            "cost",
            *(("location",) if choices.locations else ()),
        )
        self._central = central
        self._choices = choices

    def check(self) -> str:
        """Finds the company, counts items; raises Misconfigured for a choice that is not there."""
        count, _ = self._central.newest("items", "number", {"$filter": _ITEMS["$filter"]})
        places = self._places()
        told = f"{self._central.company()['name']} was found: {count:,} items with stock"
        told += f", locations {', '.join(sorted(places.values())[:20])}." if places else "."
        for place in self._choices.locations[:1]:
            next(self._entries(place), None)
        if self._choices.units:
            next(self._units(), None)
        if self._choices.is_available:
            self._central.some("salesOrders", {**_SALES, "$top": "1"})
        if self.reads_incoming:
            try:
                self._readable(lambda: self._central.some("purchaseOrders", {**_ORDERS, "$top": "1"}))
            except Unsupported:
                told += " This app may not read what is on order, so it gives no restock dates."
            else:
                if not self._choices.units:
                    told += " Order lines in other units than the item's own are left out."
        return told

    def change_mark(self) -> str:
        """The number of the newest item ledger entry and the newest change of an item, if all inventory is what
        counts; "" where open sales orders count too: whether a line changed, no cheap question tells."""
        if self._choices.is_available:
            return ""
        seen = [
            self._central.newest("itemLedgerEntries", "entryNumber", {"$select": "entryNumber"}),
            self._central.newest("items", "lastModifiedDateTime", {"$select": "id,lastModifiedDateTime"}),
        ]
        return hashlib.sha256(json.dumps(seen, default=str, sort_keys=True).encode()).hexdigest()[:32]

    def rows(self) -> Iterator[StockRow]:
        """Every inventory item that is not blocked, once for each chosen location."""
        places = self._places()
        self._check_locations(places)
        items = {str(one["id"]): one for one in self._central.all("items", _ITEMS)}
        ordered = self._ordered(_Known(items, places, self._factors()))
        if not self._choices.locations:
            for id_, one in items.items():
                yield self._row(one, "", number(one["inventory"]), ordered.get((id_, "")))
            return
        for place in self._choices.locations:
            held: dict[str, Decimal] = defaultdict(Decimal)
            for entry in self._entries(place):
                held[str(entry["Item_No"])] += number(entry["Remaining_Quantity"]) or _NO
            for id_, one in items.items():
                yield self._row(one, place, held[str(one["number"])], ordered.get((id_, place)))

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Open lines of released purchase orders; Unsupported where the app may not read them."""
        places = self._places()
        self._check_locations(places)
        orders = self._readable(lambda: list(self._central.all("purchaseOrders", _ORDERS)))
        items = {str(one["id"]): one for one in self._central.all("items", _ITEMS)} if orders else {}
        known = _Known(items, places, self._factors() if orders else {})
        for order in orders:
            if order["status"] == _RELEASED:
                lines = order.get("purchaseOrderLines") or ()
                yield [told for line in lines for told in self._line(order, line, known)]

    def _line(self, order: Record, line: Record, known: _Known) -> list[SupplierIncoming]:
        item, place = known.items.get(str(line.get("itemId"))), known.place(line)
        if item is None or (self._choices.locations and place not in self._choices.locations):
            return []
        factor = known.factor(line)
        if factor is None:
            return []
        left = ((number(line["quantity"]) or _NO) - (number(line["receivedQuantity"]) or _NO)) * factor
        at = day(line["expectedReceiptDate"]) or day(order.get("requestedReceiptDate"))
        where = place if self._choices.locations else ""
        return open_line(
            str(line["id"]), str(order["number"]), str(item[self._choices.code] or ""), left, at, where
        )

    def _row(
        self, one: Record, place: str, there: Decimal | None, ordered: Decimal | Literal["unknown"] | None
    ) -> StockRow:
        # A number that leaves out an order in a unit nobody can convert would be too high: it is not known.
        quantity = None if ordered == "unknown" or there is None else there - (ordered or _NO)
        return StockRow(
            id=str(one["id"]),
            sku=str(one["number"] or ""),
            gtin=str(one["gtin"] or ""),
            name=str(one["displayName"] or ""),
            quantity=quantity,
            cost=number(one["unitCost"]),
            location=place,
            unit=str(one["baseUnitOfMeasureCode"] or ""),
        )

    def _ordered(self, known: _Known) -> Mapping[tuple[str, str], Decimal | Literal["unknown"]]:
        """By item and location ("" for all together): what customers ordered and were not sent."""
        found: dict[tuple[str, str], Decimal | Literal["unknown"]] = {}
        if not self._choices.is_available:
            return found
        for order in self._central.all("salesOrders", _SALES):
            for line in order.get("salesOrderLines") or ():
                id_ = str(line.get("itemId"))
                left = (number(line.get("quantity")) or _NO) - (number(line.get("shippedQuantity")) or _NO)
                if id_ not in known.items or left <= 0:
                    continue
                factor = known.factor(line)
                key = (id_, known.place(line) if self._choices.locations else "")
                before = found.get(key, _NO)
                found[key] = (
                    "unknown" if factor is None or before == "unknown" else Decimal(before) + left * factor
                )
        return found

    def _places(self) -> dict[str, str]:
        return {
            str(one["id"]): str(one["code"])
            for one in self._central.all("locations", {"$select": "id,code,displayName"})
        }

    def _check_locations(self, places: Mapping[str, str]) -> None:
        for wanted in self._choices.locations:
            if wanted not in places.values():
                raise unknown(ADAPTER, self.subject, "locations", wanted, places.values())

    def _entries(self, place: str) -> Iterator[Record]:
        quoted = place.replace("'", "''")
        params = {
            "$filter": f"Open eq true and Location_Code eq '{quoted}'",
            "$select": "Entry_No,Item_No,Location_Code,Remaining_Quantity",
        }
        return self._central.service(self._choices.ledger, params, "ledger", "page 38 (Item Ledger Entries)")

    def _units(self) -> Iterator[Record]:
        params = {"$select": "Item_No,Code,Qty_per_Unit_of_Measure"}
        return self._central.service(
            self._choices.units, params, "units", "page 5404 (Item Units of Measure)"
        )

    def _factors(self) -> dict[tuple[str, str], Decimal]:
        if not self._choices.units:
            return {}
        return {
            (str(one["Item_No"]), str(one["Code"])): factor
            for one in self._units()
            if (factor := number(one["Qty_per_Unit_of_Measure"]))
        }

    def _readable(self, read: Callable[[], list[Record]]) -> list[Record]:
        try:
            return read()
        except (Unauthorized, NotFound) as exc:
            raise Unsupported(
                ADAPTER,
                "what is on order",
                "This app may not read purchase orders.",
                "In Business Central, open Microsoft Entra Applications and give it a permission set that may.",
            ) from exc
