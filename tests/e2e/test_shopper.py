"""A shopper in a real browser: the shop's page, Dispo's script, the mail's links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.wrappers import Response

from connector.i18n import TEMPLATES
from connector.shoppers.policy import ShopperPolicy, save_policy
from connector.web.sign_up_limits import QUICKEST_MS, SignUpLimits
from connector.web.storefront import create_storefront
from simulator.server import ServerThread
from simulator.shop import Item, Shop
from simulator.storefront import StorefrontServer
from tests.shoppers.world import KEY, World
from tests.support import ManualClock, unhurried

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parents[1] / "web" / "vendor" / "axe.min.js").read_text(encoding="utf-8")
SCRIPT = (TEMPLATES / "storefront" / "notify-me.js").read_text(encoding="utf-8")
DOWN = "We cannot save this just now. Your address stays here and we try again."


@dataclass
class Town:
    """A shop with a sold-out mug and an apron in two sizes, and Dispo beside it."""

    world: World
    shop: Shop
    front: StorefrontServer

    def item(self, sku: str) -> Item:
        (found,) = self.shop.by_sku(sku)
        return found

    def page(self, handle: str) -> str:
        return f"{self.front.url}/shop/product/{handle}/"

    def link(self, path: str) -> str:
        """The link below `path` in the last message sent."""
        text = self.world.mail.sent[-1].text
        found = re.search(rf"{re.escape(self.world.base_url)}/{path}/\S+", text)
        assert found is not None, text
        return found.group(0)


@pytest.fixture
def town(engine: sa.Engine, clock: ManualClock) -> Iterator[Town]:
    world = World(engine, clock).seed()
    shop = Shop("Kiln & Co", clock=clock.now)
    shop.add_product("Speckled mug", [{"sku": "MUG", "price_minor": 1250, "stock": 0}])
    shop.add_product(
        "Linen apron",
        [
            {"sku": "APRON-S", "title": "S", "price_minor": 3000, "stock": 4},
            {"sku": "APRON-M", "title": "M", "price_minor": 3400, "stock": 0},
        ],
    )
    dispo = ServerThread(
        create_storefront(world, SignUpLimits("memory://", world.keyring, quickest_ms=QUICKEST_MS))
    ).start()
    world.base_url = dispo.url
    with StorefrontServer({"shop": shop}, dispo.url, {"shop": KEY}) as front:
        for product, items in shop.pages():
            for item in items:
                world.add_variant(str(item.id), f"{product.title} {item.title}".strip(), item.stock or 0)
                with engine.begin() as db:
                    db.execute(
                        sa.text("update listing set url = :u where external_id = :e"),
                        {"u": f"{front.url}/shop/product/{product.handle}/", "e": str(item.id)},
                    )
        yield Town(world, shop, front)
    dispo.stop()


def form_of(page: Any) -> Any:
    return page.locator(".dispo-form")


def said_of(page: Any) -> Any:
    return page.locator(".dispo-said")


def variant_of(town: Town, sku: str) -> int:
    row = town.world.row("select variant_id from listing where external_id = :e", e=str(town.item(sku).id))
    return int(row.variant_id)


def test_from_sold_out_to_bought_and_out_of_the_list(town: Town, browser_page: Any) -> None:
    page = browser_page
    page.goto(town.page("speckled-mug"))
    assert page.locator(".dispo-badge").inner_text() == "Out of stock"
    page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(page)
    page.get_by_role("button", name="Notify me").click()
    said_of(page).get_by_text("Almost done").wait_for()
    assert page.get_by_role("button", name="Notify me").is_hidden()

    town.world.run()
    page.goto(town.link("confirm"))
    assert town.world.statuses() == ["unconfirmed"]
    page.get_by_role("button", name="Yes, tell me").click()
    page.get_by_role("heading", name="You are on the list").wait_for()
    assert town.world.statuses() == ["waiting"]

    town.shop.set_stock(town.item("MUG").id, 2, by="api")
    town.world.set_stock(2, variant_id=variant_of(town, "MUG"))
    town.world.run()
    page.goto(town.link("c"))
    assert page.url.partition("?")[0] == town.page("speckled-mug")
    assert form_of(page).is_hidden()
    page.get_by_role("button", name="Buy now").click()
    page.get_by_role("heading", name="Thank you for your order").wait_for()
    assert town.item("MUG").stock == 1
    assert town.world.row("select count(clicked_at) as n from invitation").n == 1

    page.goto(town.link("u"))
    page.get_by_role("button", name="Unsubscribe").click()
    page.get_by_role("heading", name="You are unsubscribed").wait_for()
    page.goto(town.link("me"))
    page.get_by_role("button", name="Delete my data").click()
    page.get_by_role("heading", name="Your data is deleted").wait_for()
    assert town.world.row("select address from subscription").address == ""


def test_all_by_keyboard_with_words_for_screen_readers(town: Town, browser_page: Any) -> None:
    page = browser_page
    page.goto(town.page("speckled-mug"))
    field = page.get_by_label("E-mail address")
    field.focus()
    page.keyboard.type("ann@")
    page.keyboard.press("Enter")
    assert said_of(page).get_attribute("aria-live") == "polite"
    said_of(page).get_by_text("This does not look like an e-mail address.").wait_for()
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-describedby") == said_of(page).get_attribute("id")
    assert page.evaluate("document.activeElement.name") == "email"
    page.keyboard.type("example.com")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    unhurried(page)
    page.keyboard.press("Enter")
    said_of(page).get_by_text("Almost done").wait_for()
    assert page.evaluate("document.activeElement.className") == "dispo-said"


def test_the_form_follows_the_chosen_variant(town: Town, browser_page: Any) -> None:
    page = browser_page
    page.goto(town.page("linen-apron"))
    assert page.locator(".dispo-badge").inner_text() == "In stock"
    assert form_of(page).is_hidden()
    page.get_by_label("Variant").select_option("M")
    assert page.locator(".dispo-badge").inner_text() == "Out of stock"
    assert page.get_by_role("button", name="Sold out").is_disabled()
    page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(page)
    page.get_by_role("button", name="Notify me").click()
    said_of(page).get_by_text("Almost done").wait_for()
    row = town.world.row("select variant_id from subscription")
    assert row.variant_id == variant_of(town, "APRON-M")
    page.get_by_label("Variant").select_option("S")
    assert form_of(page).is_hidden()
    page.get_by_label("Variant").select_option("M")
    assert page.get_by_role("button", name="Notify me").is_visible()


def test_a_cached_page_is_corrected_for_the_worse_and_never_for_the_better(
    town: Town, browser_page: Any
) -> None:
    page = browser_page
    town.shop.set_stock(town.item("MUG").id, 3, by="api")
    with page.expect_response(re.compile("/availability")):
        page.goto(town.page("speckled-mug"))
    page.locator(".dispo-badge", has_text="Out of stock").wait_for()
    assert form_of(page).is_visible()

    town.shop.set_stock(town.item("MUG").id, 0, by="api")
    town.world.set_stock(9, variant_id=variant_of(town, "MUG"))
    with page.expect_response(re.compile("/availability")) as answer:
        page.goto(town.page("speckled-mug"))
    assert answer.value.json()["items"][str(town.item("MUG").id)] == {"state": "in_stock"}
    page.wait_for_function(
        "performance.getEntriesByType('resource').some(e => e.name.includes('availability'))"
    )
    assert page.locator(".dispo-badge").inner_text() == "Out of stock"


def test_when_dispo_is_down_the_address_is_kept_and_tried_again(town: Town, browser_page: Any) -> None:
    page = browser_page
    page.clock.install()
    page.goto(town.page("speckled-mug"))
    page.route("**/subscribe", lambda route: route.abort())
    page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(page)
    page.get_by_role("button", name="Notify me").click()
    said_of(page).get_by_text(DOWN).wait_for()
    assert page.get_by_label("E-mail address").input_value() == "ann@example.com"
    assert town.world.statuses() == []
    page.unroute("**/subscribe")
    page.clock.fast_forward(10_000)
    said_of(page).get_by_text("Almost done").wait_for()
    assert town.world.statuses() == ["unconfirmed"]
    assert page.evaluate("sessionStorage.length") == 0


def test_a_reload_while_dispo_is_down_loses_nothing(town: Town, browser_page: Any) -> None:
    page = browser_page
    page.goto(town.page("speckled-mug"))
    page.route("**/subscribe", lambda route: route.fulfill(status=503))
    page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(page)
    page.get_by_role("button", name="Notify me").click()
    said_of(page).get_by_text(DOWN).wait_for()
    page.unroute("**/subscribe")
    page.reload()
    said_of(page).get_by_text("Almost done").wait_for()
    assert town.world.row("select address from subscription").address == "ann@example.com"


def test_without_javascript_the_form_leads_to_a_plain_page(
    town: Town, browser_context: Callable[..., Any]
) -> None:
    page = browser_context(java_script_enabled=False, locale="fr-FR").new_page()
    page.goto(town.page("speckled-mug"))
    page.get_by_label("Adresse e-mail").fill("ann@example.com")
    page.get_by_role("button", name="Me prévenir").click()
    assert "Presque fini" in page.locator("main").inner_text()
    assert town.world.row("select locale from subscription").locale == "fr"
    page.get_by_role("link", name="Retour à la boutique").click()
    assert page.url == town.page("speckled-mug")


def test_a_french_shopper_reads_french_everywhere(town: Town, browser_context: Callable[..., Any]) -> None:
    page = browser_context(locale="fr-FR").new_page()
    town.shop.set_meta(
        town.item("MUG").id,
        {
            "_dispo_state": "restocking",
            "_dispo_restock_on": "2030-01-20",
            "_dispo_restock_until": "2030-01-23",
        },
        by="api",
    )
    dates = {"restock_on": "2030-01-20", "restock_until": "2030-01-23"}
    town.world.set_stock(0, state="restocking", variant_id=variant_of(town, "MUG"), **dates)
    page.goto(town.page("speckled-mug"))
    assert page.locator(".dispo-badge").inner_text() == "De retour entre le 20 janvier et le 23 janvier"
    page.get_by_label("Adresse e-mail").fill("ann@example.com")
    unhurried(page)
    page.get_by_role("button", name="Me prévenir").click()
    said_of(page).get_by_text("Presque fini").wait_for()
    town.world.run()
    assert town.world.mail.sent[-1].language == "fr"
    page.goto(town.link("confirm"))
    page.get_by_role("button", name="Oui, prévenez-moi").click()
    page.get_by_role("heading", name="Vous êtes sur la liste").wait_for()


def test_the_script_builds_its_own_form_where_the_theme_has_none(town: Town, browser_page: Any) -> None:
    page = browser_page
    item = town.item("MUG")
    html = f"""<!doctype html><html lang="fr"><meta charset="utf-8"><body>
        <div data-dispo data-server="{town.world.base_url}/" data-key="{KEY}" data-variant="{item.id}"
         data-seller="A &lt;b&gt; &amp; B" data-privacy="javascript:alert(1)" data-units
         data-state="restocking" data-restock-on="2020-01-01"></div>
        <script src="{town.world.base_url}/s/notify-me.js"></script></body></html>"""
    town.world.set_stock(0, state="restocking", variant_id=variant_of(town, "MUG"))
    with ServerThread(Response(html, content_type="text/html; charset=utf-8")) as theme:
        _use_the_bare_form(page, theme.url)
    assert town.world.row("select wanted_units, locale from subscription") == (4, "fr")


def test_whoever_typed_before_a_late_script_came_is_no_machine(town: Town, browser_page: Any) -> None:
    page = browser_page
    page.route("**/notify-me.js", lambda route: route.abort())
    page.goto(town.page("speckled-mug"))
    page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(page)
    page.unroute("**/notify-me.js")
    page.add_script_tag(url=f"{town.world.base_url}/s/notify-me.js")
    page.keyboard.press("Enter")
    said_of(page).get_by_text("Almost done").wait_for()
    assert town.world.row("select address from subscription").address == "ann@example.com"


def test_an_item_without_a_state_leaves_no_trace(browser_page: Any) -> None:
    # Nobody listens at this address.
    block = '<div data-dispo data-server="http://127.0.0.1:9" data-key="k" data-variant="1" data-badge-only'
    browser_page.set_content(
        f'<html lang="fr"><body>{block}></div>{block} data-state="in_stock"></div></body></html>'
    )
    browser_page.add_script_tag(content=SCRIPT)
    badges = browser_page.locator(".dispo-badge").all()
    assert [one.inner_text() if one.is_visible() else None for one in badges] == [None, "En stock"]


def _use_the_bare_form(page: Any, url: str) -> None:
    page.goto(url)
    assert page.locator(".dispo-badge").inner_text() == "Bientôt de retour"
    assert "A <b> & B peut m’écrire" in page.locator(".dispo-form small").inner_text()
    assert page.locator(".dispo-form a").count() == 0
    page.get_by_label("Adresse e-mail").fill("ann@example.com")
    page.get_by_label("Quantité").fill("4")
    unhurried(page)
    page.get_by_role("button", name="Me prévenir").click()
    said_of(page).get_by_text("Presque fini").wait_for()


def with_neighbours(town: Town, **policy: Any) -> None:
    """Two mugs like the sold-out one, of which one leads to another shop's page."""
    with town.world.engine.begin() as db:
        save_policy(db, town.world.merchant_id, ShopperPolicy(**policy), "test", town.world.now())
    for external_id, title in (("601", "<b>Green</b> mug"), ("602", "Foreign mug")):
        town.world.add_variant(external_id, title, 9)
        url = f"{town.front.url if external_id == '601' else 'https://elsewhere.test'}/shop/product/linen-apron/"
        with town.world.engine.begin() as db:
            db.execute(
                sa.text("update listing set url = :u, image_url = :i where external_id = :e"),
                {"u": url, "i": f"{town.front.url}/shop/pictures/linen-apron.svg", "e": external_id},
            )
    with town.world.engine.begin() as db:
        mugs = [str(town.item("MUG").id), "601", "602"]
        db.execute(
            sa.text("""update variant set collections = '["Mugs"]' where sku = any(:mugs)"""), {"mugs": mugs}
        )


def test_similar_products_wait_until_the_shopper_turns_to_the_form(town: Town, browser_page: Any) -> None:
    page = browser_page
    with_neighbours(town, offers_alternatives=True)
    page.add_init_script(
        """window.moved = 0;
        const count = (e) => (window.moved += e.hadRecentInput ? 0 : e.value);
        new PerformanceObserver((list) => list.getEntries().forEach(count))
          .observe({ type: "layout-shift", buffered: true });"""
    )
    with page.expect_response("**/similar.js"):
        page.goto(town.page("speckled-mug"))
    assert page.locator(".dispo-similar").count() == 0
    page.get_by_label("E-mail address").click()
    region = page.get_by_role("region", name="Similar, and in stock now")
    link = region.get_by_role("list").get_by_role("link")
    assert link.all_inner_texts() == ["<b>Green</b> mug\n€19.99"]
    assert link.get_attribute("href") == town.page("linen-apron")
    page.wait_for_function("document.querySelector('.dispo-similar img').complete")
    assert page.evaluate("window.moved") == 0
    page.add_script_tag(content=AXE)
    found = page.evaluate("axe.run('[data-dispo]', {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
    assert [one["id"] for one in found["violations"]] == []

    page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(page)
    page.keyboard.press("Enter")
    said_of(page).get_by_text("Almost done").wait_for()
    link.click()
    assert page.url == town.page("linen-apron")
    # Another variant of that product is sold out as well, and nothing is similar to it.
    page.get_by_label("Variant").select_option("M")
    page.get_by_label("E-mail address").click()
    assert page.locator(".dispo-similar").count() == 0


def test_a_page_without_an_answer_about_similar_products_does_without(town: Town, browser_page: Any) -> None:
    page = browser_page
    with_neighbours(town, offers_alternatives=True)
    page.route("**/alternatives?*", lambda route: route.fulfill(status=502))
    with page.expect_request("**/alternatives?*"):
        page.goto(town.page("speckled-mug"))
    page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(page)
    page.get_by_role("button", name="Notify me").click()
    said_of(page).get_by_text("Almost done").wait_for()
    assert page.locator(".dispo-similar").count() == 0


@pytest.mark.parametrize(
    "path", ["/shop/", "/shop/product/speckled-mug/", "/shop/product/linen-apron/", "/shop/?q=zeppelin"]
)
def test_nothing_sticks_out_on_a_phone(town: Town, browser_context: Callable[..., Any], path: str) -> None:
    page = browser_context(viewport={"width": 390, "height": 844}, locale="fr-FR").new_page()
    page.goto(town.front.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_shoppers_pages_load_nothing_from_elsewhere_and_break_no_rule(town: Town, browser_page: Any) -> None:
    page = browser_page
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    origins: set[str] = set()
    page.on("request", lambda request: origins.add("/".join(request.url.split("/")[:3])))
    town.world.waiting("ann@example.com", external_id=str(town.item("MUG").id))
    for purpose, path in (("leave", "u"), ("me", "me"), ("confirm", "confirm")):
        token = town.world.keyring.sign(f"shopper-{purpose}", [town.world.merchant_id, 1])
        page.goto(f"{town.world.base_url}/{path}/{token}")
        assert page.evaluate("document.cookie") == ""
        assert page.evaluate("getComputedStyle(document.querySelector('main')).borderRadius") == "12px"
    assert complaints == []
    assert origins == {town.world.base_url}
