"""Requests to Search Console: signed in, under the limits all workers share, errors translated once.

Google answers "too much" as 403 or 429 with a reason and without saying for how long. Its documents
(developers.google.com/webmaster-tools/limits, read 2026-11) say: wait 15 minutes for the load quota; 600
inspections a minute and 2,000 a day of one site; 1,200 other questions a minute.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from adapters.kit.budget import Budget
from adapters.kit.errors import translate
from adapters.kit.http import Client
from adapters.search.google_search_console.access import Grant
from connector.ports.errors import (
    Misconfigured,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment

NAME = "google_search_console"
API = "https://www.googleapis.com"
INSPECTION_API = "https://searchconsole.googleapis.com"
LOAD_WAIT_S = 900.0
LONGEST_WAIT_S = 30.0
_EARLY_S = 120.0
"""An access token is renewed this long before its end: our clock is not Google's."""

_QUOTA = {
    "quotaExceeded",
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "dailyLimitExceeded",
    "RESOURCE_EXHAUSTED",
}
_SWITCHED_OFF = {"accessNotConfigured", "SERVICE_DISABLED"}


class Api:
    """One site's requests. Thread-safe."""

    def __init__(
        self, environment: Environment, grant: Grant, site: str, endpoint: str, token_uri: str
    ) -> None:
        self._http = Client(environment, NAME)
        self._grant = grant
        self._token_uri = token_uri
        self._api, self._inspection = endpoint or API, endpoint or INSPECTION_API
        self._token, self._token_ends = "", 0.0
        self._lock = threading.Lock()
        # Google tells nobody what is left, so what its documents allow is spent here.
        self._budgets = {
            "inspect": (Budget(environment, f"{NAME}:inspect:{site}"), 600.0),
            "ask": (Budget(environment, f"{NAME}:ask:{site}"), 1200.0),
        }

    def get(self, path: str, subject: str) -> dict[str, Any]:
        """The answer of a question to the Webmasters API."""
        return self._send("GET", f"{self._api}/webmasters/v3/{path}", subject, "ask", None)

    def post(self, path: str, body: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The answer of a question that has a body."""
        return self._send("POST", f"{self._api}/webmasters/v3/{path}", subject, "ask", body)

    def inspect(self, body: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The answer to one inspection."""
        url = f"{self._inspection}/v1/urlInspection/index:inspect"
        return self._send("POST", url, subject, "inspect", body)

    def close(self) -> None:
        self._http.close()

    def _send(
        self, method: str, url: str, subject: str, kind: str, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        budget, a_minute = self._budgets[kind]
        wait_s = budget.take(1, maximum=a_minute / 6, restore_rate=a_minute / 60, longest_s=LONGEST_WAIT_S)
        if wait_s is None:
            raise RateLimited(
                NAME,
                subject,
                "Google's limit for this site is used up.",
                retry_after_s=max(LONGEST_WAIT_S, budget.wait_s(1)),
            )
        if wait_s:
            time.sleep(wait_s)
        for is_second in (False, True):
            answer = self._http.request(
                method,
                url,
                json=body,
                headers={"Authorization": f"Bearer {self._access_token(is_fresh=is_second)}"},
                is_read=True,
            )
            if answer.status_code != 401 or is_second:
                break
        if answer.status_code >= 300:
            error = to_port_error(answer.status_code, _json(answer.content), subject, dict(answer.headers))
            if isinstance(error, RateLimited):
                budget.close(error.retry_after_s)
            raise error
        found = _json(answer.content)
        if found is None:
            raise Retryable(NAME, subject, "The answer is not JSON.")
        return found

    def _access_token(self, *, is_fresh: bool) -> str:
        with self._lock:
            if is_fresh or time.monotonic() >= self._token_ends:
                self._token, lasts_s = self._sign_in()
                self._token_ends = time.monotonic() + lasts_s - _EARLY_S
            return self._token

    def _sign_in(self) -> tuple[str, float]:
        answer = self._http.request(
            "POST",
            self._token_uri,
            content=urlencode(self._grant.form(self._token_uri)).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            is_read=True,
        )
        found = _json(answer.content) or {}
        subject = f"signing in as {self._grant.name}"
        if answer.status_code in (400, 401):
            # "invalid_grant" and its like; the description may repeat what was sent, so it stays out.
            word = str(found.get("error") or "")
            raise Unauthorized(
                NAME,
                subject,
                f"Google refused it ({word if word.replace('_', '').isalpha() else 'no reason given'}).",
                "Make a new key or sign in again. A refresh token ends after seven days while the OAuth "
                "consent screen is in testing, and after six months without use.",
            )
        if answer.status_code >= 300:
            raise translate(answer.status_code, adapter=NAME, subject=subject, headers=dict(answer.headers))
        token, lasts_s = found.get("access_token"), found.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lasts_s, int):
            raise Retryable(NAME, subject, "Google's answer holds no access token.")
        return token, float(lasts_s)


def to_port_error(
    status: int, body: Mapping[str, Any] | None, subject: str, headers: Mapping[str, str] | None = None
) -> PortError:
    """What an answer of 300 or more means: the reason in the body goes before the status."""
    error = (body or {}).get("error")
    error = error if isinstance(error, Mapping) else {}
    reasons = {str(error.get("status") or "")}
    for one in (*_list(error.get("errors")), *_list(error.get("details"))):
        reasons.add(str(one.get("reason") or ""))
    said = str(error.get("message") or "")[:300]
    if status == 429 or reasons & _QUOTA:
        found = translate(429, adapter=NAME, subject=subject, detail=said, headers=headers)
        has_wait = any(name.lower() == "retry-after" for name in headers or {})
        wait_s = found.retry_after_s if has_wait and isinstance(found, RateLimited) else LOAD_WAIT_S
        return RateLimited(NAME, subject, found.cause, retry_after_s=wait_s)
    if status == 403 and reasons & _SWITCHED_OFF:
        return Misconfigured(
            NAME,
            subject,
            "The Search Console API is not switched on in your Google Cloud project.",
            "Switch on 'Google Search Console API' there and wait a few minutes.",
            field="service_account_key",
        )
    if status == 403:
        return Misconfigured(
            NAME,
            subject,
            f"This account may not read the property. {said}".strip(),
            "In Search Console, Settings, Users and permissions, add it as a user of this property.",
            field="site",
        )
    if status == 401:
        return Unauthorized(NAME, subject, "Google refused the access.", "Make a new key or sign in again.")
    if status == 400:
        return Rejected(NAME, subject, f"Google will not look it up. {said}".strip())
    return translate(status, adapter=NAME, subject=subject, detail=said, headers=headers)


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
