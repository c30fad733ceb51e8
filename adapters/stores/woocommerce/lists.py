"""Lists of the REST API: pages, windows of time, and how many ids or SKUs fit into one call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

from adapters.stores.woocommerce.client import ADAPTER, Client
from connector.ports.errors import Misconfigured

T = TypeVar("T")

BATCH = 100
"""WooCommerce's own limit for items of a batch and rows of a page."""
LONGEST_QUERY = 5_000
"""Hosts refuse addresses over 8 kB; this is what a list of SKUs may take of it."""
OVERLAP = timedelta(seconds=5)
"""`modified_after` is strictly after, to the second, and rows are stamped before they are committed."""
# WordPress takes tags, line breaks and percent-coded bytes out of a parameter, a comma parts the list,
# and the library's signature differs from PHP's on a slash: such SKUs are read by id.
PLAIN_SKU = re.compile(r"[\w.\-:;#()\[\]*=!@$~|]+(?: [\w.\-:;#()\[\]*=!@$~|]+)*")


def pages(
    client: Client, path: str, query: Mapping[str, str], *, may_be_missing: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """Every page of a list, none skipped: rows that were deleted meanwhile move later ones forward,
    so a page before is read again when the total fell."""
    page, last_total = 1, None
    while True:
        answer = client.get(
            path, {**query, "per_page": str(BATCH), "page": str(page)}, may_be_missing=may_be_missing
        )
        rows = rows_of(f"GET {path}", answer.data)
        if last_total is not None and answer.total is not None and answer.total < last_total:
            page = max(1, page - -(-(last_total - answer.total) // BATCH))
            last_total = answer.total
            continue
        last_total = answer.total
        if rows:
            yield rows
        if page >= answer.pages if answer.pages is not None else len(rows) < BATCH:
            return
        page += 1


def window(changed_since: datetime | None) -> dict[str, str]:
    """The only form that is right in every time zone: GMT without a zone, and the flag that says so."""
    if changed_since is None:
        return {}
    if changed_since.tzinfo is None:
        raise ValueError("changed_since must be aware")
    since = changed_since.astimezone(UTC) - OVERLAP
    return {"modified_after": since.strftime("%Y-%m-%dT%H:%M:%S"), "dates_are_gmt": "true"}


def rows_of(subject: str, data: Any) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(row, dict) and "id" in row for row in data):
        raise Misconfigured(
            ADAPTER,
            subject,
            "The shop's answer is not a list of objects.",
            "Check that no plugin changes the answers of WooCommerce's REST API.",
            field="url",
        )
    return data


def chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def sku_chunks(skus: Sequence[str]) -> Iterator[list[str]]:
    """Lists of at most 100 different SKUs whose encoded text fits into an address."""
    chunk: list[str] = []
    size_bytes = 0
    for sku in dict.fromkeys(skus):
        own = len(quote(sku, safe="")) + len("%2C")
        if chunk and (len(chunk) == BATCH or size_bytes + own > LONGEST_QUERY):
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(sku)
        size_bytes += own
    if chunk:
        yield chunk
