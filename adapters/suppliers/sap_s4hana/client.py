"""Talks to one SAP S/4HANA system by its released OData services (version 2). Reads only.

Facts (SAP's reference and its published service descriptions): answers are under `d.results` with `d.__count`
where `$inlinecount` was asked for; quantities are texts, days are “/Date(milliseconds)/”; a user of people, or the
address people sign in at, gets a web page instead; a service that nobody activated is 403 or 404.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2

from adapters.kit.api import Api, Rate, basic
from adapters.kit.erp import day
from adapters.kit.errors import Row
from adapters.kit.http import safe_url
from adapters.kit.paging import Page, by_number
from connector.ports.errors import FileFault, NotFound, Unauthorized
from connector.registry import Environment

ADAPTER = "sap_s4hana"
PAGE = 1_000
Record = Mapping[str, Any]
_DATE = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d+)?\)/")

_ROWS = (
    Row(
        401,
        Unauthorized,
        "SAP refused the user or the password.",
        "Enter the communication user's; it may be locked after several wrong ones.",
    ),
    Row(
        403,
        Unauthorized,
        "The user may not read this, or the service is not active.",
        "Make the communication arrangement that the help page names, for this user.",
    ),
    Row(
        404,
        NotFound,
        "SAP has no such service here.",
        "Enter the address of the APIs (with -api), and make the communication arrangement.",
    ),
)


class Sap:
    """One system. Thread-safe; construction does no network. `client` is SAP's own, "" for the default."""

    def __init__(self, environment: Environment, url: str, username: str, password: str, client: str) -> None:
        self.subject = safe_url(url)
        token = basic(username, password)
        self._client = client
        self._api = Api(
            environment,
            ADAPTER,
            url,
            account=f"{self.subject}:{client}",
            headers={"Authorization": token, "Accept": "application/json"},
            rows=_ROWS,
            rate=Rate(calls=20, within_s=10),
            secrets=(password, token.partition(" ")[2]),
            explain=_explain,
        )

    def all(self, service: str, entity: str, order: str, params: Mapping[str, str]) -> Iterator[Record]:
        """Every record of an entity in a complete `order`; raises ListMoved where records came or went."""
        return by_number(
            lambda skip: self.page(service, entity, {**params, "$orderby": order}, skip),
            first=0,
            step=None,
            adapter=ADAPTER,
            subject=entity,
        )

    def page(
        self, service: str, entity: str, params: Mapping[str, str], skip: int = 0, top: int = 0
    ) -> Page[Record]:
        """One page of an entity, with how many records it has in all."""
        asked = {
            **params, "$format": "json", "$inlinecount": "allpages", "$skip": str(skip), "$top": str(top or PAGE),
            **({"sap-client": self._client} if self._client else {}),
        }  # fmt: skip
        found = self._api.json("GET", f"sap/opu/odata/sap/{service}/{entity}", subject=entity, params=asked)
        body = found.get("d") if isinstance(found, dict) else None
        items = body.get("results") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(items, list):
            raise FileFault(
                ADAPTER,
                entity,
                "SAP's answer is not what was asked for.",
                "Check the address.",
                code="bad_json",
            )
        count = str(body.get("__count", ""))
        return Page(items, int(count) if count.isdigit() else None)


def moment(value: Any) -> datetime | None:
    """Noon UTC of a day as SAP writes it, None for none.

    >>> moment("/Date(1796256000000)/"), moment(None)
    (datetime.datetime(2026, 12, 3, 12, 0, tzinfo=datetime.timezone.utc), None)
    """
    found = _DATE.fullmatch(str(value or ""))
    if found is None:
        return None
    try:
        return day(datetime.fromtimestamp(int(found[1]) / 1000, UTC).date())
    except (OverflowError, ValueError, OSError):
        return None


def quoted(value: str) -> str:
    """A text for a filter: quotes in it are doubled."""
    return "'" + value.replace("'", "''") + "'"


def _explain(answer: httpx2.Response) -> str:
    try:
        message = answer.json()["error"]["message"]
        return str(message["value"] if isinstance(message, dict) else message)
    except (ValueError, KeyError, TypeError):
        return ""
