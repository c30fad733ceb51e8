"""What a merchant entered for a connection, read with care: every refusal names its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from connector.ports.errors import Misconfigured

_YES, _NO = {"", "yes", "true", "1"}, {"no", "false", "0"}


class Settings:
    """The settings and secrets of one connection of `adapter`; `subject` is what messages call them."""

    def __init__(
        self, adapter: str, subject: str, config: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> None:
        self._adapter = adapter
        self._subject = subject
        self._config = config
        self._secrets = secrets

    def wrong(self, field: str, cause: str, remedy: str) -> Misconfigured:
        """The error to raise for a field."""
        return Misconfigured(self._adapter, self._subject, cause, remedy, field=field)

    def text(self, name: str) -> str:
        """The trimmed text of a field, "" where it was left empty."""
        value = self._config.get(name)
        return value.strip() if isinstance(value, str) else ""

    def secret(self, name: str, remedy: str, *, is_needed: bool = True) -> str:
        """A secret that may go in a header. Raises Misconfigured where it is missing or no header may hold it."""
        value = self._secrets.get(name, "").strip()
        if not value and is_needed:
            raise self.wrong(name, "It is missing.", remedy)
        if not value.isprintable() or not value.isascii():
            raise self.wrong(name, "It holds a character that no such key has.", "Copy it again.")
        return value

    def long_secret(self, name: str, remedy: str) -> str:
        """A secret of several lines, as a private key. Raises Misconfigured where it is missing."""
        value = self._secrets.get(name, "").strip()
        if not value:
            raise self.wrong(name, "It is missing.", remedy)
        return value

    def needed(self, name: str, remedy: str) -> str:
        """A text that must be there, on one line."""
        value = self.text(name)
        if not value:
            raise self.wrong(name, "It is missing.", remedy)
        if not value.isprintable():
            raise self.wrong(name, "It is not one line of text.", remedy)
        return value

    def address(self, name: str, example: str) -> str:
        """Scheme and host of a web address: people enter the page they know, APIs are at its root."""
        try:
            parts = urlsplit(self.text(name))
            is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_usable = False
        if not is_usable or parts.username or parts.password:
            raise self.wrong(name, "This is no web address.", f"Enter it as {example}.")
        return f"{parts.scheme}://{parts.netloc}"

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of `choices`, the first where the field is empty."""
        value = self.text(name) or choices[0]
        if value not in choices:
            raise self.wrong(name, f"There is no “{value}”.", f"Enter one of: {', '.join(choices)}.")
        return value

    def is_yes(self, name: str) -> bool:
        """True for yes or nothing, False for no."""
        value = self.text(name).lower()
        if value not in _YES | _NO:
            raise self.wrong(name, "Say yes or no.", "Leave it empty for yes.")
        return value in _YES

    def number(self, name: str, default: int, *, least: int = 0, most: int = 1_000_000) -> int:
        """A whole number within `least` and `most`, `default` where the field is empty."""
        text = self.text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
            raise self.wrong(
                name, f"“{text}” is no whole number from {least} to {most:,}.", "Enter one, or nothing."
            )
        return int(text)

    def words(self, name: str) -> tuple[str, ...]:
        """The parts of a list that is separated by commas, each once, in the order given."""
        parts = (part.strip() for part in self.text(name).replace(";", ",").split(","))
        return tuple(dict.fromkeys(part for part in parts if part))
