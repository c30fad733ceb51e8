"""Business Central keeps the promises of live sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from adapters.suppliers.business_central import MANIFEST
from simulator.business_central import (
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY,
    ENVIRONMENT,
    TENANT,
    BusinessCentralServer,
)
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance, Order
from tests.conformance.erp_source import ErpSource


class CentralSource(ErpSource):
    secrets: Sequence[str] = (CLIENT_SECRET,)

    def __init__(self, server: BusinessCentralServer, **choices: str) -> None:
        config = {"tenant": TENANT, "environment": ENVIRONMENT, "client_id": CLIENT_ID,
                  "api_url": server.url, "login_url": server.url, **choices}  # fmt: skip
        super().__init__(server, MANIFEST, config, {"client_secret": CLIENT_SECRET})
        self.central = server
        self.tells_change = choices.get("quantity") == "on_hand"
        server.put("companies", "c1", name=COMPANY, displayName="Cronus")
        server.put("locations", "l1", code="EAST")

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.central.tables["items"].clear()
        self.central.tables["ledger"].clear()
        first = 1 + max(self.central.tables["itemLedgerEntries"], default=0)
        for at, (code, units) in enumerate(items):
            self.central.put(
                "items", f"id-{code}", number=code, displayName=code, type="Inventory", blocked=False, gtin="",
                inventory=units, unitCost=2.5, baseUnitOfMeasureCode="PCS", lastModifiedDateTime="2026-11-22",
            )  # fmt: skip
            self.central.put("itemLedgerEntries", first + at, itemNumber=code, quantity=units)
            self.central.put(
                "ledger", first + at, Item_No=code, Location_Code="EAST", Remaining_Quantity=units, Open=True
            )

    def order(self, lines: Sequence[Order]) -> None:
        self.central.tables["purchaseOrderLines"].clear()
        self.central.put("purchaseOrders", "po1", number="106001", status="Open", fullyReceived=False)
        for reference, item, units, at in lines:
            self.central.put(
                "purchaseOrderLines", reference, documentId="po1", itemId=f"id-{item}", unitOfMeasureCode="PCS",
                quantity=units, receivedQuantity=0, locationId="l1",
                expectedReceiptDate=at.date().isoformat() if at else "0001-01-01",
            )  # fmt: skip

    def refuse_credentials(self) -> None:
        self.central.secrets.clear()
        self.central.tokens.clear()


@pytest.fixture(scope="module")
def server() -> Iterator[BusinessCentralServer]:
    with BusinessCentralServer() as server:
        yield server


class TestBusinessCentral(ApiSupplierConformance):
    choices: dict[str, str] = {}

    @pytest.fixture
    def source(self, server: BusinessCentralServer, waits: list[float]) -> Iterator[ApiSource]:
        server.settle()
        server.tables.clear()
        server.secrets = {CLIENT_SECRET}
        yield CentralSource(server, **self.choices)


class TestByLocation(TestBusinessCentral):
    choices = {"locations": "EAST", "quantity": "on_hand"}
