"""File feeds: a supplier's stock list behind an address or in a directory, as CSV or JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapters.suppliers.file_feed.adapter import FileFeed
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.transports import (
    Access,
    ByHand,
    HttpTransport,
    LocalTransport,
    Transport,
    basic,
)
from connector.ports.errors import Misconfigured
from connector.ports.suppliers import ReadOptions
from connector.registry import Environment, Field, Manifest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> FileFeed:
    """One file feed; no network, no file is touched.

    Raises Misconfigured, naming the field, for a missing or impossible setting.
    """
    url, path = _text(config, "url"), _text(config, "path")
    if config.get("by_hand") and not (url or path):
        return FileFeed(ByHand(), _options(config), environment)
    if bool(url) == bool(path):
        raise _wrong("url", "Exactly one of address and path is needed.", "Enter one of them.")
    transport: Transport
    warning = ""
    if path:
        if not Path(path).is_absolute() or "\0" in path:
            raise _wrong("path", "The path is not absolute.", "Begin it with a slash.")
        transport = LocalTransport(path, environment)
    else:
        access = _access(config, secrets)
        scheme = _scheme(url)
        if scheme == "http" and (access.headers or access.params):
            warning = "The address is not encrypted, so others may read the credentials: use https."
        transport = HttpTransport(url, access, environment)
    return FileFeed(transport, _options(config), environment, warning)


def _access(config: Mapping[str, Any], secrets: Mapping[str, str]) -> Access:
    headers: dict[str, str] = {}
    params: dict[str, str] = {}
    username, password = _text(config, "username"), secrets.get("password", "")
    if password and not username:
        raise _wrong("username", "A password was given without a user.", "Enter the user's name.")
    if username:
        headers["Authorization"] = basic(username, password)
    name, value = _text(config, "header_name"), secrets.get("header_value", "").strip()
    if bool(name) != bool(value):
        raise _wrong("header_name", "A header needs a name and a value.", "Enter both, or neither.")
    if name:
        if not _TOKEN.fullmatch(name) or name.lower() in {"host", "content-length", "transfer-encoding"}:
            raise _wrong("header_name", "This cannot be the name of a header.", "Use one as X-Api-Key.")
        if not value.isprintable() or not value.isascii():
            raise _wrong("header_value", "The value holds a character no header may hold.", "Copy it again.")
        if username and name.lower() == "authorization":
            raise _wrong(
                "header_name", "A user and an Authorization header exclude each other.", "Remove one of them."
            )
        headers[name] = value
    token = secrets.get("query_token", "").strip()
    if token:
        params[_text(config, "query_name") or "token"] = token
    return Access(headers, params)


def _options(config: Mapping[str, Any]) -> ReadOptions:
    try:
        header_line = int(config.get("header_line") or 0)
    except (TypeError, ValueError) as exc:
        raise _wrong(
            "header_line", "The header line is not a number.", "Enter a line number, or -1 for none."
        ) from exc
    delimiter = config.get("delimiter")
    return ReadOptions(
        format=_text(config, "format"),
        encoding=_text(config, "encoding"),
        # Not stripped: a tab is a delimiter.
        delimiter=delimiter if isinstance(delimiter, str) else "",
        records_path=_text(config, "records_path"),
        header_line=header_line,
    )


def _scheme(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise _wrong("url", "This is not a web address.", "Begin it with https://.")
    if parts.username or parts.password:
        raise _wrong(
            "url",
            "The address holds a user or a password, which would be stored unsealed.",
            "Enter them in their own fields.",
        )
    return parts.scheme


def _text(config: Mapping[str, Any], name: str) -> str:
    value = config.get(name)
    return value.strip() if isinstance(value, str) else ""


def _wrong(field: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured(ADAPTER, "the feed's settings", cause, remedy, field=field)


MANIFEST = Manifest(
    name=ADAPTER,
    title="File feed (CSV, JSON)",
    fields=(
        Field("url", "Address", is_required=False, help="Where the file is, beginning with https://."),
        Field(
            "path",
            "Path",
            is_required=False,
            help="Instead of an address: a file in a directory the operator allowed.",
        ),
        Field(
            "by_hand",
            "Handed over",
            is_required=False,
            help="yes: instead of an address; a person hands the files over.",
        ),
        Field("username", "User", is_required=False, help="If the address asks for a user and a password."),
        Field("password", "Password", is_secret=True, is_required=False),
        Field("header_name", "Header name", is_required=False, help="If a token goes in a header."),
        Field("header_value", "Header value", is_secret=True, is_required=False),
        Field(
            "query_name",
            "Parameter name",
            is_required=False,
            help='For a token in the address; "token" if empty.',
        ),
        Field("query_token", "Parameter token", is_secret=True, is_required=False),
        Field(
            "format",
            "Format",
            is_required=False,
            help="Empty to detect; else csv, tsv, pipe, semicolon, json or jsonl.",
        ),
        Field("encoding", "Encoding", is_required=False, help="Empty to detect; else as in cp1252."),
        Field("delimiter", "Delimiter", is_required=False, help="Empty to detect; one character, or tab."),
        Field(
            "header_line",
            "Header line",
            is_required=False,
            help="Empty to detect; the line with the column names, -1 if there is none.",
        ),
        Field("records_path", "List of records", is_required=False, help="JSON only, as in data.products."),
    ),
    build=build,
    help_page="docs/adapters/file-feed.md",
)
