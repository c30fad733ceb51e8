"""Who has waited for nearly a year is asked once, and only an answer keeps them."""

from __future__ import annotations

from connector.shoppers import still
from connector.shoppers.unsubscribe import Person, find_person, wait_again
from tests.shoppers.parameters import counted
from tests.shoppers.world import World
from tests.support import ManualClock


def ended(world: World) -> int:
    with world.engine.begin() as db:
        return still.end_unanswered(db, world.merchant_id, world.now())


def test_they_are_asked_once_and_end_without_an_answer(world: World, clock: ManualClock) -> None:
    world.waiting("ann@example.com")
    clock.advance(days=334, hours=23)
    assert still.ask(world, world.merchant_id) == 0
    clock.advance(hours=1)
    assert still.ask(world, world.merchant_id + 1) == 0
    assert still.ask(world, world.merchant_id) == 1
    assert still.ask(world, world.merchant_id) == 0
    world.run()
    (question,) = world.mail.sent
    assert question.subject == "Do you still want Blue mug?"
    assert "/still/" in question.text
    assert world.statuses() == ["waiting"]
    clock.advance(days=29, hours=23)
    assert ended(world) == 0
    clock.advance(hours=1)
    # A year after the consent, as the form says.
    assert ended(world) == 1
    row = world.row("select status, ended_by, address, address_key from subscription")
    assert ("ended", "retention", "", "") == tuple(row)


def test_a_yes_keeps_the_place_for_another_year(world: World, clock: ManualClock) -> None:
    (first, _) = world.waiting("ann@example.com", "bob@example.com")
    clock.advance(days=335)
    assert still.ask(world, world.merchant_id) == 2
    clock.advance(days=29)
    assert still.answer(world, world.merchant_id, first)
    assert still.answer(world, world.merchant_id, first)
    assert not still.answer(world, world.merchant_id + 1, first)
    clock.advance(days=1)
    assert ended(world) == 1
    assert world.statuses() == ["waiting", "ended"]
    assert not still.answer(world, world.merchant_id, first + 1)
    clock.advance(days=333)
    assert still.ask(world, world.merchant_id) == 0
    clock.advance(days=1)
    assert still.ask(world, world.merchant_id) == 1


def test_who_was_told_meanwhile_is_not_asked(world: World, clock: ManualClock) -> None:
    world.waiting("ann@example.com")
    clock.advance(days=335)
    still.ask(world, world.merchant_id)
    with world.engine.begin() as db:
        db.exec_driver_sql("update subscription set status = 'fulfilled'")
    world.run()
    assert world.told() == []
    assert world.message_statuses("still_waiting") == ["skipped"]
    assert ended(world) == 0


def test_what_leaves_unconfirmed_is_never_named_one_by_one(world: World, clock: ManualClock) -> None:
    """An import of 70,000 people whom nobody asked to confirm leaves at once."""
    for number in range(20):
        world.sign_up(f"p{number}@example.com")
    world.run()
    clock.advance(days=7)
    with counted(world.engine) as values, world.engine.begin() as db:
        assert still.expire(db, world.merchant_id, world.now()) == 20
    assert max(values) < 20
    assert [world.row(f"select count(*) as n from {one}").n for one in ("subscription", "message")] == [0, 0]


def person(world: World, subscription_id: int) -> Person:
    with world.engine.connect() as db:
        found = find_person(db, world.merchant_id, subscription_id)
    assert found is not None
    return found


def test_who_was_asked_and_then_says_wait_again_needs_no_other_answer(
    world: World, clock: ManualClock
) -> None:
    (ann,) = world.waiting("ann@example.com")
    clock.advance(days=335)
    still.ask(world, world.merchant_id)
    world.set_stock(1)
    world.run()
    assert world.statuses() == ["fulfilled"]
    world.set_stock(0)
    world.run()
    clock.advance(days=5)
    assert wait_again(world, person(world, ann))
    clock.advance(days=30)
    assert (ended(world), world.statuses()) == (0, ["waiting"])


def test_a_yes_counts_also_while_an_invitation_is_on_its_way(world: World, clock: ManualClock) -> None:
    (ann,) = world.waiting("ann@example.com")
    clock.advance(days=335)
    still.ask(world, world.merchant_id)
    with world.engine.begin() as db:
        db.exec_driver_sql("update subscription set status = 'invited'")
    assert still.answer(world, world.merchant_id, ann)
    with world.engine.begin() as db:
        db.exec_driver_sql("update subscription set status = 'waiting'")  # it sold out before it was sent
    clock.advance(days=30)
    assert (ended(world), world.statuses()) == (0, ["waiting"])


def test_a_devices_keys_leave_with_its_address(world: World, clock: ManualClock) -> None:
    world.waiting("ann@example.com")
    with world.engine.begin() as db:
        db.exec_driver_sql("""
            update subscription set channel = 'push', push_keys = '{"p256dh": "B", "auth": "a"}', asked_again_at = %s
        """, (clock.now(),))  # fmt: skip
    clock.advance(days=30)
    assert ended(world) == 1
    assert tuple(world.row("select address, push_keys from subscription")) == ("", {})
