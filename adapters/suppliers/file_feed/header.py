"""Where the table in a file begins and what its columns are called."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import FileFault


@dataclass(frozen=True, slots=True)
class Header:
    """`line` is the 1-based line of the header, 0 when there is none; `data_from` the line after which
    data begins."""

    line: int
    columns: tuple[str, ...]
    data_from: int


def usual_width(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """The commonest number of cells above one, and the share of the rows that have it.

    >>> usual_width([["Stock list"], ["sku", "qty"], ["a", "1"], ["b", "2"]])
    (2, 0.75)
    """
    counts = Counter(len(row) for row in rows if len(row) > 1)
    if not counts:
        return 1, 0.0
    width, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    return width, count / len(rows)


def find_header(records: list[tuple[int, list[str]]], wanted_line: int, subject: str) -> Header:
    """Where the table begins. `wanted_line`: 0 detects, -1 says that there is no header, else the line.

    Without a header the columns are called "column 1" and so on. Raises FileFault("no_table") when
    `wanted_line` holds no record.
    """
    rows = [row for _, row in records]
    width, _ = usual_width(rows)
    if wanted_line > 0:
        index = next((at for at, (line, _) in enumerate(records) if line == wanted_line), None)
        if index is None:
            raise FileFault(
                ADAPTER,
                subject,
                f"Line {wanted_line}, named as the header, holds no record.",
                "Correct the header line in the feed's settings.",
                code="no_table",
            )
    else:
        index = header_index(rows, width) if wanted_line == 0 else None
    if index is None:
        first = next((at for at, row in enumerate(rows) if len(row) == width), 0)
        before = records[first][0] - 1 if records and wanted_line == 0 else 0
        return Header(0, tuple(f"column {number}" for number in range(1, width + 1)), before)
    line, names = records[index]
    return Header(line, column_names(names), line)


def column_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names that are neither empty nor twice the same.

    >>> column_names(["SKU ", "", "Price", "Price"])
    ('SKU', 'column 2', 'Price', 'Price (2)')
    """
    found: list[str] = []
    for number, raw in enumerate(names, 1):
        base = " ".join(raw.replace("\0", "").split()) or f"column {number}"
        name, copy = base, 1
        while name in found:
            copy += 1
            name = f"{base} ({copy})"
        found.append(name)
    return tuple(found)


def header_index(rows: list[list[str]], width: int) -> int | None:
    """The index of the header in `rows`, whose usual width is `width`; None when the data begins at once."""
    least = 1 if width == 1 else max(2, math.ceil(0.6 * width))
    tall = [at for at, row in enumerate(rows) if len(row) == width and _filled(row) >= least]
    if not tall:
        return None
    first = tall[0]
    body = [rows[at] for at in tall[1:21]]
    numeric = [
        column
        for column in range(width)
        if sum(_is_number(row[column]) for row in body) > 0.6 * sum(bool(row[column].strip()) for row in body)
    ]
    if _names_columns(rows[first], numeric):
        return first + 1 if _is_group_row(rows, first, width, numeric) else first
    # A header with a delimiter too many or too few stands right above the data.
    for at in range(first - 1, -1, -1):
        if abs(len(rows[at]) - width) == 1 and _filled(rows[at]) >= least:
            return at if _names_columns(rows[at], numeric) else None
    return None


def _is_group_row(rows: list[list[str]], at: int, width: int, numeric: list[int]) -> bool:
    """True when the row at `at` only groups the columns ("Prices" above two of them) that the next one names:
    it has gaps, and the next has words even where the data has numbers."""
    if at + 1 >= len(rows) or not numeric:
        return False
    below = rows[at + 1]
    return (
        len(below) == width
        and _filled(rows[at]) < _filled(below)
        and all(below[column].strip() for column in numeric)
        and _names_columns(below, numeric)
    )


def _names_columns(row: list[str], numeric: list[int]) -> bool:
    """True when `row` reads as names: no number where the data has numbers, words for the most part."""
    if any(column < len(row) and _is_number(row[column]) for column in numeric):
        return False
    filled = [cell for cell in row if cell.strip()]
    words = sum(not _is_number(cell) and len(cell) <= 80 for cell in filled)
    return bool(filled) and words >= 0.7 * len(filled)


def _filled(row: list[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _is_number(cell: str) -> bool:
    """True for digits without a letter: 12, 1.234,50, >100, 2026-11-21."""
    return any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell))
