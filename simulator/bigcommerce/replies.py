"""Answers in BigCommerce's words, paging, and the window of the rate limit."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

DOCS = "https://developer.bigcommerce.com/api-docs/getting-started/api-status-codes"


@dataclass
class Reply:
    """A status, what becomes the JSON body (None: an empty one), and further headers."""

    data: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        return b"" if self.data is None else json.dumps(self.data).encode()


class ApiError(Exception):
    """An answer that is an error, in the form of V3 (or a list of messages in V2)."""

    def __init__(self, status: int, title: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.reply = Reply(
            {"status": status, "title": title, "type": DOCS, "errors": dict(errors or {})}, status
        )


def page_of(
    rows: Sequence[T],
    args: Mapping[str, str],
    *,
    most: int,
    default: int = 50,
    render: Callable[[T], Any] = lambda row: row,
) -> Reply:
    """One page of V3 with its `meta.pagination`; 413 for more rows than one may ask for. Only the rows of
    the page are rendered."""
    limit = number(args, "limit", default)
    page = number(args, "page", 1)
    if limit > most:
        raise ApiError(413, f"The limit must not be above {most}.")
    shown = rows[(page - 1) * limit : page * limit]
    pages = -(-len(rows) // limit)
    return Reply(
        {
            "data": [render(row) for row in shown],
            "meta": {
                "pagination": {
                    "total": len(rows),
                    "count": len(shown),
                    "per_page": limit,
                    "current_page": page,
                    "total_pages": pages,
                    "links": {"current": f"?page={page}&limit={limit}"},
                }
            },
        }
    )


def number(args: Mapping[str, str], name: str, default: int) -> int:
    """A whole parameter of at least 1."""
    text = args.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise ApiError(422, f"The filter {name} is not valid.", {name: "must be a positive integer"})
    return int(text)


def ids(args: Mapping[str, str], name: str) -> set[int] | None:
    """A comma-separated filter, None where it is not given."""
    if name not in args:
        return None
    parts = [part.strip() for part in args[name].split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise ApiError(422, f"The filter {name} is not valid.", {name: "must be a list of integers"})
    return {int(part) for part in parts}


def only(row: dict[str, Any], include_fields: str | None, always: Sequence[str]) -> dict[str, Any]:
    """`include_fields`: the id and the named ones; sub-resources asked for by `include` stay."""
    if not include_fields:
        return row
    wanted = {*include_fields.split(","), *always}
    return {key: value for key, value in row.items() if key in wanted}


class Window:
    """So many requests in a window of time, shared by all apps of the store; it starts with the first."""

    def __init__(self, quota: int, window_s: float, monotonic: Callable[[], float]) -> None:
        self.quota = quota
        self.window_s = window_s
        self._monotonic = monotonic
        self._began_at: float | None = None
        self._used = 0
        self._lock = threading.Lock()
        self.least_left = quota

    def take(self) -> bool:
        """Count one request; False when the window is used up."""
        with self._lock:
            now = self._monotonic()
            if self._began_at is None or now - self._began_at >= self.window_s:
                self._began_at, self._used = now, 0
            if self._used >= self.quota:
                return False
            self._used += 1
            self.least_left = min(self.least_left, self.quota - self._used)
            return True

    def spend(self, requests: int) -> None:
        """Other apps of the store use the same window."""
        with self._lock:
            now = self._monotonic()
            if self._began_at is None or now - self._began_at >= self.window_s:
                self._began_at, self._used = now, 0
            self._used = min(self.quota, self._used + requests)

    def headers(self) -> dict[str, str]:
        with self._lock:
            began = self._began_at if self._began_at is not None else self._monotonic()
            left_s = max(0.0, began + self.window_s - self._monotonic())
            return {
                "X-Rate-Limit-Requests-Left": str(self.quota - self._used),
                "X-Rate-Limit-Requests-Quota": str(self.quota),
                "X-Rate-Limit-Time-Reset-Ms": str(round(left_s * 1000)),
                "X-Rate-Limit-Time-Window-Ms": str(round(self.window_s * 1000)),
            }
