"""Promises in the database: shown, slipped, kept, broken, withdrawn; and what lateness is learnt from."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.availability.facts import Correction
from connector.ports.incoming import StoreIncoming
from connector.positions import evidence
from connector.positions.decide import Cause, decide
from connector.positions.incoming import forget_incoming, record_incoming
from connector.positions.lateness import learn, learn_when_due
from connector.positions.promises import settle_due
from connector.positions.recheck import recheck
from connector.positions.shipping import checked, save_rule
from connector.positions.why import explain
from tests.builders import NOW, World

TODAY = NOW.date()
SUNDAY = TODAY + timedelta(days=6 - TODAY.weekday() or 7)


def on(days: int) -> date:
    return TODAY + timedelta(days=days)


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def rows(world: World, query: str, **given: Any) -> list[tuple[Any, ...]]:
    with world.engine.connect() as db:
        found = db.execute(sa.text(query), {"m": world.merchant_id, **given})
        return [tuple(row) for row in found]


def promises(world: World) -> list[tuple[Any, ...]]:
    """(first day, latest day, slips, kept) of each."""
    return rows(
        world,
        "select first_shown_on, latest_shown_on, slips, is_kept from promise where merchant_id = :m order by id",
    )


def connection_of(world: World, source: int) -> int:
    return int(rows(world, "select connection_id from source where id = :s", s=source)[0][0])


def late_by(world: World, source: int, days: int | None, kind: str = "stated") -> None:
    world.execute(
        "insert into lateness (merchant_id, connection_id, kind, days, level, ended, still_open, own,"
        " is_reached, is_pooled, learnt_at) values (:m, :c, :k, :d, 0.95, 60, 2, 60, true, false, :at)",
        c=connection_of(world, source),
        k=kind,
        d=days,
        at=NOW,
    )


def sold_out(world: World, restock_on: date | None = None, **fields: Any) -> tuple[int, int]:
    """A variant that is not there, decided, and its source."""
    variant, source = world.variant("A-1"), world.source(**fields)
    world.observe(source, variant, 0, restock_on=restock_on)
    return variant, source


def test_a_supplier_who_is_late_is_promised_later(world: World) -> None:
    variant, source = sold_out(world, on(3))
    late_by(world, source, 9)

    world.decide(variant)

    position = world.position(variant)
    assert (position.restock_on, position.restock_until) == (on(12), on(12))
    assert (position.evidence_on, position.evidence_connection_id) == (on(3), connection_of(world, source))
    assert {"days": 9, "level": 0.95, "ended": 60}.items() <= position.why["promise"].items()
    assert [(on(12), on(12), 0, None)] == promises(world)


def test_what_is_learnt_later_moves_no_date_that_is_shown(world: World) -> None:
    variant, source = sold_out(world, on(3))
    world.decide(variant)
    late_by(world, source, 9)

    assert 0 == world.decide(variant).changed
    assert (on(3), on(3), 0, None) == promises(world)[0]


def test_a_calendar_moves_the_dates_shown_from_then_on_and_is_no_slip(world: World) -> None:
    variant, source = sold_out(world, SUNDAY)
    world.decide(variant)
    second = world.variant("A-2")
    world.observe(source, second, 0, restock_on=SUNDAY)
    rule = checked({"zones": [{"name": "France", "least_days": 1, "most_days": 2}]})
    with world.engine.begin() as db:
        save_rule(db, world.merchant_id, rule, actor="test", now=NOW)

    world.decide(variant, second)

    monday = SUNDAY + timedelta(days=1)
    assert [(SUNDAY, SUNDAY, 0, None), (monday, monday, 0, None)] == promises(world)
    with world.engine.connect() as db:
        told = explain(db, world.merchant_id, "A-2")[0].lines()
    assert f"  Nothing is booked in on {SUNDAY}: it is moved to {monday}, a day of work." in told


def test_a_date_that_slips_is_a_miss_and_stays_one(world: World) -> None:
    variant, source = sold_out(world, on(3))
    world.decide(variant)
    world.forget_intents()
    world.observe(source, variant, 0, restock_on=on(9))

    world.decide(variant, at=NOW + timedelta(days=1))

    assert [(on(3), on(9), 1, False)] == promises(world)
    assert ("shoppers.position", str(variant), 5) in world.pending()
    world.observe(source, variant, 4)
    world.decide(variant, at=NOW + timedelta(days=2))
    assert [(on(3), on(9), 1, False)] == promises(world)


def test_a_first_date_that_passes_is_broken_the_next_morning(world: World) -> None:
    variant, _ = sold_out(world, on(1))
    world.decide(variant)
    at_night = NOW + timedelta(days=1, hours=11)

    with world.engine.begin() as db:
        before = settle_due(db, world.merchant_id, now=at_night)
    recheck(world.engine, world.merchant_id, now=at_night + timedelta(hours=2))

    assert (0, [(on(1), on(1), 0, False)]) == (before, promises(world))
    assert (world.position(variant).restock_on, world.position(variant).state) == (None, "out_of_stock")


def test_the_day_ends_at_the_merchants_place(world: World) -> None:
    world.execute("update merchant set timezone = 'America/New_York' where id = :m")
    variant, source = sold_out(world, on(1))
    world.decide(variant)
    world.observe(source, variant, 4)

    # Three in the morning in UTC is late in the evening there.
    world.decide(variant, at=NOW + timedelta(days=1, hours=15))

    assert [(on(1), on(1), 0, True)] == promises(world)


def test_a_date_taken_down_still_counts(world: World) -> None:
    variant, source = sold_out(world, on(3))
    world.decide(variant)
    world.observe(source, variant, 0)

    world.decide(variant)
    world.observe(source, variant, 4)
    world.decide(variant, at=NOW + timedelta(days=5))

    assert [(on(3), on(3), 0, False)] == promises(world)
    assert [(True,)] == rows(world, "select withdrawn_at is not null from promise where merchant_id = :m")


def test_a_supplier_that_falls_silent_loses_its_date(world: World) -> None:
    variant, _ = sold_out(world, on(3), max_age_hours=4)
    world.decide(variant)
    assert world.position(variant).restock_on == on(3)

    recheck(world.engine, world.merchant_id, now=NOW + timedelta(hours=5))

    assert world.position(variant).restock_on is None


def test_an_undone_run_keeps_no_promise(world: World) -> None:
    variant, source = sold_out(world, on(3))
    world.decide(variant)

    def decided(quantity: int, kind: str) -> None:
        world.observe(source, variant, quantity, restock_on=on(3))
        decide(world.engine, world.merchant_id, [variant], now=NOW, cause=Cause(kind, run_id=7))

    decided(4, "run")
    assert [(on(3), on(3), 0, True)] == promises(world)
    decided(0, "undo")
    assert [(on(3), on(3), 0, None)] == promises(world)


class TestEvidence:
    """What runs observe of one item, day by day."""

    def observed(self, world: World, quantity: int | None, restock_on: date | None, run: int) -> None:
        before = rows(world, "select quantity from observation where merchant_id = :m")
        world.observe(
            self.source,
            self.variant,
            quantity,
            restock_on=restock_on,
            previous=["", "", "", before[0][0]] if before else None,
        )
        world.execute("update observation set run_id = :r where merchant_id = :m", r=run)
        items = "select item_key, coalesce(quantity <= 0, false) as is_zero from observation"
        for _ in range(2):  # a run that is repeated learns nothing twice
            with world.engine.begin() as db:
                evidence.record_run(db, world.merchant_id, self.source, run, items, today=on(run))

    def found(self, world: World) -> list[tuple[Any, ...]]:
        return rows(
            world,
            "select kind, began_on - cast(:t as date), expected_on - cast(:t as date),"
            " latest_expected_on - cast(:t as date), arrived_on - cast(:t as date),"
            " stopped_on - cast(:t as date) from lead_time_evidence where merchant_id = :m order by id",
            t=TODAY,
        )

    @pytest.fixture(autouse=True)
    def item(self, world: World) -> None:
        self.variant, self.source = world.variant("A-1"), world.source()

    def test_a_stated_day_and_the_day_it_came(self, world: World) -> None:
        self.observed(world, 0, on(5), 0)
        self.observed(world, 0, on(8), 3)
        self.observed(world, 6, None, 9)

        assert [("stated", 0, 5, 8, 9, None)] == self.found(world)

    def test_a_stated_day_that_is_lost_is_no_arrival(self, world: World) -> None:
        self.observed(world, 0, on(5), 0)
        self.observed(world, 0, None, 2)

        assert [("stated", 0, 5, 5, None, 2)] == self.found(world)

    def test_a_quantity_nobody_said_is_no_arrival(self, world: World) -> None:
        self.observed(world, 0, on(5), 0)
        self.observed(world, None, None, 2)

        assert [("stated", 0, 5, 5, None, None)] == self.found(world)

    def test_from_sold_out_to_there_again_is_a_lead_time(self, world: World) -> None:
        self.observed(world, 3, None, 0)
        self.observed(world, 0, None, 1)
        self.observed(world, 8, None, 15)

        assert [("restock", 1, 1, 1, 15, None)] == self.found(world)

    def test_a_day_that_was_past_already_is_no_expectation(self, world: World) -> None:
        self.observed(world, 0, on(-1), 0)

        assert [] == self.found(world)

    def test_an_undone_run_takes_its_evidence_back(self, world: World) -> None:
        self.observed(world, 0, on(5), 1)
        self.observed(world, 6, None, 2)
        key = f"item-{self.variant}"

        with world.engine.begin() as db:
            evidence.forget_run(db, world.merchant_id, self.source, 2, [key])
        assert [("stated", 1, 5, 5, None, None)] == self.found(world)
        with world.engine.begin() as db:
            evidence.forget_run(db, world.merchant_id, self.source, 1, [key])
        assert [] == self.found(world)

    def test_a_line_that_leaves_as_its_variant_comes_back_has_arrived(self, world: World) -> None:
        store = world.store()
        world.listing(store, self.variant, 0, stock_id="s", external_id="e")
        other = world.variant("B-1")
        world.listing(store, other, 0, stock_id="t", external_id="f")
        world.observe(self.source, self.variant, 0)

        def record(days: int, *lines: StoreIncoming) -> None:
            with world.engine.begin() as db:
                record_incoming(db, world.merchant_id, store, lines, NOW + timedelta(days=days))
            world.decide(self.variant, at=NOW + timedelta(days=days))

        def line(stock: str, days: int) -> StoreIncoming:
            return StoreIncoming(stock, "#1", stock, "place", 5, NOW + timedelta(days=days))

        record(0, line("s", 3), line("t", 3))
        record(2, line("s", 6), line("t", 3))
        record(7)
        world.observe(self.source, self.variant, 5)
        world.decide(self.variant, at=NOW + timedelta(days=8))

        assert [("shipment", 0, 3, 6, 7, None), ("shipment", 0, 3, 3, None, 7)] == sorted(
            self.found(world), key=lambda row: row[4] is None
        )


def test_lateness_is_learnt_once_a_day_from_finished_and_open_evidence(world: World) -> None:
    """Forty stated days, each late by its number modulo 10; two long overdue."""
    source = world.source()
    for number in range(42):
        began = on(-100 + number)
        world.execute(
            "insert into lead_time_evidence (merchant_id, connection_id, kind, reference, began_on, expected_on,"
            " latest_expected_on, arrived_on) values (:m, :c, 'stated', :r, :b, :e, :e, :a)",
            c=connection_of(world, source),
            r=str(number),
            b=began,
            e=began + timedelta(days=5),
            a=began + timedelta(days=5 + number % 10) if number < 40 else None,
        )

    found = learn(world.engine, world.merchant_id, now=NOW)

    correction = found[connection_of(world, source), "stated"]
    assert isinstance(correction, Correction)
    # Too many of them are open to promise anything to 95 of 100: 2 of 42, and one that never comes.
    assert (correction.days, correction.ended, correction.still_open, correction.own) == (None, 40, 2, 40)
    assert learn_when_due(world.engine, world.merchant_id, now=NOW + timedelta(hours=23)) is False
    world.execute("delete from lead_time_evidence where merchant_id = :m and arrived_on is null")
    assert learn_when_due(world.engine, world.merchant_id, now=NOW + timedelta(hours=25)) is True
    # With the one that never comes the middle of 41 is the 21st: 5 days.
    assert [(9, 5, 5)] == rows(
        world, "select days, typical_days, own_typical_days from lateness where merchant_id = :m"
    )


def test_what_is_open_is_known_only_up_to_when_its_supplier_last_spoke(world: World) -> None:
    """Silent for 50 days: what was due then is not overdue for that, and a supplier that left teaches nothing."""
    silent = world.source(as_of=NOW - timedelta(days=50))
    gone = world.source()
    world.execute("update connection set status = 'ended' where id = :c", c=connection_of(world, gone))
    for source in (silent, gone):
        world.execute(
            "insert into lead_time_evidence (merchant_id, connection_id, kind, reference, began_on, expected_on,"
            " latest_expected_on) values (:m, :c, 'stated', 'a', :b, :e, :e)",
            c=connection_of(world, source),
            b=on(-60),
            e=on(-52),
        )

    found = learn(world.engine, world.merchant_id, now=NOW)

    assert [(connection_of(world, silent), "stated")] == list(found)
    assert 2 == found[connection_of(world, silent), "stated"].days


def test_where_nobody_is_asked_any_more_its_lines_stop(world: World) -> None:
    store, variant = world.store(), world.variant("A-1")
    world.listing(store, variant, 0, stock_id="s", external_id="e")
    line = StoreIncoming("s", "#1", "s", "place", 5, NOW + timedelta(days=3))
    with world.engine.begin() as db:
        record_incoming(db, world.merchant_id, store, [line], NOW)
        forget_incoming(db, world.merchant_id, store)

    assert [(None, True)] == rows(
        world, "select arrived_on, stopped_on is not null from lead_time_evidence where merchant_id = :m"
    )


def test_another_merchants_evidence_teaches_nothing(engine: sa.Engine) -> None:
    mine, theirs = World(engine), World(engine)
    source = theirs.source()
    theirs.execute(
        "insert into lead_time_evidence (merchant_id, connection_id, kind, reference, began_on, expected_on,"
        " latest_expected_on) values (:m, :c, 'stated', 'a', :d, :d, :d)",
        c=connection_of(theirs, source),
        d=TODAY,
    )

    assert (False, {}) == (
        learn_when_due(engine, mine.merchant_id, now=NOW),
        learn(engine, mine.merchant_id, now=NOW),
    )


@pytest.mark.parametrize(
    ("late", "said"),
    [
        pytest.param(None, "how late such dates are is not known yet.", id="nothing known"),
        pytest.param(9, "95% of 60 like it, of this supplier, came within 9 days.", id="corrected"),
    ],
)
def test_why_says_how_the_date_came_about(world: World, late: int | None, said: str) -> None:
    variant, source = sold_out(world, on(3))
    if late is not None:
        late_by(world, source, late)
    world.decide(variant)

    with world.engine.connect() as db:
        lines = explain(db, world.merchant_id, "A-1")[0].lines()

    assert f"  The date rests on {on(3)}; {said}" in lines
