"""What every transport shares: its promise, the writing of what arrives, and the names of files."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from adapters.suppliers.file_feed.formats import too_large
from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import Misconfigured, Retryable
from connector.ports.suppliers import Feed, FetchMark, NotModified
from connector.registry import Environment

LONGEST_DOWNLOAD_S = 3_600.0
HEAD_BYTES = 262_144


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


class NoAddress:
    """No place to ask: the files come by themselves, each with the run it begins."""

    def __init__(self, says: str) -> None:
        self.says = says

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
            f"{self.says} There is no address to read.",
            "Hand a file over on its page, or with: dispo supplier upload",
            field="url",
        )


class ByHand(NoAddress):
    """A person hands the files over."""

    def __init__(self) -> None:
        super().__init__("Its files are handed over by a person.")


class Pushed(NoAddress):
    """The supplier sends the files to our own address."""

    def __init__(self) -> None:
        super().__init__("Its files are sent to us by the supplier.")


class Arrival:
    """Writes a body piece by piece under the installation's size limit and one deadline for the whole, so
    that neither a body without end nor one that drips can hold a worker.

    `is_bounded` False: the caller stops by itself. `size_bytes` and `sha256` tell what was written. `write`
    raises FileFault("too_large") and Retryable.
    """

    def __init__(
        self,
        out: BinaryIO,
        subject: str,
        environment: Environment,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        is_bounded: bool = True,
    ) -> None:
        self.size_bytes = 0
        self._out = out
        self._subject = subject
        self._most_bytes = environment.max_feed_bytes if is_bounded else sys.maxsize
        self._digest = hashlib.sha256()
        self._monotonic = monotonic
        self._deadline = monotonic() + LONGEST_DOWNLOAD_S

    @property
    def sha256(self) -> str:
        """The hex digest of what was written so far."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        self.size_bytes += len(piece)
        if self.size_bytes > self._most_bytes:
            raise too_large(self._subject, self._most_bytes)
        if self._monotonic() > self._deadline:
            raise Retryable(
                ADAPTER,
                self._subject,
                f"The download took more than {LONGEST_DOWNLOAD_S / 60:.0f} minutes.",
                "Ask the supplier for a faster server or a smaller file.",
            )
        self._digest.update(piece)
        self._out.write(piece)


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
