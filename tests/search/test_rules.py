"""Which findings follow from facts, and which pages are inspected next. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.ports.search import Inspection, Look, MarkupIssue
from connector.search.alternatives import Candidate, nearest
from connector.search.rules import PageFacts, judge, turns
from tests.support import ManualClock

NOW = ManualClock().now()
KEY = "shop.example/p/vase"
CRAWLED = NOW - timedelta(days=4)


def days(count: float) -> datetime:
    return NOW - timedelta(days=count)


def seen(fault: Any = "", *, is_indexed: bool = False, **values: Any) -> Inspection:
    return Inspection(is_indexed, fault, CRAWLED, **values)


FINE = PageFacts(
    KEY,
    clicks=12,
    impressions=90,
    sellable=1,
    inspection=seen(is_indexed=True),
    inspected_at=days(1),
    look=Look(200, offered="in_stock"),
    looked_at=days(1),
)
OUT = replace(FINE, sellable=0, unsellable=2, out_since=days(45), look=Look(200, offered="sold_out"))


def said(page: PageFacts, days_out: int = 30) -> list[tuple[str, str]]:
    return [(one.kind, one.cause) for one in judge(page, days_out, NOW)]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(FINE, [], id="a page as it should be"),
        pytest.param(PageFacts(KEY), [], id="nothing known"),
        # Sold out for long.
        pytest.param(OUT, [("sold_out", "undated")], id="sold out for 45 days"),
        pytest.param(replace(OUT, restock_on=date(2026, 2, 1)), [("sold_out", "dated")], id="with a date"),
        pytest.param(replace(OUT, is_discontinued=True), [("sold_out", "discontinued")], id="never again"),
        pytest.param(replace(OUT, out_since=days(30)), [("sold_out", "undated")], id="on the day"),
        pytest.param(replace(OUT, out_since=days(29.9)), [], id="a moment before"),
        pytest.param(replace(OUT, out_since=None), [], id="nobody knows since when"),
        pytest.param(replace(OUT, clicks=0, impressions=0), [], id="nobody finds it"),
        pytest.param(replace(OUT, clicks=0), [("sold_out", "undated")], id="shown and not chosen"),
        pytest.param(replace(OUT, unknown=1), [], id="one variant may sell"),
        pytest.param(replace(OUT, sellable=1, look=None), [], id="one variant sells"),
        # In error.
        pytest.param(replace(FINE, look=Look(404)), [("error", "not_found")], id="gone now"),
        pytest.param(replace(FINE, look=Look(500)), [("error", "server_error")], id="broken now"),
        pytest.param(replace(FINE, look=Look(451)), [("error", "denied")], id="denied now"),
        pytest.param(
            replace(FINE, inspection=seen("not_found")), [("error", "not_found_before")], id="mended since"
        ),
        pytest.param(
            replace(FINE, inspection=seen("not_found"), look=None),
            [("error", "not_found")],
            id="only Google's",
        ),
        pytest.param(
            replace(FINE, inspection=seen("server_error"), look=Look(503)),
            [("error", "server_error")],
            id="a guard refuses our look",
        ),
        pytest.param(replace(FINE, look=Look(503)), [], id="a guard refuses our look and Google is well"),
        pytest.param(replace(FINE, look=Look(0)), [], id="no answer to us alone"),
        pytest.param(replace(FINE, inspection=seen("soft_404")), [("error", "soft_404")], id="soft 404"),
        pytest.param(
            replace(OUT, inspection=seen("soft_404"), out_since=days(5)),
            [("error", "soft_404_out")],
            id="soft 404 because it is out",
        ),
        # Redirect.
        pytest.param(
            replace(FINE, look=Look(301, "https://shop.example/p/bowl")),
            [("redirect", "sells")],
            id="leads away",
        ),
        pytest.param(
            replace(OUT, out_since=days(2), look=Look(302, "https://shop.example/")),
            [("redirect", "out")],
            id="leads away while out",
        ),
        pytest.param(
            replace(FINE, look=Look(301, "https://www.shop.example/p/vase/?a=1")), [], id="another spelling"
        ),
        pytest.param(replace(FINE, look=Look(302)), [], id="to nowhere"),
        pytest.param(
            replace(FINE, inspection=seen("redirect")), [("redirect", "redirect_before")], id="once led away"
        ),
        pytest.param(
            replace(FINE, inspection=seen("redirect"), look=None),
            [("redirect", "sells")],
            id="Google's redirect",
        ),
        # Hidden from engines.
        pytest.param(
            replace(FINE, look=Look(200, is_noindex=True)),
            [("noindex", "noindex")],
            id="noindex and sellable",
        ),
        pytest.param(
            replace(OUT, out_since=days(2), look=Look(200, is_noindex=True)), [], id="noindex while sold out"
        ),
        pytest.param(
            replace(FINE, inspection=seen("noindex")), [("noindex", "noindex_before")], id="noindex no more"
        ),
        pytest.param(replace(FINE, inspection=seen("blocked")), [("blocked", "")], id="robots.txt"),
        # Deleted and hidden products.
        pytest.param(
            replace(FINE, is_deleted=True, sellable=0, look=Look(404)),
            [("deleted", "")],
            id="deleted, clicked",
        ),
        pytest.param(
            replace(FINE, is_deleted=True, sellable=0), [("deleted", "answers")], id="deleted, page stays"
        ),
        pytest.param(replace(FINE, is_deleted=True, clicks=0, look=Look(404)), [], id="deleted, no clicks"),
        pytest.param(
            replace(FINE, is_deleted=True, look=Look(301, "https://shop.example/p/bowl")),
            [],
            id="deleted and led elsewhere",
        ),
        pytest.param(replace(FINE, is_hidden=True, look=Look(404)), [("hidden", "")], id="hidden, clicked"),
        # What the page says to engines.
        pytest.param(
            replace(OUT, out_since=days(5), changed_at=days(5), look=Look(200, offered="in_stock")),
            [("markup", "in_stock")],
            id="says in stock while out",
        ),
        pytest.param(
            replace(FINE, changed_at=days(3), look=Look(200, offered="sold_out")),
            [("markup", "sold_out")],
            id="says sold out while it sells",
        ),
        pytest.param(
            replace(FINE, changed_at=days(1), look=Look(200, offered="sold_out")), [], id="changed just then"
        ),
        pytest.param(
            replace(FINE, changed_at=days(0.1), look=Look(200, offered="sold_out")), [], id="changed since"
        ),
        pytest.param(
            replace(FINE, inspection=seen(issues=(MarkupIssue("Merchant listings", "No price", True),))),
            [("rich_result", "")],
            id="an error in structured data",
        ),
        pytest.param(
            replace(FINE, inspection=seen(issues=(MarkupIssue("Merchant listings", "No gtin", False),))),
            [],
            id="a warning only",
        ),
    ],
)
def test_facts_become_findings(page: PageFacts, expected: list[tuple[str, str]]) -> None:
    assert expected == said(page)


def test_the_merchant_says_what_is_long() -> None:
    assert [] == said(OUT, 46)
    assert [("sold_out", "undated")] == said(OUT, 45)


def test_a_finding_says_since_when_and_by_whom() -> None:
    (out,) = judge(replace(OUT, restock_on=date(2026, 2, 1)), 30, NOW)
    assert (days(45), {"restock_on": "2026-02-01"}) == (out.since, out.detail)
    (error,) = judge(replace(FINE, inspection=seen("not_found")), 30, NOW)
    assert {"crawled_at": CRAWLED.isoformat()} == error.detail
    (now,) = judge(replace(FINE, look=Look(404)), 30, NOW)
    assert {"status": 404} == now.detail


def test_sold_out_pages_come_first_then_lost_ones_then_all_in_turn() -> None:
    pages = [
        PageFacts("never", sellable=1),
        PageFacts("old", sellable=1, inspected_at=days(9)),
        PageFacts("recent", sellable=1, inspected_at=days(0.5)),
        PageFacts("hidden", clicks=4, is_hidden=True),
        PageFacts("deleted", clicks=9, is_deleted=True),
        PageFacts("forgotten", is_deleted=True),
        PageFacts("out 5", clicks=50, unsellable=1, out_since=days(5)),
        PageFacts("out 90", clicks=1, unsellable=1, out_since=days(90)),
        PageFacts("out 90 seen", clicks=1, unsellable=1, out_since=days(90), inspected_at=days(2)),
        PageFacts("out unseen", unsellable=1, out_since=days(90), inspected_at=days(3)),
    ]
    assert ["out 90", "out 5", "deleted", "hidden", "never", "old", "out unseen", "out 90 seen"] == turns(
        pages, 100, NOW
    )
    # Three quarters at most go before the others.
    assert ["out 90", "out 5", "deleted", "hidden"] == turns(pages, 4, NOW)
    assert ["hidden", "old"] == turns([pages[1], pages[3]], 2, NOW)
    assert [] == turns(pages, 0, NOW)


@settings(max_examples=25)
@given(
    st.lists(
        st.builds(
            PageFacts,
            page_key=st.integers(0, 40).map(str),
            clicks=st.integers(0, 3),
            is_deleted=st.booleans(),
            unsellable=st.integers(0, 1),
            out_since=st.none() | st.integers(0, 99).map(days),
            inspected_at=st.none() | st.integers(0, 20).map(days),
        ),
        unique_by=lambda page: page.page_key,
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_every_living_page_has_its_turn(pages: list[PageFacts], most: int) -> None:
    waiting = {page.page_key: page for page in pages}
    alive = {page.page_key for page in pages if not page.is_deleted}
    had: set[str] = set()
    now = NOW
    for _ in range(2 * len(pages) + 2):
        chosen = turns(waiting.values(), most, now)
        assert len(set(chosen)) == len(chosen) <= most
        had.update(chosen)
        for key in chosen:
            waiting[key] = replace(waiting[key], inspected_at=now)
        now += timedelta(days=1)
    assert alive <= had


def a_page(key: str, title: str, collection: str = "") -> Candidate:
    return Candidate(1, key, title, f"https://shop.example/{key}", collection)


VASE = a_page("vase-white", "Vase Lumière, white")
BOWL = a_page("bowl", "Bowl Terre, small", "home")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(a_page("vase-blue", "Vase Lumière, BLUE"), VASE, id="the most alike"),
        pytest.param(a_page("bike", "Mountain bike 29"), None, id="nothing far-fetched"),
        pytest.param(a_page("vase-blue", "Vase Lumière", "home"), BOWL, id="its collection goes before"),
        pytest.param(a_page("vase-blue", "Vase Lumière", "garden"), VASE, id="an empty collection does not"),
        pytest.param(VASE, None, id="never itself"),
        pytest.param(a_page("x", ""), None, id="no title"),
    ],
)
def test_an_alternative_is_alike_or_none(page: Candidate, expected: Candidate | None) -> None:
    assert expected == nearest(page, [BOWL, VASE])
