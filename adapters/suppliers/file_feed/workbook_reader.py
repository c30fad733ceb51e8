"""Turns a workbook's sheets into files of JSON arrays, one row a line. A program of its own: it is run in a
process with limited memory, because a workbook is loaded whole and a sheet with one cell far out takes the
memory of all cells before it. It imports nothing of ours.

    python workbook_reader.py WORKBOOK DIRECTORY MOST_MEMORY_BYTES MOST_OUTPUT_BYTES [SHEET]

It writes DIRECTORY/0.rows, 1.rows … and prints one JSON object: {"sheets": […]} or {"fault": code}.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
import zipfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ZERO_FIRST = re.compile(r"0\d+", re.ASCII)
_EXACT = 10**15
"""Excel keeps fifteen digits; above it the last ones of a number are zeros."""

_ERROR = re.compile(
    rb'<c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]+)(\d+)"[^>]*(?<!/)>(?:(?!</c>).)*?<v>([^<]*)</v>', re.S
)
_FORMULA = re.compile(
    rb'<c\b[^>]*\br="([A-Z]+)(\d+)"[^>]*>\s*<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*<v>([^<]*)</v>'
)
_ENCRYPTED = re.compile(
    re.escape("EncryptedPackage".encode("utf-16-le"))
    # The record FILEPASS right behind the beginning of an XLS workbook's stream.
    + rb"|\x09\x08\x10\x00\x00\x06\x05\x00.{12}(?:\x86\x00\x00\x00)?\x2f\x00",
    re.S,
)
_PIECE = 1 << 20
_OVERLAP = 8_192


def main(arguments: list[str]) -> dict[str, Any]:
    """Do the work; the object to print."""
    workbook, directory, memory, output, *names = arguments
    _limit(int(memory))
    try:
        # After the limit, so that what it takes is counted.
        from python_calamine import CalamineError, PasswordError

        try:
            return {"sheets": _sheets(workbook, Path(directory), int(output), names)}
        except PasswordError:
            return {"fault": "password"}
        except (CalamineError, zipfile.BadZipFile, OSError, ValueError) as exc:
            if _is_encrypted(workbook):
                return {"fault": "password"}
            return {"fault": "corrupt", "detail": type(exc).__name__}
        except _TooLong:
            return {"fault": "output"}
    except MemoryError:
        return {"fault": "memory"}
    except BaseException as exc:
        # A panic of the library derives from BaseException; nothing else may reach here but a bug.
        if type(exc).__name__ != "PanicException":
            raise
        return {"fault": "corrupt", "detail": "PanicException"}


class _TooLong(Exception):
    pass


def _is_encrypted(workbook: str) -> bool:
    """Whether an old compound file says that it is encrypted; the library only says that it cannot read it."""
    with Path(workbook).open("rb") as file:
        if file.read(4) != b"\xd0\xcf\x11\xe0":
            return False
        before = b""
        while piece := file.read(_PIECE):
            if _ENCRYPTED.search(before + piece):
                return True
            before = piece[-64:]
    return False


def _limit(memory_bytes: int) -> None:
    # Not on every system; there the size of the file is the only limit.
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _sheets(workbook: str, directory: Path, left_bytes: int, names: list[str]) -> list[dict[str, Any]]:
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    book = CalamineWorkbook.from_path(workbook)
    wanted = {name.strip().casefold() for name in names}
    found: list[dict[str, Any]] = []
    for index, about in enumerate(book.sheets_metadata):
        if about.typ != SheetTypeEnum.WorkSheet:
            continue
        is_visible = about.visible == SheetVisibleEnum.Visible
        is_wanted = about.name.strip().casefold() in wanted if wanted else is_visible
        entry: dict[str, Any] = {"name": about.name, "is_visible": is_visible}
        found.append(entry)
        if not is_wanted:
            continue
        sheet = book.get_sheet_by_index(index)
        left, path = (sheet.start or (0, 0))[1], directory / f"{index}.rows"
        errors, is_uncalculated = _look_into(workbook, index, about.name)
        columns: dict[int, _Codes] = {}
        rows = 0
        with path.open("wb") as out:
            for line, values in enumerate(sheet.iter_rows(), 1):
                cells = [""] * left + [_text(value) for value in values]
                for place, text in errors.pop(line, {}).items():
                    cells += [""] * (place + 1 - len(cells))
                    cells[place] = text
                if not any(cells):
                    continue
                for place, value in enumerate(values, left):
                    if value != "" and not isinstance(value, bool):
                        columns.setdefault(place, _Codes()).add(line, value)
                rows += 1
                left_bytes -= out.write(_dumps([line, *cells]).encode("utf-8", "surrogatepass") + b"\n")
                if left_bytes < 0:
                    raise _TooLong
        entry |= {
            "file": path.name,
            "rows": rows,
            "merged": [[a, b, c, d] for (a, b), (c, d) in sheet.merged_cell_ranges or () if a != c],
            "codes": {place: told for place, codes in columns.items() if (told := codes.told())},
            "uncalculated": is_uncalculated,
        }
    return found


def _text(value: Any) -> str:
    """A cell as a CSV file would have it: whole numbers without a fraction, dates as ISO."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e21:
            return str(int(value))
        # As many digits as Excel shows: 0.1+0.2 is 0.3 there.
        return format(Decimal(f"{value:.15g}"), "f") if abs(value) < 1e21 else repr(value)
    if isinstance(value, datetime.datetime):
        if value.time() == datetime.time():
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


class _Codes:
    """What one column shows of codes that lost digits: texts "00123" beside numbers, and long numbers."""

    def __init__(self) -> None:
        self.text = ""
        self.numbers: dict[int, tuple[int, int]] = {}
        self.long_line = 0

    def add(self, line: int, value: Any) -> None:
        if isinstance(value, str):
            if len(value) > len(self.text) and _ZERO_FIRST.fullmatch(value):
                self.text = value
        elif isinstance(value, float | int) and value == int(value) and value >= 0:
            if value >= _EXACT:
                self.long_line = self.long_line or line
            count, first = self.numbers.get(len(str(int(value))), (0, line))
            self.numbers[len(str(int(value)))] = (count + 1, first)

    def told(self) -> dict[str, Any]:
        short = [found for digits, found in self.numbers.items() if digits < len(self.text)]
        told: dict[str, Any] = {}
        if short:
            told["mixed"] = {
                "text": self.text[:40],
                "count": sum(count for count, _ in short),
                "line": min(line for _, line in short),
            }
        if self.long_line:
            told["long"] = self.long_line
        return told


def _look_into(workbook: str, index: int, name: str) -> tuple[dict[int, dict[int, str]], int]:
    """What the library does not tell of an XLSX sheet: error cells as line → column → text, and how many
    formulas were never calculated. The library gives both as empty or zero."""
    if not zipfile.is_zipfile(workbook):
        return {}, 0
    with zipfile.ZipFile(workbook) as archive:
        part = _part_of(archive, name)
        if not part:
            return {}, 0
        # Excel itself never asks for this; a program that writes formulas without their values does.
        is_due = b'fullCalcOnLoad="1"' in archive.read("xl/workbook.xml")
        errors: dict[int, dict[int, str]] = {}
        formulas: dict[tuple[int, int], bytes] = {}
        with archive.open(part) as file:
            before = b""
            while piece := file.read(_PIECE):
                text = before + piece
                before = text[-_OVERLAP:]
                if b't="e"' in text:
                    for column, line, value in _ERROR.findall(text):
                        row = errors.setdefault(int(line), {})
                        row[_place(column)] = value.decode("utf-8", "replace")
                if is_due and b"<f" in text:
                    for column, line, value in _FORMULA.findall(text):
                        formulas[int(line), _place(column)] = value
        never = is_due and formulas and all(value in {b"", b"0"} for value in formulas.values())
        if never:
            for line, place in formulas:
                errors.setdefault(line, {})[place] = ""
        return errors, len(formulas) if never else 0


def _part_of(archive: zipfile.ZipFile, name: str) -> str:
    """The archive's member that holds the sheet; "" when this is no XLSX workbook."""
    from xml.sax.saxutils import unescape

    try:
        book = archive.read("xl/workbook.xml").decode("utf-8", "replace")
        links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    except KeyError:
        return ""
    for tag in re.findall(r"<(?:\w+:)?sheet\b[^>]*>", book):
        title = re.search(r'\bname="([^"]*)"', tag)
        link = re.search(r'\br:id="([^"]*)"', tag)
        if title and link and unescape(title[1], {"&quot;": '"', "&apos;": "'"}) == name:
            for relation in re.findall(r"<(?:\w+:)?Relationship\b[^>]*>", links):
                target = re.search(r'\bTarget="([^"]*)"', relation)
                if target and f'Id="{link[1]}"' in relation:
                    path = target[1].lstrip("/")
                    path = path if path.startswith("xl/") else f"xl/{path}"
                    return path if path in archive.namelist() else ""
    return ""


def _place(column: bytes) -> int:
    """The index of a column by its letters: A is 0, AA is 26."""
    place = 0
    for letter in column:
        place = place * 26 + letter - 64
    return place - 1


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
