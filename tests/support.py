"""Helpers of the tests that are not fixtures."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from redis import Redis

from connector.web.sign_up_limits import QUICKEST_MS


class ManualClock:
    """A clock that moves only when told. Starts at 2026-01-05 09:00 UTC, a Monday."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware time")
        self._now = start

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        return self._now

    __call__ = now

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Move forward and return the new present; refuses to go back."""
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if step < timedelta(0):
            raise ValueError(f"time does not run backwards: {step}")
        self._now += step
        return self._now


def require(program: str) -> str:
    """The path of a system program. Where it is missing the test is skipped, or fails when CI=true."""
    found = shutil.which(program)
    if found is not None:
        return found
    reason = f"The program {program!r} is not installed."
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{reason} The continuous integration must run this test: see .ci/run.", pytrace=False)
    pytest.skip(reason)


def unhurried(page: Any) -> None:
    """Wait until a browser's page is open for as long as a person takes at the least: whoever signs up sooner is
    taken for a machine (`connector.web.sign_up_limits.QUICKEST_MS`)."""
    page.wait_for_function(f"performance.now() > {QUICKEST_MS + 100}")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(
    is_true: Callable[[], object], what: str, timeout_s: float = 10.0, every_s: float = 0.01
) -> None:
    """Wait until `is_true` holds, for effects of other processes; fails with `what` when it never does.

    `every_s` is the pause between two looks: long where a look is dear, as a command is.
    """
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            pytest.fail(f"Not within {timeout_s:.0f} seconds: {what}", pytrace=False)
        time.sleep(every_s)


def ended(process: BaseProcess, timeout_s: float = 60.0) -> int:
    """How a process of the fixture `processes` ended by itself: its exit code, or minus its signal."""
    process.join(timeout_s)
    if process.exitcode is None:
        process.kill()
        pytest.fail(f"The process did not end within {timeout_s:.0f} seconds.", pytrace=False)
    return process.exitcode


def forget_budgets(redis_url: str) -> None:
    """Forget what the workers know of the platforms' limits, as if they were over."""
    client = _redis(redis_url)
    if keys := list(client.scan_iter("dispo:shared:*", count=1000)):
        client.delete(*keys)


@cache
def _redis(url: str) -> Redis:
    # Before most tests of the database: a connection of its own each time would cost more than the question.
    return Redis.from_url(url)
