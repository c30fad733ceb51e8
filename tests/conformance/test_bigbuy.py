"""BigBuy keeps the promises of live sources; its pages are its categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from adapters.suppliers.bigbuy import MANIFEST
from simulator.bigbuy import KEY, BigBuyServer
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance
from tests.conformance.hubs import HubSource, here


class BigBuySource(HubSource):
    secrets: Sequence[str] = (KEY,)

    def __init__(self, server: BigBuyServer) -> None:
        super().__init__(server)
        self.bigbuy = server
        self.supplier: Any = MANIFEST.build({"categories": "1, 2, 3"}, {"api_key": KEY}, here())

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.bigbuy.products = [
            {
                "id": number,
                "sku": sku,
                "category": 1 + number // self.page_size,
                "stocks": [{"quantity": units, "minHandlingDays": 1, "maxHandlingDays": 2, "warehouse": 1}],
            }
            for number, (sku, units) in enumerate(items)
        ]

    def refuse_credentials(self) -> None:
        self.bigbuy.keys.clear()


class TestBigBuy(ApiSupplierConformance):
    @pytest.fixture
    def source(self, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiSource]:
        with BigBuyServer() as server:
            monkeypatch.setattr("adapters.suppliers.bigbuy.client.API_URL", server.url)
            yield BigBuySource(server)
