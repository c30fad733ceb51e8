"""Three wholesalers of the demonstration: their stock, their restocking, and the files they publish.

Each has its own habits: one sends a tidy CSV with restock dates, one a semicolon file in an old encoding
with stock words, one JSON. Now and then one of them publishes nonsense, as real ones do.
"""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

Glitch = Literal["", "all_zero", "html", "half"]


@dataclass
class Shelf:
    """One article at a wholesaler. `due_at` is the demo day its delivery arrives, None when none is on
    order; `stated` whether the file tells that date."""

    stock: int
    daily_mean: float
    due_at: float | None = None
    incoming: int = 0
    stated: bool = False


@dataclass
class Wholesaler:
    """A supplier with `shelves` by SKU. Time is in demo days; `name` is also its file's name."""

    name: str
    kind: Literal["csv", "semicolon", "json"]
    lead_days: tuple[float, float]
    shelves: dict[str, Shelf] = field(default_factory=dict)
    seed: int = 1

    def __post_init__(self) -> None:
        self._dice = random.Random(f"{self.name}:{self.seed}")

    def stock_up(self, daily_mean: dict[str, float]) -> None:
        """Begin with some days of cover for each SKU; one in twenty is out."""
        for sku, mean in sorted(daily_mean.items()):
            cover = 0.0 if self._dice.random() < 0.05 else self._dice.uniform(1.5, 14)
            self.shelves[sku] = Shelf(round(mean * cover), mean)

    def sell(self, sku: str, units: int) -> None:
        """An order of ours reached them: they send the goods."""
        shelf = self.shelves.get(sku)
        if shelf is not None:
            shelf.stock = max(0, shelf.stock - units)

    def pass_time(self, now: float) -> list[str]:
        """Receive what arrived and reorder what runs low. Returns the SKUs that came in."""
        arrived = []
        for sku, shelf in self.shelves.items():
            if shelf.due_at is not None and shelf.due_at <= now:
                shelf.stock += shelf.incoming
                shelf.due_at, shelf.incoming = None, 0
                arrived.append(sku)
            if shelf.due_at is None and shelf.stock <= shelf.daily_mean * 2:
                shelf.due_at = now + self._dice.uniform(*self.lead_days)
                shelf.incoming = max(6, round(shelf.daily_mean * self._dice.uniform(6, 18)))
                shelf.stated = self._dice.random() < 0.6
        return arrived

    def file(self, now: float, today: date, glitch: Glitch = "") -> tuple[bytes, str]:
        """What they publish now: the bytes and the content type."""
        if glitch == "html":
            page = "<!doctype html><title>502</title><h1>Down for maintenance</h1>"
            return page.encode(), "text/html"
        rows = list(self.shelves.items())
        if glitch == "half":
            rows = rows[: len(rows) // 3]
        if self.kind == "json":
            return self._json(rows, now, today, glitch), "application/json"
        return self._csv(rows, now, today, glitch), "text/csv"

    def _restock_on(self, shelf: Shelf, now: float, today: date) -> date | None:
        if shelf.due_at is None or not shelf.stated or shelf.stock > 0:
            return None
        return today + timedelta(days=max(1, round(shelf.due_at - now) + 1))

    def _csv(self, rows: list[tuple[str, Shelf]], now: float, today: date, glitch: Glitch) -> bytes:
        is_old = self.kind == "semicolon"
        text = io.StringIO()
        writer = csv.writer(text, delimiter=";" if is_old else ",", lineterminator="\r\n" if is_old else "\n")
        head = (
            ("Référence", "Disponibilité", "Réappro. prévu") if is_old else ("SKU", "Stock", "Restock date")
        )
        writer.writerow(head)
        for sku, shelf in rows:
            stock = 0 if glitch == "all_zero" else shelf.stock
            on = self._restock_on(shelf, now, today)
            if is_old:
                shown = "rupture" if stock == 0 else (">100" if stock > 100 else str(stock))
                writer.writerow((sku, shown, on.strftime("%d/%m/%Y") if on else ""))
            else:
                writer.writerow((sku, stock, on.isoformat() if on else ""))
        return text.getvalue().encode("cp1252" if is_old else "utf-8")

    def _json(self, rows: list[tuple[str, Shelf]], now: float, today: date, glitch: Glitch) -> bytes:
        items = [
            {
                "sku": sku,
                "quantity": 0 if glitch == "all_zero" else shelf.stock,
                "restock_on": on.isoformat() if (on := self._restock_on(shelf, now, today)) else None,
            }
            for sku, shelf in rows
        ]
        return json.dumps({"items": items}, indent=0).encode()
