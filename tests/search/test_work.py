"""The daily work against the simulated Search Console and a real database: plan, kill, findings, leaving."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts.connections import connection
from connector.bootstrap import Runtime
from connector.catalog.pages import page_key
from connector.db import transaction
from connector.ports.errors import Misconfigured, RateLimited
from connector.positions.tables import Position
from connector.search import findings, work
from connector.search.alternatives import alternatives
from connector.search.connect import connect, disconnect
from connector.search.facts import facts_of
from connector.settings import Settings
from simulator.search_console import Page, PageFacts, SearchConsoleServer, product_page
from tests.builders import World
from tests.support import ManualClock


@pytest.fixture(scope="module")
def running() -> Iterator[SearchConsoleServer]:
    with SearchConsoleServer() as server:
        yield server


class Scene:
    """A merchant whose products have pages in the simulated shop, connected to Search Console.

    "lamp" sells; "vase" is sold out since 60 days, "bowl" since 3; all have clicks."""

    def __init__(self, rt: Runtime, server: SearchConsoleServer, clock: ManualClock) -> None:
        self.rt, self.server, self.clock = rt, server, clock
        self.world = World(rt.engine, now=clock.now())
        self.merchant_id = self.world.merchant_id
        self.store_id = self.world.store()
        self.variants: dict[str, int] = {}
        self.product("lamp", 5)
        self.product("vase", 0, out_days=60, clicks=40)
        self.product("bowl", 0, out_days=3, clicks=7)
        config, secrets = server.connection()
        self.connection_id, _ = connect(
            rt, self.merchant_id, "google_search_console", config, secrets, actor="owner"
        )

    def product(
        self, name: str, available: int, *, out_days: float = 0, clicks: int = 3, **listing: Any
    ) -> None:
        at = self.clock.now()
        variant_id = self.variants[name] = self.world.variant(name, title=name, collection="home")
        with self.rt.engine.begin() as db:
            db.execute(
                sa.insert(Position.__table__).values(  # type: ignore[attr-defined]
                    merchant_id=self.merchant_id,
                    variant_id=variant_id,
                    available=available,
                    state="in_stock" if available else "out_of_stock",
                    out_since=None if available else at - timedelta(days=out_days),
                    decided_at=at,
                    why={},
                )
            )
        url = self.server.page_url(name)
        self.world.listing(
            self.store_id,
            variant_id,
            available,
            title=name.title(),
            url=f"{url}?variant=1",
            page_key=page_key(url),
            **listing,
        )
        said = "InStock" if available else "OutOfStock"
        day = self.clock.now().date() - timedelta(days=5)
        self.server.pages[name] = Page(html=product_page(name, said), traffic={day: (clicks, 10 * clicks)})

    def look(self, most: int | None = 100) -> work.Looked:
        return work.look(self.rt, self.merchant_id, self.connection_id, most=most)

    def set(self, name: str, available: int) -> None:
        self.world.execute(
            "update position set available = :a, out_since = null where merchant_id = :m and variant_id = :v",
            a=available,
            v=self.variants[name],
        )
        self.world.execute(
            """
            insert into movement (merchant_id, variant_id, at, cause, available_before, available_after,
                                  state_before, state_after)
            values (:m, :v, :at, 'run', 0, :a, 'out_of_stock', 'in_stock')
            """,
            a=available,
            v=self.variants[name],
            at=self.clock.now(),
        )

    def listed(self, state: str = "open") -> list[tuple[str, str, str]]:
        with self.rt.engine.connect() as db:
            rows = findings.listed(db, self.merchant_id, state=state)
        return [(row.title, row.kind, row.cause) for row in rows]

    def planned(self) -> list[str]:
        with self.rt.engine.connect() as db:
            rows = db.execute(
                sa.text("""
                    select url from search_page where merchant_id = :m and turn is not null order by turn
                """),
                {"m": self.merchant_id},
            ).scalars()
            return [url.removeprefix(self.server.site) for url in rows]

    def state(self) -> dict[str, Any]:
        return work._state(self.rt, self.merchant_id, self.connection_id)


@pytest.fixture
def scene(
    settings: Settings, engine: sa.Engine, running: SearchConsoleServer, clock: ManualClock
) -> Iterator[Scene]:
    running.dials = type(running.dials)()
    running.clock = clock
    running.pages.clear()
    running.calls.clear()
    running.inspected.clear()
    running._used.clear()
    running.sites = {running.site: "siteRestrictedUser"}
    running.is_key_valid = True
    rt = Runtime(settings, clock=clock)
    rt.__dict__["engine"] = engine
    rt.__dict__["environment"] = _environment(running)
    yield Scene(rt, running, clock)


def _environment(server: SearchConsoleServer) -> Any:
    from connector.registry import Environment

    return Environment(allowed_private_hosts=server.hosts, timeout_s=5)


def test_the_first_look_reads_traffic_and_finds_what_is_sold_out_for_long(scene: Scene) -> None:
    found = scene.look()
    assert (3, 3, 0) == (found.with_traffic, found.inspected, found.waiting)
    assert [("Vase", "sold_out", "undated")] == scene.listed()
    # Sold out first, the longest first; the address without its variant.
    urls = [scene.server.page_url(name) for name in ("vase", "bowl", "lamp")]
    assert urls == scene.server.inspected
    with scene.rt.engine.connect() as db:
        page = {one.page_key: one for one in facts_of(db, scene.merchant_id, scene.connection_id)}
        counts = findings.counts(db, scene.merchant_id)
    assert (40, 400) == (page[page_key(urls[0])].clicks, page[page_key(urls[0])].impressions)
    assert {"sold_out": 1, "open": 1, "dismissed": 0, "clicks": 40} == counts


def test_findings_open_stay_and_close_with_their_dates(scene: Scene) -> None:
    opened = scene.clock.now()
    assert (1, 1, 0) == _numbers(scene.look())
    scene.clock.advance(hours=1)
    assert (1, 0, 0) == _numbers(scene.look())
    scene.set("vase", 4)
    closed = scene.clock.advance(hours=1)
    assert (0, 0, 1) == _numbers(scene.look())
    with scene.rt.engine.connect() as db:
        (row,) = findings.listed(db, scene.merchant_id, state="closed")
    assert (opened, opened + timedelta(hours=1), closed) == (row.opened_at, row.seen_at, row.closed_at)


def _numbers(looked: work.Looked) -> tuple[int, int, int]:
    return looked.findings.is_open, looked.findings.opened, looked.findings.closed


def test_traffic_is_read_once_a_day_and_the_plan_is_carried_on_after_a_kill(scene: Scene) -> None:
    scene.server.dials.fail_next.extend(["none", "none", "none", "cut_before"])  # query, query, inspect, cut
    with pytest.raises(Exception, match="broke off"):
        scene.look()
    # The second page keeps its turn; what is known is judged all the same.
    assert ["bowl", "lamp"] == scene.planned()
    assert [("Vase", "sold_out", "undated")] == scene.listed()
    queries = [path for _, path in scene.server.calls if path.endswith("query")]
    assert 2 == scene.look().inspected
    assert queries == [path for _, path in scene.server.calls if path.endswith("query")]
    # The one that was cut counts as spent, too.
    assert {"traffic_on": "2026-01-05", "used": {"2026-01-05": 4}} == scene.state()


def test_a_look_killed_after_its_call_repeats_only_that_page(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> Any:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(work, "_values", die)
        with pytest.raises(SystemExit):
            scene.look()
    assert ["vase", "bowl", "lamp"] == scene.planned()
    scene.look()
    assert [
        scene.server.page_url(name) for name in ("vase", "vase", "bowl", "lamp")
    ] == scene.server.inspected


def test_the_days_allowance_is_kept_and_a_quarter_is_left_to_others(scene: Scene) -> None:
    search = scene.rt.search(scene.merchant_id, scene.connection_id)
    assert 1500 == work.allowance(search)
    today = date(2026, 1, 5)
    spent = [work._spend(scene.rt, scene.merchant_id, scene.connection_id, today, 2) for _ in range(3)]
    assert [True, True, False] == spent
    # A new day has a new allowance.
    assert work._spend(scene.rt, scene.merchant_id, scene.connection_id, date(2026, 1, 6), 2)


def test_the_days_work_spreads_over_the_hours_that_are_left(scene: Scene) -> None:
    # 09:00 UTC is 01:00 in California: 23 hours are left for three pages.
    assert (1, 2) == ((found := scene.look(None)).inspected, found.waiting)
    scene.clock.advance(hours=21)
    assert 1 == scene.look(None).inspected


def test_googles_own_limit_stops_the_look_and_holds_the_next(scene: Scene) -> None:
    scene.server.dials.inspections_a_day = 1
    with pytest.raises(RateLimited):
        scene.look()
    assert [scene.server.page_url("vase")] == scene.server.inspected
    assert [("Vase", "sold_out", "undated")] == scene.listed()


def test_pages_in_error_deleted_and_contradicting_are_found(scene: Scene) -> None:
    scene.product("rug", 3)
    scene.server.pages["rug"].html = product_page("rug", "OutOfStock")
    scene.product("mug", 2)
    scene.server.pages["mug"].status = 404
    scene.product("clock", 2, clicks=20, is_gone=True)
    scene.product("chair", 2)
    wrong = ("Merchant listings", "Missing field ‘price’", "ERROR")
    scene.server.pages["chair"].facts = PageFacts(issues=(wrong,))
    scene.product("sofa", 2, is_published=False, clicks=5)
    scene.look()
    assert [
        ("Vase", "sold_out", "undated"),
        ("Clock", "deleted", "answers"),
        ("Sofa", "hidden", "answers"),
        ("Chair", "rich_result", ""),
        ("Mug", "error", "not_found"),
        ("Rug", "markup", "sold_out"),
    ] == scene.listed()
    with scene.rt.engine.connect() as db:
        key = page_key(scene.server.page_url("clock"))
        others = alternatives(db, scene.merchant_id, [key])
        rows = {row.title: row for row in findings.listed(db, scene.merchant_id)}
    # The most clicked page of the same collection with something to buy.
    assert ("Lamp", f"{scene.server.page_url('lamp')}?variant=1") == others[key]
    assert {"issues": ["Merchant listings: Missing field ‘price’"]} == rows["Chair"].detail


def test_a_page_that_will_not_be_looked_up_hinders_no_other(scene: Scene) -> None:
    scene.look(0)
    scene.world.execute(
        "update search_page set url = 'https://elsewhere.example/x' where merchant_id = :m and url like '%vase'"
    )
    assert 3 == scene.look().inspected
    with scene.rt.engine.connect() as db:
        problems = db.execute(
            sa.text("select url, problem from search_page where merchant_id = :m and problem <> ''"),
            {"m": scene.merchant_id},
        ).all()
    assert [("https://elsewhere.example/x", True)] == [
        (url, "not look it up" in said) for url, said in problems
    ]


def test_a_dismissed_finding_stays_away_until_it_closes_and_may_be_taken_back(scene: Scene) -> None:
    scene.look()
    with scene.rt.engine.connect() as db:
        (row,) = findings.listed(db, scene.merchant_id)
    given: dict[str, Any] = {"actor": "owner", "now": scene.clock.now()}
    with transaction(scene.rt.engine) as db:
        assert findings.set_dismissed(db, scene.merchant_id, row.id, is_dismissed=True, **given)
        # Another merchant's hand does nothing.
        assert not findings.set_dismissed(db, scene.merchant_id + 1, row.id, is_dismissed=False, **given)
    scene.clock.advance(hours=1)
    scene.look()
    assert ([], [("Vase", "sold_out", "undated")]) == (scene.listed(), scene.listed("dismissed"))
    with transaction(scene.rt.engine) as db:
        assert findings.set_dismissed(db, scene.merchant_id, row.id, is_dismissed=False, **given)
    assert [("Vase", "sold_out", "undated")] == scene.listed()


def test_the_merchants_days_count_at_once(scene: Scene) -> None:
    scene.look()
    given: dict[str, Any] = {"actor": "owner", "now": scene.clock.now()}
    with transaction(scene.rt.engine) as db:
        findings.set_days(db, scene.merchant_id, 2, **given)
    assert ["Vase", "Bowl"] == [title for title, _, _ in scene.listed()]
    with pytest.raises(Misconfigured), transaction(scene.rt.engine) as db:
        findings.set_days(db, scene.merchant_id, 0, **given)


def test_secrets_are_sealed_and_disconnecting_takes_everything_along(scene: Scene) -> None:
    scene.look()
    with scene.rt.engine.connect() as db:
        row = connection(db, scene.merchant_id, scene.connection_id)
    key = json.loads(scene.server.service_account())["private_key"].encode()
    assert b"PRIVATE" in key
    assert (False, False) == (key[30:60] in row.sealed, "private_key" in json.dumps(row.config))
    given: dict[str, Any] = {"actor": "owner", "now": scene.clock.now()}
    with transaction(scene.rt.engine) as db:
        assert not disconnect(db, scene.merchant_id + 1, scene.connection_id, **given)
        assert not disconnect(db, scene.merchant_id, scene.store_id, **given)
        assert disconnect(db, scene.merchant_id, scene.connection_id, **given)
        assert not disconnect(db, scene.merchant_id, scene.connection_id, **given)
    with scene.rt.engine.connect() as db:
        left = {
            table: db.execute(
                sa.text(f"select count(*) from {table} where merchant_id = :m"), {"m": scene.merchant_id}
            ).scalar_one()
            for table in ("search_page", "search_finding", "schedule")
        }
        ended = connection(db, scene.merchant_id, scene.connection_id)
    assert {"search_page": 0, "search_finding": 0, "schedule": 0} == left
    assert ("ended", b"") == (ended.status, bytes(ended.sealed))


def test_an_account_that_may_not_read_the_site_is_not_kept(scene: Scene) -> None:
    config, secrets = scene.server.connection()
    scene.server.sites = {scene.server.site: "siteUnverifiedUser"}
    with pytest.raises(Misconfigured):
        connect(scene.rt, scene.merchant_id, "google_search_console", config, secrets, actor="owner")
    with scene.rt.engine.connect() as db:
        count = sa.text("select count(*) from connection where merchant_id = :m and kind = 'search'")
        assert 1 == db.execute(count, {"m": scene.merchant_id}).scalar_one()


def test_pages_of_no_product_are_not_kept_and_leave_with_their_listings(scene: Scene) -> None:
    scene.server.pages["about"] = Page(traffic={date(2025, 12, 31): (500, 900)})
    scene.look()
    scene.world.execute(
        "delete from listing where merchant_id = :m and variant_id = :v", v=scene.variants["vase"]
    )
    scene.clock.advance(days=1)
    scene.look()
    with scene.rt.engine.connect() as db:
        urls = db.execute(
            sa.text("select url from search_page where merchant_id = :m order by url"),
            {"m": scene.merchant_id},
        ).scalars()
        assert [scene.server.page_url(name) for name in ("bowl", "lamp")] == list(urls)
    assert [] == scene.listed()


def test_a_product_whose_store_names_no_address_any_more_keeps_its_page(scene: Scene) -> None:
    scene.look()
    scene.world.execute(
        """
        update listing set is_published = false, url = '', page_key = '' where merchant_id = :m and variant_id = :v
        """,
        v=scene.variants["lamp"],
    )
    scene.server.pages["lamp"].status = 404
    scene.clock.advance(days=4)
    scene.look()
    assert [("Vase", "sold_out", "undated"), ("Lamp", "hidden", "")] == scene.listed()


def test_a_site_is_connected_once(scene: Scene) -> None:
    config, secrets = scene.server.connection()
    with pytest.raises(Misconfigured) as caught:
        connect(scene.rt, scene.merchant_id, "google_search_console", config, secrets, actor="owner")
    assert ("site", True) == (caught.value.field, "connected already" in caught.value.cause)
