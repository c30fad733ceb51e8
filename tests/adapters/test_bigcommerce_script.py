"""The storefront script in BigCommerce's Scripts API, and at work on a product page in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from adapters.stores.bigcommerce import client_of
from adapters.stores.bigcommerce.client import BigCommerceClient
from adapters.stores.bigcommerce.storefront import (
    BigCommerceScripts,
    StorefrontChannel,
    script_html,
    scripts,
    storefronts,
)
from connector.ports.errors import Misconfigured, Unauthorized
from connector.ports.storefronts import PlaceState, ScriptPlace, ScriptReport, ScriptSettings
from simulator.bigcommerce import BigCommerceServer
from simulator.server import ServerThread
from simulator.shop import Shop
from tests.adapters.bigcommerce_support import ENVIRONMENT, SECRET, TOKEN, Ticker, corner_shop, serve
from tests.support import ManualClock

SETTINGS = ScriptSettings("https://dispo.example", "storekey", "Kiln & Co", "https://kiln.example/privacy")
SCRIPT = Path(__file__).parents[2] / "templates" / "storefront" / "notify-me.js"


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return corner_shop(clock)


@pytest.fixture
def server(shop: Shop, clock: ManualClock) -> Iterator[BigCommerceServer]:
    with serve(shop, Ticker(clock)) as server:
        yield server


@pytest.fixture
def client(server: BigCommerceServer) -> BigCommerceClient:
    config = {"store_hash": server.store_hash, "base_url": server.url}
    return client_of(config, {"access_token": TOKEN, "api_secret": SECRET}, ENVIRONMENT)


@pytest.fixture
def store(client: BigCommerceClient) -> BigCommerceScripts:
    return BigCommerceScripts(client)


# ---------------------------------------------------------------- the API


def channel(number: int, platform: str = "bigcommerce") -> dict[str, Any]:
    return {
        "id": number,
        "type": "storefront",
        "platform": platform,
        "status": "active",
        "name": f"Front {number}",
    }


def place(number: int, state: PlaceState = "set", **more: Any) -> ScriptPlace:
    return ScriptPlace(str(number), f"Front {number}", state, **more)


def test_each_storefront_gets_the_script_once(
    server: BigCommerceServer, store: BigCommerceScripts, shop: Shop
) -> None:
    server.channels.append(channel(5))
    first = store.put(SETTINGS, "essential")
    assert first == ScriptReport(
        (ScriptPlace("1", "Corner Shop", "set", is_new=True), place(5, is_new=True)), sees_all=True
    )
    again = store.put(SETTINGS, "essential")
    assert [(one.storefront_id, one.state, one.is_new) for one in again.places] == [
        ("1", "set", False),
        ("5", "set", False),
    ]
    assert (server.calls["POST v3/content/scripts"], server.calls["PUT v3/content/scripts/<id>"]) == (2, 0)
    kept = [(one["channel_id"], one["consent_category"]) for one in server.scripts.kept.values()]
    assert kept == [(1, "essential"), (5, "essential")]
    (one, _) = server.scripts.kept.values()
    assert (one["kind"], one["location"], one["visibility"]) == ("script_tag", "footer", "storefront")
    assert one["auto_uninstall"] is True
    assert server.scripts.tags(1, "footer", accepted=frozenset()) == script_html(SETTINGS)
    assert store.remove() == 2
    assert (server.scripts.kept, store.remove()) == ({}, 0)


def test_a_deleted_script_is_put_back_where_it_is_missing_alone(
    server: BigCommerceServer, store: BigCommerceScripts
) -> None:
    server.channels.append(channel(5))
    store.put(SETTINGS, "essential")
    (gone,) = [key for key, one in server.scripts.kept.items() if one["channel_id"] == 5]
    del server.scripts.kept[gone]
    report = store.put(SETTINGS, "essential")
    assert [one.is_new for one in report.places] == [False, True]
    assert sorted(one["channel_id"] for one in server.scripts.kept.values()) == [1, 5]


def test_a_script_that_is_there_twice_is_there_once_afterwards(
    server: BigCommerceServer, store: BigCommerceScripts
) -> None:
    store.put(SETTINGS, "essential")
    (uuid, kept) = next(iter(server.scripts.kept.items()))
    server.scripts.kept["second"] = {**kept, "uuid": "00000000-0000"}
    server.scripts.kept["00000000-0000"] = server.scripts.kept.pop("second")
    store.put(SETTINGS, "essential")
    assert list(server.scripts.kept) == [uuid]


def test_a_change_keeps_what_the_merchant_chose_until_they_choose_again(
    server: BigCommerceServer, store: BigCommerceScripts
) -> None:
    store.put(SETTINGS, "functional")
    (kept,) = server.scripts.kept.values()
    kept["consent_category"] = "targeting"
    changed = ScriptSettings("https://dispo.example", "storekey", "Another name")
    store.put(changed, "functional")
    assert (kept["html"], kept["visibility"]) == (script_html(changed), "storefront")
    assert kept["consent_category"] == "targeting"
    store.put(changed, "analytics", changes_consent=True)
    assert kept["consent_category"] == "analytics"


def test_one_that_the_merchant_switched_off_there_stays_off(
    server: BigCommerceServer, store: BigCommerceScripts
) -> None:
    store.put(SETTINGS, "essential")
    (kept,) = server.scripts.kept.values()
    kept["enabled"] = False
    (one,) = store.put(SETTINGS, "essential").places
    assert (one.state, kept["enabled"]) == ("disabled", False)


def test_a_closed_storefront_loses_its_script(server: BigCommerceServer, store: BigCommerceScripts) -> None:
    server.channels.append(channel(5))
    store.put(SETTINGS, "essential")
    server.channels[1]["status"] = "terminated"
    assert [one.storefront_id for one in store.put(SETTINGS, "essential").places] == ["1"]
    assert [one["channel_id"] for one in server.scripts.kept.values()] == [1]


def test_other_scripts_of_the_app_are_left_alone(
    server: BigCommerceServer, client: BigCommerceClient, store: BigCommerceScripts
) -> None:
    body = {"name": "Other", "kind": "script_tag", "html": "<script>1</script>", "location": "head"}
    client.write("POST", "/v3/content/scripts", body)
    store.put(SETTINGS, "essential")
    assert [one["channel_id"] for one in scripts(client)] == [1]
    assert store.remove() == 1
    assert [one["name"] for one in server.scripts.kept.values()] == ["Other"]


def test_an_eleventh_script_is_told_and_fails_no_other(
    server: BigCommerceServer, store: BigCommerceScripts
) -> None:
    server.channels[:] = [channel(3, "catalyst"), *(channel(number) for number in range(11, 21))]
    report = store.put(SETTINGS, "essential")
    assert [one.state for one in report.places] == ["set"] * 10 + ["limit"]
    # The storefront whose pages show nothing by themselves is the one that goes without.
    last = report.places[-1]
    assert (last.storefront_id, last.needs_block) == ("3", True)
    assert "at most 10" in last.detail


def test_a_refusal_of_one_storefront_fails_no_other(
    server: BigCommerceServer, store: BigCommerceScripts
) -> None:
    server.channels.append(channel(5))
    server.scripts.refuses = {1}
    report = store.put(SETTINGS, "essential")
    assert [(one.storefront_id, one.state) for one in report.places] == [("1", "refused"), ("5", "set")]


def test_without_the_channels_the_first_storefront_gets_it_and_the_gap_is_told(
    server: BigCommerceServer, store: BigCommerceScripts
) -> None:
    server.channels.append(channel(5))
    server.app.scopes = ("store_v2_content",)
    expected = ScriptReport((ScriptPlace("1", "", "set", is_new=True),), sees_all=False)
    assert store.put(SETTINGS, "essential") == expected
    # A script elsewhere is not taken for one of a storefront that closed.
    server.scripts.kept["b"] = {**next(iter(server.scripts.kept.values())), "channel_id": 5, "uuid": "b"}
    store.put(SETTINGS, "essential")
    assert sorted(one["channel_id"] for one in server.scripts.kept.values()) == [1, 5]


def test_a_missing_scope_is_told(server: BigCommerceServer, store: BigCommerceScripts) -> None:
    server.app.scopes = ("store_v2_products",)
    with pytest.raises(Unauthorized, match="Content: modify"):
        store.put(SETTINGS, "essential")
    with pytest.raises(Unauthorized, match="Content: modify"):
        store.remove()
    assert server.scripts.kept == {}


def test_storefronts_are_named(client: BigCommerceClient) -> None:
    assert storefronts(client) == [StorefrontChannel(1, "Corner Shop", "bigcommerce")]


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)//", "{{settings.storefront_api.token}}", "}}", "é’"]
)
def test_no_setting_escapes_from_the_script(text: str) -> None:
    html = script_html(ScriptSettings("https://dispo.example", "key", seller=text))
    assert html.count("<script>") == html.count("</script>") == 1
    assert "{{" not in html
    line = next(line for line in html.splitlines() if "const settings" in line)
    found = re.fullmatch(r"  const settings = (\{.*\});", line)
    assert found is not None
    assert json.loads(found[1])["seller"] == text


@pytest.mark.parametrize("server", ["http://dispo.example", "dispo.example", "", "javascript:alert(1)"])
def test_a_script_from_an_address_without_https_is_refused(server: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        script_html(ScriptSettings(server, "key"))
    assert caught.value.field == "base_url"


# ---------------------------------------------------------------- the page

OPTIONS = {"": None, "7": 501, "8": 502, "9": 503}


@dataclass
class Front:
    """A Stencil product page as Cornerstone renders it, and Dispo's addresses beside it."""

    facts: dict[str, dict[str, Any]]
    live: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: list[dict[str, str]] = field(default_factory=list)
    is_dispo_down: bool = False
    html: str = ""

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        return self.answer(request)(environ, start)

    def answer(self, request: Request) -> Response:
        path = request.path
        if path == "/remote/v1/product-attributes/111":
            variant = OPTIONS[request.form.get("attribute[12]", "")]
            data = {"v3_variant_id": variant, **self.live.get(variant or 0, {})}
            return Response(json.dumps({"data": data}), mimetype="application/json")
        if path == "/s/notify-me.js":
            return Response(SCRIPT.read_bytes(), mimetype="text/javascript")
        if path == "/s/storekey/availability":
            if self.is_dispo_down:
                return Response("", 503)
            self.asked.append(request.args["ids"])
            items = {one: self.facts[one] for one in request.args["ids"].split(",") if one in self.facts}
            return Response(json.dumps({"items": items}), mimetype="application/json")
        if path == "/s/storekey/subscribe":
            self.sent.append(request.form.to_dict())
            return Response('{"message": "Check your mail."}', mimetype="application/json")
        if path == "/cart.php":
            return Response("a form was sent to the cart", 500)
        return Response(self.page() if path == "/tee/" else "", mimetype="text/html")

    def page(self) -> str:
        return f"""<!doctype html><html lang="en"><head><title>Tee</title></head><body>
            <div class="productView-options">
            <form class="form" method="post" action="/cart.php" data-cart-item-add>
            <input type="hidden" name="action" value="add"><input type="hidden" name="product_id" value="111">
            <div data-product-option-change><select name="attribute[12]" aria-label="Size">
            <option value="">Choose</option><option value="7">S</option><option value="8">M</option>
            <option value="9">L</option></select><input type="file" name="attribute[13]"></div>
            <input id="form-action-addToCart" type="submit" value="Add to Cart"></form></div>
            {self.html}</body></html>"""


@pytest.fixture
def front() -> Iterator[tuple[Front, str]]:
    facts: dict[str, dict[str, Any]] = {
        "501": {"state": "in_stock"},
        "502": {"state": "out_of_stock"},
        "503": {"state": "low_stock", "count": 5},
    }
    front = Front(facts)
    with ServerThread(front) as server:
        front.html = script_html(ScriptSettings(server.url, "storekey", "Kiln & Co"))
        yield front, f"{server.url}/tee/"


def choose(page: Any, size: str) -> None:
    page.select_option("select", size)


def badge(page: Any) -> Any:
    return page.locator(".dispo-badge:visible")


@pytest.mark.browser
def test_the_badge_follows_the_chosen_options(front: tuple[Front, str], browser_page: Any) -> None:
    from playwright.sync_api import expect

    served, url = front
    browser_page.goto(url)
    expect(badge(browser_page)).to_have_count(0)
    for size, words in (("7", "In stock"), ("8", "Out of stock"), ("9", "Only 5 left"), ("7", "In stock")):
        choose(browser_page, size)
        expect(badge(browser_page)).to_have_text(words)
        expect(badge(browser_page)).to_have_count(1)
    choose(browser_page, "")
    expect(badge(browser_page)).to_have_count(0)
    # The loader asks once per variant, and notify-me.js once when its block is new.
    assert sorted(set(served.asked)) == ["501", "502", "503"]


@pytest.mark.browser
def test_a_shopper_subscribes_to_the_chosen_variant_and_the_cart_is_left_alone(
    front: tuple[Front, str], browser_page: Any
) -> None:
    from playwright.sync_api import expect

    served, url = front
    browser_page.goto(url)
    choose(browser_page, "8")
    form = browser_page.locator(".dispo-form:visible")
    form.get_by_label("E-mail address").fill("ann@example.com")
    form.get_by_role("button", name="Notify me").click()
    expect(browser_page.get_by_text("Check your mail.")).to_be_visible()
    assert browser_page.url == url
    assert browser_page.locator("form[data-cart-item-add] [data-dispo]").count() == 0
    assert [(one["id"], one["email"]) for one in served.sent] == [("502", "ann@example.com")]
    assert "Kiln & Co may e-mail me" in browser_page.content().replace("&amp;", "&")


@pytest.mark.browser
def test_the_store_may_only_make_it_worse(front: tuple[Front, str], browser_page: Any) -> None:
    from playwright.sync_api import expect

    served, url = front
    served.live = {501: {"instock": False}, 502: {"instock": True}, 503: {"available_to_sell": 2}}
    browser_page.goto(url)
    for size, words in (("7", "Out of stock"), ("8", "Out of stock"), ("9", "Only 2 left")):
        choose(browser_page, size)
        expect(badge(browser_page)).to_have_text(words)


@pytest.mark.browser
def test_what_dispo_does_not_keep_or_cannot_tell_is_not_made_up(
    front: tuple[Front, str], browser_page: Any
) -> None:
    from playwright.sync_api import expect

    served, url = front
    del served.facts["501"]
    served.live = {501: {"instock": False}, 502: {"instock": False}, 503: {"instock": True}}
    browser_page.goto(url)
    choose(browser_page, "8")
    expect(badge(browser_page)).to_have_text("Out of stock")
    choose(browser_page, "7")
    expect(badge(browser_page)).to_have_count(0)
    served.is_dispo_down = True
    choose(browser_page, "9")
    expect(badge(browser_page)).to_have_count(0)
