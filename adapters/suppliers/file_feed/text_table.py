"""Tables of text with one record a line (or a few, where cells are quoted): delimited text and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adapters.suppliers.file_feed import delimiters, encodings, records
from adapters.suppliers.file_feed.faults import empty
from adapters.suppliers.file_feed.header import find_header
from adapters.suppliers.file_feed.object_table import (
    LOOK_AT_RECORDS,
    ObjectTable,
    json_cells,
    json_columns,
    record_of,
)
from adapters.suppliers.file_feed.records import ADAPTER, Splitter
from adapters.suppliers.file_feed.variants import count, find, reading_of
from connector.ports.errors import FileFault
from connector.ports.suppliers import Digests, RawRow, ReadOptions, TableShape

DELIMITER_OF = {"csv": "", "tsv": "\t", "pipe": "|", "semicolon": ";"}
_FORMAT_OF = {"\t": "tsv", "|": "pipe"}


class LineTable:
    """A table of one record a line (or a few, where cells are quoted); see `records`.

    `parse` gives the cells of each record; its second argument is as `Block.strays`. The digests
    are computed once and kept: 8 bytes a row.
    """

    def __init__(
        self,
        splitter: Splitter,
        offset: int,
        shape: TableShape,
        data_from: int,
        parse: Callable[[list[bytes], frozenset[int]], list[list[str]]],
        blanks: list[bytes],
    ) -> None:
        self.shape = shape
        self._splitter = splitter
        self._offset = offset
        self._data_from = data_from
        self._parse = parse
        self._blanks = np.unique(records.digests(blanks))
        self._all: Digests | None = None

    def digests(self) -> Digests:
        """See `Table.digests`: the xxh3 of every record, blank ones left out."""
        every = self._every_digest()
        return every[~records.is_known(every, self._blanks)]

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """See `Table.rows`. Reads the file once more, and not at all when nothing is wanted."""
        every = self._every_digest()
        wanted = ~records.is_known(every, self._blanks)
        if known is not None:
            wanted &= ~records.is_known(every, known)
        positions = np.flatnonzero(wanted)
        at = 0
        for first, block in self._blocks():
            if at == len(positions):
                return
            until = int(np.searchsorted(positions, first + len(block.records)))
            taken = positions[at:until]
            at = until
            indexes: list[int] = (taken - first).tolist()
            strays = frozenset(new for new, old in enumerate(indexes) if old in block.strays)
            parsed = self._parse([block.records[index] for index in indexes], strays)
            for index, cells, value in zip(indexes, parsed, every[taken].tolist(), strict=True):
                yield RawRow(block.lines[index], cells, value)

    def _every_digest(self) -> Digests:
        if self._all is None:
            parts = [records.digests(block.records) for _, block in self._blocks()]
            self._all = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
        return self._all

    def _blocks(self) -> Iterator[tuple[int, records.Block]]:
        """The blocks of data, each with the position of its first record."""
        position = 0
        for block in self._splitter.blocks(self._offset):
            if block.lines[0] <= self._data_from:
                skip = sum(line <= self._data_from for line in block.lines)
                strays = frozenset(at - skip for at in block.strays if at >= skip)
                block = records.Block(block.records[skip:], block.lines[skip:], strays)
            if block.records:
                yield position, block
                position += len(block.records)


def as_text(cell: str) -> str:
    """The text of a cell written so that a spreadsheet keeps its digits: `="0400638"` is "0400638"."""
    is_formula = len(cell) >= 3 and cell.startswith('="') and cell.endswith('"')
    return cell[2:-1].replace('""', '"') if is_formula else cell


def open_delimited(
    path: Path, encoding: encodings.Encoding, used: str, options: ReadOptions, subject: str
) -> LineTable:
    """The table in a delimited text. Raises FileFault: no_table, empty; Misconfigured."""
    wanted = options.delimiter or DELIMITER_OF.get(options.format.lower(), "")
    delimiter, sample = delimiters.find_delimiter(path, encoding, wanted, subject)
    header = find_header(sample, options.header_line, subject)
    if not any(line > header.data_from for line, _ in sample):
        raise empty(subject, "It has a header but no rows.")
    splitter = Splitter(path, delimiter, has_quotes=encodings.holds(path, b'"'))
    has_nul = encodings.holds(path, b"\0")
    has_formulas = encodings.holds(path, b'="')

    def parse(found: list[bytes], strays: frozenset[int]) -> list[list[str]]:
        texts = [record.decode(encoding.name) for record in found]
        if has_nul:  # PostgreSQL stores none, and no cell means one
            texts = [text.replace("\0", "") for text in texts]
        rows = delimiters.split_cells(texts, delimiter, strays)
        return [[as_text(cell) for cell in row] for row in rows] if has_formulas else rows

    shape = TableShape(_FORMAT_OF.get(delimiter, "csv"), used, delimiter, header.line, header.columns)
    plain = delimiter.encode("ascii")
    # A spreadsheet exports its empty lines as delimiters alone.
    blanks = [b" ", *(plain * count for count in range(len(header.columns) + 2))]
    return LineTable(splitter, encoding.offset, shape, header.data_from, parse, blanks)


def open_json_lines(
    path: Path, encoding: encodings.Encoding, used: str, subject: str, variants_path: str = ""
) -> LineTable | ObjectTable:
    """The objects in a text of one JSON object a line; `variants_path` as in `ReadOptions`, and where variants are
    rows lines count these rows. Raises FileFault: bad_json when there is none; of variants no_table."""
    splitter = Splitter(path, ",", has_quotes=False)
    first: list[dict[str, Any]] = []
    for block in splitter.blocks(encoding.offset, limit_bytes=delimiters.SAMPLE_BYTES):
        values = (_json_line(record, encoding.name) for record in block.records[: delimiters.SAMPLE_RECORDS])
        first += [value for value in values if value]
    if not first:
        raise _no_object(subject)
    reading = reading_of(find(first[:LOOK_AT_RECORDS]), variants_path)

    def items() -> Iterator[Any]:
        for block in splitter.blocks(encoding.offset):
            for record in block.records:
                if record.strip():
                    value = _json_line(record, encoding.name)
                    yield record.decode(encoding.name) if value is None else value

    if reading.is_expanded:
        return ObjectTable(
            items,
            "jsonl",
            used,
            subject,
            reading.path,
            lambda: _no_object(subject),
            lambda: _no_object(subject),
        )
    columns = json_columns(flat for value in first if (flat := _flat(value)))

    def parse(found: list[bytes], strays: frozenset[int]) -> list[list[str]]:
        values = [(record, _flat(_json_line(record, encoding.name))) for record in found]
        # A line that is no object keeps its text, as one cell too few for any table.
        return [
            [record.decode(encoding.name)] if value is None else json_cells(value, columns)
            for record, value in values
        ]

    nested = None
    if reading.path:
        listed = [count(value, reading.path) if isinstance(value, dict) else 1 for value in items()]
        nested = reading.nested(len(listed), sum(listed))
    shape = TableShape("jsonl", used, "", 0, columns, nested=nested)
    return LineTable(splitter, encoding.offset, shape, 0, parse, [b"", b" "])


def _no_object(subject: str) -> FileFault:
    return FileFault(
        ADAPTER,
        subject,
        "None of its first lines is a JSON object.",
        "Ask the supplier for one object a line.",
        code="bad_json",
    )


def _json_line(record: bytes, encoding: str) -> dict[str, Any] | None:
    try:
        value = json.loads(record.decode(encoding), parse_float=str, parse_int=str)
        return value if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _flat(value: dict[str, Any] | None) -> dict[str, str] | None:
    try:
        return None if value is None else record_of(value)
    except RecursionError:
        return None


def is_json_lines(start: str) -> bool:
    """True when the first line is a whole JSON object and another one follows."""
    lines = [line for line in start.splitlines() if line.strip()]
    if not lines[0].lstrip().startswith("{"):
        return False
    try:
        json.loads(lines[0])
    except (ValueError, RecursionError):
        return False
    return len(lines) > 1 and lines[1].lstrip().startswith("{")
