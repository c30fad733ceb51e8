"""Shopify's `@idempotent` keys: what one key may be used for and what its repetition answers.

A key lives 24 hours. A repetition with other parameters, during the first attempt, or after a failed one
is refused by a user error. What a repetition after a success answers is disputed: the documentation
promises deduplication, and one published trial on a live store (API 2026-07) saw the mutation run again
and fail its comparison. `replays` chooses; an adapter must survive both.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

KEPT = timedelta(hours=24)
MESSAGES = {
    "IDEMPOTENCY_CONCURRENT_REQUEST": "This request is currently in progress, please try again.",
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH": (
        "The request with this idempotency key has different parameters than the original request."
    ),
    "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED": (
        "The previous attempt with this idempotency key failed. Use a new key."
    ),
}


@dataclass
class _Attempt:
    digest: str
    at: datetime
    state: str = "running"
    answer: dict[str, Any] = field(default_factory=dict)


class IdempotencyKeys:
    """The keys of one app and shop; thread-safe."""

    def __init__(self, now: Callable[[], datetime], replays: bool) -> None:
        self._now = now
        self.replays = replays
        self._attempts: dict[str, _Attempt] = {}
        self._lock = threading.Lock()
        self.replayed = 0

    def run(self, key: str, parameters: dict[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The payload of `work`, or of the first attempt under this key, or a user error."""
        fingerprint = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
        with self._lock:
            now = self._now()
            attempt = self._attempts.get(key)
            if attempt is not None and now - attempt.at > KEPT:
                attempt = None
            if attempt is not None:
                if attempt.digest != fingerprint:
                    return _refusal("IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
                if attempt.state == "running":
                    return _refusal("IDEMPOTENCY_CONCURRENT_REQUEST")
                if attempt.state == "failed":
                    return _refusal("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
                if self.replays:
                    self.replayed += 1
                    return attempt.answer
            attempt = _Attempt(fingerprint, now)
            self._attempts[key] = attempt
        try:
            answer = work()
        except BaseException:
            attempt.state = "failed"
            raise
        attempt.answer = answer
        attempt.state = "failed" if answer["userErrors"] else "done"
        return answer


def _refusal(code: str) -> dict[str, Any]:
    return {"userErrors": [{"code": code, "field": None, "message": MESSAGES[code]}]}
