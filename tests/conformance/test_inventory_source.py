"""Inventory Source keeps the promises of live sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from adapters.suppliers.inventory_source import MANIFEST
from simulator.inventory_source import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, InventorySourceServer
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance
from tests.conformance.hubs import HubSource, here


class InventorySource(HubSource):
    secrets: Sequence[str] = (REFRESH_TOKEN, CLIENT_SECRET)
    least_wait_s = 4.0

    def __init__(self, server: InventorySourceServer) -> None:
        super().__init__(server)
        self.far = server
        server.largest = self.page_size
        server.clients = {CLIENT_ID: CLIENT_SECRET}
        config = {"url": f"{server.url}/v1", "catalogs": "5310", "client_id": CLIENT_ID}
        secrets = {"refresh_token": REFRESH_TOKEN, "client_secret": CLIENT_SECRET}
        self.supplier: Any = MANIFEST.build(config, secrets, here())

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.far.catalogs = {
            5310: [
                {"id": 1 + number, "sku": sku, "quantity": units, "cost": 18.25, "active": True, "upc": None}
                for number, (sku, units) in enumerate(items)
            ]
        }

    def refuse_credentials(self) -> None:
        self.far.refresh_tokens.clear()


class TestInventorySource(ApiSupplierConformance):
    @pytest.fixture
    def source(self, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiSource]:
        with InventorySourceServer() as server:
            monkeypatch.setattr(
                "adapters.suppliers.inventory_source.client.TOKEN_URL", f"{server.url}/oauth/token"
            )
            yield InventorySource(server)
