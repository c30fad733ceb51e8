"""Google Search Console: how product pages fare in Google's results. Reads only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from adapters.kit.guard import is_allowed_private
from adapters.search.google_search_console.access import TOKEN_URI, Grant, RefreshToken, ServiceAccount
from adapters.search.google_search_console.adapter import SearchConsole
from adapters.search.google_search_console.client import NAME
from connector.ports.errors import Misconfigured
from connector.registry import Environment, Field, Manifest

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> SearchConsole:
    """One site at Search Console; no network.

    Raises Misconfigured when neither a service account's key nor a refresh token with its client is given,
    when the key or the site cannot be one, or an endpoint is not among the hosts the operator allows.
    """
    endpoint = str(config.get("endpoint") or "")
    token_uri = str(config.get("token_uri") or "")
    _require_allowed("endpoint", endpoint, environment)
    _require_allowed("token_uri", token_uri, environment)
    grant = _grant(config, secrets)
    return SearchConsole(
        environment, grant, site_of(str(config.get("site") or "")), endpoint, token_uri or TOKEN_URI
    )


def site_of(given: str) -> str:
    """A property as Google spells it, from what people type; "" for "the only one there is".

    >>> site_of("sc-domain:Shop.example"), site_of("https://Shop.example"), site_of("shop.example")
    ('sc-domain:shop.example', 'https://shop.example/', 'sc-domain:shop.example')
    """
    text = given.strip()
    if not text:
        return ""
    domain = text.lower().removeprefix("sc-domain:")
    if _DOMAIN.fullmatch(domain):
        return f"sc-domain:{domain}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = None, "", None
    if parts is None or parts.scheme.lower() not in ("http", "https") or not host or parts.username:
        raise Misconfigured(
            NAME,
            "site",
            "It is no property of Search Console.",
            "Write a domain (shop.example) or an address prefix (https://www.shop.example/).",
            field="site",
        )
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    return f"{parts.scheme.lower()}://{host}{f':{port}' if port else ''}{path}"


def _grant(config: Mapping[str, Any], secrets: Mapping[str, str]) -> Grant:
    """How we sign in: with a service account's key where there is one, else with a refresh token."""
    key = str(secrets.get("service_account_key") or "").strip()
    if key:
        return _service_account(key)
    values = {
        "client_id": str(config.get("client_id") or "").strip(),
        "client_secret": str(secrets.get("client_secret") or "").strip(),
        "refresh_token": str(secrets.get("refresh_token") or "").strip(),
    }
    if not any(values.values()):
        raise Misconfigured(
            NAME,
            "service_account_key",
            "Nothing is given to sign in with.",
            "Give a service account's key, or a refresh token with its OAuth client.",
            field="service_account_key",
        )
    for name, value in values.items():
        if not value:
            raise Misconfigured(NAME, name, "The setting is missing.", f"Fill in {name}.", field=name)
    return RefreshToken(**values)


def _service_account(key: str) -> ServiceAccount:
    try:
        found = json.loads(key)
        account = ServiceAccount.of(str(found["client_email"]), str(found["private_key"]))
    except (ValueError, TypeError, KeyError) as exc:
        raise Misconfigured(
            NAME,
            "service_account_key",
            "It is not the JSON key of a service account.",
            "In Google Cloud: IAM, Service accounts, Keys, Add key, JSON. Paste the whole file.",
            field="service_account_key",
        ) from exc
    return account


def _require_allowed(name: str, address: str, environment: Environment) -> None:
    """Refuse an address of the merchant's choosing: it would receive what signs us in."""
    if not address:
        return
    try:
        parts = urlsplit(address)
        is_allowed = is_allowed_private(environment, parts.hostname or "", parts.port or 443)
    except ValueError:
        is_allowed = False
    if "@" in address or not is_allowed:
        raise Misconfigured(
            NAME,
            name,
            "This address is not Google's and not among the hosts this installation allows.",
            f"Leave {name} empty, or let the operator allow the host.",
            field=name,
        )


MANIFEST = Manifest(
    name=NAME,
    title="Google Search Console",
    fields=(
        Field(
            "site",
            "Property",
            is_required=False,
            help="As in Search Console: shop.example or https://www.shop.example/. Empty: the only one.",
        ),
        Field(
            "service_account_key",
            "Service account's key (JSON)",
            is_secret=True,
            is_required=False,
            help="The whole file. Add its address as a user of the property in Search Console.",
        ),
        Field("client_id", "OAuth client id", is_required=False, help="Instead of a service account."),
        Field("client_secret", "OAuth client secret", is_secret=True, is_required=False),
        Field(
            "refresh_token",
            "Refresh token",
            is_secret=True,
            is_required=False,
            help="For the scope auth/webmasters.readonly.",
        ),
        Field("endpoint", "API endpoint", is_required=False, help="Empty for Google's own."),
        Field("token_uri", "Token endpoint", is_required=False, help="Empty for Google's own."),
    ),
    build=build,
    help_page="adapters/google-search-console.md",
)
