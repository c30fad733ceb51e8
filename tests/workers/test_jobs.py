"""Clock and workers with a real database and a real Redis: what is due is done, once, whatever is lost."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from rq import Worker

from connector import bootstrap
from connector.accounts import schedule as due_times
from connector.bootstrap import Runtime
from connector.outbox.messages import Intent, enqueue
from connector.ports.errors import Retryable, Unauthorized
from connector.positions.topics import ADS, SHOPPERS
from connector.settings import Settings
from tests.builders import World
from tests.workers.scene import Noted, burst, intend, plan, row, run, statuses, waiting
from workers import jobs, queues
from workers.queues import RING_LASTS_S, ring_key
from workers.run import work
from workers.schedule import tick

# --- Ringing ----------------------------------------------------------------------------------------


def test_what_is_due_is_rung_for_once_in_its_queue(rt: Runtime, world: World, noted: Noted) -> None:
    intend(rt, world.merchant_id, "17", "18")
    intend(rt, world.merchant_id, "17", topic=SHOPPERS)
    plan(rt, world.merchant_id)

    assert tick(rt) == 3
    assert tick(rt) == 0
    assert waiting(rt) == {"ads": 1, "notify": 1, "intake": 1}

    burst(rt, "ads", "intake")
    assert noted.subjects == [(world.merchant_id, "17"), (world.merchant_id, "18")]
    assert noted.runs == [(world.merchant_id, 0)]
    assert tick(rt) == 0
    assert waiting(rt) == {"notify": 1}


def test_an_answered_bell_may_be_rung_again_at_once(rt: Runtime, world: World, noted: Noted) -> None:
    intend(rt, world.merchant_id, "17")
    tick(rt)
    burst(rt, "ads")
    intend(rt, world.merchant_id, "18")
    assert tick(rt) == 1
    burst(rt, "ads")
    assert noted.subjects == [(world.merchant_id, "17"), (world.merchant_id, "18")]


def test_an_unanswered_bell_is_rung_again_after_its_time(rt: Runtime, world: World, noted: Noted) -> None:
    intend(rt, world.merchant_id, "17")
    plan(rt, world.merchant_id)
    tick(rt)
    keys = [ring_key(f"{ADS}:{world.merchant_id}:0"), ring_key(f"positions.recheck:{world.merchant_id}:0")]
    assert [0 < rt.redis.ttl(key) <= RING_LASTS_S for key in keys] == [True, True]
    rt.redis.delete(*keys)  # as their time does

    assert tick(rt) == 2
    assert waiting(rt) == {"ads": 2, "intake": 2}
    burst(rt, "ads", "intake")
    assert (noted.subjects, noted.runs) == ([(world.merchant_id, "17")], [(world.merchant_id, 0)])


@pytest.mark.parametrize(("workers", "rings"), [(1, 6), (3, 6), (4, 1), (8, 2)])
def test_one_merchant_has_at_most_a_quarter_of_a_queues_workers(
    rt: Runtime, world: World, workers: int, rings: int
) -> None:
    with rt.engine.begin() as db:
        enqueue(db, world.merchant_id, [Intent(ADS, "17", connection) for connection in range(6)])
    for n in range(workers):
        Worker([queues.queue("ads", rt.redis)], name=f"w{n}", connection=rt.redis).register_birth()  # type: ignore[no-untyped-call]

    assert rings == tick(rt)


def test_an_emptied_redis_loses_no_work(rt: Runtime, world: World, noted: Noted) -> None:
    intend(rt, world.merchant_id, "17")
    plan(rt, world.merchant_id)
    tick(rt)
    rt.redis.flushall()

    assert tick(rt) == 2
    burst(rt, "ads", "intake")
    assert (noted.subjects, noted.runs) == ([(world.merchant_id, "17")], [(world.merchant_id, 0)])


def test_two_clocks_do_not_double_anything(
    rt: Runtime, world: World, noted: Noted, settings: Settings
) -> None:
    others = [Runtime(settings) for _ in range(2)]
    for subject in range(20):
        plan(rt, world.merchant_id, subject_id=subject)
        intend(rt, world.merchant_id, str(subject))
    rings: list[int] = []
    clocks = [
        threading.Thread(target=lambda one=one: rings.extend(tick(one) for _ in range(5))) for one in others
    ]
    for clock in clocks:
        clock.start()
    for clock in clocks:
        clock.join()
    for one in others:
        one.engine.dispose()
        one.redis.close()

    assert sum(rings) == 21
    burst(rt, "ads", "intake")
    assert sorted(subject for _, subject in noted.runs) == list(range(20))
    assert len(noted.subjects) == 20


def test_bells_that_nobody_answers_do_not_fill_redis(
    rt: Runtime, world: World, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MOST_RINGS", 3)
    for subject in range(10):
        plan(rt, world.merchant_id, subject_id=subject)
    intend(rt, world.merchant_id, "17")
    assert tick(rt) == 4
    assert waiting(rt) == {"intake": 3, "ads": 1}

    for _ in range(4):
        burst(rt, "intake")
        tick(rt)
    assert sorted(subject for _, subject in noted.runs) == list(range(10))


def test_a_kind_of_a_newer_release_is_left_alone_and_stops_nobody(
    rt: Runtime, world: World, noted: Noted
) -> None:
    plan(rt, world.merchant_id, kind="store.teleport")
    plan(rt, world.merchant_id)
    assert tick(rt) == 1
    assert waiting(rt) == {"intake": 1}


def test_every_topic_and_every_kind_has_a_queue_and_a_job() -> None:
    assert set(queues.QUEUE_OF_TOPIC) == set(bootstrap.TOPICS)
    assert set(queues.KINDS) == set(jobs.DO)
    assert {*queues.QUEUE_OF_TOPIC.values(), *(kind.queue for kind in queues.KINDS.values())} == set(
        queues.QUEUES
    )


def test_a_worker_for_an_unknown_queue_is_refused(rt: Runtime) -> None:
    with pytest.raises(ValueError, match="Use one of: push, notify, ads, intake"):
        work(rt, "pushes")


# --- Answering --------------------------------------------------------------------------------------


def test_a_job_that_finds_nothing_to_do_is_harmless(rt: Runtime, world: World, noted: Noted) -> None:
    plan(rt, world.merchant_id)
    schedule_id = row(rt, "id")[0]
    due_times.record(rt.engine, due_times.claim(rt.engine, world.merchant_id, schedule_id))  # type: ignore[arg-type]

    assert jobs.serve(world.merchant_id, ADS, 0) == 0
    assert jobs.serve(world.merchant_id, ADS, 999, "a ring nobody knows") == 0
    jobs.run_due(world.merchant_id, "positions.recheck", schedule_id)
    jobs.run_due(world.merchant_id, "positions.recheck", 999)

    assert (noted.subjects, noted.runs) == ([], [])
    assert row(rt, "failures, last_error, lease_until") == (0, "", None)


def test_another_merchants_run_cannot_be_started(rt: Runtime, world: World, noted: Noted) -> None:
    plan(rt, world.merchant_id)
    jobs.run_due(world.merchant_id + 1, "positions.recheck", row(rt, "id")[0])
    assert noted.runs == []


def test_a_handler_that_fails_waits_while_others_are_served(rt: Runtime, world: World, noted: Noted) -> None:
    neighbour = World(rt.engine)
    noted.error, noted.fails_for = RuntimeError("a bug"), {world.merchant_id}
    intend(rt, world.merchant_id, "17")
    intend(rt, neighbour.merchant_id, "99")
    tick(rt)
    burst(rt, "ads")

    assert noted.subjects == [(world.merchant_id, "17"), (neighbour.merchant_id, "99")]
    assert statuses(rt) == [("17", "pending"), ("99", "done")]
    with rt.engine.connect() as db:
        waits = db.execute(
            sa.text("""
                select failures, last_error, next_try_at > now() from outbox_turn where merchant_id = :m
            """),
            {"m": world.merchant_id},
        ).one()
    assert tuple(waits) == (1, "a bug", True)
    # No hot loop: neither the clock nor a bell of its own makes it run before its time.
    assert tick(rt) == 0
    jobs.serve(world.merchant_id, ADS, 0)
    assert len(noted.subjects) == 2


def test_what_the_far_side_refuses_is_recorded_and_repeated_later(
    rt: Runtime, world: World, noted: Noted
) -> None:
    noted.error = Retryable("ftp", "feed", "The server is down.")
    plan(rt, world.merchant_id)
    tick(rt)
    burst(rt, "intake")
    assert row(rt, "failures, last_error, lease_until") == (1, "ftp: feed: The server is down.", None)
    assert row(rt, "rerun_at > now() and rerun_at <= now() + interval '15 s'") == (True,)
    assert tick(rt) == 0

    noted.error = None
    run(rt, "update schedule set rerun_at = now()")
    assert tick(rt) == 1
    burst(rt, "intake")
    assert (len(noted.runs), row(rt, "failures, last_error, rerun_at")) == (2, (0, "", None))


def test_a_refusal_waits_for_its_next_period(rt: Runtime, world: World, noted: Noted) -> None:
    noted.error = Unauthorized("ftp", "feed", "Wrong password.")
    plan(rt, world.merchant_id)
    tick(rt)
    burst(rt, "intake")
    assert row(rt, "failures, rerun_at, next_run_at > now()") == (1, None, True)
    assert tick(rt) == 0


def test_a_bug_in_one_run_is_recorded_and_the_next_job_is_worked(
    rt: Runtime, world: World, noted: Noted
) -> None:
    noted.error, noted.fails_for = RuntimeError("a bug"), {world.merchant_id}
    neighbour = World(rt.engine)
    plan(rt, world.merchant_id)
    plan(rt, neighbour.merchant_id)
    tick(rt)
    burst(rt, "intake")
    assert sorted(noted.runs) == [(world.merchant_id, 0), (neighbour.merchant_id, 0)]
    with rt.engine.connect() as db:
        found = db.execute(sa.text("select failures, last_error from schedule order by merchant_id")).all()
    assert [tuple(one) for one in found] == [(1, "a bug"), (0, "")]


@pytest.mark.parametrize("status", ["paused", "ended"])
@pytest.mark.parametrize("kind", ["store.catalog", "ads.read", "supplier.sync"])
def test_a_connection_that_is_not_in_use_is_left_in_peace(
    rt: Runtime, world: World, monkeypatch: pytest.MonkeyPatch, kind: str, status: str
) -> None:
    noted = Noted()
    monkeypatch.setitem(jobs.DO, kind, noted.run)
    subject = world.source() if kind == "supplier.sync" else world.store()
    plan(rt, world.merchant_id, kind, subject)
    world.execute("update connection set status = :s where merchant_id = :m", s=status)
    tick(rt)
    burst(rt)
    assert (noted.runs, row(rt, "failures, lease_until, next_run_at > now()")) == ([], (0, None, True))

    world.execute("update connection set status = 'active' where merchant_id = :m")
    run(rt, "update schedule set next_run_at = now()")
    tick(rt)
    burst(rt)
    assert noted.runs == [(world.merchant_id, subject)]


def test_the_installation_is_kept_tidy_by_one_of_its_merchants(rt: Runtime, world: World) -> None:
    second = World(rt.engine)
    for one in (world, second):
        with rt.engine.begin() as db:
            due_times.ensure(db, one.merchant_id, "upkeep", 0, 86_400)
        store = one.store()
        for days in (15, 1):
            one.execute(
                "insert into reconciliation (merchant_id, connection_id, started_at)"
                " values (:m, :c, now() - make_interval(days => :d))",
                c=store,
                d=days,
            )

    def kept() -> int:
        with rt.engine.connect() as db:
            return int(db.execute(sa.text("select count(*) from reconciliation")).scalar_one())

    jobs.DO["upkeep"](rt, second.merchant_id, 0)
    assert 4 == kept()
    jobs.DO["upkeep"](rt, world.merchant_id, 0)
    assert 2 == kept()
