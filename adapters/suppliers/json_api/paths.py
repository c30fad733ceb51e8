"""Where a value is in a JSON document: names joined by dots, `[0]` for a place in a list, `[name=text]` for
the first object of a list whose `name` is that text. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Step = str | int | tuple[str, str]
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[([^\[\]=]+)=([^\[\]]*)\]")


def steps(path: str) -> tuple[Step, ...]:
    """A path as steps; "" is the document itself. Raises ValueError for what is no path.

    >>> steps("stock[place=WH].levels[0].free")
    ('stock', ('place', 'WH'), 'levels', 0, 'free')
    """
    found: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or ((at == 0) == path.startswith(".", at) and path[at] == "."):
            raise ValueError(f"“{path}” is no path: write it as in stock.levels[0].free")
        name, place, key, text = match.groups()
        if name is not None:
            found.append(name.strip())
        elif place is not None:
            found.append(int(place))
        else:
            found.append((key.strip(), text.strip()))
        at = match.end()
    return tuple(found)


def find(value: Any, path: tuple[Step, ...]) -> Any:
    """What is at `path`, None where there is nothing."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        elif not isinstance(value, list):
            return None
        elif isinstance(step, int):
            value = value[step] if step < len(value) else None
        else:
            name, text = step
            value = next(
                (one for one in value if isinstance(one, Mapping) and as_text(one.get(name)) == text), None
            )
        if value is None:
            return None
    return value


def as_text(value: Any) -> str:
    """A plain value as text: null is empty, true and false are words, numbers keep their digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 40 else str(value)
    return str(value)
