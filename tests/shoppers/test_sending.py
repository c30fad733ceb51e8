"""Several messages of one claim on their way at once: each for itself, none after what it says ended."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from connector.ports.channels import Accepted, OutgoingMessage
from connector.ports.errors import Retryable, Unauthorized
from connector.shoppers import episodes, ready, sending
from connector.shoppers.policy import ShopperPolicy
from connector.shoppers.tables import ShopperRules
from connector.shoppers.unsubscribe import find_person, leave_all
from tests.shoppers.world import RecordingChannel, World

PEOPLE = ("ann@example.com", "bob@example.com", "cyd@example.com", "dan@example.com")


@dataclass
class Several(RecordingChannel):
    at_once: int = 3


def invite(world: World, *, stock: int = 9) -> list[int]:
    ids = world.waiting(*PEOPLE, external_id="501")
    world.set_stock(stock)
    episodes.look(world, world.merchant_id, world.variant_id)
    assert world.message_statuses() == ["waiting"] * len(PEOPLE)
    return ids


def test_as_many_are_on_their_way_as_the_channel_takes(world: World) -> None:
    together = threading.Barrier(3, timeout=10)
    at_once: list[int] = []
    lock = threading.Lock()

    def before(message: OutgoingMessage) -> None:
        if message.to != PEOPLE[3]:
            together.wait()
            with lock:
                at_once.append(world.message_statuses().count("sending"))
            together.wait()

    world.mail = Several()
    invite(world)
    world.mail.before_send = before
    world.run()
    assert at_once == [3, 3, 3]
    assert Counter(world.told()) == Counter(PEOPLE)
    assert world.message_statuses() == ["sent"] * 4
    assert world.statuses() == ["fulfilled"] * 4


@pytest.mark.parametrize("at_once", [1, 3])
def test_who_leaves_while_others_are_written_to_gets_nothing(world: World, at_once: int) -> None:
    world.mail = Several(at_once=at_once)
    ids = invite(world)

    has_left = threading.Event()

    def before(message: OutgoingMessage) -> None:
        if message.to == PEOPLE[0]:
            with world.engine.connect() as db:
                person = find_person(db, world.merchant_id, ids[3])
            assert person is not None
            leave_all(world, person)
            has_left.set()
        else:
            assert has_left.wait(10)

    world.mail.before_send = before
    world.run()
    assert Counter(world.told()) == Counter(PEOPLE[:3])
    assert world.message_statuses() == ["sent"] * 3 + ["skipped"]


def test_sold_out_between_two_of_them_keeps_the_places_of_the_rest(world: World) -> None:
    invite(world)

    def sell_all(message: OutgoingMessage) -> None:
        world.mail.before_send = lambda _: None
        world.set_stock(0)

    world.mail.before_send = sell_all
    world.run()
    assert world.told() == [PEOPLE[0]]
    assert world.message_statuses() == ["sent", "skipped", "skipped", "skipped"]
    assert world.statuses() == ["fulfilled", "waiting", "waiting", "waiting"]


def test_what_was_found_ready_too_long_ago_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FRESH_S", 0.02)
    looked: list[int] = []
    look = ready.look

    def counted(rt: Any, db: Any, merchant_id: int, ids: Any, *more: Any) -> Any:
        looked.append(len(ids))
        return look(rt, db, merchant_id, ids, *more)

    invite(world)
    monkeypatch.setattr(ready, "look", counted)
    world.mail.before_send = lambda _: time.sleep(0.03)
    world.run()
    assert looked == [4, 3, 2, 1]
    assert world.told() == list(PEOPLE)
    assert world.message_statuses() == ["sent"] * 4


def test_a_refused_account_stops_those_behind_and_keeps_what_left(world: World) -> None:
    world.mail = Several(at_once=2)
    invite(world)
    world.mail.faults = [Unauthorized("email", "server", "The password is wrong.", "Enter it again.")]
    world.run()
    sent, waiting = world.message_statuses().count("sent"), world.message_statuses().count("waiting")
    assert (sent, waiting) in {(0, 4), (1, 3)}  # one may have been on its way beside it
    assert len(world.told()) == sent
    world.make_due()
    world.run()
    assert Counter(world.told()) == Counter(PEOPLE)


def test_a_fault_of_the_moment_is_the_matter_of_one_alone(world: World) -> None:
    world.mail = Several(at_once=2)
    invite(world)
    world.mail.faults = [Retryable("email", "mailbox", "The mailbox is busy.")]
    world.run()
    assert Counter(world.message_statuses()) == Counter(sent=3, waiting=1)
    world.make_due()
    world.run()
    assert Counter(world.told()) == Counter(PEOPLE)
    assert world.message_statuses() == ["sent"] * 4


def test_a_provider_that_takes_one_connection_gets_one(world: World) -> None:
    was_refused = threading.Event()

    class One(Several):
        under_way = 0

        def send(self, message: OutgoingMessage) -> Accepted:
            One.under_way += 1
            try:
                if One.under_way > 1:
                    was_refused.set()
                    raise Retryable("email", "server", "Too many connections.")
                assert was_refused.wait(10)
                return super().send(message)
            finally:
                One.under_way -= 1

    world.mail = One(at_once=2)
    invite(world)
    world.run()
    assert Counter(world.message_statuses()) == Counter(sent=3, waiting=1)
    assert Counter(world.told()) <= Counter(PEOPLE)


def test_an_hourly_limit_holds_within_one_look(world: World) -> None:
    world.mail = Several(at_once=2)
    invite(world)
    rules = ShopperPolicy(most_per_hour=3).model_dump(mode="json")
    row = {"merchant_id": world.merchant_id, "says": rules, "changed_at": world.now()}
    with world.engine.begin() as db:
        db.execute(sa.insert(ShopperRules).values(row))
    world.run()
    assert len(world.told()) == 3
    assert Counter(world.message_statuses()) == Counter(sent=3, waiting=1)
    # Three an hour, and three were before this one.
    due = world.row("select extract(epoch from due_at - now()) as s from outbox_message where status = 'pending'"
                    " and topic = 'message.email'")  # fmt: skip
    assert 3_500 < due.s <= 3_600


def test_a_process_that_is_told_to_stop_writes_down_what_left(world: World) -> None:
    world.mail = Several(at_once=2)
    invite(world)
    sent: list[str] = []

    def stop_at_the_third(message: OutgoingMessage) -> None:
        sent.append(message.to)
        if len(sent) == 3:
            raise KeyboardInterrupt

    world.mail.before_send = stop_at_the_third
    with pytest.raises(KeyboardInterrupt):
        world.run()
    accepted = len(world.mail.sent)
    assert world.message_statuses().count("sent") == accepted
    assert world.message_statuses().count("sending") == 1  # the one that it was interrupted in
    world.mail.before_send = lambda _: None
    world.make_due()
    world.run()
    assert Counter(world.message_statuses()) == Counter(sent=3, unknown=1)
    assert max(Counter(world.told()).values()) == 1


def test_two_transactions_that_wait_for_each_other_lose_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, calls = sending._Flight._mark, []

    def undone_once(flight: Any, db: Any, letter: Any, outgoing: Any) -> bool:
        calls.append(letter.person.address)
        if len(calls) == 2:
            raise sa.exc.OperationalError("update", {}, psycopg.errors.DeadlockDetected("circle"))
        return mark(flight, db, letter, outgoing)

    invite(world)
    monkeypatch.setattr(sending._Flight, "_mark", undone_once)
    world.run()
    assert calls == [PEOPLE[0], PEOPLE[1], PEOPLE[1], PEOPLE[2], PEOPLE[3]]
    assert world.told() == list(PEOPLE)
    assert world.message_statuses() == ["sent"] * 4
