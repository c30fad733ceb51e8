"""Suppliers asked while somebody waits: what they say counts, and silence never stops a sale."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import LIVE_ADAPTERS
from connector.delivery.live import FAILURES, OPEN_S, Counted, LiveDesk
from connector.delivery.live import counted as counted_lately
from connector.ports.errors import Retryable
from connector.registry import ADAPTERS, manifest
from connector.shared import LocalValues
from connector.shoppers.badges import badge_facts
from tests.builders import NOW, World


class Twin:
    """A supplier that answers, fails or hangs."""

    def __init__(self) -> None:
        self.numbers: dict[str, int | None] = {}
        self.error: Retryable | None = None
        self.hangs = False
        self.go_on = threading.Event()
        self.asked: list[list[str]] = []

    def stock_of(self, items: Sequence[str], deadline_s: float) -> dict[str, int | None]:
        self.asked.append(list(items))
        if self.hangs:
            self.go_on.wait(10)
        if self.error:
            raise self.error
        return {item: self.numbers[item] for item in items if item in self.numbers}


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


@pytest.fixture
def twin() -> Iterator[Twin]:
    made = Twin()
    yield made
    made.go_on.set()


class Clock:
    at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(world: World, twin: Twin, clock: Clock) -> LiveDesk:
    return LiveDesk(
        world.engine, lambda merchant, connection: twin, LocalValues(clock), ("odoo",), deadline_s=0.05
    )


@pytest.fixture
def variant(world: World) -> int:
    """Five are known to be there, of a supplier that can be asked."""
    found = world.sellable("A-1", 5)
    world.execute("update connection set adapter = 'odoo' where merchant_id = :m and kind = 'supplier'")
    return found


def ask(world: World, desk: LiveDesk, *variants: int) -> dict[int, int | None]:
    return desk.units_of(world.merchant_id, variants, NOW)


def counted(world: World) -> tuple[int, ...]:
    with world.engine.connect() as db:
        query = "select asked, unknown, none_left from live_check_day where merchant_id = :m"
        return tuple(db.execute(sa.text(query), {"m": world.merchant_id}).one())


def test_every_adapter_with_the_part_is_named() -> None:
    assert tuple(LIVE_ADAPTERS) == tuple(
        name for name in sorted(ADAPTERS["suppliers"]) if manifest("suppliers", name).live_check is not None
    )


def test_what_the_supplier_says_counts_and_is_asked_once_in_half_a_minute(
    world: World, desk: LiveDesk, twin: Twin, variant: int, clock: Clock
) -> None:
    twin.numbers = {f"item-{variant}": 0}
    assert {variant: 0} == ask(world, desk, variant) == ask(world, desk, variant)
    assert [[f"item-{variant}"]] == twin.asked
    assert (2, 0, 2) == counted(world)
    clock.at += 31
    twin.numbers = {f"item-{variant}": 9}
    assert {variant: 9} == ask(world, desk, variant)


def test_a_supplier_that_hangs_or_fails_is_unknown_and_soon_left_alone(
    world: World, desk: LiveDesk, twin: Twin, variant: int, clock: Clock
) -> None:
    twin.hangs = True
    assert {variant: None} == ask(world, desk, variant)
    twin.hangs = False
    twin.go_on.set()
    twin.error = Retryable("odoo", "stock", "It answered 502.")
    for _ in range(FAILURES - 1):
        assert {variant: None} == ask(world, desk, variant)
    assert FAILURES == len(twin.asked)
    # The breaker is open: it is not asked, and still nothing is stopped.
    twin.error, twin.numbers = None, {f"item-{variant}": 0}
    assert {variant: None} == ask(world, desk, variant)
    assert (FAILURES, (4, 4, 0)) == (len(twin.asked), counted(world))
    clock.at += OPEN_S
    assert {variant: 0} == ask(world, desk, variant)


def test_an_item_it_does_not_know_is_unknown_not_none(
    world: World, desk: LiveDesk, twin: Twin, variant: int
) -> None:
    twin.numbers = {f"item-{variant}": None}
    assert {variant: None} == ask(world, desk, variant)
    assert (1, 1, 0) == counted(world)


def test_other_suppliers_keep_their_number(world: World, desk: LiveDesk, twin: Twin, variant: int) -> None:
    other = world.source()
    world.observe(other, variant, 3, item_key="b")
    world.decide(variant)
    twin.numbers = {f"item-{variant}": 0}
    assert {variant: 3} == ask(world, desk, variant)


def test_half_a_sum_is_no_answer(world: World, desk: LiveDesk, twin: Twin, variant: int) -> None:
    with world.engine.connect() as db:
        find = sa.text("select source_id from supplier_item where merchant_id = :m and variant_id = :v")
        source = db.execute(find, {"m": world.merchant_id, "v": variant}).scalar_one()
    world.observe(source, variant, 3, item_key="second")
    world.decide(variant)
    twin.numbers = {f"item-{variant}": 0}
    assert {variant: None} == ask(world, desk, variant)


def test_who_cannot_be_asked_is_left_out(world: World, desk: LiveDesk, twin: Twin, variant: int) -> None:
    plain = world.sellable("B-1", 2)
    assert {} == ask(world, desk, plain)
    assert [] == twin.asked


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(0, {"state": "out_of_stock"}, id="none left"),
        pytest.param(2, {"state": "low_stock", "count": 2}, id="fewer than thought"),
        pytest.param(50, {"state": "in_stock"}, id="more is not promised"),
        pytest.param(None, {"state": "in_stock"}, id="unknown changes nothing"),
    ],
)
def test_a_cart_is_told(
    world: World, desk: LiveDesk, twin: Twin, variant: int, said: int | None, shown: dict[str, Any]
) -> None:
    store = world.store()
    world.listing(store, variant, 5, external_id="9")
    key = "select public_key from connection where merchant_id = :m and id = :c"
    twin.numbers = {f"item-{variant}": said}
    with world.engine.connect() as db:
        public = db.execute(sa.text(key), {"m": world.merchant_id, "c": store}).scalar_one()
        now = NOW + timedelta(seconds=1)
        assert {"9": {"state": "in_stock"}} == badge_facts(db, public, ["9"], now)
        assert {"9": shown} == badge_facts(db, public, ["9"], now, "", desk)


def test_the_last_seven_days_are_counted_for_the_merchant(world: World, variant: int) -> None:
    for days, asked in ((0, 3), (6, 2), (7, 50)):
        world.execute(
            "insert into live_check_day (merchant_id, source_id, on_date, asked, unknown) values (:m, 9, :d, :a, 1)",
            d=(NOW - timedelta(days=days)).date(),
            a=asked,
        )
    with world.engine.connect() as db:
        assert Counted(5, 2, 0) == counted_lately(db, world.merchant_id, 9, NOW)
        assert counted_lately(db, world.merchant_id, 10, NOW) is None
