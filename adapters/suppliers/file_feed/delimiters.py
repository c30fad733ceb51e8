"""The delimiter of a file, and the cells of its records."""

from __future__ import annotations

import csv
from pathlib import Path

from adapters.suppliers.file_feed.encodings import Encoding, holds
from adapters.suppliers.file_feed.header import header_index, usual_width
from adapters.suppliers.file_feed.records import ADAPTER, Splitter
from connector.ports.errors import FileFault, Misconfigured

SAMPLE_BYTES = 500_000
SAMPLE_RECORDS = 1_000
_DELIMITERS = (",", ";", "\t", "|")
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def split_cells(texts: list[str], delimiter: str, strays: frozenset[int] = frozenset()) -> list[list[str]]:
    """The cells of each record, as the csv reader reads it; at the indexes `strays` quotes are text."""
    if strays or not any('"' in text for text in texts):
        return [
            text.split(delimiter) if at in strays or '"' not in text else _quoted(text, delimiter)
            for at, text in enumerate(texts)
        ]
    try:
        found = [row or [""] for row in csv.reader(texts, delimiter=delimiter)]
    except csv.Error:
        found = []
    # One reader for all is four times as fast, and right while it sees the records that we see.
    return found if len(found) == len(texts) else [_quoted(text, delimiter) for text in texts]


def _quoted(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter))
    except (csv.Error, StopIteration):
        # A cell above the csv module's limit of 131,072 characters.
        return text.split(delimiter)


def find_delimiter(
    path: Path, encoding: Encoding, wanted: str, subject: str
) -> tuple[str, list[tuple[int, list[str]]]]:
    """The delimiter and, read with it, the first records as (line, cells), blank ones left out.

    Of those that give most records the same two or more cells the one wins under which a header can be
    told from the data, then the most consistent one, then the one with most columns, then the one
    csv.Sniffer names. Raises FileFault("no_table") when there is none.
    """
    has_quotes = holds(path, b'"')
    if wanted:
        fixed = _WORDS.get(wanted.lower(), wanted)
        if len(fixed) != 1 or not fixed.isascii() or fixed in '\r\n"\0':
            raise Misconfigured(
                ADAPTER,
                subject,
                "The delimiter is not one plain character.",
                "Use a comma, a semicolon, a pipe or the word tab.",
                field="delimiter",
            )
        return fixed, _sample(path, encoding, fixed, has_quotes)
    samples = {one: _sample(path, encoding, one, has_quotes) for one in _DELIMITERS}
    hint = _excel_hint(samples[","] or samples[";"])
    if hint:
        return hint, samples.get(hint) or _sample(path, encoding, hint, has_quotes)
    sniffed = _sniff(path, encoding)
    best: tuple[tuple[bool, float, int, bool], str] | None = None
    for one, records in samples.items():
        width, share = usual_width([row for _, row in records])
        if width < 2 or share < 0.5:
            continue
        header = header_index([row for _, row in records], width)
        rank = (header is not None, round(share, 1), width, one == sniffed)
        if best is None or rank > best[0]:
            best = rank, one
    if best is None:
        raise FileFault(
            ADAPTER,
            subject,
            "No table was found in it: its lines do not split into the same columns.",
            "Open the address in a browser. If it is a table, choose the delimiter in the feed's settings.",
            code="no_table",
        )
    return best[1], samples[best[1]]


def _sample(path: Path, encoding: Encoding, delimiter: str, has_quotes: bool) -> list[tuple[int, list[str]]]:
    found: list[tuple[int, list[str]]] = []
    for block in Splitter(path, delimiter, has_quotes).blocks(encoding.offset, limit_bytes=SAMPLE_BYTES):
        texts = [record.decode(encoding.name, "replace") for record in block.records]
        for line, row in zip(block.lines, split_cells(texts, delimiter, block.strays), strict=True):
            if any(cell.strip(" \0\t") for cell in row):
                found.append((line, row))
                if len(found) >= SAMPLE_RECORDS:
                    return found
    return found


def _excel_hint(records: list[tuple[int, list[str]]]) -> str:
    """The delimiter in Excel's first line "sep=;", else empty."""
    if records and records[0][0] == 1:
        row = records[0][1]
        if len(row[0]) == 5 and row[0].lower().startswith("sep="):
            return row[0][4] if row[0][4].isascii() and row[0][4] != '"' else ""
        if row[0].lower() == "sep=":
            return ","
    return ""


def _sniff(path: Path, encoding: Encoding) -> str:
    # Only a little text: the sniffer's expressions take very long on much of it.
    with path.open("rb") as file:
        file.seek(encoding.offset)
        text = file.read(4096).decode(encoding.name, "replace")
    try:
        return csv.Sniffer().sniff(text, "".join(_DELIMITERS)).delimiter
    except csv.Error:
        return ""
