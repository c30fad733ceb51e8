"""Shopify by the Admin GraphQL API 2026-10: what the registry loads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.stores.shopify.adapter import ShopifyStore
from adapters.stores.shopify.app import ShopifyApp, checked_base_url, grant_url
from adapters.stores.shopify.care import ShopifyCare
from adapters.stores.shopify.client import ADAPTER, ShopifyClient
from adapters.stores.shopify.coupons import SCOPES as COUPON_SCOPES
from adapters.stores.shopify.coupons import ShopifyCoupons
from adapters.stores.shopify.fulfilment import SCOPE as PLACES_SCOPE
from adapters.stores.shopify.incoming import SCOPES as INCOMING_SCOPES
from adapters.stores.shopify.partner import PARTNER_URL, PartnerClient
from adapters.stores.shopify.plans import AppPricingPlans, BillingPlans
from adapters.stores.shopify.sdk import SHOP_DOMAIN
from adapters.stores.shopify.webhooks import ShopifyWebhooks
from connector.ports.entitlements import Entitlements
from connector.ports.errors import Misconfigured
from connector.registry import AppKeys, Environment, Field, Manifest

_LOCATION = re.compile(r"(?:gid://shopify/Location/)?(\d+)")


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> ShopifyStore:
    """The shop named by `shop`. Raises Misconfigured; does no network.

    `base_url` replaces the shop's own address, for a simulator only: its host must be one the operator
    allows in `allowed_private_hosts`, so that a token never goes to a stranger.
    """
    client = _client(config, secrets, environment)
    location = str(config.get("location_id") or "").strip()
    number = _LOCATION.fullmatch(location)
    if location and not number:
        raise _wrong(
            "location_id", client.shop, "It is not a location's id.", "Enter the number of a location."
        )
    if not secrets.get("api_secret") and environment.access_tokens is None:
        raise _wrong(
            "api_secret",
            client.shop,
            "There is no client secret to verify webhooks with.",
            "Copy it from the app.",
        )
    scopes = frozenset(part.strip() for part in str(config.get("scopes") or "").split(",") if part.strip())
    return ShopifyStore(client, f"gid://shopify/Location/{number[1]}" if number else None, scopes)


def entitlements(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment, keys: AppKeys
) -> Entitlements:
    """What knows the plan of the shop: the organization where the operator gave its token, else the shop itself.
    Raises Misconfigured; does no network."""
    client = _client(config, secrets, environment)
    if not keys.partner_token:
        return BillingPlans(client)
    base_url = checked_base_url(environment, "the Partner API", keys.partner_base_url) or PARTNER_URL
    partner = PartnerClient(environment, keys.partner_organization, keys.partner_token, base_url)
    return AppPricingPlans(client, partner)


def coupons(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> ShopifyCoupons:
    """The shop's discount codes. Raises Misconfigured; does no network."""
    return ShopifyCoupons(_client(config, secrets, environment))


def care(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> ShopifyCare:
    """The shop's orders, to refund and to change. Raises Misconfigured; does no network."""
    return ShopifyCare(_client(config, secrets, environment))


def _client(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> ShopifyClient:
    shop = str(config.get("shop") or "").strip().lower().removeprefix("https://").rstrip("/")
    if not SHOP_DOMAIN.fullmatch(shop):
        raise _wrong("shop", shop, "It is not a shop's own domain.", "Enter it as name.myshopify.com.")
    token = secrets.get("access_token") or ""
    if not token:
        raise _wrong("access_token", shop, "There is no access token.", "Install the app on the shop.")
    base_url = checked_base_url(environment, shop, str(config.get("base_url") or ""))
    tokens = environment.access_tokens or token
    return ShopifyClient(environment, shop, tokens, base_url or f"https://{shop}")


def _wrong(field: str, shop: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured(ADAPTER, shop or "the connection", cause, remedy, field=field)


MANIFEST = Manifest(
    name=ADAPTER,
    title="Shopify",
    fields=(
        Field("shop", "Shop domain", help="The shop's own address, name.myshopify.com."),
        Field("access_token", "Admin API access token", is_secret=True, help="Given at the installation."),
        Field(
            "api_secret",
            "Client secret",
            is_secret=True,
            help="Signs the webhooks; from the app.",
            is_from_app=True,
        ),
        Field("client_id", "Client ID", is_required=False, help="Needed to refresh an expiring token."),
        Field(
            "refresh_token",
            "Refresh token",
            is_secret=True,
            is_required=False,
            help="Given with an expiring access token.",
        ),
        Field(
            "location_id",
            "Written location",
            is_required=False,
            help="The one location Dispo writes. Empty: the only one that sells online.",
        ),
        Field("scopes", "Granted scopes", is_required=False, help="Filled in by the installation."),
        Field("base_url", "Simulator address", is_required=False, help="Only for a simulator."),
    ),
    build=build,
    webhooks=ShopifyWebhooks,
    app=ShopifyApp,
    coupons=coupons,
    care=care,
    entitlements=entitlements,
    grants={
        "orders": ("read_orders",),
        "incoming": INCOMING_SCOPES,
        "locations": (PLACES_SCOPE,),
        "refunds": ("write_orders",),
        "edits": ("write_order_edits",),
        "coupons": COUPON_SCOPES,
    },
    grant_url=grant_url,
    help_page="docs/adapters/shopify.md",
)
