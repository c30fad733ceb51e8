"""Reading one variable of the environment strictly: a value that cannot be used is an error that says why.

Nothing here looks at the environment by itself: `connector.settings` alone does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


class SettingsError(ValueError):
    """A variable that cannot be used: `name`, `problem` and `remedy`, never a secret's value."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        self.name = name
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{name}: {problem} {remedy}")


def text_of(environ: Mapping[str, str], name: str, default: str = "") -> str:
    """The value without spaces around it; `default` when it is absent or empty."""
    return environ.get(name, "").strip() or default


def items_of(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The parts of a value that are separated by commas."""
    return tuple(part for part in (raw.strip() for raw in environ.get(name, "").split(",")) if part)


def integer_of(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number from `least` to `most`; raises SettingsError."""
    text = text_of(environ, name)
    if not text:
        return default
    if not (re.fullmatch(r"[0-9]+(_[0-9]+)*", text) and least <= int(text) <= most):
        raise SettingsError(
            name, f"{text!r} is not a whole number from {least} to {most}.", f"The default is {default}."
        )
    return int(text)


def boolean_of(environ: Mapping[str, str], name: str) -> bool:
    """Yes or no, no when it is absent; raises SettingsError."""
    text = text_of(environ, name, "0").lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise SettingsError(name, f"{text!r} is neither yes nor no.", "Use 1 or 0.")


def choice_of(environ: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    """One of `allowed`, whatever its case; raises SettingsError."""
    text = text_of(environ, name, default)
    for value in allowed:
        if value.lower() == text.lower():
            return value
    raise SettingsError(name, f"{text!r} is not known.", f"Use one of: {', '.join(allowed)}.")
