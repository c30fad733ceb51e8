"""ERPNext keeps the promises of live sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from adapters.suppliers.erpnext import MANIFEST
from simulator.erpnext import KEY, SECRET, ErpnextServer
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance, Order
from tests.conformance.erp_source import ErpSource


class ErpnextSource(ErpSource):
    secrets: Sequence[str] = (KEY, SECRET)

    def __init__(self, site: ErpnextServer) -> None:
        super().__init__(site, MANIFEST, {"url": f"{site.url}/app"}, {"api_key": KEY, "api_secret": SECRET})
        self.site = site
        site.put("Warehouse", "Stores - C", company="C", lft=2, rgt=3)

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.site.tables["Item"].clear()
        self.site.tables["Bin"].clear()
        for code, units in items:
            self.site.put("Item", code, item_name=code, stock_uom="Nos", is_stock_item=1)
            self.site.put(
                "Bin", f"BIN-{code}", item_code=code, warehouse="Stores - C", actual_qty=float(units)
            )

    def order(self, lines: Sequence[Order]) -> None:
        self.site.tables["Purchase Order Item"].clear()
        self.site.put("Purchase Order", "PUR-1", docstatus=1, status="To Receive and Bill", company="C")
        for reference, item, units, at in lines:
            self.site.put(
                "Purchase Order Item", reference, parent="PUR-1", docstatus=1, item_code=item, qty=float(units),
                warehouse="Stores - C", conversion_factor=1.0, schedule_date=at.date().isoformat() if at else None,
            )  # fmt: skip

    def refuse_credentials(self) -> None:
        self.site.keys.clear()


@pytest.fixture(scope="module")
def site() -> Iterator[ErpnextServer]:
    with ErpnextServer() as site:
        yield site


class TestErpnext(ApiSupplierConformance):
    @pytest.fixture
    def source(
        self, site: ErpnextServer, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[ApiSource]:
        monkeypatch.setattr("adapters.suppliers.erpnext.stock.PAGE", ErpnextSource.page_size)
        site.settle()
        site.tables.clear()
        site.keys = {(KEY, SECRET)}
        yield ErpnextSource(site)
