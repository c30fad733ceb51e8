"""Where a feed comes from: an HTTPS address, or a file in a directory the operator allowed.

A transport brings the whole file or raises; it never looks at what the file means.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

import httpcore2
import httpx2

from adapters.kit.errors import Row, translate
from adapters.kit.http import Client, safe_url
from adapters.suppliers.file_feed.formats import gunzip, too_large, truncated
from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import FileFault, Misconfigured, NotFound, Retryable, Unauthorized
from connector.ports.suppliers import Feed, FetchMark, NotModified
from connector.registry import Environment

LONGEST_DOWNLOAD_S = 3_600.0
HEAD_BYTES = 262_144
_ROWS = (
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


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a source: at most HEAD_BYTES; `is_whole` when there is no more of it.
    `size_bytes` None: not told."""

    name: str
    content: bytes
    is_whole: bool
    size_bytes: int | None
    as_of: datetime | None


class Transport(Protocol):
    """Brings one source's file."""

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """As `Supplier.fetch`."""

    def head(self) -> Head:
        """The beginning of the file; raises as `fetch` does."""


def basic(username: str, password: str) -> str:
    """The Authorization header of HTTP Basic (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


class ByHand:
    """No place at all: a person hands the files over, each with the run it begins."""

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """Raises Misconfigured: there is nothing to ask."""
        raise self._nowhere()

    def head(self) -> Head:
        """As `fetch`."""
        raise self._nowhere()

    def _nowhere(self) -> Misconfigured:
        return Misconfigured(
            ADAPTER,
            "this supplier",
            "Its files are handed over by a person: there is no address to read.",
            "Hand a file over on its page, or with: dispo supplier upload",
            field="url",
        )


class HttpTransport:
    """A file behind an http or https address."""

    def __init__(
        self,
        url: str,
        access: Access,
        environment: Environment,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._access = access
        self._environment = environment
        self._monotonic = monotonic
        self._subject = safe_url(url)
        self._name = safe_name(unquote(urlsplit(url).path).rpartition("/")[2])

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
                    digest = self._save(answer, out, received)
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
        new_mark = FetchMark(headers.get("etag", ""), headers.get("last-modified", ""), digest)
        return Feed(
            path=path,
            name=self._name,
            size_bytes=path.stat().st_size,
            mark=new_mark,
            as_of=http_date(new_mark.last_modified),
            content_type=headers.get("content-type", ""),
            is_unchanged=bool(mark and mark.sha256 == digest),
        )

    def head(self) -> Head:
        """The beginning of the file, by a GET that is broken off: many servers answer HEAD wrongly."""
        content = bytearray()
        is_whole = True
        with self._answer({}) as answer:
            self._require_file(answer)
            for piece in self._decoded(answer, _Received()):
                content += piece
                if len(content) > HEAD_BYTES:
                    is_whole = False
                    break
        announced = answer.headers.get("content-length", "")
        is_plain = not answer.headers.get("content-encoding")
        return Head(
            name=self._name,
            content=bytes(content[:HEAD_BYTES]),
            is_whole=is_whole,
            size_bytes=int(announced) if announced.isdigit() and is_plain else None,
            as_of=http_date(answer.headers.get("last-modified", "")),
        )

    @contextmanager
    def _answer(self, conditions: Mapping[str, str]) -> Iterator[httpx2.Response]:
        # Only gzip, because an incomplete gzip stream can be told from a complete one.
        headers = {"Accept-Encoding": "gzip", **self._access.headers, **conditions}
        with (
            Client(self._environment, ADAPTER) as client,
            client.stream("GET", self._url, params=self._access.params, headers=headers) as answer,
        ):
            yield answer

    def _require_file(self, answer: httpx2.Response) -> None:
        status = answer.status_code
        if status >= 300:
            raise translate(status, _ROWS, adapter=ADAPTER, subject=self._subject, headers=answer.headers)
        if status == 206:
            raise truncated(self._subject, "The server sent a part of the file.")
        announced = answer.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._environment.max_feed_bytes:
            raise too_large(self._subject, self._environment.max_feed_bytes)

    def _save(self, answer: httpx2.Response, out: BinaryIO, received: _Received) -> str:
        """Write the decoded body to `out`; the hex sha256 of what was written."""
        deadline = self._monotonic() + LONGEST_DOWNLOAD_S
        limit_bytes = self._environment.max_feed_bytes
        digest = hashlib.sha256()
        size_bytes = 0
        for piece in self._decoded(answer, received):
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise too_large(self._subject, limit_bytes)
            if self._monotonic() > deadline:
                raise Retryable(
                    ADAPTER,
                    self._subject,
                    f"The download took more than {LONGEST_DOWNLOAD_S / 60:.0f} minutes.",
                    "Ask the supplier for a faster server or a smaller file.",
                )
            digest.update(piece)
            out.write(piece)
        return digest.hexdigest()

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


class LocalTransport:
    """A file on this machine, only below `environment.feed_directories`: a mounted share, an upload."""

    def __init__(self, path: str, environment: Environment) -> None:
        self._wanted = Path(path)
        self._environment = environment
        self._name = safe_name(self._wanted.name)

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """As `Supplier.fetch`. A copy is made, so that a writer cannot change what is being read."""
        with self._opened() as (file, before):
            last_modified = str(before.st_mtime_ns)
            etag = f"{before.st_size}-{before.st_ino}"
            if mark and mark.sha256 and (mark.etag, mark.last_modified) == (etag, last_modified):
                return NotModified()
            path = directory / self._name
            digest = hashlib.sha256()
            size_bytes = 0
            with path.open("wb") as out:
                while piece := file.read(1 << 20):
                    size_bytes += out.write(piece)
                    if size_bytes > self._environment.max_feed_bytes:
                        raise too_large(self._name, self._environment.max_feed_bytes)
                    digest.update(piece)
            after = os.fstat(file.fileno())
            if (after.st_size, after.st_mtime_ns, size_bytes) != (
                before.st_size,
                before.st_mtime_ns,
                before.st_size,
            ):
                raise Retryable(ADAPTER, self._name, "The file was being written while it was read.")
        return Feed(
            path=path,
            name=self._name,
            size_bytes=size_bytes,
            mark=FetchMark(etag, last_modified, digest.hexdigest()),
            as_of=datetime.fromtimestamp(before.st_mtime, UTC),
            is_unchanged=bool(mark and mark.sha256 == digest.hexdigest()),
        )

    def head(self) -> Head:
        """The beginning of the file."""
        with self._opened() as (file, status):
            content = file.read(HEAD_BYTES)
        return Head(
            self._name,
            content,
            len(content) == status.st_size,
            status.st_size,
            datetime.fromtimestamp(status.st_mtime, UTC),
        )

    @contextmanager
    def _opened(self) -> Iterator[tuple[BinaryIO, os.stat_result]]:
        try:
            resolved = self._resolved()
            # Not a link (it was resolved), and never waiting for the writer of a pipe.
            descriptor = os.open(resolved, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError as exc:
            raise NotFound(
                ADAPTER, self._name, "There is no such file.", "Check the path, and whether the file arrived."
            ) from exc
        except OSError as exc:
            raise self._refused(f"It cannot be read ({exc.strerror or type(exc).__name__}).") from exc
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise self._refused("It is not a plain file.")
        with os.fdopen(descriptor, "rb") as file:
            yield file, status

    def _resolved(self) -> Path:
        """The path without links, below an allowed directory."""
        allowed = [directory.resolve() for directory in self._environment.feed_directories]
        # Judged before it is known to exist, so that nobody learns what lies elsewhere.
        resolved = self._wanted.resolve()
        if not self._wanted.is_absolute() or not any(resolved.is_relative_to(one) for one in allowed):
            raise self._refused("It does not lie in a directory that feeds may be read from.")
        return resolved

    def _refused(self, cause: str) -> Misconfigured:
        return Misconfigured(
            ADAPTER,
            self._name,
            cause,
            "Name a file below one of the directories in DISPO_FEED_DIRECTORIES.",
            field="path",
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


def safe_name(name: str) -> str:
    """A file name without separators, leading dots or surprises; "feed" when nothing is left.

    >>> safe_name("../Lager Bestand.csv"), safe_name("")
    ('_Lager_Bestand.csv', 'feed')
    """
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII)[-100:].lstrip(".-") or "feed"


def http_date(value: str) -> datetime | None:
    """A Last-Modified header as an aware time, None when absent or unreadable."""
    try:
        found = parsedate_to_datetime(value)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
