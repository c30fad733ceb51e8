"""A Google sheet by the address its owner shares, as the CSV that Google makes of it."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx2

from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import Misconfigured, NotFound, Unauthorized

_HOST = "docs.google.com"
_SHARED = re.compile(r"/(?:a/[^/]+/)?spreadsheets/(?:u/\d+/)?d/(?!e/)([A-Za-z0-9_-]{10,})(?:/.*)?")
_PUBLISHED = re.compile(r"/spreadsheets/d/e/([A-Za-z0-9_-]{10,})(?:/.*)?")


def export_url(url: str) -> str:
    """The CSV address of one sheet, from an address as copied out of a browser. Without a gid it is the first.

    >>> export_url("https://docs.google.com/spreadsheets/d/1AbCdEfGhIj/edit?usp=sharing#gid=7")
    'https://docs.google.com/spreadsheets/d/1AbCdEfGhIj/export?format=csv&gid=7'

    Raises Misconfigured(field="url") for an address that is not a sheet's.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        parts = urlsplit("")
    if parts.scheme == "https" and parts.hostname == _HOST:
        gid = (parse_qs(parts.fragment).get("gid") or parse_qs(parts.query).get("gid") or [""])[0]
        chosen = f"&gid={gid}" if gid.isdecimal() else ""
        if found := _SHARED.fullmatch(parts.path):
            return f"https://{_HOST}/spreadsheets/d/{found[1]}/export?format=csv{chosen}"
        if found := _PUBLISHED.fullmatch(parts.path):
            return f"https://{_HOST}/spreadsheets/d/e/{found[1]}/pub?output=csv{chosen}"
    raise Misconfigured(
        ADAPTER,
        "the sheet",
        "This is not the address of a Google sheet.",
        "Open the sheet and copy its address: https://docs.google.com/spreadsheets/d/…",
        field="url",
    )


def judge(answer: httpx2.Response) -> None:
    """Raises what Google's answer means where it is not the sheet: pages of Google come with status 200."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status_code in (401, 403) or (answer.status_code == 200 and kind == "text/html"):
        raise Unauthorized(
            ADAPTER,
            "the sheet",
            "Google asks to sign in instead of giving the sheet.",
            "Share it with anyone who has the link, as a viewer; downloading must be allowed.",
        )
    if answer.status_code in (400, 404, 410):
        raise NotFound(
            ADAPTER,
            "the sheet",
            "There is no such sheet, or the tab was deleted.",
            "Open the tab with the stock list and copy its address again.",
        )
