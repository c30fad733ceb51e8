"""Talks to one organization of Zoho Inventory (API v1). Reads only.

Facts (zoho.com/inventory/api): a refresh token gives access tokens of an hour, at the data center the account is
in, and a refusal comes with status 200; every call names the organization; pages have at most 200 rows and say
whether there are more; an organization may ask 100 times a minute, 5 to 10 at once, and 1,000 to 10,000 times a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from adapters.kit.api import Api, Rate
from adapters.kit.oauth import ClientCredentials
from adapters.kit.paging import Page, by_next
from connector.ports.errors import FileFault, Misconfigured, PortError, RateLimited, Unauthorized
from connector.registry import Environment

ADAPTER = "zoho_inventory"
PAGE = 200
LOGINS = {
    "com": "https://accounts.zoho.com",
    "eu": "https://accounts.zoho.eu",
    "in": "https://accounts.zoho.in",
    "com.au": "https://accounts.zoho.com.au",
    "jp": "https://accounts.zoho.jp",
    "ca": "https://accounts.zohocloud.ca",
    "sa": "https://accounts.zoho.sa",
    "com.cn": "https://accounts.zoho.com.cn",
}
"""Where accounts of each data center sign in; its API is at www.zohoapis and the same ending."""
Record = Mapping[str, Any]

_BUSY, _SPENT, _FORBIDDEN, _FOREIGN = {43, 44, 1070}, 45, 57, 6041


@dataclass(frozen=True, slots=True)
class Access:
    """Which organization, and who asks."""

    organization_id: str
    client_id: str
    client_secret: str
    refresh_token: str
    api_url: str
    login_url: str

    def __repr__(self) -> str:
        return f"Access({self.organization_id})"


class Zoho:
    """One organization. Thread-safe; construction does no network."""

    def __init__(self, environment: Environment, access: Access) -> None:
        self.subject = f"Zoho Inventory {access.organization_id}"
        self._organization = access.organization_id
        secrets = (access.client_secret, access.refresh_token)
        login = Api(
            environment,
            ADAPTER,
            access.login_url,
            account=f"{access.organization_id}:login",
            secrets=secrets,
            explain=_explain,
            judge=self._judge,
        )
        self._api = Api(
            environment,
            ADAPTER,
            access.api_url,
            account=access.organization_id,
            sign=ClientCredentials(
                login,
                f"{access.login_url}/oauth/v2/token",
                access.client_id,
                access.client_secret,
                style="body",
                extra={"grant_type": "refresh_token", "refresh_token": access.refresh_token},
                word="Zoho-oauthtoken",
                refused=(
                    "Zoho refused the refresh token or the client.",
                    "Make a new refresh token in Zoho's API console, of the data center your account is in.",
                ),
            ),
            # The limit belongs to the organization: half of it is left to others.
            rate=Rate(calls=50, within_s=60),
            secrets=secrets,
            explain=_explain,
            judge=self._judge,
        )

    def all(self, path: str, name: str, params: Mapping[str, str] | None = None) -> Iterator[Record]:
        """Every record of a list; raises ListMoved where the count and the pages do not agree."""
        return by_next(lambda at: self.page(path, name, params, at or "1"), adapter=ADAPTER, subject=path)

    def page(
        self,
        path: str,
        name: str,
        params: Mapping[str, str] | None = None,
        number: str = "1",
        size: int = PAGE,
    ) -> Page[Record]:
        """One page of a list, whose records are under `name`."""
        found = self._get(path, {**(params or {}), "page": number, "per_page": str(size)})
        context = found.get("page_context")
        context = context if isinstance(context, dict) else {}
        total = context.get("total")
        after = str(int(number) + 1) if context.get("has_more_page") is True else ""
        return Page(self._records(found, name, path), total if isinstance(total, int) else None, after)

    def details(self, item_ids: Sequence[str]) -> list[Record]:
        """The items of these ids with their stock at each location; raises ListMoved where one is missing."""
        found = self._get("itemdetails", {"item_ids": ",".join(item_ids)})
        return self._records(found, "items", "itemdetails")

    def order(self, order_id: str) -> Record:
        """One purchase order with its lines."""
        found = self._get(f"purchaseorders/{order_id}", {}).get("purchaseorder")
        if not isinstance(found, dict):
            raise self._senseless("purchaseorders")
        return found

    def _get(self, path: str, params: Mapping[str, str]) -> Record:
        asked = {**params, "organization_id": self._organization}
        found = self._api.json("GET", f"inventory/v1/{path}", subject=path.partition("/")[0], params=asked)
        if not isinstance(found, dict):
            raise self._senseless(path)
        return found

    def _records(self, found: Record, name: str, path: str) -> list[Record]:
        records = found.get(name)
        if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
            raise self._senseless(path)
        return records

    def _senseless(self, path: str) -> FileFault:
        return FileFault(
            ADAPTER,
            path,
            "Zoho's answer is not what was asked for.",
            "Check the data center.",
            code="bad_json",
        )

    def _judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        """Zoho's own code says more than the status."""
        if answer.status_code < 400:
            return None
        code = _told(answer).get("code")
        if code == _SPENT:
            return RateLimited(
                ADAPTER,
                subject,
                "The organization's calls of this day are used up.",
                "It is read again tomorrow; read less often, or take a larger plan at Zoho.",
                retry_after_s=3_600.0,
            )
        if code in _BUSY or answer.status_code == 429:
            return RateLimited(
                ADAPTER, subject, "The organization asked too often within a minute.", retry_after_s=60.0
            )
        if code == _FORBIDDEN:
            return Unauthorized(
                ADAPTER,
                subject,
                "The refresh token may not read this.",
                "Make one with the scopes ZohoInventory.items.READ and ZohoInventory.purchaseorders.READ.",
            )
        if code == _FOREIGN:
            return Misconfigured(
                ADAPTER,
                subject,
                "The account has no such organization.",
                "Its number is at Settings, Organization Profile.",
                field="organization_id",
            )
        return None


def _told(answer: httpx2.Response) -> Record:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _explain(answer: httpx2.Response) -> str:
    told = _told(answer)
    return str(told.get("message") or told.get("error") or "")
