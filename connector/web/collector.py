"""Records the webhooks of several requests in one transaction: those that came while the last was written.

Each request still waits for the commit that holds its delivery. The first one to find nobody writing
writes at once, so a single webhook is not delayed; under load a transaction carries as many deliveries as
the server has threads, and its round trips and its flush to disk are paid once.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field

import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.delivery.webhooks import Receipt, Received, record


@dataclass(slots=True)
class _Entry:
    """One request's delivery, and what it is told: a receipt, an error, or that it writes the next ones."""

    received: Received
    told: threading.Event = field(default_factory=threading.Event)
    receipt: Receipt | None = None
    error: BaseException | None = None


class Collector:
    """See the module. One for each process; safe for any number of threads."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._lock = threading.Lock()
        self._waiting: list[_Entry] = []
        self._is_writing = False
        # Kept between writes, and used by the one that writes: checking it each time would cost as much
        # as a statement. A write that finds it dead is done once more on a new one, which is harmless:
        # a delivery that was stored after all counts as repeated.
        self._db: sa.Connection | None = None

    def record(self, received: Received) -> Receipt:
        """What became of this delivery, after the commit. Raises what the database raised for it."""
        entry = _Entry(received)
        with self._lock:
            self._waiting.append(entry)
            is_writer = not self._is_writing
            self._is_writing = True
        if not is_writer:
            entry.told.wait()
        if entry.receipt is None and entry.error is None:
            self._write_waiting()
        if entry.error is not None:
            raise entry.error
        assert entry.receipt is not None
        return entry.receipt

    def _write_waiting(self) -> None:
        """Write everything that waits (the caller's own among it), then hand the pen on."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            self._write(batch)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_writing = following is not None
            for entry in batch:
                entry.told.set()
            if following is not None:
                following.told.set()

    def _write(self, batch: list[_Entry]) -> None:
        is_used = self._db is not None
        try:
            receipts = self._commit(batch)
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            if is_used:
                self._write(batch)
            else:
                _fail(batch, error)
        except BaseException as error:
            # A delivery the database refuses (an impossible character) must not take its neighbours along.
            if len(batch) == 1:
                _fail(batch, error)
            else:
                for entry in batch:
                    self._write([entry])
        else:
            for entry, receipt in zip(batch, receipts, strict=True):
                entry.receipt = receipt

    def _commit(self, batch: list[_Entry]) -> list[Receipt]:
        if self._db is None:
            self._db = self._rt.engine.connect()
        try:
            with self._db.begin():
                return record(self._db, [entry.received for entry in batch])
        except BaseException:
            dead, self._db = self._db, None
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                dead.close()
            raise


def _fail(batch: list[_Entry], error: BaseException) -> None:
    for entry in batch:
        entry.error = error
