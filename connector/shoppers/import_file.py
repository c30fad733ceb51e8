"""Reads who waits from the file of another tool, or our own export. Pure, but for a workbook's temporary copy.

First the table as it stands (`read_table`), then, when it is clear what its columns mean
(`connector.shoppers.import_columns`), the people of its lines (`people_of`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from connector.intake.sources import BY_HAND
from connector.ports.errors import PortError
from connector.ports.suppliers import Feed, FetchMark, ReadOptions, Supplier
from connector.registry import Environment, manifest
from connector.shoppers.import_columns import (
    EXPORT_HEAD,
    Choices,
    Dates,
    Proposal,
    check_columns,
    propose_columns,
    still_waits,
)

__all__ = ("EXPORT_HEAD", "FileRefused", "Line", "Sheet", "Table", "people_of", "read_table", "read_waiting")

MOST_BYTES = 10_000_000
MOST_LINES = 50_000
MOST_COLUMNS = 100
MOST_UNITS = 99
_ADDRESS = re.compile(r"[^\s@,;]+@[^\s@,;]+\.[^\s@,;]+")
_DAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ T,]+(\d{1,2}:\d{2}(?::\d{2})?))?")


class FileRefused(ValueError):
    """A file that cannot be read at all; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One person and what they wait for. `item` is the store's own id of a variant, `product` that of a product;
    `sku` counts where neither is known. Times are aware; `confirmed_at` None: the file does not say so."""

    line: int
    address: str
    channel: str
    item: str
    product: str
    sku: str
    units: int
    language: str
    asked_at: datetime | None
    confirmed_at: datetime | None
    consent_text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is not taken: its number, the column ("" for the whole line) and the reason, without an address."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """A file as it stands: the names of its columns ("#1", "#2" … where it has no line of names), its other lines
    with their numbers, and what the columns are by their names."""

    digest: str
    head: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]
    proposal: Proposal

    def examples(self, most: int = 3) -> list[list[str]]:
        """For each column its first different values, shortened by nobody."""
        found: list[list[str]] = [[] for _ in self.head]
        for _, cells in self.rows[:200]:
            for place, cell in enumerate(cells[: len(found)]):
                if cell.strip() and cell not in found[place] and len(found[place]) < most:
                    found[place].append(cell)
        return found


@dataclass(slots=True)
class Sheet:
    """The people of a table. `ended`: lines of people who wait no more there."""

    table: Table
    choices: Choices
    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    ended: int = 0

    @property
    def origin(self) -> str:
        return self.table.proposal.origin

    @property
    def mapping(self) -> dict[str, str]:
        """Our fields and the names of the file's columns."""
        return {ours: self.table.head[place] for ours, place in self.choices.columns.items()}


def read_table(content: bytes) -> Table:
    """A file as it stands: CSV (comma, semicolon, tab) in UTF-8, or a workbook. Raises FileRefused."""
    if not content.strip():
        raise FileRefused("The file is empty.")
    if len(content) > MOST_BYTES:
        raise FileRefused(f"The file is larger than {MOST_BYTES // 1_000_000} MB. Split it.")
    is_workbook = content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
    first, (head, lines) = (0, _workbook(content)) if is_workbook else (1, _text(content))
    if len(head) > MOST_COLUMNS:
        raise FileRefused(
            f"The file has more than {MOST_COLUMNS} columns. Leave those out that nobody needs."
        )
    rows = []
    if any(_ADDRESS.search(cell) for cell in head):
        # A person's address is no name of a column: this file begins with its first line.
        rows.append((first, list(head)))
        head = [f"#{place}" for place in range(1, len(head) + 1)]
    for number, cells in lines:
        if number > MOST_LINES:
            raise FileRefused(f"The file has more than {MOST_LINES:,} lines. Split it.")
        if any(cell.strip() for cell in cells):
            rows.append((number, cells))
    return Table(hashlib.sha256(content).hexdigest(), tuple(head), tuple(rows), propose_columns(head))


def read_waiting(content: bytes, now: datetime, choices: Choices | None = None) -> Sheet:
    """Who waits by this file, its columns being what they are called unless `choices` says otherwise. Raises
    FileRefused."""
    table = read_table(content)
    return people_of(table, choices or table.proposal.choices, now)


def people_of(table: Table, choices: Choices, now: datetime) -> Sheet:
    """The people of a table; a line that is wrong is a fault and the rest is taken. Raises ColumnsRefused."""
    check_columns(choices, len(table.head))
    sheet = Sheet(table, choices)
    mapping = sheet.mapping
    for number, cells in table.rows:
        _take(sheet, mapping, number, cells, now)
    return sheet


def _text(content: bytes) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused("The file is not UTF-8 text. Save it as “CSV UTF-8”.") from error
    if "\0" in text:
        raise FileRefused("The file is no CSV and no workbook.")
    first = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))

    def numbered() -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in rows:
                yield rows.line_num, cells
        except csv.Error as error:
            raise FileRefused(f"The file is no CSV: {error}. Save it as “CSV UTF-8”.") from error

    lines = numbered()
    return [cell.strip() for cell in next(lines)[1]], lines


def _workbook(content: bytes) -> tuple[list[str], Iterable[tuple[int, list[str]]]]:
    """By the reader that suppliers' workbooks have; its copy of the file is gone when this returns."""
    reader: Supplier = manifest("suppliers", "file_feed").build(BY_HAND, {}, Environment())
    with tempfile.TemporaryDirectory(prefix="dispo-waiting-") as directory:
        path = Path(directory) / "waiting.xlsx"
        path.write_bytes(content)
        mark = FetchMark(sha256=hashlib.sha256(content).hexdigest())
        try:
            table = reader.open(Feed(path, path.name, len(content), mark, None), ReadOptions())
            rows = [(row.line, row.cells) for row in table.rows()]
        except PortError as error:
            raise FileRefused(f"{error.cause} {error.remedy}".strip()) from error
    return list(table.shape.columns), rows


def _take(sheet: Sheet, mapping: dict[str, str], number: int, cells: list[str], now: datetime) -> None:
    # A spreadsheet that was kept from running a cell as a formula has a quote before it.
    said = {
        ours: cells[place].strip().removeprefix("'") if place < len(cells) else ""
        for ours, place in sheet.choices.columns.items()
    }
    waits = still_waits(said.get("status", ""), sheet.choices.waiting)
    if waits is False:
        sheet.ended += 1
        return
    faults = []
    if waits is None:
        reason = f"It is not known whether “{said['status'][:60]}” means that somebody still waits."
        faults.append(Fault(number, mapping["status"], reason))
    channel = said.get("channel", "").casefold() or (
        "sms" if not said.get("address") and said.get("phone") else "email"
    )
    if channel not in ("email", "sms"):
        faults.append(
            Fault(number, mapping["channel"], "People can be brought along by e-mail and SMS only.")
        )
    found = said.get("address", "") or said.get("phone", "")
    # One cell may hold all who wait for a product.
    several = _ADDRESS.findall(found)
    addresses = several if len(several) > 1 else [found]
    if not found:
        faults.append(Fault(number, mapping.get("address", ""), "It has no address."))
    sku = sheet.choices.sku or said.get("sku", "")
    if not (said.get("item") or said.get("product") or sku):
        faults.append(Fault(number, "", "It names no product."))
    units = said.get("units", "") or "1"
    if not (units.isascii() and units.isdigit() and 1 <= int(units[:9]) <= MOST_UNITS):
        faults.append(
            Fault(number, mapping["units"], f"The units are a whole number from 1 to {MOST_UNITS}.")
        )
    times: dict[str, datetime | None] = {}
    for name in ("asked_at", "confirmed_at"):
        times[name] = None
        # A nought is how WooCommerce says that there is no day.
        if (text := said.get(name, "")) not in ("", "0", "-"):
            times[name] = when(text, sheet.choices.dates)
            if times[name] is None:
                faults.append(
                    Fault(
                        number,
                        mapping[name],
                        "The date is not written as 2026-11-22. If day or month comes first, say so with the columns."
                        if sheet.choices.dates == "ymd"
                        else "There is no such day.",
                    )
                )
            elif times[name] > now:  # type: ignore[operator]
                faults.append(Fault(number, mapping[name], "The date is in the future."))
    if faults:
        sheet.faults += faults
        return
    for address in addresses:
        sheet.lines.append(
            Line(
                number,
                address,
                channel,
                _number(said.get("item", "")),
                _number(said.get("product", "")),
                sku,
                int(units),
                said.get("language", "")[:2].casefold(),
                times["asked_at"] or times["confirmed_at"],
                times["confirmed_at"],
                said.get("consent_text", "")[:1000],
            )
        )


def _number(text: str) -> str:
    """An id as the store says it: of a GraphQL address its end, of a spreadsheet's decimal the whole number; the 0 by
    which WooCommerce says that there is no variation is none."""
    text = re.split(r"/|:::", text)[-1].removesuffix(".0")
    return "" if text == "0" else text


def when(text: str, dates: Dates = "ymd") -> datetime | None:
    """A moment: ISO 8601, "2026/11/22 14:30", or seconds (or milliseconds) since 1970; without a zone in UTC. With
    `dates` "dmy" or "mdy" also "22/11/2026 14:30" or "11/22/2026"; with "ymd" None for these: whether 04/05 is in
    April or in May is not guessed."""
    if re.fullmatch(r"\d{10}|\d{13}", text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    if dates != "ymd" and (said := _DAY.fullmatch(text)):
        one, other, year, clock = said.groups()
        day, month = (one, other) if dates == "dmy" else (other, one)
        text = f"{year}-{int(month):02}-{int(day):02}" + (f" {clock:0>5}" if clock else "")
    text = re.sub(r"\s*(UTC|GMT)$", "+00:00", text.replace("/", "-"))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
