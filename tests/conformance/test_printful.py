"""Printful keeps the promises of live sources, in words instead of numbers; its pages are products of ten variants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.suppliers.printful import MANIFEST
from connector.ports.suppliers import Feed, ReadOptions
from simulator.printful import TOKEN, PrintfulServer
from tests.conformance.api_suppliers import ApiSource, ApiSupplierConformance, items
from tests.conformance.hubs import HubSource, here


class PrintfulSource(HubSource):
    secrets: Sequence[str] = (TOKEN,)

    def __init__(self, server: PrintfulServer) -> None:
        super().__init__(server)
        self.printful = server
        server.largest = 2
        self.units: dict[str, int] = {}
        self.supplier: Any = MANIFEST.build({}, {"token": TOKEN}, here())

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        self.units = dict(items)
        self.printful.products, self.printful.blanks = {}, {71: []}
        for number, (sku, units) in enumerate(items):
            of = self.printful.products.setdefault(1 + number // self.page_size, [])
            of.append(
                {
                    "id": 1000 + number,
                    "sku": sku,
                    "variant_id": number,
                    "product": {"product_id": 71},
                    "is_ignored": False,
                }
            )
            word = "in stock" if units else "out of stock"
            regions = [{"name": "worldwide", "availability": word, "placement_option_availability": []}]
            self.printful.blanks[71].append(
                {
                    "catalog_variant_id": number,
                    "techniques": [{"technique": "dtg", "selling_regions": regions}],
                }
            )

    def refuse_credentials(self) -> None:
        self.printful.tokens.clear()


class TestPrintful(ApiSupplierConformance):
    @pytest.fixture
    def source(self, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiSource]:
        with PrintfulServer() as server:
            monkeypatch.setattr("adapters.suppliers.printful.client.API_URL", server.url)
            yield PrintfulSource(server)

    def read(self, source: ApiSource, inbox: Path) -> list[tuple[str, int]]:
        """As everywhere; a word is checked against the number it stands for."""
        assert isinstance(source, PrintfulSource)
        table = self.table(source, inbox)
        at = table.shape.columns.index("sku"), table.shape.columns.index("quantity")
        found = sorted((row.cells[at[0]], row.cells[at[1]]) for row in table.rows())
        for sku, word in found:
            assert word == ("in stock" if source.units[sku] else "out of stock")
        return [(sku, source.units[sku]) for sku, _ in found]

    def test_one_change_is_one_row(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(5))
        first = self.fetched(source, inbox)
        known = np.sort(source.supplier.open(first, ReadOptions()).digests())
        source.stock([*items(4), ("SKU-0004", 0)])
        again = source.supplier.fetch(first.mark, inbox)
        assert isinstance(again, Feed)
        rows = list(source.supplier.open(again, ReadOptions()).rows(known))
        assert len(rows) == 1
        assert {"SKU-0004", "out of stock"} <= set(rows[0].cells)
