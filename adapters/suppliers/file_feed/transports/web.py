"""A file behind an http or https address."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpcore2
import httpx2

from adapters.kit.errors import Row, translate
from adapters.kit.http import Client, safe_url
from adapters.suppliers.file_feed.formats import gunzip, too_large, truncated
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports.base import HEAD_BYTES, Arrival, Head, http_date, safe_name
from connector.ports.errors import FileFault, Misconfigured, NotFound, Retryable, Unauthorized
from connector.ports.suppliers import Feed, FetchMark, NotModified
from connector.registry import Environment

ROWS = (
    Row(
        401,
        Unauthorized,
        "The supplier's server refused the credentials.",
        "Enter the user and password, or the token, that the supplier gave you.",
    ),
    Row(
        403,
        Unauthorized,
        "The supplier's server does not let these credentials read the file.",
        "Ask the supplier to allow it; some servers also allow only known IP addresses.",
    ),
    Row(404, NotFound, "There is no file at this address.", "Ask the supplier for its present address."),
    Row(410, NotFound, "The file was removed.", "Ask the supplier for its present address."),
    Row(
        400,
        Misconfigured,
        "The supplier's server does not accept this request.",
        "Check the address and its parameters.",
        field="url",
    ),
)


@dataclass(frozen=True, slots=True)
class Access:
    """How to sign in: request headers and query parameters. Both are secrets."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)


def basic(username: str, password: str) -> str:
    """The Authorization header of HTTP Basic (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


class Bearer(Protocol):
    """Signs calls in by tokens that are fetched and expire."""

    def __call__(self, renew: bool = False) -> Mapping[str, str]:
        """The headers of now; `renew`: the last ones were refused. Raises a PortError where none can be had."""


Judge = Callable[[httpx2.Response], None]
"""Looks at an answer before its status is judged, and raises what it means at this source."""


class HttpTransport:
    """A file behind an http or https address. `bearer` gives tokens that expire; `judge` knows what the
    answers of one kind of server mean; `name` is the file's where the address does not tell it."""

    def __init__(
        self,
        url: str,
        access: Access,
        environment: Environment,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        bearer: Bearer | None = None,
        judge: Judge | None = None,
        name: str = "",
    ) -> None:
        self._url = url
        self._access = access
        self._environment = environment
        self._monotonic = monotonic
        self._subject = safe_url(url)
        self._bearer = bearer
        self._judge = judge
        self._name = safe_name(name or unquote(urlsplit(url).path).rpartition("/")[2])

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """As `Supplier.fetch`; asks only for a file that changed when `mark` allows it."""
        conditions = {}
        if mark and mark.etag:
            conditions["If-None-Match"] = mark.etag
        if mark and mark.last_modified:
            conditions["If-Modified-Since"] = mark.last_modified
        part = directory / f"{self._name}.part"
        received = _Received()
        try:
            with self._answer(conditions) as answer:
                if answer.status_code == 304 and conditions:
                    return NotModified()
                self._require_file(answer)
                with part.open("wb") as out:
                    arrival = Arrival(out, self._subject, self._environment, self._monotonic)
                    for piece in self._decoded(answer, received):
                        arrival.write(piece)
        except Retryable as exc:
            is_cut = isinstance(exc.__cause__, httpcore2.NetworkError | httpcore2.ProtocolError)
            if received.size_bytes and is_cut:
                raise truncated(
                    self._subject, f"The connection broke off after {received.size_bytes:,} bytes."
                ) from exc
            raise
        except FileFault:
            part.unlink(missing_ok=True)  # up to the whole limit, and of no use
            raise
        path = part.replace(directory / self._name)
        headers = answer.headers
        new_mark = FetchMark(headers.get("etag", ""), headers.get("last-modified", ""), arrival.sha256)
        return Feed(
            path=path,
            name=self._name,
            size_bytes=path.stat().st_size,
            mark=new_mark,
            as_of=http_date(new_mark.last_modified),
            content_type=headers.get("content-type", ""),
            is_unchanged=bool(mark and mark.sha256 == arrival.sha256),
        )

    def head(self) -> Head:
        """The beginning of the file, by a GET that is broken off: many servers answer HEAD wrongly."""
        content = BytesIO()
        is_whole = True
        with self._answer({}) as answer:
            self._require_file(answer)
            arrival = Arrival(content, self._subject, self._environment, self._monotonic, is_bounded=False)
            for piece in self._decoded(answer, _Received()):
                arrival.write(piece)
                if arrival.size_bytes > HEAD_BYTES:
                    is_whole = False
                    break
        announced = answer.headers.get("content-length", "")
        is_plain = not answer.headers.get("content-encoding")
        return Head(
            name=self._name,
            content=content.getvalue()[:HEAD_BYTES],
            is_whole=is_whole,
            size_bytes=int(announced) if announced.isdigit() and is_plain else None,
            as_of=http_date(answer.headers.get("last-modified", "")),
        )

    @contextmanager
    def _answer(self, conditions: Mapping[str, str]) -> Iterator[httpx2.Response]:
        # Only gzip, because an incomplete gzip stream can be told from a complete one.
        headers = {"Accept-Encoding": "gzip", **self._access.headers, **conditions}
        with Client(self._environment, ADAPTER) as client:
            if self._bearer is None:
                with self._asked(client, headers) as answer:
                    yield answer
                return
            with self._asked(client, {**headers, **self._bearer()}) as answer:
                if answer.status_code != 401:
                    yield answer
                    return
            # It may have been withdrawn before its time: once with a new one.
            with self._asked(client, {**headers, **self._bearer(renew=True)}) as answer:
                yield answer

    def _asked(self, client: Client, headers: Mapping[str, str]) -> AbstractContextManager[httpx2.Response]:
        return client.stream("GET", self._url, params=self._access.params, headers=headers)

    def _require_file(self, answer: httpx2.Response) -> None:
        if self._judge is not None:
            self._judge(answer)
        status = answer.status_code
        if status >= 300:
            raise translate(status, ROWS, adapter=ADAPTER, subject=self._subject, headers=answer.headers)
        if status == 206:
            raise truncated(self._subject, "The server sent a part of the file.")
        announced = answer.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._environment.max_feed_bytes:
            raise too_large(self._subject, self._environment.max_feed_bytes)

    def _decoded(self, answer: httpx2.Response, received: _Received) -> Iterator[bytes]:
        coding = answer.headers.get("content-encoding", "identity").strip().lower()
        raw = received.counting(answer.iter_raw())
        if coding in {"gzip", "x-gzip"}:
            return gunzip(raw, self._subject, self._environment.max_feed_bytes)
        if coding in {"", "identity"}:
            return raw
        raise FileFault(
            ADAPTER,
            self._subject,
            f"The server compresses by {coding!r} although only gzip was offered.",
            "Ask the supplier to correct the server.",
            code="unsupported_format",
        )


@dataclass(slots=True)
class _Received:
    """How much of a body has arrived, for the words about one that broke off."""

    size_bytes: int = 0

    def counting(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """`chunks`, counted."""
        for chunk in chunks:
            self.size_bytes += len(chunk)
            yield chunk
