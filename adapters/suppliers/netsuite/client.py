"""Talks to one NetSuite account by SuiteQL over REST. Reads only.

Facts (docs.oracle.com): OAuth 2.0 client credentials, the client proving itself by a JWT signed with PS256 to
PS512 or ES256 to ES512 (no RS256), of less than an hour, for the account's own token address, with the
certificate's id as `kid`. SuiteQL is a POST with `Prefer: transient`; a page has at most 1,000 rows and a query
100,000; values are texts and what is null is left out. Errors are in `o:errorDetails`; more calls at once than
the account may make are 429. A table that the role may not see “was not found”, with status 400.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from adapters.kit.api import Api, Rate
from adapters.kit.errors import Row
from adapters.kit.oauth import ClientCredentials
from adapters.kit.paging import Page, by_number
from connector.ports.errors import FileFault, PortError, RateLimited, Unauthorized
from connector.registry import Environment

ADAPTER = "netsuite"
PAGE = 1_000
ASSERTION_S = 300
Record = Mapping[str, Any]

_ROWS = (
    Row(
        401,
        Unauthorized,
        "NetSuite refused the login.",
        "Look at Setup, Users/Roles, View Login Audit Trail: it says why. The certificate may have ended.",
    ),
    Row(
        403,
        Unauthorized,
        "The role may not do this.",
        "Give it REST Web Services, SuiteAnalytics Workbook, Items and Locations, and log in by OAuth 2.0.",
    ),
    # How long to wait it does not say: what is limited is how many calls run at once.
    Row(429, RateLimited, "The account makes too many calls at once.", retry_after_s=10.0),
)


@dataclass(frozen=True, slots=True)
class Key:
    """Who asks: an integration's client id, a certificate's id and the private key it was made of."""

    client_id: str
    certificate_id: str
    private: RSAPrivateKey | EllipticCurvePrivateKey
    algorithm: str

    def __repr__(self) -> str:
        return f"Key({self.algorithm})"


class NetSuite:
    """One account. Thread-safe; construction does no network. `clock` is the wall clock, given in tests."""

    def __init__(
        self,
        environment: Environment,
        account: str,
        base: str,
        key: Key,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.subject = f"NetSuite {account}"
        self._key = key
        self._clock = clock
        self._token_url = f"{base}/services/rest/auth/oauth2/v1/token"
        login = Api(environment, ADAPTER, base, account=f"{account}:login", rows=_ROWS, explain=_explain)
        self._api = Api(
            environment,
            ADAPTER,
            base,
            account=account,
            headers={"Prefer": "transient", "Accept": "application/json"},
            sign=ClientCredentials(
                login,
                self._token_url,
                key.client_id,
                "",
                assertion=self._assertion,
                refused=(
                    "NetSuite refused the certificate or the integration.",
                    "Check client ID, certificate ID and private key. A certificate that has ended, or that a "
                    "refreshed sandbox forgot, is entered anew in OAuth 2.0 Client Credentials Setup.",
                ),
            ),
            rows=_ROWS,
            rate=Rate(calls=20, within_s=10),
            secrets=(key.certificate_id, key.client_id),
            explain=_explain,
            judge=self._judge,
        )

    def query(self, sql: str, subject: str) -> Iterator[Record]:
        """Every row of a SuiteQL query whose order is complete, texts by name of column in lower case; nulls are
        missing. Raises Unauthorized where the role may not see a table, ListMoved where rows came or went."""
        return by_number(
            lambda offset: self.page(sql, subject, offset),
            first=0,
            step=None,
            adapter=ADAPTER,
            subject=subject,
        )

    def page(self, sql: str, subject: str, offset: int = 0, limit: int = 0) -> Page[Record]:
        """One page of a query, with how many rows it has in all."""
        found = self._api.json(
            "POST",
            "services/rest/query/v1/suiteql",
            subject=subject,
            params={"limit": str(limit or PAGE), "offset": str(offset)},
            json={"q": sql},
        )
        items = found.get("items") if isinstance(found, dict) else None
        if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
            raise FileFault(
                ADAPTER,
                subject,
                "NetSuite's answer is not what was asked for.",
                "Check the account.",
                code="bad_json",
            )
        total = found.get("totalResults")
        return Page(items, total if isinstance(total, int) else None)

    def _assertion(self) -> str:
        now = int(self._clock())
        claims = {
            "iss": self._key.client_id,
            "scope": ["rest_webservices"],
            "aud": self._token_url,
            "iat": now,
            "exp": now + ASSERTION_S,
        }
        headers = {"kid": self._key.certificate_id}
        return jwt.encode(claims, self._key.private, algorithm=self._key.algorithm, headers=headers)

    def _judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        if answer.status_code == 400 and "was not found" in _explain(answer):
            return Unauthorized(
                ADAPTER,
                subject,
                "NetSuite shows this role no such records.",
                "Give the role the right to view Items, Locations and, for what is on order, Purchase Orders.",
            )
        return None


def _explain(answer: httpx2.Response) -> str:
    try:
        told = answer.json()
        details = told.get("o:errorDetails")
        return str(
            details[0]["detail"] if details else told.get("error_description") or told.get("error") or ""
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return ""
