"""Calls to a live API that only reads: signs in, keeps to the rate, tries a page again, translates errors.

A page is tried again here, a few times and briefly, although effects are retried nowhere but in the outbox:
a page is no effect, and a list of two hundred pages would else be read from its beginning for one cut
connection. Longer waits are left to the schedule.

    Retryable      tried again, `tries` in all
    RateLimited    waited for as long as all waits of this client's reading stay below `PATIENCE_S`
    Unauthorized   once more with renewed credentials where `sign` can renew them
    anything else  raised at once
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx2

from adapters.kit.budget import Budget
from adapters.kit.errors import Row, translate
from adapters.kit.http import Client, safe_url
from connector.ports.errors import FileFault, PortError, RateLimited, Retryable, Unauthorized
from connector.registry import Environment

PATIENCE_S = 120.0
"""The longest wait for one call to be let through."""
LONGEST_DETAIL = 200

Judge = Callable[[httpx2.Response, str], PortError | None]
"""From an answer of any status and its subject to the error it means; None: the table of statuses decides."""

Sign = Callable[[bool], Mapping[str, str]]
"""The headers that sign a call in; True: renew what the platform has just refused."""

_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_ADDRESS = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+\.\w+")


def pause(seconds: float) -> None:
    """Do nothing for so long; the one place where live sources wait, so that tests need not."""
    time.sleep(seconds)


def basic(username: str, password: str) -> str:
    """The Authorization header of HTTP Basic (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class Rate:
    """What a platform lets one account ask: `calls` at once, and as many again within `within_s` seconds."""

    calls: float
    within_s: float


class Api:
    """Reading calls to one account of a platform. Thread-safe; construction does no network.

    `account` names the account within the adapter, for the budget that all workers share. `rows` are the
    platform's own rows of `kit.errors`. `explain(answer)` gives the platform's words about an error, which
    are cut to one line and cleaned of `secrets` and mail addresses before anybody sees them. `judge` is for
    platforms whose statuses do not say it all, as those that put errors into answers of status 200.
    """

    def __init__(
        self,
        environment: Environment,
        adapter: str,
        base_url: str,
        *,
        account: str = "",
        headers: Mapping[str, str] | None = None,
        sign: Sign | None = None,
        rows: Iterable[Row] = (),
        rate: Rate | None = None,
        secrets: Iterable[str] = (),
        explain: Callable[[httpx2.Response], str] | None = None,
        judge: Judge | None = None,
        tries: int = 3,
    ) -> None:
        self.adapter = adapter
        self._client = Client(environment, adapter, base_url, headers)
        self._sign = sign
        self._rows = tuple(rows)
        self._rate = rate
        self._budget = Budget(environment, f"{adapter}:{account or safe_url(base_url)}")
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._explain = explain
        self._judge = judge
        self._tries = tries

    def call(
        self,
        method: str,
        url: str,
        *,
        subject: str = "",
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accepts: tuple[int, ...] = (),
        cost: float = 1.0,
    ) -> httpx2.Response:
        """The answer of a status below 300, or one of `accepts`; else the error it means.

        `subject` names the object in errors, the address without its query where it is empty. `cost` is what
        the call takes of the rate. The call must be harmless to repeat, whatever its method.
        """
        subject = subject or f"{method} {safe_url(url)}"
        failed, waited_s, renewed, renews = 0, 0.0, False, False
        while True:
            waited_s += self._wait(subject, cost, PATIENCE_S - waited_s)
            # Not tried again here: whoever fetches a token has waited and tried again already, and both
            # together would wait for an hour.
            signed, renews = (self._sign(renews) if self._sign else {}), False
            try:
                return self._once(
                    method, url, subject, params, json, content, {**signed, **(headers or {})}, accepts
                )
            except RateLimited as error:
                self._budget.close(error.retry_after_s)
                if error.retry_after_s > PATIENCE_S - waited_s:
                    raise
            except Unauthorized:
                if self._sign is None or renewed:
                    raise
                renewed = renews = True
            except Retryable:
                failed += 1
                if failed >= self._tries:
                    raise
                pause(0.5 * 2**failed)

    def json(self, method: str, url: str, **how: Any) -> Any:
        """The answer of `call` as JSON, decimal numbers as `Decimal`. Raises FileFault for what is none:
        html_page, bad_json."""
        return self.parse(self.call(method, url, **how), how.get("subject", "") or safe_url(url))

    def parse(self, answer: httpx2.Response, subject: str) -> Any:
        """The body of an answer as JSON; raises as `json`."""
        try:
            return json.loads(answer.content, parse_float=Decimal)
        except (ValueError, RecursionError) as exc:
            is_page = _HTML.match(answer.content[:4096]) is not None
            raise FileFault(
                self.adapter,
                subject,
                "It answered with a web page." if is_page else "It answered with something that is not JSON.",
                "Check the address: it may need other credentials, or lead to a sign-in page.",
                code="html_page" if is_page else "bad_json",
            ) from exc

    def redact(self, text: str) -> str:
        """The first line of `text`, at most LONGEST_DETAIL characters, without secrets and addresses."""
        line = next((line.strip() for line in text.splitlines() if line.strip()), "")
        for secret in self._secrets:
            line = line.replace(secret, "…")
        line = _ADDRESS.sub("…", line)
        return line if len(line) <= LONGEST_DETAIL else line[: LONGEST_DETAIL - 1] + "…"

    def _once(
        self,
        method: str,
        url: str,
        subject: str,
        params: Mapping[str, Any] | None,
        body: Any,
        content: bytes | None,
        headers: Mapping[str, str],
        accepts: tuple[int, ...],
    ) -> httpx2.Response:
        answer = self._client.request(
            method,
            url,
            params=params,
            json=body,
            content=content,
            headers=headers,
            is_read=True,
        )
        judged = self._judge(answer, subject) if self._judge else None
        if judged is not None:
            raise judged
        if answer.status_code < 300 or answer.status_code in accepts:
            return answer
        raise self.error(answer, subject)

    def error(self, answer: httpx2.Response, subject: str) -> PortError:
        """What an answer of 300 or above means."""
        detail = self.redact(self._explain(answer)) if self._explain else ""
        return translate(
            answer.status_code,
            self._rows,
            adapter=self.adapter,
            subject=subject,
            detail=detail,
            headers=answer.headers,
        )

    def _wait(self, subject: str, cost: float, longest_s: float) -> float:
        """Wait for room; the seconds waited. Raises RateLimited when it would be too long."""
        if self._rate is None:
            wait_s = self._budget.wait_s(cost)
        else:
            taken = self._budget.take(
                cost,
                maximum=self._rate.calls,
                restore_rate=self._rate.calls / self._rate.within_s,
                longest_s=longest_s,
            )
            wait_s = longest_s + 1 if taken is None else taken
        if wait_s > longest_s:
            raise RateLimited(
                self.adapter,
                subject,
                "What this account may ask is used up for now.",
                "It is read again later; read less often if this stays so.",
                retry_after_s=max(wait_s, self._budget.wait_s(cost)),
            )
        if wait_s > 0:
            pause(wait_s)
        return wait_s
