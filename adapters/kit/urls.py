"""Web addresses that people enter or browsers hand over."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class WebAddress:
    """The parts that decide whether an address may be called. `host` in small letters, `port` never 0."""

    scheme: str
    host: str
    port: int


def web_address(text: str) -> WebAddress | None:
    """The parts of an http or https address without user and password; None for anything else.

    >>> web_address("https://Push.Example/x?y"), web_address("ftp://x"), web_address("https://u:p@x")
    (WebAddress(scheme='https', host='push.example', port=443), None, None)
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or port == 0 or parts.username or parts.password:
        return None
    if not text.isprintable() or not text.isascii() or " " in text:
        return None
    return WebAddress(parts.scheme, host, port or (443 if parts.scheme == "https" else 80))
