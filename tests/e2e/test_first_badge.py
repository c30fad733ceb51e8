"""From the click on Install to the first badge on a product page, on each platform, as a merchant does it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.serving import make_server

from connector.bootstrap import TOPICS, Runtime
from connector.outbox.messages import due_turns
from connector.settings import AppKeys, Settings
from connector.web.app import create_app
from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from simulator.shopify import ShopifyServer
from simulator.storefront import StorefrontServer
from simulator.woocommerce import WooCommerceServer
from tests.e2e.test_embedded import BRIDGE
from tests.e2e.test_pages import DESK, PHONE, _sign_in
from tests.installs.scene import CLIENT_ID, SECRET, make_shop, serve
from tests.support import free_port
from tests.web.conftest import add_person
from tests.web.shop import Shop as Merchant
from workers import jobs
from workers.runtime import use

pytestmark = pytest.mark.browser

KEY, KEY_SECRET = "ck_" + "a" * 40, "cs_" + "b" * 40
STOCK = "SKU;Quantity\nA-1;4\nA-2;0\nA-3;25\n"


@dataclass
class Scene:
    """An installation at `site` with three shops that may install it, each with a storefront."""

    rt: Runtime
    site: str
    shopify: ShopifyServer
    woocommerce: WooCommerceServer
    bigcommerce: BigCommerceServer
    fronts: StorefrontServer
    public_keys: dict[str, str]

    def work(self) -> None:
        """What the clock and the workers do until nothing is due."""
        use(self.rt)
        for _ in range(30):
            with self.rt.engine.connect() as db:
                due = db.execute(
                    sa.text("""
                        select merchant_id, kind, id from schedule
                         where coalesce(lease_until, least(next_run_at, rerun_at)) <= now()
                         order by kind desc
                    """)
                ).all()
                turns = due_turns(db, list(TOPICS), 50)
            for one in due:
                jobs.run_due(one.merchant_id, one.kind, one.id)
            for turn in turns:
                self.rt.serve(turn)
            if not due and not turns:
                return
        raise AssertionError("the work does not end")

    def published(self) -> None:
        """Let the storefronts show what Dispo's public address of each shop says."""
        with self.rt.engine.connect() as db:
            rows = db.execute(sa.text("select adapter, public_key from connection where kind = 'store'"))
            self.public_keys.update({row.adapter: row.public_key for row in rows})


@pytest.fixture
def scene(settings: Settings, engine: sa.Engine) -> Iterator[Scene]:
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        shops: dict[str, Shop] = {
            name: make_shop(f"Vase & Co {name}") for name in ("shopify", "woocommerce", "bigcommerce")
        }
        shopify = stack.enter_context(serve(shops["shopify"]))
        woocommerce = stack.enter_context(
            WooCommerceServer(shops["woocommerce"], deliver_webhooks=False, key=KEY, secret=KEY_SECRET)
        )
        bigcommerce = stack.enter_context(
            BigCommerceServer(
                shops["bigcommerce"],
                client_id=CLIENT_ID,
                client_secret=SECRET,
                redirect_uri=f"{site}/bigcommerce/auth",
            )
        )
        apps = {
            "shopify": AppKeys(CLIENT_ID, SECRET, "", shopify.url),
            "bigcommerce": AppKeys(CLIENT_ID, SECRET, "", bigcommerce.url),
        }
        rt = Runtime(
            replace(settings, apps=apps, allowed_private_hosts=frozenset({"127.0.0.1"}), base_url=site)
        )
        rt.__dict__["engine"] = engine
        public_keys: dict[str, str] = {}
        fronts = stack.enter_context(StorefrontServer(shops, site, public_keys))
        running = make_server("127.0.0.1", port, create_app(rt), threaded=True)
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Scene(rt, site, shopify, woocommerce, bigcommerce, fronts, public_keys)
        finally:
            running.shutdown()
            thread.join()


def picture(page: Any, name: str) -> None:
    """Keep a picture where somebody asked for them, for human eyes."""
    if directory := os.environ.get("DISPO_TEST_PICTURES"):
        page.screenshot(path=str(Path(directory) / f"{name}.png"), full_page=True)


def hand_over_stock(page: Any, scene: Scene, tmp_path: Path) -> None:
    """The merchant gives a stock list in the whole app, and the workers read it."""
    path = tmp_path / "stock.csv"
    path.write_text(STOCK)
    page.locator("#name").fill("Atelier")
    page.locator("#file").set_input_files(path)
    page.get_by_role("button", name="Add and read the list").click()
    page.get_by_text("Nothing is read yet").wait_for()
    scene.work()
    page.get_by_text("Applied").last.wait_for()


def see_first_badge(page: Any, scene: Scene, slug: str) -> None:
    """What a shopper sees of the product that is sold out now."""
    scene.work()
    scene.published()
    shop = scene.fronts.shops[slug]
    assert [shop.by_sku(f"A-{n}")[0].stock for n in (1, 2, 3)] == [4, 0, 25]
    product = next(p for p in shop.products.values() if p.title == "Vase 2")
    page.goto(scene.fronts.url + scene.fronts.product_path(slug, product))
    badge = page.get_by_text(re.compile("sold out|out of stock", re.IGNORECASE)).first
    badge.wait_for()
    picture(page, f"{slug}-badge")


@pytest.mark.parametrize("platform", ["shopify", "bigcommerce"])
def test_inside_the_platforms_own_pages(
    scene: Scene, platform: str, browser_context: Callable[..., Any], tmp_path: Path
) -> None:
    context = browser_context(viewport=DESK)
    page = context.new_page()
    if platform == "shopify":
        page.expose_function("idToken", scene.shopify.tokens.id_token)
        page.route(
            "https://cdn.shopify.com/**",
            lambda route: route.fulfill(body=BRIDGE, content_type="text/javascript"),
        )
        page.goto(f"{scene.site}/shopify/app?shop={scene.shopify.domain}&host=aG9zdA&embedded=1")
    else:
        page.goto(scene.bigcommerce.app.auth_callback())
    page.wait_for_selector('[data-step="import"]')
    picture(page, f"{platform}-import")
    scene.work()
    page.wait_for_selector('[data-step="supplier"]')
    picture(page, f"{platform}-supplier")
    with context.expect_page() as opened:
        page.get_by_role("button", name="Add a supplier").click()
    whole = opened.value
    whole.wait_for_url(f"{scene.site}/suppliers/new")
    hand_over_stock(whole, scene, tmp_path)
    page.wait_for_selector('[data-step="approve"]')
    page.set_viewport_size(PHONE)
    picture(page, f"{platform}-approve")
    page.get_by_role("button", name="Approve and write").click()
    page.wait_for_selector('[data-step="works"]')
    picture(page, f"{platform}-works")
    see_first_badge(whole, scene, platform)


def test_from_wordpress(
    scene: Scene, engine: sa.Engine, browser_context: Callable[..., Any], tmp_path: Path
) -> None:
    merchant = Merchant(engine, scene.rt.now(), is_empty=True)
    add_person(merchant, "owner@shop.test", "en")
    page = browser_context(viewport=DESK).new_page()
    _sign_in(page, scene.site)
    page.goto(f"{scene.site}/stores/new")
    picture(page, "woocommerce-new")
    # A shop hands its keys to a https address only, which a test has not: they are entered by hand.
    page.get_by_label("Shop's address").fill(scene.woocommerce.url)
    page.get_by_label("Consumer key").fill(KEY)
    page.get_by_label("Consumer secret").fill(KEY_SECRET)
    page.get_by_role("button", name="Check and connect").click()
    page.wait_for_url(re.compile(r"/(connections|stores)/[^n]"))
    picture(page, "woocommerce-connected")
    scene.work()
    page.goto(f"{scene.site}/suppliers/new")
    hand_over_stock(page, scene, tmp_path)
    (store,) = [row for row in stores(scene) if row.adapter == "woocommerce"]
    page.goto(f"{scene.site}/connections/{store.id}/approve")
    page.set_viewport_size(PHONE)
    picture(page, "woocommerce-approve")
    page.locator("main form button").first.click()
    page.wait_for_url(f"{scene.site}/connections/{store.id}")
    see_first_badge(page, scene, "woocommerce")


def stores(scene: Scene) -> list[Any]:
    with scene.rt.engine.connect() as db:
        return list(db.execute(sa.text("select id, adapter from connection where kind = 'store'")))
