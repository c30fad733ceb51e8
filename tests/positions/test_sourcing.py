"""Which supplier sells, as it is stored: take-over, hand-back, sales, rules and silence."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from connector.accounts.connections import pause, resume
from connector.positions.falls import allocate
from connector.positions.recheck import recheck
from connector.positions.why import explain
from tests.builders import NOW, World

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def rule(world: World, level: str, subject: object = "", **says: Any) -> None:
    world.execute(
        "insert into stock_rule (merchant_id, level, subject, says, changed_at)"
        " values (:m, :l, :s, cast(:j as jsonb), :now)",
        l=level,
        s=str(subject),
        j=json.dumps(says),
        now=NOW,
    )


class Two:
    """A variant with two suppliers: `first` is preferred and has 10, `backup` has 30."""

    def __init__(self, engine: sa.Engine, **first: Any) -> None:
        self.world = World(engine)
        self.store = self.world.store()
        self.variant = self.world.variant("VASE")
        self.first, self.backup = self.world.source(**first), self.world.source()
        self.world.observe(self.first, self.variant, 10, cost=Decimal("4.20"))
        self.world.observe(self.backup, self.variant, 30, cost=Decimal("5"))
        self.listing = self.world.listing(self.store, self.variant, 10)
        rule(self.world, "merchant", strategy="priority")
        self.world.decide(self.variant)

    def run(self, source_id: int, status: str) -> None:
        self.world.execute(
            "insert into run (merchant_id, source_id, status, started_at) values (:m, :s, :status, :now)",
            s=source_id,
            status=status,
            now=NOW,
        )

    def at(self, hours: float) -> tuple[int, int | None]:
        """The number after the look at positions so many hours later, and who sells."""
        recheck(self.world.engine, self.world.merchant_id, now=NOW + hours * HOUR)
        position = self.world.position(self.variant)
        return position.available, position.sourcing["current"]


@pytest.fixture
def two(engine: sa.Engine) -> Two:
    return Two(engine)


def test_one_supplier_sells_and_its_number_is_what_the_store_should_say(two: Two) -> None:
    assert 10 == two.world.listing_row(two.listing).wanted_available


def test_a_failing_supplier_gives_way_and_is_handed_back_to_after_a_stable_day(two: Two) -> None:
    seen = [two.at(0)]
    for _ in range(2):
        two.run(two.first, "failed")
    seen.append(two.at(1))
    two.run(two.first, "failed")
    seen.append(two.at(2))
    assert 30 == two.world.listing_row(two.listing).wanted_available
    two.run(two.first, "unchanged")
    seen += [two.at(3), two.at(26.9), two.at(27.1)]

    a, b = (10, two.first), (30, two.backup)
    assert [a, a, b, b, b, a] == seen


def test_a_paused_supplier_gives_way_at_the_next_look(two: Two) -> None:
    with two.world.engine.begin() as db:
        connection = db.execute(
            sa.text("select connection_id from source where merchant_id = :m and id = :s"),
            {"m": two.world.merchant_id, "s": two.first},
        ).scalar_one()
        pause(db, two.world.merchant_id, connection, "by hand")
    paused = two.at(1)
    with two.world.engine.begin() as db:
        resume(db, two.world.merchant_id, connection)

    assert [(30, two.backup), (30, two.backup), (10, two.first)] == [paused, two.at(2), two.at(26.1)]


def test_a_silent_supplier_gives_way_by_time_alone_and_its_news_brings_it_back(engine: sa.Engine) -> None:
    two = Two(engine, max_age_hours=6)
    seen = [two.at(5.9), two.at(6.1)]
    two.world.execute(
        "update source set as_of = :at where merchant_id = :m and id = :s", at=NOW + 8 * HOUR, s=two.first
    )
    seen += [two.at(8), two.at(14.1)]
    two.world.execute(
        "update source set as_of = :at where merchant_id = :m and id = :s", at=NOW + 32 * HOUR, s=two.first
    )

    assert [(10, two.first), *[(30, two.backup)] * 3] == seen
    # It fell silent again after 14 hours: the day begins anew with its next word.
    assert (30, two.backup) == two.at(32.5)
    two.world.execute(
        "update source set as_of = :at where merchant_id = :m and id = :s", at=NOW + 37 * HOUR, s=two.first
    )
    two.world.execute("update source set max_age_hours = 48 where merchant_id = :m and id = :s", s=two.first)
    assert [(30, two.backup), (10, two.first)] == [two.at(56.4), two.at(56.6)]


def test_silence_empties_no_shop_without_a_backup(engine: sa.Engine) -> None:
    two = Two(engine, max_age_hours=6)
    two.world.observe(two.backup, two.variant, 0)
    two.world.decide(two.variant, at=NOW + HOUR)

    assert [(10, two.first)] * 2 == [two.at(7), two.at(500)]


def test_sales_stay_with_the_source_that_sold_them(two: Two) -> None:
    def sell(units: int, hours: float) -> None:
        with two.world.engine.begin() as db:
            allocate(
                db,
                two.world.merchant_id,
                two.store,
                two.variant,
                units,
                NOW + hours * HOUR,
                "order",
                f"o/{hours}",
            )
        two.world.decide(two.variant, at=NOW + hours * HOUR)

    sell(3, 1)
    before = two.at(1)
    for _ in range(3):
        two.run(two.first, "failed")
    over = two.at(2)
    sell(4, 3)
    two.run(two.first, "applied")
    seen = [two.at(4), two.at(29)]

    assert [(7, two.first), (30, two.backup)] == [before, over]
    assert [(26, two.backup), (7, two.first)] == seen


def test_own_stock_is_sold_first_and_added(two: Two) -> None:
    own = two.world.source(kind="own")
    two.world.observe(own, two.variant, 4)
    two.world.decide(two.variant)
    assert (14, two.first) == two.at(0)
    with two.world.engine.begin() as db:
        allocate(db, two.world.merchant_id, two.store, two.variant, 5, NOW, "order", "o/1")
        taken = db.execute(
            sa.text("select source_id, units from allocation where merchant_id = :m order by id"),
            {"m": two.world.merchant_id},
        ).all()

    assert [(own, 4), (two.first, 1)] == [tuple(row) for row in taken]


def test_a_rule_holds_for_its_collection_and_the_item_s_own_goes_before_it(engine: sa.Engine) -> None:
    world = World(engine)
    plain, lamp, special = (
        world.variant("A", collections=["Lamps"]),
        world.variant("B", collections=["Vases", "  new  LAMPS"]),
        world.variant("C", collections=["New lamps", "Lamps"]),
    )
    source = world.source()
    for variant in (plain, lamp, special):
        world.observe(source, variant, 10)
    rule(world, "collection", "lamps", buffer_units=2)
    rule(world, "collection", "new lamps", buffer_units=3, cap_units=5)
    rule(world, "sku", special, cap_units=9)
    rule(world, "supplier", source, buffer_units=1, low_stock_threshold=6)
    world.decide(plain, lamp, special)

    found = [world.position(variant) for variant in (plain, lamp, special)]
    assert [(8, "in_stock"), (5, "low_stock"), (7, "in_stock")] == [
        (one.available, one.state) for one in found
    ]


def test_silent_stock_shrinks_day_by_day_where_the_merchant_says_so(engine: sa.Engine) -> None:
    world = World(engine)
    variant, source = world.variant("A"), world.source(max_age_hours=24)
    world.observe(source, variant, 40)
    rule(world, "supplier", source, stale="shrink", shrink_percent=30)
    world.decide(variant)

    def at(days: float) -> int:
        recheck(world.engine, world.merchant_id, now=NOW + days * DAY)
        return int(world.position(variant).available)

    assert [40, 28, 16, 4, 1, 1] == [at(0.9), at(1.1), at(2.1), at(3.1), at(4.1), at(90)]


def test_it_is_said_who_sells_and_why_the_others_do_not(two: Two) -> None:
    rule(two.world, "supplier", two.first, priority=1)
    two.at(0)
    for _ in range(3):
        two.run(two.first, "failed")
    two.at(1)
    with two.world.engine.connect() as db:
        over = [
            line for line in explain(db, two.world.merchant_id, "VASE")[0].lines() if " since 2026" in line
        ]
    two.run(two.first, "applied")
    two.at(2)
    with two.world.engine.connect() as db:
        back = [line for line in explain(db, two.world.merchant_id, "VASE")[0].lines() if "handed" in line]

    names = [f"supplier {two.world._numbers - 1}", f"supplier {two.world._numbers}"]
    assert [
        f"  {names[0]}: cannot be relied on: its last runs failed since 2026-11-22T13:00+00:00 (priority 1);"
        " it counts again after 24 h without a break.",
        f"  {names[1]} sells since 2026-11-22T13:00+00:00.",
    ] == over
    assert [
        f"  {names[0]} goes before it (priority 1), and is handed back to on 2026-11-23T14:00+00:00"
        " if it stays usable."
    ] == back


def test_a_suppliers_buffer_holds_only_while_it_sells(engine: sa.Engine) -> None:
    two = Two(engine)
    two.world.execute("update merchant set buffer_units = 1 where id = :m")
    rule(two.world, "supplier", two.first, buffer_units=4, priority=1)
    two.world.decide(two.variant)
    assert (6, two.first) == two.at(0)

    two.world.observe(two.first, two.variant, 4)
    two.world.decide(two.variant)
    assert (29, two.backup) == two.at(0)
    assert 1 == two.world.position(two.variant).why["buffer"]

    rule(two.world, "sku", two.variant, buffer_units=3)
    two.world.decide(two.variant)
    assert (27, two.backup) == two.at(0)
