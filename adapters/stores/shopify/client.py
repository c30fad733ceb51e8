"""Shopify's Admin GraphQL API over the guarded HTTP client: costs, throttling, and every error translated.

Shopify counts points, not calls. All workers share what is known of the bucket from its last answer
(`kit.budget`); the client remembers what each operation asked for, waits (asleep, never busy) before a read
that would be refused, and raises RateLimited for a write instead of holding a worker for long. It never
repeats a write.

    HTTP 401, 403              Unauthorized        THROTTLED                 RateLimited, from the bucket
    HTTP 402, 404, 423         Misconfigured       ACCESS_DENIED             AccessDenied (Unauthorized)
    HTTP 429, 430              RateLimited         INTERNAL_SERVER_ERROR     as HTTP 5xx
    HTTP 5xx, cut, no answer   Retryable for a query, OutcomeUnknown for a mutation
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2

from adapters.kit.budget import Budget, Promise
from adapters.kit.errors import Row, translate
from adapters.kit.http import Client
from adapters.stores.shopify.documents import API_VERSION, documents
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.ports.installs import AccessTokens
from connector.registry import Environment

ADAPTER = "shopify"
# A read may wait this long for points in all; a bucket of 2,000 fills in 20 s at the slowest plan.
READ_WAIT_S = 60.0
# A write waits no longer than this: the outbox knows better what to do with the worker meanwhile.
WRITE_WAIT_S = 2.0
LEFT_FOR_WRITES = 120.0
"""Points that reads leave in the bucket: two of the dearest writes, which protect the shopper."""

_REINSTALL = "Open the app in the Shopify admin, or connect the shop again."
ROWS = (
    Row(401, Unauthorized, "Shopify refused the access token.", _REINSTALL),
    Row(
        402,
        Misconfigured,
        "The shop is frozen: its Shopify plan is not paid.",
        "Settle the plan in the Shopify admin, then resume.",
        field="shop",
    ),
    Row(403, Unauthorized, "Shopify does not let the app in.", _REINSTALL),
    Row(404, Misconfigured, "There is no such shop.", "Check the shop's domain.", field="shop"),
    Row(
        423,
        Misconfigured,
        "Shopify has locked the shop.",
        "Ask the shop's owner to contact Shopify, then resume.",
        field="shop",
    ),
    Row(430, RateLimited, "Shopify turned the request away as suspicious."),
    # A gateway gives no word about what happened behind it, not even with 503.
    Row(500, Retryable, "Shopify failed.", last=599, write_error=OutcomeUnknown),
)


class _ForGood:
    """A token that never expires: implements `AccessTokens`."""

    def __init__(self, token: str) -> None:
        self._token = token

    def current(self) -> str:
        return self._token

    def after(self, refused: str) -> str:
        return refused


class AccessDenied(Unauthorized):
    """The token is good but lacks a scope; the message names it in Shopify's words."""


class ShopifyClient:
    """One shop's API. Thread-safe. `monotonic` and `sleep` are injected for tests.

    `base_url` is the shop's own https address, or a simulator's. `access_token` is the token for good, or
    what gives the token of the moment: a call that Shopify turns away before the token's time is sent once
    more with another one, which is no repetition of a write: nothing was done.
    """

    def __init__(
        self,
        environment: Environment,
        shop: str,
        access_token: str | AccessTokens,
        base_url: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.shop = shop
        self._tokens = _ForGood(access_token) if isinstance(access_token, str) else access_token
        self._http = Client(environment, ADAPTER, base_url, {"Accept": "application/json"})
        self._budget = Budget(environment, f"{ADAPTER}:{base_url}:{shop}", clock=monotonic)
        self._sleep = sleep
        self._costs: dict[str, float] = {}

    def query(self, operation: str, variables: Mapping[str, Any], text: str = "") -> dict[str, Any]:
        """The data of a read; waits for points, at most READ_WAIT_S in all, then RateLimited."""
        waited_s = 0.0
        while True:
            try:
                promise = self._reserve(operation, READ_WAIT_S - waited_s, LEFT_FOR_WRITES)
                return self._send(operation, variables, text, promise, is_read=True)
            except RateLimited as limited:
                waited_s += limited.retry_after_s
                if waited_s > READ_WAIT_S:
                    raise
                self._sleep(limited.retry_after_s)

    def mutate(self, operation: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data of a write, sent once; RateLimited when the points are known to be missing."""
        promise = self._reserve(operation, WRITE_WAIT_S, 0)
        return self._send(operation, variables, "", promise, is_read=False)

    def download(self, url: str) -> Iterator[dict[str, Any]]:
        """The objects of a JSON lines file; Retryable when it breaks off or a line is no JSON."""
        with self._http.stream("GET", url) as answer:
            if answer.status_code >= 300:
                raise translate(answer.status_code, ROWS, adapter=ADAPTER, subject="the bulk result")
            for line in answer.iter_lines():
                if not line:
                    continue
                try:
                    yield json.loads(line)
                except ValueError as exc:
                    raise Retryable(ADAPTER, "the bulk result", "A line is not JSON.") from exc

    def wait(self, seconds: float) -> None:
        """Sleep, on the injected clock."""
        self._sleep(seconds)

    def _reserve(self, operation: str, longest_s: float, leave: float) -> Promise | None:
        """Wait until the bucket should hold what `operation` asked for last; RateLimited beyond."""
        cost = self._costs.get(operation)
        if cost is None:
            return None
        promise = self._budget.promise(cost, longest_s=longest_s, leave=leave)
        if not promise.is_kept:
            raise self._limited(operation, promise.wait_s)
        if promise.wait_s > 0:
            self._sleep(promise.wait_s)
        return promise

    def _send(
        self,
        operation: str,
        variables: Mapping[str, Any],
        text: str,
        promise: Promise | None,
        *,
        is_read: bool,
    ) -> dict[str, Any]:
        subject = f"{operation} on {self.shop}"
        body = {
            "query": text or documents()[operation],
            "operationName": operation,
            "variables": dict(variables),
        }
        token = self._tokens.current()
        answer = self._post(body, token, is_read)
        if answer.status_code == 401:
            other = self._tokens.after(token)
            if other != token:
                answer = self._post(body, other, is_read)
        if answer.status_code != 200:
            raise translate(
                answer.status_code,
                ROWS,
                adapter=ADAPTER,
                subject=subject,
                headers=answer.headers,
                is_read=is_read,
            )
        try:
            found = answer.json()
        except ValueError as exc:
            raise _no_word(subject, "The answer is not JSON.", is_read) from exc
        if not isinstance(found, dict):
            raise _no_word(subject, "The answer is not a GraphQL answer.", is_read)
        self._learn(operation, found.get("extensions"), promise)
        if found.get("errors"):
            raise self._refusal(operation, subject, found["errors"], is_read)
        if not isinstance(found.get("data"), dict):
            raise _no_word(subject, "The answer holds no data.", is_read)
        data: dict[str, Any] = found["data"]
        return data

    def _post(self, body: Mapping[str, Any], token: str, is_read: bool) -> httpx2.Response:
        return self._http.request(
            "POST",
            f"/admin/api/{API_VERSION}/graphql.json",
            json=body,
            headers={"X-Shopify-Access-Token": token},
            is_read=is_read,
        )

    def _learn(self, operation: str, extensions: Any, promise: Promise | None) -> None:
        cost = extensions.get("cost") if isinstance(extensions, dict) else None
        if not isinstance(cost, dict):
            return
        status = cost.get("throttleStatus")
        requested = cost.get("requestedQueryCost")
        if isinstance(requested, int | float):
            self._costs[operation] = float(requested)
        if isinstance(status, dict):
            self._budget.learn(
                promise,
                left=float(status["currentlyAvailable"]),
                maximum=float(status["maximumAvailable"]),
                restore_rate=max(1.0, float(status["restoreRate"])),
            )

    def _refusal(self, operation: str, subject: str, errors: Any, is_read: bool) -> PortError:
        listed: list[dict[str, Any]] = [
            one if isinstance(one, dict) else {"message": str(one)}
            for one in (errors if isinstance(errors, list) else [errors])
        ]
        codes = {str((one.get("extensions") or {}).get("code", "")) for one in listed}
        said = "; ".join(str(one.get("message", ""))[:300] for one in listed[:3])
        if "THROTTLED" in codes:
            cost = self._costs.get(operation)
            leave = LEFT_FOR_WRITES if is_read else 0
            return self._limited(operation, 1.0 if cost is None else self._budget.wait_s(cost, leave))
        if "ACCESS_DENIED" in codes:
            return AccessDenied(ADAPTER, subject, said, "Grant the scope by updating the app's permissions.")
        if "SHOP_INACTIVE" in codes:
            return Misconfigured(
                ADAPTER, subject, "The shop is not active.", "Reopen it in Shopify.", field="shop"
            )
        if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"}:
            return _no_word(subject, said, is_read)
        # What is left is a request Shopify cannot read: a bug of ours or a removed field, never retried.
        return Rejected(ADAPTER, subject, said)

    def _limited(self, operation: str, wait_s: float) -> RateLimited:
        # Rounded up to a tenth, so that the points are there when the time is over.
        seconds = max(0.1, math.ceil(wait_s * 10) / 10)
        return RateLimited(
            ADAPTER,
            f"{operation} on {self.shop}",
            "Shopify's points for this app and shop are used up.",
            retry_after_s=seconds,
        )


def _no_word(subject: str, cause: str, is_read: bool) -> PortError:
    return (Retryable if is_read else OutcomeUnknown)(ADAPTER, subject, cause)
