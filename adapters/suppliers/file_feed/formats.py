"""Opens a fetched file as a table, whatever it is: text, JSON, XML, a workbook, EDI, or an archive of these.

A file is either read as what it is or refused with a FileFault; it is never read as far as it goes. What it is
is told by its content: suppliers' names and content types are wrong too often.
"""

from __future__ import annotations

import re
from pathlib import Path

from adapters.suppliers.file_feed import archives, encodings, joined
from adapters.suppliers.file_feed.edi import edi_kind, open_edi
from adapters.suppliers.file_feed.faults import empty, too_large, truncated, unsupported
from adapters.suppliers.file_feed.json_table import open_json
from adapters.suppliers.file_feed.packing import gunzip
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.spreadsheets import open_workbook, workbook_kind
from adapters.suppliers.file_feed.text_table import (
    DELIMITER_OF,
    is_json_lines,
    open_delimited,
    open_json_lines,
)
from adapters.suppliers.file_feed.xml_document import declared_encoding
from adapters.suppliers.file_feed.xml_table import open_xml
from connector.ports.errors import FileFault, Misconfigured
from connector.ports.suppliers import Feed, ReadOptions, Table

__all__ = ["FORMATS", "gunzip", "is_document", "open_table", "too_large", "truncated"]

_WORKBOOKS = ("xlsx", "xlsb", "xls", "ods")
FORMATS = (*DELIMITER_OF, "json", "jsonl", "xml", "x12", "edifact", *_WORKBOOKS)
"""What `ReadOptions.format` may say; "" detects."""

_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_XML = re.compile(r"\s*<(?:\?xml\b|!--|!DOCTYPE\b|[A-Za-z_][\w:.-]*[\s/>])")
_FOREIGN = (
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)


def is_document(head: bytes) -> bool:
    """Whether half of a file that begins so cannot be judged: anything but delimited text."""
    if (
        head.startswith((b"PK", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))
        or head[257:262] == b"ustar"
    ):
        return True
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text[:1] in {b"{", b"[", b"<"} or bool(edi_kind(text[:200].decode("latin-1")))


def open_table(feed: Feed, options: ReadOptions, max_bytes: int) -> Table:
    """The table in `feed`; `max_bytes` caps the file and what is unpacked, transcoded or spooled beside it.

    Raises FileFault: empty, html_page, unsupported_format, bad_encoding, no_table, bad_json, bad_xml,
    xml_entities, bad_workbook, password, ambiguous_sheet, bad_edi, truncated, too_large, changed; of an
    archive also archive_bomb, nested_archive, unsafe_name, encrypted, ambiguous_archive; and Misconfigured
    for an option that cannot be.
    """
    if options.format.lower() not in {"", *FORMATS}:
        raise Misconfigured(
            ADAPTER,
            feed.name,
            f"There is no format {options.format!r}.",
            f"Use one of {', '.join(FORMATS)}, or leave it empty.",
            field="format",
        )
    if options.encoding:
        encodings.known_encoding(options.encoding, feed.name)
    if feed.path.stat().st_size > max_bytes:
        raise too_large(feed.name, max_bytes)
    steady = joined.Steady(feed.path, feed.name, feed.size_bytes)
    table = _open(feed.path, feed.name, options, max_bytes)
    return steady.watch(table)


def _open(path: Path, subject: str, options: ReadOptions, max_bytes: int) -> Table:
    kind = workbook_kind(path)
    if kind:
        _require_format(options, kind if kind in _WORKBOOKS else "", subject)
        return open_workbook(path, kind, options, subject, max_bytes)
    packed = archives.packed_kind(path)
    if not packed:
        return _open_text(path, subject, options, max_bytes)
    members = archives.unpack(path, packed, options.member, subject, max_bytes)
    if len(members) == 1:
        return _open_member(members[0], subject, options, max_bytes)
    return joined.join_members(
        members,
        lambda member: _open_member(member, subject, options, max_bytes),
        subject,
        is_named=bool(options.member),
    )


def _open_member(member: archives.Member, subject: str, options: ReadOptions, max_bytes: int) -> Table:
    name = member.name if member.name in subject else f"{subject}: {member.name}"
    if workbook_kind(member.path):
        return _open(member.path, name, options, max_bytes)
    return _open_text(member.path, name, options, max_bytes)


def _open_text(path: Path, subject: str, options: ReadOptions, max_bytes: int) -> Table:
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
        _refuse_blank(path, subject)
    _refuse_foreign(head, subject)
    declared = "" if options.encoding else declared_encoding(head.lstrip(b"\xef\xbb\xbf").decode("latin-1"))
    encoding = encodings.find_encoding(path, options.encoding or declared, subject)
    used = encoding.name
    wanted = options.format.lower()
    start = _start(path, encoding)
    _refuse_page(start, subject)
    if wanted == "xml" or (not wanted and _XML.match(start)):
        return open_xml(path, encoding, used, options, subject, max_bytes)
    edi = edi_kind(start)
    if edi or wanted in {"x12", "edifact"}:
        _require_format(options, edi, subject)
        return open_edi(path, edi, encoding, used, subject, max_bytes)
    if wanted in _WORKBOOKS:
        _require_format(options, "", subject)
    if not encodings.keeps_ascii(encoding.name):
        path = encodings.transcode(path, encoding, subject, max_bytes)
        encoding = encodings.Encoding("utf-8")
    if wanted in {"json", "jsonl"} or (not wanted and start.lstrip()[:1] in {"{", "["}):
        if wanted == "jsonl" or (wanted == "" and not options.records_path and is_json_lines(start)):
            return open_json_lines(path, encoding, used, subject, options.variants_path)
        return open_json(path, encoding.offset, used, options.records_path, subject, options.variants_path)
    return open_delimited(path, encoding, used, options, subject)


def _start(path: Path, encoding: encodings.Encoding) -> str:
    with path.open("rb") as file:
        file.seek(encoding.offset)
        return file.read(65_536).decode(encoding.name, "ignore")


def _require_format(options: ReadOptions, found: str, subject: str) -> None:
    """Raise FileFault unless the format that the merchant chose is the one found."""
    wanted = options.format.lower()
    if wanted and wanted != found:
        what = f"{found.upper()}" if found else "something else"
        raise unsupported(
            subject,
            f"{wanted.upper()} was chosen, but the file is {what}.",
            "Leave the format empty to have it detected, or choose what it is.",
        )


def _refuse_blank(path: Path, subject: str) -> None:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            if chunk.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
                return
    raise empty(subject, "It is empty.")


def _refuse_foreign(head: bytes, subject: str) -> None:
    for magic, words in _FOREIGN:
        if head.startswith(magic):
            raise unsupported(
                subject,
                f"It is {words}, which holds no table.",
                "Ask the supplier for CSV, XLSX, XML or JSON.",
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
