"""What the loopback twins of business systems share: the server, its faults, and what it counts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from simulator.dials import Dials
from simulator.server import ServerThread, cut_connection

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; names of `headers` are in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body or b"null")

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Reply(Exception):
    """An answer; raised where the way to it is long."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json"

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, ensure_ascii=False, default=_plain).encode()


class ErpServer:
    """Base of the twins: `answer` is the platform, `unwell`, `too_many` and `buggy` are its ways to fail.

    `lists` counts pages of items that were given, after `breaks_after` of them every request fails. `leaks`
    is what a careless server puts into its errors. `rate` are calls allowed within a minute, 0 for any.
    """

    least_wait_s = 7.0

    def __init__(
        self,
        dials: Dials | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dials = dials or Dials()
        self.clock = clock
        self.count = self.lists = 0
        self.rate = 0
        self.breaks_after: int | None = None
        self.leaks = ""
        self.shows_page = False
        self.asks: list[Ask] = []
        self._monotonic = monotonic
        self._at: list[float] = []
        self._lock = threading.Lock()
        self._server = ServerThread(self)
        self.url = self._server.url

    def __enter__(self) -> Any:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()

    def answer(self, ask: Ask) -> Reply:
        raise NotImplementedError

    def unwell(self) -> Reply:
        return Reply(b"<html>Bad Gateway</html>", 502, kind="text/html")

    def too_many(self) -> Reply:
        return Reply(b"", 429, {"Retry-After": str(int(self.least_wait_s))})

    def buggy(self, said: str) -> Reply:
        raise NotImplementedError

    def settle(self) -> None:
        """Forget every fault and count, for the next test."""
        self.dials.fail_next.clear()
        self.count = self.lists = 0
        self.breaks_after, self.leaks, self.shows_page = None, "", False
        self.asks.clear()
        self._at.clear()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        ask = Ask(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"].encode("latin-1").decode(),
            dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
            {
                name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
                for name, value in environ.items()
                if name.startswith("HTTP_") or name == "CONTENT_TYPE"
            },
            environ["wsgi.input"].read(length),
        )
        fault = self.dials.roll()
        if fault in ("cut_before", "cut_after_success", "timeout_after_success"):
            cut_connection(environ)
            return []
        with self._lock:
            reply = self._reply(ask, fault)
        content = reply.content()
        start(
            f"{reply.status} {HTTPStatus(reply.status).phrase}",
            [
                ("Content-Type", reply.kind),
                ("Content-Length", str(len(content))),
                *((name, value) for name, value in reply.headers.items()),
            ],
        )
        return [content]

    def _reply(self, ask: Ask, fault: str) -> Reply:
        self.count += 1
        if fault == "error" or (self.breaks_after is not None and self.lists >= self.breaks_after):
            return self.unwell()
        if fault == "throttle" or self._is_over():
            return self.too_many()
        if self.shows_page:
            return Reply(b"<!DOCTYPE html>\n<html><body>Log in</body></html>", kind="text/html")
        if self.leaks:
            return self.buggy(self.leaks)
        self.asks.append(ask)
        try:
            return self.answer(ask)
        except Reply as reply:
            return reply

    def _is_over(self) -> bool:
        if not self.rate:
            return False
        now = self._monotonic()
        self._at = [at for at in self._at if at > now - 60]
        self._at.append(now)
        return len(self._at) > self.rate


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value))
