"""File feeds: a supplier's stock list behind an address or in a directory, as CSV or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.suppliers.file_feed.adapter import FileFeed
from adapters.suppliers.file_feed.places import text, transport_of, wrong
from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.suppliers import ReadOptions
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> FileFeed:
    """One file feed; no network, no file is touched.

    Raises Misconfigured, naming the field, for a missing or impossible setting.
    """
    transport, warning = transport_of(config, secrets, environment)
    return FileFeed(transport, _options(config), environment, warning)


def _options(config: Mapping[str, Any]) -> ReadOptions:
    try:
        header_line = int(config.get("header_line") or 0)
    except (TypeError, ValueError) as exc:
        raise wrong(
            "header_line", "The header line is not a number.", "Enter a line number, or -1 for none."
        ) from exc
    delimiter = config.get("delimiter")
    return ReadOptions(
        format=text(config, "format"),
        encoding=text(config, "encoding"),
        # Not stripped: a tab is a delimiter.
        delimiter=delimiter if isinstance(delimiter, str) else "",
        records_path=text(config, "records_path"),
        header_line=header_line,
    )


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
