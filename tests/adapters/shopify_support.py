"""The Shopify adapter on its simulator, for tests."""

from __future__ import annotations

from datetime import date
from typing import Any

from adapters.stores.shopify.adapter import ShopifyStore
from adapters.stores.shopify.client import ShopifyClient
from connector.ports.stores import BadgeFacts
from connector.registry import Environment
from simulator.shopify import ShopifyServer
from simulator.shopify.model import DEFAULT_SCOPES

TOKEN = "shpat_conformance_token"
SECRET = "conformance webhook secret"
ENVIRONMENT = Environment(allowed_private_hosts=frozenset({"127.0.0.1"}), timeout_s=30.0)


def connected(
    server: ShopifyServer,
    token: str = TOKEN,
    location_id: str | None = None,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
    **options: Any,
) -> ShopifyStore:
    """The adapter without real waiting; `options` go to the client."""
    options.setdefault("sleep", lambda seconds: None)
    client = ShopifyClient(ENVIRONMENT, server.domain, token, server.url, **options)
    return ShopifyStore(client, location_id, frozenset(scopes))


def badge_of(value: Any) -> BadgeFacts | None:
    """What a theme reads from the metafield's value."""
    if value is None:
        return None
    dates = {
        name: date.fromisoformat(value[name]) for name in ("restock_on", "restock_until") if name in value
    }
    return BadgeFacts(value["state"], value.get("count"), **dates)
