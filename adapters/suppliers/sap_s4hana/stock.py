"""SAP S/4HANA as a source of stock: what to ask, and what the answers mean.

The number is unrestricted-use stock (type 01) that is the company's own and promised to nobody by its kind: stock
of customers, suppliers, projects and single sales orders is special stock and left out, as is stock in inspection or
blocked. What open orders will take is not in the stock and no released service tells it in one number.

Which materials there are is asked of the product master, by plant: a material that is sold out may be missing from
the stock service, and missing is not zero. What is on order are schedule lines of released items that are not
completely delivered; the service does not tell what came already, so goods receipts are taken off, earliest day first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from adapters.kit.canonical import StockRow, fields
from adapters.kit.erp import number, open_line, unknown
from adapters.suppliers.sap_s4hana.client import ADAPTER, Record, Sap, moment, quoted
from connector.ports.errors import NotFound, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming

ORDERS_AT_ONCE = 20
PRODUCTS, STOCK = "API_PRODUCT_SRV", "API_MATERIAL_STOCK_SRV"
ORDERS, RECEIPTS = "API_PURCHASEORDER_PROCESS_SRV", "API_MATERIAL_DOCUMENT_SRV"
_NO = Decimal(0)
_CAME = {"101": 1, "105": 1, "123": 1, "102": -1, "106": -1, "122": -1}
"""Goods movements of a purchase order into unrestricted stock, and back."""
_THIRD_PARTY = "5"
_IN_PLANT = {
    "$filter": "IsMarkedForDeletion eq false",
    "$select": "Product,Plant,BaseUnit,IsMarkedForDeletion",
}
_UNRESTRICTED = {
    "$filter": "InventoryStockType eq '01'",
    "$select": "Material,Plant,StorageLocation,Batch,InventoryStockType,InventorySpecialStockType,"
    "MatlWrhsStkQtyInMatlBaseUnit",
}
_STOCK_ORDER = (
    "Material,Plant,StorageLocation,Batch,Supplier,Customer,WBSElementInternalID,SDDocument,SDDocumentItem,"
    "InventorySpecialStockType,InventoryStockType"
)
_OPEN = {
    "$filter": "IsCompletelyDelivered eq false and PurchasingDocumentDeletionCode eq ''",
    "$select": "PurchaseOrder,PurchaseOrderItem,Material,Plant,StorageLocation,PurchaseOrderQuantityUnit,"
    "PurchaseOrderItemCategory,AccountAssignmentCategory,GoodsReceiptIsExpected,IsReturnsItem,to_ScheduleLine",
    "$expand": "to_ScheduleLine",
}


@dataclass(frozen=True, slots=True)
class Choices:
    """What the merchant chose. `places` are plants ("1010") or storage locations of them ("1010/101A"), empty: all
    plants together as one number."""

    places: tuple[str, ...] = ()
    code: Literal["product", "gtin"] = "product"
    reads_incoming: bool = True


class SapStock:
    """See `adapters.kit.live.LiveApi`."""

    def __init__(self, sap: Sap, choices: Choices) -> None:
        self.name = ADAPTER
        self.subject = sap.subject
        self.reads_incoming = choices.reads_incoming
        self.fields = fields(
            "sku" if choices.code == "product" else "gtin",
            "quantity",
            *(("location",) if choices.places else ()),
        )
        self._sap = sap
        self._choices = choices

    def check(self) -> str:
        """Counts materials by plant; raises Misconfigured for a plant that is not there."""
        for place in self._choices.places:
            plant = place.partition("/")[0]
            asked = {"$filter": f"{_IN_PLANT['$filter']} and Plant eq {quoted(plant)}"}
            if not self._sap.page(PRODUCTS, "A_ProductPlant", asked, top=1).total:
                raise unknown(ADAPTER, self.subject, "plants", plant, self._some_plants())
        count = self._sap.page(PRODUCTS, "A_ProductPlant", _IN_PLANT, top=1).total or 0
        self._sap.page(STOCK, "A_MatlStkInAcctMod", _UNRESTRICTED, top=1)
        told = (
            f"SAP S/4HANA was found: {count:,} materials in plants, plants {', '.join(self._some_plants())}."
        )
        if self.reads_incoming:
            try:
                self._readable(lambda: self._sap.page(ORDERS, "A_PurchaseOrderItem", _OPEN, top=1).items)
                self._readable(lambda: self._sap.page(RECEIPTS, "A_MaterialDocumentItem", {}, top=1).items)
            except Unsupported:
                told += " This user may not read orders and goods receipts, so it gives no restock dates."
        return told

    def change_mark(self) -> str:
        """No released service tells cheaply whether any stock changed."""
        return ""

    def rows(self) -> Iterator[StockRow]:
        """Every material of a plant that is not marked for deletion, once for each chosen place."""
        held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for one in self._sap.all(STOCK, "A_MatlStkInAcctMod", _STOCK_ORDER, _UNRESTRICTED):
            if not one.get("InventorySpecialStockType"):
                units = number(one["MatlWrhsStkQtyInMatlBaseUnit"]) or _NO
                for place in self._places(one):
                    held[str(one["Material"]), place] += units
        codes = self._codes()
        seen = set[tuple[str, str]]()
        for one in self._in_plants():
            product, plant = str(one["Product"]), str(one["Plant"])
            for place in self._choices.places or ("",):
                if (place and place.partition("/")[0] != plant) or (product, place) in seen:
                    continue
                seen.add((product, place))
                yield StockRow(
                    id=product,
                    sku=product,
                    gtin=codes.get(product, ""),
                    quantity=held[product, place],
                    location=place,
                    unit=str(one["BaseUnit"] or ""),
                )

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Open schedule lines; Unsupported where the user may not read orders or goods receipts."""
        found = self._readable(
            lambda: self._sap.all(ORDERS, "A_PurchaseOrderItem", "PurchaseOrder,PurchaseOrderItem", _OPEN)
        )
        items = [one for one in found if _is_for_stock(one) and list(self._places(one))]
        units = (
            {str(one["Product"]): str(one["BaseUnit"] or "") for one in self._in_plants()} if items else {}
        )
        codes = self._codes() if items else {}
        factors: dict[tuple[str, str], Decimal | None] = {}
        for one in items:
            # Asked once for each material and unit, not for each line.
            key = (str(one["Material"]), str(one["PurchaseOrderQuantityUnit"] or ""))
            if key not in factors:
                factors[key] = self._factor(*key, units)
        orders = sorted({str(one["PurchaseOrder"]) for one in items})
        for start in range(0, len(orders), ORDERS_AT_ONCE):
            some = orders[start : start + ORDERS_AT_ONCE]
            released, came = self._released(some), self._came(some)
            yield [
                told
                for one in items
                if str(one["PurchaseOrder"]) in released
                for told in self._lines(one, factors, codes, came)
            ]

    def _lines(
        self,
        item: Record,
        factors: dict[tuple[str, str], Decimal | None],
        codes: dict[str, str],
        came: dict[tuple[str, str], Decimal],
    ) -> Iterator[SupplierIncoming]:
        product, order = str(item["Material"]), str(item["PurchaseOrder"])
        factor = factors[product, str(item["PurchaseOrderQuantityUnit"] or "")]
        if factor is None:
            return
        number_of_item = str(item["PurchaseOrderItem"])
        received = came.get((order, number_of_item.lstrip("0")), _NO)
        place = next(iter(self._places(item)))
        lines = (item.get("to_ScheduleLine") or {}).get("results") or []
        for line in sorted(lines, key=_day_of):
            ordered = (number(line["ScheduleLineOrderQuantity"]) or _NO) * factor
            taken = min(ordered, received)
            received -= taken
            reference = f"{order}/{number_of_item}/{line['ScheduleLine']}"
            code = product if self._choices.code == "product" else codes.get(product, "")
            at = moment(line["ScheduleLineDeliveryDate"])
            yield from open_line(reference, order, code, ordered - taken, at, place)

    def _factor(self, product: str, unit: str, units: dict[str, str]) -> Decimal | None:
        """How many of a material's base unit one `unit` is; None for a material or unit that is not known."""
        if product not in units:
            return None
        if unit == units[product]:
            return Decimal(1)
        asked = {"$filter": f"Product eq {quoted(product)} and AlternativeUnit eq {quoted(unit)}"}
        found = self._sap.page(PRODUCTS, "A_ProductUnitsOfMeasure", asked, top=1).items
        if not found:
            return None
        above, below = (number(found[0][name]) for name in ("QuantityNumerator", "QuantityDenominator"))
        return above / below if above and below else None

    def _released(self, orders: Iterable[str]) -> set[str]:
        """Which of these orders are complete, released and bought from somebody else."""
        names = "PurchaseOrder,ReleaseIsNotCompleted,PurchasingCompletenessStatus,SupplyingPlant"
        asked = {"$filter": _any_of(orders), "$select": names}
        return {
            str(one["PurchaseOrder"])
            for one in self._readable(
                lambda: self._sap.all(ORDERS, "A_PurchaseOrder", "PurchaseOrder", asked)
            )
            if one["ReleaseIsNotCompleted"] is not True
            and one["PurchasingCompletenessStatus"] is not True
            and not one["SupplyingPlant"]
        }

    def _came(self, orders: Iterable[str]) -> dict[tuple[str, str], Decimal]:
        """What was received of each order's item, in the material's base unit."""
        names = ("MaterialDocumentYear,MaterialDocument,MaterialDocumentItem,PurchaseOrder,PurchaseOrderItem,"
                 "GoodsMovementType,QuantityInBaseUnit")  # fmt: skip
        asked = {"$filter": _any_of(orders), "$select": names}
        order = "MaterialDocumentYear,MaterialDocument,MaterialDocumentItem"
        found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for one in self._readable(lambda: self._sap.all(RECEIPTS, "A_MaterialDocumentItem", order, asked)):
            units = abs(number(one["QuantityInBaseUnit"]) or _NO) * _CAME.get(
                str(one["GoodsMovementType"]), 0
            )
            found[str(one["PurchaseOrder"]), str(one["PurchaseOrderItem"]).lstrip("0")] += units
        return found

    def _in_plants(self) -> Iterator[Record]:
        return self._sap.all(PRODUCTS, "A_ProductPlant", "Product,Plant", _IN_PLANT)

    def _codes(self) -> dict[str, str]:
        """Barcode numbers of materials, only where they name items."""
        if self._choices.code != "gtin":
            return {}
        asked = {"$filter": "IsMarkedForDeletion eq false", "$select": "Product,ProductStandardID"}
        return {
            str(one["Product"]): str(one["ProductStandardID"] or "")
            for one in self._sap.all(PRODUCTS, "A_Product", "Product", asked)
        }

    def _places(self, one: Record) -> Iterator[str]:
        """The chosen places that a record with plant and storage location belongs to."""
        if not self._choices.places:
            yield ""
        here = f"{one['Plant']}/{one['StorageLocation'] or ''}"
        for place in self._choices.places:
            if place in (str(one["Plant"]), here):
                yield place

    def _some_plants(self) -> list[str]:
        page = self._sap.page(PRODUCTS, "A_ProductPlant", _IN_PLANT)
        return sorted({str(one["Plant"]) for one in page.items})[:20]

    def _readable(self, read: Callable[[], Iterable[Record]]) -> list[Record]:
        try:
            return list(read())
        except (Unauthorized, NotFound) as exc:
            raise Unsupported(ADAPTER, "what is on order", exc.cause, exc.remedy) from exc


def _any_of(orders: Iterable[str]) -> str:
    return " or ".join(f"PurchaseOrder eq {quoted(one)}" for one in orders)


def _day_of(line: Record) -> tuple[bool, datetime, str]:
    """Sorts schedule lines: what has no day comes last."""
    at = moment(line["ScheduleLineDeliveryDate"])
    return at is None, at or datetime.max.replace(tzinfo=UTC), str(line["ScheduleLine"])


def _is_for_stock(one: Record) -> bool:
    """Bought for the shelf: no return, nothing a supplier sends to customers, nothing for a cost centre."""
    return (
        one["GoodsReceiptIsExpected"] is True
        and one["IsReturnsItem"] is not True
        and one["PurchaseOrderItemCategory"] != _THIRD_PARTY
        and not one["AccountAssignmentCategory"]
        and bool(one["Material"])
    )
