"""What the processes of `test_shared` do."""

from __future__ import annotations

from typing import Any

from adapters.kit.budget import Budget
from connector.ports.shared import Value
from connector.registry import Environment
from connector.shared import RedisValues


def count(value: Value | None, now: float) -> tuple[Value, int]:
    n = (value or {"n": 0})["n"] + 1
    return {"n": n}, n


def count_often(url: str, times: int) -> None:
    values = RedisValues(url)
    for _ in range(times):
        values.change("counter", count)


def take_room(url: str, results: Any) -> None:
    budget = Budget(Environment(shared=RedisValues(url)), "shopify:race")
    results.put(sum(budget.promise(10, longest_s=0).is_kept for _ in range(40)))
