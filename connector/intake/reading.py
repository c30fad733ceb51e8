"""Raw records → lines of the staging table and issues. PURE; made for a million records a run.

What a cell means depends on its text only, so each distinct text of a column is read once and its COPY
fragment kept; codes are nearly all distinct and read every time.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from connector.catalog.keys import gtin_key, sku_key
from connector.intake.currency import code_of, currency_column
from connector.intake.dates import DateOrder, Order, read_date, read_lead_time
from connector.intake.mapping import Mapping
from connector.intake.normalise import (
    CellFault,
    DecimalSign,
    QuantityRules,
    Sign,
    read_cost,
    read_quantity,
)
from connector.intake.signs import GARBLED
from connector.intake.words import UNKNOWN_WORDS, fold
from connector.ports.suppliers import RawRow

STORED_ISSUES = 10_000
"""Detail is kept for so many issues of a run; all are counted."""

_CACHED_TEXTS = 200_000
_SPECIAL = re.compile(r"[\\\t\n\r\x00]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": ""})

_PLAIN_MONEY = re.compile(r"\d{1,9}\.\d{1,2}", re.ASCII)
_HALF, _WHOLE = 1 << 63, 1 << 64

OK, FAULTY = 0, 1

LONGEST_KEY = 255
"""Characters of an item code; beyond it is prose in the wrong column."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Something about one record: a fault (the record is not used) or a note (it is, but read this)."""

    line: int
    column: str
    code: str
    reason: str
    cells: list[str]
    is_note: bool = False


@dataclass(slots=True)
class Issues:
    """Issues of a run: exact counts of records, detail of the first `STORED_ISSUES` issues; `left_out`
    counts those without detail."""

    kept: list[Issue] = field(default_factory=list)
    left_out: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def begin_with(self, notes: Sequence[Issue]) -> None:
        """Notes on the file as a whole: kept before all others, whatever their number."""
        self.kept[:0] = notes
        self.notes.update(note.code for note in notes)

    def add(self, issue: Issue, records: int = 1) -> None:
        """Count an issue of so many records, and keep it while there is room."""
        (self.notes if issue.is_note else self.faults)[issue.code] += records
        if len(self.kept) < STORED_ISSUES:
            self.kept.append(issue)
        else:
            self.left_out += 1


SHEET_ERRORS = frozenset(
    {"#ref!", "#div/0!", "#value!", "#name?", "#num!", "#null!", "#n/a", "#bezug!", "#wert!", "#zahl!", "#nv"}
)
"""What a spreadsheet shows for a formula that failed: no item's code, and no two of them are one item."""


class RowReader:
    """Reads the records of one file under one mapping.

    `line(row)` gives the record as a line for COPY into the staging table, or None when it has no key.
    `issues`, `rows` (records seen), `garbled` (of them with letters of a wrong encoding), `key_hashes` (one
    per staged line, to find duplicates), `digests` (of the usable ones) and `skipped` (of those left out on
    purpose) grow as it reads, the digests as signed 64-bit numbers; so do the proofs of decimal sign and date
    order, and the `currencies` that costs are named in. Raises KeyError for a mapping without a key or a quantity
    column: the caller checks that first.
    """

    def __init__(self, mapping: Mapping, columns: Sequence[str], today: date) -> None:
        self.issues = Issues()
        self.rows = 0
        self.short_line = self._last_line = self.last_digest = 0
        self.garbled = 0
        self.skipped = array("q")
        self.key_hashes = array("q")
        self.digests = array("q")
        self.signs = {name: DecimalSign() for name in ("quantity", "cost")}
        self.date_order = DateOrder(today)
        self._mapping = mapping
        self._columns = columns
        self._today = today
        place = {
            name: index for name in mapping.columns if (index := mapping.place(name, columns)) is not None
        }
        self._key = place[mapping.key_field]
        self._quantity = place["quantity"]
        self._sku = place.get("sku", -1)
        self._gtin = place.get("gtin", -1)
        self._supplier_sku = place.get("supplier_sku", -1)
        self._location = place.get("location", -1)
        self._locations = {fold(name) for name in mapping.locations}
        self._needed = 1 + max(self._key, self._quantity)
        self._width = len(columns)
        self._rules = QuantityRules(
            decimal=mapping.decimal.get("quantity", ""), negative=mapping.negatives, words=mapping.words
        )
        self._quantities: dict[str, tuple[str, str]] = {}
        self._restock = _Column(place.get("restock_on", -1), self._date)
        self._lead_time = _Column(place.get("lead_time", -1), _lead_time)
        self._cost = _Column(place.get("cost", -1), self._money)
        self.currencies: set[str] = set()
        self._currency = currency_column(columns) if self._cost.index >= 0 else -1
        self._named: set[str] = set()
        self._is_plain = self._sku == self._key and self._gtin < 0 and self._supplier_sku < 0

    def line(self, row: RawRow) -> str | None:
        """The record as a COPY line (text format), or None when it is to be left out."""
        self.rows += 1
        self._last_line, self.last_digest = row.line, row.digest
        cells = row.cells
        text = "".join(cells)
        if not text.isascii() and GARBLED.search(text):
            self.garbled += 1
        if len(cells) != self._width and not self._width_is_usable(row):
            return None
        digest = row.digest
        if digest >= _HALF:
            digest -= _WHOLE
        if self._locations and fold(cells[self._location]) not in self._locations:
            self.skipped.append(digest)
            return None
        raw_key = cells[self._key]
        # Nearly every code is plain: the short way gives what `sku_key` and the escapes give.
        is_plain = raw_key.isascii() and raw_key.isprintable() and " " not in raw_key and "\\" not in raw_key
        key = raw_key.lower() if is_plain else sku_key(raw_key)
        if not 0 < len(key) <= LONGEST_KEY or (key[0] == "#" and key in SHEET_ERRORS):
            self._refuse_key(row, key)
            return None
        text = cells[self._quantity]
        fragment, code = self._quantities.get(text) or self._read_quantity(text)
        state = OK
        if code:
            if fragment:
                units = fragment.partition("\t")[0]
                self._note(row, self._quantity, code, f"“{text[:60]}” was read as {units}.")
            else:
                state = FAULTY
                self._fault(row, self._quantity, *self._why_not(text))
                fragment = "\\N\tf\tf"
        restock, lead_time, cost = self._restock, self._lead_time, self._cost
        dated = self._optional(row, restock) if restock.index >= 0 else "\\N"
        days = self._optional(row, lead_time) if lead_time.index >= 0 else "\\N"
        money = self._optional(row, cost) if cost.index >= 0 else "\\N"
        if 0 <= self._currency < len(cells) and money != "\\N" and cells[self._currency] not in self._named:
            self._learn_currency(cells[self._currency])
        self.key_hashes.append(hash(key))
        if state == OK:
            self.digests.append(digest)
        codes = f"{key}\t{raw_key}\t\t" if is_plain and self._is_plain else self._codes(row, key)
        return f"{codes}\t{fragment}\t{dated}\t{days}\t{money}\t{row.line}\t{digest}\t{state}\n"

    def _codes(self, row: RawRow, key: str) -> str:
        """Key, SKU, GTIN and supplier SKU for COPY."""
        cells, count = row.cells, len(row.cells)
        sku = cells[self._sku].strip() if 0 <= self._sku < count else ""
        gtin = self._read_gtin(row) if 0 <= self._gtin < count else ""
        supplier_sku = cells[self._supplier_sku].strip() if 0 <= self._supplier_sku < count else ""
        codes = (key, sku, gtin, supplier_sku)
        if any(_SPECIAL.search(code) for code in codes):
            codes = tuple(code.translate(_ESCAPES) for code in codes)  # type: ignore[assignment]
        return "\t".join(codes)

    def _optional(self, row: RawRow, column: _Column) -> str:
        if column.index >= len(row.cells):
            return "\\N"
        cell = row.cells[column.index]
        fragment, note = column.cache.get(cell) or column.learn(cell)
        if note:
            self._note(row, column.index, *note.split(":", 1))
        return fragment

    def _refuse_key(self, row: RawRow, key: str) -> None:
        if key in SHEET_ERRORS:
            reason = f"The item code is “{row.cells[self._key]}”, the error of a formula."
            self._fault(row, self._key, "bad_key", reason)
        elif key:
            reason = f"The item code has {len(key):,} characters; at most {LONGEST_KEY} are possible."
            self._fault(row, self._key, "bad_key", reason)
        elif any(cell.strip() for cell in row.cells):
            self._fault(row, self._key, "no_key", "The row names no item.")

    def learnt(self) -> Mapping | None:
        """The mapping with signs and date order that this file proved and that would have let more cells
        be read, or None when another reading would change nothing."""
        decimal = dict(self._mapping.decimal)
        counts = self.issues.faults + self.issues.notes
        was_ambiguous = counts["ambiguous_number"] > 0
        learnt = False
        for name, proofs in self.signs.items():
            if not decimal.get(name) and proofs.sign and was_ambiguous:
                decimal[name] = proofs.sign
                learnt = True
        order: Order = self._mapping.date_order
        if not order and self.date_order.order and counts["ambiguous_date"]:
            order = self.date_order.order
            learnt = True
        if not learnt:
            return None
        return Mapping.from_json({**self._mapping.to_json(), "decimal": decimal, "date_order": order})

    @property
    def ends_short(self) -> bool:
        """Whether the last record, and no other, has fewer cells than the header: the file may be cut off."""
        return 0 < self.short_line == self._last_line

    def _width_is_usable(self, row: RawRow) -> bool:
        """More cells are fine when they are empty; fewer when key and quantity are there."""
        if len(row.cells) < self._width:
            # One short record is a sign only where it is alone.
            self.short_line = row.line if not self.short_line else -1
        if len(row.cells) > self._width:
            if not any(cell.strip() for cell in row.cells[self._width :]):
                return True
        elif len(row.cells) >= self._needed and not self._locations:
            return True
        elif not any(cell.strip() for cell in row.cells):
            return False
        self._fault(
            row, -1, "column_count", f"The row has {len(row.cells)} cells where the header has {self._width}."
        )
        return False

    def _read_quantity(self, text: str) -> tuple[str, str]:
        """(COPY fragment of quantity, is_at_least, is_word; code): the fragment is "" for a fault."""
        self.signs["quantity"].add(text)
        try:
            read = read_quantity(text, self._rules)
        except CellFault as fault:
            answer = ("", fault.code)
        else:
            units = "\\N" if read.units is None else str(read.units)
            answer = (f"{units}\t{'ft'[read.is_at_least]}\t{'ft'[read.is_word]}", read.note)
        if len(self._quantities) < _CACHED_TEXTS:
            self._quantities[text] = answer
        return answer

    def _why_not(self, text: str) -> tuple[str, str]:
        try:
            read_quantity(text, self._rules)
        except CellFault as fault:
            return fault.code, fault.reason
        raise AssertionError("a cell that could not be read can be read")  # pragma: no cover

    def _read_gtin(self, row: RawRow) -> str:
        text = row.cells[self._gtin]
        if not text or fold(text) in UNKNOWN_WORDS:
            return ""
        try:
            return gtin_key(text)
        except ValueError as fault:
            self._note(row, self._gtin, "bad_gtin", str(fault))
            return ""

    def _date(self, text: str) -> str:
        self.date_order.add(text)
        day = read_date(text, self._mapping.date_order, self._today)
        return day.isoformat() if day else "\\N"

    def _money(self, text: str) -> str:
        sign: Sign = self._mapping.decimal.get("cost", "")
        if sign != "," and _PLAIN_MONEY.fullmatch(text):
            self.signs["cost"].proved.add(".")
            return text
        self.signs["cost"].add(text)
        if code := code_of(text):
            self.currencies.add(code)
        value = read_cost(text, sign)
        return "\\N" if value is None else str(value)

    def _learn_currency(self, text: str) -> None:
        if len(self._named) < _CACHED_TEXTS:
            self._named.add(text)
        if code := code_of(text):
            self.currencies.add(code)

    def _fault(self, row: RawRow, index: int, code: str, reason: str) -> None:
        self.issues.add(Issue(row.line, self._name(index), code, reason, row.cells))

    def _note(self, row: RawRow, index: int, code: str, reason: str) -> None:
        self.issues.add(Issue(row.line, self._name(index), code, reason, row.cells, is_note=True))

    def _name(self, index: int) -> str:
        return self._columns[index] if 0 <= index < self._width else ""


def _lead_time(text: str) -> str:
    days = read_lead_time(text)
    return "\\N" if days is None else str(days)


class _Column:
    """An optional column: a cell that cannot be read is a note and empty, and never costs the quantity."""

    __slots__ = ("cache", "index", "read")

    def __init__(self, index: int, read: Callable[[str], str]) -> None:
        self.index = index
        self.read = read
        self.cache: dict[str, tuple[str, str]] = {}

    def learn(self, text: str) -> tuple[str, str]:
        """(COPY fragment, "code:reason" of a note or "")."""
        try:
            answer = (self.read(text), "")
        except CellFault as fault:
            answer = ("\\N", f"{fault.code}:{fault.reason}")
        if len(self.cache) < _CACHED_TEXTS:
            self.cache[text] = answer
        return answer
