"""The products a merchant sells from CJ Dropshipping as a source of stock.

CJ has no list of stock: each product is asked for by itself, and each question costs points. So only the
merchant's own products are read, all of them or none, spread evenly over what a day allows. A part that is
read today and another tomorrow was refused: items that are not in a reading would pass for taken off the list, and
yesterday's numbers for today's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from adapters.kit.canonical import StockRow, fields
from adapters.suppliers.cj_dropshipping.client import ADAPTER, CJ
from connector.ports.errors import FileFault, Misconfigured
from connector.ports.incoming import SupplierIncoming

A_CALL = 10
"""Points for a product, or for its stock."""
LONGEST_READING_S = 1500
"""A reading must be over before its worker's turn is."""
Counted = Literal["all", "cj"]
_NUMBERS = {"all": "totalInventory", "cj": "cjInventory"}


class CJStock:
    """See `adapters.kit.live.LiveApi`. `products` are ids, empty: the account's own list. `countries` are those
    whose warehouses count, empty: all. `counted` "cj" leaves out what is still with the manufacturers."""

    reads_incoming = False

    def __init__(
        self,
        cj: CJ,
        products: tuple[str, ...] = (),
        countries: tuple[str, ...] = (),
        counted: Counted = "all",
    ) -> None:
        self.name = ADAPTER
        self.subject = "CJ Dropshipping"
        self.fields = fields("sku", "quantity")
        self._cj = cj
        self._products = products
        self._countries = {one.upper() for one in countries}
        self._number = _NUMBERS[counted]
        self._calls_each = 1

    def check(self) -> str:
        """Signs in and looks at the account's own list, which costs no points."""
        if self._products:
            self._check_room(len(self._products))
            self._cj.my_first_products()
            return f"CJ accepts the key. {len(self._products):,} products are read as often as points allow."
        products = self._cj.my_products()
        if not products:
            raise Misconfigured(
                ADAPTER,
                "My Products",
                "The list My Products of this account is empty.",
                "Add what you sell to it at CJ, or enter the products' ids.",
                field="products",
            )
        self._check_room(len(products))
        return (
            f"CJ accepts the key. {len(products):,} products of your list are read as often as points allow."
        )

    def early_s(self) -> float:
        """See `adapters.kit.live.PacedApi`."""
        return self._cj.points.early_s()

    def change_mark(self) -> str:
        """Nothing: CJ cannot say whether anything changed."""
        return ""

    def rows(self) -> Iterator[StockRow]:
        """Every variant of every product, or RateLimited where it is too early for all of them."""
        products = self._products or tuple(self._cj.my_products())
        if not products:
            return
        self._check_room(len(products))
        self._cj.points.claim(len(products) * self._calls_each * A_CALL, self.subject)
        for pid in products:
            yield from self._variants(pid)

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Nothing: CJ does not tell what it expects."""
        yield from ()

    def _check_room(self, count: int) -> None:
        """Raises Misconfigured where a day, or a turn, has no room for so many products."""
        cost, units = count * self._calls_each * A_CALL, self._cj.points.units
        if cost > units // 2:
            raise Misconfigured(
                ADAPTER,
                self.subject,
                f"{count:,} products cost {cost:,} points a reading, and half of a day's {units:,} is the most.",
                "Enter the products you sell, or your points if CJ gives you more.",
                field="points",
            )
        each_s = self._calls_each * self._cj.rate.within_s / self._cj.rate.calls
        if count * each_s > LONGEST_READING_S:
            raise Misconfigured(
                ADAPTER,
                self.subject,
                f"{count:,} products take {count * each_s / 60:,.0f} minutes at this number of calls a second.",
                "Enter the products you sell, or the calls a second of your level at CJ.",
                field="rate",
            )

    def _variants(self, pid: str) -> Iterator[StockRow]:
        product = self._cj.product(pid)
        if product is None:
            return
        variants = product.get("variants")
        if not isinstance(variants, list) or not all(isinstance(one, dict) for one in variants):
            raise self._senseless(pid)
        lines = {str(one.get("vid")): one.get("inventories") for one in variants}
        if not all(isinstance(one, list) for one in lines.values()):
            # Some answers leave the stock out: it is asked for by itself, and reckoned with the next time.
            self._calls_each = 2
            lines = self._inventories(pid)
        for one in variants:
            vid, sku = one.get("vid"), one.get("variantSku")
            if not vid or not isinstance(sku, str):
                raise self._senseless(pid)
            yield StockRow(id=str(vid), sku=sku, quantity=self._units(pid, lines.get(str(vid))))

    def _inventories(self, pid: str) -> dict[str, Any]:
        found = self._cj.inventory(pid)
        variants = (found or {}).get("variantInventories")
        if not isinstance(variants, list):
            raise self._senseless(pid)
        return {str(one.get("vid")): one.get("inventory") for one in variants if isinstance(one, Mapping)}

    def _units(self, pid: str, lines: Any) -> int | None:
        """What the chosen warehouses have; None where CJ lists none at all, which is not "sold out"."""
        if not lines:
            return None
        total = 0
        for one in lines:
            units = one.get(self._number) if isinstance(one, Mapping) else None
            if not isinstance(units, int) or isinstance(units, bool):
                raise self._senseless(pid)
            if not self._countries or str(one.get("countryCode", "")).upper() in self._countries:
                total += max(units, 0)
        return total

    def _senseless(self, pid: str) -> FileFault:
        return FileFault(
            ADAPTER,
            f"product {pid}",
            "It is not written as CJ writes products: variants with vid, variantSku and stock.",
            "Yesterday's stock is kept. CJ may have changed its API.",
            code="bad_json",
        )
