"""A small town for the torture test: two shops that sell the same goods, their shoppers, one supplier.

It runs in a process of its own and knows the truth: what the supplier really has, and what the shops
really sold. The product sees only the shops' APIs and webhooks and the supplier's numbers.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from random import Random
from typing import Any

from benchmarks.shops import API_SECRET, DOMAIN, KEY, SECRET, TOKEN
from simulator.dials import Dials
from simulator.shop import Shop, SoldOut
from simulator.shopify import ShopifyServer
from simulator.woocommerce import WooCommerceServer

SHOPIFY, WOOCOMMERCE = "shopify", "woocommerce"
LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class TownPlan:
    """`skus` goods, half of them variations of products with four; each shop starts at `stock`. Every
    good is bought about `sales_per_s` / `skus` times a second in both shops together; a share of the
    orders is cancelled again. `storm` are the fault dials while it lasts."""

    skus: int
    stock: int
    sales_per_s: float
    cancel_rate: float
    storm: dict[str, Any]
    replays_answers: bool
    seed: int


class Town:
    """The shops, the supplier's real stock and the shoppers. Methods are called from the other process."""

    def __init__(self, plan: TownPlan) -> None:
        self.plan = plan
        self.skus = [f"T-{n}" for n in range(plan.skus)]
        self.dials = {name: Dials(seed=plan.seed) for name in (WOOCOMMERCE, SHOPIFY)}
        self.shops = {name: Shop(name) for name in (WOOCOMMERCE, SHOPIFY)}
        for shop in self.shops.values():
            self._fill(shop)
        self.servers: dict[str, Any] = {
            WOOCOMMERCE: WooCommerceServer(
                self.shops[WOOCOMMERCE], key=KEY, secret=SECRET, dials=self.dials[WOOCOMMERCE]
            ),
            SHOPIFY: ShopifyServer(
                self.shops[SHOPIFY],
                api_key="key",
                api_secret=API_SECRET,
                access_token=TOKEN,
                dials=self.dials[SHOPIFY],
                plan="plus",
                replays_answers=plan.replays_answers,
            ),
        }
        for server in self.servers.values():
            server.start()
        self.items = {name: {i.sku: i for i in shop.items.values()} for name, shop in self.shops.items()}
        self.base = dict.fromkeys(self.skus, plan.stock)
        self.held: Counter[tuple[str, str]] = Counter()
        self.figures: Counter[str] = Counter()
        self.longest_overstated_s = 0.0
        self.oversold_ages_s: list[float] = []
        self._overstated: dict[tuple[str, str], float] = {}
        self._orders: list[tuple[str, int, dict[str, int]]] = []
        self._counted_at = datetime.now(UTC)
        self._counted = dict.fromkeys(self.skus, plan.stock)
        self._random = Random(plan.seed)
        self._is_open = threading.Event()
        self._threads = [threading.Thread(target=self._shop_for_ever, daemon=True)]
        self._threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self._threads:
            thread.start()

    def _fill(self, shop: Shop) -> None:
        plan = self.plan
        simple = plan.skus // 2
        for n in range(simple):
            shop.add_product(
                f"Vase {n}", [{"sku": f"T-{n}", "title": "", "price_minor": 900, "stock": plan.stock}]
            )
        for first in range(simple, plan.skus, 4):
            variants = [
                {"sku": f"T-{n}", "title": f"Size {n}", "price_minor": 900, "stock": plan.stock}
                for n in range(first, min(first + 4, plan.skus))
            ]
            shop.add_product(f"Shirt {first}", variants)

    def _still(self) -> ExitStack:
        """Nobody buys and nothing is written while this is held."""
        stack = ExitStack()
        for name in sorted(self.shops):
            stack.enter_context(self.shops[name].lock)
        return stack

    def _real(self, sku: str) -> int:
        return self.base[sku] - sum(self.held[name, sku] for name in self.shops)

    # ------------------------------------------------------------- asked from the other process

    def addresses(self) -> dict[str, dict[str, Any]]:
        """Adapter → config and secrets of a connection to that shop."""
        return {
            WOOCOMMERCE: {
                "config": {"url": self.servers[WOOCOMMERCE].url},
                "secrets": {"consumer_key": KEY, "consumer_secret": SECRET},
            },
            SHOPIFY: {
                "config": {
                    "shop": DOMAIN,
                    "base_url": self.servers[SHOPIFY].url,
                    "scopes": ",".join(self.servers[SHOPIFY].scopes),
                },
                "secrets": {"access_token": TOKEN, "api_secret": API_SECRET},
            },
        }

    def open(self) -> None:
        """The storm begins and shoppers come."""
        for dials in self.dials.values():
            for name, value in self.plan.storm.items():
                setattr(dials, name, value)
        self._is_open.set()

    def close(self) -> None:
        """No more shoppers; the faults end and webhooks under way arrive."""
        self._is_open.clear()
        for dials in self.dials.values():
            for name in self.plan.storm:
                setattr(dials, name, 0.0)
        time.sleep(0.1)  # a checkout under way ends

    def calm(self) -> bool:
        """Have the webhooks under way arrived?"""
        ours, theirs = self.servers[WOOCOMMERCE].webhooks, self.servers[SHOPIFY].webhooks
        return bool(ours.wait_idle(20.0) and theirs.drain(20.0))

    def stocktake(self, changes: dict[str, int]) -> tuple[datetime, dict[str, int]]:
        """The supplier sells to others or refills (`changes` by SKU), then counts: when, and how many
        it has of each good, never less than none."""
        with self._still():
            for sku, change in changes.items():
                self.base[sku] += change
            self._counted_at = datetime.now(UTC)
            self._counted = {sku: max(0, self._real(sku)) for sku in self.skus}
            return self._counted_at, self._counted

    def truth(self) -> dict[str, Any]:
        """What the supplier really has, what each shop shows, and what each shop's orders hold."""
        with self._still():
            return {
                "real": {sku: self._real(sku) for sku in self.skus},
                "expected": self._expected(),
                "shown": {
                    name: {sku: item.stock for sku, item in items.items()}
                    for name, items in self.items.items()
                },
                "held": {name: {sku: self.held[name, sku] for sku in self.skus} for name in self.shops},
                "figures": dict(self.figures),
                "oversold_ages_s": list(self.oversold_ages_s),
                "longest_overstated_s": self.longest_overstated_s,
                "calls": {name: sum(server.calls.values()) for name, server in self.servers.items()},
                "webhooks_dropped": self.servers[SHOPIFY].webhooks.dropped,
            }

    def history(self, sku: str) -> list[tuple[str, int, int, str, str, str]]:
        """The orders of one good, to find out what went wrong: shop, order, units, status, placed, changed."""
        with self._still():
            return sorted(
                (
                    name,
                    order.id,
                    line.units,
                    order.status,
                    f"{order.created_at:%T.%f}",
                    f"{order.updated_at:%T.%f}",
                )
                for name, shop in self.shops.items()
                for order in shop.orders.values()
                for line in order.lines
                if shop.items[line.item_id].sku == sku
            )

    def _expected(self) -> dict[str, int]:
        """What may be sold as far as anybody can know: the last count minus what was sold since. Shops
        stamp orders in whole seconds, so one of the second of the count belongs to both sides of it."""
        since: Counter[str] = Counter()
        for shop in self.shops.values():
            for order in shop.orders.values():
                if (
                    order.status != "cancelled"
                    and order.created_at.replace(microsecond=0) + timedelta(seconds=1) > self._counted_at
                ):
                    for line in order.lines:
                        since[shop.items[line.item_id].sku] += line.units
        return {sku: max(0, self._counted[sku] - since[sku]) for sku in self.skus}

    # ------------------------------------------------------------- threads

    def _shop_for_ever(self) -> None:
        random, plan = self._random, self.plan
        while True:
            self._is_open.wait()
            time.sleep(random.expovariate(plan.sales_per_s))
            if not self._is_open.is_set():
                continue
            if self._orders and random.random() < plan.cancel_rate:
                self._cancel(*self._orders.pop(random.randrange(len(self._orders))))
            else:
                count = 1 if random.random() < 0.8 else 2
                wanted = {sku: random.choice((1, 1, 1, 2, 3)) for sku in random.sample(self.skus, count)}
                self._buy(random.choice((WOOCOMMERCE, SHOPIFY)), wanted)

    def _buy(self, name: str, wanted: dict[str, int]) -> None:
        shop, items = self.shops[name], self.items[name]
        with self._still():
            try:
                order = shop.buy({items[sku].id: units for sku, units in wanted.items()})
            except SoldOut:
                self.figures["refused"] += 1
                return
            for sku, units in wanted.items():
                beyond = max(0, units - max(0, self._real(sku)))
                if beyond:
                    self.figures["oversold_units"] += beyond
                    since = self._overstated.get((name, sku), time.monotonic())
                    self.oversold_ages_s.append(round(time.monotonic() - since, 2))
                self.held[name, sku] += units
                self.figures["sold_units"] += units
            self._orders.append((name, order.id, wanted))
            self.figures["orders"] += 1

    def _cancel(self, name: str, order_id: int, wanted: dict[str, int]) -> None:
        with self._still():
            self.shops[name].cancel(order_id)
            for sku, units in wanted.items():
                self.held[name, sku] -= units
            self.figures["cancelled"] += 1

    def _watch(self) -> None:
        """How long a shop shows more than there really is."""
        while True:
            time.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            with self._still():
                for name, items in self.items.items():
                    for sku, item in items.items():
                        if (item.stock or 0) > max(0, self._real(sku)):
                            self._overstated.setdefault((name, sku), now)
                        elif (name, sku) in self._overstated:
                            lasted = now - self._overstated.pop((name, sku))
                            self.longest_overstated_s = max(self.longest_overstated_s, lasted)


def serve(plan: TownPlan, pipe: Connection) -> None:
    """The town's process: builds it and answers calls of its methods until the pipe closes."""
    town = Town(plan)
    pipe.send(town.addresses())
    while True:
        try:
            what, given = pipe.recv()
        except EOFError:
            return
        answer: Any
        try:
            answer = getattr(town, what)(**given)
        except Exception as exc:  # whatever it is belongs to the one who asked
            answer = exc
        pipe.send(answer)
