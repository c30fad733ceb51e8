"""Somebody's own JSON API on loopback: one list of items in every style of paging, behind every way to sign in.

Pages never hold more than `page_size`, whatever is asked for. `rate` is enforced.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from simulator.dials import Dials
from simulator.server import ServerThread, cut_connection

USER, PASSWORD, TOKEN = "reader", "pass-word", "token-123"
CLIENT_ID, CLIENT_SECRET = "client", "client-secret"


class JsonApiServer:
    """Serves `items` (any objects) at `url`/STYLE, STYLE being none, page, offset, cursor, link or next, wrapped
    as {"data": {"items": […], "total": n}, …}. Use as a context manager, or `start` and `stop`.

    `auth` none, basic, bearer, header (X-Api-Key), query (token) or oauth2 (tokens at `url`/token, each good
    for `token_s` seconds). `rate` calls per second allowed on average, in a burst of as many; 0 for any.
    `requests` are (method, path, parameters or body) of those answered. `next_host` replaces the host of the
    next page's address; `moves` takes the first item away after the first page; `circles` names the first page
    as the next of the last.
    """

    def __init__(self, dials: Dials | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.dials = dials or Dials()
        self.items: list[dict[str, Any]] = []
        self.auth = "none"
        self.page_size = 10
        self.rate = 0.0
        self.token_s = 3600
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.tokens: list[str] = []
        self.has_etag = True
        self.total_off_by = 0
        self.next_host = ""
        self.moves = self.circles = self.shows_page = self.is_refusing = False
        self.fails_from: int | None = None
        self.error_body: bytes | None = None
        self._clock = clock
        self._left, self._at = 0.0, clock()
        self._lock = threading.Lock()
        self._server = ServerThread(self)
        self.url = self._server.url

    def __enter__(self) -> JsonApiServer:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        fault = self.dials.roll()
        if fault in ("cut_before", "cut_after_success", "timeout_after_success"):
            cut_connection(environ)
            return []
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with self._lock:
            status, answer, headers = self._answer(fault, environ, body)
        if environ["REQUEST_METHOD"] == "HEAD":
            answer = b""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(answer)), **headers}
        start(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [answer]

    def _answer(self, fault: str, environ: dict[str, Any], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        path, method = environ["PATH_INFO"].strip("/"), environ["REQUEST_METHOD"]
        given = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        if fault == "error" or self.dials.maintenance or self._is_broken():
            return 503, b'{"error": "down"}', {}
        if fault == "throttle" or not self._has_room():
            return 429, b'{"error": "slow down"}', {"Retry-After": "7"}
        if path == "token":
            return self._token(environ, body)
        if method == "POST":
            given = {**given, **json.loads(body or b"{}")}
        self.requests.append((method, path, given))
        if self.is_refusing or not self._may_read(environ, given):
            return 401, b'{"error": "who are you?"}', {}
        if self.error_body is not None:
            return 400, self.error_body, {}
        if self.shows_page:
            return 200, b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", {"Content-Type": "text/html"}
        if path not in ("none", "page", "offset", "cursor", "link", "next"):
            return 404, b'{"error": "no such list"}', {}
        return self._page(path, given)

    def _is_broken(self) -> bool:
        return self.fails_from is not None and len(self.requests) >= self.fails_from

    def _has_room(self) -> bool:
        if not self.rate:
            return True
        now = self._clock()
        self._left, self._at = min(self.rate, self._left + (now - self._at) * self.rate), now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _token(self, environ: dict[str, Any], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        signed = environ.get("HTTP_AUTHORIZATION") == f"Basic {basic}" or (
            (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        )
        if not signed or form.get("grant_type") != "client_credentials" or self.is_refusing:
            return 401, b'{"error": "invalid_client"}', {}
        self.tokens.append(f"access-{len(self.tokens) + 1}")
        told = {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": self.token_s}
        return 200, json.dumps(told).encode(), {}

    def _may_read(self, environ: dict[str, Any], given: dict[str, Any]) -> bool:
        sent = environ.get("HTTP_AUTHORIZATION", "")
        if self.auth == "basic":
            return bool(sent == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
        if self.auth == "bearer":
            return bool(sent == f"Bearer {TOKEN}")
        if self.auth == "header":
            return bool(environ.get("HTTP_X_API_KEY") == TOKEN)
        if self.auth == "query":
            return bool(given.get("token") == TOKEN)
        if self.auth == "oauth2":
            return bool(self.tokens and sent == f"Bearer {self.tokens[-1]}")
        return True

    def _page(self, style: str, given: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        size = min(int(given.get("per_page", self.page_size)), self.page_size)
        if style == "none":
            begin, size = 0, len(self.items)
        elif style == "page":
            begin = (int(given.get("page", 1)) - 1) * size
        elif style == "offset":
            begin = int(given.get("offset", 0))
        else:
            begin = int(given.get("after") or given.get("cursor") or 0)
        found, end = self.items[begin : begin + size], begin + size
        total = len(self.items) + self.total_off_by
        document: dict[str, Any] = {"data": {"items": found, "total": total}}
        headers: dict[str, str] = {}
        follows = end < len(self.items)
        after = str(end) if follows else ("0" if self.circles else "")
        address = f"{self.next_host or self.url}/{style}?after={after}"
        if style == "cursor":
            document["meta"] = {"cursor": after or None}
        elif style == "next":
            document["next"] = address if after else None
        elif style == "link" and after:
            headers["Link"] = f'<{address}>; rel="next", <{self.url}/{style}>; rel="first"'
        content = json.dumps(document).encode()
        if self.has_etag:
            headers["ETag"] = f'"{hash(content) & 0xFFFFFFFF:x}"'
        if self.moves and begin == 0:
            self.moves = False
            self.items = self.items[1:]
        return 200, content, headers
