"""Dispo as an app of Shopify's App Store: managed installation, token exchange and refresh, app proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from adapters.stores.shopify import sdk
from adapters.stores.shopify.client import ADAPTER
from connector.ports.errors import Misconfigured, Unauthorized
from connector.ports.installs import Block, Grant, Visitor
from connector.registry import AppKeys, Environment


class ShopifyApp:
    """Implements `App`. Raises Misconfigured for keys that cannot be; does no network."""

    def __init__(self, keys: AppKeys, environment: Environment) -> None:
        if not keys.client_id or not keys.secret:
            raise Misconfigured(
                ADAPTER,
                "the app",
                "Its client ID or its client secret is missing.",
                "Copy both from the app's settings in Shopify's Dev Dashboard.",
                field="client_id" if not keys.client_id else "api_secret",
            )
        self.client_id = keys.client_id
        self._keys = keys
        self._environment = environment
        self._base_url = checked_base_url(environment, "the app", keys.base_url)

    def visitor(self, token: str) -> Visitor:
        """Whom an ID token of App Bridge speaks for; raises Unauthorized."""
        seen = sdk.verify_id_token(self.client_id, self._keys.secrets, token)
        return Visitor(seen.shop, seen.user_id, token)

    def grant(self, visitor: Visitor) -> Grant:
        """A pair of expiring offline tokens. Shopify revokes the shop's earlier ones."""
        return _grant(
            sdk.exchange_id_token(
                self._environment,
                self.client_id,
                self._keys.secret,
                visitor.token,
                self._base_url,
                old_secret=self._keys.old_secret,
            )
        )

    def renew(self, shop: str, refresh_token: str) -> Grant:
        """The next pair."""
        return _grant(
            sdk.refresh(
                self._environment, self.client_id, self._keys.secret, shop, refresh_token, self._base_url
            )
        )

    def relayed(self, query: str) -> str:
        """The shop whose storefront asks through the app proxy; raises Unauthorized."""
        shop = sdk.relayed_shop(self._keys.secrets, query)
        if not shop:
            raise Unauthorized(
                ADAPTER,
                "a request of the app proxy",
                "Its signature does not hold, or it is older than 90 seconds.",
                "Check the app's client secret, and this machine's clock.",
            )
        return shop

    def config(self, grant: Grant) -> dict[str, Any]:
        """The shop, what it grants, and the simulator's address if there is one."""
        known = {"shop": grant.shop, "scopes": ",".join(sorted(grant.scopes)), "client_id": self.client_id}
        return {**known, "base_url": self._base_url} if self._base_url else known

    def page_ancestors(self, shop: str) -> tuple[str, ...]:
        """The shop's own admin and the common one."""
        if not sdk.SHOP_DOMAIN.fullmatch(shop):
            return ()
        return (f"https://{shop}", "https://admin.shopify.com")

    def block_pages(self, shop: str) -> Mapping[Block, str]:
        """The theme editor, with the block added and not yet saved."""
        if not sdk.SHOP_DOMAIN.fullmatch(shop):
            return {}
        editor = f"https://{shop}/admin/themes/current/editor?"
        return {
            "badge": f"{editor}template=product&addAppBlockId={self.client_id}/availability&target=mainSection",
            "form": f"{editor}template=product&addAppBlockId={self.client_id}/notify-me&target=mainSection",
            "data": f"{editor}context=apps&template=product&activateAppId={self.client_id}/structured-data",
        }


def grant_url(config: Mapping[str, Any], scopes: Sequence[str]) -> str:
    """Shopify's page that asks a merchant for optional scopes and leads back into the app; "" for a shop whose
    app is not known. The app's configuration must name them as optional."""
    shop, client_id = str(config.get("shop") or ""), str(config.get("client_id") or "")
    if not client_id or not sdk.SHOP_DOMAIN.fullmatch(shop):
        return ""
    # As Shopify's own libraries ask outside of the admin's frame; `scope` is empty, the required ones stay.
    query = urlencode({"client_id": client_id, "scope": "", "optional_scopes": ",".join(scopes)})
    return f"https://{shop}/admin/oauth/install?{query}"


def checked_base_url(environment: Environment, subject: str, base_url: str) -> str:
    """The address of a simulator, "" for none. Raises Misconfigured unless its host is one the operator
    allows in `allowed_private_hosts`: a token never goes to a stranger."""
    base_url = base_url.rstrip("/")
    if not base_url:
        return ""
    parts = urlsplit(base_url)
    allowed = {host.lower() for host in environment.allowed_private_hosts}
    if not {(parts.hostname or "").lower(), parts.netloc.lower()} & allowed:
        raise Misconfigured(
            ADAPTER,
            subject,
            "The address is not that of a simulator the operator allows.",
            "Leave it empty for a real shop.",
            field="base_url",
        )
    return base_url


def _grant(tokens: sdk.Tokens) -> Grant:
    return Grant(
        shop=tokens.shop,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        scopes=tuple(part.strip() for part in tokens.scopes.split(",") if part.strip()),
        expires_at=_time(tokens.expires_at),
        refresh_expires_at=_time(tokens.refresh_expires_at),
    )


def _time(text: str) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)
