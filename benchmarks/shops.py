"""Simulated shops in a process of their own, so that their work is not counted as ours.

The child holds the shop and its server; the parent asks it for figures and turns its dials over a pipe.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

from simulator.bigcommerce import BigCommerceServer
from simulator.dials import Dials
from simulator.shop import Change, Shop, SoldOut
from simulator.shopify import ShopifyServer
from simulator.shopify.model import INVENTORY_ITEM_OFFSET, gid
from simulator.woocommerce import WooCommerceServer

KEY, SECRET = "ck_" + "a" * 40, "cs_" + "b" * 40
TOKEN, API_SECRET = "shpat_token", "shh"
DOMAIN = "demo.myshopify.com"
STORE_HASH = "z4zn3wo"
FIRST_ID = 1001
"""The id the first product of a new `Shop` gets; the next ones count on."""


@dataclass(frozen=True)
class Plan:
    """A shop to simulate: `simple` products, then `parents` with `children` variations each, all holding
    `stock`. `server` are keyword arguments of the platform's server, `dials` the fault dials."""

    platform: str
    simple: int
    parents: int = 0
    children: int = 0
    stock: int = 10
    server: Mapping[str, Any] = field(default_factory=dict)
    dials: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, str]:
        """The settings of a connection to this shop, without its address."""
        return {"shopify": {"shop": DOMAIN}, "bigcommerce": {"store_hash": STORE_HASH}}.get(self.platform, {})

    @property
    def secrets(self) -> dict[str, str]:
        if self.platform in ("shopify", "bigcommerce"):
            return {"access_token": TOKEN, "api_secret": API_SECRET}
        return {"consumer_key": KEY, "consumer_secret": SECRET}


class ShopProcess:
    """A simulated shop at `url`; use it as a context manager. `ask` calls a method of `_Host` there."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(plan, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.url: str = self._pipe.recv()

    def ask(self, what: str, **given: Any) -> Any:
        """The answer of the shop; raises what was raised there."""
        self._pipe.send((what, given))
        answer = self._pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def __enter__(self) -> ShopProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.join()


class _Host:
    """What the parent may ask for."""

    def __init__(self, plan: Plan) -> None:
        self.shop = Shop("Bench")
        self.dials = Dials(**plan.dials)
        for number in range(plan.simple):
            self.shop.add_product(
                f"Vase {number}",
                [{"sku": f"A-{number}", "title": "", "price_minor": 1000, "stock": plan.stock}],
            )
        for number in range(plan.parents):
            variants = [
                {"sku": f"V-{number}-{n}", "title": f"Size {n}", "price_minor": 900, "stock": plan.stock}
                for n in range(plan.children)
            ]
            self.shop.add_product(f"Shirt {number}", variants)
        self.server: Any
        if plan.platform == "shopify":
            self.server = ShopifyServer(
                self.shop,
                api_key="key",
                api_secret=API_SECRET,
                access_token=TOKEN,
                dials=self.dials,
                **plan.server,
            )
        elif plan.platform == "bigcommerce":
            self.server = BigCommerceServer(
                self.shop,
                store_hash=STORE_HASH,
                client_secret=API_SECRET,
                access_token=TOKEN,
                dials=self.dials,
                **plan.server,
            )
        else:
            self.server = WooCommerceServer(
                self.shop, key=KEY, secret=SECRET, dials=self.dials, **plan.server
            )
        self._last_write = 0.0
        self._last_zero = 0.0
        self.shop.listeners.append(self._heard)
        self._started_cpu = 0.0

    def _heard(self, change: Change) -> None:
        if change.what == "stock" and change.by == "api":
            # CLOCK_MONOTONIC is one for all processes of a machine.
            self._last_write = time.monotonic()
            if self.shop.items[change.id].stock == 0:
                self._last_zero = self._last_write

    def turn(self, **dials: Any) -> None:
        for name, value in dials.items():
            setattr(self.dials, name, value)

    def figures(self) -> dict[str, Any]:
        """Calls by operation, when the last write and the last write to zero came, points and CPU time."""
        bucket = getattr(self.server, "bucket", None)
        return {
            "calls": dict(self.server.calls),
            "last_write_at": self._last_write,
            "last_zero_at": self._last_zero,
            "minimum_s": bucket.minimum_s if bucket else None,
            "throttled": bucket.throttled if bucket else None,
            "cpu_s": time.process_time() - self._started_cpu,
            "oversold": self.shop.oversold,
            "units_sold": self.shop.units_sold,
            "refused": self.shop.refused,
        }

    def reset(self) -> None:
        self.server.calls.clear()
        self._started_cpu = time.process_time()

    def stocks(self) -> dict[str, int | None]:
        with self.shop.lock:
            return {item.sku: item.stock for item in self.shop.items.values()}

    def age(self, days: int) -> None:
        """Let everything in the shop have last changed so long ago."""
        then = self.shop.now() - timedelta(days=days)
        with self.shop.lock:
            for item in self.shop.items.values():
                item.updated_at = then
            for product in self.shop.products.values():
                product.updated_at = then

    def drift(self, every: int, units: int) -> int:
        """Somebody else raises every so many-th number by `units`; returns how many."""
        chosen = sorted(self.shop.items)[::every]
        for number in chosen:
            self.shop.adjust_stock(number, units, by="shop")
        return len(chosen)

    def take(self, units: dict[int, int]) -> None:
        """Shoppers took so many of these items (by number) out of the shop, by orders of its past."""
        for number, taken in units.items():
            self.shop.adjust_stock(number, -taken, by="shop")

    def sell(self, sku: str, units: int) -> bool:
        """A shopper's checkout; False when it is sold out."""
        try:
            self.shop.buy({self.shop.by_sku(sku)[0].id: units})
        except SoldOut:
            return False
        return True


def ids_of(platform: str, number: int, parent: int | None = None) -> tuple[str, str, str, str | None]:
    """external, product, stock and location id of the item with this number in a simulated shop."""
    if platform == "shopify":
        product = gid("Product", number if parent is None else parent)
        stock = gid("InventoryItem", INVENTORY_ITEM_OFFSET + number)
        return gid("ProductVariant", number), product, stock, gid("Location", 5001)
    return str(number), str(number if parent is None else parent), str(number), None


def _serve(plan: Plan, pipe: Connection) -> None:
    host = _Host(plan)
    host.server.start()
    pipe.send(host.server.url)
    while True:
        try:
            what, given = pipe.recv()
        except EOFError:
            return
        answer: Any
        try:
            act: Callable[..., Any] = getattr(host, what)
            answer = act(**given)
        except Exception as exc:  # whatever it is belongs to the one who asked
            answer = exc
        pipe.send(answer)
