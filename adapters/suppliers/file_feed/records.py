"""Splits a delimited file into raw records and hashes them, a block at a time.

A record is the raw line, or the raw lines of one csv record whose quoted cell holds line breaks, without
the line end that closes it: a feed that changes from CRLF to LF is the same feed. Nothing is decoded
here, so a record that is already known costs one hash.

What counts as a quoted cell follows Python's csv reader: a quote opens one only as the first character
of a cell, so `12" pipe` is text. Beyond it: a quoted cell may span lines only when its closing quote ends
the cell, within LONGEST_CELL_LINES. Else the quote is a stray inch sign and its line a record of its own;
the csv reader would swallow rows up to the next quote, silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from xxhash import xxh3_64_intdigest

from connector.ports.errors import FileFault
from connector.ports.suppliers import Digests

BLOCK_BYTES = 1 << 19
LONGEST_RECORD_BYTES = 8_000_000
LONGEST_CELL_LINES = 200
LONGEST_CELL_BYTES = 1_000_000
ADAPTER = "file_feed"
_IN_CACHE = 256
"""So many digests are looked up as fast in any order."""


@dataclass(frozen=True, slots=True)
class Block:
    """Records in file order; `lines[i]` is the 1-based line `records[i]` begins on. `strays` are the
    indexes of records with a quote that opens a cell and never closes it."""

    records: list[bytes]
    lines: Sequence[int]
    strays: frozenset[int] = frozenset()


class Splitter:
    """Splits one file whose encoding keeps ASCII bytes for ASCII characters (UTF-8, single-byte ones).

    `delimiter` is one ASCII character; `has_quotes` False promises that the file holds no `"`.
    """

    def __init__(self, path: Path, delimiter: str, has_quotes: bool) -> None:
        self.path = path
        self._has_quotes = has_quotes
        d = re.escape(delimiter.encode("ascii"))
        # Written so that most characters pass in one step: three times as fast as (?:[^"]|"")*.
        quoted = rb'"[^"\r\n]*+(?:""[^"\r\n]*+)*+"(?:[^%b"\r\n][^%b\r\n]*+)?' % (d, d)
        plain = rb'(?!")[^%b\r\n]*+' % d
        one_line = rb"(?:%b|%b)" % (quoted, plain)
        # A cell with line breaks must end right behind its closing quote.
        broken = rb'"[^"]*+(?:""[^"]*+)*+"(?=[%b\r\n]|\Z)' % d
        any_cell = rb"(?:%b(?=[%b\r\n]|\Z)|%b|%b)" % (quoted, d, broken, plain)
        self._one_line = re.compile(rb"%b(?:%b%b)*+" % (one_line, d, one_line))
        self._spanning = re.compile(rb"%b(?:%b%b)*+(?=[\r\n]|\Z)" % (any_cell, d, any_cell))

    def blocks(self, offset: int = 0, line: int = 1, limit_bytes: int = 0) -> Iterator[Block]:
        """Every record from byte `offset`, which begins line `line`; blank lines are records too.

        `limit_bytes` stops the reading there (0: at the end of the file), and leaves out what is cut.
        Raises FileFault("no_table") for a record above LONGEST_RECORD_BYTES.
        """
        size_bytes = self.path.stat().st_size
        with self.path.open("rb") as file:
            file.seek(offset)
            carry = b""
            while True:
                text = carry + file.read(BLOCK_BYTES)
                is_end = file.tell() >= size_bytes
                cut = len(text) if is_end else _whole_lines(text)
                taken, used, count = self._split(text[:cut], line, is_end)
                carry = text[used:]
                if taken.records:
                    yield taken
                line += count
                if is_end or 0 < limit_bytes <= file.tell() - offset:
                    return
                if len(carry) > LONGEST_RECORD_BYTES:
                    raise FileFault(
                        ADAPTER,
                        f"line {line}",
                        f"It is longer than {LONGEST_RECORD_BYTES:,} bytes.",
                        "Ask the supplier for a file with one product a line.",
                        code="no_table",
                    )

    def _split(self, text: bytes, line: int, is_end: bool) -> tuple[Block, int, int]:
        """The complete records of `text`, how many bytes they took and how many lines."""
        records = text.splitlines()
        if not self._has_quotes or b'"' not in text:
            return Block(records, range(line, line + len(records))), len(text), len(records)
        ends = self._one_line.fullmatch
        opening = [at for at, record in enumerate(records) if ends(record) is None]
        if not opening:
            return Block(records, range(line, line + len(records))), len(text), len(records)
        return self._join(text, records, opening, line, is_end)

    def _join(
        self, text: bytes, singles: list[bytes], opening: list[int], line: int, is_end: bool
    ) -> tuple[Block, int, int]:
        """As `_split`, where the lines at `opening` open a quoted cell that they do not close."""
        parts = text.splitlines(keepends=True)
        records: list[bytes] = []
        lines: list[int] = []
        strays: set[int] = set()
        at = 0  # the next line that belongs to no record yet
        for start in opening:
            if start < at:
                continue  # inside the cell of an earlier line
            records += singles[at:start]
            lines += range(line + at, line + start)
            at = start
            window = parts[start : start + LONGEST_CELL_LINES]
            joined = b"".join(window)
            match = self._spanning.match(joined)
            is_short = len(window) < LONGEST_CELL_LINES and len(joined) < LONGEST_CELL_BYTES
            if match is None and is_short and not is_end:
                # It may close in the next block.
                return Block(records, lines, frozenset(strays)), sum(map(len, parts[:at])), at
            if match is None:
                strays.add(len(records))
            records.append(singles[start] if match is None else match.group())
            lines.append(line + start)
            at += 1 if match is None else _line_count(window, match.end())
        records += singles[at:]
        lines += range(line + at, line + len(singles))
        return Block(records, lines, frozenset(strays)), len(text), len(singles)


def digest(record: bytes) -> int:
    """The hash of one raw record, as in `digests`."""
    return xxh3_64_intdigest(record)


def digests(records: list[bytes]) -> Digests:
    """The xxh3 (64 bit) of each record, in order."""
    return np.fromiter(map(xxh3_64_intdigest, records), dtype=np.uint64, count=len(records))


def is_known(values: Digests, known: Digests) -> np.typing.NDArray[np.bool_]:
    """For each value whether it occurs in `known` (sorted ascending)."""
    if not len(known) or not len(values):
        return np.zeros(len(values), dtype=bool)
    if len(known) <= _IN_CACHE:
        at = np.searchsorted(known, values)
        few: np.typing.NDArray[np.bool_] = known[np.minimum(at, len(known) - 1)] == values
        return few
    # Looked up in ascending order, because random probes of a large array miss the cache every time.
    order = np.argsort(values)
    ascending = values[order]
    at = np.searchsorted(known, ascending)
    found = np.empty(len(values), dtype=bool)
    found[order] = known[np.minimum(at, len(known) - 1)] == ascending
    return found


def _line_count(parts: list[bytes], end: int) -> int:
    """How many of the lines `parts` the first `end` bytes touch."""
    length = 0
    for count, part in enumerate(parts, 1):
        length += len(part)
        if length >= end:
            return count
    return len(parts)


def _whole_lines(text: bytes) -> int:
    """How many bytes of `text` are surely complete lines: a CR at the very end may await its LF."""
    end = len(text) - 1 if text.endswith(b"\r") else len(text)
    return max(text.rfind(b"\n", 0, end), text.rfind(b"\r", 0, end)) + 1
