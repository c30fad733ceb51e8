"""Three simulated stores with orders that come too late, and the customers who answer by the links in their mails."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests
import sqlalchemy as sa

from connector.accounts.connections import add_connection
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.delivery import reconcile
from connector.shoppers.at_risk.rules import RiskRule, keep_rule
from simulator.bigcommerce import BigCommerceServer
from simulator.bigcommerce.apps import SCOPES as BIGCOMMERCE_SCOPES
from simulator.dials import Dials, Fault
from simulator.shop import Order, Shop
from simulator.shopify import ShopifyServer, gid
from simulator.shopify.model import DEFAULT_SCOPES
from simulator.woocommerce import WooCommerceServer

MUG, VASE, SHIPPING = 1033, 3107, 490
"""Prices in cents that no half of divides."""
LATE_S = (0.0, 0.0, 0.0, 0.02, 0.1, 1.0)
"""How late a store answers, chosen anew several times a second."""
LINK = re.compile(r"/o/[\w.~-]+\?lang=\w+")


class Store:
    """One store that sells to `customers` people. A third buys two things; every twentieth order cannot be paid back by
    the store, every twenty-fifth is declined where the platform tells."""

    def __init__(self, adapter: str, customers: int, random: Random) -> None:
        self.adapter = adapter
        self.shop = Shop(adapter, currency="EUR", timezone="Europe/Berlin")
        self.dials = Dials(seed=random.randrange(1 << 30))
        self.server: Any
        if adapter == "shopify":
            scopes = (*DEFAULT_SCOPES, "write_orders", "write_order_edits", "write_discounts")
            self.server = ShopifyServer(
                self.shop,
                api_key="key",
                api_secret="shh",
                access_token="shpat_token",
                dials=self.dials,
                scopes=scopes,
            )
        elif adapter == "bigcommerce":
            self.server = BigCommerceServer(
                self.shop,
                client_secret="shh",
                access_token="token",
                dials=self.dials,
                quota=10_000_000,
                lag_s=0.0,
            )
            self.server.app.scopes = (*BIGCOMMERCE_SCOPES, "store_v2_orders", "store_v2_marketing")
        else:
            self.server = WooCommerceServer(
                self.shop, key="ck_care", secret="cs_care", dials=self.dials, deliver_webhooks=False
            )
        mugs = ("Crockery",)
        self.mug = self.shop.add_product(
            "Mug", [{"sku": f"{adapter}-MUG", "price_minor": MUG, "stock": 100_000}], collections=mugs
        ).id
        self.vase = self.shop.add_product(
            "Vase", [{"sku": f"{adapter}-VASE", "price_minor": VASE, "stock": 100_000}]
        ).id
        self.shop.add_product(
            "Blue mug",
            [{"sku": f"{adapter}-BLUE", "price_minor": MUG - 40, "stock": 100_000}],
            collections=mugs,
        )
        self.orders: list[Order] = []
        self.lines_sold = 0
        self._customers = customers

    def sell(self, random: Random) -> None:
        """Everybody comes and orders."""
        self.orders = [self._order(number, random) for number in range(self._customers)]
        self.lines_sold = sum(len(order.lines) for order in self.orders)

    def _order(self, number: int, random: Random) -> Order:
        wanted = {self.mug: random.choice((1, 2, 4))}
        if number % 3 == 0:
            wanted[self.vase] = 1
        order = self.shop.buy(wanted)
        email = f"{self.adapter}-{number}@example.com"
        is_payable = number % 20 != 7
        is_declined = number % 25 == 11
        order.platform.update(
            email=email,
            billing={"email": email},
            shipping_minor=SHIPPING,
            payment_method="stripe" if is_payable else "bacs",
            gateway="shopify_payments" if is_payable else "",
            provider="stripe" if is_payable else "cod",
            declined=is_declined,
        )
        if is_declined and self.adapter == "woocommerce":
            self.server.orders.gateways.declines.add(order.id)
        return order

    def connection(self) -> dict[str, Any]:
        """Config and secrets of a connection to it."""
        url = self.server.url
        if self.adapter == "shopify":
            config = {"shop": self.server.domain, "base_url": url, "scopes": ",".join(self.server.scopes)}
            return {"config": config, "secrets": {"access_token": "shpat_token", "api_secret": "shh"}}
        if self.adapter == "bigcommerce":
            config = {"store_hash": self.server.store_hash, "base_url": url}
            return {"config": config, "secrets": {"access_token": "token", "api_secret": "shh"}}
        return {
            "config": {"url": url},
            "secrets": {"consumer_key": "ck_care", "consumer_secret": "cs_care"},
        }

    def external(self, order: Order) -> str:
        return gid("Order", order.id) if self.adapter == "shopify" else str(order.id)

    def paid_back(self) -> list[tuple[str, int]]:
        """(order, cents) of every payment that really left."""
        if self.adapter == "shopify":
            return [(gid("Order", number), minor) for number, minor in self.server.care.paid_back]
        if self.adapter == "bigcommerce":
            return [(str(number), minor) for number, minor in self.server.payments.paid_back]
        return [
            (str(number), round(float(amount) * 100))
            for number, amount in self.server.orders.gateways.paid_back
        ]

    def refunds(self) -> Counter[str]:
        """How many refunds bear each reference, those that were declined left out."""
        found: Counter[str] = Counter()
        for order in self.orders:
            for one in order.platform.get("refunds", ()):
                if any(part.get("is_declined") for part in one.get("payments") or ()):
                    continue
                said = one.get("note") or one.get("reason") or one["items"][0].get("reason")
                found[str(said)] += 1
        return found

    def codes(self) -> dict[str, int]:
        """Every discount code that works, with how often it is there."""
        if self.adapter == "shopify":
            return Counter(one.code.upper() for one in self.server.discounts.kept.values())
        if self.adapter == "bigcommerce":
            rows = [one for kept in self.server.promotions.codes.values() for one in kept]
            return Counter(str(one["code"]).upper() for one in rows)
        return Counter(str(one["code"]).upper() for one in self.server.coupons.kept.values())

    def promotions(self) -> int:
        """How many promotions stand in the store, with or without a code."""
        if self.adapter == "bigcommerce":
            return len(self.server.promotions.kept)
        return sum(self.codes().values())

    def blue_mugs(self) -> dict[str, int]:
        """Orders that hold the substitute, and how many pieces of it."""
        blue = self.shop.by_sku(f"{self.adapter}-BLUE")[0].id
        found: Counter[str] = Counter()
        for order in self.orders:
            for line in order.lines:
                if line.item_id == blue:
                    found[self.external(order)] += line.units
        return found


def open_town(rt: Runtime, stores: list[Store], random: Random) -> None:
    """The stores connected and read; every order promised for tomorrow, its goods expected in ten days."""
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("insert into merchant (name, currency, created_at) values ('Kiln', 'EUR', :now)"),
            {"now": rt.now()},
        )
        rule = RiskRule(writes="auto", carries="auto", offers_voucher=True, voucher_extra_percent=10)
        keep_rule(db, 1, rule, rt.now(), "torture")
        ids = [
            add_connection(
                db,
                rt.keyring,
                1,
                kind="store",
                adapter=one.adapter,
                name=one.adapter,
                now=rt.now(),
                **one.connection(),
            )
            for one in stores
        ]
    for store_id in ids:
        reconcile.reconcile(rt, 1, store_id, is_full=True)
        # The first reading takes in only what comes after the connection.
        reconcile.read_orders(rt, 1, store_id)
    for store, store_id in zip(stores, ids, strict=True):
        store.sell(random)
        reconcile.read_orders(rt, 1, store_id)
    statements = (
        """insert into position (merchant_id, variant_id, available, state, restock_on, restock_until, decided_at, why)
           select 1, id, case when sku like '%BLUE' then 1000 else 0 end,
                  case when sku like '%BLUE' then 'in_stock' else 'restocking' end,
                  current_date + 10, current_date + 10, now(), '{}' from variant
           on conflict (merchant_id, variant_id) do update
              set available = excluded.available, state = excluded.state, restock_on = excluded.restock_on,
                  restock_until = excluded.restock_until, why = '{}'""",
        "update listing set confirmed_available = 1000, is_managed = true",
        # Half of what four were ordered of was handed over: a second refund of the rest would be possible.
        "update store_order_line set shipped_units = 2 where units = 4",
        """insert into order_promise (merchant_id, connection_id, order_id, line_id, variant_id, from_on, until_on,
                                      basis, shown_at)
           select merchant_id, connection_id, order_id, line_id, variant_id, current_date + 1, current_date + 1,
                  'restock', now() from store_order_line where variant_id is not null
           on conflict do nothing""",
    )
    with transaction(rt.engine) as db:
        for statement in statements:
            db.execute(sa.text(statement))


class Weather:
    """Turns the stores' dials until it is stopped: late answers, 429, 5xx, cut connections, answers lost after the
    effect."""

    def __init__(self, stores: list[Store], seed: int) -> None:
        self._stores, self._random = stores, Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._blow, daemon=True)
        for store in stores:
            dials = store.dials
            dials.error_rate, dials.throttle_rate, dials.cut_rate, dials.lost_answer_rate = (
                0.05,
                0.02,
                0.04,
                0.08,
            )

    def start(self) -> Weather:
        self._thread.start()
        return self

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        for store in self._stores:
            dials = store.dials
            dials.latency_s = dials.error_rate = dials.throttle_rate = dials.cut_rate = 0.0
            dials.lost_answer_rate = 0.0
            dials.fail_next.clear()

    def _blow(self) -> None:
        cut: Fault = "cut_after_success"
        while not self._stop.wait(0.25):
            for store in self._stores:
                store.dials.latency_s = self._random.choice(LATE_S)
                if self._random.random() < 0.3:
                    store.dials.fail_next.append(cut)


@dataclass
class Clicks:
    """What the customers did: `posts` answered, `again` those repeated because the web process was gone."""

    posts: int = 0
    again: int = 0
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Customers:
    """People who answer each in their own way: once, twice at the same moment, or this and the opposite."""

    WAYS: tuple[tuple[str, ...], ...] = (
        ("refund",), ("refund", "refund"), ("refund", "refund", "refund"), ("refund", "wait"),
        ("wait",), ("wait", "wait"), ("wait", "refund"), ("voucher",), ("voucher", "voucher"),
        ("voucher", "refund"), ("substitute",), ("substitute", "substitute"), ("substitute", "refund"), (),
    )  # fmt: skip

    def __init__(self, ports: list[int], seed: int) -> None:
        self.clicks = Clicks()
        self._ports, self._random = ports, Random(seed)
        self._pool = ThreadPoolExecutor(8)
        self._known: set[str] = set()
        self._pending: list[Future[None]] = []

    def hear(self, text: str) -> None:
        """A mail arrived, or its text was sent by hand."""
        found = LINK.search(text)
        if found is None or found.group() in self._known:
            return
        link = found.group()
        self._known.add(link)
        for choice in self._random.choice(self.WAYS):
            pause_s = self._random.choice((0.0, 0.0, 0.3))
            self._pending.append(self._pool.submit(self._click, link, choice, pause_s, self._random.random()))

    @property
    def heard(self) -> int:
        return len(self._known)

    def is_done(self) -> bool:
        self._pending = [one for one in self._pending if not one.done() or one.result() is not None]
        return not self._pending

    def _click(self, link: str, choice: str, pause_s: float, die: float) -> None:
        time.sleep(pause_s)
        port = self._ports[int(die * len(self._ports))]
        for _ in range(200):
            try:
                # Every post is a connection of its own, as of a browser that comes once.
                form = {"choice": choice}
                if choice == "substitute":
                    seen = requests.get(f"http://127.0.0.1:{port}{link}", timeout=10).text
                    item = re.search(r'name="item" value="(\d+)"', seen)
                    form["item"] = item.group(1) if item else "0"
                answer = requests.post(f"http://127.0.0.1:{port}{link}", data=form, timeout=10)
                if answer.status_code < 500:
                    break
            except requests.RequestException:
                with self.clicks.lock:
                    self.clicks.again += 1
            time.sleep(0.2)
        else:
            raise RuntimeError(f"No web process answered at port {port}.")
        with self.clicks.lock:
            self.clicks.posts += 1
            self.clicks.refused += answer.status_code == 409
