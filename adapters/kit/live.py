"""A live API as a `Supplier`: it is read to its end into one canonical file, which intake takes like any
other, so that unchanged, guard, archive, replay, preview and undo work as they do for files.

An adapter brings a `LiveApi`; everything else is here. A listing that cannot be read whole is never a feed.
Changes are not patched into an old file: where an API can say cheaply that nothing changed, the reading is
left out (`change_mark`), at most for a day; else everything is read. A patched file would have to prove that
no deletion, reservation or correction was missed, and the whole reading is what proves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from adapters.kit import api as calls
from adapters.kit import canonical
from adapters.kit.canonical import LiveTable, StockRow
from adapters.kit.paging import ListMoved
from connector.ports.errors import Retryable
from connector.ports.incoming import SupplierIncoming
from connector.ports.suppliers import Feed, FetchMark, NotModified, ReadOptions
from connector.registry import Environment

Result = TypeVar("Result")

WHOLE_EVERY = timedelta(hours=20)
"""However little changes, so often everything is read."""
READINGS = 3
"""A list that changes while it is read is read so often before it is left for the next time."""


class LiveApi(Protocol):
    """One API as a source of stock. Construction does no network; each method may raise a `PortError`.

    `name` is the adapter's, `subject` what messages call the source (never a secret). `fields` says which
    columns it fills: `canonical.fields(…)`.
    """

    name: str
    subject: str
    fields: tuple[tuple[str, str], ...]
    reads_incoming: bool

    def check(self) -> str:
        """Few calls; a sentence on what was found. Raises what a wrong setting or key deserves."""

    def change_mark(self) -> str:
        """Cheap text that differs after any change of stock, "" where the API cannot tell. It is asked
        before the rows are read, so that what changes meanwhile is not missed."""

    def rows(self) -> Iterator[StockRow]:
        """Everything that is stocked, whole; called again from the beginning after ListMoved."""

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """As `connector.ports.incoming.SupplierIncomingReader.incoming`; ListMoved as in `rows`."""


@runtime_checkable
class PacedApi(Protocol):
    """A `LiveApi` whose platform gives a reading's worth only so often."""

    def early_s(self) -> float:
        """See `connector.ports.suppliers.Paces`."""


class LiveSource:
    """`api` as a `Supplier` and a `SupplierIncomingReader`. `clock` is given in tests."""

    def __init__(
        self,
        api: LiveApi,
        environment: Environment,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.api = api
        self._environment = environment
        self._clock = clock

    @property
    def reads_incoming(self) -> bool:
        return self.api.reads_incoming

    def early_s(self) -> float:
        """See `connector.ports.suppliers.Paces`."""
        return self.api.early_s() if isinstance(self.api, PacedApi) else 0.0

    def check(self) -> str:
        """See `Supplier.check`."""
        return self.api.check()

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """See `Supplier.fetch`. The feed has no time of its own: its stock is that of the reading's start."""
        started_at = self._clock()
        change = self.api.change_mark()
        if mark is not None and change and self._is_recent(mark.cursor, change, started_at):
            return NotModified()
        path = directory / f"{self.api.name}.jsonl"
        try:
            sha256 = self._whole(
                lambda: canonical.write(
                    self.api.rows(), path, self._environment.max_feed_bytes, self.api.name, self.api.subject
                )
            )
        except BaseException:
            # Whatever happened: half a listing must not lie about.
            path.unlink(missing_ok=True)
            raise
        return Feed(
            path=path,
            name=path.name,
            size_bytes=path.stat().st_size,
            mark=FetchMark(sha256=sha256, cursor=f"{started_at.isoformat()} {change}" if change else ""),
            as_of=None,
            content_type="application/x-ndjson",
            is_unchanged=mark is not None and mark.sha256 == sha256,
        )

    def open(self, feed: Feed, options: ReadOptions) -> LiveTable:
        """See `Supplier.open`; there is nothing to detect, so `options` say nothing here."""
        return LiveTable(
            feed.path, self.api.fields, self.api.name, self.api.subject, self._environment.max_feed_bytes
        )

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """See `SupplierIncomingReader.incoming`; a line that was told twice counts once."""
        lines = self._whole(lambda: [line for page in self.api.incoming() for line in page])
        yield list({line.reference: line for line in lines}.values())

    def _whole(self, read: Callable[[], Result]) -> Result:
        for again in range(READINGS):
            try:
                return read()
            except ListMoved as moved:
                reason = moved
                if again + 1 < READINGS:
                    calls.pause(1.0 + again)
        raise Retryable(
            self.api.name,
            self.api.subject,
            f"The list changed while it was read, {READINGS} times.",
            "It is read again at the next time.",
        ) from reason

    def _is_recent(self, cursor: str, change: str, now: datetime) -> bool:
        """Whether `change` is what a whole reading found that is not older than WHOLE_EVERY."""
        read_at, _, known = cursor.partition(" ")
        if not read_at or known != change:
            return False
        try:
            return now - datetime.fromisoformat(read_at) < WHOLE_EVERY
        except ValueError:
            return False
