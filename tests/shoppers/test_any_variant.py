"""One person, one wish: any variant of a product and its single variants do not add up to two messages."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connector.ports.errors import Rejected
from connector.shoppers.offer import Offer
from connector.shoppers.subscribe import confirm
from tests.shoppers.world import World
from tests.support import ManualClock

ANY = {"offer": Offer(any_of="501"), "wants_any": True}


@pytest.fixture
def world(engine: sa.Engine, clock: ManualClock) -> World:
    """A mug in two colours, 501 and 502, and a bowl."""
    world = World(engine, clock).seed()
    world.add_variant("502", "Red mug")
    world.add_variant("600", "Bowl")
    with engine.begin() as db:
        db.execute(sa.text("update listing set product_id = '501' where external_id = '502'"))
    return world


def open_rows(world: World) -> list[tuple[str, str]]:
    found = world.rows("select any_of, status from subscription where status <> 'ended' order by id")
    return [(row.any_of, row.status) for row in found]


def test_any_variant_is_told_of_whichever_comes_back_first(world: World) -> None:
    world.waiting("ann@example.com", **ANY)
    world.set_stock(1, variant_id=2)
    world.run()
    assert world.told() == ["ann@example.com"]
    assert "Red mug" in world.mail.sent[0].subject
    world.set_stock(1)
    world.run()
    assert len(world.told()) == 1


def test_asking_from_each_variant_leaves_one_row_and_one_message(world: World) -> None:
    for _ in range(20):
        world.sign_up("ann@example.com", **ANY)
        world.sign_up("Ann@example.com", external_id="502", **ANY)
    world.run()
    assert open_rows(world) == [("501", "unconfirmed")]
    assert world.told() == ["ann@example.com"]


def test_who_waits_for_any_variant_waits_for_each(world: World) -> None:
    world.waiting("ann@example.com", **ANY)
    world.sign_up("ann@example.com", external_id="502")
    world.sign_up("ann@example.com", external_id="600")
    assert open_rows(world) == [("501", "waiting"), ("", "unconfirmed")]


def test_any_variant_takes_the_place_of_single_ones_once_confirmed(world: World) -> None:
    world.waiting("ann@example.com")
    world.waiting("ann@example.com", external_id="600")
    world.waiting("bob@example.com")
    world.sign_up("ann@example.com", external_id="502", **ANY)
    # Anybody could have typed it: nothing changes before its owner says so.
    assert world.statuses() == ["waiting", "waiting", "waiting", "unconfirmed"]
    assert confirm(world, world.merchant_id, 4)
    assert world.statuses() == ["ended", "waiting", "waiting", "waiting"]
    assert world.row("select ended_by from subscription where id = 1").ended_by == "any variant"


def test_a_single_one_confirmed_after_any_adds_nothing(world: World) -> None:
    world.sign_up("ann@example.com", external_id="502")
    world.sign_up("ann@example.com", **ANY)
    assert confirm(world, world.merchant_id, 2)
    world.sign_up("ann@example.com", external_id="502")
    assert open_rows(world) == [("501", "waiting")]
    world.run()
    assert "501" == world.row("select any_of from subscription where status = 'waiting'").any_of


def test_the_last_sign_up_before_the_confirmation_says_what_is_wanted(world: World) -> None:
    world.sign_up("ann@example.com", wanted_units=1, time_zone="Mars/Olympus")
    assert world.row("select time_zone from subscription").time_zone == ""
    world.sign_up("ann@example.com", wanted_units=4, time_zone="Europe/Lisbon", **ANY)
    row = world.row("select wanted_units, time_zone, any_of, status from subscription")
    assert (4, "Europe/Lisbon", "501", "unconfirmed") == tuple(row)
    confirm(world, world.merchant_id, 1)
    world.sign_up("ann@example.com", wanted_units=9)
    assert world.row("select wanted_units from subscription").wanted_units == 4


def test_a_failed_message_keeps_nobody_from_signing_up_at_another_variant(world: World) -> None:
    world.waiting("ann@example.com", **ANY)
    world.mail.faults.append(Rejected("email", "mailbox", "The mailbox does not exist."))
    world.set_stock(1, variant_id=2)
    world.run()
    assert world.statuses() == ["invited"]
    world.sign_up("ann@example.com", **ANY)
    assert world.statuses() == ["ended", "unconfirmed"]


def test_what_is_not_offered_nobody_gets(world: World) -> None:
    world.sign_up("ann@example.com", wants_any=True, marketing_text="1: Yes.")
    row = world.row("select any_of, wants_marketing, marketing_text from subscription")
    assert ("", False, "") == tuple(row)
