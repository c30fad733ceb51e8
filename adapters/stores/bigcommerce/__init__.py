"""BigCommerce by its V3 REST API (V2 where V3 has nothing): what the registry loads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import urlsplit

from adapters.stores.bigcommerce.adapter import BigCommerceStore
from adapters.stores.bigcommerce.app import BigCommerceApp
from adapters.stores.bigcommerce.care import BigCommerceCare
from adapters.stores.bigcommerce.client import ADAPTER, API_URL, BigCommerceClient
from adapters.stores.bigcommerce.coupons import BigCommerceCoupons
from adapters.stores.bigcommerce.notes import BigCommerceNotes
from adapters.stores.bigcommerce.storefront import BigCommerceScripts
from adapters.stores.bigcommerce.webhooks import BigCommerceWebhooks
from connector.ports.errors import Misconfigured
from connector.ports.storefronts import Consent
from connector.registry import Environment, Field, Manifest

_HASH = re.compile(r"[a-z0-9]{3,40}")
# A merchant copies the API path or the control panel's address as often as the bare hash.
_AROUND = re.compile(
    r"(?:.*/)?stores/([a-z0-9]+)(?:/.*)?|https://store-([a-z0-9]+)\.mybigcommerce\.com(?:/.*)?"
)


def build(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> BigCommerceStore:
    """The store named by `store_hash`. Raises Misconfigured; does no network."""
    client = client_of(config, secrets, environment)
    location = str(config.get("location_id") or "").strip()
    if location and not location.isdecimal():
        raise _wrong(
            "location_id", client.store_hash, "It is not a location's id.", "Enter a location's number."
        )
    consent = str(config.get("script_consent") or "essential")
    if consent not in get_args(Consent):
        raise _wrong(
            "script_consent",
            client.store_hash,
            f"There is no consent category {consent[:40]!r}.",
            f"Use one of: {', '.join(get_args(Consent))}.",
        )
    scopes = frozenset(re.split(r"[\s,]+", str(config.get("scopes") or ""))) - {""}
    return BigCommerceStore(client, location or None, scopes)


def scripts(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> BigCommerceScripts:
    """The storefront script of the store. Raises Misconfigured; does no network."""
    return BigCommerceScripts(client_of(config, secrets, environment))


def notes(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> BigCommerceNotes:
    """The store's own fields about availability. Raises Misconfigured; does no network."""
    return BigCommerceNotes(client_of(config, secrets, environment))


def coupons(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> BigCommerceCoupons:
    """The store's coupon codes. Raises Misconfigured; does no network."""
    return BigCommerceCoupons(client_of(config, secrets, environment))


def care(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> BigCommerceCare:
    """The store's orders, to refund. Raises Misconfigured; does no network."""
    return BigCommerceCare(client_of(config, secrets, environment))


def client_of(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> BigCommerceClient:
    """The API of a connection's store, also for `storefront`. Raises Misconfigured; does no network.

    `base_url` replaces BigCommerce's own address, for a simulator only: its host must be one the operator
    allows in `allowed_private_hosts`, so that a token never goes to a stranger.
    """
    store_hash = store_hash_of(str(config.get("store_hash") or ""))
    token = (secrets.get("access_token") or "").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise _wrong("access_token", store_hash, "There is no usable access token.", "Install the app again.")
    base_url = str(config.get("base_url") or "").rstrip("/")
    if base_url:
        parts = urlsplit(base_url)
        allowed = {host.lower() for host in environment.allowed_private_hosts}
        if not {(parts.hostname or "").lower(), parts.netloc.lower()} & allowed:
            raise _wrong(
                "base_url",
                store_hash,
                "The address is not that of a simulator the operator allows.",
                "Leave it empty for a real store.",
            )
    return BigCommerceClient(environment, store_hash, token, base_url or API_URL)


def store_hash_of(text: str) -> str:
    """The store hash in what a merchant pasted: the hash, an API path or a control panel's address.
    Raises Misconfigured(field="store_hash").

    >>> store_hash_of("https://store-z4zn3wo.mybigcommerce.com/manage")
    'z4zn3wo'
    """
    given = text.strip().lower()
    around = _AROUND.fullmatch(given)
    found = (around[1] or around[2]) if around else given
    if not _HASH.fullmatch(found):
        raise _wrong(
            "store_hash",
            given,
            "It is not a store's hash.",
            "Take it from the control panel's address: store-HASH.mybigcommerce.com.",
        )
    return found


def _wrong(field: str, store_hash: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured(ADAPTER, store_hash[:60] or "the connection", cause, remedy, field=field)


MANIFEST = Manifest(
    name=ADAPTER,
    title="BigCommerce",
    fields=(
        Field(
            "store_hash", "Store hash", help="In the control panel's address: store-HASH.mybigcommerce.com"
        ),
        Field("access_token", "Access token", is_secret=True, help="Given at the installation."),
        Field(
            "api_secret",
            "Client secret",
            is_secret=True,
            help="Signs the webhooks; from the API account.",
            is_from_app=True,
        ),
        Field("client_id", "Client ID", is_required=False, help="Filled in by the installation."),
        Field(
            "location_id",
            "Written location",
            is_required=False,
            help="The number of the one location Dispo writes. Empty: the default location.",
        ),
        Field(
            "script_consent",
            "Consent category of the storefront script",
            is_required=False,
            help="essential, functional, analytics or targeting. Empty: essential.",
        ),
        Field("scopes", "Granted scopes", is_required=False, help="Filled in by the installation."),
        Field("base_url", "Simulator address", is_required=False, help="Only for a simulator."),
    ),
    build=build,
    webhooks=BigCommerceWebhooks,
    app=BigCommerceApp,
    scripts=scripts,
    notes=notes,
    coupons=coupons,
    care=care,
    help_page="docs/adapters/bigcommerce.md",
)
