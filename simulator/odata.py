"""The little of OData that the twins of Business Central and SAP need: filters, selections, pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from simulator.erp import Record

_TERM = re.compile(r"(\w+) (eq|ne|gt|ge) ('(?:[^']|'')*'|[^ ]+)(?: and |$)")


def matches(text: str, known: set[str]) -> Callable[[Record], bool]:
    """A filter of terms with "and" between them. Raises ValueError for what is none, or an unknown name."""
    terms, at = [], 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or found[1] not in known:
            raise ValueError(f"could not parse {text[at:]!r}")
        terms.append((found[1], found[2], _value(found[3])))
        at = found.end()
    return lambda one: all(_holds(one[name], how, wanted) for name, how, wanted in terms)


def _value(text: str) -> Any:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return {"true": True, "false": False}.get(text, text)


def _holds(value: Any, how: str, wanted: Any) -> bool:
    if how in ("eq", "ne"):
        same = value == wanted if isinstance(value, (bool, str)) else str(value) == wanted
        return same if how == "eq" else not same
    if isinstance(value, str):
        return value > wanted or (how == "ge" and value == wanted)
    here, there = Decimal(value), Decimal(wanted)
    return here > there or (how == "ge" and here == there)
