"""Variants nested under products: one record for each variant, with what its product says. PURE.

    {"title": "Vase", "variants": [{"sku": "V-1", "qty": 3}, {"sku": "V-2", "qty": 0}]}

becomes {"title": "Vase", "variants": {"sku": "V-1", "qty": 3}} and the same with V-2. A product without variants
stays one record, so that nothing is left out silently.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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


def guess(records: Iterable[Mapping[str, Any]]) -> str:
    """The dotted path of the list that holds the variants, "" where that is not obvious.

    It is when the elements of one list, and of no other, have a code and a quantity each in half of the records.
    """
    found: Counter[str] = Counter()
    count = 0
    for record in records:
        count += 1
        found.update(_candidates(record, ""))
    often = [path for path, times in found.items() if times >= max(1, _OFTEN * count)]
    return often[0] if len(often) == 1 else ""


def _candidates(record: Mapping[str, Any], above: str) -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _candidates(value, f"{above}{name}.")
        elif (
            isinstance(value, list)
            and value
            and all(isinstance(one, dict) and _is_variant(one) for one in value)
        ):
            yield f"{above}{name}"


def _is_variant(value: Mapping[str, Any]) -> bool:
    names = list(_names(value))
    return any(map(_CODE.search, names)) and any(map(_QUANTITY.search, names))


def _names(value: Mapping[str, Any]) -> Iterator[str]:
    for name, inner in value.items():
        # "stockCode" is a code: the humps are boundaries like any other sign.
        yield re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
        if isinstance(inner, dict):
            yield from _names(inner)


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
