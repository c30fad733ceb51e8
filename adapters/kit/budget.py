"""What a platform lets all of us ask of one store, shared by every worker of the installation.

The platform's own answers are the truth: each tells what is left and how it comes back, and replaces what
was believed. In between, what was promised to calls under way is counted, so that workers do not all see
the same room. A call that never came back is forgotten after `FORGOTTEN_S`.

Two shapes: an allowance that comes back steadily (`restore_rate` units a second up to `maximum`) and one
that comes back whole when its window ends (`resets_in_s`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from connector.ports.shared import SharedValues, Value
from connector.registry import Environment
from connector.shared import LocalValues

FORGOTTEN_S = 30.0


@dataclass(frozen=True, slots=True)
class Promise:
    """Room for one call, after `wait_s` seconds. `is_kept` False: there is none within the time asked for,
    and nothing was promised."""

    token: str
    wait_s: float
    is_kept: bool


class Budget:
    """The budget of one store at one platform. `key` names both. Thread-safe; never raises."""

    def __init__(
        self, environment: Environment, key: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._values: SharedValues = environment.shared or LocalValues(clock)
        self._key = f"budget:{key}"

    def promise(self, cost: float, *, longest_s: float, leave: float = 0.0) -> Promise:
        """Room for `cost` units, leaving `leave` to others, within `longest_s` seconds."""
        token = uuid.uuid4().hex

        def change(value: Value | None, now: float) -> tuple[Value | None, Promise]:
            wait_s = _wait_s(value or {}, now, cost, leave)
            if wait_s > longest_s:
                return None, Promise(token, wait_s, is_kept=False)
            held = _held(value or {}, now)
            held[token] = [cost, now + wait_s + FORGOTTEN_S]
            return {**(value or {}), "held": held}, Promise(token, wait_s, is_kept=True)

        return self._values.change(self._key, change)

    def learn(
        self,
        promise: Promise | None,
        *,
        left: float,
        maximum: float | None = None,
        restore_rate: float = 0.0,
        resets_in_s: float = 0.0,
    ) -> None:
        """The platform's answer to the call of `promise`: `left` units now, of at most `maximum`."""

        def change(value: Value | None, now: float) -> tuple[Value | None, None]:
            held = _held(value or {}, now)
            if promise:
                held.pop(promise.token, None)
            known = {
                "left": left,
                "maximum": maximum,
                "rate": restore_rate,
                "at": now,
                "resets_at": now + resets_in_s if resets_in_s else None,
                "closed_until": (value or {}).get("closed_until"),
                "held": held,
            }
            return known, None

        self._values.change(self._key, change)

    def take(self, cost: float, *, maximum: float, restore_rate: float, longest_s: float) -> float | None:
        """Spend `cost` units of an allowance that the platform states but does not report: `maximum` at once,
        coming back at `restore_rate` a second. The seconds to wait before the call, None when they would be
        more than `longest_s`: then nothing was spent."""

        def change(value: Value | None, now: float) -> tuple[Value | None, float | None]:
            known = value or {}
            left = known.get("left")
            left = (
                maximum if left is None else min(maximum, left + (now - known.get("at", now)) * restore_rate)
            )
            # Below nothing is what others already wait for: they go first.
            wait_s = max((known.get("closed_until") or 0.0) - now, (cost - left) / restore_rate, 0.0)
            if wait_s > longest_s:
                return None, None
            spent: Value = {
                "left": left - cost,
                "maximum": maximum,
                "rate": restore_rate,
                "at": now,
                "resets_at": None,
                "closed_until": known.get("closed_until"),
                "held": {},
            }
            return spent, wait_s

        return self._values.change(self._key, change)

    def close(self, seconds: float) -> None:
        """The platform wants no call at all for so long."""

        def change(value: Value | None, now: float) -> tuple[Value | None, None]:
            return {**(value or {}), "closed_until": now + seconds}, None

        self._values.change(self._key, change)

    def wait_s(self, cost: float, leave: float = 0.0) -> float:
        """Seconds until there is room for `cost` beyond `leave`, 0 when there is, or nothing is known."""
        return self._values.change(
            self._key, lambda value, now: (None, _wait_s(value or {}, now, cost, leave))
        )


def _held(value: Value, now: float) -> Value:
    """What is promised to calls under way: token → [cost, the moment it is forgotten]."""
    return {token: one for token, one in value.get("held", {}).items() if one[1] > now}


def _wait_s(value: Value, now: float, cost: float, leave: float) -> float:
    closed_s = max(0.0, (value.get("closed_until") or 0.0) - now)
    if value.get("left") is None:
        return closed_s
    left, maximum, rate = value["left"], value["maximum"], value["rate"]
    resets_at = value["resets_at"]
    if resets_at is not None and now >= resets_at:
        if maximum is None:
            return closed_s
        left, resets_at = maximum, None
    left += (now - value["at"]) * rate
    if maximum is not None:
        # A call that costs more than there can ever be waits for all there can be.
        left, cost = min(left, maximum), min(cost, maximum)
        leave = min(leave, maximum - cost)
    missing = cost + leave - (left - sum(one[0] for one in _held(value, now).values()))
    if missing <= 1e-6:  # what is left of adding fractions
        return closed_s
    if rate > 0:
        return float(max(closed_s, missing / rate))
    if resets_at is not None:
        return float(max(closed_s, resets_at - now))
    # The window is over and its successor overbooked by calls that have not come back yet.
    return float(max(closed_s, 1.0))
