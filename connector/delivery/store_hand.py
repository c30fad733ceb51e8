"""One look's hand on values that a store keeps, that we change and that others may change too: prices, places.

The frame that every such look shares. The store is read immediately before anything is changed, and what somebody
else set is left alone. Before each call stands what it is about to do: after a crash or a lost answer the next look
reads the store and finishes from there. Nothing is written once the turn belongs to another worker. What a room keeps
of its changes, and how it reads and writes them in the store, is its own `Book`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import sqlalchemy as sa

from connector.accounts import audit
from connector.accounts.connections import may_write
from connector.db import transaction
from connector.outbox.messages import Claim, Intent, enqueue, hold
from connector.ports.errors import NotFound, Rejected, Unsupported

RETRY_S = 60.0
"""What could not be told, or was not taken just now, is looked at again this soon."""
T = TypeVar("T")
V = TypeVar("V")


@dataclass(slots=True)
class Tally:
    """What a look did: values written, put back, left to somebody else's hand, refused by the shop. `problem`: the
    shop will not have it this way."""

    written: int = 0
    put_back: int = 0
    left: int = 0
    refused: int = 0
    is_incomplete: bool = False
    problem: str = ""

    @contextmanager
    def noting_refusal(self) -> Iterator[None]:
        """What the shop refuses as a whole is said to the merchant, and tried again at the next look."""
        try:
            yield
        except (Rejected, Unsupported, NotFound) as error:
            self.problem = str(error)


@dataclass(frozen=True, slots=True)
class Change(Generic[V]):
    """One value that goes from `before` to `ours`, or back where it `is_undo`."""

    before: V
    ours: V
    is_undo: bool = False

    @property
    def wanted(self) -> V:
        """What the store has once the change had its effect."""
        return self.before if self.is_undo else self.ours

    @property
    def expected(self) -> V:
        """What it has as long as the change never arrived."""
        return self.ours if self.is_undo else self.before


class Result(Protocol):
    """What became of one value: "done", "not_found", "rejected" or "retry" (nothing is known to be done)."""

    @property
    def status(self) -> str: ...

    @property
    def reason(self) -> str: ...


class Book(Protocol[V]):
    """The changes of one room in one store, by an id of its own. The statements run in the caller's transaction."""

    def read(self, ids: Sequence[int]) -> Mapping[int, V]:
        """What the store has now; what it does not know (any more) is missing."""

    def write(self, values: Mapping[int, V]) -> Sequence[Result]:
        """Ask the store for these: one result for each, in order. Raises a PortError for all of them."""

    def begin_undo(self, db: sa.Connection, one: int, change: Change[V]) -> None:
        """It is about to be put back: intent before effect."""

    def done(self, db: sa.Connection, one: int, change: Change[V]) -> None:
        """The store has what was wanted."""

    def never(self, db: sa.Connection, one: int, change: Change[V]) -> None:
        """The call never had its effect: whoever wanted it comes to it again."""

    def gone(self, db: sa.Connection, one: int, reason: str) -> None:
        """The store does not know it any more; `reason` is the store's own, or ""."""

    def theirs(self, db: sa.Connection, one: int, change: Change[V], present: V) -> None:
        """Somebody set another value: it is left alone from now on."""

    def refused(self, db: sa.Connection, one: int, change: Change[V], reason: str) -> bool:
        """The store refuses this one; returns whether it is tried again soon."""

    def unanswered(self, db: sa.Connection, one: int, change: Change[V], reason: str) -> None:
        """Nothing is known to be done to it."""


@dataclass(slots=True)
class Hand:
    """One look at one store; `claim` is the store's turn in the outbox, None where nobody else can work on these
    values. At most `size` are read and changed before the next are read."""

    engine: sa.Engine
    claim: Claim | None
    size: int
    tally: Tally = field(default_factory=Tally)

    def is_out_of_time(self) -> bool:
        """Whether no further call may begin."""
        return self.claim is not None and self.claim.is_out_of_time()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed only while the turn is ours. Whoever was stopped for longer than its
        lease neither calls the store nor speaks about what the next worker has looked up since."""
        with transaction(self.engine) as db:
            if self.claim is not None:
                hold(db, self.claim)
            yield db

    def parts(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """`items` in portions, until the time is over or the store may not be written any more: who stops writing, or
        freezes everything, does not wait for the end of a look."""
        for start in range(0, len(items), self.size):
            if self.is_out_of_time() or self._is_stopped():
                return
            yield items[start : start + self.size]

    def _is_stopped(self) -> bool:
        if self.claim is None:
            return False
        turn = self.claim.turn
        with self.engine.connect() as db:
            return not may_write(db, turn.merchant_id, turn.connection_id)

    def finish_begun(self, book: Book[V], begun: Mapping[int, Change[V]]) -> None:
        """After a crash or a lost answer only the store knows whether a call had its effect."""
        for ids in self.parts(list(begun)):
            present = book.read(ids)
            with self.writing() as db:
                for one in ids:
                    change = begun[one]
                    if one not in present:
                        book.gone(db, one, "")
                    elif present[one] == change.wanted:
                        self._done(db, book, one, change)
                    elif present[one] == change.expected:
                        book.never(db, one, change)
                    else:
                        self._theirs(db, book, one, change, present[one])

    def put_back(self, book: Book[V], changes: Mapping[int, Change[V]]) -> None:
        """Give these their value of before, where they still have ours."""
        for ids in self.parts(list(changes)):
            present = book.read(ids)
            todo: dict[int, Change[V]] = {}
            with self.writing() as db:
                for one in ids:
                    change = changes[one]
                    if one not in present:
                        book.gone(db, one, "")
                    elif present[one] == change.expected:
                        book.begin_undo(db, one, change)
                        todo[one] = change
                    else:
                        self._theirs(db, book, one, change, present[one])
            self.send(book, todo)

    def send(self, book: Book[V], changes: Mapping[int, Change[V]]) -> None:
        """Ask the store for changes whose intent is written, and keep what became of each."""
        if not changes:
            return
        results = book.write({one: change.wanted for one, change in changes.items()})
        with self.writing() as db:
            for (one, change), result in zip(changes.items(), results, strict=True):
                if result.status == "done":
                    self._done(db, book, one, change)
                elif result.status == "not_found":
                    book.gone(db, one, result.reason)
                elif result.status == "rejected":
                    self.tally.refused += 1
                    self.tally.is_incomplete |= book.refused(db, one, change, result.reason)
                else:
                    book.unanswered(db, one, change, result.reason)
                    self.tally.is_incomplete = True

    def _done(self, db: sa.Connection, book: Book[V], one: int, change: Change[V]) -> None:
        book.done(db, one, change)
        if change.is_undo:
            self.tally.put_back += 1
        else:
            self.tally.written += 1

    def _theirs(self, db: sa.Connection, book: Book[V], one: int, change: Change[V], present: V) -> None:
        book.theirs(db, one, change, present)
        self.tally.left += 1


def note_change(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    tally: Tally,
    *,
    action: str,
    written_as: str,
    again: Intent,
    now: datetime,
) -> bool:
    """Write into the audit what a look changed (`written_as`: what its changes are called there), and have it repeated
    (`again`) where it is not finished; returns whether it changed anything."""
    is_changed = bool(tally.written or tally.put_back or tally.refused)
    if is_changed:
        detail = {
            written_as: tally.written,
            "put_back": tally.put_back,
            "left": tally.left,
            "refused": tally.refused,
        }
        audit.record(db, merchant_id, now, "dispo", action, f"connection {connection_id}", detail)
    if tally.is_incomplete:
        enqueue(db, merchant_id, [again])
    return is_changed
