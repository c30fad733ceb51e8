"""A store's products at Printful as a source of stock: made to order, sellable while the blanks are in stock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.kit.canonical import StockRow, fields
from adapters.suppliers.printful.client import ADAPTER, Printful, Record, too_many
from connector.ports.errors import FileFault
from connector.ports.incoming import SupplierIncoming

REGIONS = (
    "worldwide", "north_america", "canada", "europe", "spain", "latvia", "uk", "france", "germany", "australia",
    "japan", "new_zealand", "italy", "brazil", "southeast_asia", "republic_of_korea",
)  # fmt: skip
"""Printful's selling regions; the first is what it means where none is named."""
MOST_PRODUCTS = 2000
"""Two calls each at most, two a second: what a turn of a worker has time for."""
_SELLABLE = {"in stock", "stocked on demand"}
_NOT = {"out of stock", "not fulfillable"}


class PrintfulStock:
    """See `adapters.kit.live.LiveApi`. An item is sellable if it is in stock in one of `regions` at least, with
    one technique at least."""

    reads_incoming = False

    def __init__(self, printful: Printful, regions: tuple[str, ...] = REGIONS[:1]) -> None:
        self.name = ADAPTER
        self.subject = "Printful"
        self.fields = fields("sku", "quantity")
        self._printful = printful
        self._regions = frozenset(regions)

    def check(self) -> str:
        """Reads the first page of the store's products."""
        page = self._printful.first_products()
        count = len(page.items) if page.total is None else page.total
        return f"Printful accepts the token. The store has {count:,} products."

    def change_mark(self) -> str:
        """Nothing: Printful cannot say whether anything changed without being told where to report it."""
        return ""

    def rows(self) -> Iterator[StockRow]:
        """Every variant of every product that is not hidden."""
        products = [one for one in self._printful.products() if not one.get("is_ignored")]
        if len(products) > MOST_PRODUCTS:
            raise too_many(len(products), MOST_PRODUCTS)
        known: dict[int, dict[int, str | None]] = {}
        for product in products:
            for variant in self._printful.variants(_number(product, "id")):
                if variant.get("is_ignored"):
                    continue
                yield self._row(variant, known)

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Nothing: Printful does not tell when blanks come back."""
        yield from ()

    def _row(self, variant: Record, known: dict[int, dict[int, str | None]]) -> StockRow:
        blank, product = variant.get("variant_id"), variant.get("product")
        quantity: str | None = None
        # A variant that is not linked to the catalogue yet cannot be made, and nothing is known of it.
        if blank is not None and isinstance(product, Mapping) and product.get("product_id") is not None:
            product_id = _number(product, "product_id")
            if product_id not in known:
                known[product_id] = {
                    _number(one, "catalog_variant_id"): self._word(one)
                    for one in self._printful.availability(product_id)
                }
            # A blank that the catalogue has no more is told nowhere.
            quantity = known[product_id].get(_number(variant, "variant_id"), "out of stock")
        return StockRow(
            id=str(_number(variant, "id")),
            sku=str(variant.get("sku") or ""),
            name=str(variant.get("name") or ""),
            quantity=quantity,
            made_to_order=True,
        )

    def _word(self, item: Record) -> str | None:
        """The stock word of one variant: "in stock" in a chosen region, else "out of stock" if Printful is sure
        of all that it tells of them, else None."""
        found = set()
        for technique in _list(item, "techniques"):
            for region in _list(technique, "selling_regions"):
                if region.get("name") in self._regions:
                    found.add(str(region.get("availability")).strip().lower())
        if found & _SELLABLE:
            return "in stock"
        return "out of stock" if found and found <= _NOT else None


def _number(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _senseless(name)
    return value


def _list(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = record.get(name)
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise _senseless(name)
    return value


def _senseless(name: str) -> FileFault:
    return FileFault(
        ADAPTER,
        "the store's products",
        f"Printful's answer has no {name} where one belongs.",
        "What was read before is kept. Printful may have changed its API.",
        code="bad_json",
    )
