"""Talks to Inventory Source's Retailer API with a refresh token. Reads only.

Facts, from developers.inventorysource.com and from the helper that Inventory Source's developer published on npm
(retailer-api-helper 1.0.3): the refresh token is exchanged at Auth0 for an access token of 24 hours and stays as it
is; a pool of 20 requests fills by one in 4 seconds; a catalogue's products come by rising id after `since_id`, as
{data: {products: [{id, sku, quantity, upc, cost, active}]}}. Where the API itself is served is written nowhere in
public, so it is a setting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from adapters.kit.allowance import account_of
from adapters.kit.api import Api, Rate
from adapters.kit.errors import Row
from adapters.kit.http import safe_url
from adapters.kit.paging import by_key
from adapters.kit.shared_token import Fetched, SharedToken
from connector.ports.errors import FileFault, Misconfigured, Unauthorized
from connector.registry import Environment

ADAPTER = "inventory_source"
TOKEN_URL = "https://inventorysource.auth0.com/oauth/token"  # noqa: S105 - an address, not a secret
RATE = Rate(20, 80)
PAGE = 100
MOST_PAGES = 350
"""At a page in 4 seconds, what a turn of a worker has time for."""
A_DAY_S = 86_400.0
Record = Mapping[str, Any]

_ROWS = (
    Row(
        401,
        Unauthorized,
        "Inventory Source refused the access.",
        "Authenticate again and enter the new token.",
    ),
    Row(404, Misconfigured, "There is no such catalogue here.", "Look at its number.", field="catalogs"),
)
_TOKEN_ROWS = tuple(
    Row(
        status,
        Unauthorized,
        "The refresh token was refused.",
        "Under API in your account authenticate again, and enter the new refresh token.",
    )
    for status in (400, 401, 403)
)


class InventorySource:
    """One account. Thread-safe; construction does no network. `client` are its id and secret, where it has one
    of its own."""

    def __init__(
        self, environment: Environment, url: str, refresh_token: str, client: tuple[str, str]
    ) -> None:
        self.subject = safe_url(url)
        self._refresh_token = refresh_token
        self._client = client
        secrets = (refresh_token, client[1])
        account = account_of(refresh_token)
        self._sign_in = Api(
            environment,
            ADAPTER,
            TOKEN_URL,
            account=f"{account}:token",
            rows=_TOKEN_ROWS,
            secrets=secrets,
        )
        self._token = SharedToken(environment, ADAPTER, refresh_token, self._fetch_token)
        self._api = Api(
            environment,
            ADAPTER,
            url,
            account=account,
            sign=lambda renew: {"Authorization": f"Bearer {self._token(renew)}"},
            rows=_ROWS,
            rate=RATE,
            secrets=secrets,
            explain=_told,
        )

    def products(self, catalog: str) -> Iterator[Record]:
        """Every product of a catalogue, {id, sku, quantity, …}."""
        return by_key(
            lambda last: self.page(catalog, last),
            lambda one: _id(one, catalog),
            first=0,
            adapter=ADAPTER,
            subject=f"catalogue {catalog}",
        )

    def page(self, catalog: str, since: int, size: int = 0) -> list[Record]:
        """The products of a catalogue whose ids are greater than `since`."""
        subject = f"catalogue {catalog}"
        params = {"page_size": str(size or PAGE)} | ({"since_id": str(since)} if since else {})
        found = self._api.json("GET", f"v1/catalogs/{catalog}/products", params=params, subject=subject)
        data = found.get("data") if isinstance(found, dict) else None
        products = data.get("products") if isinstance(data, dict) else None
        if not isinstance(products, list) or not all(isinstance(one, dict) for one in products):
            raise senseless(subject)
        return products

    def _fetch_token(self) -> Fetched:
        asked = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        if self._client[0]:
            asked |= {"client_id": self._client[0], "client_secret": self._client[1]}
        found = self._sign_in.json("POST", TOKEN_URL, json=asked, subject="the access token")
        token = found.get("access_token") if isinstance(found, dict) else None
        lives = found.get("expires_in") if isinstance(found, dict) else None
        lives_s = float(lives) if isinstance(lives, int) and 0 < lives <= A_DAY_S else A_DAY_S
        return Fetched(token if isinstance(token, str) else "", lives_s)


def _id(product: Record, catalog: str) -> int:
    value = product.get("id")
    if not isinstance(value, int) or isinstance(value, bool):
        raise senseless(f"catalogue {catalog}")
    return value


def senseless(subject: str) -> FileFault:
    """The answer is not what the API is known to give."""
    return FileFault(
        ADAPTER,
        subject,
        "Inventory Source's answer is not what was asked for.",
        "What was read before is kept. Check the address; the API may have changed.",
        code="bad_json",
    )


def _told(answer: httpx2.Response) -> str:
    try:
        found = json.loads(answer.content)
    except ValueError:
        return ""
    said = found.get("message") or found.get("error") if isinstance(found, dict) else None
    return said if isinstance(said, str) else ""
