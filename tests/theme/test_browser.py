"""The extension's blocks on a page of a simulated Shopify shop, in a real browser, with Dispo behind the app proxy."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.shoppers.policy import ShopperPolicy, save_policy
from tests.support import unhurried
from tests.theme.conftest import Street

pytestmark = pytest.mark.browser

SOON = (datetime.now(UTC) + timedelta(days=40)).date()
OUT = '{"state":"out_of_stock"}'
DOWN = "We cannot save this just now. Your address stays here and we try again."


def shown(page: Any) -> str | None:
    """The words of the badge as a shopper sees them; None when there is none to see."""
    badges = [one.inner_text() for one in page.locator(".dispo-badge").all() if one.is_visible()]
    assert len(badges) <= 1
    return badges[0] if badges else None


def day(language: str = "en") -> str:
    months = {
        "en": "January February March April May June July August September October November December",
        "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    }
    return f"{SOON.day} {months[language].split()[SOON.month - 1]}"


def say(page: Any, words: str) -> None:
    """Wait until the badge that is to be seen says this."""
    page.locator(".dispo-badge:visible").get_by_text(words, exact=True).wait_for()


def settle(page: Any) -> None:
    """Until Dispo was asked."""
    page.wait_for_load_state("networkidle")


def test_in_stock_is_said_and_no_form_is_there(street: Street, browser_page: Any) -> None:
    street.write("BOWL", '{"state":"in_stock"}')
    browser_page.goto(street.page("tea-bowl"))
    settle(browser_page)
    assert shown(browser_page) == "In stock"
    assert browser_page.locator(".dispo-form").first.is_hidden()
    assert street.theme.relayed == ["GET availability"]


def test_low_stock_counts_no_more_than_shopify_has(street: Street, browser_page: Any) -> None:
    street.write("BOWL", '{"state":"low_stock","count":5}')
    browser_page.goto(street.page("tea-bowl"))
    assert shown(browser_page) == "Only 3 left"


def test_dispo_takes_back_what_a_cached_page_says(street: Street, browser_page: Any) -> None:
    street.write("BOWL", '{"state":"in_stock"}')
    street.says("BOWL", "out_of_stock")
    browser_page.goto(street.page("tea-bowl"))
    say(browser_page, "Out of stock")
    assert browser_page.get_by_role("heading", name="Tell me when it is back").is_visible()


def test_dispo_never_makes_a_page_say_more(street: Street, browser_page: Any) -> None:
    street.write("MUG", OUT)
    street.says("MUG", "in_stock")
    browser_page.goto(street.page("speckled-mug"))
    settle(browser_page)
    assert "GET availability" in street.theme.relayed
    assert shown(browser_page) == "Out of stock"


def test_a_shopper_signs_up_on_the_shops_own_domain(street: Street, browser_page: Any) -> None:
    street.write("MUG", OUT)
    asked: list[str] = []
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.goto(street.page("speckled-mug"))
    browser_page.get_by_label("E-mail address").fill("ann@")
    browser_page.get_by_role("button", name="Notify me").click()
    browser_page.get_by_text("This does not look like an e-mail address.").wait_for()
    browser_page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(browser_page)
    browser_page.get_by_role("button", name="Notify me").click()
    browser_page.get_by_text("Almost done").wait_for()
    assert browser_page.get_by_role("button", name="Notify me").is_hidden()
    assert street.theme.relayed == ["GET availability", "POST subscribe"]
    assert street.subscriptions() == [("ann@example.com", "en")]
    assert [url for url in asked if not url.startswith((street.front.url, "data:"))] == []


def test_the_whole_way_through_shopifys_signed_proxy(installed: Street, browser_page: Any) -> None:
    installed.write("BOWL", '{"state":"in_stock"}')
    installed.says("BOWL", "out_of_stock")
    browser_page.goto(installed.page("tea-bowl"))
    say(browser_page, "Out of stock")
    browser_page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(browser_page)
    browser_page.get_by_role("button", name="Notify me").click()
    browser_page.get_by_text("Almost done").wait_for()
    assert installed.subscriptions() == [("ann@example.com", "en")]


def with_a_neighbour(street: Street) -> None:
    """A mug like the sold-out one, in a shop that lets similar ones be named."""
    with street.engine.begin() as db:
        merchant_id = db.scalar(sa.text("select min(id) from merchant"))
        save_policy(db, merchant_id, ShopperPolicy(offers_alternatives=True), "test", datetime.now(UTC))
        db.execute(sa.text("""update variant set collections = '["Mugs"]' where title in ('MUG', 'BOWL')"""))
        db.execute(sa.text("update listing set url = :u || id"), {"u": street.page("tea-bowl", item="")})


def test_similar_products_speak_the_pages_language_and_currency(street: Street, browser_page: Any) -> None:
    street.write("MUG", OUT)
    with_a_neighbour(street)
    browser_page.add_init_script("window.Shopify = {routes: {root: '/fr/'}}")
    for currency, text in (("EUR", "BOWL\n19,99\xa0€"), ("USD", "BOWL")):
        street.theme.currency = currency
        with browser_page.expect_response("**/extension/similar.js"):
            browser_page.goto(street.page("speckled-mug", lang="fr"))
        browser_page.get_by_label("Adresse e-mail").click()
        link = browser_page.get_by_role("region", name="Semblables et en stock").get_by_role("link")
        assert link.inner_text() == text
        assert link.get_attribute("href").startswith(f"{street.front.url}/fr/shopify/products/tea-bowl?item=")
    assert set(street.theme.relayed) == {"GET availability", "GET alternatives"}


def test_an_address_is_kept_while_dispo_cannot_be_reached(street: Street, browser_page: Any) -> None:
    street.write("MUG", OUT)
    street.theme.address = lambda rest, query: "http://127.0.0.1:9"
    browser_page.goto(street.page("speckled-mug"))
    assert shown(browser_page) == "Out of stock"
    browser_page.get_by_label("E-mail address").fill("ann@example.com")
    unhurried(browser_page)
    browser_page.get_by_role("button", name="Notify me").click()
    browser_page.get_by_text(DOWN).wait_for()
    assert browser_page.get_by_label("E-mail address").input_value() == "ann@example.com"


@pytest.fixture
def aprons(street: Street) -> Street:
    """Small in stock, medium back on a day, large never written."""
    street.write("APRON-S", '{"state":"in_stock"}')
    street.write("APRON-M", f'{{"state":"restocking","restock_on":"{SOON}"}}')
    street.says("APRON-M", "restocking", SOON)
    return street


def test_badge_and_form_follow_the_chosen_variant(aprons: Street, browser_page: Any) -> None:
    browser_page.goto(aprons.page("linen-apron"))
    settle(browser_page)
    assert shown(browser_page) == "In stock"
    browser_page.get_by_label("Medium").check()
    say(browser_page, f"Back on {day()}")
    assert browser_page.locator('.dispo-form [name="id"]').first.input_value() == aprons.gid("APRON-M")
    assert browser_page.get_by_role("button", name="Notify me").is_visible()
    browser_page.get_by_label("Large").check()
    browser_page.locator(".dispo-badge:visible").wait_for(state="detached")
    assert shown(browser_page) is None
    assert browser_page.get_by_role("button", name="Notify me").is_hidden()
    browser_page.get_by_label("Small").check()
    say(browser_page, "In stock")


def test_a_theme_that_draws_its_section_anew_gets_living_blocks(aprons: Street, browser_page: Any) -> None:
    browser_page.goto(aprons.page("linen-apron"))
    settle(browser_page)
    browser_page.evaluate(
        """async (address) => {
          const text = await (await fetch(address)).text();
          const fresh = new DOMParser().parseFromString(text, "text/html").querySelector(".product");
          document.querySelector(".product").replaceWith(fresh);
        }""",
        aprons.page("linen-apron", variant=str(aprons.item("APRON-M").id)),
    )
    browser_page.get_by_label("E-mail address").fill("ann@")
    browser_page.get_by_role("button", name="Notify me").click()
    browser_page.get_by_text("This does not look like an e-mail address.").wait_for()
    assert shown(browser_page) == f"Back on {day()}"


@pytest.mark.parametrize("only", ["availability", "notify-me"])
def test_each_block_works_alone(aprons: Street, browser_page: Any, only: str) -> None:
    aprons.theme.blocks = (only,)
    browser_page.goto(aprons.page("linen-apron"))
    settle(browser_page)
    browser_page.get_by_label("Medium").check()
    browser_page.locator('.dispo-badge[data-state="restocking"]').wait_for(state="attached")
    assert shown(browser_page) == (f"Back on {day()}" if only == "availability" else None)
    assert browser_page.get_by_role("button", name="Notify me").count() == (only == "notify-me")


def test_two_blocks_ask_dispo_once(aprons: Street, browser_page: Any) -> None:
    browser_page.goto(aprons.page("linen-apron"))
    settle(browser_page)
    assert aprons.theme.relayed == ["GET availability"]


def test_a_variant_of_another_product_changes_nothing_here(aprons: Street, browser_page: Any) -> None:
    browser_page.goto(aprons.page("linen-apron"))
    settle(browser_page)
    other = '<form action="/cart/add"><input name="id" value="1"><input name="product-id" value="2"></form>'
    browser_page.evaluate("(html) => document.body.insertAdjacentHTML('beforeend', html)", other)
    browser_page.get_by_label("Medium").check()
    say(browser_page, f"Back on {day()}")


def test_french_pages_speak_french_and_the_mail_will(aprons: Street, browser_page: Any) -> None:
    browser_page.goto(aprons.page("linen-apron", lang="fr", variant=str(aprons.item("APRON-M").id)))
    settle(browser_page)
    assert shown(browser_page) == f"De retour le {day('fr')}"
    browser_page.get_by_label("Adresse e-mail").fill("zoe@example.com")
    unhurried(browser_page)
    browser_page.get_by_role("button", name="Me prévenir").click()
    browser_page.get_by_text("Presque fini").wait_for()
    assert aprons.subscriptions() == [("zoe@example.com", "fr")]


def test_all_stands_without_javascript(aprons: Street, without_script: Any) -> None:
    without_script.goto(aprons.page("linen-apron", variant=str(aprons.item("APRON-M").id)))
    assert shown(without_script) == f"Back on {day()}"
    without_script.get_by_label("E-mail address").fill("ann@example.com")
    without_script.get_by_role("button", name="Notify me").click()
    without_script.get_by_text("Almost done").wait_for()
    assert aprons.subscriptions() == [("ann@example.com", "en")]


@pytest.mark.parametrize("state", ["in_stock", "out_of_stock"])
def test_nothing_moves_when_the_script_starts(
    street: Street, browser_context: Callable[..., Any], state: str
) -> None:
    sku, handle = ("BOWL", "tea-bowl") if state == "in_stock" else ("MUG", "speckled-mug")
    street.write(sku, json.dumps({"state": state}))
    page = browser_context(viewport={"width": 360, "height": 740}).new_page()
    page.add_init_script(
        """window.moved = 0;
        new PerformanceObserver((list) => list.getEntries().forEach((e) => (window.moved += e.value)))
          .observe({ type: "layout-shift", buffered: true });"""
    )
    page.goto(street.page(handle))
    settle(page)
    assert page.evaluate("window.moved") == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_badge_that_dispo_never_wrote_leaves_no_trace(street: Street, browser_page: Any) -> None:
    browser_page.goto(street.page("tea-bowl"))
    settle(browser_page)
    assert shown(browser_page) is None
    assert browser_page.locator("[data-blocks]").bounding_box()["height"] == 0
    assert browser_page.locator("script[type='application/ld+json']").count() == 0


def test_fields_and_buttons_are_large_enough_for_thumbs_and_named_for_readers(
    street: Street, browser_page: Any
) -> None:
    street.write("MUG", OUT)
    street.theme.settings["notify-me"] = {"ask_units": True}
    browser_page.goto(street.page("speckled-mug"))
    for part in (browser_page.get_by_label("E-mail address"), browser_page.get_by_label("How many")):
        assert part.bounding_box()["height"] >= 44
    button = browser_page.get_by_role("button", name="Notify me")
    assert button.bounding_box()["height"] >= 44
    assert browser_page.get_by_role("status").count() == 1


def test_a_form_that_is_closed_takes_no_room(street: Street, browser_page: Any) -> None:
    street.write("BOWL", '{"state":"in_stock"}')
    street.theme.blocks = ("notify-me",)
    browser_page.goto(street.page("tea-bowl"))
    assert browser_page.locator("[data-blocks]").bounding_box()["height"] == 0


def test_a_shop_that_says_only_what_is_unusual_says_nothing_of_what_is_there(
    aprons: Street, browser_page: Any
) -> None:
    aprons.theme.settings["availability"] = {"show": "unusual"}
    browser_page.goto(aprons.page("linen-apron"))
    settle(browser_page)
    assert shown(browser_page) is None
    browser_page.get_by_label("Medium").check()
    say(browser_page, f"Back on {day()}")
