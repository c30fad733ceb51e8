"""Fault dials: how badly a simulated server behaves. Seeded, so that a run can be repeated."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal["none", "error", "throttle", "cut_before", "timeout_after_success", "cut_after_success"]


@dataclass
class Dials:
    """Rates are shares of requests between 0 and 1; delays in seconds. All may be turned while running.

    `error_rate` 5xx before any effect, `throttle_rate` the platform's own "too many", `cut_rate`
    connection cut before any effect, `lost_answer_rate` the effect happens and the answer never
    comes (gateway timeout or cut connection), `webhook_*` duplicates, drops, delays and reorders
    deliveries. `fail_next` queues exact faults, one per request, before the dice are rolled.
    """

    latency_s: float = 0.0
    error_rate: float = 0.0
    throttle_rate: float = 0.0
    cut_rate: float = 0.0
    lost_answer_rate: float = 0.0
    webhook_delay_s: float = 0.0
    webhook_duplicate_rate: float = 0.0
    webhook_drop_rate: float = 0.0
    webhook_reorder_rate: float = 0.0
    maintenance: bool = False
    seed: int = 7
    fail_next: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._lock = threading.Lock()

    def roll(self) -> Fault:
        """The fault for the next request; a write and a read roll alike."""
        with self._lock:
            if self.fail_next:
                return self.fail_next.pop(0)
            at = self._dice.random()
        for rate, fault in (
            (self.error_rate, "error"),
            (self.throttle_rate, "throttle"),
            (self.cut_rate, "cut_before"),
            (self.lost_answer_rate, "timeout_after_success"),
        ):
            if at < rate:
                return fault  # type: ignore[return-value]
            at -= rate
        return "none"

    def chance(self, rate: float) -> bool:
        """True with probability `rate`."""
        if rate <= 0:
            return False
        with self._lock:
            return self._dice.random() < rate
