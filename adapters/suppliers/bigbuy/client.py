"""Talks to BigBuy's catalogue, with a bearer key. Reads only.

Facts, from the client library pybigbuy 3.25 and a public description of the API (2022 to 2026): each of the two
lists of stock may be asked 10 times an hour; one that asks more gets the text "You exceeded the rate limit" with
the moment it ends in X-Ratelimit-Reset (seconds since 1970). Errors also come with status 200: as
{"code", "message"}, as a whole HTTP answer inside the body, or as no body at all instead of a 404.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import httpx2

from adapters.kit.allowance import Allowance, account_of
from adapters.kit.api import Api, Rate
from adapters.kit.errors import Row, translate
from connector.ports.errors import FileFault, Misconfigured, PortError, RateLimited, Unauthorized
from connector.registry import Environment

ADAPTER = "bigbuy"
API_URL = "https://api.bigbuy.eu"
AN_HOUR = Rate(10, 3600)
"""Of each list of stock."""
UNTOLD_RESET_S = 600.0
Record = Mapping[str, Any]
List = Literal["productsstockbyhandlingdays", "productsvariationsstockbyhandlingdays"]
LISTS: tuple[List, ...] = ("productsstockbyhandlingdays", "productsvariationsstockbyhandlingdays")

_TOO_MANY = "You exceeded the rate limit"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})")
_ROWS = (
    Row(401, Unauthorized, "BigBuy refused the API key.", "Copy it again from your BigBuy account."),
    Row(403, Unauthorized, "This API key may not read the catalogue.", "Ask BigBuy what your pack includes."),
    Row(
        404,
        Misconfigured,
        "BigBuy has no such category.",
        "Enter the numbers of first-level categories.",
        field="categories",
    ),
)


class BigBuy:
    """One account. Thread-safe; construction does no network. `clock` is the time since 1970 in seconds."""

    def __init__(self, environment: Environment, key: str, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        account = account_of(key)
        self._allowances = {
            name: Allowance(environment, ADAPTER, f"{account}:{name}", AN_HOUR) for name in LISTS
        }
        # An account of its own for each list: "too many" of one says nothing of the other.
        self._apis = {
            name: Api(
                environment,
                ADAPTER,
                API_URL,
                account=f"{account}:{name}:calls",
                headers={"Authorization": f"Bearer {key}", "Accept": "application/json"},
                rows=_ROWS,
                secrets=(key,),
                explain=_told,
                judge=self._judge,
            )
            for name in (*LISTS, "taxonomies")
        }

    def claim(self, lists: int) -> None:
        """Room for reading each list of stock so many times; raises RateLimited where there is none."""
        for name, allowance in self._allowances.items():
            allowance.claim(lists, f"the list {name}")

    def early_s(self, lists: int) -> float:
        """Seconds until `claim` would be granted."""
        return max(allowance.early_s(lists) for allowance in self._allowances.values())

    def categories(self) -> list[Record]:
        """The first-level categories: {id, name, …}."""
        return self._list("taxonomies", {"firstLevel": "true", "isoCode": "en"}, "the categories")

    def stock(self, name: List, category: str) -> list[Record]:
        """One list of stock: {id, sku, stocks: [{quantity, minHandlingDays, maxHandlingDays, warehouse}]}.

        `category` is the id of a first-level category, "" for everything.
        """
        subject = f"{name} of category {category}" if category else name
        return self._list(name, {"parentTaxonomy": category} if category else {}, subject)

    def _list(self, name: str, params: Mapping[str, str], subject: str) -> list[Record]:
        api = self._apis[name]
        answer = api.call("GET", f"rest/catalog/{name}.json", params=params, subject=subject)
        if not answer.content.strip():
            # Instead of a 404. Most categories have no variations; no category has no products.
            if name == "productsvariationsstockbyhandlingdays":
                return []
            raise FileFault(
                ADAPTER, subject, "BigBuy's answer was empty.", "Yesterday's stock is kept.", code="empty"
            )
        found = api.parse(answer, subject)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise FileFault(
                ADAPTER, subject, "BigBuy's answer is no list.", "Yesterday's stock is kept.", code="bad_json"
            )
        return found

    def _judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        status = answer.status_code
        if status >= 400 and answer.text.strip() == _TOO_MANY:
            return self._too_many(answer, subject)
        if status != 200:
            return None
        wrapped = _STATUS_LINE.match(answer.content)
        code = int(wrapped[1]) if wrapped else _code(answer)
        if 400 <= code < 600:
            return translate(code, _ROWS, adapter=ADAPTER, subject=subject)
        return None

    def _too_many(self, answer: httpx2.Response, subject: str) -> PortError:
        reset = answer.headers.get("x-ratelimit-reset", "")
        wait_s = float(reset) - self._clock() if reset.isascii() and reset.isdigit() else UNTOLD_RESET_S
        return RateLimited(
            ADAPTER,
            subject,
            "BigBuy lets each list be asked ten times an hour, and that is used up.",
            "Another program may use the same key. It is read again when BigBuy allows.",
            retry_after_s=min(max(wait_s, 1.0), 3600.0),
        )


def _code(answer: httpx2.Response) -> int:
    """The status of an error in an answer of 200 as {"code": 500, "message": …}; 0 for anything else."""
    if not answer.content.lstrip().startswith(b"{"):
        return 0
    try:
        found = json.loads(answer.content)
    except ValueError:
        return 0
    code = found.get("code") if isinstance(found, dict) else None
    return code if isinstance(code, int) else 0


def _told(answer: httpx2.Response) -> str:
    try:
        found = json.loads(answer.content)
    except ValueError:
        return ""
    message = found.get("message") if isinstance(found, dict) else None
    return message if isinstance(message, str) else ""
