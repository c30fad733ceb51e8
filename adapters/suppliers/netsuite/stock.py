"""NetSuite as a source of stock: what to ask, and what the answers mean.

Stock by item and location is `aggregateItemLocation`, which knows assemblies and items with lots or serial
numbers too (`inventoryItemLocations` does not). `quantityAvailable` is on hand less what is committed to orders.
SuiteQL tells quantities in the base unit of an item's units type, on stock and on order lines alike, so nothing is
converted. Joins and sums over these tables are slow or fail on large accounts: items are read in ranges of their
ids, and the stock of each range after it.
"""

# What is put into the queries are names of columns and numbers of our own, nothing that anybody entered.
# ruff: noqa: S608

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from adapters.kit.canonical import StockRow, fields
from adapters.kit.erp import day, number, open_line, unknown
from adapters.kit.paging import by_key
from adapters.suppliers.netsuite.client import ADAPTER, PAGE, NetSuite, Record
from connector.ports.errors import Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming

RANGE = PAGE
"""Items whose stock is asked for at once."""
_NO = Decimal(0)
_EXPECTED = {"B", "D", "E"}
"""Pending receipt, partially received, and pending billing while partially received."""
_STOCKED = "isinactive = 'F' AND itemtype IN ('InvtPart', 'Assembly')"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the merchant chose. `locations` are names, empty: all active ones together as one number."""

    is_available: bool = True
    code: Literal["itemid", "upccode"] = "itemid"
    locations: tuple[str, ...] = ()
    reads_incoming: bool = True


class NetSuiteStock:
    """See `adapters.kit.live.LiveApi`."""

    def __init__(self, netsuite: NetSuite, choices: Choices) -> None:
        self.name = ADAPTER
        self.subject = netsuite.subject
        self.reads_incoming = choices.reads_incoming
        self.fields = fields(
            "sku" if choices.code == "itemid" else "gtin",
            "quantity",
            *(("location",) if choices.locations else ()),
        )
        self._netsuite = netsuite
        self._choices = choices

    def check(self) -> str:
        """Signs in, counts items and names the locations; raises Misconfigured for one that is not there."""
        count = self._netsuite.page(
            f"SELECT id FROM item WHERE {_STOCKED} ORDER BY id", "the items", limit=1
        ).total
        places = ", ".join(sorted(self._places().values())[:20])
        self._netsuite.page(self._stock("item >= 0"), "the stock", limit=1)
        told = f"NetSuite was found: {count or 0:,} items with stock, locations {places}."
        if self.reads_incoming:
            try:
                self._netsuite.page(self._lines(0), "what is on order", limit=1)
            except Unauthorized:
                told += " This role may not read what is on order, so it gives no restock dates."
        return told

    def change_mark(self) -> str:
        """NetSuite stamps changes of stock by the day, which is too coarse to tell."""
        return ""

    def rows(self) -> Iterator[StockRow]:
        """Every active inventory item and assembly, once for each chosen location that knows it."""
        places = self._places()
        found: list[Record] = []
        for item in by_key(self._items, _id, first=0, adapter=ADAPTER, subject="the items"):
            found.append(item)
            if len(found) >= RANGE:
                yield from self._range(found, places)
                found = []
        if found:
            yield from self._range(found, places)

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Open lines of approved purchase orders; Unsupported where the role may not read them."""
        places = self._places()
        try:
            lines = list(
                by_key(
                    lambda last: self._netsuite.page(self._lines(last), "what is on order").items,
                    lambda one: int(one["key"]),
                    first=0,
                    adapter=ADAPTER,
                    subject="what is on order",
                )
            )
        except Unauthorized as exc:
            raise Unsupported(ADAPTER, "what is on order", exc.cause, exc.remedy) from exc
        yield [told for one in lines for told in self._line(one, places)]

    def _line(self, one: Record, places: Mapping[str, str]) -> list[SupplierIncoming]:
        # “PurchOrd:B” in some accounts, “B” in others.
        if str(one.get("status", "")).rpartition(":")[2] not in _EXPECTED or one.get("dropship") == "T":
            return []
        place = places.get(str(one.get("location", "")), "")
        if one.get("location") and not place:
            return []
        left = (number(one.get("quantity")) or _NO) - (number(one.get("received")) or _NO)
        where = place if self._choices.locations else ""
        code = str(one.get("code") or "")
        return open_line(
            str(one["key"]), str(one.get("tranid") or ""), code, left, day(one.get("expected")), where
        )

    def _range(self, items: list[Record], places: Mapping[str, str]) -> Iterator[StockRow]:
        """The stock of items whose ids follow each other."""
        asked = f"item >= {_id(items[0])} AND item <= {_id(items[-1])}"
        held: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        seen = set[int]()
        for one in self._netsuite.query(self._stock(asked), "the stock"):
            seen.add(int(one["item"]))
            if place := places.get(str(one.get("location", ""))):
                # A row without a number is one of nothing: what is null is left out.
                units = number(one.get("quantity")) or _NO
                held[int(one["item"])][place if self._choices.locations else ""] += units
        for item in items:
            # An item that is elsewhere only is none here. No row at all is another thing: the role may not
            # see where the item is.
            nothing = next(iter(places.values()), "") if self._choices.locations else ""
            missing: dict[str, Decimal | None] = {nothing: _NO if _id(item) in seen else None}
            for place, quantity in (held.get(_id(item)) or missing).items():
                yield StockRow(
                    id=str(_id(item)),
                    sku=str(item.get("itemid") or ""),
                    gtin=str(item.get("upccode") or ""),
                    name=str(item.get("displayname") or ""),
                    quantity=quantity,
                    location=place,
                )

    def _items(self, last: int) -> list[Record]:
        code = ", upccode" if self._choices.code == "upccode" else ""
        sql = f"SELECT id, itemid, displayname{code} FROM item WHERE {_STOCKED} AND id > {last} ORDER BY id"
        return list(self._netsuite.page(sql, "the items").items)

    def _stock(self, where: str) -> str:
        quantity = "quantityavailable" if self._choices.is_available else "quantityonhand"
        return (
            f"SELECT item, location, {quantity} AS quantity FROM aggregateitemlocation "
            f"WHERE {where} ORDER BY item, location"
        )

    def _lines(self, last: int) -> str:
        return (
            f"SELECT tl.uniquekey AS key, t.tranid AS tranid, t.status AS status, i.{self._choices.code} AS code, "
            "tl.location AS location, tl.quantity AS quantity, tl.quantityshiprecv AS received, "
            "tl.dropship AS dropship, TO_CHAR(tl.expectedreceiptdate, 'YYYY-MM-DD') AS expected "
            "FROM transaction t JOIN transactionline tl ON tl.transaction = t.id JOIN item i ON i.id = tl.item "
            "WHERE t.type = 'PurchOrd' AND tl.mainline = 'F' AND tl.taxline = 'F' AND tl.isclosed = 'F' "
            f"AND tl.quantity > NVL(tl.quantityshiprecv, 0) AND tl.uniquekey > {last} ORDER BY tl.uniquekey"
        )

    def _places(self) -> dict[str, str]:
        """Id → name of the locations that count: the chosen ones, else all that are active."""
        every = {
            str(one["id"]): str(one["name"])
            for one in self._netsuite.query(
                "SELECT id, name FROM location WHERE isinactive = 'F' ORDER BY id", "the locations"
            )
        }
        for wanted in self._choices.locations:
            if wanted not in every.values():
                raise unknown(ADAPTER, self.subject, "locations", wanted, every.values())
        return {
            id_: name for id_, name in every.items() if name in (self._choices.locations or every.values())
        }


def _id(one: Record) -> int:
    return int(one["id"])
