"""Daily stock files of invented wholesalers, moved by the demand of real shops.

The demand is that of the data sets in `../shared/data` (UCI Online Retail and, where it is there, the car
parts of R's expsmooth); stock, deliveries, counts, sales and new articles are invented around it, seeded.
Every day is ordinary: the wholesaler means what his file says.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

Demand = Mapping[date, Mapping[str, int]]


@dataclass(frozen=True)
class Kind:
    """What a wholesaler's file is like. `skus` how many articles; `style` how it is written; `policy` what a
    missing row means to its merchant; `is_sparse`: only what changed is sent; `monday`: the share of the
    articles that only the Monday's list has."""

    name: str
    skus: int
    style: Literal["csv", "words", "json", "xml"] = "csv"
    policy: str = "zero"
    is_sparse: bool = False
    monday: float = 0.0
    scale: float = 1.0
    source: Literal["retail", "carparts"] = "retail"
    growth: float = 0.0


KINDS = (
    Kind("large", 3600),
    Kind("small", 80),
    Kind("words", 600, style="words"),
    Kind("json", 400, style="json"),
    Kind("xml", 300, style="xml"),
    Kind("sparse", 1200, policy="keep", is_sparse=True),
    Kind("monday", 800, policy="keep", monday=0.25),
    Kind("carparts", 1200, source="carparts"),
    Kind("growing", 500, growth=0.004),
)


@dataclass(frozen=True)
class File:
    """One day's file before it is written: rows of (code, name, quantity, price, pack, restock date)."""

    kind: Kind
    on: date
    header: tuple[str, ...]
    rows: list[list[str]]

    @property
    def at(self) -> datetime:
        return datetime(self.on.year, self.on.month, self.on.day, 5, tzinfo=UTC)

    @property
    def name(self) -> str:
        return f"{self.on:%Y-%m-%d}.{ {'json': 'json', 'xml': 'xml'}.get(self.kind.style, 'csv') }".replace(
            " ", ""
        )

    def with_rows(self, rows: list[list[str]]) -> File:
        return replace(self, rows=rows)

    def write(self) -> bytes:
        """The file's bytes."""
        if self.kind.style == "json":
            names = ("sku", "name", "quantity", "price", "pack_size", "restock_date")
            return json.dumps({"items": [dict(zip(names, row, strict=False)) for row in self.rows]}).encode()
        if self.kind.style == "xml":
            tags = ("sku", "name", "quantity", "price", "pack_size", "restock_date")
            lines = [
                "<item>"
                + "".join(f"<{tag}>{_xml(cell)}</{tag}>" for tag, cell in zip(tags, row, strict=False))
                + "</item>"
                for row in self.rows
            ]
            return (
                '<?xml version="1.0" encoding="utf-8"?>\n<stock>\n' + "\n".join(lines) + "\n</stock>\n"
            ).encode()
        text = io.StringIO()
        is_old = self.kind.style == "words"
        writer = csv.writer(text, delimiter=";" if is_old else ",", lineterminator="\r\n" if is_old else "\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return text.getvalue().encode("cp1252" if is_old else "utf-8", "replace")


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


HEADER = ("SKU", "Name", "Stock", "Price", "Pack size", "Restock date")
WORDS_HEADER = ("Référence", "Désignation", "Disponibilité", "Prix HT", "Colisage", "Réappro. prévu")
QUANTITY, PRICE, PACK = 2, 3, 4

_NAMES = (
    "Lantern",
    "Tea towel",
    "Café set",
    "Ribbon",
    "Boîte",
    "Clock",
    "Mug",
    "Schlüssel",
    "Hook",
    "Garland",
)


def demand(source: str) -> tuple[Demand, dict[str, str]]:
    """(day → SKU → units sold, SKU → price) of a data set. Raises FileNotFoundError where it is absent."""
    return _carparts() if source == "carparts" else _retail()


def _retail() -> tuple[Demand, dict[str, str]]:
    days: dict[date, dict[str, int]] = defaultdict(dict)
    prices = {}
    with gzip.open(DATA / "online_retail_daily.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            days[date.fromisoformat(row["date"])][row["sku"]] = int(float(row["qty"]))
            prices[row["sku"]] = row["price"]
    return days, prices


def _carparts() -> tuple[Demand, dict[str, str]]:
    """Months spread over their days by dice: car parts are sold by ones and twos."""
    dice = random.Random(11)
    days: dict[date, dict[str, int]] = defaultdict(dict)
    prices = {}
    with gzip.open(DATA / "carparts_monthly.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    for row in rows[1:]:
        sku = f"CP-{row[0]}"
        prices[sku] = f"{dice.uniform(2, 240):.2f}"
        for month, cell in enumerate(row[1:14]):
            units = int(float(cell)) if cell not in ("", "NA") else 0
            for _ in range(units):
                on = date(2011, 1, 3) + timedelta(
                    days=month * 28 + dice.choice((0, 1, 2, 3, 4)) + 7 * dice.randrange(4)
                )
                days[on][sku] = days[on].get(sku, 0) + 1
    return days, prices


@dataclass
class _Shelf:
    stock: int
    mean: float
    price: str
    name: str
    pack: int
    due_on: date | None = None
    incoming: int = 0
    sold_on: date | None = None


@dataclass
class Wholesaler:
    """One wholesaler of a `kind`; `half` 0 or 1 chooses which half of the articles, for tuning or for
    judging. `files` gives his days in order."""

    kind: Kind
    seed: int
    half: int
    sales: Demand
    prices: Mapping[str, str]
    shelves: dict[str, _Shelf] = field(default_factory=dict)

    def files(self, count: int) -> Iterator[File]:
        """The first `count` ordinary days."""
        dice = random.Random(f"{self.kind.name}:{self.seed}:{self.half}")
        days = sorted(self.sales)[: count + 20]
        chosen = self._choose(dice, days)
        first: dict[str, date] = {}
        for on in days:
            for sku in self.sales[on]:
                first.setdefault(sku, on)
        starts = days[min(20, len(days) // 4)]
        season, counted, sale = days[len(days) // 2], days[len(days) // 3], set(days[-60:-53])
        sold: set[str] = set()
        for index, on in enumerate(days):
            grown = 1 if not self.kind.growth else min(1.0, 0.4 + self.kind.growth * index)
            for place, sku in enumerate(chosen):
                is_new = first.get(sku, starts) > starts and first[sku] > on
                waits_for_season = place % 9 == 0 and on < season and self.kind.growth == 0
                if (
                    sku not in self.shelves
                    and not is_new
                    and not waits_for_season
                    and place < grown * len(chosen)
                ):
                    self.shelves[sku] = self._shelf(dice, sku)
            changed = self._pass(dice, on, on in sale, index)
            if on == counted:
                changed |= self._count(dice)
            sold |= changed
            if index < 20:
                continue
            yield File(
                self.kind, on, WORDS_HEADER if self.kind.style == "words" else HEADER, self._rows(on, sold)
            )
            sold = set()

    def _choose(self, dice: random.Random, days: list[date]) -> list[str]:
        seen = sorted({sku for on in days for sku in self.sales[on]})
        mine = seen[self.half :: 2]
        dice.shuffle(mine)
        while len(mine) < self.kind.skus:
            mine += [f"{sku}-{len(mine) // len(seen) + 1}" for sku in mine[: self.kind.skus - len(mine)]]
        return mine[: self.kind.skus]

    def _shelf(self, dice: random.Random, sku: str) -> _Shelf:
        mean = dice.lognormvariate(1.6, 1.1) * self.kind.scale
        stock = 0 if dice.random() < 0.06 else round(mean * dice.uniform(2, 15))
        price = self.prices.get(sku.split("-")[0], "") or f"{dice.uniform(0.4, 60):.2f}"
        name = f"{dice.choice(_NAMES)} {dice.choice('ABCDEFGH')}{dice.randrange(10, 99)}"
        return _Shelf(stock, mean, price, name, dice.choice((1, 1, 6, 12)))

    def _pass(self, dice: random.Random, on: date, is_sale: bool, index: int) -> set[str]:
        today, changed = self.sales[on], set()
        gone = []
        for sku, shelf in self.shelves.items():
            units = today.get(sku.split("-")[0] if "-" in sku and not sku.startswith("CP-") else sku, 0)
            if is_sale and units:
                units *= 3
            if units:
                shelf.mean = 0.97 * shelf.mean + 0.03 * units
                shelf.sold_on = on
            before = shelf.stock
            shelf.stock = max(0, shelf.stock - max(0, units))
            if shelf.due_on is not None and shelf.due_on <= on:
                shelf.stock += shelf.incoming
                shelf.due_on, shelf.incoming = None, 0
            if shelf.due_on is None and shelf.stock <= shelf.mean * 3:
                shelf.due_on = on + timedelta(days=round(dice.uniform(4, 25)))
                shelf.incoming = max(6, round(shelf.mean * dice.uniform(8, 25)))
            if shelf.stock != before:
                changed.add(sku)
            elif shelf.stock == 0 and dice.random() < 0.002:
                gone.append(sku)
        for sku in gone:
            del self.shelves[sku]
        return changed

    def _count(self, dice: random.Random) -> set[str]:
        """A full stock count: most numbers are corrected a little."""
        changed = set()
        for sku, shelf in self.shelves.items():
            if shelf.stock > 3 and dice.random() < 0.7:
                shelf.stock = max(1, round(shelf.stock * dice.uniform(0.9, 1.08)))
                changed.add(sku)
        return changed

    def _rows(self, on: date, changed: set[str]) -> list[list[str]]:
        rows = []
        for sku, shelf in sorted(self.shelves.items()):
            place = zlib.crc32(sku.encode())
            if self.kind.is_sparse and sku not in changed:
                continue
            if self.kind.monday and on.weekday() != 0 and place % 4 == 0:
                continue
            due = shelf.due_on if shelf.stock == 0 else None
            is_old = self.kind.style == "words"
            code = f"CAFÉ-{sku}" if is_old and place % 12 == 0 else sku
            if is_old:
                shown = "rupture" if shelf.stock == 0 else (">100" if shelf.stock > 100 else str(shelf.stock))
            else:
                shown = str(shelf.stock)
            price = shelf.price.replace(".", ",") if is_old else shelf.price
            dated = "" if due is None else (f"{due:%d/%m/%Y}" if is_old else due.isoformat())
            rows.append([code, shelf.name, shown, price, str(shelf.pack), dated])
        return rows
