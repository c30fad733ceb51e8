"""What the loopback twins of messaging providers share: a server in a thread, its dials, what arrived."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from simulator.dials import Dials
from simulator.server import ServerThread, cut_connection

Answer = tuple[int, Any, dict[str, str]]
Self = TypeVar("Self", bound="Sender")


class Sender:
    """A provider at `url`; a twin gives `route`. Use as a context manager.

    `sent` are the ids of the messages taken, in order, each as often as it was taken; `asked` are the method and
    path of all requests. Dials: "error" answers 503 before any effect, "throttle" 429 with Retry-After of
    `retry_after_s`, "cut_before" breaks the connection before any effect, "cut_after_success" and
    "timeout_after_success" after it.
    """

    def __init__(self, dials: Dials | None = None, port: int = 0) -> None:
        self.dials = dials or Dials()
        self.sent: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.gone: set[str] = set()
        self.retry_after_s = 7
        self._lock = threading.Lock()
        self._server = ServerThread(self, port)
        self.url = self._server.url

    def __enter__(self: Self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The answer of a healthy provider: status, document (or bytes), headers. Names of `headers` are small."""
        raise NotImplementedError

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        fault = self.dials.roll()
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if fault == "cut_before":
            cut_connection(environ)
            return []
        headers = {
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        with self._lock:
            self.asked.append((method, path))
            answer: Answer
            if fault == "error" or self.dials.maintenance:
                answer = 503, b"<html>Service Unavailable</html>", {}
            elif fault == "throttle":
                answer = 429, {}, {"Retry-After": str(self.retry_after_s)}
            else:
                answer = self.route(method, path, headers, body)
        if fault in ("cut_after_success", "timeout_after_success"):
            cut_connection(environ)
            return []
        status, said, more = answer
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        more = {"Content-Type": "application/json", **more, "Content-Length": str(len(content))}
        start(f"{status} {HTTPStatus(status).phrase}", list(more.items()))
        return [content]


def form(body: bytes) -> dict[str, str]:
    """The fields of an urlencoded form; of one given twice the last."""
    return dict(parse_qsl(body.decode(), keep_blank_values=True))
