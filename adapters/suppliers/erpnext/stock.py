"""ERPNext as a source of stock: what to ask, and what the answers mean.

A Bin is one item in one warehouse, in the item's stock unit. The number is what is there (`actual_qty`) less what
open sales orders, work orders and subcontractors have reserved, unless the merchant chose all that is there.
What is on order is counted as ERPNext counts `ordered_qty`: lines of submitted orders that are neither closed nor
delivered to customers, (qty - received_qty) * conversion_factor; orders on hold are left out, for nobody
expects them.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters.kit.canonical import StockRow, fields
from adapters.kit.erp import day, number, open_line, unknown
from adapters.kit.paging import by_server_key
from adapters.suppliers.erpnext.client import ADAPTER, Frappe, Record
from connector.ports.errors import NotFound, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming

PAGE = 500
ORDERS_AT_ONCE = 50
"""Names of orders in one question: they go into its address, which is not to grow beyond 8 kB."""
NEWEST = 200
"""Of so many bins and items the newest are looked at to see whether anything changed."""
_STOCKED = (["is_stock_item", "=", 1], ["disabled", "=", 0], ["has_variants", "=", 0])
_RESERVED = ("reserved_qty", "reserved_qty_for_production", "reserved_qty_for_sub_contract")
_NO = Decimal(0)
Filters = Sequence[Sequence[Any]]
"""Conditions that hold all, [field, operator, value] each."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the merchant chose. No `warehouses`: all together as one number; `company` is a name, "" for any."""

    is_available: bool = True
    warehouses: tuple[str, ...] = ()
    company: str = ""
    reads_incoming: bool = True


class ErpnextStock:
    """See `adapters.kit.live.LiveApi`."""

    def __init__(self, frappe: Frappe, choices: Choices) -> None:
        self.name = ADAPTER
        self.subject = frappe.subject
        self.reads_incoming = choices.reads_incoming
        self.fields = fields(
            "sku", "quantity", "lead_time_days", *(("location",) if choices.warehouses else ())
        )
        self._frappe = frappe
        self._choices = choices

    def check(self) -> str:
        """Counts items and names the warehouses; raises Misconfigured for a choice that this site has not."""
        count = self._frappe.count("Item", _STOCKED)
        places = ", ".join(sorted(self._warehouses())[:20])
        self._frappe.list("Bin", [], self._bin_fields(), limit=1)
        told = f"ERPNext was found: {count:,} items with stock, warehouses {places}."
        if self.reads_incoming:
            try:
                self._orders(lambda: self._some_orders(""))
                self._orders(lambda: self._some_lines([["docstatus", "=", 1]], "", 1))
            except Unsupported:
                told += " This key may not read what is on order, so it gives no restock dates."
        return told

    def change_mark(self) -> str:
        """A digest of the newest bins and items and of how many there are: Frappe stamps `modified` on a bin
        when its numbers change, reserved ones too, and on an item when it is disabled."""
        looks: tuple[tuple[str, Filters, Sequence[str]], ...] = (
            ("Bin", (), (*self._bin_fields(), "modified")),
            ("Item", _STOCKED, ("name", "modified")),
        )
        seen: list[Any] = []
        for doctype, domain, names in looks:
            newest = self._frappe.list(doctype, domain, names, limit=NEWEST, order="modified desc, name desc")
            seen += [self._frappe.count(doctype, domain), newest]
        return hashlib.sha256(json.dumps(seen, default=str, sort_keys=True).encode()).hexdigest()[:32]

    def rows(self) -> Iterator[StockRow]:
        """Every enabled stock item that is no template, once for each chosen warehouse that knows it."""
        places = self._warehouses()
        items = {str(one["name"]): one for one in self._all("Item", _STOCKED, _ITEM)}
        held: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for one in self._all("Bin", (), self._bin_fields()):
            item, place = str(one["item_code"]), str(one["warehouse"])
            if item in items and place in places:
                held[item][place if self._choices.warehouses else ""] += self._quantity(one)
        # An item that never moved has no bin: there is none of it.
        nowhere = {next(iter(places)) if self._choices.warehouses else "": _NO}
        for code, told in items.items():
            days = number(told["lead_time_days"]) or _NO
            for place, quantity in (held.get(code) or nowhere).items():
                yield StockRow(
                    id=code,
                    sku=code,
                    name=str(told["item_name"] or ""),
                    quantity=quantity,
                    location=place,
                    unit=str(told["stock_uom"] or ""),
                    lead_time_days=int(days) or None,
                )

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Open lines of submitted purchase orders; Unsupported where the key may not read them."""
        places = self._warehouses()
        orders = self._orders(
            lambda: by_server_key(self._some_orders, _name, adapter=ADAPTER, subject="Purchase Order")
        )
        names = [str(one["name"]) for one in orders]
        for start in range(0, len(names), ORDERS_AT_ONCE):
            some = names[start : start + ORDERS_AT_ONCE]
            domain: Filters = [
                ["parent", "in", some],
                ["docstatus", "=", 1],
                ["delivered_by_supplier", "=", 0],
            ]
            lines = self._orders(functools.partial(self._lines, domain))
            yield [told for line in lines for told in self._line(line, places)]

    def _line(self, line: Record, places: dict[str, Record]) -> list[SupplierIncoming]:
        place = str(line["warehouse"] or "")
        if place and place not in places:
            return []
        left = ((number(line["qty"]) or _NO) - (number(line["received_qty"]) or _NO)) * (
            number(line["conversion_factor"]) or Decimal(1)
        )
        # The supplier's own date, where somebody entered it, else the day it was wanted for.
        at = day(line["expected_delivery_date"]) or day(line["schedule_date"])
        where = place if self._choices.warehouses else ""
        return open_line(str(line["name"]), str(line["parent"]), str(line["item_code"]), left, at, where)

    def _some_orders(self, last: str) -> list[Record]:
        domain: list[list[Any]] = [
            ["docstatus", "=", 1],
            ["status", "in", ["To Receive and Bill", "To Receive"]],
        ]
        if self._choices.company:
            domain.append(["company", "=", self._choices.company])
        return self._frappe.list("Purchase Order", [*domain, *_after(last)], ["name"], limit=PAGE)

    def _lines(self, domain: Filters) -> Iterator[Record]:
        subject = "Purchase Order Item"
        return by_server_key(
            lambda last: self._some_lines(domain, last, PAGE), _name, adapter=ADAPTER, subject=subject
        )

    def _some_lines(self, domain: Filters, last: str, limit: int) -> list[Record]:
        subject = "Purchase Order Item"
        return self._frappe.list(
            subject, [*domain, *_after(last)], _LINE, limit=limit, parent="Purchase Order"
        )

    def _orders(self, read: Callable[[], Iterable[Record]]) -> list[Record]:
        try:
            return list(read())
        except (Unauthorized, NotFound) as exc:
            raise Unsupported(
                ADAPTER,
                "what is on order",
                "This key's user may not read purchase orders.",
                "Give its role the right to read Purchase Order.",
            ) from exc

    def _warehouses(self) -> dict[str, Record]:
        """The warehouses that count, by name: the chosen ones and what is in chosen groups, else all but those
        that are disabled or stand for goods under way. Raises Misconfigured for names that do not exist."""
        domain = [["company", "=", self._choices.company]] if self._choices.company else []
        every = {str(one["name"]): one for one in self._all("Warehouse", domain, _WAREHOUSE)}
        if self._choices.company and not every:
            companies = {
                str(one["company"])
                for one in self._all("Warehouse", (), ("name", "company"))
                if one["company"]
            }
            raise unknown(ADAPTER, self.subject, "company", self._choices.company, companies)
        real = {name: one for name, one in every.items() if not one["is_group"] and not one["disabled"]}
        if not self._choices.warehouses:
            return {name: one for name, one in real.items() if one["warehouse_type"] != "Transit"}
        found: dict[str, Record] = {}
        for wanted in self._choices.warehouses:
            chosen = every.get(wanted)
            if chosen is None:
                raise unknown(ADAPTER, self.subject, "warehouses", wanted, every)
            # A tree by nested sets: what is in a group lies between its left and its right number.
            inside = {
                name: one
                for name, one in real.items()
                if int(chosen["lft"]) <= int(one["lft"]) and int(one["rgt"]) <= int(chosen["rgt"])
            }
            if not inside:
                raise unknown(ADAPTER, self.subject, "warehouses", wanted, real)
            found |= inside
        return found

    def _bin_fields(self) -> tuple[str, ...]:
        return ("name", "item_code", "warehouse", "actual_qty", *(_RESERVED * self._choices.is_available))

    def _quantity(self, one: Record) -> Decimal:
        there = number(one["actual_qty"]) or _NO
        return there - sum((number(one.get(name)) or _NO for name in _RESERVED), _NO)

    def _all(self, doctype: str, domain: Filters, names: Sequence[str]) -> Iterator[Record]:
        return by_server_key(
            lambda last: self._frappe.list(doctype, [*domain, *_after(last)], names, limit=PAGE),
            _name,
            adapter=ADAPTER,
            subject=doctype,
        )


def _name(one: Record) -> str:
    return str(one["name"])


_ITEM = ("name", "item_name", "stock_uom", "lead_time_days")
_WAREHOUSE = ("name", "company", "is_group", "disabled", "lft", "rgt", "warehouse_type")
_LINE = ("name", "parent", "item_code", "warehouse", "qty", "received_qty", "conversion_factor",
         "schedule_date", "expected_delivery_date")  # fmt: skip


def _after(last: str) -> list[list[Any]]:
    return [["name", ">", last]] if last else []
