"""An ERPNext site on loopback: Frappe's REST API (v1) over a few document types.

As the framework does: 20 rows unless asked for more, texts sorted without regard to case, rows of child tables only
with their parent's name and rights, fields that do not exist refused with 417, dates as days, floats for numbers.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from simulator.erp import Ask, ErpServer, Record, Reply

KEY, SECRET = "erpnext-key-1", "erpnext-secret-1"
FIELDS = {
    "Item": {"item_name", "stock_uom", "is_stock_item", "disabled", "has_variants", "lead_time_days"},
    "Bin": {"item_code", "warehouse", "actual_qty", "reserved_qty", "reserved_qty_for_production",
            "reserved_qty_for_sub_contract", "ordered_qty", "projected_qty", "stock_uom"},
    "Warehouse": {"company", "is_group", "disabled", "lft", "rgt", "warehouse_type"},
    "Purchase Order": {"docstatus", "status", "company"},
    "Purchase Order Item": {"parent", "docstatus", "item_code", "warehouse", "qty", "received_qty",
                            "conversion_factor", "schedule_date", "expected_delivery_date",
                            "delivered_by_supplier"},
}  # fmt: skip
CHILDREN = {"Purchase Order Item": "Purchase Order"}
ZERO = {"actual_qty", "reserved_qty", "reserved_qty_for_production", "reserved_qty_for_sub_contract",
        "disabled", "has_variants", "lead_time_days", "is_group", "received_qty", "delivered_by_supplier"}  # fmt: skip


class ErpnextServer(ErpServer):
    """`keys` are the pairs that are accepted, `forbidden` the document types that their user may not read."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.tables: dict[str, dict[str, Record]] = defaultdict(dict)
        self.keys = {(KEY, SECRET)}
        self.forbidden: set[str] = set()
        self._ticks = 0

    def put(self, doctype: str, name: str, **values: Any) -> None:
        """Write a document; fields that are left out are 0 or null, `modified` is a new moment."""
        unknown = set(values) - FIELDS[doctype]
        if unknown:
            raise KeyError(sorted(unknown))
        self._ticks += 1
        blank = {one: 0 if one in ZERO else None for one in FIELDS[doctype]}
        modified = f"2026-11-22 10:{self._ticks // 60 % 60:02}:{self._ticks % 60:02}.{self._ticks:06}"
        self.tables[doctype][name] = {**blank, **values, "name": name, "modified": modified}

    def buggy(self, said: str) -> Reply:
        trace = json.dumps([f"Traceback (most recent call last):\n  File 'app.py'\nKeyError: {said}"])
        told = json.dumps([json.dumps({"message": f"<b>Server Error</b> {said}"})])
        return Reply({"exc_type": "KeyError", "exc": trace, "_server_messages": told}, 500)

    def answer(self, ask: Ask) -> Reply:
        way, _, pair = ask.headers.get("authorization", "").partition(" ")
        if way == "token" and tuple(pair.split(":", 1)) not in self.keys:
            return self._refusal(401, "AuthenticationError")
        allowed = set(FIELDS) - self.forbidden if way == "token" else set()
        if ask.path == "/api/method/frappe.client.get_count":
            doctype = ask.params["doctype"]
            if doctype not in allowed:
                return self._refusal(403, "PermissionError")
            return Reply({"message": len(self._found(doctype, ask))})
        doctype = ask.path.removeprefix("/api/resource/")
        if doctype not in FIELDS:
            return self._refusal(404, "DoesNotExistError")
        needs = CHILDREN.get(doctype, doctype)
        if needs not in allowed or (doctype in CHILDREN and ask.params.get("parent") != needs):
            return self._refusal(403, "PermissionError", f"Not permitted to read {doctype}")
        return self._list(doctype, ask)

    def _list(self, doctype: str, ask: Ask) -> Reply:
        names = json.loads(ask.params.get("fields", '["name"]'))
        found = self._found(doctype, ask)
        for part in reversed(ask.params.get("order_by", "modified desc").split(",")):
            name, _, way = part.strip().partition(" ")
            keys = {id(one): str(one[name]).casefold() for one in found}
            found.sort(key=lambda one: keys[id(one)], reverse=way == "desc")
        start, size = int(ask.params.get("limit_start", 0)), int(ask.params.get("limit_page_length", 20))
        if doctype == "Bin" and "modified" not in names:
            self.lists += 1
        return Reply({"data": [{one: row[self._known(doctype, one)] for one in names}
                               for row in found[start : start + size or None]]})  # fmt: skip

    def _found(self, doctype: str, ask: Ask) -> list[Record]:
        filters = json.loads(ask.params.get("filters", "[]"))
        return [
            one
            for one in self.tables[doctype].values()
            if all(_fits(one[self._known(doctype, name)], how, wanted) for name, how, wanted in filters)
        ]

    def _known(self, doctype: str, name: str) -> str:
        if name not in FIELDS[doctype] | {"name", "modified"}:
            raise self._refusal(417, "DataError", f"Field not permitted in query: {name}")
        return name

    def _refusal(self, status: int, name: str, said: str = "") -> Reply:
        told = json.dumps([json.dumps({"message": said})]) if said else "[]"
        trace = json.dumps(["Traceback (most recent call last):\n  File 'app.py'"])
        return Reply({"exc_type": name, "exc": trace, "_server_messages": told}, status)


def _fits(value: Any, how: str, wanted: Any) -> bool:
    if how == "=":
        return bool(value == wanted)
    if how == "in":
        return value in wanted
    if how == ">":
        return str(value).casefold() > str(wanted).casefold()
    raise ValueError(how)
