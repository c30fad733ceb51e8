"""Everything the demonstration simulates, in one process: two shops, wholesalers, mail, ads, shoppers.

It speaks to Dispo only as the outside world does: platforms' APIs and webhooks, files, mail, a browser's
requests to the storefront API.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator.demo.names import product_name, variant_name
from simulator.demo.plan import DemoPlan
from simulator.demo.sales import Basket, History
from simulator.demo.wholesale import Glitch, Shelf, Wholesaler
from simulator.google_ads import GoogleAdsServer
from simulator.mailbox import Mailbox, dkim_record
from simulator.shop import Shop, SoldOut
from simulator.shopify import ShopifyServer
from simulator.storefront import StorefrontServer
from simulator.supplier import SupplierServer
from simulator.woocommerce import WooCommerceServer

KEY, SECRET = "ck_" + "demo" * 10, "cs_" + "demo" * 10
SHOPIFY_TOKEN, SHOPIFY_SECRET = "shpat_demo", "demo-secret"
WOO, SHOPIFY = "woocommerce", "shopify"
DOMAIN, DKIM_SELECTOR = "vase-and-co.example", "demo"
ADVERTISED = 40
ON_SHOPIFY = 600

# One wholesaler misbehaves now and then: (day of a cycle of four, who, how).
GLITCHES: tuple[tuple[float, int, Glitch], ...] = ((0.6, 0, "all_zero"), (1.9, 1, "html"), (3.1, 2, "half"))
GLITCH_LASTS_DAYS = 0.6


class Town:
    """The simulated world of `plan`, with all its servers. `day` counts demonstration days from 0."""

    def __init__(self, plan: DemoPlan) -> None:
        self.plan = plan
        self.history = History()
        self.day = 0.0
        self.lost_sales = 0
        self.orders = 0
        self._dice = random.Random("town")
        self._queue: list[Basket] = []
        self._queued_day = -1
        ports = plan.ports
        self.shops = {WOO: Shop("Vase & Co"), SHOPIFY: Shop("Vase & Co Outlet")}
        self.wholesalers = [
            Wholesaler("northern-gifts.csv", "csv", (2.0, 6.0)),
            Wholesaler("maison-lefevre.csv", "semicolon", (3.0, 9.0)),
            Wholesaler("tradehub.json", "json", (1.0, 4.0)),
        ]
        self._state = plan.directory / "state.json"
        if self._state.exists():
            self._load()
        else:
            self._found()
        self.public_keys: dict[str, str] = {}
        self.storefront = StorefrontServer(
            self.shops, plan.base_url, self.public_keys, port=ports["storefront"]
        )
        self.woo = WooCommerceServer(
            self.shops[WOO],
            key=KEY,
            secret=SECRET,
            port=ports["woocommerce"],
            storefront_url=self.storefront.storefront_url(WOO),
        )
        self.shopify = ShopifyServer(
            self.shops[SHOPIFY],
            api_key="demo-key",
            api_secret=SHOPIFY_SECRET,
            access_token=SHOPIFY_TOKEN,
            port=ports["shopify"],
            storefront_url=self.storefront.storefront_url(SHOPIFY),
        )
        self.supplier = SupplierServer(port=ports["supplier"])
        self.dkim_key = _kept_key(plan.directory / "dkim.pem")
        self.mailbox = Mailbox(
            ports["smtp"],
            ports["mailbox"],
            plan.directory / "mail",
            dkim_keys={f"{DKIM_SELECTOR}._domainkey.{DOMAIN}": dkim_record(self.dkim_key.read_text())},
        )
        self.ads = GoogleAdsServer(ports["ads"], ports["ads_web"], directory=plan.directory)
        self._servers = (self.storefront, self.woo, self.shopify, self.supplier, self.mailbox, self.ads)
        self._open_ads()
        self.publish()

    def start(self) -> None:
        for server in self._servers:
            server.start()

    def stop(self) -> None:
        self.save()
        for server in self._servers:
            server.stop()

    def pass_time(self, days: float) -> None:
        """Let this much of a demonstration day happen: deliveries arrive, shoppers buy."""
        self.day += days
        if int(self.day) != self._queued_day:
            self._queued_day = int(self.day)
            self._queue = self.history.baskets(self._queued_day)
        for wholesaler in self.wholesalers:
            wholesaler.pass_time(self.day)
        while self._queue and self._queue[0].at <= self.day % 1:
            self._buy(self._queue.pop(0))

    def publish(self) -> None:
        """Each wholesaler writes its file anew, as it is or with the glitch of the hour."""
        now = datetime.now(UTC)
        for index, wholesaler in enumerate(self.wholesalers):
            content, kind = wholesaler.file(self.day, now.date(), self._glitch(index))
            self.supplier.put(wholesaler.name, content, now, content_type=kind)

    def _glitch(self, index: int) -> Glitch:
        for begins, who, how in GLITCHES:
            if who == index and self.day >= begins and (self.day - begins) % 4 < GLITCH_LASTS_DAYS:
                return how
        return ""

    def _buy(self, basket: Basket) -> None:
        """One checkout. What the shop does not have, the shopper leaves in the basket."""
        slug = WOO if self._dice.random() < 0.75 else SHOPIFY
        shop = self.shops[slug]
        wanted: dict[int, int] = {}
        for sku, units in basket.wanted.items():
            for item in shop.by_sku(sku)[:1]:
                taken = min(units, max(0, item.stock or 0)) if item.tracked else units
                self.lost_sales += units - taken
                if taken:
                    wanted[item.id] = taken
        if not wanted:
            return
        try:
            shop.buy(wanted)
        except SoldOut:
            # Somebody was faster between our look and the checkout; the shopper gives up.
            self.lost_sales += sum(wanted.values())
            return
        self.orders += 1
        self._ship(slug, wanted)

    def _ship(self, slug: str, bought: dict[int, int]) -> None:
        for item_id, units in bought.items():
            sku = self.shops[slug].items[item_id].sku
            for wholesaler in self.wholesalers:
                wholesaler.sell(sku, units)

    def buy_one(self, slug: str, item_id: int, units: int) -> bool:
        """One shopper buys one thing; False when it is gone again."""
        try:
            self.shops[slug].buy({item_id: units})
        except SoldOut:
            return False
        self._ship(slug, {item_id: units})
        return True

    def _found(self) -> None:
        """Open the shops on the first day, with numbers nobody looked after for a while."""
        groups: dict[str, list[str]] = {}
        for sku in self.history.skus:
            groups.setdefault(sku[:5] if sku[:5].isdigit() else sku, []).append(sku)
        means: list[dict[str, float]] = [{}, {}, {}]
        for number, sku in enumerate(self.history.skus):
            means[number % 3][sku] = self.history.daily_mean[sku]
        for wholesaler, share in zip(self.wholesalers, means, strict=True):
            wholesaler.stock_up(share)
        truth = {sku: shelf.stock for w in self.wholesalers for sku, shelf in w.shelves.items()}
        listed = 0
        for code, skus in groups.items():
            name, collection = product_name(code)
            variants = [
                {
                    "sku": sku,
                    "title": variant_name(sku) if len(skus) > 1 else "",
                    "price_minor": self.history.price_minor[sku],
                    "stock": self._neglected(truth[sku]),
                }
                for sku in skus
            ]
            handle = f"{name.lower().replace(' ', '-')}-{code.lower()}"
            for slug, shop in self.shops.items():
                if slug == SHOPIFY and listed >= ON_SHOPIFY:
                    continue
                shop.add_product(
                    name,
                    [dict(variant) for variant in variants],
                    handle=handle,
                    description=f"Article {code}. A piece with a story, packed with care.",
                    collections=(collection,),
                )
            listed += len(skus)

    def _neglected(self, stock: int) -> int:
        """What the shop believes of this stock after some days without anybody looking."""
        dice = self._dice.random()
        if dice < 0.55:
            return stock
        if dice < 0.75:
            return stock + self._dice.randint(1, 40)
        return max(0, stock - self._dice.randint(1, 40)) if dice < 0.95 else 0

    def _open_ads(self) -> None:
        saved = self.plan.directory / "ads.json"
        if saved.exists():
            self.ads.load(saved)
            return
        means = self.history.daily_mean
        products = sorted(
            (p for p, _ in self.shops[WOO].pages()),
            key=lambda p: -sum(means[item.sku] for item in self.shops[WOO].items_of(p)),
        )
        self.ads.seed(
            [
                {
                    "landing_page": f"{self.storefront.url}{self.storefront.product_path(WOO, product)}",
                    "name": product.title,
                    "campaign": f"Search – {product.collections[0]}",
                    "ad_group": product.title,
                    "daily_cost_micros": self._dice.randint(2, 30) * 1_000_000,
                }
                for product in products[:ADVERTISED]
            ]
        )

    def save(self) -> None:
        """Keep the state for the next start, each file atomically."""
        directory = self.plan.directory
        for slug, shop in self.shops.items():
            shop.save(directory / f"{slug}.json")
        self.ads.save(directory / "ads.json")
        state = {
            "day": self.day,
            "orders": self.orders,
            "lost_sales": self.lost_sales,
            "shelves": [{sku: asdict(s) for sku, s in w.shelves.items()} for w in self.wholesalers],
        }
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps(state))
        part.replace(self._state)

    def _load(self) -> None:
        directory: Path = self.plan.directory
        for slug, shop in self.shops.items():
            shop.load(directory / f"{slug}.json")
        state = json.loads(self._state.read_text())
        self.day, self.orders, self.lost_sales = state["day"], state["orders"], state["lost_sales"]
        for wholesaler, shelves in zip(self.wholesalers, state["shelves"], strict=True):
            wholesaler.shelves = {sku: Shelf(**fields) for sku, fields in shelves.items()}


def _kept_key(path: Path) -> Path:
    """The file with the shop's DKIM key, made on the first start."""
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
    return path
