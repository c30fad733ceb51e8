"""The page of a store's lists in a browser: a rule is chosen, seen and approved, on a desk and on a phone."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from connector.catalog.tables import Place
from connector.web.pages import places
from tests.e2e.test_pages import DESK, PHONE, _faults, _sign_in
from tests.web.shop import Shop

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_kinds", lambda row: ("search_only", "last", "tag"))


def _status(shop: Shop) -> str:
    with shop.engine.connect() as db:
        found = sa.text("select status from place_rule where merchant_id = :m and connection_id = :c")
        return str(db.execute(found, {"m": shop.merchant_id, "c": shop.store_id}).scalar())


def _nothing_wrong(page: Any) -> None:
    for size in (DESK, PHONE):
        page.set_viewport_size(size)
        assert _faults(page) == []
    page.set_viewport_size(DESK)


def test_a_rule_is_chosen_seen_approved_and_undone_in_the_browser(
    site: str, shop: Shop, browser_page: Any
) -> None:
    page, here = browser_page, f"{site}/connections/{shop.store_id}/lists"
    _sign_in(page, site)
    page.goto(here)
    _nothing_wrong(page)
    page.get_by_label("Give them a tag").check()
    page.get_by_label("The tag").fill("a, b")
    page.get_by_label("Sold out for more than").fill("14")
    page.get_by_role("button", name="See what it would move").click()
    assert "1 field needs your attention" in page.inner_text("main")
    _nothing_wrong(page)

    page.get_by_label("The tag").fill("Sold out")
    page.get_by_role("button", name="See what it would move").click()
    page.wait_for_url(f"{here}#waits")
    assert _status(shop) == "draft"
    _nothing_wrong(page)

    page.get_by_role("button", name="Approve and switch on").click()
    page.wait_for_url(here)
    assert _status(shop) == "on"
    for number, step in enumerate(("placed", "theirs", "refused", "placing", "returning")):
        shop.add(
            Place,
            connection_id=shop.store_id,
            product_id=str(number),
            kind="tag",
            tag="Sold out",
            before="",
            ours="tagged",
            step=step,
            reason="The shop says no." if step == "refused" else "",
            changed_at=shop.now,
        )
    page.reload()
    assert "1 product stands at the end." in page.inner_text("main")
    _nothing_wrong(page)

    page.get_by_role("link", name="Switch off and put back").click()
    page.get_by_role("button", name="Switch off").click()
    page.wait_for_url(here)
    assert _status(shop) == "off"
