"""What a file is: its encoding and its delimiter. Guesses only where a check can refute them;
else a FileFault with what the merchant should choose."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import chardet

from adapters.suppliers.file_feed.header import header_index, usual_width
from adapters.suppliers.file_feed.records import ADAPTER, Splitter
from connector.ports.errors import FileFault, Misconfigured

SCAN_BYTES = 1 << 20
SAMPLE_RECORDS = 1_000
_SUSPECT_BYTES = 200_000
_DELIMITERS = (",", ";", "\t", "|")
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_NOT_ASCII_LINE = re.compile(rb"[^\r\n]{0,400}[\x80-\xff][^\r\n]{0,400}")
_FEW_LINES = 10
_RARE = re.compile(r"mac|hp|ibm\d|cp(?:437|7\d\d|8\d\d)|iso-?8859-?(?:3|4|10|13|14|16)$|tcvn|koi8-t|kz", re.I)

# The longer mark first: UTF-32 LE begins with the mark of UTF-16 LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """`name` as Python's codecs call it; the text begins at byte `offset`, after the mark if any."""

    name: str
    offset: int = 0


def find_encoding(path: Path, wanted: str, subject: str) -> Encoding:
    """The encoding under which the whole file decodes: a byte order mark, then what the merchant fixed,
    then strict UTF-8, then what chardet makes of the lines that are not ASCII.

    Raises FileFault("bad_encoding") when nothing fits and Misconfigured for an unknown name.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in _MARKS:
        if head.startswith(mark):
            _require(path, Encoding(name, len(mark)), subject)
            return Encoding(name, len(mark))
    if wanted:
        try:
            fixed = Encoding(codecs.lookup(wanted).name)
            "".encode(fixed.name)  # refuses codecs that are no text, such as base64
        except LookupError as exc:
            raise Misconfigured(
                ADAPTER, subject, f"There is no encoding {wanted!r}.", "Leave it empty.", field="encoding"
            ) from exc
        _require(path, fixed, subject)
        return fixed
    wide = _utf16_without_mark(head)
    if wide and decodes(path, Encoding(wide)):
        return Encoding(wide)
    if decodes(path, Encoding("utf-8")):
        return Encoding("utf-8")
    suspects = _suspects(path)
    guess = _western(suspects) or chardet.detect(suspects)["encoding"]
    if guess:
        with suppress(LookupError):
            found = Encoding(codecs.lookup(guess).name)
            if found.name != "ascii" and decodes(path, found):
                return found
    raise FileFault(
        ADAPTER,
        subject,
        "Its encoding could not be recognised.",
        "Choose the encoding in the feed's settings, or ask the supplier for UTF-8.",
        code="bad_encoding",
    )


def keeps_ascii(encoding: str) -> bool:
    """True when lines may be split as bytes: UTF-8, and encodings of one byte a character that contain
    ASCII. Others (UTF-16, Shift-JIS, EBCDIC) hide ASCII bytes inside characters."""
    if encoding in {"utf-8", "ascii"}:
        return True
    try:
        text = bytes(range(128)).decode(encoding)
        return text == bytes(range(128)).decode("ascii") and all(
            len((bytes([high]) * 2 + b"@").decode(encoding, "replace")) == 3 for high in range(128, 256)
        )
    except UnicodeError:
        return False


def decodes(path: Path, encoding: Encoding) -> bool:
    """True when every byte of the file is valid in `encoding`."""
    decoder = codecs.getincrementaldecoder(encoding.name)()
    may_skip = keeps_ascii(encoding.name)
    try:
        for chunk in _chunks(path, encoding.offset):
            if may_skip and chunk.isascii() and not decoder.getstate()[0]:
                continue
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def transcode(path: Path, encoding: Encoding, subject: str, limit_bytes: int) -> Path:
    """A UTF-8 copy beside the file. Raises FileFault("bad_encoding"), or "too_large" above
    `limit_bytes`."""
    target = path.with_name(path.name + ".utf8")
    decoder = codecs.getincrementaldecoder(encoding.name)()
    size_bytes = 0
    try:
        with target.open("wb") as out:
            for chunk in _chunks(path, encoding.offset):
                size_bytes += out.write(decoder.decode(chunk).encode("utf-8"))
                if size_bytes > limit_bytes:
                    raise FileFault(
                        ADAPTER,
                        subject,
                        f"Its text is larger than {limit_bytes:,} bytes.",
                        "Ask the operator to raise DISPO_MAX_FEED_BYTES.",
                        code="too_large",
                    )
            out.write(decoder.decode(b"", final=True).encode("utf-8"))
    except UnicodeError as exc:
        raise _bad_encoding(encoding.name, subject) from exc
    return target


def holds(path: Path, byte: bytes) -> bool:
    """True when `byte` occurs anywhere in the file."""
    return any(byte in chunk for chunk in _chunks(path, 0))


def split_cells(texts: list[str], delimiter: str, strays: frozenset[int] = frozenset()) -> list[list[str]]:
    """The cells of each record, as the csv reader reads it; at the indexes `strays` quotes are text."""
    if strays or not any('"' in text for text in texts):
        return [
            text.split(delimiter) if at in strays or '"' not in text else _quoted(text, delimiter)
            for at, text in enumerate(texts)
        ]
    try:
        found = list(csv.reader(texts, delimiter=delimiter))
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
    for block in Splitter(path, delimiter, has_quotes).blocks(encoding.offset, limit_bytes=1):
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


def _utf16_without_mark(head: bytes) -> str:
    """UTF-16 of mostly Latin text shows as a NUL in every second byte."""
    half = len(head) // 2
    if half < 2:
        return ""
    low, high = head[0 : half * 2 : 2].count(0) / half, head[1 : half * 2 : 2].count(0) / half
    if high > 0.4 and low < 0.1:
        return "utf-16-le"
    if low > 0.4 and high < 0.1:
        return "utf-16-be"
    return ""


def _suspects(path: Path) -> bytes:
    """The first lines that are not ASCII: what an encoding can be told by."""
    found: list[bytes] = []
    size_bytes = 0
    for chunk in _chunks(path, 0):
        if chunk.isascii():
            continue
        for match in _NOT_ASCII_LINE.finditer(chunk):
            found.append(match.group())
            size_bytes += len(match.group())
            if size_bytes > _SUSPECT_BYTES:
                return b"\n".join(found)
    return b"\n".join(found)


def _western(suspects: bytes) -> str:
    """cp1252 where a handful of lines is all there is to go by and they read as Western letters.

    On so little chardet (7.7.0, seen 2026-11) calls "Clé" MacCyrillic; from twenty lines on it is right.
    """
    if suspects.count(b"\n") >= _FEW_LINES:
        return ""
    usual = chardet.detect(suspects)["encoding"] or ""
    if usual and not _RARE.match(usual):
        return ""
    try:
        high = [character for character in suspects.decode("cp1252") if ord(character) > 127]
    except UnicodeDecodeError:
        return ""
    return "cp1252" if all(one.isalpha() or one in "€°²³½¼¾µ®™©–—‘’“”«»…×" for one in high) else ""


def _chunks(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(SCAN_BYTES):
            yield chunk


def _require(path: Path, encoding: Encoding, subject: str) -> None:
    if not decodes(path, encoding):
        raise _bad_encoding(encoding.name, subject)


def _bad_encoding(name: str, subject: str) -> FileFault:
    return FileFault(
        ADAPTER,
        subject,
        f"It is not valid {name}.",
        "Choose another encoding in the feed's settings, or ask the supplier for UTF-8.",
        code="bad_encoding",
    )
