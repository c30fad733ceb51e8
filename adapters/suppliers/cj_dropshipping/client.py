"""Talks to the API of CJ Dropshipping, version 2.0, signed in with an API key. Reads only.

Facts, from developers.cjdropshipping.com and from public programs that use it (2026): a token lives 15 days and
is given once in five minutes; one account may ask 1, 2, 4 or 6 times a second by its level; since June 2026 it
has 50,000 points a day (more with its sales), a product or its stock costs 10, the account's own list none, and
the day ends at 00:00 UTC. Answers are {code, result, message, data}, errors as often as not with status 200:
1600200 with "QPS limit is 1 time/1second", 16900500 or 429 with "Insufficient API points".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from adapters.kit.allowance import DayAllowance, account_of
from adapters.kit.api import Api, Rate
from adapters.kit.errors import Row, translate
from adapters.kit.paging import Page, by_number
from adapters.kit.shared_token import Fetched, SharedToken
from connector.ports.errors import (
    FileFault,
    NotFound,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)
from connector.registry import Environment

ADAPTER = "cj_dropshipping"
API_URL = "https://developers.cjdropshipping.com"
RATES = {"1": Rate(1, 1), "2": Rate(2, 1), "4": Rate(4, 1), "6": Rate(6, 1)}
"""Calls a second by the account's level."""
A_TOKEN_EVERY_S = 300.0
PAGE = 100
Record = Mapping[str, Any]

_BUSY = {1600000}
_REFUSED = {1600001, 1600002, 1600003, 1600004, 1600005, 1600006, 1600008, 1600030}
_TOO_MANY = {429, 1600200}
_USED_UP = {1600201, 16900500}
_NO_PRODUCT = {1602000, 1602001, 1602002}
_QPS = re.compile(r"(\d+)\s*times?\s*/\s*(\d+)\s*second", re.I)
_LIFE_S = 15 * 86_400.0


class CJ:
    """One account. Thread-safe; construction does no network. `points` are those of a day, `now` is the time."""

    def __init__(
        self,
        environment: Environment,
        key: str,
        rate: Rate,
        points: int,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._key = key
        self._now = now
        self.rate = rate
        account = account_of(key)
        self.points = DayAllowance(environment, ADAPTER, account, points)
        self._token = SharedToken(environment, ADAPTER, key, self._fetch_token, every_s=A_TOKEN_EVERY_S)
        # The token has a limit of its own, which says nothing of the other calls.
        self._sign_in = Api(
            environment, ADAPTER, API_URL, account=f"{account}:token", secrets=(key,), judge=self._judge
        )
        self._api = Api(
            environment,
            ADAPTER,
            API_URL,
            account=account,
            sign=lambda renew: {"CJ-Access-Token": self._token(renew)},
            rate=rate,
            secrets=(key,),
            judge=self._judge,
        )

    def my_products(self) -> list[str]:
        """The ids of the products in the account's own list, in its order, each once. It costs no points."""
        found = by_number(self._my_page, adapter=ADAPTER, subject="My Products")
        return list(dict.fromkeys(str(one["productId"]) for one in found))

    def my_first_products(self) -> int:
        """How many products the first page of the account's own list has."""
        return len(self._my_page(1).items)

    def product(self, pid: str) -> Record | None:
        """One product with its variants, {variants: [{vid, variantSku, inventories?}]}; None where CJ has it no
        more. 10 points."""
        return self._about("query", {"pid": pid, "features": "enable_inventory"}, f"product {pid}")

    def inventory(self, pid: str) -> Record | None:
        """The stock of one product, {variantInventories: [{vid, inventory: [{countryCode, totalInventory,
        cjInventory, …}]}]}; None where CJ has it no more. 10 points."""
        return self._about("stock/getInventoryByPid", {"pid": pid}, f"the stock of product {pid}")

    def _about(self, path: str, params: Mapping[str, str], subject: str) -> Record | None:
        try:
            found = self._data(f"product/{path}", params, subject)
        except NotFound:
            return None
        if not isinstance(found, dict):
            raise _senseless(subject)
        return found

    def _my_page(self, number: int) -> Page[Record]:
        # The documentation and public programs differ in the name of the page's number; a wrong one would
        # bring the first page again, which `by_number` refuses.
        params = {"pageNum": str(number), "pageNumber": str(number), "pageSize": str(PAGE)}
        found = self._data("product/myProduct/query", params, "My Products")
        items = found.get("content") if isinstance(found, dict) else None
        if not isinstance(items, list) or not all(
            isinstance(one, dict) and "productId" in one for one in items
        ):
            raise _senseless("My Products")
        return Page(items)

    def _data(self, path: str, params: Mapping[str, str], subject: str) -> Any:
        return self._api.json("GET", f"api2.0/v1/{path}", params=params, subject=subject)["data"]

    def _fetch_token(self) -> Fetched:
        found = self._sign_in.json(
            "POST",
            "api2.0/v1/authentication/getAccessToken",
            json={"apiKey": self._key},
            subject="the access token",
        )["data"]
        token = found.get("accessToken") if isinstance(found, dict) else None
        return Fetched(token if isinstance(token, str) else "", self._life_s(found))

    def _life_s(self, found: Any) -> float:
        """How long a new token lives, the documented 15 days where its date is no date."""
        told = found.get("accessTokenExpiryDate") if isinstance(found, dict) else None
        try:
            ends_at = datetime.fromisoformat(str(told))
            life_s = (ends_at - self._now()).total_seconds()
        except (ValueError, TypeError):
            return _LIFE_S
        return life_s if 0 < life_s <= _LIFE_S else _LIFE_S

    def _judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        if not answer.content.lstrip().startswith(b"{"):
            return None
        try:
            found = json.loads(answer.content)
        except ValueError:
            return None
        code = found.get("code")
        if not isinstance(code, int) or (code == 200 and answer.status_code >= 300):
            return None
        message = str(found.get("message") or "")
        detail = self._api.redact(message)
        if code == 200:
            if found.get("data") is not None:
                return None
            return Retryable(ADAPTER, subject, "CJ said yes and gave nothing.", "It is asked again.")
        if code in _USED_UP or "insufficient api points" in message.lower():
            return RateLimited(
                ADAPTER,
                subject,
                f"CJ's points of this day are used up: {detail}",
                "Another program may use the same account. It is read again after 00:00 UTC.",
                retry_after_s=self._to_midnight_s(),
            )
        if code in _TOO_MANY:
            told = _QPS.search(message)
            wait_s = float(told[2]) / max(float(told[1]), 1.0) if told else 60.0
            return RateLimited(ADAPTER, subject, f"Too many requests: {detail}", retry_after_s=wait_s)
        if code in _REFUSED:
            return Unauthorized(
                ADAPTER, subject, "CJ refused the API key.", "Generate one under My CJ, Authorization, API."
            )
        if code in _NO_PRODUCT:
            return NotFound(ADAPTER, subject, f"CJ has it no more: {detail}")
        if code in _BUSY or 500 <= code < 600:
            return Retryable(ADAPTER, subject, f"CJ is busy: {detail}")
        if 400 <= code < 500:
            return translate(code, _ROWS, adapter=ADAPTER, subject=subject, detail=detail)
        return Rejected(ADAPTER, subject, f"CJ refused with code {code}: {detail}")

    def _to_midnight_s(self) -> float:
        now = self._now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds() + 60.0


_ROWS = (
    Row(401, Unauthorized, "CJ refused the API key.", "Generate one under My CJ, Authorization, API."),
    Row(403, Unauthorized, "CJ refused the API key.", "Generate one under My CJ, Authorization, API."),
)


def _senseless(subject: str) -> FileFault:
    return FileFault(
        ADAPTER,
        subject,
        "CJ's answer is not what was asked for.",
        "Yesterday's stock is kept. CJ may have changed its API.",
        code="bad_json",
    )
