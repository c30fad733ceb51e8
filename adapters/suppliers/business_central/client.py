"""Talks to one company of Business Central: API v2.0 and published OData web services. Reads only.

Facts (learn.microsoft.com): tokens come from Entra by client credentials with the scope of the API's host and
"/.default"; pages are the server's, `@odata.nextLink` leads on and `@odata.count` says how many there are; more
than 600 calls a minute (sandbox 300), or 100 at a time, are answered with 429, a call of over 8 minutes with 408.
Published web services are found by the company's name, the API by its id.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from adapters.kit.api import Api, Rate
from adapters.kit.erp import unknown
from adapters.kit.errors import Row
from adapters.kit.oauth import ClientCredentials
from adapters.kit.paging import Page, by_next, next_url
from connector.ports.errors import FileFault, Misconfigured, NotFound, PortError, Unauthorized
from connector.registry import Environment

ADAPTER = "business_central"
API = "https://api.businesscentral.dynamics.com"
LOGIN = "https://login.microsoftonline.com"
PAGE = 500
Record = Mapping[str, Any]

_ROWS = (
    Row(
        401,
        Unauthorized,
        "Business Central refused the app.",
        "In Business Central, open Microsoft Entra Applications: the app must be enabled and have a permission set.",
    ),
    Row(
        403,
        Unauthorized,
        "The app may not read this.",
        "In Business Central, open Microsoft Entra Applications and give it a permission set that may.",
    ),
)


@dataclass(frozen=True, slots=True)
class Access:
    """Where the company is and who asks. `company` is a name, "" for the only one."""

    tenant: str
    environment: str
    client_id: str
    client_secret: str
    company: str
    api_url: str = API
    login_url: str = LOGIN


class BusinessCentral:
    """One company. Thread-safe; construction does no network."""

    def __init__(self, environment: Environment, access: Access) -> None:
        self.subject = f"Business Central {access.environment}"
        self._access = access
        self._base = f"{access.api_url}/v2.0/{access.tenant}/{access.environment}"
        secrets = (access.client_secret,)
        account = f"{access.tenant}:{access.environment}"
        login = Api(
            environment,
            ADAPTER,
            access.login_url,
            account=f"{account}:login",
            secrets=secrets,
            explain=_explain,
        )
        self._tokens = ClientCredentials(
            login,
            f"{access.login_url}/{access.tenant}/oauth2/v2.0/token",
            access.client_id,
            access.client_secret,
            scope=f"{API}/.default",
            style="body",
        )
        self._api = Api(
            environment,
            ADAPTER,
            access.api_url,
            account=account,
            headers={"Accept": "application/json", "Prefer": f"odata.maxpagesize={PAGE}"},
            sign=self._tokens,
            rows=_ROWS,
            # The limit belongs to the whole environment, so this takes half of what a sandbox lets through.
            rate=Rate(calls=25, within_s=10),
            secrets=secrets,
            explain=_explain,
            judge=self._judge,
        )
        self._lock = threading.Lock()
        self._company: Record | None = None

    def company(self) -> Record:
        """The chosen company with its id and name; asked once. Raises Misconfigured where it is not there, or
        where there are several and none was chosen."""
        with self._lock:
            if self._company is None:
                try:
                    found = list(self._pages(f"{self._base}/api/v2.0/companies", {}, "the companies"))
                except NotFound as exc:
                    raise Misconfigured(
                        ADAPTER,
                        self.subject,
                        "This tenant has no such environment.",
                        "Enter the environment's name as the admin center shows it.",
                        field="environment",
                    ) from exc
                self._company = self._chosen(found)
            return self._company

    def all(self, entity: str, params: Mapping[str, str]) -> Iterator[Record]:
        """Every record of an entity of the API v2.0, as "items", with OData's `params`.

        Raises Unauthorized without the right, ListMoved where the count and the pages do not agree.
        """
        yield from self._pages(
            f"{self._base}/api/v2.0/companies({self.company()['id']})/{entity}", params, entity
        )

    def newest(
        self, entity: str, by: str, params: Mapping[str, str] | None = None
    ) -> tuple[int, list[Record]]:
        """How many records an entity has, and the one whose `by` is highest."""
        asked = {**(params or {}), "$orderby": f"{by} desc", "$top": "1", "$count": "true"}
        url = f"{self._base}/api/v2.0/companies({self.company()['id']})/{entity}"
        page = self._page(url, asked, entity)
        return page.total or 0, list(page.items)

    def some(self, entity: str, params: Mapping[str, str]) -> list[Record]:
        """The first page of an entity."""
        url = f"{self._base}/api/v2.0/companies({self.company()['id']})/{entity}"
        return list(self._page(url, params, entity).items)

    def service(self, name: str, params: Mapping[str, str], field: str, page: str) -> Iterator[Record]:
        """Every record of a published web service. Raises Misconfigured of `field` where none of that name is
        published; `page` says what was to be published."""
        company = quote(str(self.company()["name"]).replace("'", "''"), safe="")
        url = f"{self._base}/ODataV4/Company('{company}')/{quote(name, safe='')}"
        try:
            yield from self._pages(url, params, f"the web service {name}")
        except NotFound as exc:
            raise Misconfigured(
                ADAPTER,
                self.subject,
                f"No web service “{name}” is published.",
                f"In Business Central, open Web Services and publish {page} by that name.",
                field=field,
            ) from exc

    def _pages(self, url: str, params: Mapping[str, str], subject: str) -> Iterator[Record]:
        counted = {**params, "$count": "true"}
        return by_next(
            lambda at: self._page(at or url, {} if at else counted, subject), adapter=ADAPTER, subject=subject
        )

    def _page(self, url: str, params: Mapping[str, str], subject: str) -> Page[Record]:
        found = self._api.json("GET", url, params=params or None, subject=subject)
        items = found.get("value") if isinstance(found, dict) else None
        if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
            raise FileFault(
                ADAPTER,
                subject,
                "Business Central's answer is not what was asked for.",
                "Check the addresses.",
                code="bad_json",
            )
        total = found.get("@odata.count")
        after = next_url(url, str(found.get("@odata.nextLink") or ""), adapter=ADAPTER, subject=subject)
        return Page(items, total if isinstance(total, int) else None, after)

    def _chosen(self, companies: list[Record]) -> Record:
        names = {str(one["name"]): one for one in companies}
        shown = {str(one.get("displayName") or one["name"]): one for one in companies}
        wanted = self._access.company
        if wanted:
            if found := names.get(wanted) or shown.get(wanted):
                return found
            raise unknown(ADAPTER, self.subject, "company", wanted, names)
        if len(companies) != 1:
            raise Misconfigured(
                ADAPTER,
                self.subject,
                "It has several companies." if companies else "The app sees no company.",
                f"Enter one of: {', '.join(sorted(names)[:20])}."
                if companies
                else "Give it a permission set.",
                field="company",
            )
        return companies[0]

    def _judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        """A missing permission has a status of its own only sometimes."""
        if answer.status_code in (400, 404, 500) and "permissions prevented the action" in _explain(answer):
            return Unauthorized(
                ADAPTER,
                subject,
                "The app may not read this.",
                "In Business Central, open Microsoft Entra Applications and give it a permission set that may.",
            )
        return None


def _explain(answer: httpx2.Response) -> str:
    """The message of an OData error, or of a refusal by Entra (whose first line says it)."""
    try:
        told = answer.json()
        error = told["error"]
        return str(error["message"] if isinstance(error, dict) else told.get("error_description", error))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
