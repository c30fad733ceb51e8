"""What every platform's webhooks need to be late: deliveries that wait their time and leave one after another."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import httpx2

TIMEOUT_S = 5.0

D = TypeVar("D")


class Deliveries(Generic[D]):
    """Sends each delivery when its time has come, from one background thread.

    `send(client, delivery)` is called once a `put`, whatever becomes of it; to try again it puts the delivery
    anew. Of two that are due at the same time the one that was put first goes first.
    """

    def __init__(self, send: Callable[[httpx2.Client, D], None]) -> None:
        self._send = send
        self._queue: list[tuple[float, int, D]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._sending = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more; waits for the one on its way."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=TIMEOUT_S + 1)

    def put(self, delivery: D, wait_s: float) -> None:
        """Have it sent in `wait_s` seconds."""
        with self._changed:
            heapq.heappush(self._queue, (time.monotonic() + wait_s, next(self._order), delivery))
            self._changed.notify_all()

    def drain(self, timeout_s: float = 5.0) -> bool:
        """Wait until nothing is queued or on its way; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._sending, timeout_s)

    def _run(self) -> None:
        with httpx2.Client(timeout=TIMEOUT_S, verify=False, trust_env=False) as client:
            while (due := self._next()) is not None:
                try:
                    self._send(client, due[2])
                finally:
                    with self._changed:
                        self._sending -= 1
                        self._changed.notify_all()

    def _next(self) -> tuple[float, int, D] | None:
        with self._changed:
            while not self._stopped:
                if not self._queue:
                    self._changed.wait()
                    continue
                wait_s = self._queue[0][0] - time.monotonic()
                if wait_s <= 0:
                    self._sending += 1
                    return heapq.heappop(self._queue)
                self._changed.wait(wait_s)
        return None
