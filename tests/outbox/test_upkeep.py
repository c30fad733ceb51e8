"""Sweep, wake, count, prune."""

from __future__ import annotations

import threading
from datetime import timedelta

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox.messages import Done, Failed, Intent, Turn, enqueue, finish, settle
from connector.outbox.upkeep import Swept, pending_counts, prune, sweep, wake
from connector.ports.errors import Unauthorized
from tests.outbox.support import expire, intend, rows, run, subjects, take


def test_a_killed_workers_messages_go_back_to_pending(engine: sa.Engine) -> None:
    intend(engine, "a", "b")
    take(engine)
    assert sweep(engine) == Swept(0, 0, 0)
    expire(engine)
    assert sweep(engine) == Swept(2, 0, 1)
    assert rows(engine, "subject, status, tries, lease_token is null, lease_until is null") == [
        ("a", "pending", 1, True, True),
        ("b", "pending", 1, True, True),
    ]
    assert subjects(take(engine)) == ["a", "b"]


def test_thousands_with_newer_intents_are_superseded_at_once(engine: sa.Engine) -> None:
    names = [f"s{n}" for n in range(3_000)]
    intend(engine, *names, lane=1)
    take(engine, 3_000)
    intend(engine, *names[::2], lane=4)
    expire(engine)
    assert sweep(engine) == Swept(1_500, 1_500, 1)
    counts = "select count(*) from outbox_message where status = :status and lane = 1"
    assert run(engine, counts, status="pending") == 3_000
    assert run(engine, counts, status="superseded") == 1_500
    assert run(engine, "select count(distinct subject) from outbox_message where status = 'pending'") == 3_000


def test_a_sweep_meets_enqueuers_and_another_sweep(engine: sa.Engine) -> None:
    """All three insert the same pending subjects at the same moment; none fails, none is lost."""
    names = [f"s{n}" for n in range(2_000)]
    intend(engine, *names)
    take(engine, 2_000)
    expire(engine)
    errors: list[BaseException] = []
    swept: list[Swept] = []

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:  # shown by the assertion below
            errors.append(error)

    def enqueue_backwards() -> None:
        for start in range(2_000, 0, -250):
            with transaction(engine) as db:
                enqueue(db, 1, [Intent("push", name, 7) for name in names[start - 250 : start]])

    works = [enqueue_backwards, lambda: swept.append(sweep(engine)), lambda: swept.append(sweep(engine))]
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    swept.append(sweep(engine))
    assert errors == []
    assert sum(one.returned + one.superseded for one in swept) == 2_000
    assert run(engine, "select count(*) from outbox_message where status = 'pending'") == 2_000
    assert run(engine, "select count(*) from outbox_message where status = 'claimed'") == 0


def test_a_message_that_kills_its_worker_waits_longer_each_time(engine: sa.Engine) -> None:
    intend(engine, "a")
    waits = []
    for _ in range(5):
        take(engine)
        expire(engine)
        sweep(engine)
        waits.append(
            round(float(run(engine, "select extract(epoch from next_try_at - now()) from outbox_turn")))
        )
        run(engine, "update outbox_turn set next_try_at = now()")
    assert waits == [0, 1, 3, 7, 15]


def test_a_repaired_connection_is_served_at_once(engine: sa.Engine) -> None:
    intend(engine, "a")
    intend(engine, "a", merchant=2)
    finish(engine, take(engine), Unauthorized("shop", "x", "no"))
    finish(engine, take(engine, turn=Turn(2, "push", 7)), Unauthorized("shop", "x", "no"))
    with transaction(engine) as db:
        assert wake(db, 1, 7) == 1
    assert subjects(take(engine)) == ["a"]
    assert run(engine, "select failures from outbox_turn where merchant_id = 2") == 1


def test_the_backlog_is_counted_per_turn_of_one_merchant(engine: sa.Engine) -> None:
    intend(engine, "a", "b", "c")
    intend(engine, "a", topic="badge")
    intend(engine, "x", merchant=2)
    take(engine, 1)
    claimed = take(engine, turn=Turn(1, "badge", 7))
    with transaction(engine) as db:
        settle(db, claimed, {claimed.messages[0].id: Done()})
        counts = pending_counts(db, 1)
    assert [(c.topic, c.connection_id, c.pending, c.claimed, c.failures) for c in counts] == [
        ("push", 7, 2, 1, 0)
    ]


def test_old_settled_messages_are_pruned_and_open_ones_stay(engine: sa.Engine) -> None:
    intend(engine, "a", "b", "c", "d")
    claimed = take(engine, 3)
    a, b, _ = (message.id for message in claimed.messages)
    with transaction(engine) as db:
        settle(db, claimed, {a: Done(), b: Failed("no")})
    run(engine, "update outbox_message set settled_at = settled_at - interval '8 days' where id = :a", a=a)
    run(engine, "update outbox_message set enqueued_at = enqueued_at - interval '99 days'")
    assert prune(engine, timedelta(days=7)) == 1
    assert rows(engine) == [("b", "failed"), ("c", "claimed"), ("d", "pending")]
