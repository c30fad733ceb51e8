"""How many values statements are given: PostgreSQL takes 65,535 at most, fewer than a shop may have people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa


@contextmanager
def counted(engine: sa.Engine) -> Iterator[list[int]]:
    """The number of values of each statement that runs within, an array counting as one."""
    found: list[int] = []

    def count(_connection: Any, _cursor: Any, _statement: str, values: Any, *_rest: Any) -> None:
        found.append(len(values or ()))

    sa.event.listen(engine, "before_cursor_execute", count)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_cursor_execute", count)
