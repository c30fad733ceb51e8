"""Zoho Inventory as a source of stock: what to ask, and what the answers mean.

Zoho counts twice: physical stock (`actual_…`) moves with receives and shipments, accounting stock with bills and
invoices. Available for sale is what is there less what is committed to orders. The list of items tells one number
over all locations; what is at each is in the items' details, which are asked for a hundred at a time. Locations
were called warehouses before, and are still so in organizations that have not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from adapters.kit.canonical import StockRow, fields
from adapters.kit.erp import day, number, open_line, unknown
from adapters.kit.paging import ListMoved
from adapters.suppliers.zoho_inventory.client import ADAPTER, Record, Zoho
from connector.ports.errors import Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming

AT_ONCE = 100
"""Items whose details are asked for in one call."""
NUMBERS = {
    "physical": "actual_available_for_sale_stock",
    "accounting": "available_for_sale_stock",
    "on_hand": "actual_available_stock",
}
"""From the merchant's choice to what Zoho calls it."""
_NO = Decimal(0)
_EXPECTED = {"issued", "open", "partially_received"}
_ACTIVE = {"filter_by": "Status.Active"}


@dataclass(frozen=True, slots=True)
class Choices:
    """What the merchant chose. `locations` are names, empty: all together as one number."""

    quantity: str = "physical"
    locations: tuple[str, ...] = ()
    reads_incoming: bool = True


class ZohoStock:
    """See `adapters.kit.live.LiveApi`."""

    def __init__(self, zoho: Zoho, choices: Choices) -> None:
        self.name = ADAPTER
        self.subject = zoho.subject
        self.reads_incoming = choices.reads_incoming
        self.fields = fields("sku", "quantity", *(("location",) if choices.locations else ()))
        self._zoho = zoho
        self._choices = choices

    def check(self) -> str:
        """Reads a few items with their locations; raises Misconfigured for one that is not there."""
        page = self._zoho.page("items", "items", _ACTIVE, size=AT_ONCE)
        ids = [str(one["item_id"]) for one in page.items if _is_stocked(one)]
        found = self._zoho.details(ids[:AT_ONCE]) if ids else []
        places = sorted({name for one in found for _, name, _ in _places(one)})
        if found:
            self._check_locations(places)
        more = " or more" if page.after else ""
        told = f"Zoho Inventory was found: {len(ids):,}{more} items with stock"
        told += f", locations {', '.join(places[:20])}." if places else "."
        if self.reads_incoming:
            try:
                self._zoho.page("purchaseorders", "purchaseorders", size=1)
            except Unauthorized:
                told += " This token may not read what is on order, so it gives no restock dates."
        return told

    def change_mark(self) -> str:
        """Zoho does not say whether an item's stamp follows its stock, so it is not asked."""
        return ""

    def rows(self) -> Iterator[StockRow]:
        """Every active item whose stock is tracked, once for each chosen location that knows it."""
        ids = [str(one["item_id"]) for one in self._zoho.all("items", "items", _ACTIVE) if _is_stocked(one)]
        if len(set(ids)) != len(ids):
            # An item that was added while the pages were read pushes others to the next one.
            raise ListMoved("an item was listed twice")
        seen = set[str]()
        for item in self._details(ids):
            places = {name: told for _, name, told in _places(item)}
            seen |= set(places)
            for place in self._choices.locations or ("",):
                told = places.get(place) if place else item
                if told is None:
                    continue
                yield StockRow(
                    id=str(item["item_id"]),
                    sku=str(item.get("sku") or ""),
                    gtin=str(item.get("ean") or item.get("upc") or ""),
                    name=str(item.get("name") or ""),
                    quantity=number(told.get(NUMBERS[self._choices.quantity])),
                    location=place,
                    unit=str(item.get("unit") or ""),
                )
        if ids:
            self._check_locations(seen)

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Open lines of issued purchase orders; Unsupported where the token may not read them."""
        try:
            found = list(self._zoho.all("purchaseorders", "purchaseorders"))
        except Unauthorized as exc:
            raise Unsupported(ADAPTER, "what is on order", exc.cause, exc.remedy) from exc
        ids = [
            str(one["purchaseorder_id"]) for one in found if str(one.get("status", "")).lower() in _EXPECTED
        ]
        orders = [order for order in map(self._zoho.order, ids) if order.get("is_drop_shipment") is not True]
        names: dict[str, str] = {}
        if self._choices.locations:
            items = {str(line.get("item_id")) for order in orders for line in _lines(order)}
            names = {id_: name for item in self._details(sorted(items)) for id_, name, _ in _places(item)}
        yield [told for order in orders for line in _lines(order) for told in self._line(order, line, names)]

    def _line(self, order: Record, line: Record, names: dict[str, str]) -> list[SupplierIncoming]:
        # A line in another unit than the item's names its conversion, whose factor the order does not tell.
        if line.get("unit_conversion_id"):
            return []
        place = ""
        if self._choices.locations:
            ids = (one.get(key) for one in (line, order) for key in ("location_id", "warehouse_id"))
            place = names.get(next((str(id_) for id_ in ids if id_), ""), "")
            if place not in self._choices.locations:
                return []
        left = number(line.get("quantity")) or _NO
        for name in ("quantity_received", "quantity_cancelled"):
            left -= number(line.get(name)) or _NO
        at = day(order.get("expected_delivery_date")) or day(order.get("delivery_date"))
        code = str(line.get("sku") or "")
        name = str(order.get("purchaseorder_number") or "")
        return open_line(str(line["line_item_id"]), name, code, left, at, place)

    def _details(self, ids: list[str]) -> Iterator[Record]:
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            found = {str(one["item_id"]): one for one in self._zoho.details(some)}
            if set(found) != set(some):
                raise ListMoved("items went away between the list and their details")
            yield from (found[id_] for id_ in some)

    def _check_locations(self, known: Iterable[str]) -> None:
        names = set(known)
        for wanted in self._choices.locations:
            if wanted not in names:
                raise unknown(ADAPTER, self.subject, "locations", wanted, names)


def _is_stocked(one: Record) -> bool:
    """Only these are counted: others are services, or goods that nobody tracks."""
    return str(one.get("item_type", "")) == "inventory"


def _places(item: Record) -> list[tuple[str, str, Record]]:
    """(id, name, what it says) of each location of an item, whatever they are called."""
    for plural, word in (("locations", "location"), ("warehouses", "warehouse")):
        found = item.get(plural)
        if isinstance(found, list) and found:
            return [
                (
                    str(one.get(f"{word}_id")),
                    str(one.get(f"{word}_name")),
                    {key.removeprefix(f"{word}_"): value for key, value in one.items()},
                )
                for one in found
            ]
    return []


def _lines(order: Record) -> list[Record]:
    found = order.get("line_items")
    return found if isinstance(found, list) else []
