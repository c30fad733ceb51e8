"""Suppliers asked after an order: what they say counts, what they cannot serve is told, and silence changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.delivery.live import FAILURES, ITEMS_A_MINUTE, LiveDesk
from connector.delivery.live_orders import (
    AGAIN_S,
    TOPIC,
    TRIES,
    ask_about,
    open_doubts,
    take_note,
    work_orders,
)
from connector.outbox.messages import Turn
from connector.outbox.work import Topic, serve_turn
from connector.ports.errors import Retryable
from connector.ports.stores import StoreOrder, StoreOrderLine
from connector.positions.decide import Cause
from connector.positions.facts import variants_with_open_deductions
from connector.positions.learn import decide_learnt
from connector.positions.live_numbers import prune_live
from connector.positions.sales import record_orders
from connector.positions.why import explain
from connector.shared import LocalValues
from tests.builders import NOW, World

TOPICS = {TOPIC: Topic(TOPIC, work_orders, 20, 120)}


class Twin:
    """A supplier that answers or fails."""

    def __init__(self) -> None:
        self.numbers: dict[str, int | None] = {}
        self.error: Retryable | None = None
        self.asked: list[list[str]] = []

    def stock_of(self, items: Sequence[str], deadline_s: float) -> dict[str, int | None]:
        self.asked.append(list(items))
        if self.error:
            raise self.error
        return {item: self.numbers[item] for item in items if item in self.numbers}


@dataclass
class Scene:
    """A store, a supplier with an API, and as much of a runtime as the work needs."""

    world: World
    twin: Twin
    at: float = 1000.0
    moment: datetime = NOW
    store: int = 0
    source: int = 0
    supplier: int = 0
    live_orders: Any = None
    orders: dict[str, StoreOrder] = field(default_factory=dict)

    @property
    def engine(self) -> sa.Engine:
        return self.world.engine

    def now(self) -> datetime:
        return self.moment

    def variant(self, sku: str, quantity: int) -> int:
        found = self.world.variant(sku)
        self.world.observe(self.source, found, quantity)
        self.world.listing(self.store, found, quantity, sku=sku)
        self.world.decide(found)
        return found

    def order(self, order_id: str, variant: int, units: int, placed_at: datetime | None = None) -> int:
        """An order comes in; how many questions it raised."""
        at = placed_at or self.moment
        line = StoreOrderLine("7/1", f"{1000 + variant}", units)
        with self.engine.begin() as db:
            touched = record_orders(
                db, self.world.merchant_id, self.store, [StoreOrder(order_id, at, self.moment, True, (line,))]
            )
            decide_learnt(db, self.world.merchant_id, touched, now=self.moment, cause=Cause("order"))
            return ask_about(db, self.world.merchant_id, touched, ("odoo",), self.moment)

    def work(self) -> None:
        self.world.execute("update outbox_message set due_at = now() where merchant_id = :m")
        self.world.execute("update outbox_turn set next_try_at = now() where merchant_id = :m")
        serve_turn(self, Turn(self.world.merchant_id, TOPIC, self.supplier), TOPICS)

    def doubts(self) -> list[tuple[Any, ...]]:
        """(order, units, said, missing, free elsewhere) of each open line."""
        with self.engine.connect() as db:
            return [
                (row.order_id, row.units, row.said_units, row.missing_units, row.available)
                for row in open_doubts(db, self.world.merchant_id)
            ]

    def open(self) -> list[str]:
        return [subject for topic, subject, _ in self.world.pending() if topic == TOPIC]


@pytest.fixture
def scene(engine: sa.Engine) -> Scene:
    found = Scene(World(engine), Twin())
    found.store = found.world.store()
    found.source = found.world.source(as_of=NOW - timedelta(minutes=10))
    found.world.execute("update connection set adapter = 'odoo' where merchant_id = :m and kind = 'supplier'")
    with engine.connect() as db:
        query = sa.text("select connection_id from source where merchant_id = :m")
        found.supplier = int(db.execute(query, {"m": found.world.merchant_id}).scalar_one())
    found.live_orders = LiveDesk(
        engine,
        lambda merchant, connection: found.twin,
        LocalValues(lambda: found.at),
        ("odoo",),
        deadline_s=2,
    )
    return found


def test_a_line_that_cannot_be_served_is_told_and_the_product_goes_off_sale(scene: Scene) -> None:
    variant = scene.variant("A-1", 5)
    scene.twin.numbers = {f"item-{variant}": 1}

    assert 1 == scene.order("gid://shop/Order/1", variant, 2)
    scene.work()

    assert [("gid://shop/Order/1", 2, 1, 1, 0)] == scene.doubts()
    assert (0, "out_of_stock") == (
        scene.world.position(variant).available,
        scene.world.position(variant).state,
    )
    assert [[f"item-{variant}"]] == scene.twin.asked
    assert [] == scene.open()


def test_what_the_supplier_says_counts_until_it_is_read_again(scene: Scene) -> None:
    variant = scene.variant("A-1", 5)
    scene.twin.numbers = {f"item-{variant}": 4}
    scene.order("1", variant, 1)
    scene.work()

    # Three of the four it has: it cannot know of the order yet.
    assert ([], 3) == (scene.doubts(), scene.world.position(variant).available)
    scene.world.decide(variant, at=NOW + timedelta(hours=2), kind="time")
    assert 3 == scene.world.position(variant).available

    later = NOW + timedelta(hours=2)
    with scene.engine.begin() as db:
        assert [variant] == variants_with_open_deductions(db, scene.world.merchant_id, scene.source)
    scene.world.execute("update source set as_of = :at where id = :s", at=later, s=scene.source)
    scene.world.decide(variant, at=later)
    assert 5 == scene.world.position(variant).available
    with scene.engine.begin() as db:
        assert (1, 0) == (prune_live(db), prune_live(db))


def test_the_explanation_names_the_number_that_was_asked_for(scene: Scene) -> None:
    variant = scene.variant("A-1", 5)
    scene.twin.numbers = {f"item-{variant}": 4}
    scene.order("1", variant, 1)
    scene.work()

    with scene.engine.connect() as db:
        lines = explain(db, scene.world.merchant_id, "A-1")[0].lines()
    assert any(", asked after an order, said 4 at " in line for line in lines)


def test_an_unknown_answer_changes_nothing_and_is_asked_for_again_a_few_times(scene: Scene) -> None:
    variant = scene.variant("A-1", 5)
    scene.twin.error = Retryable("odoo", "stock", "It answered 502.")
    scene.order("1", variant, 2)

    for _ in range(TRIES - 1):
        scene.work()
        assert [str(variant)] == scene.open()
        scene.at += 61
    scene.work()

    assert ([], TRIES) == (scene.open(), len(scene.twin.asked))
    assert ([], 3) == (scene.doubts(), scene.world.position(variant).available)
    assert FAILURES >= TRIES
    assert AGAIN_S >= 60


def test_ten_orders_of_one_product_are_one_question(scene: Scene) -> None:
    variant = scene.variant("A-1", 50)
    scene.twin.numbers = {f"item-{variant}": 7}
    for number in range(10):
        scene.order(str(number), variant, 1)
    assert [str(variant)] == scene.open()

    scene.work()

    assert 1 == len(scene.twin.asked)
    # The oldest seven are served.
    assert ["7", "8", "9"] == sorted(row[0] for row in scene.doubts())


def test_a_source_is_asked_for_so_many_items_a_minute(scene: Scene) -> None:
    variant = scene.variant("A-1", 5)
    scene.twin.numbers = {f"item-{variant}": 5}
    for _ in range(ITEMS_A_MINUTE):
        assert scene.live_orders._may_ask(scene.world.merchant_id, scene.source, 1)
    scene.order("1", variant, 1)

    scene.work()
    assert ([], [str(variant)]) == (scene.twin.asked, scene.open())

    scene.at += 60
    scene.work()
    assert ([[f"item-{variant}"]], []) == (scene.twin.asked, scene.open())


def test_nobody_is_asked_about_old_orders_or_suppliers_without_an_api(scene: Scene) -> None:
    variant = scene.variant("A-1", 5)
    assert 0 == scene.order("old", variant, 1, NOW - timedelta(hours=25))
    scene.world.execute(
        "update connection set adapter = 'file_feed' where merchant_id = :m and kind = 'supplier'"
    )
    assert 0 == scene.order("new", variant, 1)


def test_a_component_of_a_bundle_is_asked_for_and_its_order_named(scene: Scene) -> None:
    part, bundle = scene.variant("A-1", 10), scene.world.variant("SET")
    scene.world.listing(scene.store, bundle, 5, sku="SET")
    scene.world.execute(
        "insert into bundle_component (merchant_id, variant_id, component_id, units) values (:m, :b, :c, 2)",
        b=bundle,
        c=part,
    )
    scene.world.decide(part, bundle)
    scene.twin.numbers = {f"item-{part}": 1}

    assert 1 == scene.order("1", bundle, 1)
    scene.work()

    assert [("1", 2, 1, 1, 0)] == scene.doubts()


def test_taken_note_of_cancelled_or_served_after_all_it_is_told_no_more(scene: Scene) -> None:
    variants = [scene.variant(f"A-{n}", 5) for n in range(3)]
    scene.twin.numbers = {f"item-{variant}": 0 for variant in variants}
    for number, variant in enumerate(variants):
        scene.order(str(number), variant, 1)
    scene.work()
    assert 3 == len(scene.doubts())

    with scene.engine.begin() as db:
        first = next(r.id for r in open_doubts(db, scene.world.merchant_id) if r.order_id == "0")
        assert take_note(db, scene.world.merchant_id, first, "someone", NOW)
        assert not take_note(db, scene.world.merchant_id, first, "someone", NOW)
    scene.moment += timedelta(minutes=1)
    scene.order("1", variants[1], 0)
    scene.at += 31
    scene.twin.numbers[f"item-{variants[2]}"] = 9
    scene.order("more", variants[2], 1)
    scene.work()

    assert [] == scene.doubts()
