"""Workers killed with `kill -9` at random, and Redis emptied: every effect happens exactly once."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import kills


@pytest.mark.usefixtures("processes")
def test_killed_workers_lose_nothing_and_repeat_nothing(
    fresh_database_url: str, redis_url: str, redis: Any
) -> None:
    plan = kills.Plan(
        effects=400,
        connections=8,
        workers=3,
        batch=10,
        kill_every_s=0.2,
        kills=6,
        wipes=1,
        lease_s=1.0,
        slowest_call_s=0.15,
        timeout_s=120,
    )
    result = kills.run(plan, fresh_database_url, redis_url, redis.flushall)
    assert result.faults == ()
    assert (result.effects, result.missing, result.doubled, result.open_attempts) == (400, 0, 0, 0)
    # Else nothing was tried: the work must not be over before the blows fall.
    assert result.kills >= 4
    assert result.wipes == 1
