"""Odoo keeps the promises of live sources, by JSON-2 and by XML-RPC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from adapters.suppliers.odoo import MANIFEST
from connector.registry import Environment
from simulator.odoo import Database, OdooServer
from simulator.odoo.server import KEY, LOGIN
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance, Order

PAGE = 10


class OdooSource:
    page_size = PAGE
    secrets: Sequence[str] = (KEY,)
    least_wait_s = 7.0
    tells_change = True
    has_orders = True

    def __init__(self, server: OdooServer) -> None:
        self.server = server
        self.base = server.database
        self.base.put("stock.warehouse", 1, name="Main", code="WH", active=True, company_id=1)
        self.base.put("stock.location", 5, complete_name="WH/Stock", usage="internal", warehouse_id=1)
        self.base.put("stock.location", 8, complete_name="Vendors", usage="supplier", warehouse_id=False)
        self.base.put("uom.uom", 1, name="Units", active=True, factor=1.0)
        config = {"url": f"{server.url}/odoo", "database": "dispo", "username": LOGIN}
        environment = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=5.0)
        self.supplier: Any = MANIFEST.build(config, {"api_key": KEY}, environment)

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.base.tick()
        for model in ("product.product", "stock.quant"):
            self.base.tables[model].clear()
        for sku, units in items:
            id_ = self.base.put(
                "product.product", default_code=sku, barcode=False, name=sku, active=True, uom_id=1,
                is_storable=True, type="consu" if self.base.version >= 18 else "product", standard_price=2.5,
            )  # fmt: skip
            self.base.put(
                "stock.quant", product_id=id_, location_id=5, quantity=float(units), reserved_quantity=0.0
            )

    def order(self, lines: Sequence[Order]) -> None:
        self.base.tables["stock.move"].clear()
        ids = {one["default_code"]: id_ for id_, one in self.base.tables["product.product"].items()}
        for reference, item, units, at in lines:
            date = at.strftime("%Y-%m-%d %H:%M:%S") if at else False
            self.base.put(
                "stock.move", int(reference), product_id=ids[item], product_uom=1, product_uom_qty=float(units),
                state="assigned", picking_code="incoming", location_id=8, location_dest_id=5, date=date,
                date_deadline=date, origin="P00001",
            )  # fmt: skip

    def refuse_credentials(self) -> None:
        self.server.keys.clear()

    def fail_next(self, times: int) -> None:
        self.server.dials.fail_next += ["error"] * times

    def throttle_next(self, times: int) -> None:
        self.server.dials.fail_next += ["throttle"] * times

    def break_after(self, pages: int) -> None:
        # Four calls look whether anything changed.
        self.server.fail_from = sum(self.server.calls.values()) + 4 + pages

    def answer_page(self) -> None:
        self.server.sign_in_page = True

    def leak(self) -> None:
        self.server.leaks = f" for {KEY}"
        self.server.is_broken = True

    def calls(self) -> int:
        return sum(self.server.statuses.values())


class TestJson2(ApiSupplierConformance):
    version = 19

    @pytest.fixture
    def source(self, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiSource]:
        monkeypatch.setattr("adapters.suppliers.odoo.stock.PAGE", PAGE)
        with OdooServer(Database(version=self.version)) as server:
            yield OdooSource(server)


class TestXmlRpc(TestJson2):
    version = 16
