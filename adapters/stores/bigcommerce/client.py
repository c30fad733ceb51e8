"""BigCommerce's REST API over the guarded HTTP client: the rate window, and every error translated once.

The window (150 or 450 requests in 30 seconds) is shared by all apps of the store, and what is known of it
from the last answer's headers by all our workers (`kit.budget`). The client waits (asleep, never busy) before
a read that would be refused, and raises RateLimited for a write instead of holding a worker. Reads leave the
last requests of a window to writes. It never repeats a write, and sends one write at a time: adjustments that
overlap have no certain order.

    HTTP 401, 403    Unauthorized          HTTP 429    RateLimited, from the headers where there are any
    HTTP 404         NotFound              HTTP 503    Retryable: maintenance, refused before any effect
    HTTP 409, 422    Conflict, Rejected    other 5xx   Retryable for a read, OutcomeUnknown for a write
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.kit.budget import Budget, Promise
from adapters.kit.errors import Row, translate
from adapters.kit.http import Client
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment

ADAPTER = "bigcommerce"
API_URL = "https://api.bigcommerce.com"
# A read may wait this long for requests in all, a write no longer than this: the outbox knows better what
# to do with the worker meanwhile.
READ_WAIT_S = 65.0
WRITE_WAIT_S = 2.0
LEFT_FOR_WRITES = 10
LEFT_FOR_LOOKS = 2
"""What a write leaves, so that what it did can be looked at in the same window."""
# A 429 without headers is the platform under load, or another adjustment that is still being worked.
BUSY_S = 5.0
PAGE = 250

_REINSTALL = "Open Dispo in the BigCommerce control panel and accept it again, or enter a new token."
_ROWS = (
    Row(401, Unauthorized, "BigCommerce refused the access token.", _REINSTALL, field="access_token"),
    Row(403, Unauthorized, "The token may not do this.", _REINSTALL),
    Row(413, Rejected, "BigCommerce finds the request too large."),
    Row(423, Retryable, "BigCommerce has locked this for a moment."),
    Row(507, Rejected, "The store has reached a limit of its BigCommerce plan."),
)
_SCOPES = (
    ("/v2/orders", "Orders: read-only"),
    ("/v3/orders", "Orders: modify"),
    ("/v3/promotions", "Marketing: modify"),
    ("/v2/store", "Information & Settings: read-only"),
    ("/v3/settings", "Information & Settings: read-only"),
    ("/v3/inventory/locations", "Store Locations: read-only"),
    ("/v3/inventory", "Store Inventory: modify"),
    ("/v3/catalog", "Products: modify"),
    ("/v3/content", "Content: modify"),
    ("/v3/channels", "Channel Settings: read-only"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and its parsed JSON; None for an empty body."""

    status: int
    data: Any


class BigCommerceClient:
    """One store's API. Thread-safe. `monotonic` and `sleep` are injected for tests.

    `base_url` is BigCommerce's own address, or a simulator's. Paths begin with /v2 or /v3.
    """

    def __init__(
        self,
        environment: Environment,
        store_hash: str,
        access_token: str,
        base_url: str = API_URL,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.store_hash = store_hash
        headers = {"X-Auth-Token": access_token, "Accept": "application/json"}
        self._http = Client(environment, ADAPTER, f"{base_url}/stores/{store_hash}", headers)
        self._budget = Budget(environment, f"{ADAPTER}:{base_url}:{store_hash}", clock=monotonic)
        self._sleep = sleep
        self._writing = threading.Lock()

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        longest_s: float = READ_WAIT_S,
        leave: int = LEFT_FOR_WRITES,
    ) -> Any:
        """The parsed answer of a read, None when it is empty (V2 says so with 204).

        Waits for room in the window beyond what it is to `leave`, `longest_s` in all, then raises
        RateLimited.
        """
        waited_s = 0.0
        while True:
            try:
                promise = self._reserve(path, longest_s - waited_s, leave)
                waited_s += promise.wait_s
                return self._send("GET", path, promise, params=params, is_read=True).data
            except RateLimited as limited:
                waited_s += limited.retry_after_s
                if waited_s > longest_s:
                    raise
                self._sleep(limited.retry_after_s)

    def rows(self, path: str, params: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """The `data` of one V3 page."""
        return rows_of(path, self.get(path, params))

    def pages(self, path: str, params: Mapping[str, str] | None = None) -> Iterator[list[dict[str, Any]]]:
        """Every page of a V3 list of `PAGE` rows each."""
        page = 1
        while True:
            data = self.get(path, {"limit": str(PAGE), **(params or {}), "page": str(page)})
            rows = rows_of(path, data)
            if rows:
                yield rows
            if page >= total_of(data, "total_pages"):
                return
            page += 1

    def write(self, method: str, path: str, body: Any, *, expected: frozenset[int] = frozenset()) -> Answer:
        """A write, sent once; the statuses in `expected` are answers instead of errors.

        Raises OutcomeUnknown when it may have been done without an answer.
        """
        with self._writing:
            promise = self._reserve(path, WRITE_WAIT_S, LEFT_FOR_LOOKS)
            return self._send(method, path, promise, body=body, is_read=False, expected=expected)

    def wait(self, seconds: float) -> None:
        """Sleep, on the injected clock."""
        if seconds > 0:
            self._sleep(seconds)

    def _reserve(self, path: str, longest_s: float, leave: int) -> Promise:
        """Wait until the window should have room for one more; RateLimited when it takes longer."""
        promise = self._budget.promise(1, longest_s=longest_s, leave=leave)
        if not promise.is_kept:
            raise self._limited(path, promise.wait_s)
        if promise.wait_s > 0:
            self._sleep(promise.wait_s)
        return promise

    def _send(
        self,
        method: str,
        path: str,
        promise: Promise,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        is_read: bool,
        expected: frozenset[int] = frozenset(),
    ) -> Answer:
        answer = self._http.request(method, path, params=params, json=body, is_read=is_read)
        self._learn(answer.headers, promise)
        status = answer.status_code
        try:
            data = answer.json() if answer.content else None
        except (ValueError, RecursionError) as exc:
            if status < 300 or status in expected:
                raise self._not_json(f"{method} {path}", answer.content, is_read) from exc
            data = None
        if status in expected or status == 204 or (200 <= status < 300 and data is not None):
            return Answer(status, data)
        if 200 <= status < 300:
            raise self._not_json(f"{method} {path}", b"", is_read)
        if status == 429:
            raise self._limited(path, self._wait_s(answer.headers))
        detail = words_of(data)
        if status == 403:
            scope = next((scope for prefix, scope in _SCOPES if path.startswith(prefix)), "")
            detail = f"It needs the scope “{scope}”. {detail}".strip() if scope else detail
        raise translate(
            status,
            _ROWS,
            adapter=ADAPTER,
            subject=f"{method} {path} of store {self.store_hash}",
            detail=detail,
            headers=answer.headers,
            is_read=is_read,
        )

    def _learn(self, headers: Mapping[str, str], promise: Promise) -> None:
        left, reset_ms = headers.get("X-Rate-Limit-Requests-Left"), headers.get("X-Rate-Limit-Time-Reset-Ms")
        if left is None or reset_ms is None or not left.isdecimal() or not reset_ms.isdecimal():
            return
        quota = headers.get("X-Rate-Limit-Requests-Quota", "")
        self._budget.learn(
            promise,
            left=int(left),
            maximum=int(quota) if quota.isdecimal() else None,
            resets_in_s=int(reset_ms) / 1000,
        )

    def _wait_s(self, headers: Mapping[str, str]) -> float:
        reset_ms = headers.get("X-Rate-Limit-Time-Reset-Ms", "")
        # A little longer than said, so that the window has turned when the time is over.
        return int(reset_ms) / 1000 + 0.1 if reset_ms.isdecimal() else BUSY_S

    def _limited(self, path: str, wait_s: float) -> RateLimited:
        return RateLimited(
            ADAPTER,
            f"{path} of store {self.store_hash}",
            "BigCommerce takes no more requests for the moment; all apps of the store share them.",
            retry_after_s=max(0.1, wait_s),
        )

    def _not_json(self, subject: str, content: bytes, is_read: bool) -> PortError:
        is_page = content[:200].lstrip().lower().startswith((b"<!doctype", b"<html", b"<head"))
        if is_page or is_read:
            return Misconfigured(
                ADAPTER,
                subject,
                "A web page answered instead of BigCommerce's API.",
                "Check the store hash, and that no proxy stands between Dispo and api.bigcommerce.com.",
                field="store_hash",
            )
        return OutcomeUnknown(ADAPTER, subject, "BigCommerce's answer to a write cannot be read.")


def rows_of(path: str, data: Any) -> list[dict[str, Any]]:
    """The `data` list of a V3 answer; Misconfigured when it is something else."""
    rows = data.get("data") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Misconfigured(
            ADAPTER,
            f"GET {path}",
            "The answer is not a list of BigCommerce's API.",
            "Check the store hash.",
            field="store_hash",
        )
    return rows


def total_of(data: Any, name: str) -> int:
    """A number of `meta.pagination`, 0 where there is none."""
    meta = data.get("meta") if isinstance(data, dict) else None
    pagination = meta.get("pagination") if isinstance(meta, dict) else None
    value = pagination.get(name) if isinstance(pagination, dict) else None
    return value if isinstance(value, int) else 0


def words_of(data: Any) -> str:
    """What BigCommerce says of an error, as plain text of at most 300 characters."""
    if isinstance(data, list):  # V2 lists its errors
        return "; ".join(str(one.get("message", "")) for one in data if isinstance(one, dict))[:300]
    if not isinstance(data, dict):
        return ""
    said = str(data.get("title") or data.get("message") or "")
    errors = data.get("errors")
    if isinstance(errors, dict) and errors:
        said += ": " + "; ".join(f"{name} {text}" for name, text in list(errors.items())[:5])
    return said[:300]
