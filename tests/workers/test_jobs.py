"""Clock and workers with a real database and a real Redis: what is due is done, once, whatever is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector import bootstrap
from connector.accounts import schedule as due_times
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.outbox.messages import Claim, Done, Intent, enqueue, settle
from connector.outbox.work import Topic
from connector.ports.errors import Retryable, Unauthorized
from connector.positions.topics import ADS, SHOPPERS
from connector.settings import Settings, child_environment
from tests.builders import World
from tests.support import eventually
from workers import jobs, queues, runtime, schedule
from workers.queues import RING_LASTS_S, queue, ring_key
from workers.run import work
from workers.runtime import use
from workers.schedule import run_clock, tick


@pytest.fixture
def rt(
    engine: sa.Engine, settings: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    """A runtime that the jobs of this process use. `redis` empties it afterwards."""
    found = Runtime(settings)
    found.__dict__["engine"] = engine
    monkeypatch.setattr(runtime, "_runtime", None)
    use(found)
    yield found
    found.redis.close()


@pytest.fixture
def world(rt: Runtime) -> World:
    return World(rt.engine)


class Noted:
    """A handler and a kind of schedule row that note what they were asked to do."""

    def __init__(self) -> None:
        self.subjects: list[tuple[int, str]] = []
        self.runs: list[tuple[int, int]] = []
        self.error: BaseException | None = None
        self.fails_for: set[int] = set()

    def handle(self, rt: Any, claim: Claim) -> None:
        self.subjects += [(claim.turn.merchant_id, message.subject) for message in claim.messages]
        self._fail(claim.turn.merchant_id)
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: Done() for message in claim.messages})

    def run(self, _: Any, merchant_id: int, subject_id: int) -> None:
        self.runs.append((merchant_id, subject_id))
        self._fail(merchant_id)

    def _fail(self, merchant_id: int) -> None:
        if self.error is not None and (not self.fails_for or merchant_id in self.fails_for):
            raise self.error


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """The topic `ads.position` and the kind "positions.recheck" are noted instead of done."""
    found = Noted()
    monkeypatch.setitem(bootstrap.TOPICS, ADS, Topic(ADS, found.handle, 100, 240))
    monkeypatch.setitem(jobs.DO, "positions.recheck", found.run)
    return found


def intend(rt: Runtime, merchant_id: int, *subjects: str, topic: str = ADS) -> None:
    with transaction(rt.engine) as db:
        enqueue(db, merchant_id, [Intent(topic, subject) for subject in subjects])


def plan(rt: Runtime, merchant_id: int, kind: str = "positions.recheck", subject_id: int = 0) -> None:
    with transaction(rt.engine) as db:
        due_times.ensure(db, merchant_id, kind, subject_id, 3600)


def burst(rt: Runtime, *names: str) -> None:
    """Work queues in this process until they are empty, and give the signals back to pytest."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for name in names or queues.QUEUES:
            work(rt, name, burst=True)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def waiting(rt: Runtime) -> dict[str, int]:
    """Bells per queue, those with none left out."""
    counts = {name: queue(name, rt.redis).count for name in queues.QUEUES}
    return {name: count for name, count in counts.items() if count}


def statuses(rt: Runtime) -> list[tuple[str, str]]:
    with rt.engine.connect() as db:
        rows = db.execute(sa.text("select subject, status from outbox_message order by id"))
        return [(row.subject, row.status) for row in rows]


def row(rt: Runtime, columns: str) -> Any:
    with rt.engine.connect() as db:
        return tuple(db.execute(sa.text(f"select {columns} from schedule")).one())


def run(rt: Runtime, statement: str) -> None:
    with transaction(rt.engine) as db:
        db.execute(sa.text(statement))


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


# --- Processes --------------------------------------------------------------------------------------


@contextlib.contextmanager
def process(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours with these settings; killed at the end if it still runs."""
    started = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=child_environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate(timeout=10)


def test_a_worker_killed_in_the_middle_of_a_job_loses_nothing(
    rt: Runtime, world: World, settings: Settings, tmp_path: Path
) -> None:
    intend(rt, world.merchant_id, "17", "18")
    tick(rt)
    with process(settings, "tests.workers.slow_worker", str(tmp_path)) as killed:
        eventually(lambda: (tmp_path / "begun").exists(), "the job has begun", 90)
        killed.send_signal(signal.SIGKILL)
        killed.wait(timeout=10)
    assert statuses(rt) == [("17", "claimed"), ("18", "claimed")]
    assert tick(rt, sweeps=True) == 0  # the lease still runs: perhaps it is only slow

    run(rt, "update outbox_message set lease_until = now()")
    run(rt, "update outbox_turn set lease_until = now()")
    assert tick(rt, sweeps=True) == 1
    (tmp_path / "go").touch()
    with process(settings, "tests.workers.slow_worker", str(tmp_path)) as next_one:
        assert next_one.wait(timeout=90) == 0
    assert statuses(rt) == [("17", "done"), ("18", "done")]
    assert (tmp_path / "done").read_text() == "17\n18\n"


def _rings(rt: Runtime) -> bool:
    return bool(waiting(rt))


def _is_idle(rt: Runtime) -> bool:
    """Whether a worker of the queue waits for bells (before that a signal ends it as it ends any process)."""
    return b"idle" in [rt.redis.hget(key, "state") for key in rt.redis.smembers("rq:workers:ads")]


@pytest.mark.parametrize(
    ("arguments", "is_up"),
    [
        pytest.param(("clock",), _rings, id="clock"),
        pytest.param(("worker", "--queue", "ads"), _is_idle, id="worker"),
    ],
)
def test_a_process_starts_and_ends_when_told(
    rt: Runtime,
    world: World,
    settings: Settings,
    arguments: tuple[str, ...],
    is_up: Callable[[Runtime], bool],
) -> None:
    plan(rt, world.merchant_id)
    with process(settings, "connector.cli", *arguments) as started:
        eventually(lambda: is_up(rt), f"{arguments[0]} is up", 90)
        assert started.poll() is None
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=60) == 0


def test_a_worker_in_burst_mode_ends_when_its_queue_is_empty(
    rt: Runtime, world: World, settings: Settings
) -> None:
    plan(rt, world.merchant_id)
    tick(rt)
    with process(settings, "connector.cli", "worker", "--queue", "intake", "--burst") as started:
        assert started.wait(timeout=90) == 0
    assert row(rt, "failures, last_error, lease_until, next_run_at > now()") == (0, "", None, True)


def test_the_clock_outlives_a_database_that_goes_away(
    rt: Runtime, world: World, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(rt, world.merchant_id)
    real, failed = schedule.tick, threading.Event()

    def once_away(one: Runtime, *, sweeps: bool = False) -> int:
        if not failed.is_set():
            failed.set()
            raise sa.exc.OperationalError("select 1", {}, Exception("the database restarts"))
        return real(one, sweeps=sweeps)

    class Stop(threading.Event):
        """Ends the clock when it has rung; never waits."""

        def wait(self, timeout: float | None = None) -> bool:
            if _rings(rt):
                self.set()
            return self.is_set()

    monkeypatch.setattr(schedule, "tick", once_away)
    run_clock(rt, Stop())
    assert (failed.is_set(), waiting(rt)) == (True, {"intake": 1})


def test_the_runtime_of_a_process_is_built_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in child_environment(settings, environ={}).items():
        monkeypatch.setitem(os.environ, name, value)
    monkeypatch.setattr(runtime, "_runtime", None)
    assert runtime.runtime() is runtime.runtime()
    assert runtime.runtime().settings.database_url == settings.database_url
