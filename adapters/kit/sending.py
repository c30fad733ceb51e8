"""Calls that have an effect on a person: made once, kept to the provider's rate, translated by kind.

Nothing is tried again here. An answer that says "too many" closes the account for all workers for as long as it
asks, so that a thousand messages do not each hear it.
"""

from __future__ import annotations

import json as json_of
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from adapters.kit.api import Rate, pause
from adapters.kit.budget import Budget
from adapters.kit.errors import Row, translate
from adapters.kit.http import Client
from connector.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Retryable
from connector.registry import Environment

PATIENCE_S = 2.0
"""The longest wait of one call for its turn: a worker that waits holds up everybody else's messages."""

Judge = Callable[[httpx2.Response, str], PortError | None]


class Sending:
    """Calls to one account of a provider. Thread-safe; construction does no network.

    `account` names it within the adapter and is no secret. `judge(answer, subject)` knows what the provider's own
    codes mean and answers None where the status says it all; its words go to the merchant, so they hold no
    address and no secret. `is_repeatable`: the provider counts a request by its key, so that an unknown outcome
    may be tried again.
    """

    def __init__(
        self,
        environment: Environment,
        adapter: str,
        base_url: str,
        *,
        account: str,
        headers: Mapping[str, str] | None = None,
        rate: Rate | None = None,
        rows: Iterable[Row] = (),
        judge: Judge | None = None,
        is_repeatable: bool = False,
    ) -> None:
        self.adapter = adapter
        self._client = Client(environment, adapter, base_url, headers)
        self._budget = Budget(environment, f"{adapter}:{account}")
        self._rate = rate
        self._rows = tuple(rows)
        self._judge = judge
        self._is_repeatable = is_repeatable

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def call(
        self,
        method: str,
        url: str,
        subject: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_read: bool = False,
    ) -> httpx2.Response:
        """The answer of a status below 300, else the error it means; `subject` names the object in it."""
        self._wait(subject)
        try:
            answer = self._client.request(
                method, url, json=json, content=content, headers=headers, is_read=is_read
            )
        except OutcomeUnknown as exc:
            remedy = "" if self._is_repeatable else "Do not send it twice."
            raise OutcomeUnknown(
                self.adapter, subject, exc.cause, remedy, is_repeatable=self._is_repeatable
            ) from exc.__cause__
        except Retryable as exc:
            # Named by our subject and not chained: the address called may be a person's, as in web push.
            raise Retryable(self.adapter, subject, exc.cause, exc.remedy) from exc.__cause__
        except Misconfigured as exc:
            place = urlsplit(url).hostname or self.adapter
            raise Misconfigured(
                self.adapter, place, exc.cause, exc.remedy, field=exc.field
            ) from exc.__cause__
        error = self._judge(answer, subject) if self._judge else None
        if error is None and answer.status_code >= 300:
            error = translate(
                answer.status_code,
                self._rows,
                adapter=self.adapter,
                subject=subject,
                headers=answer.headers,
                is_read=is_read,
            )
        if isinstance(error, OutcomeUnknown) and self._is_repeatable:
            error = OutcomeUnknown(self.adapter, subject, error.cause, error.remedy, is_repeatable=True)
        if isinstance(error, RateLimited):
            self._budget.close(error.retry_after_s)
        if error is not None:
            raise error
        return answer

    def _wait(self, subject: str) -> None:
        """Wait for a turn; raises RateLimited when it would take too long."""
        wait_s: float | None
        if self._rate is None:
            wait_s = self._budget.wait_s(1.0)
        else:
            wait_s = self._budget.take(
                1.0,
                maximum=self._rate.calls,
                restore_rate=self._rate.calls / self._rate.within_s,
                longest_s=PATIENCE_S,
            )
        if wait_s is None or wait_s > PATIENCE_S:
            raise RateLimited(
                self.adapter,
                subject,
                "What this account may send is used up for now.",
                retry_after_s=max(self._budget.wait_s(1.0), 1.0),
            )
        if wait_s > 0:
            pause(wait_s)


def document(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON object of an answer, {} where it is none: what counts was said by the status."""
    try:
        found = json_of.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text_of(document: Mapping[str, Any], name: str) -> str:
    """A text of a document, "" where it is missing or something else."""
    value = document.get(name)
    return value if isinstance(value, str) else ""
