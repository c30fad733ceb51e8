"""Restock episodes: who is told when a variant comes back, and who keeps their place."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connector.outbox.messages import Turn
from connector.outbox.work import serve_turn
from connector.ports.errors import Retryable
from connector.positions.topics import SHOPPERS
from connector.shoppers import episodes
from connector.shoppers.policy import ShopperPolicy, save_policy
from connector.shoppers.subscribe import confirm
from tests.shoppers.parameters import counted
from tests.shoppers.world import TOPICS, World
from tests.support import ManualClock


def people(count: int) -> list[str]:
    return [f"p{number:02}@example.com" for number in range(1, count + 1)]


def test_the_first_wave_is_units_divided_by_the_claim_rate(world: World) -> None:
    world.waiting(*people(8))
    world.set_stock(1)
    world.run()
    assert world.told() == people(5)
    assert world.statuses() == ["fulfilled"] * 5 + ["waiting"] * 3


def test_sales_start_no_further_wave(world: World) -> None:
    world.waiting(*people(12))
    world.set_stock(2)
    world.run()
    assert len(world.told()) == 10
    world.set_stock(1)
    world.run()
    assert len(world.told()) == 10


def test_the_next_are_told_as_the_chances_of_those_invited_fade(world: World, clock: ManualClock) -> None:
    world.waiting(*people(8))
    world.set_stock(1)
    world.run()
    clock.advance(hours=1)
    world.make_due()
    world.run()
    assert len(world.told()) == 5
    clock.advance(hours=1)
    world.make_due()
    world.run()
    assert len(world.told()) == 6
    clock.advance(hours=24)
    world.make_due()
    world.run()
    assert world.told() == people(8)
    assert world.row("select count(*) as n from episode").n == 1
    assert world.row("select count(lapsed_at) as n from invitation").n == 6


def test_the_next_look_is_already_planned(world: World) -> None:
    world.waiting(*people(8))
    world.set_stock(1)
    world.run()
    planned = world.row(
        "select round(extract(epoch from due_at - now()) / 60) as minutes from outbox_message"
        " where status = 'pending' and topic = 'shoppers.position'"
    )
    assert planned.minutes == 30


def test_stock_that_flickers_invites_nobody_in_the_stead_of_those_invited(
    world: World, clock: ManualClock
) -> None:
    world.waiting(*people(8))
    for units in (1, 0, 1, 0, 1):
        world.set_stock(units)
        world.run()
    assert len(world.told()) == 5
    closed = [row.closed_by for row in world.rows("select closed_by from episode order by id")]
    assert closed == ["sold out", "sold out", ""] or closed == ["sold out"]
    clock.advance(hours=24)
    world.make_due()
    world.run()
    assert world.told() == people(8)


def test_a_restock_too_small_or_too_young_tells_nobody(world: World, clock: ManualClock) -> None:
    with world.engine.begin() as db:
        policy = ShopperPolicy(min_units=3, settle_s=120)
        save_policy(db, world.merchant_id, policy, "me", clock.now())
        db.execute(
            sa.text("""
                insert into movement (merchant_id, variant_id, at, cause, reference, available_before,
                                      available_after, state_before, state_after)
                values (1, 1, :now, 'run', '', 0, 2, 'out_of_stock', 'in_stock'),
                       (1, 1, :now, 'run', '', 2, 3, 'in_stock', 'in_stock')
            """),
            {"now": clock.now()},
        )
    world.waiting(*people(8))
    for units, minutes in ((2, 0), (3, 0), (3, 1)):
        world.set_stock(units)
        clock.advance(minutes=minutes)
        world.make_due()
        world.run(rounds=5)
        assert world.told() == []
    clock.advance(minutes=1)
    world.make_due()
    world.run()
    assert world.told() == people(8)


def test_who_waits_for_any_variant_is_told_of_the_first_that_comes(world: World) -> None:
    red = world.add_variant("502", "Red mug")
    world.waiting("ann@example.com", "bob@example.com")
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set product_id = 'mug'"))
        db.execute(sa.text("update subscription set any_of = 'mug' where id = 1"))
    world.set_stock(3, variant_id=red)
    world.run()
    assert world.told() == ["ann@example.com"]
    assert world.mail.sent[0].subject == "Back in stock: Red mug"
    assert world.statuses() == ["fulfilled", "waiting"]
    world.set_stock(3)
    world.run()
    assert world.told() == ["ann@example.com", "bob@example.com"]


def test_a_loyal_customer_goes_first(world: World) -> None:
    world.waiting(*people(8))
    with world.engine.begin() as db:
        db.execute(sa.text("update subscription set priority = 1 where id > 6"))
    world.set_stock(1)
    world.run()
    assert world.told() == [f"p{number:02}@example.com" for number in (7, 8, 1, 2, 3)]


def test_a_position_decided_again_and_again_is_one_episode(world: World) -> None:
    world.waiting(*people(8))
    for units in (1, 1, 1):
        world.set_stock(units)
        world.run()
    assert len(world.told()) == 5
    assert world.row("select count(*) as n from episode").n == 1


@pytest.mark.parametrize("state", ["backorder", "preorder", "made_to_order", "restocking"])
def test_only_stock_opens_an_episode(world: World, state: str) -> None:
    world.waiting("ann@example.com")
    world.set_stock(3, state=state)
    world.run()
    assert world.told() == []
    assert world.rows("select id from episode") == []


def test_nobody_is_told_before_the_store_shows_it(world: World) -> None:
    world.waiting("ann@example.com")
    world.set_stock(3, confirmed=0)
    world.run()
    assert world.told() == []
    assert world.statuses() == ["waiting"]
    waits = world.row(
        "select extract(epoch from due_at - now()) as s from outbox_message where status = 'pending'"
    )
    assert 0 < waits.s <= 3
    world.set_stock(3)
    world.run()
    assert world.told() == ["ann@example.com"]


@pytest.mark.parametrize(
    "change",
    ["is_managed = false", "is_published = false", "is_excluded = true", "is_gone = true"],
)
def test_a_listing_nobody_can_buy_from_tells_nobody(world: World, change: str) -> None:
    world.waiting("ann@example.com")
    with world.engine.begin() as db:
        db.execute(sa.text(f"update listing set {change}"))
    world.set_stock(3)
    world.run(rounds=3)
    assert world.told() == []
    assert world.statuses() == ["waiting"]


def test_shoppers_of_another_store_wait_until_their_own_store_shows_it(world: World) -> None:
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                insert into connection (merchant_id, kind, adapter, name, public_key, created_at)
                values (1, 'store', 'shopify', 'Second', 'pk-second', now())
            """)
        )
    ids = world.waiting("ann@example.com", "bob@example.com")
    with world.engine.begin() as db:
        db.execute(sa.text("update subscription set connection_id = 2 where id = :i"), {"i": ids[0]})
    world.set_stock(3)
    world.run(rounds=5)
    assert world.told() == ["bob@example.com"]
    assert world.statuses() == ["waiting", "fulfilled"]


def test_nobody_is_told_while_the_merchant_froze_everything(world: World) -> None:
    world.waiting("ann@example.com")
    with world.engine.begin() as db:
        db.execute(sa.text("update merchant set is_frozen = true"))
    world.set_stock(3)
    world.run()
    assert world.told() == []
    with world.engine.begin() as db:
        db.execute(sa.text("update merchant set is_frozen = false"))
    world.make_due()
    world.run()
    assert world.told() == ["ann@example.com"]


def test_somebody_who_confirms_after_the_restock_is_told_too(world: World) -> None:
    world.sign_up("ann@example.com")
    world.run()
    world.set_stock(3)
    world.run()
    assert confirm(world, world.merchant_id, 1)
    world.run()
    assert world.mail.sent[-1].subject == "Back in stock: Blue mug"
    assert world.statuses() == ["fulfilled"]


def test_without_anybody_waiting_nothing_is_written(world: World) -> None:
    world.set_stock(3)
    world.run()
    assert world.rows("select id from episode") == []
    assert world.rows("select id from outbox_message where status = 'pending'") == []


def test_a_crowd_is_told_in_order_in_one_look_of_several_transactions(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fifty a transaction: how many hundreds they are changes nothing but the time it takes."""
    monkeypatch.setattr(episodes, "MOST_PER_TRANSACTION", 50)
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                insert into subscription (merchant_id, variant_id, connection_id, address, address_key,
                                          status, created_at, confirmed_at)
                select 1, 1, 1, 'p' || n || '@example.com', 'p' || n || '@example.com', 'waiting', :now, :now
                  from generate_series(1, 120) n order by n
            """),
            {"now": clock.now()},
        )
    world.set_stock(22)
    serve_turn(world, Turn(world.merchant_id, SHOPPERS, 0), TOPICS)
    transactions = world.rows("select count(*) as n from invitation group by xmin::text order by min(id)")
    assert [row.n for row in transactions] == [50, 50, 10]
    invited = world.rows("select subscription_id as id from invitation order by id")
    assert [row.id for row in invited] == list(range(1, 111))
    world.run()
    assert world.told() == [f"p{number}@example.com" for number in range(1, 111)]
    assert world.statuses() == ["fulfilled"] * 110 + ["waiting"] * 10


def test_two_workers_at_once_invite_nobody_twice(world: World) -> None:
    import threading

    world.waiting(*people(9))
    world.set_stock(1)
    start = threading.Barrier(4)

    def look() -> None:
        start.wait()
        episodes.look(world, world.merchant_id, world.variant_id)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.row("select count(*) as n from invitation").n == 5
    assert world.statuses() == ["invited"] * 5 + ["waiting"] * 4


def test_a_merchants_people_are_not_told_of_anothers_stock(world: World, clock: ManualClock) -> None:
    world.waiting("ann@example.com")
    stranger = World(world.engine, clock).seed()
    stranger.set_stock(9)
    stranger.run()
    assert stranger.told() == []
    assert world.statuses() == ["waiting"]


def test_invitations_that_lapse_together_are_never_named_one_by_one(world: World, clock: ManualClock) -> None:
    """A restock of thousands: a day later all their invitations lapse in one look."""
    world.waiting(*people(20))
    world.set_stock(20)
    world.run()
    clock.advance(hours=25)
    with counted(world.engine) as values:
        episodes.look(world, world.merchant_id, world.variant_id)
    assert world.row("select count(*) as n from invitation where lapsed_at is not null").n == 20
    assert max(values) < 20


def test_a_way_that_is_down_for_longer_than_a_day_holds_nobody_else_up(
    world: World, clock: ManualClock
) -> None:
    """Five a unit are told at most: five whom nothing reaches must not be all, for as long as it lasts."""
    world.waiting(*people(7))
    world.set_stock(1)
    world.mail.faults += [Retryable("sms", "message", "The provider is down.") for _ in range(5)]
    world.run()
    assert (world.told(), world.statuses()) == ([], ["invited"] * 5 + ["waiting"] * 2)
    clock.advance(hours=23)
    episodes.look(world, world.merchant_id, world.variant_id)
    assert world.statuses() == ["invited"] * 5 + ["waiting"] * 2
    clock.advance(hours=1)
    world.set_stock(1)
    world.run()
    assert world.told() == people(7)[5:]
    # They have not lost their turn: the unit is still there when they can be reached again.
    world.make_due()
    world.run()
    assert world.told() == [*people(7)[5:], *people(7)[:5]]
