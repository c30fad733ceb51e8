"""What a BigCommerce store knows beyond `Shop`: variant ids, tracking, locations, levels, and how reads lag.

Every product has a base variant, so a variant's id is never the product's. `Shop` holds the numbers of the
default location; those of other locations live here. Adjustments are asynchronous: the number itself (what
a checkout sees) changes at once, what reads show follows `lag_s` later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from simulator.shop import Item, Product, Shop

VARIANT_OFFSET = 100_000
"""A variant's id is its item's plus this, so that confusing it with a product's is an error here too."""
MOST = 2_147_483_647


@dataclass
class SimLocation:
    """A place that holds stock; the one that `is_default` feeds the storefront."""

    id: int
    code: str
    label: str
    is_default: bool = False
    enabled: bool = True


DEFAULT_LOCATIONS = (SimLocation(1, "BC-LOCATION-1", "Default location", is_default=True),)


def variant_id(item: Item) -> int:
    return item.id + VARIANT_OFFSET


def tracking(shop: Shop, product: Product) -> str:
    """ "none", "product" or "variant"; a test may set `product.platform["inventory_tracking"]`."""
    chosen = product.platform.get("inventory_tracking")
    if chosen:
        return str(chosen)
    items = shop.items_of(product)
    if not any(item.tracked for item in items):
        return "none"
    return "product" if is_simple(product) else "variant"


def is_simple(product: Product) -> bool:
    """Sold without options: its one item is the base variant."""
    return product.item_ids == [product.id]


class Levels:
    """Numbers by item and location, as they are (`get`) and as reads show them (`shown`)."""

    def __init__(self, shop: Shop, locations: tuple[SimLocation, ...], lag_s: float) -> None:
        self.shop = shop
        self.locations = {one.id: one for one in locations}
        self.default = next(one for one in locations if one.is_default)
        self.lag_s = lag_s
        self._elsewhere: dict[tuple[int, int], int] = {}
        self._behind: dict[tuple[int, int], tuple[datetime, int]] = {}
        self._lock = threading.Lock()

    def item(self, number: int) -> Item | None:
        """The item of a variant id."""
        return self.shop.items.get(number - VARIANT_OFFSET)

    def get(self, item: Item, location_id: int) -> int:
        """On hand."""
        if location_id == self.default.id:
            return item.stock or 0
        return self._elsewhere.get((item.id, location_id), 0)

    def shown(self, item: Item, location_id: int) -> int:
        """On hand as the API tells it: for `lag_s` after an adjustment still the number before it."""
        with self._lock:
            behind = self._behind.get((item.id, location_id))
            if behind is not None and self.shop.now() < behind[0] + timedelta(seconds=self.lag_s):
                return behind[1]
        return self.get(item, location_id)

    def set(self, item: Item, location_id: int, units: int, changed: Callable[[Item, int], None]) -> None:
        """An absolute adjustment; `changed` is told where `Shop` does not report it itself."""
        before = self.shown(item, location_id)
        if self.lag_s:
            with self._lock:
                self._behind[(item.id, location_id)] = (self.shop.now(), before)
        if location_id == self.default.id:
            self.shop.set_stock(item.id, units, by="api")
        else:
            self._elsewhere[(item.id, location_id)] = units
            changed(item, location_id)

    def safety_stock(self, item: Item) -> int:
        return int(item.platform.get("safety_stock", 0))

    def settings(self, item: Item, location_id: int) -> dict[str, Any]:
        return {
            "safety_stock": self.safety_stock(item),
            "is_in_stock": True,
            "warning_level": int(item.platform.get("warning_level", 0)),
            "bin_picking_number": "",
        }
