"""Shopify's own library, `shopifyapp`, behind one file: webhook signatures, token exchange and refresh.

Its defects (version 1.0.2) are mended here and nowhere else: a header that is not ASCII raises TypeError;
an ID token without `exp` or `nbf` is accepted and `iss` is not looked at; it opens its own unguarded connections
and repeats failed calls at once; its log records hold bodies, so they are never passed on. Its GraphQL
function is not used: it loses the cost data of a throttled answer (docs/decisions/0002).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
from shopify_app import IdTokenDetails, RequestInput, Res, ShopifyApp, TokenExchangeResult

from adapters.kit.errors import translate
from adapters.kit.http import Client
from adapters.stores.shopify.client import ADAPTER, ROWS
from connector.ports.errors import Misconfigured, Retryable, Unauthorized
from connector.registry import Environment

SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,79}\.myshopify\.com")

_REINSTALL = "Open the app in the Shopify admin, or connect the shop again."


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of offline tokens; store both in one transaction, under a lock for the shop.

    `expires_at` and `refresh_expires_at` are ISO 8601 in UTC, empty for tokens that do not expire.
    `scopes` is Shopify's comma-separated list.
    """

    shop: str
    access_token: str
    refresh_token: str
    expires_at: str
    refresh_expires_at: str
    scopes: str

    def __repr__(self) -> str:
        return f"Tokens(shop={self.shop!r}, expires_at={self.expires_at!r})"


def signature_holds(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> bool:
    """Whether the webhook's HMAC over the raw bytes holds under any of `secrets`; never raises."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        # The library takes text only. Shopify sends UTF-8, so this is not Shopify.
        return False
    asked: RequestInput = {"method": "POST", "url": "", "headers": dict(headers), "body": text}
    for secret in secrets:
        if not secret:
            continue
        try:
            if _app("webhooks", secret).verify_webhook_req(asked).ok:
                return True
        except (TypeError, ValueError):
            # hmac.compare_digest refuses text that is not ASCII.
            return False
    return False


@dataclass(frozen=True, slots=True)
class IdToken:
    """A verified ID token: who looks at the embedded app, of which shop, and the library's own form of it."""

    shop: str
    user_id: str
    details: IdTokenDetails = field(repr=False)
    refusal: Res | None = field(repr=False)


def verify_id_token(client_id: str, secrets: Sequence[str], id_token: str) -> IdToken:
    """The token's person and shop; `secrets` are the app's present one and, after a rotation, the old one.

    Raises Unauthorized for a token that is not Shopify's, has no end or no beginning, is outside of them
    (ten seconds of the clocks' difference are allowed), or is for another app or shop.
    """
    asked: RequestInput = {
        "method": "GET",
        "url": "https://app.invalid/",
        "headers": {"authorization": f"Bearer {id_token}"},
        "body": "",
    }
    try:
        # The path is only for redirects of pages without a token; a token in the header never needs it.
        seen = _app(client_id, *secrets[:2]).verify_app_home_req(asked, "/session-token")
    except (TypeError, ValueError, RecursionError) as exc:
        raise _bad_id_token() from exc
    if not seen.ok or seen.id_token is None:
        raise _bad_id_token()
    claims = seen.id_token.claims
    shop = _shop_of(claims.get("dest"))
    if not shop or _shop_of(claims.get("iss")) != shop or not {"exp", "nbf"} <= claims.keys():
        raise _bad_id_token()
    return IdToken(shop, str(claims.get("sub") or ""), seen.id_token, seen.invalid_token_response)


def _shop_of(url: object) -> str:
    """The shop's domain in a claim such as https://name.myshopify.com/admin, else nothing."""
    try:
        parts = urlsplit(str(url))
        is_plain = parts.scheme == "https" and parts.netloc == parts.hostname
    except ValueError:
        return ""
    return parts.netloc if is_plain and SHOP_DOMAIN.fullmatch(parts.netloc) else ""


def exchange_id_token(
    environment: Environment,
    client_id: str,
    secret: str,
    id_token: str,
    base_url: str = "",
    *,
    old_secret: str = "",
) -> Tokens:
    """The shop's first pair of expiring offline tokens, for an ID token of the embedded app.

    Raises Unauthorized for an ID token that `verify_id_token` refuses, or Shopify itself.
    """
    seen = verify_id_token(client_id, (secret, old_secret), id_token)
    result = _app(client_id, secret).exchange_using_token_exchange(
        "offline",
        seen.details,
        seen.refusal,
        http_client=_poster(environment, seen.shop, base_url),
    )
    return _tokens(result, seen.shop)


def relayed_shop(secrets: Sequence[str], query: str) -> str:
    """The shop for which Shopify's app proxy passes a request on; "" when its query string is not signed
    with any of `secrets` or its timestamp is more than 90 seconds off. Never raises for what came in."""
    asked: RequestInput = {
        "method": "GET",
        "url": f"https://app.invalid/?{query}",
        "headers": {},
        "body": "",
    }
    try:
        if not _app("proxy", *secrets[:2]).verify_app_proxy_req(asked).ok:
            return ""
        named = parse_qs(query, keep_blank_values=True).get("shop", [])
    except (TypeError, ValueError):
        # Signatures that are not ASCII, and queries with too many fields.
        return ""
    return named[0] if len(named) == 1 and SHOP_DOMAIN.fullmatch(named[0]) else ""


def refresh(
    environment: Environment,
    client_id: str,
    secret: str,
    shop: str,
    refresh_token: str,
    base_url: str = "",
) -> Tokens:
    """A new pair for an expiring token. The old refresh token works again until the new one was used,
    so a crash before the new pair is stored does no harm.

    Raises Unauthorized when the refresh token is used up, revoked, or older than 90 days.
    """
    given = {
        "shop": shop.removesuffix(".myshopify.com"),
        "refresh_token": refresh_token,
        "expires": "",
        "refresh_token_expires": "",
        "access_mode": "offline",
    }
    result = _app(client_id, secret).refresh_token_exchanged_access_token(
        given, http_client=_poster(environment, shop, base_url)
    )
    return _tokens(result, shop)


class _Poster:
    """Stands in for the library's HTTP client: guarded, to one shop only, without its repetitions."""

    def __init__(self, environment: Environment, shop: str, base_url: str) -> None:
        self._shop = shop
        self._client = Client(environment, ADAPTER, base_url or f"https://{shop}")

    def post(self, url: str, *, json: Any, headers: Mapping[str, str]) -> httpx2.Response:
        # The address is built by the library from the shop's name; only its path is taken.
        answer = self._client.request("POST", urlsplit(url).path, json=json, headers=headers, is_read=True)
        if answer.status_code == 429 or answer.status_code >= 500:
            # Raised through the library, which would try again at once: retries belong to the caller.
            raise translate(
                answer.status_code,
                ROWS,
                adapter=ADAPTER,
                subject=f"tokens of {self._shop}",
                headers=answer.headers,
            )
        if answer.status_code == 200:
            try:
                answer.json()
            except ValueError as exc:
                # The library would let this through as a ValueError.
                raise Retryable(ADAPTER, f"tokens of {self._shop}", "The answer is not JSON.") from exc
        return answer


def _poster(environment: Environment, shop: str, base_url: str) -> httpx.Client:
    # The library only calls `post` on what it is given; its annotation asks for more.
    return cast(httpx.Client, _Poster(environment, shop, base_url))


def _app(client_id: str, secret: str, old_secret: str = "") -> ShopifyApp:
    if not client_id or not secret:
        raise Misconfigured(
            ADAPTER,
            "the app's credentials",
            "The client id or the secret is empty.",
            "Copy both from the app's settings in Shopify's Dev Dashboard.",
            field="client_id" if not client_id else "api_secret",
        )
    return ShopifyApp(client_id=client_id, client_secret=secret, old_client_secret=old_secret or None)


def _tokens(result: TokenExchangeResult, shop: str) -> Tokens:
    found = result.access_token
    if not result.ok or found is None or not found.token:
        if result.log.code == "invalid_client":
            raise Misconfigured(
                ADAPTER,
                f"tokens of {shop}",
                "Shopify does not know this client id and secret.",
                "Copy both from the app's settings in Shopify's Dev Dashboard.",
                field="api_secret",
            )
        raise Unauthorized(
            ADAPTER, f"tokens of {shop}", f"Shopify gave no token ({result.log.code}).", _REINSTALL
        )
    return Tokens(
        shop=shop,
        access_token=found.token,
        refresh_token=found.refresh_token or "",
        expires_at=found.expires or "",
        refresh_expires_at=found.refresh_token_expires or "",
        scopes=found.scope,
    )


def _bad_id_token() -> Unauthorized:
    return Unauthorized(
        ADAPTER, "the session token", "It is not a valid token of Shopify for this app.", "Reload the app."
    )
