"""Which column is what, as it is remembered, and the mapping that sure guesses make. PURE.

How it is guessed is in `guessing`.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from connector.catalog.keys import KEY_FIELDS, NO_RULES, KeyRules
from connector.intake.dates import Order
from connector.intake.guessing import SURE, Guess, guess
from connector.intake.lexicon import header_words
from connector.intake.normalise import Sign
from connector.intake.profile import is_gtin
from connector.intake.scores import FIELDS, READ_FIELDS
from connector.intake.words import fold

__all__ = [
    "FIELDS",
    "SURE",
    "Duplicates",
    "Guess",
    "Mapping",
    "guess",
    "header_words",
    "is_gtin",
    "mapping_from",
]

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

    def without_columns(self) -> Mapping:
        """The same choices for a table with other columns."""
        return replace(self, columns={})

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


def mapping_from(guesses: Sequence[Guess]) -> Mapping | None:
    """The mapping that sure guesses make, or None when no key or no quantity is sure enough. It names only
    columns that reading uses, so that a file without its name column is still read."""
    columns = {
        offer.field: offer.column
        for offer in guesses
        if offer.confidence >= SURE and offer.field in READ_FIELDS
    }
    if "quantity" not in columns or not any(name in columns for name in KEY_FIELDS):
        return None
    return Mapping(columns=columns)
