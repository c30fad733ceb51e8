"""SAP S/4HANA keeps the promises of live sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from adapters.suppliers.sap_s4hana import MANIFEST
from simulator.sap_s4hana import PASSWORD, USER, SapServer, sap_date
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance, Order
from tests.conformance.erp_source import ErpSource


class SapSource(ErpSource):
    secrets: Sequence[str] = (PASSWORD,)
    tells_change = False

    def __init__(self, server: SapServer) -> None:
        super().__init__(server, MANIFEST, {"url": server.url, "username": USER}, {"password": PASSWORD})
        self.sap = server

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.sap.tables["A_ProductPlant"].clear()
        self.sap.tables["A_MatlStkInAcctMod"].clear()
        for code, units in items:
            self.sap.put("A_ProductPlant", Product=code, Plant="1010", BaseUnit="PC")
            if units:
                self.sap.put("A_MatlStkInAcctMod", Material=code, Plant="1010", StorageLocation="101A",
                             InventoryStockType="01", MatlWrhsStkQtyInMatlBaseUnit=f"{units}.000")  # fmt: skip

    def order(self, lines: Sequence[Order]) -> None:
        self.sap.tables["A_PurchaseOrderItem"].clear()
        self.sap.tables["A_PurchaseOrder"].clear()
        self.sap.put("A_PurchaseOrder", PurchaseOrder="4500000001")
        for reference, item, units, at in lines:
            line = {"ScheduleLine": "1", "ScheduleLineDeliveryDate": sap_date(at.date()) if at else None,
                    "ScheduleLineOrderQuantity": str(units)}  # fmt: skip
            self.sap.put(
                "A_PurchaseOrderItem", PurchaseOrder="4500000001", PurchaseOrderItem=reference, Material=item,
                Plant="1010", PurchaseOrderQuantityUnit="PC", GoodsReceiptIsExpected=True,
                to_ScheduleLine={"results": [line]},
            )  # fmt: skip

    def refuse_credentials(self) -> None:
        self.sap.passwords.clear()


@pytest.fixture(scope="module")
def server() -> Iterator[SapServer]:
    with SapServer() as server:
        yield server


class TestSapS4hana(ApiSupplierConformance):
    @pytest.fixture
    def source(self, server: SapServer, waits: list[float]) -> Iterator[ApiSource]:
        server.settle()
        server.tables.clear()
        server.passwords = {PASSWORD}
        server.page_size = SapSource.page_size
        yield SapSource(server)
