"""Values that all processes share through Redis, and what happens when it is away."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.budget import Budget
from connector.cli.frame import with_servers
from connector.embedded import EmbeddedServer, start_redis
from connector.registry import Environment
from connector.settings import Settings
from connector.shared import UNASKED_S, RedisValues
from tests.shared_racers import count, count_often, take_room


def together(context: Any, number: int, target: Any, *given: Any) -> None:
    """Run `target` in so many processes at once."""
    running = [context.Process(target=target, args=given) for _ in range(number)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * number


def test_no_change_is_lost_between_processes(redis_server: EmbeddedServer, processes: Any) -> None:
    together(processes, 3, count_often, redis_server.url, 200)
    assert RedisValues(redis_server.url).change("counter", lambda value, now: (None, value)) == {"n": 600}


def test_workers_racing_for_a_bucket_take_what_it_holds(redis_server: EmbeddedServer, processes: Any) -> None:
    budget = Budget(Environment(shared=RedisValues(redis_server.url)), "shopify:race")
    # So slow to come back that nothing does within the test.
    budget.learn(None, left=500, maximum=2000, restore_rate=0.001)
    results = processes.Queue()
    together(processes, 3, take_room, redis_server.url, results)
    assert sum(results.get() for _ in range(3)) == 50


def test_without_redis_each_process_has_its_own_and_nobody_waits_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = RedisValues(f"unix://{tmp_path}/nowhere.sock")
    began = time.monotonic()
    assert [values.change("counter", count) for _ in range(3)] == [1, 2, 3]
    assert time.monotonic() - began < UNASKED_S
    assert caplog.text.count("not shared") == 1


def test_a_redis_that_dies_and_comes_back_is_used_again(tmp_path: Path) -> None:
    clock = [0.0]
    with start_redis(tmp_path, durable=False) as server:
        values = RedisValues(server.url, clock=lambda: clock[0])
        assert values.change("counter", count) == 1
        url = server.url
    assert values.change("counter", count) == 1
    with start_redis(tmp_path, durable=False) as server:
        assert server.url == url
        assert values.change("counter", count) == 2
        clock[0] += UNASKED_S
        assert values.change("counter", count) == 1


def test_a_command_shares_with_the_redis_that_runs_beside_it_and_starts_none(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="postgresql://elsewhere/dispo")
    with ExitStack() as stack:
        alone = with_servers(settings, stack, needs_redis=False)
    values = RedisValues(alone.redis_url)
    assert ("", [1, 2]) == (alone.redis_url, [values.change("counter", count) for _ in range(2)])
    with start_redis(tmp_path / "redis", durable=False) as server, ExitStack() as stack:
        assert server.url == with_servers(settings, stack, needs_redis=False).redis_url
