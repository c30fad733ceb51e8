"""The port of small values that all processes of an installation share. Nothing kept here may matter: it
can be gone at any moment, and every user of it must be right without it, only less considerate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

Value = dict[str, Any]
"""JSON values only."""
Result = TypeVar("Result")
Change = Callable[[Value | None, float], tuple[Value | None, Result]]
"""From the present value (None: there is none) and the shared clock's time in seconds to the next value
(None: leave it as it is) and a result. Pure: it may be called more than once."""


class SharedValues(Protocol):
    """Values by key, changed by one caller at a time. Never raises: without its server it keeps values of
    its own."""

    def change(self, key: str, change: Change[Result]) -> Result:
        """Replace the value of `key` as `change` says, and give its result. Thread-safe."""
