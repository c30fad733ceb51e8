"""Zoho Inventory keeps the promises of live sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from adapters.suppliers.zoho_inventory import MANIFEST
from simulator.zoho_inventory import CLIENT_ID, CLIENT_SECRET, ORGANIZATION, REFRESH_TOKEN, ZohoServer
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance, Order
from tests.conformance.erp_source import ErpSource


class ZohoSource(ErpSource):
    secrets: Sequence[str] = (CLIENT_SECRET, REFRESH_TOKEN)
    tells_change = False

    def __init__(self, server: ZohoServer) -> None:
        config = {"organization_id": ORGANIZATION, "client_id": CLIENT_ID, "api_url": server.url,
                  "login_url": server.url}  # fmt: skip
        super().__init__(
            server, MANIFEST, config, {"client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
        )
        self.zoho = server

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.zoho.items = {
            f"48{code}": {"item_id": f"48{code}", "sku": code, "name": code, "status": "active", "unit": "pcs",
                          "item_type": "inventory", "actual_available_for_sale_stock": float(units)}
            for code, units in items
        }  # fmt: skip

    def order(self, lines: Sequence[Order]) -> None:
        self.zoho.orders = {
            f"po{reference}": {
                "purchaseorder_id": f"po{reference}", "purchaseorder_number": "PO-1", "status": "issued",
                "expected_delivery_date": at.date().isoformat() if at else "", "is_drop_shipment": False,
                "line_items": [{"line_item_id": reference, "item_id": f"48{item}", "sku": item, "quantity": units,
                                "quantity_received": 0, "quantity_cancelled": 0}],
            }
            for reference, item, units, at in lines
        }  # fmt: skip

    def refuse_credentials(self) -> None:
        self.zoho.refresh_tokens.clear()
        self.zoho.tokens.clear()


@pytest.fixture(scope="module")
def server() -> Iterator[ZohoServer]:
    with ZohoServer() as server:
        yield server


class TestZohoInventory(ApiSupplierConformance):
    @pytest.fixture
    def source(
        self, server: ZohoServer, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[ApiSource]:
        monkeypatch.setattr("adapters.suppliers.zoho_inventory.stock.AT_ONCE", ZohoSource.page_size)
        server.settle()
        server.items, server.orders = {}, {}
        server.refresh_tokens = {REFRESH_TOKEN}
        server.page_size = ZohoSource.page_size
        yield ZohoSource(server)
