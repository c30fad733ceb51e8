"""What those who wait hear before it is back: a later date, once and truly; similar products, if they agreed."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.positions.tables import Promise
from connector.shoppers import meanwhile
from connector.shoppers.policy import ShopperPolicy, save_policy
from tests.shoppers.test_alternatives import furnish
from tests.shoppers.world import World
from tests.support import ManualClock


def show(world: World, day: int | None) -> None:
    """The page names this day of January (None: no day), as deciding keeps it."""
    on = None if day is None else date(2026, 1, 1) + timedelta(days=day - 1)
    with world.engine.begin() as db:
        is_there = db.scalar(sa.select(Promise.id))  # type: ignore[call-overload]
        if on is not None and is_there is None:
            db.execute(
                sa.insert(Promise.__table__).values(
                    merchant_id=world.merchant_id,
                    variant_id=world.variant_id,
                    shown_at=world.now(),
                    first_shown_on=on,
                    latest_shown_on=on,
                    basis="stated",
                )
            )
        elif on is not None:
            db.execute(
                sa.text(
                    "update promise set latest_shown_on = :on, slips = slips + 1, slipped_at = :now"
                    " where restocked_at is null and latest_shown_on < :on"
                ),
                {"on": on, "now": world.now()},
            )
    world.set_stock(0, state="restocking" if on else "", restock_on=on, restock_until=on)


def set_policy(world: World, **says: Any) -> None:
    with world.engine.begin() as db:
        save_policy(db, world.merchant_id, ShopperPolicy(**says), "a@shop.test", world.now())


def pass_hours(world: World, clock: ManualClock, hours: float) -> None:
    clock.advance(hours=hours)
    world.make_due()
    world.run()


def slips(world: World) -> list[tuple[str, str, str]]:
    return [
        (row.status, row.context["old_on"], row.context["new_on"])
        for row in world.rows("select status, context from message where kind = 'date_slipped' order by id")
    ]


def test_who_was_shown_a_date_is_told_once_that_it_moved(world: World, clock: ManualClock) -> None:
    world.waiting("early@example.com")
    clock.advance(minutes=1)
    show(world, 12)
    clock.advance(minutes=1)
    world.waiting("ann@example.com")
    show(world, 20)
    world.run()
    assert world.told() == []  # an hour to correct it
    pass_hours(world, clock, 1.1)
    assert world.told() == ["ann@example.com"]
    (message,) = world.mail.sent
    assert message.subject == "Later than we told you: Blue mug"
    assert "We told you: by 12 January 2026\nExpected now: by 20 January 2026" in message.text
    assert "only=1" in message.text
    assert message.unsubscribe_url.endswith("?lang=en")
    assert world.statuses() == ["waiting", "waiting"]
    pass_hours(world, clock, 200)
    assert slips(world) == [("sent", "2026-01-12", "2026-01-20")]


def test_the_confirmation_names_the_day_that_may_move(world: World) -> None:
    show(world, 12)
    world.sign_up("ann@example.com")
    world.run()
    assert "one if it will be later than 12 January 2026" in world.mail.sent[0].text


def test_a_date_that_moves_back_within_the_hour_is_told_to_nobody(world: World, clock: ManualClock) -> None:
    show(world, 12)
    world.waiting("ann@example.com")
    show(world, 20)
    world.run()
    show(world, 13)
    pass_hours(world, clock, 2)
    assert world.told() == []
    assert [status for status, *_ in slips(world)] == ["skipped"]
    assert world.row("select note from message where kind = 'date_slipped'").note == (
        "The date moved back to what they were told."
    )


@pytest.mark.parametrize(("day", "told"), [(14, []), (15, ["ann@example.com"])])
def test_only_a_slip_of_real_size_is_told(
    world: World, clock: ManualClock, day: int, told: list[str]
) -> None:
    show(world, 12)
    world.waiting("ann@example.com")
    show(world, day)
    world.run()
    pass_hours(world, clock, 2)
    assert world.told() == told


def test_the_message_says_the_day_that_holds_when_it_leaves(world: World, clock: ManualClock) -> None:
    show(world, 12)
    world.waiting("ann@example.com")
    show(world, 20)
    world.run()
    show(world, 25)
    pass_hours(world, clock, 2)
    assert slips(world) == [("sent", "2026-01-12", "2026-01-25")]
    assert "Expected now: by 25 January 2026" in world.mail.sent[0].text


def test_a_second_slip_is_told_when_some_days_have_passed(world: World, clock: ManualClock) -> None:
    show(world, 12)
    world.waiting("ann@example.com")
    show(world, 20)
    world.run()
    pass_hours(world, clock, 2)
    show(world, 30)
    world.run()
    pass_hours(world, clock, 24)
    assert len(slips(world)) == 1
    pass_hours(world, clock, 72)
    pass_hours(world, clock, 2)
    assert slips(world) == [("sent", "2026-01-12", "2026-01-20"), ("sent", "2026-01-20", "2026-01-30")]


def test_back_before_it_left_means_only_the_good_news(world: World, clock: ManualClock) -> None:
    show(world, 12)
    world.waiting("ann@example.com")
    show(world, 20)
    world.run()
    world.set_stock(2, restock_on=None, restock_until=None)
    pass_hours(world, clock, 2)
    assert [message.subject for message in world.mail.sent] == ["Back in stock: Blue mug"]
    assert [status for status, *_ in slips(world)] == ["skipped"]


def test_a_merchant_can_switch_it_off(world: World, clock: ManualClock) -> None:
    set_policy(world, tells_slips=False)
    show(world, 12)
    world.waiting("ann@example.com")
    show(world, 20)
    world.run()
    pass_hours(world, clock, 2)
    assert slips(world) == []


# --- Similar products ---------------------------------------------------------------------------------


def agree(world: World, address: str) -> None:
    with world.engine.begin() as db:
        db.execute(
            sa.text("update subscription set wants_marketing = true where address = :a"), {"a": address}
        )


def test_who_waits_long_and_agreed_hears_once_of_similar_products(world: World, clock: ManualClock) -> None:
    furnish(world)
    set_policy(world, suggests_after_days=30)
    world.waiting("ann@example.com", "bob@example.com")
    agree(world, "ann@example.com")
    world.set_stock(0)
    world.run()
    assert world.told() == []
    pass_hours(world, clock, 30 * 24 + 1)
    assert world.told() == ["ann@example.com"]
    (message,) = world.mail.sent
    assert message.subject == "In stock instead of Blue mug"
    assert "Green mug · €19.99\n    https://shop.test/product/601/" in message.text
    pass_hours(world, clock, 60 * 24)
    assert world.message_statuses("alternatives") == ["sent"]


def test_discontinued_is_told_at_once_with_the_price_of_that_moment(world: World) -> None:
    furnish(world)
    set_policy(world, suggests_after_days=365)
    world.waiting("ann@example.com")
    agree(world, "ann@example.com")
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set price_minor = 2150 where external_id = '601'"))
    world.set_stock(0, state="discontinued")
    world.run()
    assert "Blue mug is no longer sold." in world.mail.sent[0].text
    assert "€21.50" in world.mail.sent[0].text


def test_nobody_hears_of_similar_products_unless_the_merchant_wants_it(world: World) -> None:
    furnish(world)
    world.waiting("ann@example.com")
    agree(world, "ann@example.com")
    world.set_stock(0, state="discontinued")
    world.run()
    assert world.message_statuses("alternatives") == []


def test_who_was_not_told_because_it_sold_out_that_moment_is_told_later(
    world: World, clock: ManualClock
) -> None:
    furnish(world)
    set_policy(world, suggests_after_days=365, quiet_from=time(0), quiet_until=time(23, 59))
    world.waiting("ann@example.com")
    agree(world, "ann@example.com")
    world.set_stock(0, state="discontinued")
    world.run()
    green = world.row("select variant_id as id from listing where external_id = '601'").id
    world.set_stock(0, variant_id=green)
    set_policy(world, suggests_after_days=365)
    pass_hours(world, clock, 24)
    assert (world.told(), world.message_statuses("alternatives")) == ([], ["skipped"])
    world.set_stock(9, variant_id=green)
    pass_hours(world, clock, 24)
    assert world.told() == ["ann@example.com"]


def test_a_store_with_nothing_similar_keeps_nobody_of_another_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(world)
    set_policy(world, suggests_after_days=365)
    world.waiting("ann@example.com", "bob@example.com", "cid@example.com")
    with world.engine.begin() as db:
        # The first two stand in a store that sells nothing else.
        db.exec_driver_sql("""
            insert into connection (merchant_id, kind, adapter, name, public_key, created_at)
            values (1, 'store', 'woocommerce', 'Other', 'pk-other', now())
        """)
        db.exec_driver_sql("update subscription set wants_marketing = true")
        db.exec_driver_sql("update subscription set connection_id = 2 where address <> 'cid@example.com'")
    monkeypatch.setattr(meanwhile, "MOST_PER_TRANSACTION", 1)
    world.set_stock(0, state="discontinued")
    world.run()
    assert world.told() == ["cid@example.com"]
