"""The page inside the Shopify admin in a real browser, with a stand-in for App Bridge, which Shopify serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from simulator.shopify import ShopifyServer
from tests.installs.conftest import admin, server
from tests.installs.scene import Admin
from tests.installs.test_join import HAND_TOKEN, PASSWORD, Account

__all__ = ["admin", "server"]

pytestmark = pytest.mark.browser

# What App Bridge does for us: it hands out ID tokens, and after a page without one it goes back with one.
BRIDGE = """
const asked = new URLSearchParams(location.search);
window.shopify = { idToken: () => window.idToken(), scopes: { request: (wanted) => window.grant(wanted) } };
if (asked.has("shopify-reload")) {
  window.idToken().then((token) => {
    const target = new URL(asked.get("shopify-reload"), location.origin);
    target.searchParams.set("id_token", token);
    location.replace(target);
  });
}
"""


@pytest.fixture
def site(admin: Admin) -> Iterator[str]:
    running = make_server("127.0.0.1", 0, admin.client.application, threaded=True)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()


@pytest.fixture
def bridged(browser_page: Any, server: ShopifyServer) -> Any:
    """A page whose App Bridge hands out this shop's tokens, and which notes every cookie it is given."""
    browser_page.expose_function("idToken", server.tokens.id_token)
    browser_page.expose_function("grant", lambda wanted: server.grant(*wanted))
    answer = {"body": BRIDGE, "content_type": "text/javascript"}
    browser_page.route("https://cdn.shopify.com/**", lambda route: route.fulfill(**answer))
    return browser_page


def test_a_merchant_lands_watches_the_import_approves_and_needs_no_cookie(
    bridged: Any, admin: Admin, site: str
) -> None:
    bridged.goto(f"{site}/shopify/app?shop={admin.shop}&host=aG9zdA&embedded=1")
    bridged.wait_for_selector('[data-step="import"]')
    admin.work()
    bridged.wait_for_selector('[data-step="supplier"]')
    admin.rows("update listing set is_managed = true, wanted_available = 4, wanted_state = 'in_stock'")
    bridged.wait_for_selector('[data-step="approve"]')
    bridged.get_by_role("button", name="Approve and write").click()
    bridged.wait_for_selector('[data-step="works"]')
    assert admin.rows("select count(*) from connection where writing_approved_at is not null")[0][0] == 1
    assert bridged.context.cookies() == []


def test_the_whole_app_opens_in_a_window_of_its_own(bridged: Any, admin: Admin, site: str) -> None:
    bridged.goto(f"{site}/shopify/app?shop={admin.shop}&embedded=1")
    bridged.wait_for_selector('[data-step="import"]')
    with bridged.context.expect_page() as opened:
        bridged.get_by_role("button", name="Open Dispo").click()
    opened.value.wait_for_url(f"{site}/")
    assert opened.value.get_by_role("heading", name="Overview").is_visible()


def test_what_is_allowed_in_the_platforms_dialogue_shows_at_once(
    bridged: Any, admin: Admin, site: str
) -> None:
    admin.server.withdraw("read_orders")
    bridged.goto(f"{site}/shopify/app?shop={admin.shop}&embedded=1")
    bridged.wait_for_selector('[data-step="import"]')
    admin.work()
    bridged.locator('[data-grant="orders"]').click()
    bridged.wait_for_selector('[data-grant="orders"]', state="detached")
    assert bridged.get_by_text("Allowed", exact=True).count() == 1
    assert "read_orders" in admin.rows("select config ->> 'scopes' as s from connection")[0].s


def test_a_shop_that_is_connected_by_hand_is_brought_together_in_a_window_of_its_own(
    bridged: Any, admin: Admin, site: str
) -> None:
    admin.server.tokens.fixed = HAND_TOKEN
    account = Account(admin, "owner@shop.example")
    bridged.goto(f"{site}/shopify/app?shop={admin.shop}&embedded=1")
    with bridged.context.expect_page() as opened:
        bridged.get_by_role("link", name="Sign in and agree").click()
    window = opened.value
    window.get_by_label("E-mail").fill(account.email)
    window.get_by_label("Password", exact=True).fill(PASSWORD)
    window.get_by_role("button", name="Sign in").click()
    window.get_by_role("button", name="Use this account").click()
    window.get_by_text("Agreed. Go back to the store's admin").wait_for()
    bridged.get_by_role("link", name="Go on").click()
    bridged.wait_for_selector("[data-step]")
    assert admin.row().merchant_id == account.merchant_id


@pytest.mark.parametrize(
    ("host", "is_shown"),
    [
        ("admin.shopify.com", True),
        ("demo.myshopify.com", True),
        ("other.myshopify.com", False),
        ("evil.example", False),
    ],
)
def test_only_the_shops_own_admin_shows_it_in_a_frame(
    bridged: Any, admin: Admin, site: str, host: str, is_shown: bool
) -> None:
    # Both are reached under public names: a browser lets no public page frame one of this machine.
    def served(route: Any) -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace("https://dispo.test", site)))

    bridged.route("https://dispo.test/**", served)
    frame = f"https://dispo.test/shopify/app?shop={admin.shop}&id_token={admin.server.tokens.id_token()}"
    html = f'<!doctype html><title>Admin</title><iframe src="{frame}"></iframe>'
    bridged.route(f"https://{host}/**", lambda route: route.fulfill(body=html, content_type="text/html"))
    refusals: list[str] = []
    bridged.on("console", lambda message: refusals.append(message.text))
    bridged.goto(f"https://{host}/", wait_until="load")
    inner = bridged.frame_locator("iframe").locator("[data-step]")
    if is_shown:
        inner.wait_for()
    assert inner.count() == int(is_shown)
    assert any("frame-ancestors" in text for text in refusals) is not is_shown
