"""The page on search engines: what it lists, what a person may do there, and who may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.registry import Environment
from simulator.search_console import SearchConsoleServer
from tests.web.conftest import Person
from tests.web.shop import Shop


@pytest.fixture(scope="module")
def running() -> Iterator[SearchConsoleServer]:
    with SearchConsoleServer() as server:
        yield server


def rows(shop: Shop, statement: str) -> list[Any]:
    with shop.engine.connect() as db:
        return list(db.execute(sa.text(statement), {"m": shop.merchant_id}))


def test_a_finding_says_clicks_since_when_and_what_helps(owner: Person, shop: Shop) -> None:
    text = owner.get("/search").text
    for said in (
        "Vase Lumière, blue",
        "https://shop.test/product/A-12/",
        ">48<",
        "Nothing on it can be bought, and no date is known.",
        "redirect the address (301)",
    ):
        assert said in text
    assert "No page fits this filter." in owner.get("/search?kind=error").text
    assert [404, 404] == [owner.get(f"/search?{wrong}").status_code for wrong in ("kind=x", "state=x")]


def test_the_file_has_the_words_too(owner: Person, shop: Shop) -> None:
    lines = owner.get("/search.csv").text.removeprefix("\ufeff").splitlines()
    assert lines[0].startswith("page,product,finding,clicks_28_days")
    assert 2 == len(lines)
    assert lines[1].startswith('https://shop.test/product/A-12/,"Vase Lumière, blue",sold_out,48,1200,')


def test_a_finding_is_dismissed_and_shown_again(owner: Person, shop: Shop) -> None:
    here = f"/search/findings/{shop.finding_id}"
    assert 303 == owner.post(f"{here}/dismiss").status_code
    assert "No page needs you" in owner.get("/search").text
    assert "Show again" in owner.get("/search?state=dismissed").text
    assert 303 == owner.post(f"{here}/restore").status_code
    assert "Vase Lumière, blue" in owner.get("/search").text


def test_what_is_long_is_the_merchants_to_say(owner: Person, shop: Shop) -> None:
    for wrong in ("0", "x", "99999", ""):
        assert 422 == owner.post("/search/days", {"days_out": wrong}).status_code
    assert [(30,)] == rows(shop, "select search_days_out from merchant where id = :m")
    assert 303 == owner.post("/search/days", {"days_out": "60"}).status_code
    assert [(60,)] == rows(shop, "select search_days_out from merchant where id = :m")


def test_a_site_is_connected_with_a_key_that_is_never_shown_again(
    owner: Person, shop: Shop, rt: Runtime, running: SearchConsoleServer
) -> None:
    rt.__dict__["environment"] = Environment(allowed_private_hosts=running.hosts)
    key = running.service_account()
    # Google's own address is out of reach of tests, and the form names no other: what is refused is said.
    wrong = owner.post("/search/connect", {"site": "shop.example", "service_account_key": "{}"})
    assert (422, False) == (wrong.status_code, "BEGIN" in wrong.text)
    assert "It is not the JSON key of a service account." in wrong.text
    bad = owner.post("/search/connect", {"site": "ftp://x", "service_account_key": key})
    assert (422, True, False) == (bad.status_code, "It is no property" in bad.text, "BEGIN" in bad.text)
    assert 422 == owner.post("/search/connect", {"site": "shop.example"}).status_code
    assert [(1,)] == rows(shop, "select count(*) from connection where merchant_id = :m and kind = 'search'")


def test_a_site_is_disconnected_after_it_was_said_what_goes(owner: Person, shop: Shop) -> None:
    here = f"/connections/{shop.search_id}"
    assert "Disconnect" in owner.get(here).text
    assert "its findings" in owner.get(f"{here}/disconnect").text
    assert 303 == owner.post(f"{here}/disconnect").status_code
    assert 404 == owner.get(here).status_code
    assert [] == rows(shop, "select 1 from search_finding where merchant_id = :m")
    assert "I have the key" in owner.get("/search").text


def test_a_stranger_sees_and_does_nothing(stranger: Person, shop: Shop) -> None:
    assert "shop.test" not in stranger.get("/search").text + stranger.get("/search.csv").text
    assert 404 == stranger.post(f"/search/findings/{shop.finding_id}/dismiss").status_code
    assert 404 == stranger.post(f"/connections/{shop.search_id}/disconnect").status_code
    assert [(None,)] == rows(shop, "select dismissed_at from search_finding where merchant_id = :m")
