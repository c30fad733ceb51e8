"""CJ Dropshipping keeps the promises of live sources; its pages are products of ten variants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from adapters.kit.api import Rate
from adapters.suppliers.cj_dropshipping import MANIFEST
from simulator.cj_dropshipping import KEY, CJServer
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance
from tests.conformance.hubs import HubSource, here


class CJSource(HubSource):
    secrets: Sequence[str] = (KEY,)
    least_wait_s = 1.0

    def __init__(self, server: CJServer) -> None:
        super().__init__(server)
        self.cj = server
        self.supplier: Any = MANIFEST.build({}, {"api_key": KEY}, here())

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.cj.products = {}
        for number, (sku, units) in enumerate(items):
            lines = [{"countryCode": "CN", "totalInventory": units, "cjInventory": 0}]
            product = self.cj.products.setdefault(f"P{number // self.page_size}", [])
            product.append({"vid": f"V{number}", "sku": sku, "lines": lines})

    def refuse_credentials(self) -> None:
        self.cj.keys.clear()


class TestCJDropshipping(ApiSupplierConformance):
    @pytest.fixture
    def source(self, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiSource]:
        # Nothing waits here, so calls come as fast as they can; rate and points have their own tests.
        monkeypatch.setattr("adapters.suppliers.cj_dropshipping.RATES", {"1": Rate(1000, 1)})
        monkeypatch.setattr("adapters.suppliers.cj_dropshipping.stock.A_CALL", 0)
        with CJServer() as server:
            monkeypatch.setattr("adapters.suppliers.cj_dropshipping.client.API_URL", server.url)
            yield CJSource(server)
