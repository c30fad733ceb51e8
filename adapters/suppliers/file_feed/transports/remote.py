"""A file on a file server, found by its path or as the newest that fits a pattern.

Servers of files have no transactions: a supplier may be uploading while we look. So a file is taken only when
two looks at it agree, when it is as long as the server says, and when it is still the same after it was read.
"""

from __future__ import annotations

import fnmatch
import posixpath
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Protocol

from adapters.suppliers.file_feed.formats import too_large, truncated
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports.base import HEAD_BYTES, Arrival, Head, safe_name
from connector.ports.errors import Misconfigured, NotFound, Retryable
from connector.ports.suppliers import Feed, FetchMark, NotModified
from connector.registry import Environment

LOOKS_APART_S = 1.0
"""Between the two looks at a file that was changed lately."""
SETTLED_AFTER = timedelta(minutes=2)
"""A file unchanged for so long, by both clocks, is not being written: one look is enough."""
MOST_FILES = 50_000
"""Files of one folder that are looked through for the newest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as the server lists it. `size_bytes` and `changed_at` (aware) are None where it does not tell."""

    path: str
    size_bytes: int | None
    changed_at: datetime | None


class Place(Protocol):
    """An open session on a file server. Every method raises a PortError: NotFound where there is no such
    file or folder, Unauthorized where it may not be read, Retryable where the connection fails."""

    def look(self, path: str) -> Entry:
        """The file at `path` as it is now."""

    def listing(self, folder: str) -> list[Entry]:
        """The plain files of a folder."""

    def read(self, path: str, take: Callable[[bytes], bool]) -> None:
        """Give the file's bytes to `take` until its end, or until `take` answers False."""


class RemoteTransport:
    """One file of a file server. `path` may hold `*` in its last part; `subject` names it in messages;
    `learnt` tells what the server let us know of itself."""

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Place]],
        path: str,
        subject: str,
        environment: Environment,
        *,
        learnt: Callable[[], Mapping[str, str]] = dict,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._opened = opened
        self._path = path
        self._learnt = learnt
        self._subject = subject
        self._environment = environment
        self._monotonic = monotonic
        self._sleep = sleep
        self._now = now

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """As `Supplier.fetch`; unchanged is told by path, size and time."""
        with self._opened() as place:
            entry = self._chosen(place)
            etag = f"{entry.path}:{entry.size_bytes}"
            last_modified = entry.changed_at.isoformat() if entry.changed_at else ""
            is_known = entry.size_bytes is not None and entry.changed_at is not None
            if is_known and mark and mark.sha256 and (mark.etag, mark.last_modified) == (etag, last_modified):
                return NotModified()
            self._require_settled(place, entry)
            if (entry.size_bytes or 0) > self._environment.max_feed_bytes:
                raise too_large(self._subject, self._environment.max_feed_bytes)
            name = safe_name(posixpath.basename(entry.path))
            part = directory / f"{name}.part"
            try:
                with part.open("wb") as out:
                    arrival = Arrival(out, self._subject, self._environment, self._monotonic)
                    place.read(entry.path, _whole(arrival, entry.size_bytes))
                self._require_whole(place, entry, arrival.size_bytes)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        path = part.replace(directory / name)
        return Feed(
            path=path,
            name=name,
            size_bytes=arrival.size_bytes,
            mark=FetchMark(etag, last_modified, arrival.sha256),
            as_of=entry.changed_at,
            is_unchanged=bool(mark and mark.sha256 == arrival.sha256),
        )

    def head(self) -> Head:
        """The beginning of the file; the connection is closed in its middle."""
        content = BytesIO()
        with self._opened() as place:
            entry = self._chosen(place)
            arrival = Arrival(content, self._subject, self._environment, self._monotonic, is_bounded=False)

            def take(piece: bytes) -> bool:
                arrival.write(piece)
                return arrival.size_bytes <= HEAD_BYTES

            place.read(entry.path, take)
        name = safe_name(posixpath.basename(entry.path))
        is_whole = arrival.size_bytes <= HEAD_BYTES
        return Head(name, content.getvalue()[:HEAD_BYTES], is_whole, entry.size_bytes, entry.changed_at)

    def learnt(self) -> Mapping[str, str]:
        """See `connector.ports.learning.Learns`."""
        return self._learnt()

    def _chosen(self, place: Place) -> Entry:
        folder, pattern = posixpath.split(self._path)
        if "*" not in pattern:
            return place.look(self._path)
        listed = place.listing(folder)
        if len(listed) > MOST_FILES:
            raise Misconfigured(
                ADAPTER,
                self._subject,
                f"The folder holds more than {MOST_FILES:,} files.",
                "Ask the supplier for a folder of its own for the stock list.",
                field="url",
            )
        fitting = [one for one in listed if fnmatch.fnmatchcase(posixpath.basename(one.path), pattern)]
        if not fitting:
            raise NotFound(
                ADAPTER,
                self._subject,
                f"No file in this folder fits {pattern} ({len(listed)} others are there).",
                "Check the pattern, and whether the supplier has delivered.",
            )
        beginning = datetime.min.replace(tzinfo=UTC)
        return max(fitting, key=lambda one: (one.changed_at or beginning, one.path))

    def _require_settled(self, place: Place, entry: Entry) -> None:
        age = None if entry.changed_at is None else self._now() - entry.changed_at
        if age is not None and age > SETTLED_AFTER:
            return
        self._sleep(LOOKS_APART_S)
        self._require_same(place, entry)

    def _require_whole(self, place: Place, entry: Entry, size_bytes: int) -> None:
        self._require_same(place, entry)
        if entry.size_bytes is not None and size_bytes != entry.size_bytes:
            raise truncated(
                self._subject, f"{size_bytes:,} bytes arrived, the server says {entry.size_bytes:,}."
            )

    def _require_same(self, place: Place, entry: Entry) -> None:
        if place.look(entry.path) != entry:
            raise Retryable(
                ADAPTER,
                self._subject,
                "The file was being written while it was read.",
                "Nothing was taken; it is tried again.",
            )


def _whole(arrival: Arrival, size_bytes: int | None) -> Callable[[bytes], bool]:
    def take(piece: bytes) -> bool:
        arrival.write(piece)
        # A file that grows as fast as it is read has no end.
        return size_bytes is None or arrival.size_bytes <= size_bytes

    return take
