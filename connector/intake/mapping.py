"""Which column is what: the remembered mapping, and a guess from headers and values. PURE.

A guess is a proposal with a confidence between 0 and 1; below `SURE` nothing is read until the merchant
has looked at it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from connector.catalog.keys import KEY_FIELDS, NO_RULES, KeyRules, sku_key
from connector.intake.dates import Order, read_date, read_lead_time
from connector.intake.headers import HEADERS, NOT_QUANTITY
from connector.intake.normalise import CellFault, QuantityRules, Sign, read_number, read_quantity
from connector.intake.words import STOCK_WORDS, fold

FIELDS = (
    "sku",
    "gtin",
    "supplier_sku",
    "quantity",
    "restock_on",
    "lead_time",
    "cost",
    "price",
    "moq",
    "pack_size",
    "location",
)
"""What a column can be. The first three identify an item; quantity is required."""

SURE = 0.7

Duplicates = Literal["hold", "last", "sum", "max"]


@dataclass(frozen=True, slots=True)
class Mapping:
    """How one source's columns are read; `Source.mapping` as a value.

    `columns` field → column name, or "#3" for the third column. `decimal` field → declared or learnt
    sign. `duplicates`: what two lines of one item mean ("hold": neither is used until it is decided);
    "" means "sum" where a location column is mapped, else "hold". `locations` empty means all.
    """

    columns: MappingOf[str, str] = field(default_factory=dict)
    decimal: MappingOf[str, Sign] = field(default_factory=dict)
    date_order: Order = ""
    duplicates: Duplicates | Literal[""] = ""
    negatives: Literal["zero", "fault"] = "zero"
    words: MappingOf[str, int] = field(default_factory=dict)
    locations: tuple[str, ...] = ()
    keys: KeyRules = NO_RULES

    @classmethod
    def from_json(cls, value: MappingOf[str, Any]) -> Mapping:
        """The mapping stored as `value`; {} is an empty mapping. Unknown entries are ignored."""
        return cls(
            columns=dict(value.get("columns") or {}),
            decimal=dict(value.get("decimal") or {}),
            date_order=value.get("date_order") or "",
            duplicates=value.get("duplicates") or "",
            negatives=value.get("negatives") or "zero",
            words={fold(word): int(units) for word, units in (value.get("words") or {}).items()},
            locations=tuple(value.get("locations") or ()),
            keys=KeyRules.from_json(value.get("keys")),
        )

    def to_json(self) -> dict[str, Any]:
        """The mapping as it is stored; `from_json` of it gives an equal mapping."""
        return {
            "columns": dict(self.columns),
            "decimal": dict(self.decimal),
            "date_order": self.date_order,
            "duplicates": self.duplicates,
            "negatives": self.negatives,
            "words": dict(self.words),
            "locations": list(self.locations),
            "keys": self.keys.to_json(),
        }

    @property
    def key_field(self) -> str:
        """The field an item's key comes from; "" when none is mapped."""
        return next((name for name in KEY_FIELDS if name in self.columns), "")

    @property
    def duplicate_policy(self) -> Duplicates:
        return self.duplicates or ("sum" if "location" in self.columns else "hold")

    def place(self, name: str, columns: Sequence[str]) -> int | None:
        """The index of the column mapped to field `name`: None when not mapped, -1 when it is mapped to
        a column that this file does not have."""
        wanted = self.columns.get(name)
        if wanted is None:
            return None
        for index, column in enumerate(columns):
            if column == wanted:
                return index
        if wanted.startswith("#") and wanted[1:].isdigit() and 1 <= int(wanted[1:]) <= len(columns):
            return int(wanted[1:]) - 1
        folded = [header_words(column) for column in columns]
        # Suppliers change the case and the spaces of a header more often than its meaning.
        return folded.index(header_words(wanted)) if folded.count(header_words(wanted)) == 1 else -1


@dataclass(frozen=True, slots=True)
class Guess:
    """One proposal: field, column name, confidence 0–1 and the reason in words."""

    field: str
    column: str
    confidence: float
    reason: str


def header_words(header: str) -> str:
    """A header as it is compared: no accents, no case, words separated by single spaces."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    plain = unicodedata.normalize("NFKD", split.casefold().replace("ł", "l").replace("ß", "ss"))
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^\w]+|_", " ", bare).split())


def guess(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Guess]:
    """The best column for each field, at most one field per column, most certain first.

    `rows` are sample cells (20 are enough, more are better). Confidence: 0.95 for a known header, 0.75
    where it contains one, lowered by values that do not fit and raised by values that do.
    """
    offers: list[Guess] = []
    for index, column in enumerate(columns):
        cells = [row[index].strip() for row in rows if index < len(row) and row[index].strip()]
        for name in FIELDS:
            score, reason = _score(name, column, cells)
            if score >= 0.3:
                offers.append(Guess(name, column, round(score, 2), reason))
    taken_fields: set[str] = set()
    taken_columns: set[str] = set()
    chosen = []
    for offer in sorted(
        offers, key=lambda o: (-o.confidence, columns.index(o.column), FIELDS.index(o.field))
    ):
        if offer.field not in taken_fields and offer.column not in taken_columns:
            taken_fields.add(offer.field)
            taken_columns.add(offer.column)
            chosen.append(offer)
    return chosen


def mapping_from(guesses: Sequence[Guess]) -> Mapping | None:
    """The mapping that sure guesses make, or None when no key or no quantity is sure enough."""
    columns = {offer.field: offer.column for offer in guesses if offer.confidence >= SURE}
    if "quantity" not in columns or not any(name in columns for name in KEY_FIELDS):
        return None
    return Mapping(columns=columns)


def _score(name: str, column: str, cells: Sequence[str]) -> tuple[float, str]:
    words = header_words(column)
    by_header = 0.0
    if words in HEADERS[name]:
        by_header = 0.95
    elif any(f" {known} " in f" {words} " for known in HEADERS[name] if len(known) > 3):
        by_header = 0.75
    if name == "quantity" and any(f" {word} " in f" {words} " for word in NOT_QUANTITY):
        return 0.0, "the header names another number"
    fit = _fit(name, cells) if cells else None
    if fit is None:
        return by_header * 0.9, "by its header; it has no values to check"
    if by_header:
        if fit < 0.5:
            return by_header * fit, "the header fits but its values do not"
        return min(1.0, by_header * (0.8 + 0.2 * fit)), f"header “{column}”"
    # Without a header only values that are hard to mistake speak for a field.
    if name == "gtin" and fit > 0.9:
        return 0.8, "its values are barcodes"
    if name == "quantity" and fit > 0.9 and _has_stock_words(cells):
        return 0.8, "its values are stock words"
    if name == "restock_on" and fit > 0.9:
        return 0.6, "its values are dates"
    return 0.0, ""


def _fit(name: str, cells: Sequence[str]) -> float:
    """The share of `cells` that could be a value of the field."""
    if name in ("sku", "supplier_sku"):
        keys = [sku_key(cell) for cell in cells]
        return len(set(keys)) / len(keys) if max(map(len, keys)) <= 80 else 0.0
    return sum(_can_be(name, cell) for cell in cells) / len(cells)


def _can_be(name: str, cell: str) -> bool:
    if name == "gtin":
        return is_gtin(cell)
    if name == "location":
        return True
    try:
        if name == "quantity":
            read_quantity(cell, QuantityRules(decimal=""))
        elif name == "restock_on":
            read_date(cell, "dmy" if "/" in cell else "", date(2026, 1, 1))
        elif name == "lead_time":
            read_lead_time(cell)
        else:
            read_number(re.sub(r"[^\d.,+-]", "", cell), ".")
    except CellFault as fault:
        return fault.code in ("ambiguous_number", "number_format")
    return True


def _has_stock_words(cells: Sequence[str]) -> bool:
    return sum(fold(cell) in STOCK_WORDS for cell in cells) >= len(cells) / 2


def is_gtin(text: str) -> bool:
    """Whether `text` is an 8, 12, 13 or 14 digit barcode number with the right check digit.

    The sum of the digits, weighted 3 and 1 in turns from the right, is a multiple of 10:
    4006381333931 → 1+3·3+9+3·3+3+3·3+1+3·8+3+3·6+0+3·0+4 = 90.
    """
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) in (8, 12, 13, 14)):
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits))) % 10 == 0
