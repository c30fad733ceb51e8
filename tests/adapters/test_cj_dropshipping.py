"""CJ Dropshipping: one token for all workers, points for whole readings, and which stock counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.live import LiveSource
from adapters.suppliers.cj_dropshipping import MANIFEST
from adapters.suppliers.cj_dropshipping.client import CJ, RATES
from adapters.suppliers.cj_dropshipping.stock import CJStock
from connector.ports.errors import FileFault, Misconfigured, RateLimited, Unauthorized
from connector.ports.shared import Change, Result, Value
from connector.ports.suppliers import Feed, ReadOptions
from connector.shared import LocalValues
from simulator.cj_dropshipping import KEY, CJServer
from tests.conformance.hubs import here

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


class Clock:
    """A time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def datetime(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


class SeenValues(LocalValues):
    """Shared values that a thief may read."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.seen: list[str] = []

    def change(self, key: str, change: Change[Result]) -> Result:
        def watched(value: Value | None, now: float) -> tuple[Value | None, Result]:
            found = change(value, now)
            self.seen.append(f"{key} {found[0]}")
            return found

        return super().change(key, watched)


@pytest.fixture(scope="module")
def served() -> Iterator[CJServer]:
    with CJServer() as server:
        yield server


class World:
    """One CJ, its clock, and any number of workers that share their values."""

    def __init__(self, server: CJServer) -> None:
        self.clock = Clock()
        self.server = server
        server.begin(self.clock)
        server.a_second = 1
        self.values = SeenValues(self.clock)

    def worker(self, **config: Any) -> LiveSource:
        environment = here(shared=self.values)
        points = config.pop("points", 50_000)
        cj = CJ(environment, KEY, RATES["1"], points, now=self.clock.datetime)
        return LiveSource(CJStock(cj, **config), environment)

    def sell(self, pid: str, *variants: tuple[str, dict[str, tuple[int, int]]]) -> None:
        """A product with variants of (SKU, country → (all, CJ's own))."""
        self.server.products[pid] = [
            {
                "vid": f"{pid}-{number}",
                "sku": sku,
                "lines": [
                    {"countryCode": country, "totalInventory": total, "cjInventory": own}
                    for country, (total, own) in lines.items()
                ],
            }
            for number, (sku, lines) in enumerate(variants)
        ]

    def tokens(self) -> int:
        return sum(path.endswith("getAccessToken") for _, path, _ in self.server.asked)


@pytest.fixture
def world(served: CJServer, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(served)
    monkeypatch.setattr("adapters.suppliers.cj_dropshipping.client.API_URL", served.url)
    monkeypatch.setattr("adapters.kit.api.pause", world.clock.wait)
    return world


def read(supplier: LiveSource, directory: Path) -> dict[str, str]:
    feed = supplier.fetch(None, directory)
    assert isinstance(feed, Feed)
    table = supplier.open(feed, ReadOptions())
    at = table.shape.columns.index("sku"), table.shape.columns.index("quantity")
    return {row.cells[at[0]]: row.cells[at[1]] for row in table.rows()}


STOCK = {"CN": (50, 4), "US": (3, 3)}


def test_the_stock_of_all_warehouses_counts_unless_some_were_chosen(world: World, tmp_path: Path) -> None:
    world.sell("P1", ("RED", STOCK), ("BLUE", {"US": (0, 0)}), ("GREEN", {}))

    assert read(world.worker(), tmp_path) == {"RED": "53", "BLUE": "0", "GREEN": ""}
    world.clock.wait(86_400)
    assert read(world.worker(countries=("us",)), tmp_path) == {"RED": "3", "BLUE": "0", "GREEN": ""}
    world.clock.wait(86_400)
    assert read(world.worker(counted="cj"), tmp_path) == {"RED": "7", "BLUE": "0", "GREEN": ""}


def test_stock_that_is_not_told_with_the_product_is_asked_for(world: World, tmp_path: Path) -> None:
    world.server.embeds = False
    world.sell("P1", ("RED", STOCK), ("BLUE", {"US": (9, 0)}))

    assert read(world.worker(), tmp_path) == {"RED": "53", "BLUE": "9"}
    assert world.server.used == 20


def test_a_product_that_cj_has_no_more_is_missing_and_the_others_are_read(
    world: World, tmp_path: Path
) -> None:
    world.sell("P1", ("RED", STOCK))
    world.sell("P2", ("BLUE", STOCK))
    world.server.gone = {"P1"}

    assert read(world.worker(), tmp_path) == {"BLUE": "53"}


@pytest.mark.parametrize("name", ["pageNum", "pageNumber"])
def test_the_whole_list_of_products_is_read(world: World, tmp_path: Path, name: str) -> None:
    world.server.names_page, world.server.page_size = name, 2
    for number in range(5):
        world.sell(f"P{number}", (f"S{number}", STOCK))

    assert sorted(read(world.worker(), tmp_path)) == ["S0", "S1", "S2", "S3", "S4"]


def test_a_page_name_that_cj_does_not_know_is_refused(world: World, tmp_path: Path) -> None:
    world.server.names_page, world.server.page_size = "seite", 2
    for number in range(5):
        world.sell(f"P{number}", (f"S{number}", STOCK))

    with pytest.raises(FileFault) as caught:
        world.worker().fetch(None, tmp_path)

    assert caught.value.code == "paging"


def test_all_workers_use_one_token_and_nobody_reads_it_in_the_shared_values(
    world: World, tmp_path: Path
) -> None:
    world.sell("P1", ("RED", STOCK))
    for _ in range(3):
        world.worker().fetch(None, tmp_path)
        world.clock.wait(60)

    assert world.tokens() == 1
    kept = "\n".join(world.values.seen)
    assert "token:cj_dropshipping" in kept
    assert world.server.tokens[0] not in kept
    assert KEY not in kept


def test_a_token_that_ends_is_replaced(world: World, tmp_path: Path) -> None:
    world.sell("P1", ("RED", STOCK))
    world.worker().fetch(None, tmp_path)
    world.clock.wait(15 * 86_400)
    world.worker().fetch(None, tmp_path)

    assert world.tokens() == 2


def test_a_token_that_is_refused_is_replaced_once(world: World, tmp_path: Path) -> None:
    world.sell("P1", ("RED", STOCK))
    one, other = world.worker(), world.worker()
    one.fetch(None, tmp_path)
    world.clock.wait(600)
    world.server.ended = {world.server.tokens[0]}
    one.fetch(None, tmp_path)
    world.clock.wait(60)
    other.fetch(None, tmp_path)

    assert world.tokens() == 2


def test_no_second_token_is_asked_for_within_five_minutes(world: World, tmp_path: Path) -> None:
    world.sell("P1", ("RED", STOCK))
    worker = world.worker()
    worker.fetch(None, tmp_path)
    world.clock.wait(60)
    world.server.ended = {world.server.tokens[0]}

    with pytest.raises(RateLimited) as caught:
        worker.fetch(None, tmp_path)

    assert 200 < caught.value.retry_after_s < 240
    assert world.tokens() == 1


def test_a_refused_key_is_not_tried_again_at_once(world: World) -> None:
    world.server.keys = set()
    worker = world.worker()
    for _ in range(2):
        with pytest.raises(Unauthorized):
            worker.check()
    assert world.tokens() == 1
    world.server.keys = {KEY}
    world.clock.wait(301)
    world.sell("P1", ("RED", STOCK))

    assert worker.check().startswith("CJ accepts the key. 1 products")


def test_calls_come_no_faster_than_the_level_allows(world: World, tmp_path: Path) -> None:
    for number in range(5):
        world.sell(f"P{number}", (f"S{number}", STOCK))
    world.worker().fetch(None, tmp_path)

    # Two pages of the list and five products, the first at once; the server refused none.
    assert world.clock.now - NOON == pytest.approx(6)
    assert len(world.server.asked) == 8


def test_readings_are_spread_over_the_day(world: World, tmp_path: Path) -> None:
    for number in range(40):
        world.sell(f"P{number}", (f"S{number}", STOCK))
    worker = world.worker()
    worker.fetch(None, tmp_path)
    began = world.clock.now
    used = world.server.used

    with pytest.raises(RateLimited) as caught:
        worker.fetch(None, tmp_path)

    # 400 points of 50,000: 400 · 86,400 / 49,600 seconds from the beginning of the last.
    assert caught.value.retry_after_s == pytest.approx(696.8 - (world.clock.now - NOON), abs=3)
    assert (world.server.used, used) == (400, 400)
    # Every process knows, also one that has read nothing yet.
    assert world.worker().early_s() == pytest.approx(caught.value.retry_after_s)
    world.clock.now = began + 700
    worker.fetch(None, tmp_path)
    assert world.server.used == 800


def test_points_that_others_used_are_waited_for_till_midnight(world: World, tmp_path: Path) -> None:
    world.sell("P1", ("RED", STOCK))
    world.server.used = 49_995

    with pytest.raises(RateLimited) as caught:
        world.worker().fetch(None, tmp_path)

    assert caught.value.retry_after_s == pytest.approx(12 * 3600 + 60, abs=10)
    assert "Remaining: 5" in caught.value.cause


@pytest.mark.parametrize(("points", "field"), [(1000, "points"), (10_000_000, "rate")])
def test_a_list_that_has_no_room_is_refused_with_what_to_change(
    world: World, tmp_path: Path, points: int, field: str
) -> None:
    products = tuple(f"P{number}" for number in range(2000))

    with pytest.raises(Misconfigured) as caught:
        world.worker(products=products, points=points).fetch(None, tmp_path)

    assert caught.value.field == field
    assert "2,000 products" in caught.value.cause
    assert world.server.asked == []


def test_an_empty_list_of_products_is_told_at_the_check(world: World) -> None:
    with pytest.raises(Misconfigured) as caught:
        world.worker().check()

    assert caught.value.field == "products"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"countries": "America"}, "countries"),
        ({"products": "https://cj/1"}, "products"),
        ({"rate": "3"}, "rate"),
        ({"points": "many"}, "points"),
        ({"counted": "some"}, "counted"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(config: dict[str, str], field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build(config, {"api_key": KEY}, here())

    assert caught.value.field == field
