"""A supplier's web server on loopback: serves feeds under their names, and misbehaves as real ones do.

It knows nothing of what a feed means. Each feed has its own faults; the shared `dials` come on top.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from simulator.dials import Dials
from simulator.server import ServerThread, cut_connection

_BEGINNING = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Please sign in</title></head>"
    b"<body><form action='/login'><input name='user'></form></body></html>\n"
)


@dataclass
class FeedFaults:
    """How one feed misbehaves; all off by default, all may be turned while serving.

    `html_page`: a sign-in page with status 200. `truncate_to`: only so many bytes of the body, under the
    full Content-Length. `status`: this answer instead (500, 404, 429, …), with `retry_after` as its
    Retry-After. `slow_s`: silence before the answer. `endless`: the body never ends. `redirect_to`:
    answers 302 to that address. `has_stale_date`: Last-Modified stays what it first was although the
    bytes changed, and a conditional request by date is believed. `content_type`: this type instead.
    `is_partial`: answers 206. `gzip_cut`: compressed, without its last eight bytes, length honest.
    """

    html_page: bool = False
    truncate_to: int | None = None
    status: int = 0
    retry_after: str = ""
    slow_s: float = 0.0
    endless: bool = False
    redirect_to: str = ""
    has_stale_date: bool = False
    content_type: str = ""
    is_partial: bool = False
    gzip_cut: bool = False


@dataclass
class ServedFeed:
    """One feed: its bytes, when they changed (aware), who may read it, and how it is served.

    `sends_etag` and `sends_date` say which validators it has, `gzips` whether it compresses for those who
    accept it. Of `basic` (user, password), `header` (name, value) and `query` (name, value) each one that
    is set must be given.
    """

    content: bytes
    changed_at: datetime = _BEGINNING
    sends_etag: bool = True
    sends_date: bool = True
    gzips: bool = False
    content_type: str = "text/csv"
    basic: tuple[str, str] | None = None
    header: tuple[str, str] | None = None
    query: tuple[str, str] | None = None
    faults: FeedFaults = field(default_factory=FeedFaults)
    first_changed_at: datetime | None = None

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'

    @property
    def last_modified(self) -> str:
        shown = (self.first_changed_at or self.changed_at) if self.faults.has_stale_date else self.changed_at
        return format_datetime(shown, usegmt=True)


class SupplierServer:
    """Serves `feeds` at `url`/NAME. Use as a context manager, or `start` and `stop`.

    `requests` counts answers by (name, status), 0 for a connection that was cut.
    """

    def __init__(self, dials: Dials | None = None, port: int = 0) -> None:
        self.dials = dials or Dials()
        self.feeds: dict[str, ServedFeed] = {}
        self.requests: Counter[tuple[str, int]] = Counter()
        self._stopping = threading.Event()
        self._server = ServerThread(self, port)
        self.port = self._server.port
        self.url = self._server.url

    def put(self, name: str, content: bytes, changed_at: datetime = _BEGINNING, **how: Any) -> ServedFeed:
        """Serve `content` under `name`. A feed that is there keeps its settings and faults."""
        feed = self.feeds.get(name)
        if feed is None:
            feed = self.feeds[name] = ServedFeed(content, changed_at, first_changed_at=changed_at)
        feed.content, feed.changed_at = content, changed_at
        for key, value in how.items():
            if key not in ServedFeed.__dataclass_fields__:
                raise TypeError(f"a served feed has no {key!r}")
            setattr(feed, key, value)
        return feed

    def address(self, name: str) -> str:
        """Where the feed `name` is."""
        return f"{self.url}/{name}"

    def start(self) -> SupplierServer:
        self._server.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._server.stop()

    def __enter__(self) -> SupplierServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        name = environ["PATH_INFO"].lstrip("/")
        fault = self.dials.roll()
        feed = self.feeds.get(name)
        self._stopping.wait(self.dials.latency_s + (feed.faults.slow_s if feed else 0.0))
        if fault in {"cut_before", "cut_after_success", "timeout_after_success"}:
            self.requests[name, 0] += 1
            cut_connection(environ)
            return []
        if fault == "error" or self.dials.maintenance:
            return self._answer(name, start, 503, b"maintenance\n", {})
        if fault == "throttle":
            return self._answer(name, start, 429, b"slow down\n", {"Retry-After": "30"})
        if feed is None:
            return self._answer(name, start, 404, b"no such file\n", {})
        return self._serve(name, feed, environ, start)

    def _serve(self, name: str, feed: ServedFeed, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        faults = feed.faults
        if faults.redirect_to:
            return self._answer(name, start, 302, b"", {"Location": faults.redirect_to})
        if faults.status:
            headers = {"Retry-After": faults.retry_after} if faults.retry_after else {}
            return self._answer(name, start, faults.status, b"failed\n", headers)
        if not _may_read(feed, environ):
            challenge = {"WWW-Authenticate": 'Basic realm="feeds"'} if feed.basic else {}
            return self._answer(name, start, 401, b"sign in\n", challenge)
        if faults.html_page:
            return self._answer(name, start, 200, _PAGE, {"Content-Type": "text/html; charset=utf-8"})
        headers = {"Content-Type": faults.content_type or feed.content_type}
        if feed.sends_etag:
            headers["ETag"] = feed.etag
        if feed.sends_date:
            headers["Last-Modified"] = feed.last_modified
        if _is_unchanged(feed, environ):
            return self._answer(name, start, 304, b"", headers)
        if faults.endless:
            self.requests[name, 200] += 1
            start("200 OK", list(headers.items()))
            return self._forever(feed.content or b"x\n")
        body = feed.content
        if (feed.gzips or faults.gzip_cut) and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            body = gzip.compress(body, mtime=0)
            headers["Content-Encoding"] = "gzip"
        if faults.gzip_cut:
            body = body[:-8]
        return self._answer(name, start, 206 if faults.is_partial else 200, body, headers, faults.truncate_to)

    def _answer(
        self,
        name: str,
        start: Any,
        status: int,
        body: bytes,
        headers: dict[str, str],
        cut_at: int | None = None,
    ) -> list[bytes]:
        self.requests[name, status] += 1
        length = {} if status == 304 else {"Content-Length": str(len(body))}
        plain = {"Content-Type": "text/plain"}
        start(f"{status} {HTTPStatus(status).phrase}", list({**plain, **headers, **length}.items()))
        return [body if cut_at is None else body[:cut_at]]

    def _forever(self, content: bytes) -> Iterator[bytes]:
        while not self._stopping.is_set():
            yield content


def _may_read(feed: ServedFeed, environ: dict[str, Any]) -> bool:
    if feed.basic:
        wanted = "Basic " + base64.b64encode(":".join(feed.basic).encode()).decode("ascii")
        if not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", ""), wanted):
            return False
    if feed.header:
        name = "HTTP_" + feed.header[0].upper().replace("-", "_")
        if environ.get(name) != feed.header[1]:
            return False
    if feed.query:
        given = parse_qs(environ.get("QUERY_STRING", ""))
        if given.get(feed.query[0]) != [feed.query[1]]:
            return False
    return True


def _is_unchanged(feed: ServedFeed, environ: dict[str, Any]) -> bool:
    """RFC 9110: If-None-Match is judged alone; If-Modified-Since only without it."""
    tags = environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None and feed.sends_etag:
        return feed.etag in {tag.strip().removeprefix("W/") for tag in tags.split(",")}
    since = environ.get("HTTP_IF_MODIFIED_SINCE")
    return feed.sends_date and since == feed.last_modified
