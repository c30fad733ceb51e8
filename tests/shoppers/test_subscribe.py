"""Signing up and confirming: one row, few mails, nobody merged, nobody revealed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connector.shoppers import addresses
from connector.shoppers.still import expire
from connector.shoppers.subscribe import UnknownListing, confirm, find_place
from tests.shoppers.world import KEY, World
from tests.support import ManualClock


@pytest.mark.parametrize(
    ("typed", "address", "key"),
    [
        (" Ann@Example.COM ", "Ann@example.com", "ann@example.com"),
        ("a.n.n@example.com", "a.n.n@example.com", "a.n.n@example.com"),
        ("ann+shop@example.com", "ann+shop@example.com", "ann+shop@example.com"),
        ("ann@BÜCHER.example", "ann@bücher.example", "ann@bücher.example"),
    ],
)
def test_addresses_are_kept_as_typed_and_compared_without_case(typed: str, address: str, key: str) -> None:
    assert addresses.normalise(typed) == (address, key)


def test_an_invalid_address_is_not_repeated_in_the_error() -> None:
    with pytest.raises(addresses.AddressInvalid) as caught:
        addresses.normalise("secret@@example.com")
    assert "secret" not in str(caught.value)


def test_dots_and_tags_are_different_people(world: World) -> None:
    for address in ("ann@example.com", "a.nn@example.com", "ann+1@example.com", "ANN@example.com"):
        world.sign_up(address)
    keys = [row.address_key for row in world.rows("select address_key from subscription order by id")]
    assert keys == ["ann@example.com", "a.nn@example.com", "ann+1@example.com"]


def test_many_posts_at_once_leave_one_row_and_one_mail(world: World) -> None:
    start = threading.Barrier(8)

    def hammer() -> None:
        start.wait()
        for _ in range(12):
            world.sign_up("ann@example.com")

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.run()
    assert world.statuses() == ["unconfirmed"]
    assert world.told() == ["ann@example.com"]


def test_a_hundred_posts_of_one_address_leave_one_row_and_one_mail(world: World) -> None:
    for _ in range(100):
        world.sign_up("ann@example.com")
    world.run()
    assert world.statuses() == ["unconfirmed"]
    assert world.told() == ["ann@example.com"]


def test_the_confirmation_is_sent_again_after_an_hour_three_times_at_most(
    world: World, clock: ManualClock
) -> None:
    counts = []
    for _ in range(5):
        world.sign_up("ann@example.com")
        world.run()
        counts.append(len(world.mail.sent))
        clock.advance(hours=1, seconds=1)
    assert counts == [1, 2, 3, 3, 3]
    assert world.statuses() == ["unconfirmed"]


def test_a_mailbox_gets_ten_confirmations_a_day_however_many_items_are_typed(
    world: World, clock: ManualClock
) -> None:
    for number in range(600, 615):
        world.add_variant(str(number), f"Mug {number}")
        world.sign_up("victim@example.com", external_id=str(number))
    world.run()
    assert len(world.mail.sent) == 10
    assert len(world.statuses()) == 15
    clock.advance(days=1, seconds=1)
    world.add_variant("700", "Mug 700")
    world.sign_up("victim@example.com", external_id="700")
    world.run()
    assert len(world.mail.sent) == 11


def test_a_suppressed_address_gets_the_same_answer_and_nothing_else(world: World) -> None:
    with world.engine.begin() as db:
        addresses.suppress(db, world.keyring, world.merchant_id, "ann@example.com", "asked", world.now())
    assert world.sign_up("Ann@example.com") == "check_mail"
    world.run()
    assert world.statuses() == []
    assert world.told() == []
    assert "ann" not in world.row("select address_digest from suppression").address_digest


@pytest.mark.parametrize("state", ["in_stock", "low_stock"])
def test_nothing_to_wait_for_when_it_is_in_stock(world: World, state: str) -> None:
    world.set_stock(2, state=state)
    assert world.sign_up("ann@example.com") == "in_stock"
    assert world.statuses() == []


@pytest.mark.parametrize("state", ["backorder", "preorder", "made_to_order"])
def test_nothing_to_wait_for_when_it_can_be_ordered(world: World, state: str) -> None:
    world.set_stock(0, state=state)
    assert world.sign_up("ann@example.com") == "in_stock"


def test_a_discontinued_item_takes_no_alerts(world: World) -> None:
    world.set_stock(0, state="discontinued")
    assert world.sign_up("ann@example.com") == "discontinued"
    assert world.statuses() == []


def test_one_may_wait_while_the_store_itself_shows_none(world: World) -> None:
    world.set_stock(5, confirmed=0)
    assert world.sign_up("ann@example.com") == "check_mail"
    assert world.statuses() == ["unconfirmed"]


def test_an_ended_store_and_a_vanished_listing_are_unknown(world: World) -> None:
    with world.engine.connect() as db, pytest.raises(UnknownListing):
        find_place(db, KEY, "999")
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set is_gone = true"))
    with world.engine.connect() as db, pytest.raises(UnknownListing):
        find_place(db, KEY, "501")
    with world.engine.begin() as db:
        db.execute(sa.text("update listing set is_gone = false"))
        db.execute(sa.text("update connection set status = 'ended'"))
    with world.engine.connect() as db, pytest.raises(UnknownListing):
        find_place(db, KEY, "501")


@pytest.mark.parametrize(("asked", "kept"), [(0, 1), (-3, 1), (7, 7), (10_000, 99)])
def test_wanted_units_are_brought_into_range(world: World, asked: int, kept: int) -> None:
    world.sign_up("ann@example.com", wanted_units=asked)
    assert world.row("select wanted_units from subscription").wanted_units == kept


def test_confirming_is_only_for_the_merchant_of_the_link(world: World) -> None:
    world.sign_up("ann@example.com")
    assert not confirm(world, world.merchant_id + 1, 1)
    assert world.statuses() == ["unconfirmed"]


def test_one_may_sign_up_again_after_the_message(world: World) -> None:
    world.waiting("ann@example.com")
    world.set_stock(1)
    world.run()
    world.set_stock(0)
    world.run()
    world.waiting("ann@example.com")
    assert world.statuses() == ["fulfilled", "waiting"]


def test_one_may_sign_up_again_after_a_failed_message(world: World) -> None:
    from connector.ports.errors import Rejected

    world.waiting("ann@example.com")
    world.mail.faults.append(Rejected("email", "mailbox", "The mailbox does not exist."))
    world.set_stock(1)
    world.run()
    assert world.statuses() == ["invited"]
    world.set_stock(0)
    world.run()
    world.sign_up("ann@example.com")
    assert world.statuses() == ["ended", "unconfirmed"]


def test_what_nobody_confirms_is_gone_after_seven_days(world: World, clock: ManualClock) -> None:
    world.sign_up("ann@example.com")
    world.waiting("bob@example.com")
    clock.advance(days=6, hours=23)
    with world.engine.begin() as db:
        assert expire(db, world.merchant_id, clock.now()) == 0
    clock.advance(hours=1)
    with world.engine.begin() as db:
        assert expire(db, world.merchant_id + 1, clock.now()) == 0
        assert expire(db, world.merchant_id, clock.now()) == 1
    assert world.statuses() == ["waiting"]
    assert world.row("select count(*) as n from message").n == 1


def test_an_expired_sign_up_whose_mail_was_never_sent_is_not_written_to(
    world: World, clock: ManualClock
) -> None:
    world.sign_up("ann@example.com")
    clock.advance(days=7)
    with world.engine.begin() as db:
        assert expire(db, world.merchant_id, clock.now()) == 1
    world.run()
    assert world.told() == []


def test_the_consent_is_kept_with_its_version(world: World, clock: ManualClock) -> None:
    world.sign_up("ann@example.com", consent_text="I agree.", consent_version="7")
    clock.advance(minutes=5)
    assert confirm(world, world.merchant_id, 1)
    row = world.row(
        "select consent_text, consent_version, confirmed_at - created_at as took from subscription"
    )
    assert tuple(row) == ("I agree.", "7", timedelta(minutes=5))
