"""NetSuite keeps the promises of live sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from adapters.suppliers.netsuite import MANIFEST
from simulator.netsuite import CERTIFICATE_ID, CLIENT_ID, NetSuiteServer, new_key
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance, Order
from tests.conformance.erp_source import ErpSource


class NetSuiteSource(ErpSource):
    secrets: Sequence[str] = (CLIENT_ID, CERTIFICATE_ID)
    tells_change = False

    def __init__(self, server: NetSuiteServer) -> None:
        pem, public = new_key()
        server.certificates = {CERTIFICATE_ID: public}
        config = {"account": "1234567_SB1", "client_id": CLIENT_ID, "certificate_id": CERTIFICATE_ID,
                  "api_url": server.url}  # fmt: skip
        super().__init__(server, MANIFEST, config, {"private_key": pem})
        self.suite = server
        server.put("location", id=1, name="East", isinactive="F")

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.suite.tables["item"].clear()
        self.suite.tables["aggregateitemlocation"].clear()
        for code, units in items:
            id_ = int(code.removeprefix("SKU-")) + 1
            self.suite.put("item", id=id_, itemid=code, displayname=code, isinactive="F", itemtype="InvtPart")
            self.suite.put("aggregateitemlocation", item=id_, location=1, quantityavailable=units or None)

    def order(self, lines: Sequence[Order]) -> None:
        self.suite.tables["transaction"].clear()
        ids = {one["itemid"]: one["id"] for one in self.suite.tables["item"]}
        for reference, item, units, at in lines:
            self.suite.put(
                "transaction", uniquekey=int(reference), tranid="PO17", type="PurchOrd", status="PurchOrd:B",
                mainline="F", taxline="F", isclosed="F", item=ids[item], location=1, quantity=units,
                expectedreceiptdate=at.date().isoformat() if at else None,
            )  # fmt: skip

    def refuse_credentials(self) -> None:
        self.suite.certificates.clear()
        self.suite.tokens.clear()


@pytest.fixture(scope="module")
def server() -> Iterator[NetSuiteServer]:
    with NetSuiteServer() as server:
        yield server


class TestNetSuite(ApiSupplierConformance):
    @pytest.fixture
    def source(
        self, server: NetSuiteServer, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[ApiSource]:
        monkeypatch.setattr("adapters.suppliers.netsuite.stock.RANGE", NetSuiteSource.page_size)
        server.settle()
        server.tables.clear()
        server.page_size = NetSuiteSource.page_size
        yield NetSuiteSource(server)
