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
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.serving import make_server

from simulator.shop import Item
from simulator.shopify import ShopifyServer
from simulator.storefront import StorefrontServer
from tests.installs.conftest import admin
from tests.installs.scene import Admin, now, serve
from tests.support import require
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


@dataclass
class Street:
    """A simulated shop on Shopify with our app installed, its pages with our blocks, and Dispo behind them."""

    admin: Admin
    theme: LiquidTheme
    front: StorefrontServer

    def item(self, sku: str) -> Item:
        (found,) = self.admin.server.shop.by_sku(sku)
        return found

    def gid(self, sku: str) -> str:
        return f"gid://shopify/ProductVariant/{self.item(sku).id}"

    def write(self, sku: str, facts: str) -> None:
        """The badge that Dispo wrote."""
        self.item(sku).meta["$app.availability"] = facts

    def says(self, sku: str, state: str, count: int | None = None) -> None:
        """What Dispo answers now, whatever was written before."""
        self.admin.rows(
            """update position set state = :s, available = :a, shown_count = :n
                where variant_id = (select variant_id from listing where external_id = :e)""",
            s=state, a=0 if state == "out_of_stock" else 5, n=count, e=self.gid(sku),
        )  # fmt: skip

    def page(self, handle: str, **query: str) -> str:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{self.front.url}/shopify/products/{handle}{'?' if asked else ''}{asked}"


def make_server_of_shop() -> ShopifyServer:
    from simulator.shop import Shop

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
    return serve(shop)


@pytest.fixture
def server() -> Iterator[ShopifyServer]:
    with make_server_of_shop() as running:
        yield running


@pytest.fixture
def street(admin: Admin, engine: sa.Engine) -> Iterator[Street]:
    admin.open()
    admin.work()
    running = make_server("127.0.0.1", 0, admin.client.application, threaded=True)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    theme = LiquidTheme(admin.server, f"http://127.0.0.1:{running.server_port}")
    with StorefrontServer({"shopify": admin.server.shop}, "https://dispo.test", {}, theme=theme) as front:
        yield Street(admin, theme, front)
    running.shutdown()
    thread.join()


@pytest.fixture
def without_script(browser_context: Callable[..., Any]) -> Any:
    """A page of a browser whose JavaScript is off."""
    return browser_context(locale="en-GB", java_script_enabled=False).new_page()
