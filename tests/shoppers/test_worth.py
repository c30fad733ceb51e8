"""What alerts came to, in all and by product; what was looked at, as sums without anybody."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.shoppers import interest, worth
from connector.shoppers.claims import claim, learned, learned_of_each
from connector.shoppers.interest import InterestCounter, is_robot
from connector.shoppers.policy import ShopperPolicy, save_policy
from connector.shoppers.worth import Funnel
from tests.shoppers.world import KEY, World
from tests.support import ManualClock

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


def told_clicked_bought(world: World, clock: ManualClock) -> None:
    """Four people are told of the mug; three click, one of them in vain; the first buys two for 39.98. One more signs
    up afterwards."""
    world.waiting(*(f"p{number}@example.com" for number in range(4)))
    world.set_stock(100)
    world.run()
    clock.advance(hours=1)
    with world.engine.begin() as db:
        db.execute(
            sa.text("update invitation set clicked_at = :now, clicked_gone = (id = 2) where id <= 3"),
            {"now": clock.now()},
        )
        given: dict[str, Any] = {"order_id": "o1", "units": 2, "amount_minor": 3998, "currency": "EUR"}
        assert claim(db, world.merchant_id, 1, **given, at=clock.now())
    world.set_stock(0)
    world.run()
    world.waiting("late@example.com", wanted_units=3)


def test_sums_of_a_merchant_and_of_a_product(world: World, clock: ManualClock) -> None:
    began = clock.now()
    told_clicked_bought(world, clock)
    plate = world.add_variant("502", "Plate")
    with world.engine.connect() as db:
        found = worth.worth(db, world.merchant_id, began)
        assert (found.people, found.units, found.products) == (1, 3, 1)
        assert found.funnel == Funnel(told=4, clicked=3, in_vain=1, ordered=1, units_ordered=2)
        assert (found.funnel.conversion, found.funnel.disappointed) == (0.25, 1 / 3)
        assert found.revenue == (("EUR", 3998),)
        assert found.messages == {"sent": 4, "waiting": 0, "unknown": 0, "failed": 0, "skipped": 0}

        (row,) = worth.products(db, world.merchant_id, began)
        assert (row.sku, row.people, row.units, row.told, row.ordered, row.revenue) == (
            ("501", 1, 3, 4, 1, {"EUR": 3998})
        )  # fmt: skip
        one = worth.product(db, world.merchant_id, world.variant_id, began)
        assert one is not None
        assert worth.funnel_of(one) == found.funnel
        assert (one.people, one.units, one.revenue) == (1, 3, {"EUR": 3998})
        unknown = worth.product(db, world.merchant_id, plate, began)
        assert unknown is not None
        assert (unknown.people, unknown.told, unknown.revenue) == (0, 0, None)
        assert worth.product(db, world.merchant_id + 1, world.variant_id, began) is None

        (episode,) = worth.episodes(db, world.merchant_id, world.variant_id)
        assert (episode.units_at_open, episode.closed_by) == (100, "sold out")
        assert worth.funnel_of(episode) == found.funnel
        (day,) = worth.days(db, world.merchant_id, world.variant_id, began, "UTC")
        assert (day.day, day.joined, day.told) == (date(2026, 1, 5), 5, 4)
        kinds = [row.kind for row in worth.messages(db, world.merchant_id, world.variant_id)]
        assert sorted(kinds) == ["back_in_stock"] * 4 + ["confirm"] * 5

        # Of each product at once what is learned of one; of a stranger nothing.
        setting, now = world.row("select claim_rate from merchant").claim_rate, clock.now()
        of_each = learned_of_each(db, world.merchant_id, [world.variant_id, plate], setting, now)
        for variant_id in (world.variant_id, plate):
            assert of_each[variant_id] == learned(db, world.merchant_id, variant_id, setting, now)
        later = worth.worth(db, world.merchant_id, now + timedelta(days=1))
        assert (later.people, later.funnel, later.revenue) == (1, Funnel(), ())
        assert not worth.worth(db, world.merchant_id + 1, began).has_any


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (FIREFOX, False),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/140.0", True),
        ("curl/8.5.0", True),
        (" ", True),
    ],
    ids=["a browser", "a robot", "no screen", "a library", "nothing"],
)
def test_robots_do_not_count(agent: str, expected: bool) -> None:
    assert is_robot(agent) == expected


def test_looks_are_sums_by_day_where_the_merchant_wants_them(world: World, clock: ManualClock) -> None:
    time = [0.0]
    counter = InterestCounter(lambda: world.engine, every_s=3600, clock=lambda: time[0])
    sold_out, here = {"501": {"state": "out_of_stock"}}, {"501": {"state": "in_stock"}}

    def look(*shown: dict[str, dict[str, str]], agent: str = FIREFOX) -> None:
        for items in shown:
            counter.looked(KEY, items, agent, clock.now())

    look(sold_out)
    assert counter.flush() == 0
    with world.engine.begin() as db:
        save_policy(db, world.merchant_id, ShopperPolicy(counts_interest=True), "me", clock.now())
    look(sold_out)
    assert counter.flush() == 0, "asked anew only after a while"
    time[0] += 3600
    look(sold_out, sold_out, here, {"501": {"state": "discontinued"}}, {**here, "502": {"state": "in_stock"}})
    look(sold_out, agent="Googlebot/2.1")
    counter.signed_up(KEY, "501", clock.now())
    counter.signed_up(KEY, "no such item", clock.now())
    assert counter.flush() == 4
    look(sold_out)
    assert counter.flush() == 1
    with world.engine.begin() as db:
        since = clock.now().date()
        kinds = {"sold_out": 3, "available": 1, "sign_up": 1}
        assert worth.looks(db, world.merchant_id, world.variant_id, since) == kinds
        assert interest.prune(db, clock.now() + timedelta(days=730)) == 0
        assert interest.prune(db, clock.now() + timedelta(days=731)) == 3
