"""Dispo as a single-click app of BigCommerce's App Marketplace: implements `CodeApp`.

Access comes with the installation alone and does not expire; everything later carries a signed payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from adapters.stores.bigcommerce import install
from adapters.stores.bigcommerce.client import ADAPTER
from connector.ports.errors import Misconfigured, Unauthorized
from connector.ports.installs import Block, Grant, Leaver, Visitor
from connector.registry import AppKeys, Environment


class BigCommerceApp:
    """Raises Misconfigured for keys that cannot be; does no network."""

    def __init__(self, keys: AppKeys, environment: Environment) -> None:
        if not keys.client_id or not keys.secret:
            raise Misconfigured(
                ADAPTER,
                "the app",
                "Its client ID or its client secret is missing.",
                "Copy both from the app in BigCommerce's Developer Portal.",
                field="client_id" if not keys.client_id else "api_secret",
            )
        self.client_id = keys.client_id
        self._keys = keys
        self._environment = environment
        self._base_url = _checked(environment, keys.base_url)

    def visitor(self, token: str) -> Visitor:
        """Whom a signed payload speaks for; the shop is the store's hash."""
        seen = self._caller(token)
        return Visitor(seen.store_hash, seen.user_id, token)

    def leaver(self, token: str) -> Leaver:
        seen = self._caller(token)
        return Leaver(seen.store_hash, seen.user_id, seen.is_owner, seen.made_at or datetime.now(UTC))

    def _caller(self, token: str) -> install.Caller:
        refused: Unauthorized | None = None
        for secret in self._keys.secrets:
            try:
                return install.verify_payload(
                    token, install.AppKeys(self.client_id, secret), datetime.now(UTC)
                )
            except Unauthorized as error:
                refused = refused or error
        raise refused or Unauthorized(ADAPTER, "a call from BigCommerce", "It is not signed for this app.")

    def installed(self, query: Mapping[str, str], redirect_uri: str) -> tuple[Visitor, Grant]:
        """Exchanges the code of the auth callback."""
        keys = install.AppKeys(self.client_id, self._keys.secret, redirect_uri)
        found = install.exchange_code(
            self._environment, keys, query, login_url=self._base_url or install.LOGIN_URL
        )
        grant = Grant(found.store_hash, found.access_token, "", found.scopes, None, None)
        return Visitor(found.store_hash, found.user_id, ""), grant

    def grant(self, visitor: Visitor) -> Grant:
        """Always refused: nobody but the installation gives access."""
        raise self._again(visitor.shop)

    def renew(self, shop: str, refresh_token: str) -> Grant:
        """Always refused: the access does not expire, and what ended is given by a new installation."""
        raise self._again(shop)

    def _again(self, shop: str) -> Unauthorized:
        return Unauthorized(
            ADAPTER,
            f"store {shop}",
            "Dispo has no access to this store any more.",
            "Install Dispo again from the BigCommerce App Marketplace.",
        )

    def relayed(self, query: str) -> str:
        """Always refused: BigCommerce relays no requests of storefronts."""
        raise Unauthorized(ADAPTER, "a relayed request", "BigCommerce relays none.")

    def config(self, grant: Grant) -> dict[str, Any]:
        """The store, twice: as the adapter calls it, and as what its webhooks must name."""
        known = {
            "store_hash": grant.shop,
            "shop": grant.shop,
            "scopes": " ".join(grant.scopes),
            "client_id": self.client_id,
        }
        return {**known, "base_url": self._base_url} if self._base_url else known

    def page_ancestors(self, shop: str) -> tuple[str, ...]:
        """The store's own control panel, and the address where people sign in to it."""
        if not shop.isascii() or not shop.isalnum() or len(shop) > 40:
            return ()
        return (f"https://store-{shop.lower()}.mybigcommerce.com", "https://login.bigcommerce.com")

    def block_pages(self, shop: str) -> Mapping[Block, str]:
        """None: our script finds the product page by itself."""
        return {}


def _checked(environment: Environment, base_url: str) -> str:
    """The address of a simulator, "" for none: a code and our secret never go to a stranger."""
    base_url = base_url.rstrip("/")
    parts = urlsplit(base_url)
    allowed = {host.lower() for host in environment.allowed_private_hosts}
    if base_url and not {(parts.hostname or "").lower(), parts.netloc.lower()} & allowed:
        raise Misconfigured(
            ADAPTER,
            "the app",
            "The address is not that of a simulator the operator allows.",
            "Leave it empty for real stores.",
            field="base_url",
        )
    return base_url
