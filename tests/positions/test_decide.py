"""Deciding against the database: positions, movements, listings, intents, promises."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from connector.positions.decide import enqueue_store
from connector.positions.recheck import recheck
from connector.positions.why import explain
from tests.builders import NOW, World


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def test_a_decision_reaches_position_movement_listing_and_outbox_together(world: World) -> None:
    store = world.store()
    variant, source = world.variant("A-1"), world.source()
    listing = world.listing(store, variant, 9)
    world.observe(source, variant, 4)

    decided = world.decide(variant)

    assert (decided.decided, decided.changed) == (1, 1)
    position = world.position(variant)
    assert (position.available, position.state, position.version) == (4, "in_stock", 1)
    row = world.listing_row(listing)
    assert (row.wanted_available, row.wanted_state, row.believed_available) == (4, "in_stock", 9)
    assert [
        ("store.quantity", str(listing), 2),
        ("ads.position", str(variant), 5),
        ("shoppers.position", str(variant), 5),
    ] == world.pending()


def test_deciding_again_with_the_same_facts_changes_nothing(world: World) -> None:
    variant = world.sellable("A-1", 4, stores=[world.store()])
    before = world.position(variant)
    world.forget_intents()

    decided = world.decide(variant, at=NOW + timedelta(hours=1))

    assert (decided.decided, decided.changed) == (1, 0)
    assert before == world.position(variant)


@pytest.mark.parametrize(
    ("shown", "observed", "lane"),
    [
        pytest.param(9, 0, 1, id="to zero first"),
        pytest.param(9, 4, 2, id="then decreases"),
        pytest.param(None, 4, 2, id="an unknown number may be too high"),
        pytest.param(0, 4, 3, id="then back from zero"),
        pytest.param(2, 4, 4, id="then increases"),
    ],
)
def test_the_lane_follows_the_danger(world: World, shown: int | None, observed: int, lane: int) -> None:
    variant, source = world.variant("A-1"), world.source()
    listing = world.listing(world.store(), variant, shown)
    world.observe(source, variant, observed)

    world.decide(variant)

    assert ("store.quantity", str(listing), lane) in world.pending()


@pytest.mark.parametrize(
    ("store", "listing"),
    [
        pytest.param({"writes": False}, {}, id="first difference not approved"),
        pytest.param({"is_writing_stopped": True}, {}, id="writing stopped"),
        pytest.param({"status": "paused"}, {}, id="connection paused"),
        pytest.param({}, {"is_managed": False}, id="not under management"),
        pytest.param({}, {"is_excluded": True}, id="taken out by the merchant"),
        pytest.param({}, {"problem": "Its stock is managed at the parent."}, id="cannot be written"),
    ],
)
def test_nothing_is_enqueued_for_what_may_not_be_written(
    world: World, store: dict[str, object], listing: dict[str, object]
) -> None:
    variant, source = world.variant("A-1"), world.source()
    world.listing(world.store(**store), variant, 9, **listing)
    world.observe(source, variant, 4)

    world.decide(variant)

    assert [intent for intent in world.pending() if intent[0].startswith("store.")] == []


def test_after_approval_the_whole_difference_is_enqueued(world: World) -> None:
    store = world.store(writes=False)
    low, same = world.variant("LOW"), world.variant("SAME")
    source = world.source()
    listing = world.listing(store, low, 9)
    right = world.listing(store, same, 7, believed_state="in_stock")
    world.observe(source, low, 0)
    world.observe(source, same, 7)
    world.decide(low, same)
    world.forget_intents()

    world.execute("update connection set writing_approved_at = now() where id = :c", c=store)
    with world.engine.begin() as db:
        count = enqueue_store(db, world.merchant_id, store)

    assert count == 1
    assert [("store.quantity", str(listing), 1)] == world.pending()
    assert str(right) not in [subject for _, subject, _ in world.pending()]


def test_another_merchants_variants_are_left_alone(engine: sa.Engine) -> None:
    mine, theirs = World(engine), World(engine)
    variant = theirs.sellable("A-1", 4)

    decided = mine.decide(variant)

    assert decided.decided == 0
    assert theirs.position(variant).available == 4


def test_a_promise_is_kept_or_broken_against_the_first_date_shown(world: World) -> None:
    source = world.source()
    kept, broken = world.variant("KEPT"), world.variant("BROKEN")
    soon = NOW.date() + timedelta(days=3)
    for variant in (kept, broken):
        world.observe(source, variant, 0, restock_on=soon)
    world.decide(kept, broken)
    world.observe(source, broken, 0, restock_on=soon + timedelta(days=9))
    world.decide(broken)

    for variant, days in ((kept, 2), (broken, 5)):
        world.observe(source, variant, 6)
        world.decide(variant, at=NOW + timedelta(days=days))

    with world.engine.connect() as db:
        rows = db.execute(
            sa.text("select variant_id, is_kept, first_shown_on, latest_shown_on from promise order by 1")
        ).all()
    assert [
        (kept, True, soon, soon),
        (broken, False, soon, soon + timedelta(days=9)),
    ] == [tuple(row) for row in rows]


def test_a_date_that_passed_is_taken_down_by_time_alone(world: World) -> None:
    variant, source = world.variant("A-1"), world.source()
    world.observe(source, variant, 0, restock_on=NOW.date() + timedelta(days=1))
    world.decide(variant)
    assert world.position(variant).state == "restocking"

    nothing_yet = recheck(world.engine, world.merchant_id, now=NOW + timedelta(days=1))
    changed = recheck(world.engine, world.merchant_id, now=NOW + timedelta(days=2, seconds=2))

    assert (nothing_yet, changed) == (0, 1)
    position = world.position(variant)
    assert (position.state, position.restock_on) == ("out_of_stock", None)


def test_a_blank_quantity_that_was_never_known_decides_nothing(world: World) -> None:
    """Blank is unknown, not zero: the store keeps what it says until somebody names a number."""
    store, variant = world.store(), world.variant("A-1")
    listing = world.listing(store, variant, 7, external_id="e")
    source = world.source()
    world.observe(source, variant, None, line=12)

    world.decide(variant)

    assert (None, []) == (world.listing_row(listing).wanted_available, world.pending())
    with world.engine.connect() as db:
        said = explain(db, world.merchant_id, "A-1")[0].lines()
    assert "It was never decided: no supplier that lists it has said how many there are." == said[1]
    assert "no quantity (line 12" in said[2]


def test_what_one_supplier_lists_twice_is_explained_part_by_part(world: World) -> None:
    store, variant = world.store(), world.variant("A-1")
    world.listing(store, variant, 7, external_id="e")
    source = world.source()
    world.observe(source, variant, 2, item_key="a")
    world.observe(source, variant, 5, item_key="b")
    world.execute(
        "insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at, origin,"
        " reference) values (:m, :c, :v, :s, 3, :at, 'order', 'o-1')",
        c=store,
        v=variant,
        s=source,
        at=NOW + timedelta(hours=1),
    )

    world.decide(variant)

    with world.engine.connect() as db:
        found = explain(db, world.merchant_id, "A-1")[0]
    assert [(2, 2), (5, 1)] == [(part["quantity"], part["deducted"]) for part in found.sources]
    assert 4 == found.available


def test_what_nobody_knows_of_is_asked_once_when_its_time_has_come(world: World) -> None:
    variant, source = world.variant("A-1"), world.source()
    world.observe(source, variant, 5)
    world.decide(variant)
    world.observe(source, variant, None)
    world.execute("update position set recheck_at = :at where merchant_id = :m", at=NOW)

    assert 0 == recheck(world.engine, world.merchant_id, now=NOW + timedelta(minutes=1))

    position = world.position(variant)
    assert (5, None) == (position.available, position.recheck_at)
