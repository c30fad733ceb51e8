"""An SAP S/4HANA system on loopback: the four OData services (version 2) that the adapter reads.

As SAP does: Basic of a communication user, answers under `d`, numbers and counts as texts, days as /Date(…)/, lines of
another entity only where `$expand` asks for them, and stock of nothing not listed.
"""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from datetime import UTC, date, datetime
from typing import Any

from simulator.erp import Ask, ErpServer, Record, Reply
from simulator.odata import matches

USER, PASSWORD = "DISPO_READER", "sap-Pass-word-1"
BASE = "/sap/opu/odata/sap/"
FIELDS = {
    "A_ProductPlant": {"Product", "Plant", "BaseUnit", "IsMarkedForDeletion"},
    "A_Product": {"Product", "ProductStandardID", "IsMarkedForDeletion"},
    "A_ProductUnitsOfMeasure": {"Product", "AlternativeUnit", "QuantityNumerator", "QuantityDenominator"},
    "A_MatlStkInAcctMod": {"Material", "Plant", "StorageLocation", "Batch", "Supplier", "Customer", "SDDocument",
                           "SDDocumentItem", "WBSElementInternalID", "InventorySpecialStockType",
                           "InventoryStockType", "MatlWrhsStkQtyInMatlBaseUnit"},
    "A_PurchaseOrder": {"PurchaseOrder", "ReleaseIsNotCompleted", "PurchasingCompletenessStatus",
                        "SupplyingPlant"},
    "A_PurchaseOrderItem": {"PurchaseOrder", "PurchaseOrderItem", "Material", "Plant", "StorageLocation",
                            "PurchaseOrderQuantityUnit", "PurchaseOrderItemCategory", "to_ScheduleLine",
                            "AccountAssignmentCategory", "GoodsReceiptIsExpected", "IsReturnsItem",
                            "IsCompletelyDelivered", "PurchasingDocumentDeletionCode"},
    "A_MaterialDocumentItem": {"MaterialDocumentYear", "MaterialDocument", "MaterialDocumentItem",
                               "PurchaseOrder", "PurchaseOrderItem", "GoodsMovementType", "QuantityInBaseUnit"},
}  # fmt: skip
SERVICES = {
    "API_PRODUCT_SRV": {"A_ProductPlant", "A_Product", "A_ProductUnitsOfMeasure"},
    "API_MATERIAL_STOCK_SRV": {"A_MatlStkInAcctMod"},
    "API_PURCHASEORDER_PROCESS_SRV": {"A_PurchaseOrder", "A_PurchaseOrderItem"},
    "API_MATERIAL_DOCUMENT_SRV": {"A_MaterialDocumentItem"},
}


class SapServer(ErpServer):
    """`tables` by entity; `inactive` services are refused; `passwords` are the communication user's."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.tables: dict[str, list[Record]] = defaultdict(list)
        self.passwords = {PASSWORD}
        self.inactive: set[str] = set()
        self.page_size = 1_000

    def put(self, entity: str, **values: Any) -> None:
        """A record; what is left out is an empty text, or false."""
        unknown = set(values) - FIELDS[entity]
        if unknown:
            raise KeyError(sorted(unknown))
        blank = {name: False if name.startswith("Is") or "IsNot" in name else "" for name in FIELDS[entity]}
        self.tables[entity].append({**blank, **values})

    def buggy(self, said: str) -> Reply:
        return _error(400, "/IWBEP/CM_MGW_RT/000", f"Something is wrong with {said}")

    def answer(self, ask: Ask) -> Reply:
        way, _, given = ask.headers.get("authorization", "").partition(" ")
        user, _, password = (
            base64.b64decode(given).decode().partition(":") if way == "Basic" else ("", "", "")
        )
        if user != USER or password not in self.passwords:
            return Reply(b"<html><head><title>Logon failed</title></head></html>", 401, kind="text/html")
        service, _, entity = ask.path.removeprefix(BASE).partition("/")
        if service in self.inactive or entity not in SERVICES.get(service, ()):
            return _error(403, "/IWFND/MED/170", f"No service found for namespace '', name '{service}'")
        if ask.params.get("$format") != "json":
            return Reply(b"<?xml version='1.0'?><feed/>", kind="application/atom+xml")
        try:
            rows = self._found(entity, ask.params.get("$filter", ""))
        except ValueError as exc:
            return _error(400, "005056A509B11EE1B9A8FEC11C21578E", f"Invalid filter: {exc}")
        order = [name for name in ask.params.get("$orderby", "").split(",") if name]
        rows.sort(key=lambda one: [str(one[name]) for name in order])
        start, top = int(ask.params.get("$skip", 0)), int(ask.params.get("$top", self.page_size))
        if entity == "A_MatlStkInAcctMod" and top > 1:
            self.lists += 1
        names = ask.params["$select"].split(",") if "$select" in ask.params else sorted(FIELDS[entity])
        page = [{name: one[name] for name in names} for one in rows[start : start + min(top, self.page_size)]]
        if "$expand" not in ask.params:
            for one in page:
                one.pop("to_ScheduleLine", None)
        return Reply({"d": {"__count": str(len(rows)), "results": page}})

    def _found(self, entity: str, text: str) -> list[Record]:
        if " or " in text:
            parts = text.split(" or ")
            return [one for part in parts for one in self._found(entity, part)]
        fits = matches(re.sub(r" and $", "", text), FIELDS[entity])
        return [one for one in self.tables[entity] if fits(one)]


def sap_date(on: date) -> str:
    """A day as SAP writes it: milliseconds of its midnight in UTC."""
    return f"/Date({int(datetime(on.year, on.month, on.day, tzinfo=UTC).timestamp() * 1000)})/"


def _error(status: int, code: str, said: str) -> Reply:
    return Reply({"error": {"code": code, "message": {"lang": "en", "value": said}}}, status)
