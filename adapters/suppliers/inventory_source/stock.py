"""The catalogues a merchant configured at Inventory Source as a source of stock."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from adapters.kit.canonical import StockRow, fields
from adapters.suppliers.inventory_source.client import (
    ADAPTER,
    MOST_PAGES,
    PAGE,
    InventorySource,
    Record,
    senseless,
)
from connector.ports.errors import FileFault
from connector.ports.incoming import SupplierIncoming


class InventorySourceStock:
    """See `adapters.kit.live.LiveApi`. `catalogs` are their numbers, one at least."""

    reads_incoming = False

    def __init__(self, source: InventorySource, catalogs: tuple[str, ...]) -> None:
        self.name = ADAPTER
        self.subject = source.subject
        self.fields = fields("sku", "quantity", "cost")
        self._source = source
        self._catalogs = catalogs

    def check(self) -> str:
        """Reads one product of each catalogue."""
        empty = [one for one in self._catalogs if not self._source.page(one, 0, size=1)]
        told = f"Inventory Source accepts the token. Catalogues: {', '.join(self._catalogs)}."
        return f"{told} Nothing is listed in {', '.join(empty)}." if empty else told

    def change_mark(self) -> str:
        """Nothing: the API cannot say whether anything changed."""
        return ""

    def rows(self) -> Iterator[StockRow]:
        """Every product of every catalogue."""
        count = 0
        for catalog in self._catalogs:
            for product in self._source.products(catalog):
                count += 1
                if count > MOST_PAGES * PAGE:
                    raise FileFault(
                        ADAPTER,
                        self.subject,
                        f"The catalogues hold more than {MOST_PAGES * PAGE:,} products, and Inventory Source lets"
                        " no more be read in the time of one reading.",
                        "Connect some of the catalogues as another supplier.",
                        code="too_large",
                    )
                yield self._row(catalog, product)

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Nothing: Inventory Source does not tell what suppliers expect."""
        yield from ()

    def _row(self, catalog: str, product: Record) -> StockRow:
        sku, quantity, cost = product.get("sku"), product.get("quantity"), product.get("cost")
        is_number = isinstance(quantity, int | Decimal) and not isinstance(quantity, bool)
        if not isinstance(sku, str) or not (quantity is None or is_number):
            raise senseless(f"catalogue {catalog}")
        # What is not active cannot be ordered, whatever number is left of it.
        units = 0 if product.get("active") is False else quantity
        return StockRow(
            id=str(product["id"]),
            sku=sku,
            gtin=str(product.get("upc") or ""),
            name=str(product.get("title") or ""),
            quantity=units,
            cost=Decimal(cost) if isinstance(cost, int | Decimal) and not isinstance(cost, bool) else None,
        )
