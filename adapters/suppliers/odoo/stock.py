"""Odoo as a source of stock: what to ask, and what the answers mean.

The number is `free_qty` (on hand less what deliveries have reserved) unless the merchant chose
`qty_available` (all that is on the shelf): an order that Odoo knows of is a promise already. What is on order
is read from open receipts (`stock.move`), which are in the product's own unit as a rule, know their warehouse,
and vanish when a remainder is cancelled; a key that may not read them gets the purchase lines instead, never
both, so that nothing counts twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Literal

from adapters.kit.canonical import StockRow, fields
from adapters.kit.paging import by_key
from adapters.suppliers.odoo.client import ADAPTER, Odoo, Record
from connector.ports.errors import Misconfigured, NotFound, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming

PAGE = 500
NEWEST = 200
"""Of so many quants and products the newest are looked at to see whether anything changed. Looking at the
newest stamp alone would miss a long transaction, which commits late what it stamped early, and a second change
within one second."""

Quantity = Literal["free_qty", "qty_available"]
Code = Literal["default_code", "barcode"]
_INTERNAL = ["location_id.usage", "=", "internal"]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the merchant chose. `warehouses` are short names, empty: all together as one number. `company` is
    a name or an id, "" the one of the key's user."""

    quantity: Quantity = "free_qty"
    code: Code = "default_code"
    warehouses: tuple[str, ...] = ()
    company: str = ""
    reads_incoming: bool = True


class OdooStock:
    """See `adapters.kit.live.LiveApi`."""

    def __init__(self, odoo: Odoo, choices: Choices) -> None:
        self.name = ADAPTER
        self.subject = odoo.subject
        self.reads_incoming = choices.reads_incoming
        columns = ("sku" if choices.code == "default_code" else "gtin", "quantity", "cost")
        self.fields = fields(*columns, *(("location",) if choices.warehouses else ()))
        self._odoo = odoo
        self._choices = choices

    def check(self) -> str:
        """Signs in, counts products and names the warehouses; raises Misconfigured for a choice that this
        Odoo has not."""
        self._choose_company()
        count = self._odoo.search_count("product.product", self._stocked())
        warehouses = self._warehouses()
        names = ", ".join(str(one["code"]) for one in warehouses.values())
        self._products(0, {}, limit=1)
        told = f"Odoo {self._odoo.version} was found: {count:,} products with stock, warehouses {names}."
        if self.reads_incoming:
            try:
                list(self.incoming())
            except Unsupported:
                told += " This key may not read what is on order, so it gives no restock dates."
        return told

    def change_mark(self) -> str:
        """A digest of the newest quants and products and of how many there are. Reservations are written on
        quants, archiving on products; `product.write_date` does not follow stock."""
        self._choose_company()
        seen: list[Any] = []
        looks: tuple[tuple[str, list[Any], list[str]], ...] = (
            ("stock.quant", [_INTERNAL], ["id", "quantity", "reserved_quantity", "write_date"]),
            ("product.product", self._stocked(), ["id", "default_code", "barcode", "write_date"]),
        )
        for model, domain, names in looks:
            newest = self._odoo.search_read(
                model, domain, names, order="write_date desc, id desc", limit=NEWEST
            )
            seen += [self._odoo.search_count(model, domain), newest]
        return hashlib.sha256(json.dumps(seen, default=str, sort_keys=True).encode()).hexdigest()[:32]

    def rows(self) -> Iterator[StockRow]:
        """Every storable product that is not archived, once for each chosen warehouse."""
        self._choose_company()
        if not self._choices.warehouses:
            yield from self._read("", {})
            return
        for warehouse_id, one in self._warehouses().items():
            # "warehouse" is what Odoo 16 and before call it.
            context = {"warehouse_id": warehouse_id}
            if not self._odoo.speaks_json:
                context["warehouse"] = warehouse_id
            yield from self._read(str(one["code"]), context)

    def units_of(self, codes: list[str]) -> Iterator[tuple[str, Decimal]]:
        """The present number of each stored product with one of these codes (references or barcodes, as
        chosen), of all chosen warehouses together."""
        self._choose_company()
        contexts: list[dict[str, Any]] = [{}]
        if self._choices.warehouses:
            name = "warehouse_id" if self._odoo.speaks_json else "warehouse"
            contexts = [{name: warehouse_id} for warehouse_id in self._warehouses()]
        total: dict[tuple[int, str], Decimal] = {}
        for context in contexts:
            for one in self._odoo.search_read(
                "product.product",
                [*self._stocked(), [self._choices.code, "in", codes]],
                ["id", self._choices.code, self._choices.quantity],
                context=context,
            ):
                key = (int(one["id"]), _text(one[self._choices.code]))
                total[key] = total.get(key, Decimal(0)) + Decimal(str(one[self._choices.quantity] or 0))
        for (_, code), units in total.items():
            yield code, units

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Open receipts, or purchase lines; Unsupported where the key may read neither."""
        self._choose_company()
        try:
            yield from self._receipts()
        except (Unauthorized, NotFound):
            try:
                yield from self._lines()
            except (Unauthorized, NotFound) as exc:
                raise Unsupported(
                    ADAPTER,
                    "what is on order",
                    "This key may read neither receipts nor purchase orders.",
                    "Give its user the right to read Inventory or Purchase.",
                ) from exc

    def _read(self, location: str, context: Mapping[str, Any]) -> Iterator[StockRow]:
        found = by_key(
            lambda last: self._products(last, context),
            lambda one: int(one["id"]),
            first=0,
            adapter=ADAPTER,
            subject=self.subject,
        )
        for one in found:
            yield StockRow(
                id=str(one["id"]),
                sku=_text(one["default_code"]),
                gtin=_text(one["barcode"]),
                name=_text(one["name"]),
                quantity=_number(one[self._choices.quantity]),
                cost=_number(one["standard_price"]),
                location=location,
                unit=_name(one["uom_id"]),
            )

    def _products(self, last: int, context: Mapping[str, Any], limit: int = 0) -> list[Record]:
        return self._odoo.search_read(
            "product.product",
            [*self._stocked(), ["id", ">", last]],
            ["id", "default_code", "barcode", "name", "uom_id", self._choices.quantity, "standard_price"],
            limit=limit or PAGE,
            context=context,
        )  # fmt: skip

    def _stocked(self) -> list[Any]:
        """Only what is counted: since 18 a box on the product, before a kind of product."""
        domain: list[Any] = [
            ["is_storable", "=", True] if self._odoo.version >= 18 else ["type", "=", "product"]
        ]
        if self._odoo.company_id:
            domain.append(["company_id", "in", [False, self._odoo.company_id]])
        return domain

    def _choose_company(self) -> None:
        wanted = self._choices.company
        if not wanted or self._odoo.company_id:
            return
        found = self._odoo.search_read("res.company", [], ["id", "name"])
        for one in found:
            if wanted in (str(one["id"]), one["name"]):
                self._odoo.company_id = int(one["id"])
                return
        raise self._unknown("company", wanted, (str(one["name"]) for one in found))

    def _warehouses(self) -> dict[int, Record]:
        """The chosen warehouses by id, all where none is chosen."""
        found = self._odoo.search_read("stock.warehouse", self._own(), ["id", "name", "code"])
        by_code = {str(one["code"]).casefold(): one for one in found}
        for code in self._choices.warehouses:
            if code.casefold() not in by_code:
                raise self._unknown("warehouses", code, (str(one["code"]) for one in found))
        chosen = {code.casefold() for code in self._choices.warehouses} or set(by_code)
        return {int(one["id"]): one for code, one in by_code.items() if code in chosen}

    def _own(self) -> list[Any]:
        return [["company_id", "=", self._odoo.company_id]] if self._odoo.company_id else []

    def _receipts(self) -> Iterator[list[SupplierIncoming]]:
        """Open moves from suppliers, or in transit, into internal places. Drop-shipments and returns of
        customers never come to the shelf this way, drafts are no orders yet."""
        places = {
            int(one["id"]): one["warehouse_id"]
            for one in self._odoo.search_read(
                "stock.location", [["usage", "=", "internal"]], ["id", "warehouse_id"]
            )
        }
        codes = {id_: str(one["code"]) for id_, one in self._warehouses().items()}
        domain = [
            ["picking_code", "=", "incoming"],
            ["state", "not in", ["done", "cancel", "draft"]],
            ["location_id.usage", "in", ["supplier", "transit"]],
            *self._own(),
        ]
        names = ["id", "product_id", "product_uom_qty", "product_uom", "date", "date_deadline",
                 "location_dest_id", "picking_id", "origin"]  # fmt: skip
        moves = [
            move for move in self._all("stock.move", domain, names) if _id(move["location_dest_id"]) in places
        ]
        products = self._known_products(_id(move["product_id"]) for move in moves)
        factors = self._factors(moves, products)
        found = []
        for move in moves:
            product = products.get(_id(move["product_id"]))
            code = codes.get(_id(places[_id(move["location_dest_id"])]), "")
            if product is None or (self._choices.warehouses and not code):
                continue
            units = _number(move["product_uom_qty"]) * _ratio(move["product_uom"], product["uom_id"], factors)
            # A changed date of the purchase line moves the deadline, a warehouse that reschedules moves the
            # date: the later one is what both agree to.
            dates = [at for at in (_moment(move["date"]), _moment(move["date_deadline"])) if at]
            name = _text(move["origin"]) or _name(move["picking_id"])
            found += self._line(f"move {move['id']}", name, product, units, max(dates, default=None), code)
        yield found

    def _lines(self) -> Iterator[list[SupplierIncoming]]:
        domain = [["state", "in", ["purchase", "done"]], *self._own()]
        names = [
            "id",
            "order_id",
            "product_id",
            "product_qty",
            "product_uom_qty",
            "qty_received",
            "date_planned",
        ]
        lines = [one for one in self._all("purchase.order.line", domain, names) if one["product_id"]]
        products = self._known_products(_id(one["product_id"]) for one in lines)
        found = []
        for one in lines:
            product, ordered = products.get(_id(one["product_id"])), _number(one["product_qty"])
            if product is None or not ordered:
                continue
            # A line over 4 dozen: product_qty 4, product_uom_qty 48.
            left = (ordered - _number(one["qty_received"])) * _number(one["product_uom_qty"]) / ordered
            at = _moment(one["date_planned"])
            found += self._line(f"purchase line {one['id']}", _name(one["order_id"]), product, left, at, "")
        yield found

    def _line(
        self, reference: str, name: str, product: Record, units: Decimal, at: datetime | None, location: str
    ) -> list[SupplierIncoming]:
        whole = int(units.quantize(Decimal("0.0001")).to_integral_value(ROUND_FLOOR))
        item = _text(product[self._choices.code])
        if whole < 1 or not item:
            return []
        return [SupplierIncoming(reference, name, item, whole, at, location)]

    def _all(self, model: str, domain: list[Any], names: list[str]) -> Iterator[Record]:
        return by_key(
            lambda last: self._odoo.search_read(model, [*domain, ["id", ">", last]], names, limit=PAGE),
            lambda one: int(one["id"]),
            first=0,
            adapter=ADAPTER,
            subject=model,
        )

    def _known_products(self, ids: Iterable[int]) -> dict[int, Record]:
        """The storable ones among these products, by id."""
        wanted, found = sorted(set(ids)), dict[int, Record]()
        for start in range(0, len(wanted), PAGE):
            domain = [*self._stocked(), ["id", "in", wanted[start : start + PAGE]]]
            for one in self._odoo.search_read(
                "product.product", domain, ["id", "default_code", "barcode", "uom_id"]
            ):
                found[int(one["id"])] = one
        return found

    def _factors(self, moves: list[Record], products: Mapping[int, Record]) -> dict[int, Decimal]:
        """How many of the smallest unit each unit is, where a move is not in its product's own unit."""
        ids = {
            unit
            for move in moves
            if (product := products.get(_id(move["product_id"])))
            and _id(move["product_uom"]) != _id(product["uom_id"])
            for unit in (_id(move["product_uom"]), _id(product["uom_id"]))
        }
        if not ids:
            return {}
        # A unit that was archived is used on by the lines that had it.
        found = self._odoo.search_read(
            "uom.uom", [["id", "in", sorted(ids)]], ["id", "factor"], context={"active_test": False}
        )
        # Until 18 the factor said how many of the unit make one of the reference unit: the other way round.
        return {
            int(one["id"]): _number(one["factor"]) if self._odoo.speaks_json else 1 / _number(one["factor"])
            for one in found
            if _number(one["factor"])
        }

    def _unknown(self, field: str, wanted: str, known: Iterable[str]) -> Misconfigured:
        return Misconfigured(
            ADAPTER,
            self.subject,
            f"This Odoo has no “{wanted}”.",
            f"Use one of: {', '.join(sorted(known)[:20])}.",
            field=field,
        )


def _id(value: Any) -> int:
    """The id of a many2one, [id, name] or False."""
    return int(value[0]) if isinstance(value, list) and value else 0


def _name(value: Any) -> str:
    return str(value[1]) if isinstance(value, list) and len(value) > 1 else ""


def _text(value: Any) -> str:
    """Text; an empty field is False."""
    return "" if value is False or value is None else str(value)


def _number(value: Any) -> Decimal:
    """A number without the noise of binary fractions: 6.999999999 counts as 7."""
    return Decimal(str(value)).quantize(Decimal("0.000001")) if value else Decimal(0)


def _ratio(unit: Any, own: Any, factors: Mapping[int, Decimal]) -> Decimal:
    """How many of the product's `own` unit one `unit` is; 0 where that is not known."""
    if _id(unit) == _id(own):
        return Decimal(1)
    there, here = factors.get(_id(unit)), factors.get(_id(own))
    return there / here if there and here else Decimal(0)


def _moment(value: Any) -> datetime | None:
    """Odoo's "2026-12-03 08:00:00", which is UTC; None where nobody entered one."""
    if not value:
        return None
    return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
