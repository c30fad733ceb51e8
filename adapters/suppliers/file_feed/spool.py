"""Records of a format without lines (a workbook, XML, EDI), kept as one JSON array a line in a file of ours.

A document is read once, from its beginning to its end, so that one that breaks off is refused before any
record is used; after that each record costs one line of the spool, and memory 16 bytes.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from adapters.suppliers.file_feed import records
from adapters.suppliers.file_feed.faults import no_table, too_large
from adapters.suppliers.file_feed.header import column_names
from adapters.suppliers.file_feed.object_table import MOST_COLUMNS
from connector.ports.suppliers import Digests, Nested, RawRow, TableNote, TableShape

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Spool:
    """Takes the records of one document, then gives the table; closed by `with`.

    `max_bytes` caps the file at `path`: beyond it `add` and `add_record` raise FileFault("too_large").
    """

    def __init__(self, path: Path, subject: str, max_bytes: int) -> None:
        self.path = path
        self._subject = subject
        self._left_bytes = max_bytes
        self._max_bytes = max_bytes
        self._file = path.open("wb")
        self._lines = array("Q")
        self._digests = array("Q")
        self._columns: dict[str, int] = {}

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that `add_record` has seen, in the order of their first occurrence."""
        return tuple(self._columns)

    def add(self, line: int, cells: Sequence[str]) -> None:
        """Keep one record by position; its digest is that of its cells without empty ones at the end."""
        end = len(cells)
        while end and not cells[end - 1]:
            end -= 1
        text = _dumps(list(cells[:end])).encode("utf-8", "surrogatepass")
        self._keep(line, text, records.digest(text))

    def add_record(self, line: int, record: Mapping[str, str]) -> None:
        """Keep one record by name; its digest is that of its named values that are not empty. Neither names
        nor values may hold a NUL.

        Positions follow the first occurrence of a name and so differ from file to file: a digest of
        positions would take two different records for one. Raises FileFault("no_table") beyond
        MOST_COLUMNS names.
        """
        places = self._columns
        cells = [""] * len(places)
        for name, value in record.items():
            place = places.get(name)
            if place is None:
                if len(places) == MOST_COLUMNS:
                    raise no_table(
                        self._subject,
                        f"Its records have more than {MOST_COLUMNS:,} different names.",
                        "Name the path of the records in the feed's settings.",
                    )
                places[name] = len(places)
                cells.append(value)
            else:
                cells[place] = value
        # No cell holds a NUL, so that no two records join to the same text.
        named = "\0".join([part for item in sorted(record.items()) if item[1] for part in item])
        text = _dumps(cells).encode("utf-8", "surrogatepass")
        self._keep(line, text, records.digest(named.encode("utf-8", "surrogatepass")))

    def _keep(self, line: int, text: bytes, digest: int) -> None:
        self._left_bytes -= len(text) + 1
        if self._left_bytes < 0:
            raise too_large(self._subject, self._max_bytes)
        self._file.write(text)
        self._file.write(b"\n")
        self._lines.append(line)
        self._digests.append(digest)

    def table(
        self,
        kind: str,
        encoding: str,
        order: Sequence[str] = (),
        notes: Sequence[TableNote] = (),
        renamed: Mapping[str, str] | None = None,
        nested: Nested | None = None,
    ) -> SpooledTable:
        """The records added by name as a table whose columns stand in `order`, the others after them; `renamed`
        gives columns another name (which the digests do not see: it must follow from the names alone)."""
        self._file.flush()
        first = [name for name in order if name in self._columns]
        names = [*first, *(name for name in self._columns if name not in set(first))]
        shown = column_names([(renamed or {}).get(name, name) for name in names])
        shape = TableShape(kind, encoding, "", 0, shown, tuple(notes), nested=nested)
        return SpooledTable(
            self.path, shape, self._lines, self._digests, [self._columns[name] for name in names]
        )

    def positional(self, shape: TableShape) -> SpooledTable:
        """The records added by position as a table of this shape."""
        self._file.flush()
        return SpooledTable(self.path, shape, self._lines, self._digests)


class SpooledTable:
    """See `connector.ports.suppliers.Table`; cells that a record lacks are the empty text."""

    def __init__(
        self, path: Path, shape: TableShape, lines: array[int], digests: array[int], order: Sequence[int] = ()
    ) -> None:
        self.shape = shape
        self._path = path
        self._lines = lines
        self._digests = np.array(digests, dtype=np.uint64)
        self._order = list(order) if list(order) != list(range(len(order))) else []

    def with_notes(self, notes: Sequence[TableNote]) -> SpooledTable:
        """This table, with more to say about how it was read."""
        self.shape = replace(self.shape, notes=(*self.shape.notes, *notes))
        return self

    def digests(self) -> Digests:
        """See `Table.digests`."""
        return self._digests.copy()

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """See `Table.rows`."""
        every = self._digests
        wanted = np.ones(len(every), dtype=bool) if known is None else ~records.is_known(every, known)
        if not wanted.any():
            return
        width = len(self.shape.columns)
        with self._path.open("rb") as file:
            for at, text in enumerate(file):
                if not wanted[at]:
                    continue
                cells: list[str] = json.loads(text)
                if len(cells) < width:
                    cells += [""] * (width - len(cells))
                if self._order:
                    cells = [cells[place] for place in self._order]
                yield RawRow(self._lines[at], cells, int(every[at]))
