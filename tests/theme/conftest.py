"""Shopify's own tools, installed once for each lock file, and a shop whose pages hold the extension's blocks."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from werkzeug.serving import make_server

from connector.web.sign_up_limits import QUICKEST_MS, SignUpLimits
from connector.web.storefront import create_storefront
from simulator.server import ServerThread
from simulator.shop import Item, Shop
from simulator.shopify import ShopifyServer
from simulator.storefront import StorefrontServer
from tests.installs.conftest import admin
from tests.installs.scene import Admin, now, serve
from tests.shoppers.world import KEY, World
from tests.support import ManualClock, require
from tests.theme.engine import LiquidTheme

__all__ = ["admin"]

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node() -> str:
    """The program node; the test is skipped without it, and fails when CI=true."""
    return require("node")


@pytest.fixture(scope="session")
def modules(node: str) -> Path:
    """A folder with the packages of package-lock.json, kept between runs. Needs npm's registry the first time."""
    npm = require("npm")
    files = [HERE / name for name in ("package.json", "package-lock.json", ".npmrc")]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]
    store = Path(tempfile.gettempdir()) / f"dispo-node-{os.geteuid()}"
    store.mkdir(mode=0o700, exist_ok=True)
    if store.stat().st_uid != os.geteuid() or store.stat().st_mode & 0o077:
        raise RuntimeError(f"{store} belongs to someone else: remove it or set TMPDIR.")
    kept = store / digest
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            building = Path(tempfile.mkdtemp(dir=store, prefix="building-"))
            for path in files:
                shutil.copy(path, building)
            done = subprocess.run(
                [npm, "ci", "--no-progress"], cwd=building, capture_output=True, text=True, timeout=180
            )
            if done.returncode:
                shutil.rmtree(building)
                reason = f"npm ci did not work: {done.stderr[-600:]}"
                if os.environ.get("CI", "").lower() in {"1", "true"}:
                    pytest.fail(reason, pytrace=False)
                pytest.skip(reason)
            building.rename(kept)
    return kept


def make_shop() -> Shop:
    """A mug that is sold out, three bowls, an apron in three sizes of which only the small one is there."""
    shop = Shop("Kiln & Co", currency="EUR", clock=now)
    shop.add_product("Speckled mug", [{"sku": "MUG", "price_minor": 1250, "stock": 0}])
    shop.add_product("Tea bowl", [{"sku": "BOWL", "price_minor": 1800, "stock": 3}])
    shop.add_product(
        "Linen apron",
        [
            {"sku": "APRON-S", "title": "Small", "price_minor": 3000, "stock": 9},
            {"sku": "APRON-M", "title": "Medium", "price_minor": 3400, "stock": 0},
            {"sku": "APRON-L", "title": "Large", "price_minor": 3400, "stock": 0},
        ],
    )
    return shop


@dataclass
class Street:
    """A shop whose pages hold our blocks, and Dispo behind its app proxy."""

    shop: Shop
    theme: LiquidTheme
    front: StorefrontServer
    engine: sa.Engine

    def item(self, sku: str) -> Item:
        (found,) = self.shop.by_sku(sku)
        return found

    def gid(self, sku: str) -> str:
        return f"gid://shopify/ProductVariant/{self.item(sku).id}"

    def write(self, sku: str, facts: str) -> None:
        """The badge that Dispo wrote."""
        self.item(sku).meta["$app.availability"] = facts

    def says(
        self, sku: str, state: str, restock_on: date | None = None, confirmed: int | None = None
    ) -> None:
        """What Dispo answers now, whatever was written before; `confirmed` is the store's own number."""
        available = 5 if state in ("in_stock", "low_stock") else 0
        with self.engine.begin() as db:
            db.execute(
                sa.text("""
                    update position set state = :s, available = :a, restock_on = :d, restock_until = :d
                     where variant_id = (select variant_id from listing where external_id = :e)
                """),
                {"s": state, "a": available, "d": restock_on, "e": self.gid(sku)},
            )
            db.execute(
                sa.text("update listing set confirmed_available = :c where external_id = :e"),
                {"c": available if confirmed is None else confirmed, "e": self.gid(sku)},
            )

    def subscriptions(self) -> list[tuple[str, str]]:
        """Address and language of everybody who signed up."""
        with self.engine.connect() as db:
            found = db.execute(sa.text("select address, locale from subscription order by id"))
            return [(row.address, row.locale) for row in found]

    def page(self, handle: str, **query: str) -> str:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{self.front.url}/shopify/products/{handle}{'?' if asked else ''}{asked}"


@pytest.fixture
def street(engine: sa.Engine) -> Iterator[Street]:
    """A street with a Dispo that knows the shop's variants; the app proxy's signature is left out."""
    shop = make_shop()
    world = World(engine, ManualClock(now())).seed()
    dispo = ServerThread(
        create_storefront(world, SignUpLimits("memory://", world.keyring, quickest_ms=QUICKEST_MS))
    ).start()
    theme = LiquidTheme(lambda rest, query: f"{dispo.url}/s/{KEY}/{rest}?{urlencode(query)}")
    with StorefrontServer({"shopify": shop}, "https://dispo.test", {}, theme=theme) as front:
        made = Street(shop, theme, front, engine)
        for item in shop.items.values():
            world.add_variant(made.gid(item.sku), item.sku, item.stock or 0)
        yield made
    dispo.stop()


@pytest.fixture
def server() -> Iterator[ShopifyServer]:
    with serve(make_shop()) as running:
        yield running


@pytest.fixture
def installed(admin: Admin, engine: sa.Engine) -> Iterator[Street]:
    """The same with the app installed by the merchant and every request of the proxy signed by Shopify."""
    admin.open()
    admin.work()
    running = make_server("127.0.0.1", 0, admin.client.application, threaded=True)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    relay = f"http://127.0.0.1:{running.server_port}/relay/shopify/s"
    theme = LiquidTheme(lambda rest, query: f"{relay}/{rest}?{admin.server.tokens.proxy_query(**query)}")
    with StorefrontServer({"shopify": admin.server.shop}, "https://dispo.test", {}, theme=theme) as front:
        yield Street(admin.server.shop, theme, front, engine)
    running.shutdown()
    thread.join()


@pytest.fixture
def without_script(browser_context: Callable[..., Any]) -> Any:
    """A page of a browser whose JavaScript is off."""
    return browser_context(locale="en-GB", java_script_enabled=False).new_page()
