"""Tables around tables: several files of an archive as one, and a file that must not change while it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from adapters.suppliers.file_feed.archives import Member, ambiguous, listed
from adapters.suppliers.file_feed.faults import no_table
from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import FileFault
from connector.ports.suppliers import Digests, RawRow, Table, TableNote, TableShape

_NO_TABLE = frozenset({"no_table", "unsupported_format", "html_page", "empty"})
"""Faults of a file that is not the list: a note to the reader, a picture."""


def join_members(
    members: list[Member], opener: Callable[[Member], Table], subject: str, *, is_named: bool
) -> Table:
    """The tables among `members` as one when they have the same columns, or the only one there is.

    A file that is no table is passed over, unless the merchant named it; any other fault is one of the whole
    archive. Raises FileFault: ambiguous_archive, no_table, and those of `opener`.
    """
    tables: list[tuple[Member, Table]] = []
    passed: list[str] = []
    for member in members:
        try:
            tables.append((member, opener(member)))
        except FileFault as fault:
            if is_named or fault.code not in _NO_TABLE:
                raise
            passed.append(member.name)
    if not tables:
        raise no_table(
            subject,
            f"None of the files in it is a table: {listed(passed)}.",
            "Ask the supplier which of them is the stock list, and name it in the feed's settings.",
        )
    shape = tables[0][1].shape
    if any((one.shape.format, one.shape.columns) != (shape.format, shape.columns) for _, one in tables):
        raise ambiguous(subject, [member.name for member, _ in tables])
    notes = []
    if passed:
        notes.append(
            TableNote(0, "", "files_left_out", f"Left out, for they are no tables: {listed(passed)}.")
        )
    if len(tables) == 1:
        return _Noted(tables[0][1], notes)
    return _Joined(tables, notes)


class _Noted:
    """A table with more notes."""

    def __init__(self, table: Table, notes: list[TableNote]) -> None:
        self._table = table
        self.shape: TableShape = replace(table.shape, notes=(*table.shape.notes, *notes))

    def digests(self) -> Digests:
        """See `Table.digests`."""
        return self._table.digests()

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """See `Table.rows`."""
        return self._table.rows(known)


class _Joined:
    """Tables with the same columns, one after the other; lines count on from file to file."""

    def __init__(self, tables: list[tuple[Member, Table]], notes: list[TableNote]) -> None:
        tables.sort(key=lambda one: one[0].name)
        self._tables = [table for _, table in tables]
        self._before = [0]
        parts = []
        for member, table in tables:
            first = self._before[-1] + 1
            last = first - 1 + max((row.line for row in table.rows()), default=0)
            self._before.append(last)
            parts.append(f"lines {first:,}–{last:,} are “{member.name}”")
        reason = f"{len(tables)} files were read as one: {', '.join(parts)}."
        everything = [note for table in self._tables for note in table.shape.notes]
        self.shape: TableShape = replace(
            self._tables[0].shape, notes=(*notes, TableNote(0, "", "files_joined", reason), *everything)
        )

    def digests(self) -> Digests:
        """See `Table.digests`."""
        return np.concatenate([table.digests() for table in self._tables])

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """See `Table.rows`."""
        for before, table in zip(self._before, self._tables, strict=False):
            for row in table.rows(known):
                row.line += before
                yield row


class Steady:
    """Notices when a file changes between being opened and having been read."""

    def __init__(self, path: Path, subject: str, size_bytes: int) -> None:
        self._path = path
        self._subject = subject
        self._seen = self._look()
        if self._seen[0] != size_bytes:
            raise self._changed()

    def watch(self, table: Table) -> Table:
        """`table`, whose reading ends with a FileFault("changed") when the file is no longer the same."""
        self.require()
        return _Watched(table, self)

    def require(self) -> None:
        """Raise FileFault("changed") when the file is no longer as it was."""
        if self._look() != self._seen:
            raise self._changed()

    def _look(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_size, status.st_mtime_ns, status.st_ino

    def _changed(self) -> FileFault:
        return FileFault(
            ADAPTER,
            self._subject,
            "The file changed while it was read.",
            "It is read again at the next run; have it written under another name and renamed when it is whole.",
            code="changed",
        )


class _Watched:
    """A table of a file that is watched."""

    def __init__(self, table: Table, steady: Steady) -> None:
        self._table = table
        self._steady = steady
        self.shape: TableShape = table.shape

    def digests(self) -> Digests:
        """See `Table.digests`."""
        self._steady.require()
        found = self._table.digests()
        self._steady.require()
        return found

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """See `Table.rows`."""
        self._steady.require()
        yield from self._table.rows(known)
        self._steady.require()
