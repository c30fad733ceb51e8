"""The state of one simulated shop: what a platform's own database would hold.

The platform servers (WooCommerce, Shopify) and the storefront read and write this and nothing else.
Every access goes through one lock, and each change is reported to `listeners` after the lock is
released, in order, so that a server can send webhooks.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal


class SoldOut(Exception):
    """Somebody tried to buy more than there is and backorders are off."""


@dataclass
class Item:
    """A sellable item (a WooCommerce simple product or variation, a Shopify variant).

    `stock` is None when the shop does not track it. `meta` is what apps stored on it (metafields,
    meta_data), key → JSON value. `platform` holds what only one platform knows.
    """

    id: int
    product_id: int
    sku: str
    title: str
    price_minor: int
    stock: int | None
    tracked: bool = True
    backorders: bool = False
    gtin: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    platform: dict[str, Any] = field(default_factory=dict)

    @property
    def can_be_bought(self) -> bool:
        return not self.tracked or self.backorders or (self.stock or 0) > 0


@dataclass
class Product:
    """A product page. A product without variants has one item whose id equals the product's."""

    id: int
    handle: str
    title: str
    description: str = ""
    image_url: str = ""
    published: bool = True
    collections: tuple[str, ...] = ()
    item_ids: list[int] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    platform: dict[str, Any] = field(default_factory=dict)


@dataclass
class OrderLine:
    id: int
    item_id: int
    units: int


@dataclass
class Order:
    id: int
    lines: list[OrderLine]
    status: str = "processing"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    platform: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What happened, for webhooks: `what` and the id of the item, product or order concerned.

    `by` is "api" for a write through the platform's API, else "shop" (a sale, the shop's own admin).
    """

    what: Literal["stock", "meta", "product", "order_created", "order_updated"]
    id: int
    by: Literal["api", "shop"]
    at: datetime


class Shop:
    """One simulated shop. `clock` is injected; `now()` is what every stamp uses."""

    def __init__(
        self,
        name: str,
        currency: str = "GBP",
        timezone: str = "Europe/London",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.currency = currency
        self.timezone = timezone
        self.now = clock
        self.lock = threading.RLock()
        self.products: dict[int, Product] = {}
        self.items: dict[int, Item] = {}
        self.orders: dict[int, Order] = {}
        self.units_sold = 0
        self.oversold = 0
        self.refused = 0
        self.listeners: list[Callable[[Change], None]] = []
        self._ids = itertools.count(1001)

    def new_id(self) -> int:
        with self.lock:
            return next(self._ids)

    def add_product(
        self,
        title: str,
        variants: list[dict[str, Any]],
        *,
        handle: str = "",
        description: str = "",
        image_url: str = "",
        collections: tuple[str, ...] = (),
    ) -> Product:
        """Add a product; each variant is the keyword arguments of an `Item` without its ids. One
        variant without a title makes a simple product whose item has the product's id."""
        with self.lock:
            product = Product(
                id=self.new_id(),
                handle=handle or title.lower().replace(" ", "-"),
                title=title,
                description=description,
                image_url=image_url,
                collections=collections,
                updated_at=self.now(),
            )
            self.products[product.id] = product
            is_simple = len(variants) == 1 and not variants[0].get("title")
            for fields in variants:
                item = Item(
                    id=product.id if is_simple else self.new_id(),
                    product_id=product.id,
                    **{"title": "", "updated_at": self.now(), **fields},
                )
                self.items[item.id] = item
                product.item_ids.append(item.id)
            return product

    def set_stock(self, item_id: int, stock: int, *, by: Literal["api", "shop"]) -> None:
        """Set the number, as the platform's API or its admin would; always stamps the item."""
        with self.lock:
            item = self.items[item_id]
            item.stock = stock
            self._touch(item)
        self._report(Change("stock", item_id, by, self.now()))

    def set_stock_if(self, item_id: int, expected: int, stock: int, *, by: Literal["api", "shop"]) -> bool:
        """Set the number only where it is still `expected`, in one step; whether it was."""
        with self.lock:
            item = self.items[item_id]
            if item.stock != expected:
                return False
            item.stock = stock
            self._touch(item)
        self._report(Change("stock", item_id, by, self.now()))
        return True

    def set_meta(self, item_id: int, meta: dict[str, Any], *, by: Literal["api", "shop"]) -> None:
        """Merge `meta` into the item; a None value deletes the key."""
        with self.lock:
            item = self.items[item_id]
            for key, value in meta.items():
                if value is None:
                    item.meta.pop(key, None)
                else:
                    item.meta[key] = value
            self._touch(item)
        self._report(Change("meta", item_id, by, self.now()))

    def adjust_stock(self, item_id: int, units: int, *, by: Literal["api", "shop"]) -> None:
        """Add `units` (may be negative) to a tracked item's number; one that is not tracked stays as it is."""
        with self.lock:
            item = self.items[item_id]
            if not item.tracked:
                return
            item.stock = (item.stock or 0) + units
            self._touch(item)
        self._report(Change("stock", item_id, by, self.now()))

    def touch(self, item_id: int, *, by: Literal["api", "shop"]) -> None:
        """Stamp and report an item (or a product page) whose other fields were changed."""
        with self.lock:
            if item_id in self.items:
                self._touch(self.items[item_id])
            else:
                self.products[item_id].updated_at = self.now()
        self._report(Change("product", item_id, by, self.now()))

    def record_order(self, order: Order, *, by: Literal["api", "shop"]) -> None:
        """Keep a new order, or stamp one that was edited, without touching any number."""
        with self.lock:
            is_new = order.id not in self.orders
            self.orders[order.id] = order
            order.updated_at = self.now()
        self._report(Change("order_created" if is_new else "order_updated", order.id, by, self.now()))

    def buy(self, wanted: dict[int, int], **platform: Any) -> Order:
        """A shopper's checkout: item id → units, all or nothing, atomically. Raises SoldOut. `platform` is kept with
        the order: `email`, and `landing`, the path with its query that the visit began on."""
        with self.lock:
            for item_id, units in wanted.items():
                item = self.items[item_id]
                if item.tracked and not item.backorders and (item.stock or 0) < units:
                    self.refused += 1
                    raise SoldOut(f"{item.sku}: {units} wanted, {item.stock} left")
            order = Order(
                id=self.new_id(),
                lines=[OrderLine(self.new_id(), item_id, units) for item_id, units in wanted.items()],
                created_at=self.now(),
                updated_at=self.now(),
                platform=platform,
            )
            self.orders[order.id] = order
            for item_id, units in wanted.items():
                item = self.items[item_id]
                if item.tracked and item.stock is not None:
                    item.stock -= units
                    self._touch(item)
                self.units_sold += units
        self._report(Change("order_created", order.id, "shop", self.now()))
        for item_id in wanted:
            self._report(Change("stock", item_id, "shop", self.now()))
        return order

    def cancel(self, order_id: int) -> None:
        """Cancel an order and put its units back on the shelf."""
        with self.lock:
            order = self.orders[order_id]
            if order.status == "cancelled":
                return
            # That it was paid stays in the order's history.
            order.platform.setdefault("paid", order.status in ("processing", "completed"))
            order.status = "cancelled"
            order.updated_at = self.now()
            for line in order.lines:
                item = self.items[line.item_id]
                if item.tracked and item.stock is not None:
                    item.stock += line.units
                    self._touch(item)
        self._report(Change("order_updated", order_id, "shop", self.now()))
        for line in order.lines:
            self._report(Change("stock", line.item_id, "shop", self.now()))

    def by_sku(self, sku: str) -> list[Item]:
        with self.lock:
            return [item for item in self.items.values() if item.sku == sku]

    def by_handle(self, handle: str) -> Product | None:
        with self.lock:
            return next((p for p in self.products.values() if p.handle == handle), None)

    def items_of(self, product: Product) -> list[Item]:
        with self.lock:
            return [self.items[item_id] for item_id in product.item_ids]

    def pages(self) -> Iterator[tuple[Product, list[Item]]]:
        """Published products with their items, in id order."""
        with self.lock:
            found = [(p, self.items_of(p)) for _, p in sorted(self.products.items()) if p.published]
        yield from found

    def save(self, path: Path) -> None:
        """Write the whole state as JSON, atomically."""
        with self.lock:
            state = {
                "next_id": self.new_id(),
                "units_sold": self.units_sold,
                "oversold": self.oversold,
                "refused": self.refused,
                "products": [asdict(p) for p in self.products.values()],
                "items": [asdict(i) for i in self.items.values()],
                "orders": [asdict(o) for o in self.orders.values()],
            }
        part = path.with_suffix(".part")
        part.write_text(json.dumps(state, default=_encode))
        part.replace(path)

    def load(self, path: Path) -> None:
        """Replace the state by what `save` wrote."""
        state = json.loads(path.read_text(), object_hook=_decode)
        with self.lock:
            self._ids = itertools.count(state["next_id"] + 1)
            self.units_sold = state["units_sold"]
            self.oversold = state["oversold"]
            self.refused = state["refused"]
            self.products = {
                p["id"]: Product(**{**p, "collections": tuple(p["collections"])}) for p in state["products"]
            }
            self.items = {i["id"]: Item(**i) for i in state["items"]}
            self.orders = {
                o["id"]: Order(**{**o, "lines": [OrderLine(**line) for line in o["lines"]]})
                for o in state["orders"]
            }

    def _touch(self, item: Item) -> None:
        item.updated_at = self.now()
        product = self.products[item.product_id]
        product.updated_at = item.updated_at
        if item.stock is not None and item.stock < 0 and not item.backorders:
            self.oversold = max(self.oversold, -item.stock)

    def _report(self, change: Change) -> None:
        for listener in list(self.listeners):
            listener(change)


def _encode(value: object) -> object:
    if isinstance(value, datetime):
        return {"$at": value.isoformat()}
    raise TypeError(f"cannot save {value!r}")


def _decode(value: dict[str, Any]) -> Any:
    if set(value) == {"$at"}:
        return datetime.fromisoformat(value["$at"])
    return value
