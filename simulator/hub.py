"""What the loopback twins of supplier hubs share: a server in a thread, its dials, and what tests turn."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from simulator.dials import Dials
from simulator.server import ServerThread, cut_connection

Answer = tuple[int, bytes, dict[str, str]]
Self = TypeVar("Self", bound="Hub")
_DOWN = b"<html><body>Bad Gateway</body></html>"


class Hub:
    """A server at `url`; a twin gives `route` and `throttled`. Use as a context manager.

    `asked` are (method, path, parameters or JSON body) of all requests, in order. `fails_from`: so many may
    still be answered with items, and then every request fails; `shows_page`: everything is a web page;
    `leaks`: everything is refused with these words.
    """

    def __init__(self, dials: Dials | None = None) -> None:
        self.dials = dials or Dials()
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.pages = 0
        self.fails_from: int | None = None
        self.shows_page = False
        self.leaks = ""
        self._lock = threading.Lock()
        self._server = ServerThread(self)
        self.url = self._server.url

    def __enter__(self: Self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()

    def route(self, method: str, path: str, given: dict[str, Any], headers: dict[str, str]) -> Answer:
        """The answer of a healthy server."""
        raise NotImplementedError

    def throttled(self) -> Answer:
        """The platform's own "too many"."""
        raise NotImplementedError

    def is_broken(self) -> bool:
        """Whether so many pages were given that all fails now."""
        return self.fails_from is not None and self.pages >= self.fails_from

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        fault = self.dials.roll()
        if fault in ("cut_before", "cut_after_success", "timeout_after_success"):
            cut_connection(environ)
            return []
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        given: dict[str, Any] = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        if body:
            if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
                given |= dict(parse_qsl(body.decode()))
            else:
                given |= json.loads(body)
        sent = {
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        with self._lock:
            self.asked.append((method, path, given))
            if fault == "error" or self.dials.maintenance or self.is_broken():
                status, content, headers = 502, _DOWN, {"Content-Type": "text/html"}
            elif fault == "throttle":
                status, content, headers = self.throttled()
            elif self.shows_page:
                status, content, headers = (
                    200,
                    b"<!DOCTYPE html><html>Hello</html>",
                    {"Content-Type": "text/html"},
                )
            elif self.leaks:
                status, content, headers = told(400, {"code": 400, "message": self.leaks})
            else:
                status, content, headers = self.route(method, path, given, sent)
        headers = {"Content-Type": "application/json", **headers, "Content-Length": str(len(content))}
        start(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [content]


def told(status: int, document: Any) -> Answer:
    """A JSON answer."""
    return status, json.dumps(document).encode(), {}
