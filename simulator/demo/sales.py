"""What shoppers bought in the real shop, as baskets through a day. Seeded: every replay is the same."""

from __future__ import annotations

import csv
import gzip
import random
from collections import defaultdict
from dataclasses import dataclass
from importlib.resources import files

DAYS = 120
LINES_PER_BASKET = 12


@dataclass(frozen=True)
class SoldOn:
    """Units of one SKU sold on one day (0 to 119), in how many orders, at which price (minor units)."""

    sku: str
    day: int
    units: int
    orders: int
    price_minor: int


@dataclass(frozen=True)
class Basket:
    """One checkout at a moment of the day (0 to 1): SKU → units wanted."""

    at: float
    wanted: dict[str, int]


class History:
    """The excerpt in memory: sales by day, price and mean daily units by SKU."""

    def __init__(self) -> None:
        self.by_day: dict[int, list[SoldOn]] = defaultdict(list)
        self.price_minor: dict[str, int] = {}
        units: dict[str, int] = defaultdict(int)
        raw = files("simulator.demo").joinpath("data/online_retail_excerpt.csv.gz").read_bytes()
        for row in csv.DictReader(gzip.decompress(raw).decode().splitlines()):
            price = max(1, round(float(row["price"]) * 100))
            sold = SoldOn(row["sku"], int(row["day"]), int(row["units"]), int(row["orders"]), price)
            self.by_day[sold.day].append(sold)
            self.price_minor[sold.sku] = price
            units[sold.sku] += sold.units
        self._trading_days = sorted(self.by_day)
        self.daily_mean: dict[str, float] = {sku: total / DAYS for sku, total in units.items()}

    @property
    def skus(self) -> list[str]:
        return sorted(self.price_minor)

    def baskets(self, day: int) -> list[Basket]:
        """The day's orders, in the order of their moments. Only days on which the shop sold count; after
        the last one comes the first again."""
        dice = random.Random(f"baskets:{day}")
        lines = []
        for sold in self.by_day[self._trading_days[day % len(self._trading_days)]]:
            share, rest = divmod(sold.units, sold.orders)
            lines += [(sold.sku, share + (n < rest)) for n in range(sold.orders) if share + (n < rest)]
        dice.shuffle(lines)
        baskets = []
        for start in range(0, len(lines), LINES_PER_BASKET):
            wanted: dict[str, int] = defaultdict(int)
            for sku, units in lines[start : start + LINES_PER_BASKET]:
                wanted[sku] += units
            baskets.append(Basket(dice.random(), dict(wanted)))
        return sorted(baskets, key=lambda basket: basket.at)
