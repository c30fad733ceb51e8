"""Variants nested under products: found, and made records of their own with what their product says. PURE.

    {"title": "Vase", "variants": [{"sku": "V-1", "qty": 3}, {"sku": "V-2", "qty": 0}]}

becomes {"title": "Vase", "variants": {"sku": "V-1", "qty": 3}} and the same with V-2. A product without variants
stays one record, so that nothing is left out silently.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connector.ports.suppliers import Nested, TableNote

NOT_EXPANDED = "-"
"""The path that says: leave lists inside a record as they are."""
_CODE = re.compile(
    r"(?:^|[^a-z])(?:sku|ean|upc|gtin|barcode|code|reference|article|item[ _-]?(?:no|number|id))", re.I
)
_QUANTITY = re.compile(
    r"stock|qty|quantit|bestand|menge|inventor|available|on[ _-]?hand|giacenza|voorraad|cantidad", re.I
)
_OFTEN = 0.5
"""In at least so many of the records a list must hold variants to be taken for theirs without asking."""


@dataclass(frozen=True, slots=True)
class Found:
    """The list that holds the variants, at `path`. `is_choice`: the records have a code and a quantity themselves,
    so that both they and their variants could be the items."""

    path: str
    is_choice: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """How records that may list variants are read: `path` is where they do ("": nowhere), and each variant is a
    record where it `is_expanded`; `is_asked` as in `Nested`."""

    path: str = ""
    is_expanded: bool = False
    is_asked: bool = False

    def nested(self, products: int, variants: int) -> Nested | None:
        """What the table's shape says of it; None where no variants are listed."""
        return Nested(self.path, products, variants, self.is_expanded, self.is_asked) if self.path else None

    def notes(self, products: int, rows: int) -> tuple[TableNote, ...]:
        """That lines are no longer the file's own records has to be said."""
        if not self.is_expanded:
            return ()
        reason = (
            f"Its {products:,} products list their variants under “{self.path}”: they were read as {rows:,} rows, one"
            " for each variant with what its product says. If that is wrong, say on the mapping page that each"
            " product is a row."
        )
        return (TableNote(0, self.path, "variants_expanded", reason),)


def reading_of(found: Found | None, wanted: str) -> Reading:
    """How to read where `found` lists variants and the merchant fixed `wanted` (see `ReadOptions.variants_path`)."""
    if wanted and wanted != NOT_EXPANDED:
        return Reading(wanted, is_expanded=True)
    if found is None:
        return Reading()
    if wanted:
        return Reading(found.path)
    return Reading(found.path, is_expanded=not found.is_choice, is_asked=found.is_choice)


def find(records: Iterable[Mapping[str, Any]], separator: str = ".") -> Found | None:
    """The list that holds the variants of `records`, None where none is obvious; names are joined by `separator`.

    It is obvious when the elements of one list, and of no other, have a code and a quantity each in half of the
    records.
    """
    found: Counter[str] = Counter()
    count = alone = 0
    for record in records:
        count += 1
        alone += _stands_alone(record)
        found.update(_candidates(record, "", separator))
    often = [path for path, times in found.items() if times >= max(1, _OFTEN * count)]
    return Found(often[0], alone >= _OFTEN * count) if len(often) == 1 else None


def _candidates(record: Mapping[str, Any], above: str, separator: str) -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _candidates(value, f"{above}{name}{separator}", separator)
        elif (
            isinstance(value, list)
            and value
            and all(isinstance(one, dict) and _is_variant(one) for one in value)
        ):
            yield f"{above}{name}"


def _is_variant(value: Mapping[str, Any]) -> bool:
    names = list(_names(value))
    return any(map(_CODE.search, names)) and any(map(_QUANTITY.search, names))


def _stands_alone(record: Mapping[str, Any]) -> bool:
    """Whether a record says a code and a quantity itself, outside its lists."""
    said = list(_said(record))
    return any(map(_CODE.search, said)) and any(map(_QUANTITY.search, said))


def _said(record: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, inner in record.items():
        name = f"{above}{_words(name)}"
        if isinstance(inner, dict):
            yield from _said(inner, f"{name} ")
        elif not isinstance(inner, list) and inner not in (None, ""):
            yield name


def _names(value: Mapping[str, Any]) -> Iterator[str]:
    for name, inner in value.items():
        yield _words(name)
        if isinstance(inner, dict):
            yield from _names(inner)


def _words(name: str) -> str:
    # "stockCode" is a code: the humps are boundaries like any other sign.
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def expand(record: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
    """One record for each element of the list at `path`; the record itself where it has none there."""
    names = path.split(".")
    shell = dict(record)
    inner = shell
    for name in names[:-1]:
        below = inner.get(name)
        if not isinstance(below, dict):
            yield shell
            return
        # Copied on the way down only: the rest is shared and never changed.
        inner[name] = dict(below)
        inner = inner[name]
    listed = inner.pop(names[-1], None)
    if isinstance(listed, dict):  # written without the list where there is only one
        listed = [listed]
    if not isinstance(listed, list) or not listed:
        yield shell
        return
    for one in listed:
        inner[names[-1]] = one
        yield shell


def count(record: Mapping[str, Any], path: str) -> int:
    """How many records `expand` makes of one."""
    inner: Any = record
    for name in path.split("."):
        inner = inner.get(name) if isinstance(inner, dict) else None
    return max(1, len(inner)) if isinstance(inner, list) else 1
