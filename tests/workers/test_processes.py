"""Clock and workers as processes: killed, told to end, and a database that goes away."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.settings import Settings, child_environment
from tests.builders import World
from tests.support import eventually
from tests.workers.scene import Noted, intend, plan, row, run, statuses, waiting
from workers import runtime, schedule
from workers.schedule import run_clock, tick

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
