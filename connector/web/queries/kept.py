"""Answers of slow questions, kept for a moment, so that an open overview costs the database little."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from cachetools import LRUCache

T = TypeVar("T")

SHARE = 20.0
LONGEST_S = 60.0


class Kept:
    """Keeps an answer for twenty times as long as the question took (at most a minute): a question of
    2 ms is asked each time, one of 2 s every 40 s, and no merchant takes more than a twentieth of a
    connection. `forget` when the merchant changed something."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: LRUCache[tuple[int, str], tuple[float, Any]] = LRUCache(5000)

    def get(self, merchant_id: int, name: str, ask: Callable[[], T]) -> T:
        """The kept answer to `name` for this merchant, or what `ask` answers now."""
        began = self._clock()
        with self._lock:
            until, value = self._kept.get((merchant_id, name), (0.0, None))
        if until > began:
            answer: T = value
            return answer
        answer = ask()
        ended = self._clock()
        with self._lock:
            self._kept[(merchant_id, name)] = (ended + min(LONGEST_S, (ended - began) * SHARE), answer)
        return answer

    def forget(self, merchant_id: int) -> None:
        """Ask anew for this merchant."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == merchant_id]:
                del self._kept[key]
