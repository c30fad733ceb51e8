"""Enqueue, claim in turns, settle, finish."""

from __future__ import annotations

import threading
from random import Random

import pytest
import sqlalchemy as sa

from connector.db import transaction
from connector.outbox import sql
from connector.outbox.messages import (
    Again,
    Done,
    Failed,
    Intent,
    LeaseLost,
    Turn,
    Unknown,
    claim,
    due_turns,
    enqueue,
    finish,
    hold,
    settle,
)
from connector.ports.errors import Misconfigured, RateLimited, Retryable, Unauthorized
from tests.outbox.support import TURN, expire, intend, rows, run, skip_waits, subjects, take


def due(engine: sa.Engine, *topics: str, limit: int = 100, per_merchant: int | None = None) -> list[Turn]:
    with transaction(engine) as db:
        return due_turns(db, topics or ("push",), limit, per_merchant=per_merchant)


# --- enqueue ----------------------------------------------------------------------------------------


def test_ten_changes_of_a_subject_are_one_message(engine: sa.Engine) -> None:
    made = [intend(engine, "a", "b") for _ in range(10)]
    assert made == [2] + [0] * 9
    assert rows(engine) == [("a", "pending"), ("b", "pending")]


def test_a_joined_message_takes_the_more_dangerous_lane_and_the_earlier_time(engine: sa.Engine) -> None:
    intend(engine, "a", lane=4, delay_s=60, group_key="old")
    intend(engine, "a", lane=1, delay_s=600, group_key="new")
    intend(engine, "a", lane=3, delay_s=30, group_key="new")
    columns = "lane, group_key, extract(epoch from due_at - now())::int between 20 and 30"
    assert rows(engine, columns) == [(1, "new", True)]


def test_the_same_subject_twice_in_one_call_is_one_message(engine: sa.Engine) -> None:
    with transaction(engine) as db:
        intents = [Intent("push", "a", 7, lane=3), Intent("push", "a", 7, lane=2), Intent("push", "a", 8)]
        assert enqueue(db, 1, intents) == 2
    assert rows(engine, "subject, connection_id, lane") == [("a", 7, 2), ("a", 8, 5)]


def test_texts_of_any_kind_arrive_as_they_are(engine: sa.Engine) -> None:
    odd = ["", "NULL", 'say "a"', "back\\slash", "{a,b}", "line\nend", "Größe 漢", " "]
    with transaction(engine) as db:
        enqueue(db, 1, [Intent("push", text, 7, group_key=text) for text in odd])
    assert sorted((text, text) for text in odd) == sorted(rows(engine, "subject, group_key"))


def test_a_nul_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.DataError), transaction(engine) as db:
        enqueue(db, 1, [Intent("push", "a\x00b", 7)])
    assert rows(engine) == []


def test_nothing_to_enqueue_writes_nothing(engine: sa.Engine) -> None:
    with transaction(engine) as db:
        assert enqueue(db, 1, []) == 0
    assert run(engine, "select count(*) from outbox_turn") == 0


def test_a_negative_delay_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="delay_s"):
        intend(engine, "a", delay_s=-1)
    assert rows(engine) == []


def test_what_is_rolled_back_was_never_intended(engine: sa.Engine) -> None:
    with engine.connect() as db:
        enqueue(db, 1, [Intent("push", "a", 7)])
        db.rollback()
    assert rows(engine) == []


def test_a_change_after_the_claim_is_a_new_message(engine: sa.Engine) -> None:
    intend(engine, "a")
    take(engine)
    assert intend(engine, "a") == 1
    assert rows(engine) == [("a", "claimed"), ("a", "pending")]


def test_a_message_joined_by_an_open_transaction_is_not_claimed(engine: sa.Engine) -> None:
    """Its worker would read the truth of before that transaction, and settle the only intent for after."""
    intend(engine, "a")
    with engine.connect() as db:
        enqueue(db, 1, [Intent("push", "a", 7)])
        assert claim(engine, TURN, 10) is None
        db.commit()
    assert subjects(take(engine)) == ["a"]


def test_enqueuers_of_the_same_subjects_in_opposite_order_do_not_deadlock(engine: sa.Engine) -> None:
    names = [f"s{n}" for n in range(300)]
    errors: list[BaseException] = []

    def work(order: list[str]) -> None:
        try:
            for _ in range(10):
                intend(engine, *order, lane=2)
        except BaseException as error:  # shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(order,)) for order in (names, names[::-1]) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(rows(engine)) == 300


# --- turns ------------------------------------------------------------------------------------------


def test_the_longest_unserved_turn_comes_first_and_merchants_alternate(engine: sa.Engine) -> None:
    for merchant, connection, minutes in [(1, 1, 50), (1, 2, 40), (1, 3, 30), (2, 4, 20), (3, 5, 10)]:
        intend(engine, "a", merchant=merchant, connection_id=connection)
        run(
            engine,
            "update outbox_turn set served_at = now() - make_interval(mins => :m) where connection_id = :c",
            m=minutes,
            c=connection,
        )
    assert [turn.connection_id for turn in due(engine)] == [1, 4, 5, 2, 3]
    assert [turn.connection_id for turn in due(engine, limit=2)] == [1, 4]
    take(engine, turn=Turn(1, "push", 1))
    assert [turn.connection_id for turn in due(engine)] == [4, 5, 2, 3]
    assert [turn.connection_id for turn in due(engine, per_merchant=2)] == [4, 5, 2]
    assert [turn.connection_id for turn in due(engine, per_merchant=1)] == [4, 5]


def test_only_turns_with_due_work_that_need_not_wait_are_due(engine: sa.Engine) -> None:
    intend(engine, "a", connection_id=1, delay_s=60)
    intend(engine, "a", connection_id=2)
    intend(engine, "a", connection_id=3)
    intend(engine, "a", connection_id=4, topic="other")
    run(engine, "update outbox_turn set next_try_at = now() + interval '1 min' where connection_id = 2")
    assert due(engine) == [Turn(1, "push", 3)]
    assert due(engine, "push", "other") == [Turn(1, "push", 3), Turn(1, "other", 4)]
    take(engine, turn=Turn(1, "push", 3))
    assert due(engine) == []
    assert claim(engine, Turn(1, "push", 1), 10) is None
    assert claim(engine, Turn(1, "push", 2), 10) is None


def test_a_served_turn_goes_to_the_end(engine: sa.Engine) -> None:
    intend(engine, "a", "b", connection_id=1)
    intend(engine, "a", connection_id=2)
    claimed = take(engine, 1, turn=Turn(1, "push", 1))
    with transaction(engine) as db:
        settle(db, claimed, {claimed.messages[0].id: Done()})
    finish(engine, claimed)
    assert [turn.connection_id for turn in due(engine)] == [2, 1]


def test_finding_turns_does_not_read_the_backlog(engine: sa.Engine) -> None:
    for connection in range(1, 21):
        intend(engine, *[f"s{n}" for n in range(500)], connection_id=connection)
    with transaction(engine) as db:
        # The statistics are those of an empty table: the plan must be right without them too.
        plan = db.execute(
            sa.text(f"explain (analyze, buffers, format json) {sql.DUE_TURNS.text}"),
            {"topics": ["push", "badge"], "limit": 10, "per_merchant": None},
        ).scalar_one()[0]["Plan"]
    assert _most_rows(plan, "outbox_message") <= 20
    assert len(due(engine)) == 20


def _most_rows(plan: dict[str, object], table: str) -> float:
    """The most rows any node of `plan` read from `table` in all its loops."""
    own = 0.0
    if plan.get("Relation Name") == table:
        own = float(plan["Actual Rows"]) * float(plan["Actual Loops"])  # type: ignore[arg-type]
        own += float(plan.get("Rows Removed by Filter", 0))  # type: ignore[arg-type]
    children = plan.get("Plans", [])
    return max([own, *(_most_rows(child, table) for child in children)])  # type: ignore[attr-defined]


# --- claim ------------------------------------------------------------------------------------------


def test_a_claim_takes_the_most_dangerous_lane_first_and_keeps_groups_together(engine: sa.Engine) -> None:
    for subject, lane, group in [
        ("a", 3, "p2"),
        ("b", 3, "p1"),
        ("c", 1, "p9"),
        ("d", 3, "p2"),
        ("e", 2, ""),
    ]:
        intend(engine, subject, lane=lane, group_key=group)
    assert subjects(take(engine, 4)) == ["c", "e", "b", "a"]


def test_a_turn_has_one_claimer(engine: sa.Engine) -> None:
    intend(engine, "a", "b")
    take(engine, 1)
    assert claim(engine, TURN, 1) is None
    assert rows(engine) == [("a", "claimed"), ("b", "pending")]


def test_another_connection_is_not_held_up(engine: sa.Engine) -> None:
    intend(engine, "a")
    intend(engine, "a", connection_id=8)
    take(engine)
    assert subjects(take(engine, turn=Turn(1, "push", 8))) == ["a"]


def test_another_merchant_is_never_touched(engine: sa.Engine) -> None:
    intend(engine, "a")
    intend(engine, "a", merchant=2)
    claimed = take(engine)
    with transaction(engine) as db:
        ids = {row[0] for row in rows(engine, "id")}
        assert settle(db, claimed, {id: Done() for id in ids}) == {claimed.messages[0].id}
    assert rows(engine, "merchant_id, status") == [(1, "done"), (2, "pending")]


def test_a_subject_still_claimed_by_a_lost_worker_is_left_alone(engine: sa.Engine) -> None:
    intend(engine, "a")
    take(engine)
    intend(engine, "a", "b")
    expire(engine)
    assert subjects(take(engine)) == ["b"]
    assert rows(engine) == [("a", "claimed"), ("a", "pending"), ("b", "claimed")]


def test_every_tenth_claim_serves_the_oldest_first(engine: sa.Engine) -> None:
    intend(engine, "old", "older", lane=4)
    run(engine, "update outbox_message set due_at = now() - interval '6 min'")
    run(engine, "update outbox_message set due_at = now() - interval '7 min' where subject = 'older'")
    order = []
    for n in range(20):
        intend(engine, f"new{n}", lane=1)
        claimed = take(engine, 1)
        order += subjects(claimed)
        with transaction(engine) as db:
            settle(db, claimed, {claimed.messages[0].id: Done()})
        finish(engine, claimed)
    assert [n for n, subject in enumerate(order, 1) if not subject.startswith("new")] == [10, 20]
    assert order[9] == "older"
    assert order[19] == "old"


def test_an_age_claim_fills_up_with_dangerous_ones_and_sends_them_first(engine: sa.Engine) -> None:
    intend(engine, "old", lane=4)
    run(engine, "update outbox_message set due_at = now() - interval '6 min'")
    run(engine, "update outbox_turn set claims = 9")
    intend(engine, "young", lane=4)
    intend(engine, "zero", lane=1)
    assert subjects(take(engine, 2)) == ["zero", "old"]


def test_a_claim_that_finds_nothing_leaves_the_turn_free(engine: sa.Engine) -> None:
    intend(engine, "a", delay_s=60)
    assert claim(engine, TURN, 10) is None
    assert run(engine, "select lease_token is null and claims = 0 from outbox_turn") is True


def test_a_claim_is_out_of_time_after_half_its_lease(engine: sa.Engine) -> None:
    intend(engine, "a")
    now = 100.0
    claimed = take(engine, lease_s=60, clock=lambda: now)
    assert claimed.deadline_s == 30
    now = 129.0
    assert (claimed.seconds_left(), claimed.is_out_of_time()) == (1.0, False)
    now = 130.0
    assert (claimed.seconds_left(), claimed.is_out_of_time()) == (0.0, True)


def test_a_claim_counts_the_tries(engine: sa.Engine) -> None:
    intend(engine, "a")
    tries = []
    for _ in range(3):
        claimed = take(engine)
        tries.append(claimed.messages[0].tries)
        with transaction(engine) as db:
            settle(db, claimed, {claimed.messages[0].id: Again(5.0)})
        finish(engine, claimed)
        skip_waits(engine)
    assert tries == [1, 2, 3]


# --- settle -----------------------------------------------------------------------------------------


def test_every_outcome_has_its_state_and_note(engine: sa.Engine) -> None:
    intend(engine, "a", "b", "c", "d")
    claimed = take(engine)
    a, b, c, d = (message.id for message in claimed.messages)
    with transaction(engine) as db:
        outcomes = {a: Done("nothing to do"), b: Again(60, "busy"), c: Failed("gone\x00"), d: Unknown("?")}
        assert settle(db, claimed, outcomes) == {a, b, c, d}
    assert rows(engine, "id, status, note, settled_at is null, lease_token is null") == [
        (a, "done", "nothing to do", False, True),
        (b, "pending", "busy", True, True),
        (c, "failed", "gone", False, True),
        (d, "unknown", "?", False, True),
    ]
    assert run(
        engine, "select extract(epoch from due_at - now())::int from outbox_message where id = :b", b=b
    ) in {
        59,
        60,
    }


def test_again_joins_a_newer_intent_which_takes_the_more_dangerous_lane(engine: sa.Engine) -> None:
    intend(engine, "a", lane=1)
    claimed = take(engine)
    intend(engine, "a", lane=4)
    with transaction(engine) as db:
        assert settle(db, claimed, {claimed.messages[0].id: Again(60, "busy")}) == {claimed.messages[0].id}
    assert rows(engine, "status, lane, tries") == [("superseded", 1, 1), ("pending", 1, 1)]
    assert due(engine) == []
    finish(engine, claimed)
    assert due(engine) == [TURN]


def test_again_waits_for_a_newer_intent_that_is_not_committed_yet(engine: sa.Engine) -> None:
    intend(engine, "a")
    claimed = take(engine)
    settled: list[frozenset[int]] = []

    def work() -> None:
        with transaction(engine) as db:
            settled.append(settle(db, claimed, {claimed.messages[0].id: Again()}))

    with engine.connect() as db:
        enqueue(db, 1, [Intent("push", "a", 7)])
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(0.2)
        assert settled == []
        db.commit()
    thread.join(10)
    assert settled == [frozenset({claimed.messages[0].id})]
    assert rows(engine) == [("a", "superseded"), ("a", "pending")]


def test_messages_left_out_stay_claimed_until_the_claim_ends(engine: sa.Engine) -> None:
    intend(engine, "a", "b")
    claimed = take(engine)
    with transaction(engine) as db:
        settle(db, claimed, {claimed.messages[0].id: Done()})
    assert rows(engine) == [("a", "done"), ("b", "claimed")]
    ended = finish(engine, claimed)
    assert (ended.returned, ended.wait_s) == (1, 0.0)
    assert rows(engine, "subject, status, tries") == [("a", "done", 1), ("b", "pending", 0)]


def test_a_worker_that_comes_back_too_late_settles_nothing_and_learns_it(
    engine: sa.Engine,
) -> None:
    intend(engine, "a")
    late = take(engine)
    expire(engine)
    run(engine, "update outbox_message set status = 'pending', lease_token = null, lease_until = null")
    current = take(engine)
    with transaction(engine) as db:
        assert settle(db, late, {late.messages[0].id: Done()}) == frozenset()
        assert settle(db, late, {late.messages[0].id: Again()}) == frozenset()
        with pytest.raises(LeaseLost, match="ran out"):
            hold(db, late)
        hold(db, current)
    ended = finish(engine, late, RuntimeError("late"))
    assert (ended.returned, ended.was_late) == (0, True)
    assert rows(engine) == [("a", "claimed")]
    with transaction(engine) as db:
        assert settle(db, current, {current.messages[0].id: Done()}) == {current.messages[0].id}


def test_a_held_turn_is_not_taken_even_when_its_lease_runs_out(engine: sa.Engine) -> None:
    intend(engine, "a", "b")
    claimed = take(engine, 1, lease_s=0.5)
    with engine.connect() as db:
        hold(db, claimed)
        db.execute(sa.text("select pg_sleep(0.55)"))
        assert claim(engine, TURN, 1) is None
        db.commit()
    assert subjects(take(engine, 1)) == ["b"]


# --- finish -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "failures", "expected"),
    [
        pytest.param(Retryable("shop", "x", "down"), 0, (1.0, 2.0), id="first-failure"),
        pytest.param(Retryable("shop", "x", "down"), 3, (8.0, 16.0), id="fourth-failure"),
        pytest.param(Retryable("shop", "x", "down"), 5000, (450.0, 900.0), id="limit"),
        pytest.param(RateLimited("shop", "x", "slow", retry_after_s=40), 0, (40.0, 44.0), id="rate-limit"),
        pytest.param(Unauthorized("shop", "x", "no"), 0, (3600.0, 3600.0), id="unauthorized"),
        pytest.param(Misconfigured("shop", "x", "no", field="url"), 0, (3600.0, 3600.0), id="misconfigured"),
        pytest.param(ZeroDivisionError("bug"), 1, (2.0, 4.0), id="bug"),
    ],
)
def test_the_type_of_the_error_decides_how_long_the_turn_waits(
    engine: sa.Engine, error: Exception, failures: int, expected: tuple[float, float]
) -> None:
    intend(engine, "a")
    run(engine, "update outbox_turn set failures = :n", n=failures)
    ended = finish(engine, take(engine), error, random=Random(4))
    low, high = expected
    assert low <= ended.wait_s <= high
    assert rows(engine, "status, tries, note") == [("pending", 1, str(error))]
    columns = "failures, last_error, lease_token is null, extract(epoch from next_try_at - now())::float8"
    with engine.connect() as db:
        row = db.execute(sa.text(f"select {columns} from outbox_turn")).one()
    assert tuple(row[:3]) == (failures + 1, str(error), True)
    assert row[3] == pytest.approx(ended.wait_s, abs=2)
    assert due(engine) == []


def test_a_success_ends_the_count_of_failures(engine: sa.Engine) -> None:
    intend(engine, "a")
    finish(engine, take(engine), Retryable("shop", "x", "down"))
    skip_waits(engine)
    claimed = take(engine)
    assert claimed.failures == 1
    with transaction(engine) as db:
        settle(db, claimed, {claimed.messages[0].id: Done()})
    finish(engine, claimed)
    assert run(engine, "select failures = 0 and last_error = '' from outbox_turn") is True


def test_a_handler_that_settles_nothing_does_not_spin(engine: sa.Engine) -> None:
    intend(engine, "a", "b")
    ended = finish(engine, take(engine))
    assert (ended.returned, ended.wait_s > 0) == (2, True)
    assert run(engine, "select last_error from outbox_turn") == "None of the 2 claimed messages was settled."


def test_a_process_asked_to_stop_gives_back_without_a_wait(engine: sa.Engine) -> None:
    intend(engine, "a")
    assert finish(engine, take(engine), KeyboardInterrupt()) == (1, 0, False, 0.0)
    assert due(engine) == [TURN]
