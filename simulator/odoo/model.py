"""A small Odoo database in memory: domains, fields, contexts and computed quantities as Odoo 19 has them.

A many2one is kept as the id of its record, or False. What is asked for and not known fails in Odoo's own
words, held against recordings of a real server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Record = dict[str, Any]
_BEGINNING = datetime(2026, 11, 21, 23, 33, 11, tzinfo=UTC)

FIELDS: Mapping[str, str] = {
    "product.product": "default_code barcode name display_name type is_storable active product_tmpl_id uom_id"
    " qty_available free_qty incoming_qty outgoing_qty virtual_available standard_price company_id",
    "stock.quant": "product_id location_id warehouse_id quantity reserved_quantity available_quantity"
    " inventory_date inventory_quantity",
    "stock.warehouse": "name code active lot_stock_id view_location_id company_id",
    "stock.location": "complete_name warehouse_id usage",
    "stock.move": "product_id product_uom_qty product_uom quantity date date_deadline state location_id"
    " location_dest_id picking_id picking_type_id picking_code purchase_line_id origin company_id",
    "stock.picking.type": "name code warehouse_id",
    "purchase.order": "name state partner_id date_order date_approve date_planned effective_date"
    " receipt_status picking_type_id company_id",
    "purchase.order.line": "order_id partner_id product_id product_qty product_uom_qty product_uom_id"
    " qty_received date_planned state price_unit company_id",
    "product.supplierinfo": "partner_id product_tmpl_id product_id product_code min_qty price delay",
    "uom.uom": "name active factor relative_factor relative_uom_id",
    "res.company": "name",
    "res.partner": "name",
    "res.users": "login",
    "product.template": "name",
    "stock.picking": "name",
}
_TARGETS: Mapping[str, str] = {
    "product_id": "product.product",
    "location_id": "stock.location",
    "location_dest_id": "stock.location",
    "lot_stock_id": "stock.location",
    "view_location_id": "stock.location",
    "warehouse_id": "stock.warehouse",
    "uom_id": "uom.uom",
    "product_uom": "uom.uom",
    "product_uom_id": "uom.uom",
    "relative_uom_id": "uom.uom",
    "order_id": "purchase.order",
    "partner_id": "res.partner",
    "company_id": "res.company",
    "product_tmpl_id": "product.template",
    "purchase_line_id": "purchase.order.line",
    "picking_id": "stock.picking",
    "picking_type_id": "stock.picking.type",
}
_COMPUTED = {"qty_available", "free_qty", "incoming_qty", "outgoing_qty", "virtual_available"}
OPEN = ("waiting", "confirmed", "assigned", "partially_available")


class Failure(Exception):
    """What Odoo answers: an HTTP status of JSON-2, the exception's name and message, and XML-RPC's code."""

    def __init__(self, status: int, name: str, message: str, code: int = 1) -> None:
        self.status, self.name, self.message, self.code = status, name, message, code
        super().__init__(message)


@dataclass
class Database:
    """`tables` model → id → record. `version` is Odoo's major one; before 18 there is no `is_storable`.
    `languages` are installed, each with its product names by id. `denied` login → models it may not read."""

    name: str = "dispo"
    version: int = 19
    tables: dict[str, dict[int, Record]] = field(default_factory=lambda: {model: {} for model in FIELDS})
    languages: dict[str, dict[int, str]] = field(default_factory=lambda: {"en_US": {}})
    denied: dict[str, set[str]] = field(default_factory=dict)
    now: datetime = _BEGINNING

    def put(self, model: str, id_: int = 0, **values: Any) -> int:
        """Create or change a record, stamped with the present second; its id."""
        table = self.tables[model]
        id_ = id_ or max(table, default=0) + 1
        stamp = self.now.strftime("%Y-%m-%d %H:%M:%S")
        table[id_] = {**table.get(id_, {}), "write_date": stamp, **values, "id": id_}
        return id_

    def drop(self, model: str, id_: int) -> None:
        """Delete a record."""
        del self.tables[model][id_]

    def tick(self, seconds: float = 60.0) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def search(
        self,
        login: str,
        model: str,
        domain: list[Any],
        order: str = "id",
        offset: int = 0,
        limit: int | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> list[Record]:
        """The records that fit, sorted; raises Failure."""
        context = context or {}
        self._allow(login, model, context)
        found = [one for one in self.tables[model].values() if self._fits(model, one, domain, context)]
        for part in reversed(order.split(",")):
            name, _, way = part.strip().partition(" ")
            self._known(model, name)
            found.sort(
                key=lambda one: str(one.get(name)) if name != "id" else one["id"], reverse=way == "desc"
            )
        return found[offset:][: limit or None]

    def read(
        self, model: str, records: list[Record], names: list[str] | None, context: Mapping[str, Any] | None
    ) -> list[Record]:
        """Records as clients see them; all fields where `names` is empty."""
        wanted = names or ["id", *FIELDS[model].split(), "write_date"]
        for name in wanted:
            if name not in self._fields(model):
                raise Failure(500, "builtins.ValueError", f"Invalid field {name!r} on {model!r}")
        return [{name: self._value(model, one, name, context or {}) for name in wanted} for one in records]

    def _fields(self, model: str) -> set[str]:
        known = {"id", "write_date", *FIELDS[model].split()}
        return known - {"is_storable"} if self.version < 18 else known

    def _known(self, model: str, name: str) -> None:
        if name not in self._fields(model):
            raise Failure(500, "builtins.ValueError", f"Invalid field {name!r} on {model!r}")

    def _allow(self, login: str, model: str, context: Mapping[str, Any]) -> None:
        if model not in FIELDS:
            raise Failure(404, "werkzeug.exceptions.NotFound", f"the model {model!r} does not exist", code=2)
        if model in self.denied.get(login, set()):
            raise Failure(
                403,
                "odoo.exceptions.AccessError",
                f"You are not allowed to access '{model}' ({model}) records.\n\nThis operation is allowed for"
                " the following groups:\n\t- Purchase/User",
                code=4,
            )
        lang = context.get("lang")
        if lang and lang not in self.languages:
            raise Failure(422, "odoo.exceptions.UserError", f"Invalid language code: {lang}", code=2)

    def _value(self, model: str, one: Record, name: str, context: Mapping[str, Any]) -> Any:
        if name in _COMPUTED and model == "product.product":
            return self._quantity(one["id"], name, context)
        if name == "available_quantity":
            return one["quantity"] - one["reserved_quantity"]
        if model == "stock.quant" and name == "warehouse_id":
            return self._value("stock.location", self.tables["stock.location"][one["location_id"]], name, {})
        if model == "product.product" and name in ("name", "display_name") and context.get("lang"):
            return self._translated(one, name, context["lang"])
        value = one.get(name, False)
        if name in _TARGETS and value is not False:
            return [value, self._label(_TARGETS[name], value)]
        return value

    def _translated(self, one: Record, name: str, lang: str) -> Any:
        words = self.languages[lang].get(one["id"])
        return one[name] if words is None else str(one[name]).replace(one["name"], words)

    def _label(self, model: str, id_: int) -> str:
        one = self.tables[model].get(id_, {})
        return str(one.get("display_name") or one.get("complete_name") or one.get("name") or "")

    def _quantity(self, product_id: int, name: str, context: Mapping[str, Any]) -> float:
        places = set(self._places(context))
        quants = [
            one
            for one in self.tables["stock.quant"].values()
            if one["product_id"] == product_id and one["location_id"] in places
        ]
        held = sum(one["quantity"] for one in quants)
        moves = [
            one
            for one in self.tables["stock.move"].values()
            if one["product_id"] == product_id and one["state"] in OPEN
        ]
        coming = sum(one["product_uom_qty"] for one in moves if one["location_dest_id"] in places)
        going = sum(one["product_uom_qty"] for one in moves if one["location_id"] in places)
        return float(
            {
                "qty_available": held,
                "free_qty": held - sum(one["reserved_quantity"] for one in quants),
                "incoming_qty": coming,
                "outgoing_qty": going,
                "virtual_available": held + coming - going,
            }[name]
        )

    def _places(self, context: Mapping[str, Any]) -> Iterator[int]:
        """The internal locations a context speaks of; a location holds those below it."""
        asked = "warehouse_id" if self.version >= 17 else "warehouse"
        at = self.tables["stock.location"].get(context.get("location", 0))
        for id_, one in self.tables["stock.location"].items():
            if one["usage"] != "internal":
                continue
            if context.get(asked) and one["warehouse_id"] != context[asked]:
                continue
            if at and not f"{one['complete_name']}/".startswith(f"{at['complete_name']}/"):
                continue
            yield id_

    def _fits(self, model: str, one: Record, domain: list[Any], context: Mapping[str, Any]) -> bool:
        if one.get("active") is False and context.get("active_test", True) and "active" in FIELDS[model]:
            return False
        return all(self._term(model, one, name, operator, value) for name, operator, value in domain)

    def _term(self, model: str, one: Record, path: str, operator: str, wanted: Any) -> bool:
        name, _, rest = path.partition(".")
        if name not in self._fields(model):
            said = f"Invalid field {model}.{name} in condition ({path!r}, {operator!r}, {wanted!r})"
            raise Failure(500, "builtins.ValueError", said)
        value = one.get(name, False)
        if rest:
            target = self.tables[_TARGETS[name]].get(value)
            return target is not None and self._term(_TARGETS[name], target, rest, operator, wanted)
        if operator == "=":
            return bool(value == wanted)
        if operator == "!=":
            return bool(value != wanted)
        if operator == "in":
            return value in wanted
        if operator == "not in":
            return value not in wanted
        if operator == ">":
            return value is not False and bool(value > wanted)
        if operator == ">=":
            return value is not False and bool(value >= wanted)
        raise Failure(500, "builtins.ValueError", f"Invalid operator {operator!r} in domain")
