"""The claim rate: what it starts from, and what orders teach."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa

from connector.shoppers.claims import Learned, claim, learned
from tests.shoppers.world import World
from tests.support import ManualClock

FIFTH = Decimal("0.2")


def rate(world: World, variant_id: int = 0) -> Learned:
    with world.engine.connect() as db:
        return learned(db, world.merchant_id, variant_id or world.variant_id, FIFTH, world.now())


def invited(world: World, count: int, bought: int, clock: ManualClock) -> None:
    """`count` people told of 100 units; the first `bought` order an hour later; a day passes."""
    world.waiting(*(f"p{number:03}@example.com" for number in range(count)))
    world.set_stock(100)
    world.run()
    clock.advance(hours=1)
    with world.engine.begin() as db:
        for invitation_id in range(1, bought + 1):
            assert claim(
                db,
                world.merchant_id,
                invitation_id,
                order_id=f"o{invitation_id}",
                units=1,
                amount_minor=1999,
                currency="EUR",
                at=clock.now(),
            )
    clock.advance(hours=23)


def test_without_an_order_the_setting_stays(world: World, clock: ManualClock) -> None:
    invited(world, 10, 0, clock)
    assert rate(world) == Learned(FIFTH, timedelta(hours=6))


def test_orders_move_the_rate_of_the_product_and_less_that_of_others(
    world: World, clock: ManualClock
) -> None:
    other = world.add_variant("502", "Red mug")
    invited(world, 20, 10, clock)
    own, elsewhere = rate(world), rate(world, other)
    # 10 bought and 10 waited for a whole day: (50·0.2 + 10) / (50 + 20 − a rest of 2 %) for the merchant.
    assert round(elsewhere.claim_rate, 2) == Decimal("0.29")
    assert own.claim_rate == Decimal("0.395")
    assert (own.claims, round(own.chances), own.is_learned) == (10, 20, True)
    assert own.typical_delay == timedelta(seconds=(20 * 6 + 10 * 1) * 3600 / 30)


def test_those_who_had_an_hour_only_say_little(world: World, clock: ManualClock) -> None:
    invited(world, 20, 1, clock)
    with world.engine.begin() as db:
        db.execute(sa.text("update episode set closed_at = opened_at + interval '1 hour'"))
    assert 1 < rate(world).chances < 5


def test_the_first_order_stays(world: World, clock: ManualClock) -> None:
    invited(world, 1, 1, clock)
    with world.engine.begin() as db:
        again = claim(db, 1, 1, order_id="o9", units=2, amount_minor=1, currency="EUR", at=clock.now())
    assert not again
    assert world.row("select order_id from invitation").order_id == "o1"


def test_another_merchants_orders_teach_nothing(world: World, clock: ManualClock) -> None:
    invited(world, 20, 10, clock)
    stranger = World(world.engine, clock).seed()
    assert rate(stranger) == Learned(FIFTH, timedelta(hours=6))


def test_a_message_that_left_after_its_episode_had_closed_is_no_chance_and_no_debt(
    world: World, clock: ManualClock
) -> None:
    """Sold out in the night, back in the morning: what had waited for the quiet hours left then."""
    invited(world, 20, 1, clock)
    before = rate(world)
    with world.engine.begin() as db:
        db.execute(sa.text("update episode set closed_at = opened_at - interval '9 hours'"))
    told = rate(world)
    assert (told.claims, told.chances) == (1, 1.0)
    assert told.claim_rate > before.claim_rate


def test_an_order_placed_before_its_message_was_surely_sent_takes_no_time(
    world: World, clock: ManualClock
) -> None:
    invited(world, 1, 1, clock)
    with world.engine.begin() as db:
        db.execute(sa.text("update message set settled_at = settled_at + interval '20 hours'"))
    assert rate(world).typical_delay == timedelta(seconds=20 * 6 * 3600 / 21)
