"""Shopify's search syntax, as far as stock needs it, and cursors.

`updated_at:>='2026-11-22T10:00:00Z'`, `sku:"A 1"`, `product_ids:1,2`, `id:>17`, terms joined by a space
or AND, alternatives by OR. A field nobody simulated is an error rather than silently ignored.
"""

from __future__ import annotations

import base64
import contextvars
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from graphql import GraphQLError

T = TypeVar("T")
_is_unpaged: contextvars.ContextVar[bool] = contextvars.ContextVar("is_unpaged", default=False)
_TERM = re.compile(r"""(\w+):(>=|<=|>|<)?("[^"]*"|'[^']*'|\S+)""")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "": lambda a, b: a == b,
}


def matcher(query: str | None, fields: dict[str, Callable[[Any], Any]]) -> Callable[[Any], bool]:
    """A predicate for objects; `fields` reads the searchable value of one (datetime, int or str)."""
    if not query:
        return lambda _: True
    alternatives = []
    for part in re.split(r"\s+OR\s+", query.strip().strip("()")):
        tests = []
        for name, sign, raw in _TERM.findall(part):
            if name not in fields:
                raise GraphQLError(f"The simulator cannot search by {name!r}.")
            tests.append(_test(fields[name], sign, raw.strip("\"'")))
        alternatives.append(tests)
    return lambda one: any(all(test(one) for test in tests) for tests in alternatives)


def _test(read: Callable[[Any], Any], sign: str, raw: str) -> Callable[[Any], bool]:
    wanted = set(raw.split(","))
    compare = _COMPARE[sign]

    def test(one: Any) -> bool:
        value = read(one)
        if isinstance(value, datetime):
            # Shopify compares whole seconds.
            at = datetime.fromisoformat(raw.replace("Z", "+00:00"))
            return compare(value.astimezone(UTC).replace(microsecond=0), at.astimezone(UTC))
        if isinstance(value, int):
            return compare(value, int(raw)) if sign else str(value) in wanted
        return value in wanted if "," in raw else bool(compare(value, raw))

    return test


@contextmanager
def unpaged() -> Iterator[None]:
    """Within it, connections without `first` answer everything, as bulk queries do."""
    token = _is_unpaged.set(True)
    try:
        yield
    finally:
        _is_unpaged.reset(token)


def connection(
    found: Sequence[T],
    key: Callable[[T], Any],
    show: Callable[[T], Any],
    first: int | None,
    after: str | None,
) -> dict[str, Any]:
    """One page of `found`, which is sorted by `key`, as a connection."""
    if first is None and _is_unpaged.get():
        nodes = [show(one) for one in found]
        page_info = {"hasNextPage": False, "endCursor": None}
        return {"nodes": nodes, "edges": [{"node": node} for node in nodes], "pageInfo": page_info}
    if first is None:
        raise GraphQLError("you must provide one of first or last")
    if not 0 < first <= 250:
        raise GraphQLError(f"first must be between 1 and 250, got {first}.")
    if after is not None:
        try:
            position = json.loads(base64.b64decode(after, validate=True))
        except ValueError:
            raise GraphQLError("Invalid cursor for current pagination sort.") from None
        rest = [one for one in found if _plain(key(one)) > position]
    else:
        rest = list(found)
    page = rest[:first]
    cursors = [base64.b64encode(json.dumps(_plain(key(one))).encode()).decode() for one in page[-1:]]
    nodes = [show(one) for one in page]
    return {
        "nodes": nodes,
        "edges": [{"node": node} for node in nodes],
        "pageInfo": {
            "hasNextPage": len(rest) > len(page),
            "endCursor": cursors[0] if cursors else None,
        },
    }


def _plain(key: Any) -> Any:
    if isinstance(key, tuple):
        return [_plain(part) for part in key]
    return key.isoformat() if isinstance(key, datetime) else key
