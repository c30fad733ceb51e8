"""WooCommerce: REST API v3 through the `woocommerce` library, webhooks, badge facts as product meta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.registry import Environment, Field, Manifest


def _client(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> Any:
    # Imported on use: the library brings requests with it.
    from adapters.stores.woocommerce.client import Client

    return Client(
        str(config.get("url", "")),
        secrets.get("consumer_key", ""),
        secrets.get("consumer_secret", ""),
        environment,
    )


def _build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> Any:
    from adapters.stores.woocommerce.adapter import WooCommerceStore

    return WooCommerceStore(_client(config, secrets, environment))


def _coupons(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> Any:
    from adapters.stores.woocommerce.coupons import WooCommerceCoupons

    return WooCommerceCoupons(_client(config, secrets, environment))


def _care(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> Any:
    from adapters.stores.woocommerce.care import WooCommerceCare

    return WooCommerceCare(_client(config, secrets, environment))


def _webhooks() -> Any:
    from adapters.stores.woocommerce.webhooks import WooCommerceWebhooks

    return WooCommerceWebhooks()


def _handover(environment: Environment) -> Any:
    from adapters.stores.woocommerce.handover import WooCommerceHandover

    return WooCommerceHandover(environment)


MANIFEST = Manifest(
    name="woocommerce",
    title="WooCommerce",
    fields=(
        Field("url", "Shop address", help="For example https://shop.example"),
        Field("consumer_key", "Consumer key", is_secret=True, help="Begins with ck_"),
        Field("consumer_secret", "Consumer secret", is_secret=True, help="Begins with cs_"),
    ),
    build=_build,
    webhooks=_webhooks,
    handover=_handover,
    coupons=_coupons,
    care=_care,
    help_page="docs/adapters/woocommerce.md",
)
