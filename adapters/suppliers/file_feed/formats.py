"""Opens a fetched file as a table: delimited text, JSON or JSON lines.

A file is either read as what it is or refused with a FileFault; it is never read as far as it goes.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from adapters.suppliers.file_feed import delimiters, encodings, records
from adapters.suppliers.file_feed.header import find_header
from adapters.suppliers.file_feed.json_table import JsonTable, json_cells, json_columns, record_of
from adapters.suppliers.file_feed.records import ADAPTER, Splitter
from connector.ports.errors import FileFault, Misconfigured
from connector.ports.suppliers import Digests, Feed, RawRow, ReadOptions, Table, TableShape

_DELIMITER_OF = {"csv": "", "tsv": "\t", "pipe": "|", "semicolon": ";"}
_FORMAT_OF = {"\t": "tsv", "|": "pipe"}
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)


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


def open_table(feed: Feed, options: ReadOptions, max_bytes: int) -> Table:
    """The table in `feed`; `max_bytes` caps what is unpacked or transcoded beside it.

    Raises FileFault: empty, html_page, unsupported_format, bad_encoding, no_table, bad_json, truncated,
    too_large; and Misconfigured for an option that cannot be.
    """
    wanted = options.format.lower()
    if wanted not in {"", "json", "jsonl", *_DELIMITER_OF}:
        raise Misconfigured(
            ADAPTER,
            feed.name,
            f"There is no format {options.format!r}.",
            "Use csv, tsv, pipe, semicolon, json or jsonl.",
            field="format",
        )
    path = _unpacked(feed, max_bytes)
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
        _refuse_blank(path, feed.name)
    _refuse_foreign(head, feed.name)
    encoding = encodings.find_encoding(path, options.encoding, feed.name)
    used = encoding.name
    if not encodings.keeps_ascii(encoding.name):
        path = encodings.transcode(path, encoding, feed.name, max_bytes)
        encoding = encodings.Encoding("utf-8")
    with path.open("rb") as file:
        file.seek(encoding.offset)
        start = file.read(65_536).decode(encoding.name, "ignore")
    _refuse_page(start, feed.name)
    if wanted in {"json", "jsonl"} or (not wanted and start.lstrip()[:1] in {"{", "["}):
        if wanted == "jsonl" or (wanted == "" and not options.records_path and _is_json_lines(start)):
            return _json_lines(path, encoding, used, feed.name)
        return JsonTable(path, encoding.offset, used, options.records_path, feed.name)
    return _delimited(path, encoding, used, options, feed.name)


def _delimited(
    path: Path, encoding: encodings.Encoding, used: str, options: ReadOptions, subject: str
) -> LineTable:
    wanted = options.delimiter or _DELIMITER_OF.get(options.format.lower(), "")
    delimiter, sample = delimiters.find_delimiter(path, encoding, wanted, subject)
    header = find_header(sample, options.header_line, subject)
    if not any(line > header.data_from for line, _ in sample):
        raise _empty(subject, "It has a header but no rows.")
    splitter = Splitter(path, delimiter, has_quotes=encodings.holds(path, b'"'))
    has_nul = encodings.holds(path, b"\0")

    def parse(found: list[bytes], strays: frozenset[int]) -> list[list[str]]:
        texts = [record.decode(encoding.name) for record in found]
        if has_nul:  # PostgreSQL stores none, and no cell means one
            texts = [text.replace("\0", "") for text in texts]
        return delimiters.split_cells(texts, delimiter, strays)

    shape = TableShape(_FORMAT_OF.get(delimiter, "csv"), used, delimiter, header.line, header.columns)
    plain = delimiter.encode("ascii")
    # A spreadsheet exports its empty lines as delimiters alone.
    blanks = [b" ", *(plain * count for count in range(len(header.columns) + 2))]
    return LineTable(splitter, encoding.offset, shape, header.data_from, parse, blanks)


def _json_lines(path: Path, encoding: encodings.Encoding, used: str, subject: str) -> LineTable:
    splitter = Splitter(path, ",", has_quotes=False)
    first: list[dict[str, str]] = []
    for block in splitter.blocks(encoding.offset, limit_bytes=delimiters.SAMPLE_BYTES):
        for record in block.records[: delimiters.SAMPLE_RECORDS]:
            found = _json_line(record, encoding.name)
            if found:
                first.append(found)
    if not first:
        raise FileFault(
            ADAPTER,
            subject,
            "None of its first lines is a JSON object.",
            "Ask the supplier for one object a line.",
            code="bad_json",
        )
    columns = json_columns(first)

    def parse(found: list[bytes], strays: frozenset[int]) -> list[list[str]]:
        values = [(record, _json_line(record, encoding.name)) for record in found]
        # A line that is no object keeps its text, as one cell too few for any table.
        return [
            [record.decode(encoding.name)] if value is None else json_cells(value, columns)
            for record, value in values
        ]

    shape = TableShape("jsonl", used, "", 0, columns)
    return LineTable(splitter, encoding.offset, shape, 0, parse, [b"", b" "])


def _json_line(record: bytes, encoding: str) -> dict[str, str] | None:
    try:
        value = json.loads(record.decode(encoding), parse_float=str, parse_int=str)
        return record_of(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _is_json_lines(start: str) -> bool:
    """True when the first line is a whole JSON object and another one follows."""
    lines = [line for line in start.splitlines() if line.strip()]
    if not lines[0].lstrip().startswith("{"):
        return False
    try:
        json.loads(lines[0])
    except (ValueError, RecursionError):
        return False
    return len(lines) > 1 and lines[1].lstrip().startswith("{")


def _unpacked(feed: Feed, max_bytes: int) -> Path:
    """The file, or its unpacked copy when it is gzip."""
    with feed.path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return feed.path
        file.seek(0)
        target = feed.path.with_name(feed.path.name + ".unpacked")
        with target.open("wb") as out:
            for piece in gunzip(iter(lambda: file.read(65_536), b""), feed.name, max_bytes):
                out.write(piece)
    return target


def gunzip(chunks: Iterator[bytes], subject: str, max_bytes: int) -> Iterator[bytes]:
    """The unpacked bytes of a gzip stream of one or more members, in pieces of at most 1 MB.

    Raises FileFault: "too_large" beyond `max_bytes`, "truncated" when a member is incomplete or damaged.
    """
    unpacker = zlib.decompressobj(31)
    size_bytes, has_data = 0, False
    try:
        for chunk in chunks:
            pending = chunk
            while pending:
                if unpacker.eof:
                    pending = pending.lstrip(b"\0")  # some writers pad with zeros
                    if not pending:
                        break
                    unpacker = zlib.decompressobj(31)
                piece = unpacker.decompress(pending, 1 << 20)
                pending = unpacker.unconsumed_tail or unpacker.unused_data
                has_data = True
                size_bytes += len(piece)
                if size_bytes > max_bytes:
                    raise too_large(subject, max_bytes)
                yield piece
        # What the buffer still holds is bounded by the last chunk, but may be many times its size.
        while has_data and not unpacker.eof:
            piece = unpacker.decompress(unpacker.unconsumed_tail, 1 << 20)
            if not piece:
                break
            size_bytes += len(piece)
            if size_bytes > max_bytes:
                raise too_large(subject, max_bytes)
            yield piece
    except zlib.error as exc:
        raise truncated(subject, "Its compression is damaged.") from exc
    if not unpacker.eof:
        raise truncated(subject, "It ends in the middle of its compression.")


def too_large(subject: str, max_bytes: int) -> FileFault:
    """The fault of a file beyond the installation's limit."""
    return FileFault(
        ADAPTER,
        subject,
        f"It is larger than {max_bytes:,} bytes.",
        "Ask the supplier for a smaller file, or the operator to raise DISPO_MAX_FEED_BYTES.",
        code="too_large",
    )


def truncated(subject: str, cause: str) -> FileFault:
    """The fault of a file that is not whole."""
    return FileFault(
        ADAPTER, subject, cause, "It is fetched again at the next run; nothing was changed.", code="truncated"
    )


def _empty(subject: str, cause: str) -> FileFault:
    return FileFault(ADAPTER, subject, cause, "Ask the supplier whether the export failed.", code="empty")


def _refuse_blank(path: Path, subject: str) -> None:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            if chunk.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
                return
    raise _empty(subject, "It is empty.")


def _refuse_foreign(head: bytes, subject: str) -> None:
    for magic, words in _MAGIC:
        if head.startswith(magic):
            raise FileFault(
                ADAPTER,
                subject,
                f"It is {words}, not a text file.",
                "Ask the supplier for CSV or JSON, or export the sheet as CSV.",
                code="unsupported_format",
            )


def _refuse_page(start: str, subject: str) -> None:
    if _HTML.match(start):
        raise FileFault(
            ADAPTER,
            subject,
            "The address answers with a web page instead of the file.",
            "Open it in a browser: it may ask to sign in, or report an error.",
            code="html_page",
        )
    if re.match(r"\s*<(?:\?xml\b|[A-Za-z][\w:.-]*[\s/>])", start):
        raise FileFault(
            ADAPTER,
            subject,
            "It is XML, which is not read yet.",
            "Ask the supplier for CSV or JSON.",
            code="unsupported_format",
        )
