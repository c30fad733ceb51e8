"""A worker that is alive keeps what it has; what a killed one had is free a minute later."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from connector import heartbeat
from connector.heartbeat import beating
from connector.outbox.messages import Done, LeaseLost, claim, finish, hold, renew, settle
from connector.outbox.upkeep import Swept, sweep
from tests.outbox.support import TURN, expire, intend, rows, run, subjects, take


def left_s(engine: sa.Engine) -> float:
    return float(run(engine, "select extract(epoch from lease_until - now()) from outbox_turn"))


def test_a_claim_is_leased_for_one_heartbeat_however_long_it_may_take(engine: sa.Engine) -> None:
    intend(engine, "a")
    claimed = take(engine, lease_s=240.0)
    assert heartbeat.LEASE_S - 1 < left_s(engine) <= heartbeat.LEASE_S
    assert claimed.lease_s == 240.0


def test_who_is_alive_keeps_the_turn_and_its_messages(engine: sa.Engine) -> None:
    intend(engine, "a")
    claimed = take(engine, lease_s=240.0)
    run(engine, "update outbox_turn set lease_until = now() + interval '1 s'")
    run(engine, "update outbox_message set lease_until = now() - interval '1 s'")

    assert renew(engine, claimed) is True

    assert left_s(engine) > heartbeat.LEASE_S - 1
    assert (sweep(engine), claim(engine, TURN, 10)) == (Swept(0, 0, 0), None)
    with engine.begin() as db:
        hold(db, claimed)
        assert len(settle(db, claimed, {claimed.messages[0].id: Done()})) == 1


def test_who_missed_the_beats_gets_nothing_back(engine: sa.Engine) -> None:
    intend(engine, "a")
    late = take(engine, lease_s=240.0)
    expire(engine)
    assert renew(engine, late) is False
    assert sweep(engine) == Swept(1, 0, 1)
    run(engine, "update outbox_turn set next_try_at = now()")
    other = take(engine)
    assert subjects(other) == ["a"]
    assert renew(engine, late) is False
    with engine.begin() as db, pytest.raises(LeaseLost):
        hold(db, late)
    assert finish(engine, late).was_late
    assert rows(engine) == [("a", "claimed")]


def test_a_claim_shorter_than_a_heartbeat_is_never_leased_longer(engine: sa.Engine) -> None:
    intend(engine, "a")
    claimed = take(engine, lease_s=5.0)
    assert renew(engine, replace(claimed, lease_s=5.0)) is True
    assert left_s(engine) <= 5.0


class Renewals:
    """Answers given to a heartbeat; an exception is raised."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.count = 0
        self.reached = threading.Event()

    def __call__(self) -> bool:
        self.count += 1
        if self.count >= len(self.answers):
            self.reached.set()
        answer = self.answers[min(self.count, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_it_beats_until_the_work_ends() -> None:
    renewals = Renewals(True, True, True)
    with beating(renewals, 60, every_s=0.01):
        assert renewals.reached.wait(5)
    ended = renewals.count
    time.sleep(0.05)
    assert (ended >= 3, renewals.count) == (True, ended)


def test_it_stops_when_the_lease_is_somebody_elses() -> None:
    renewals = Renewals(True, False)
    with beating(renewals, 60, every_s=0.01):
        assert renewals.reached.wait(5)
        time.sleep(0.05)
    assert renewals.count == 2


def test_a_database_that_is_away_for_a_beat_does_not_end_it() -> None:
    renewals = Renewals(OperationalError("renew", {}, Exception("away")), True)
    with beating(renewals, 60, every_s=0.01):
        assert renewals.reached.wait(5)
    assert renewals.count >= 2


def test_work_that_hangs_is_given_up(engine: sa.Engine) -> None:
    renewals = Renewals(True)
    with beating(renewals, 0.03, every_s=0.01):
        time.sleep(0.2)
    assert 1 <= renewals.count <= 3


def test_work_that_fails_ends_the_beats() -> None:
    renewals = Renewals(True)
    with pytest.raises(ValueError, match="work"), beating(renewals, 60, every_s=0.01):
        raise ValueError("work")
    ended = renewals.count
    time.sleep(0.05)
    assert renewals.count == ended
