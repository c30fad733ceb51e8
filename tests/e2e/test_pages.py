"""The merchant's pages in a real browser: readable by everybody, on a phone, by keyboard, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector.positions.tables import Movement
from tests.web.conftest import PASSWORD
from tests.web.shop import Shop

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parents[1] / "web" / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATHS = (
    "/", "/products", "/products?state=low_stock&q=b", "/products/1", "/movements", "/runs", "/runs/1", "/runs/3",
    "/runs/4", "/runs/4/approve", "/shoppers", "/messages", "/messages/3/resend", "/ads", "/ads/ledger",
    "/connections", "/connections/1", "/connections/1/lists", "/connections/1/lists/off", "/connections/2",
    "/connections/freeze", "/settings", "/log", "/no-such-page",
)  # fmt: skip


def _sign_in(page: Any, site: str, email: str = "owner@shop.test") -> None:
    page.goto(f"{site}/sign-in")
    page.get_by_label("E-mail address").or_(page.get_by_label("Adresse e-mail")).fill(email)
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/")


def _faults(page: Any) -> list[str]:
    """What axe finds, one line a fault; and what does not fit the width."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})",
        RULES,
    )
    faults = [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    if width[0] > width[1]:
        faults.append(f"{width[0]} px wide in a window of {width[1]} px")
    return faults


def test_the_check_of_accessibility_finds_faults(site: str, shop: Shop, browser_page: Any) -> None:
    browser_page.goto(f"{site}/sign-in")
    browser_page.evaluate("document.querySelector('label').remove(); document.body.style.minWidth = '5000px'")
    found = _faults(browser_page)
    assert [fault.split(":")[0] for fault in found] == ["label", "5000 px wide in a window of 1280 px"]


@pytest.mark.parametrize(
    ("language", "scheme", "sizes"),
    [
        pytest.param("en-GB", "light", (DESK, PHONE), id="English on a desk and a phone"),
        pytest.param("fr-FR", "dark", (PHONE, DESK), id="French on a phone and a desk in the dark"),
    ],
)
@pytest.mark.parametrize("email", ["owner@shop.test", "stranger@other.test"], ids=["full", "empty"])
def test_every_page_is_accessible_and_fits(
    site: str,
    shop: Shop,
    stranger: Any,
    browser_context: Callable[..., Any],
    language: str,
    scheme: str,
    sizes: tuple[dict[str, int], ...],
    email: str,
) -> None:
    shop.execute("update app_user set locale = ''")  # as the browser says
    page = browser_context(locale=language, viewport=sizes[0], color_scheme=scheme).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    faults: dict[str, list[str]] = {}
    missing: list[str] = []

    def look(path: str) -> None:
        if page.goto(site + path).status == 404:
            missing.append(path)
            if len(missing) > 1:  # the same page as before, whatever was asked for
                return
        for size in sizes:
            page.set_viewport_size(size)
            if found := _faults(page):
                faults[f"{path} at {size['width']} px"] = found
        page.set_viewport_size(sizes[0])

    look("/sign-in")
    _sign_in(page, site, email)
    for path in PATHS:
        look(path)
    assert faults == {}
    theirs = [path for path in PATHS if any(char.isdigit() for char in path)]
    assert missing == (["/no-such-page"] if email == "owner@shop.test" else [*theirs, "/no-such-page"])
    assert [text for text in said if "Content Security Policy" in text or "Error" in text] == []


def test_the_overview_follows_by_itself(site: str, shop: Shop, browser_page: Any) -> None:
    _sign_in(browser_page, site)
    browser_page.locator(".moves").wait_for()
    shop.add(
        Movement, variant_id=shop.variants["C-70"], at=shop.now, cause="order", reference="1001",
        available_before=140, available_after=139, state_before="in_stock", state_after="in_stock",
    )  # fmt: skip
    first = browser_page.locator(".move").first
    first.get_by_text("order 1001").wait_for(timeout=15_000)
    assert first.locator(".step").inner_text().split() == ["140", "→", "becomes", "139"]
    assert browser_page.locator("h1").count() == 1


def test_a_run_at_work_shows_its_progress_and_then_its_end(site: str, shop: Shop, browser_page: Any) -> None:
    shop.execute(
        "update run set status = 'running', stage = 'read', rows_read = 10 where id = :r", r=shop.held_run_id
    )
    _sign_in(browser_page, site)
    browser_page.goto(f"{site}/runs/{shop.held_run_id}")
    browser_page.get_by_text("10 rows read").wait_for()
    shop.execute("update run set rows_read = 500 where id = :r", r=shop.held_run_id)
    browser_page.get_by_text("500 rows read").wait_for(timeout=15_000)
    shop.execute("update run set status = 'applied' where id = :r", r=shop.held_run_id)
    browser_page.get_by_text("Undo this run…").wait_for(timeout=15_000)
    assert browser_page.get_by_text("At work:").count() == 0


def test_nobody_looks_nothing_is_asked(site: str, shop: Shop, browser_page: Any) -> None:
    asked: list[str] = []
    _sign_in(browser_page, site)
    browser_page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.away === true}); window.away = true"
    )
    browser_page.on("request", lambda request: asked.append(request.url) if "/live/" in request.url else None)
    browser_page.wait_for_timeout(4_500)
    assert asked == []
    browser_page.evaluate("window.away = false")
    with browser_page.expect_request(lambda request: "/live/overview" in request.url, timeout=15_000):
        pass


def test_by_keyboard_one_gets_past_the_menu_and_through_a_decision(
    site: str, shop: Shop, browser_page: Any
) -> None:
    _sign_in(browser_page, site)
    browser_page.goto(f"{site}/connections/{shop.second_store_id}/approve")
    browser_page.keyboard.press("Tab")
    assert browser_page.evaluate("document.activeElement.textContent") == "Skip to the content"
    browser_page.keyboard.press("Enter")
    browser_page.keyboard.press("Tab")
    focused = browser_page.evaluate(
        "[document.activeElement.textContent, getComputedStyle(document.activeElement).outlineWidth]"
    )
    assert focused == ["Approve and write", "3px"]
    browser_page.keyboard.press("Enter")
    browser_page.get_by_text("Approved: 8 changes are on their way.").wait_for()


def test_on_a_phone_the_rest_of_the_menu_opens_and_closes(
    site: str, shop: Shop, browser_context: Callable[..., Any]
) -> None:
    page = browser_context(locale="en-GB", viewport=PHONE, has_touch=True).new_page()
    _sign_in(page, site)
    assert page.locator(".side").is_hidden()
    page.locator(".tabs summary").tap()
    settings = page.locator(".sheet").get_by_role("link", name="Settings")
    assert settings.is_visible()
    page.keyboard.press("Escape")
    assert settings.is_hidden()
    page.locator(".tabs summary").tap()
    settings.tap()
    page.wait_for_url(f"{site}/settings")


def test_targets_are_large_enough_for_a_thumb(
    site: str, shop: Shop, browser_context: Callable[..., Any]
) -> None:
    page = browser_context(locale="en-GB", viewport=PHONE).new_page()
    _sign_in(page, site)
    for path in ("/", "/runs/4", "/settings", "/connections/2/approve"):
        page.goto(site + path)
        small = page.evaluate("""
            [...document.querySelectorAll("main button, main .button, .tabs > a, .tabs summary, main input")]
              .filter(e => e.offsetParent && !["hidden", "checkbox"].includes(e.type))
              .filter(e => e.getBoundingClientRect().height < 35).map(e => e.outerHTML.slice(0, 80))
        """)
        assert small == [], path


def test_without_scripts_everything_essential_works(
    site: str, shop: Shop, browser_context: Callable[..., Any]
) -> None:
    page = browser_context(locale="en-GB", java_script_enabled=False).new_page()
    _sign_in(page, site)
    page.get_by_role("link", name="Approve…").first.click()
    page.get_by_role("button", name="Approve and write").click()
    assert page.get_by_text("Approved: 8 changes are on their way.").is_visible()
    page.get_by_role("link", name="Products").first.click()
    page.get_by_label("SKU, title or barcode").fill("cedar")
    page.keyboard.press("Enter")
    page.wait_for_url("**/products?q=cedar")
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("button", name="Français").first.click()
    assert page.locator("h1").inner_text() == "Produits"


def test_a_button_pressed_twice_is_done_once(site: str, shop: Shop, browser_page: Any) -> None:
    _sign_in(browser_page, site)
    browser_page.goto(f"{site}/connections/{shop.second_store_id}/approve")
    browser_page.get_by_role("button", name="Approve and write").dblclick()
    browser_page.get_by_text("Approved: 8 changes are on their way.").wait_for()
    with shop.engine.connect() as db:
        count = db.execute(
            sa.text("select count(*) from audit_event where action = 'store.approve'")
        ).scalar_one()
    assert count == 1
