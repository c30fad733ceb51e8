"""From an HTTP status to the error that crosses the port: a table of rows, read from the top.

An adapter lists only what its platform does differently; `COMMON` answers the rest. Nothing here looks
at a body: the adapter passes the platform's own words as `detail`, already free of secrets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from connector.ports.errors import (
    Conflict,
    FileFault,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)

LONGEST_WAIT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Row:
    """What one status, or a span of them (`first` to `last`, both included), means.

    `last` 0 stands for `first`. `field` is for Misconfigured, `code` for FileFault, `retry_after_s` the
    wait of a RateLimited whose answer names none. `write_error` replaces `error` for calls that may
    have had an effect.
    """

    first: int
    error: type[PortError]
    cause: str
    remedy: str = ""
    last: int = 0
    field: str = "url"
    code: str = "http_status"
    retry_after_s: float = 60.0
    write_error: type[PortError] | None = None

    def covers(self, status: int) -> bool:
        """True when this row speaks of `status`."""
        return self.first <= status <= (self.last or self.first)


COMMON: tuple[Row, ...] = (
    Row(
        300,
        Misconfigured,
        "The address redirects elsewhere.",
        "Enter the address it leads to.",
        last=399,
    ),
    Row(401, Unauthorized, "The credentials were refused.", "Enter new credentials."),
    Row(403, Unauthorized, "The credentials may not do this.", "Grant the missing permission."),
    Row(404, NotFound, "It does not exist there."),
    Row(408, Retryable, "The server gave up waiting for the request."),
    Row(409, Conflict, "It changed meanwhile."),
    Row(410, NotFound, "It no longer exists there."),
    Row(425, Retryable, "The server was not ready for the request."),
    Row(429, RateLimited, "Too many requests."),
    Row(400, Rejected, "The request was refused.", last=499),
    Row(503, Retryable, "The service is unavailable for now."),
    Row(500, Retryable, "The server failed.", last=599, write_error=OutcomeUnknown),
)


def translate(
    status: int,
    rows: Iterable[Row] = (),
    *,
    adapter: str,
    subject: str,
    detail: str = "",
    headers: Mapping[str, str] | None = None,
    is_read: bool = True,
    now: datetime | None = None,
) -> PortError:
    """The error for an answer with `status`, to be raised by the caller.

    `rows` are asked before `COMMON`. With `is_read` False a failure after which the effect may have
    happened is OutcomeUnknown. A Retryable whose answer holds Retry-After (seconds, or a date against
    `now`) becomes RateLimited. `detail` is added to the cause. Raises ValueError for a status that is
    no error (below 300), a bug of the caller.

    >>> error = translate(429, adapter="shop", subject="product 17", headers={"Retry-After": "7"})
    >>> type(error).__name__, error.retry_after_s
    ('RateLimited', 7.0)
    """
    row = next((row for row in (*rows, *COMMON) if row.covers(status)), None)
    if row is None:
        raise ValueError(f"status {status} is not an error")
    cause = f"{row.cause} (HTTP {status})" + (f" {detail}" if detail else "")
    kind = row.error if is_read or row.write_error is None else row.write_error
    wait = retry_after_s((headers or {}).get("retry-after") or (headers or {}).get("Retry-After"), now)
    if issubclass(kind, RateLimited) or (kind is Retryable and wait is not None):
        return RateLimited(
            adapter, subject, cause, row.remedy, retry_after_s=row.retry_after_s if wait is None else wait
        )
    if issubclass(kind, Misconfigured):
        return Misconfigured(adapter, subject, cause, row.remedy, field=row.field)
    if issubclass(kind, FileFault):
        return FileFault(adapter, subject, cause, row.remedy, code=row.code)
    return kind(adapter, subject, cause, row.remedy)


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """The wait a Retry-After header asks for: seconds ≥ 0, at most a day; None without a usable value.

    `now` (aware) is what a date is measured from; None takes the clock.

    >>> retry_after_s("1.5"), retry_after_s("soon"), retry_after_s("999999999")
    (1.5, None, 86400.0)
    """
    text = (value or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
