"""A file on this machine, in a directory the operator allowed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports.base import HEAD_BYTES, Arrival, Head, safe_name
from connector.ports.errors import Misconfigured, NotFound, Retryable
from connector.ports.suppliers import Feed, FetchMark, NotModified
from connector.registry import Environment


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
            with path.open("wb") as out:
                arrival = Arrival(out, self._name, self._environment)
                while piece := file.read(1 << 20):
                    arrival.write(piece)
            after = os.fstat(file.fileno())
            if (after.st_size, after.st_mtime_ns, arrival.size_bytes) != (
                before.st_size,
                before.st_mtime_ns,
                before.st_size,
            ):
                raise Retryable(ADAPTER, self._name, "The file was being written while it was read.")
        return Feed(
            path=path,
            name=self._name,
            size_bytes=arrival.size_bytes,
            mark=FetchMark(etag, last_modified, arrival.sha256),
            as_of=datetime.fromtimestamp(before.st_mtime, UTC),
            is_unchanged=bool(mark and mark.sha256 == arrival.sha256),
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
