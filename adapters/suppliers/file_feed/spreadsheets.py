"""Workbooks: XLSX, XLSM, XLSB, XLS and ODS, read by python-calamine in a process of its own.

What a cell shows is not always what it holds: a percentage is its fraction, a date ISO, a formula the value
that was last calculated (none: unknown). A number that lost its leading zeros cannot be repaired; the column
is reported.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from adapters.suppliers.file_feed import workbook_reader
from adapters.suppliers.file_feed.faults import empty, no_table, too_large, unsupported
from adapters.suppliers.file_feed.header import Header, find_header
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.spool import Spool, SpooledTable
from connector.ports.errors import FileFault, Misconfigured, Retryable
from connector.ports.suppliers import ReadOptions, TableNote, TableShape

MOST_MEMORY_BYTES = 1_500_000_000
"""Address space of the reading process. Measured: 0.5 KB of memory for a row of six cells."""
LONGEST_S = 600.0
SAMPLE_ROWS = 1_000
_CLEARLY_LARGER = 5
_AS_CSV = "Save the sheet as CSV (or ask the supplier to), which is read in pieces and has no such limit."


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One sheet that was written out: `sample` are its first rows (line, cells)."""

    name: str
    path: Path
    rows: int
    about: dict[str, Any]
    sample: list[tuple[int, list[str]]] = field(default_factory=list)


def workbook_kind(path: Path) -> str:
    """xlsx, xlsb, ods or xls for a workbook, "" for any other file; told by its content.

    A document of a word processor gives "other".
    """
    with path.open("rb") as file:
        magic = file.read(8)
    if magic == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return "xls"
    if not magic.startswith(b"PK\x03\x04"):
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "mimetype" in names:
                with archive.open("mimetype") as member:
                    kind = member.read(80)
                return "ods" if b"spreadsheet" in kind else "other"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error):
        return ""  # judged as an archive
    for name, kind_of_it in (("xl/workbook.xml", "xlsx"), ("xl/workbook.bin", "xlsb")):
        if name in names:
            return kind_of_it
    return "other" if "[Content_Types].xml" in names else ""


def open_workbook(path: Path, kind: str, options: ReadOptions, subject: str, max_bytes: int) -> SpooledTable:
    """The list in the workbook at `path`.

    Raises FileFault: password, bad_workbook, too_large, empty, no_table, ambiguous_sheet; Misconfigured for
    a sheet that is not there.
    """
    if kind == "other":
        raise unsupported(subject, "It is an office document, but no workbook.", "Ask the supplier for CSV.")
    if kind != "xls":
        _refuse_bomb(path, subject, max_bytes)
    sheet, notes = _chosen(_written_out(path, options, subject, max_bytes), options, subject)
    header, left, _ = _header_of(sheet, options, subject)
    target = path.with_name(path.name + ".spool")
    with Spool(target, subject, max_bytes) as spool:
        for line, cells in _rows(sheet.path):
            if line > header.data_from:
                spool.add(line, cells[left:])
        sheet.path.unlink()
        if not len(spool):
            raise empty(subject, f"Its sheet “{sheet.name}” has a header but no rows.")
        columns = header.columns
        notes += _notes_on(sheet, header, left, columns)
        return spool.positional(TableShape(kind, "", "", header.line, columns, tuple(notes)))


def _written_out(path: Path, options: ReadOptions, subject: str, max_bytes: int) -> list[_Sheet]:
    """Every sheet that may be meant, written out by the reading process."""
    directory = path.with_name(path.name + ".sheets")
    directory.mkdir(exist_ok=True)
    command = [
        *(sys.executable, "-I", workbook_reader.__file__, str(path), str(directory)),
        *(str(MOST_MEMORY_BYTES), str(max_bytes)),
        *([options.sheet] if options.sheet else []),
    ]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired as exc:
        raise _too_much(subject, f"Reading it took more than {LONGEST_S / 60:.0f} minutes.") from exc
    except OSError as exc:
        raise Retryable(ADAPTER, subject, "The process that reads workbooks could not be started.") from exc
    if done.returncode in {-signal.SIGTERM, -signal.SIGINT}:
        raise Retryable(ADAPTER, subject, "The machine was being shut down while the workbook was read.")
    if done.returncode < 0:
        # The library ends the process when it gets no more memory.
        raise _too_much(
            subject, f"Reading it takes more than {MOST_MEMORY_BYTES // 1_000_000:,} MB of memory."
        )
    if done.returncode:
        raise RuntimeError(f"workbook_reader failed: {done.stderr.decode(errors='replace')[-2000:]}")
    answer = json.loads(done.stdout)
    fault = answer.get("fault")
    if fault == "password":
        raise FileFault(
            ADAPTER,
            subject,
            "The workbook is protected by a password.",
            "Ask the supplier to send it without one.",
            code="password",
        )
    if fault == "memory":
        raise _too_much(
            subject, f"Reading it takes more than {MOST_MEMORY_BYTES // 1_000_000:,} MB of memory."
        )
    if fault == "output":
        raise too_large(subject, max_bytes)
    if fault:
        raise FileFault(
            ADAPTER,
            subject,
            "The workbook is damaged or incomplete.",
            "It is fetched again at the next run; if it stays so, open it in Excel and save it anew.",
            code="bad_workbook",
        )
    sheets = answer["sheets"]
    if options.sheet and not any("file" in one for one in sheets):
        raise Misconfigured(
            ADAPTER,
            subject,
            f"It has no sheet “{options.sheet}”; it has {_listed([one['name'] for one in sheets])}.",
            "Correct the sheet in the feed's settings, or leave it empty.",
            field="sheet",
        )
    found = [
        _Sheet(one["name"], directory / one["file"], one["rows"], one) for one in sheets if "file" in one
    ]
    for one in found:
        one.sample.extend(islice(_rows(one.path), SAMPLE_ROWS))
    return [one for one in found if one.rows]


def _chosen(sheets: list[_Sheet], options: ReadOptions, subject: str) -> tuple[_Sheet, list[TableNote]]:
    """The sheet that is the list: the named one, the only one with a header and rows, or one at least five
    times as long as the next."""
    if not sheets:
        what = f"Its sheet “{options.sheet}” is empty." if options.sheet else "Its visible sheets are empty."
        raise empty(subject, what)
    if options.sheet or len(sheets) == 1:
        return sheets[0], []
    tables = sorted((one for one in sheets if _has_table(one, subject)), key=lambda one: -one.rows)
    if not tables:
        raise no_table(
            subject,
            f"None of its sheets ({_listed([one.name for one in sheets])}) begins with column names.",
            "Name the sheet in the feed's settings.",
        )
    if len(tables) > 1 and tables[0].rows < _CLEARLY_LARGER * tables[1].rows:
        raise FileFault(
            ADAPTER,
            subject,
            "Several of its sheets look like the list: "
            + ", ".join(f"“{one.name}” ({one.rows:,} rows)" for one in tables[:10])
            + ".",
            "Name the sheet in the feed's settings.",
            code="ambiguous_sheet",
        )
    others = [one.name for one in sheets if one is not tables[0]]
    reason = f"The sheet “{tables[0].name}” was read. Left out: {_listed(others)}."
    return tables[0], [TableNote(0, "", "sheet_chosen", reason)]


def _has_table(sheet: _Sheet, subject: str) -> bool:
    header, _, width = _header_of(sheet, ReadOptions(), subject)
    return width > 1 and header.line > 0 and any(line > header.line for line, _ in sheet.sample)


def _header_of(sheet: _Sheet, options: ReadOptions, subject: str) -> tuple[Header, int, int]:
    """The header, the index of the table's first column, and its width; a stray cell beside the table and
    the title above it do not count."""
    filled = [[at for at, cell in enumerate(cells) if cell.strip()] for _, cells in sheet.sample]
    broad = [row for row in filled if len(row) > 1] or filled
    least = max(1, len(broad) // 10)
    counts: dict[int, int] = {}
    for row in broad:
        for at in row:
            counts[at] = counts.get(at, 0) + 1
    used = [at for at, count in counts.items() if count >= least]
    left, width = min(used), max(used) + 1 - min(used)
    cropped = [(line, _cropped(cells, left, width)) for line, cells in sheet.sample]
    header = find_header(cropped, options.header_line, subject)
    if header.line:
        # A column that is empty as yet has a name and no values.
        names = next(cells for line, cells in sheet.sample if line == header.line)[left:]
        end = max(width, max((at + 1 for at, cell in enumerate(names) if cell.strip()), default=0))
        named = [(line, _cropped(cells, left, end)) for line, cells in sheet.sample]
        header = find_header(named, header.line, subject)
        width = end
    return header, left, width


def _cropped(cells: list[str], left: int, width: int) -> list[str]:
    taken = cells[left : left + width]
    return taken + [""] * (width - len(taken))


def _notes_on(sheet: _Sheet, header: Header, left: int, columns: tuple[str, ...]) -> list[TableNote]:
    """What the merchant should know of the columns that were read."""
    notes = []
    for place, codes in sheet.about["codes"].items():
        at = int(place) - left
        if not 0 <= at < len(columns):
            continue
        if mixed := codes.get("mixed"):
            reason = (
                f"The column “{columns[at]}” holds “{mixed['text']}” as text and {mixed['count']:,} shorter codes as"
                " numbers: Excel drops leading zeros of numbers, and they cannot be restored. Have the column"
                " formatted as text and exported again."
            )
            notes.append(TableNote(mixed["line"], columns[at], "mixed_codes", reason))
        if line := codes.get("long"):
            reason = (
                f"The column “{columns[at]}” holds numbers of more than fifteen digits, of which Excel keeps only"
                " fifteen. Have the column formatted as text and exported again."
            )
            notes.append(TableNote(line, columns[at], "long_numbers", reason))
    merged = [top + 1 for top, _, bottom, _ in sheet.about["merged"] if bottom + 1 > header.data_from]
    if merged:
        reason = (
            f"{len(merged):,} cells reach over several rows. Their value counts for the first of these rows only; the"
            " others are blank, which is unknown."
        )
        notes.append(TableNote(merged[0], "", "merged_cells", reason))
    if count := sheet.about["uncalculated"]:
        reason = (
            f"Its {count:,} formulas were never calculated: their cells are unknown, not zero. Have the workbook"
            " opened in Excel and saved, or exported with values."
        )
        notes.append(TableNote(0, "", "uncalculated", reason))
    return notes


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open("rb") as file:
        for text in file:
            line, *cells = json.loads(text)
            yield line, cells


def _refuse_bomb(path: Path, subject: str, max_bytes: int) -> None:
    """Inflate every member without keeping it: what its directory announces may be a lie."""
    left = max_bytes
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            for member in archive.infolist():
                if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    raise zipfile.BadZipFile("compression")
                file.seek(member.header_offset + 26)
                file.seek(int.from_bytes(file.read(2), "little") + int.from_bytes(file.read(2), "little"), 1)
                if member.compress_type == zipfile.ZIP_STORED:
                    left -= member.compress_size
                else:
                    left = _inflated(file.read(member.compress_size), left)
                if left < 0:
                    cause = f"Unpacked it is larger than {max_bytes:,} bytes."
                    raise _too_much(subject, cause)
    except (zipfile.BadZipFile, zlib.error) as exc:
        raise FileFault(
            ADAPTER,
            subject,
            "The workbook is damaged or incomplete.",
            "It is fetched again at the next run; if it stays so, open it in Excel and save it anew.",
            code="bad_workbook",
        ) from exc


def _inflated(packed: bytes, left: int) -> int:
    """`left` less the size of `packed` unpacked; below zero as soon as it does not fit."""
    unpacker = zlib.decompressobj(-15)
    while packed and not unpacker.eof and left >= 0:
        left -= len(unpacker.decompress(packed, 1 << 20))
        packed = unpacker.unconsumed_tail
    return left


def _too_much(subject: str, cause: str) -> FileFault:
    return FileFault(ADAPTER, subject, cause, _AS_CSV, code="too_large")


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"“{name}”" for name in names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
