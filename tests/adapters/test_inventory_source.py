"""Inventory Source: catalogues, tokens of a day, and the pool of requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.suppliers.inventory_source import MANIFEST
from connector.ports.errors import FileFault, Misconfigured, RateLimited
from connector.ports.suppliers import Feed, ReadOptions
from connector.shared import LocalValues
from simulator.inventory_source import REFRESH_TOKEN, InventorySourceServer
from tests.conformance.hubs import here


class World:
    """One Inventory Source on a clock that passes only by waiting."""

    def __init__(self, server: InventorySourceServer) -> None:
        self.now = 1000.0
        self.server = server
        server.begin(lambda: self.now)
        self.shared = LocalValues(lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def worker(self, catalogs: str = "1") -> Any:
        config = {"url": self.server.url, "catalogs": catalogs}
        return MANIFEST.build(config, {"refresh_token": REFRESH_TOKEN}, here(shared=self.shared))

    def tokens(self) -> int:
        return sum(path == "/oauth/token" for _, path, _ in self.server.asked)


@pytest.fixture(scope="module")
def served() -> Iterator[InventorySourceServer]:
    with InventorySourceServer() as server:
        yield server


@pytest.fixture
def world(served: InventorySourceServer, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(served)
    monkeypatch.setattr("adapters.suppliers.inventory_source.client.TOKEN_URL", f"{served.url}/oauth/token")
    monkeypatch.setattr("adapters.kit.api.pause", world.wait)
    return world


def read(supplier: Any, directory: Path) -> dict[str, tuple[str, str]]:
    """SKU → (quantity, cost)."""
    feed = supplier.fetch(None, directory)
    assert isinstance(feed, Feed)
    table = supplier.open(feed, ReadOptions())
    at = [table.shape.columns.index(name) for name in ("sku", "quantity", "cost")]
    return {row.cells[at[0]]: (row.cells[at[1]], row.cells[at[2]]) for row in table.rows()}


def product(id_: int, sku: str, quantity: int | None, **also: Any) -> dict[str, Any]:
    return {"id": id_, "sku": sku, "quantity": quantity, "cost": 18.25, "active": True, **also}


def test_all_catalogues_are_read(world: World, tmp_path: Path) -> None:
    world.server.catalogs = {
        1: [product(280734, "MO1505", 15), product(336920, "MO1600", None)],
        2: [product(5, "OLD", 9, active=False)],
    }

    assert read(world.worker("1, 2"), tmp_path) == {
        "MO1505": ("15", "18.25"),
        "MO1600": ("", "18.25"),
        "OLD": ("0", "18.25"),
    }


def test_all_workers_use_one_token_until_its_day_is_over(world: World, tmp_path: Path) -> None:
    world.server.catalogs = {1: [product(1, "A", 1)]}
    read(world.worker(), tmp_path)
    read(world.worker(), tmp_path)
    assert world.tokens() == 1
    world.wait(86_400)
    read(world.worker(), tmp_path)

    assert world.tokens() == 2


def test_a_token_that_ends_early_is_replaced_in_the_middle_of_a_reading(world: World, tmp_path: Path) -> None:
    world.server.catalogs = {1: [product(1, "A", 1)]}
    worker = world.worker()
    read(worker, tmp_path)
    world.server.tokens = dict.fromkeys(world.server.tokens, 0.0)

    assert read(worker, tmp_path) == {"A": ("1", "18.25")}
    assert world.tokens() == 2


def test_a_token_that_is_not_to_be_had_is_waited_for_once(world: World, tmp_path: Path) -> None:
    world.server.catalogs = {1: [product(1, "A", 1)]}
    world.server.dials.fail_next = ["throttle"] * 400

    with pytest.raises(RateLimited):
        world.worker().fetch(None, tmp_path)

    world.server.dials.fail_next = []
    assert world.now - 1000 <= 120


def test_requests_are_spaced_so_that_the_pool_is_never_empty(world: World, tmp_path: Path) -> None:
    world.server.pool = 20
    world.server.largest = 10
    world.server.catalogs = {1: [product(id_, f"S{id_}", 1) for id_ in range(1, 301)]}

    assert len(read(world.worker(), tmp_path)) == 300
    # 30 pages and an empty one: 20 at once, 11 more in 4 seconds each. None was refused.
    assert world.now - 1000 == pytest.approx(44)
    assert len(world.server.asked) == 32


def test_a_catalogue_that_is_none_is_told_at_its_field(world: World) -> None:
    world.server.catalogs = {1: []}

    with pytest.raises(Misconfigured) as caught:
        world.worker("1, 7").check()
    assert (caught.value.field, caught.value.subject) == ("catalogs", "catalogue 7")
    assert world.worker("1").check().endswith("Nothing is listed in 1.")


def test_more_than_one_reading_has_time_for_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.suppliers.inventory_source.stock.MOST_PAGES", 0)
    world.server.catalogs = {1: [product(1, "A", 1)]}

    with pytest.raises(FileFault) as caught:
        world.worker().fetch(None, tmp_path)

    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({"url": "here", "catalogs": "1"}, {"refresh_token": "x"}, "url"),
        ({"url": "https://a", "catalogs": "1"}, {}, "refresh_token"),
        ({"url": "https://a"}, {"refresh_token": "x"}, "catalogs"),
        ({"url": "https://a", "catalogs": "one"}, {"refresh_token": "x"}, "catalogs"),
        ({"url": "https://a", "catalogs": "1", "client_id": "c"}, {"refresh_token": "x"}, "client_secret"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build(config, secrets, here())

    assert caught.value.field == field
