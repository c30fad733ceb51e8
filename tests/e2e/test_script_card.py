"""The card of a store's storefront script in a real browser: readable for everybody, on a phone, in French."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from tests.e2e.test_pages import DESK, PHONE, _faults, _sign_in
from tests.web.conftest import add_person
from tests.web.shop import Shop

pytestmark = pytest.mark.browser

AT = "2026-11-22T08:00:00+00:00"
FOUND = {
    "seen_at": AT,
    "places": [
        {"storefront_id": "1", "name": "Main shop", "state": "set"},
        {"storefront_id": "7", "name": "Outlet", "state": "disabled"},
        {"storefront_id": "8", "name": "Journal", "state": "set", "needs_block": True},
        {
            "storefront_id": "9",
            "name": "Pop-up",
            "state": "limit",
            "detail": "An app may have at most 10 scripts.",
        },
    ],
    "mended": {"at": AT, "names": ["Main shop"]},
    "sees_all": False,
}


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_card_is_for_everybody(
    site: str, shop: Shop, browser_context: Callable[..., Any], size: dict[str, int], locale: str
) -> None:
    add_person(shop, f"{locale}@shop.test", locale)
    stores = [
        shop.store(
            name="Atelier BC", adapter="bigcommerce", config={"store_hash": "z4"}, cursors={"script": found}
        )
        for found in (FOUND, {"problem": "scope", "detail": "It needs the scope “Content: modify”."})
    ]
    page = browser_context(viewport=size, locale=locale).new_page()
    _sign_in(page, site, f"{locale}@shop.test")
    for store in stores:
        page.goto(f"{site}/connections/{store}")
        assert page.locator("#script").is_visible()
        assert _faults(page) == []


def test_the_script_is_taken_out_and_put_back_from_the_page(site: str, shop: Shop, browser_page: Any) -> None:
    found = {"seen_at": AT, "places": FOUND["places"]}
    store = shop.store(
        name="Atelier BC", adapter="bigcommerce", config={"store_hash": "z4"}, cursors={"script": found}
    )
    wanted = sa.text("select config ->> 'storefront_script' from connection where id = :c")

    def chosen() -> Any:
        with shop.engine.connect() as db:
            return db.execute(wanted, {"c": store}).scalar_one()

    page = browser_page
    _sign_in(page, site)
    page.goto(f"{site}/connections/{store}")
    page.get_by_role("link", name="Take it out…").click()
    page.get_by_role("button", name="Take out").click()
    page.get_by_text("Badge and form are taken out of the pages of Atelier BC.").wait_for()
    assert chosen() == "off"
    page.locator("#script").get_by_role("button", name="Switch on").click()
    page.get_by_text("Badge and form are put into the pages of Atelier BC.").wait_for()
    assert chosen() == "on"
