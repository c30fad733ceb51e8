"""BigBuy's catalogue as a source of stock: its products and their variations, each by its own SKU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.kit.canonical import StockRow, fields
from adapters.suppliers.bigbuy.client import ADAPTER, LISTS, BigBuy, List, Record
from connector.ports.errors import FileFault, Misconfigured
from connector.ports.incoming import SupplierIncoming

MOST_CATEGORIES = 10
"""One reading asks each list once for each category, and BigBuy allows ten an hour."""


class BigBuyStock:
    """See `adapters.kit.live.LiveApi`. `categories` are ids of first-level categories, empty: everything.
    `handling_days` leaves out stock that takes longer to leave BigBuy's warehouse, None: all counts."""

    reads_incoming = False

    def __init__(
        self, bigbuy: BigBuy, categories: tuple[str, ...] = (), handling_days: int | None = None
    ) -> None:
        self.name = ADAPTER
        self.subject = "BigBuy's catalogue"
        self.fields = fields("sku", "quantity")
        self._bigbuy = bigbuy
        self._categories = categories
        self._handling_days = handling_days

    def check(self) -> str:
        """Reads the names of the categories, which costs nothing of what the stock may be asked."""
        found = {str(one.get("id")): str(one.get("name", "")) for one in self._bigbuy.categories()}
        unknown = [one for one in self._categories if one not in found]
        if unknown:
            known = ", ".join(f"{id_} ({name})" for id_, name in found.items())
            raise Misconfigured(
                ADAPTER,
                self.subject,
                f"BigBuy has no first-level category {unknown[0]}.",
                f"It has: {known}."[:400],
                field="categories",
            )
        chosen = ", ".join(found[one] for one in self._categories)
        return f"BigBuy accepts the key. Read are: {chosen or f'all {len(found)} categories'}."

    def early_s(self) -> float:
        """See `adapters.kit.live.PacedApi`."""
        return self._bigbuy.early_s(len(self._categories) or 1)

    def change_mark(self) -> str:
        """Nothing: BigBuy cannot say whether anything changed."""
        return ""

    def rows(self) -> Iterator[StockRow]:
        """Every product and every variation, of each category. Raises RateLimited where what is left of the
        hour is not enough for all."""
        categories = self._categories or ("",)
        self._bigbuy.claim(len(categories))
        for name in LISTS:
            for category in categories:
                for one in self._bigbuy.stock(name, category):
                    yield self._row(name, one)

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Nothing: BigBuy does not tell what it expects."""
        yield from ()

    def _row(self, name: List, one: Record) -> StockRow:
        id_, sku, stocks = one.get("id"), one.get("sku"), one.get("stocks")
        if not isinstance(id_, int) or not isinstance(sku, str) or not isinstance(stocks, list):
            raise self._senseless(name)
        # Products and variations are numbered apart.
        kind = "variation" if name == "productsvariationsstockbyhandlingdays" else "product"
        return StockRow(id=f"{kind} {id_}", sku=sku, quantity=sum(self._units(name, part) for part in stocks))

    def _units(self, name: List, part: Any) -> int:
        """What one line of an item's stock adds: units that leave within the days the merchant accepts."""
        quantity = part.get("quantity") if isinstance(part, Mapping) else None
        if not isinstance(quantity, int) or isinstance(quantity, bool):
            raise self._senseless(name)
        if self._handling_days is not None:
            days = part.get("maxHandlingDays")
            if not isinstance(days, int):
                raise self._senseless(name)
            if days > self._handling_days:
                return 0
        return max(quantity, 0)

    def _senseless(self, name: str) -> FileFault:
        return FileFault(
            ADAPTER,
            name,
            "An item is not written as BigBuy writes items: id, sku and stocks with quantities.",
            "Yesterday's stock is kept. BigBuy may have changed its list.",
            code="bad_json",
        )
