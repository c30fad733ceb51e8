"""Serving one turn: what the handler raises decides about the turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Failed, Turn, hold, settle
from connector.outbox.work import Served, Topic, outcome_of, serve_turn
from connector.ports.errors import (
    Conflict,
    FileFault,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
    Unsupported,
)
from tests.outbox.support import TURN, expire, intend, rows, run, skip_waits


@dataclass
class Runtime:
    engine: sa.Engine


def serve(engine: sa.Engine, handler: Callable[[Any, Claim], None], **fields: Any) -> Served | None:
    return serve_turn(Runtime(engine), TURN, {"push": Topic("push", handler, **fields)}, _no_refusal)


def _no_refusal(merchant_id: int, connection_id: int, error: PortError) -> None:
    raise AssertionError(f"refused: {error}")


def settle_first(runtime: Any, claim: Claim) -> None:
    with transaction(runtime.engine) as db:
        settle(db, claim, {claim.messages[0].id: Done()})


def settle_all(runtime: Any, claim: Claim) -> None:
    with transaction(runtime.engine) as db:
        settle(db, claim, {message.id: Done() for message in claim.messages})


def test_a_turn_is_served_with_the_topics_limit_and_lease(engine: sa.Engine) -> None:
    intend(engine, "a", "b", "c")
    seen: list[tuple[int, float]] = []

    def handler(runtime: Any, claim: Claim) -> None:
        seen.append((len(claim.messages), claim.lease_s))
        settle_all(runtime, claim)

    served = serve(engine, handler, limit=2, lease_s=30)
    assert served is not None
    assert (served.claimed, served.error, served.has_more) == (2, None, True)
    assert seen == [(2, 30)]
    assert rows(engine) == [("a", "done"), ("b", "done"), ("c", "pending")]


def test_nothing_to_serve_runs_nothing(engine: sa.Engine) -> None:
    def handler(runtime: Any, claim: Claim) -> None:
        raise AssertionError("called")

    assert serve(engine, handler) is None
    with pytest.raises(KeyError):
        serve_turn(Runtime(engine), Turn(1, "nobody", 1), {})


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Retryable("shop", "x", "down"), id="retryable"),
        pytest.param(RateLimited("shop", "x", "slow", retry_after_s=9), id="rate-limited"),
        pytest.param(OutcomeUnknown("shop", "x", "504"), id="outcome-unknown"),
    ],
)
def test_a_passing_fault_lets_the_turn_wait_and_keeps_what_was_settled(
    engine: sa.Engine, error: PortError
) -> None:
    intend(engine, "a", "b")

    def handler(runtime: Any, claim: Claim) -> None:
        settle_first(runtime, claim)
        raise error

    served = serve(engine, handler)
    assert served is not None
    assert (served.error, served.has_more, served.finished.returned) == (error, False, 1)
    assert rows(engine) == [("a", "done"), ("b", "pending")]
    assert serve(engine, settle_all) is None
    skip_waits(engine)
    assert serve(engine, settle_all) is not None
    assert rows(engine) == [("a", "done"), ("b", "done")]


@pytest.mark.parametrize(
    "error", [Unauthorized("shop", "x", "no"), Misconfigured("shop", "x", "no", field="url")]
)
def test_a_refusal_pauses_the_turn_and_is_told_once(engine: sa.Engine, error: PortError) -> None:
    intend(engine, "a")
    told: list[tuple[int, int, PortError]] = []

    def handler(runtime: Any, claim: Claim) -> None:
        raise error

    def on_refused(*refusal: Any) -> None:
        # The claim has ended: the callback may open its own transaction and wake or pause the turn.
        assert rows(engine) == [("a", "pending")]
        told.append(refusal)

    served = serve_turn(Runtime(engine), TURN, {"push": Topic("push", handler)}, on_refused)
    assert served is not None
    assert (served.error, served.finished.wait_s) == (error, 3_600.0)
    assert told == [(1, 7, error)]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ZeroDivisionError("bug"), id="bug"),
        pytest.param(Rejected("shop", "variant 3", "no such tax class"), id="one-item-for-the-batch"),
    ],
)
def test_a_bug_surfaces_and_the_turn_waits(engine: sa.Engine, error: Exception) -> None:
    intend(engine, "a")

    def handler(runtime: Any, claim: Claim) -> None:
        raise error

    with pytest.raises(type(error)):
        serve(engine, handler)
    assert rows(engine, "status, note") == [("pending", str(error))]
    assert run(engine, "select next_try_at > now() and failures = 1 from outbox_turn") is True


def test_a_stop_of_the_process_gives_the_turn_back_at_once(engine: sa.Engine) -> None:
    intend(engine, "a")

    def handler(runtime: Any, claim: Claim) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(engine, handler)
    assert serve(engine, settle_all) is not None
    assert rows(engine) == [("a", "done")]


def test_a_worker_that_lost_its_lease_stops_quietly(engine: sa.Engine) -> None:
    intend(engine, "a")
    sent: list[str] = []

    def handler(runtime: Any, claim: Claim) -> None:
        expire(engine)
        with transaction(runtime.engine) as db:
            hold(db, claim)
        sent.append("a")

    served = serve(engine, handler)
    assert served is not None
    assert sent == []
    assert rows(engine) == [("a", "pending")]


def test_an_error_of_one_message_is_that_messages_outcome() -> None:
    where = ("shop", "variant 3", "why")
    assert outcome_of(Conflict(*where, remote=4), 1) == Again(0.0, "shop: variant 3: why")
    for error in (NotFound(*where), Rejected(*where), Unsupported(*where), FileFault(*where, code="empty")):
        assert outcome_of(error, 1) == Failed("shop: variant 3: why")
    for tries, least, most in ((1, 1, 2), (4, 8, 16)):
        for passing in (Retryable(*where), OutcomeUnknown(*where)):
            outcome = outcome_of(passing, tries)
            assert isinstance(outcome, Again)
            assert least <= outcome.delay_s <= most
    limited = outcome_of(RateLimited(*where, retry_after_s=50), 1)
    assert isinstance(limited, Again)
    assert 50 <= limited.delay_s <= 55
    for whole in (Unauthorized(*where), Misconfigured(*where, field="url")):
        with pytest.raises(type(whole)):
            outcome_of(whole, 1)


def test_two_transactions_that_waited_for_each_other_are_served_again(engine: sa.Engine) -> None:
    intend(engine, "a", "b")

    def caught_in_a_circle(runtime: Any, claim: Claim) -> None:
        """Locks one row while another transaction that holds the next one waits for it."""
        with runtime.engine.connect() as other:
            other.begin()
            with transaction(runtime.engine) as db:
                for lock, connection in ((1, db), (2, other)):
                    connection.execute(sa.text("select pg_advisory_xact_lock(:n)"), {"n": lock})
                waiting = threading.Thread(
                    target=other.execute, args=(sa.text("select pg_advisory_xact_lock(1)"),)
                )
                waiting.start()
                try:
                    # The shorter patience decides which of the two the database undoes.
                    db.execute(sa.text("set local deadlock_timeout = '10ms'"))
                    db.execute(sa.text("select pg_advisory_xact_lock(2)"))
                finally:
                    db.rollback()
                    waiting.join()

    served = serve(engine, caught_in_a_circle)

    assert served is not None and isinstance(served.error, Retryable)
    assert (served.claimed, served.finished.returned, served.has_more) == (2, 2, False)
    skip_waits(engine)
    assert serve(engine, settle_all) is not None
    assert [status for _, status, *_ in rows(engine)] == ["done", "done"]
