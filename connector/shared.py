"""Shared values in Redis, and in this process alone while Redis does not answer."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

from redis import Redis, WatchError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from connector.ports.shared import Change, Result, Value

KEPT_S = 3600
"""Values that nobody changed for so long are gone."""
PATIENCE_S = 0.5
"""Redis is asked on the way to every call: one that hangs must not hold it up."""
UNASKED_S = 10.0
"""After Redis failed it is left alone for so long."""
TRIES = 20

_jitter = Random()
log = logging.getLogger(__name__)


class LocalValues:
    """Values of this process. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, Value] = {}

    def change(self, key: str, change: Change[Result]) -> Result:
        with self._lock:
            value, result = change(self._values.get(key), self._clock())
            if value is not None:
                self._values[key] = value
            return result


class RedisValues:
    """Values of all processes at one Redis, on its clock. Connects on first use. An empty `url`, as of a
    command beside which nothing runs: values of this process alone."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = (
            Redis.from_url(
                url,
                socket_timeout=PATIENCE_S,
                socket_connect_timeout=PATIENCE_S,
                retry=Retry(NoBackoff(), 0),
            )
            if url
            else None
        )
        self._clock = clock
        self._own = LocalValues(clock)
        self._unasked_until = 0.0

    def change(self, key: str, change: Change[Result]) -> Result:
        if self._redis is not None and self._clock() >= self._unasked_until:
            try:
                return self._change(self._redis, f"dispo:shared:{key}", change)
            except RedisError as error:
                self._unasked_until = self._clock() + UNASKED_S
                log.warning(
                    "Values are not shared between processes for %.0f s: Redis failed (%s).",
                    UNASKED_S,
                    type(error).__name__,
                )
        return self._own.change(key, change)

    def _change(self, redis: Redis, key: str, change: Change[Result]) -> Result:
        with redis.pipeline() as pipe:
            for tries in range(TRIES):
                pipe.watch(key)  # type: ignore[no-untyped-call]
                seconds, micros = pipe.time()
                found: Any = pipe.get(key)
                value, result = change(json.loads(found) if found else None, seconds + micros / 1e6)
                if value is None:
                    pipe.unwatch()
                    return result
                pipe.multi()
                pipe.set(key, json.dumps(value), ex=KEPT_S)
                try:
                    pipe.execute()
                except WatchError:
                    # Another process changed it in between: once more, from what it left. Not all at once, and
                    # rarer each time: of three that never rest, one change in 3,000 lost 20 tries in a row.
                    time.sleep(_jitter.random() * 0.001 * 2 ** min(tries, 6))
                    continue
                return result
        raise RedisError("The value is changed by too many at once.")
