"""The encoding of a file: told by a mark, by strict decoding, by the letters of one language, and only
then by chardet. Whatever is chosen decodes the whole file."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import chardet

from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import FileFault, Misconfigured

SCAN_BYTES = 1 << 20
_SUSPECT_BYTES = 200_000
_NOT_ASCII_LINE = re.compile(rb"[^\r\n]{0,400}[\x80-\xff][^\r\n]{0,400}")

# The longer mark first: UTF-32 LE begins with the mark of UTF-16 LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# The letters beyond ASCII of languages with Latin letters, and the encodings they come in, the commonest
# first. chardet 7.7.0 reads French as Central European and Turkish as Western (seen 2026-11, 40 rows of
# product names); a wrong encoding shows as letters that no one language has together.
_ALPHABETS = (
    "äöüß",
    "àâæçéèêëîïôœùûüÿ",
    "áéíóúñüçàºª¡¿",
    "ãõáàâéêíóôúüç",
    "àèéìíîòóùú",
    "åäöæøé",
    "éèëêïöüáóí",
    "çğıöşüâîûi̇",
    "ąćęłńóśźż",
    "áčďéěíňóřšťúůýžäľĺŕô",
    "áéíóöőúüű",
    "čćšžđ",
    "ăâîșțşţ",
)
_LATIN = ("cp1252", "cp1254", "cp1250", "iso8859-2", "mac_roman", "cp850", "cp852")
_SYMBOLS = frozenset("€°²³½¼¾µ®™©–—‘’“”«»×·")
# A sign between letters is a letter of another encoding: Polish "żółty" read as cp1252 is "¿ó³ty".
_TORN = re.compile(r"(?<=[^\W\d_])[¿¡ªº°²³¹½¼¾®©«»×·](?=[^\W\d_])")


@dataclass(frozen=True, slots=True)
class Encoding:
    """`name` as Python's codecs call it; the text begins at byte `offset`, after the mark if any."""

    name: str
    offset: int = 0


def find_encoding(path: Path, wanted: str, subject: str) -> Encoding:
    """The encoding under which the whole file decodes: a byte order mark, then what the merchant fixed,
    then strict UTF-8, then what the lines that are not ASCII look like.

    Raises FileFault("bad_encoding") when nothing fits and Misconfigured for an unknown name.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in _MARKS:
        if head.startswith(mark):
            _require(path, Encoding(name, len(mark)), subject)
            return Encoding(name, len(mark))
    if wanted:
        fixed = known_encoding(wanted, subject)
        _require(path, fixed, subject)
        return fixed
    wide = _utf16_without_mark(head)
    if wide and decodes(path, Encoding(wide)):
        return Encoding(wide)
    if decodes(path, Encoding("utf-8")):
        return Encoding("utf-8")
    suspects = _suspects(path)
    guess = _latin(suspects) or chardet.detect(suspects)["encoding"]
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


def known_encoding(wanted: str, subject: str) -> Encoding:
    """The encoding a person named. Raises Misconfigured when Python does not know it."""
    try:
        fixed = Encoding(codecs.lookup(wanted).name)
        "".encode(fixed.name)  # refuses codecs that are no text, such as base64
    except LookupError as exc:
        raise Misconfigured(
            ADAPTER, subject, f"There is no encoding {wanted!r}.", "Leave it empty.", field="encoding"
        ) from exc
    return fixed


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


def _latin(suspects: bytes) -> str:
    """The first encoding under which nearly all letters beyond ASCII are of one language's alphabet."""
    for encoding in _LATIN:
        try:
            text = suspects.decode(encoding).lower()
        except UnicodeDecodeError:
            continue
        high = Counter(one for one in text if ord(one) > 127 and one not in _SYMBOLS)
        torn = Counter(_TORN.findall(text))
        total = sum(high.values()) + sum(count for one, count in torn.items() if one in _SYMBOLS)
        if not total:
            continue
        high.subtract({one: count for one, count in torn.items() if one not in _SYMBOLS})
        for alphabet in _ALPHABETS:
            # A few foreign names in the list are allowed.
            if sum(count for one, count in high.items() if one in alphabet) >= 0.95 * total:
                return encoding
    return ""


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
