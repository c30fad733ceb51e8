"""Shopify's webhooks: the signature over the raw bytes, and the hint in a verified body."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from adapters.stores.shopify import sdk
from adapters.stores.shopify.client import ADAPTER
from adapters.stores.shopify.orders import order_of_webhook
from connector.ports.errors import Rejected, Unauthorized
from connector.ports.installs import PrivacyRequest
from connector.ports.stores import StoreHint, VerifiedDelivery

PRIVACY_TOPICS: Mapping[str, Literal["export", "erase_person", "erase_shop"]] = {
    "customers/data_request": "export",
    "customers/redact": "erase_person",
    "shop/redact": "erase_shop",
}
"""Shopify's compliance topics. They are set in shopify.app.toml, not by the API."""


class ShopifyWebhooks:
    """Implements `StoreWebhooks`. The secret is the app's; after a rotation pass the old one too."""

    def verify(
        self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
    ) -> VerifiedDelivery | None:
        """The delivery when the signature holds; raises Unauthorized otherwise, and nothing else.

        Shopify sends no pings, so the answer is never None.
        """
        named = {str(name).lower(): str(value) for name, value in headers.items()}
        if not sdk.signature_holds(named, body, secrets):
            raise Unauthorized(
                ADAPTER,
                "a webhook",
                "Its signature does not hold.",
                "Check that the app's client secret in Dispo is the one in Shopify's Dev Dashboard.",
            )
        topic = _header(named, "topic")
        # Headers are not signed; without an id, the same bytes count as the same delivery.
        fallback = hashlib.sha256(topic.encode("utf-8", "replace") + b"\n" + body).hexdigest()
        return VerifiedDelivery(
            delivery_id=_header(named, "webhook-id") or fallback,
            topic=topic,
            source=_header(named, "shop-domain").lower(),
            triggered_at=_time(_header(named, "triggered-at")),
        )

    def read(self, topic: str, body: bytes) -> StoreHint:
        """The hint; raises Rejected when the body is not what its topic says."""
        try:
            found = json.loads(body)
            if not isinstance(found, dict):
                raise TypeError("not an object")
            return _hint(topic.lower(), found)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
            raise Rejected(
                ADAPTER, f"webhook {topic}", "The body is not what the topic says.", "Reconcile the store."
            ) from exc


def _hint(topic: str, body: Mapping[str, Any]) -> StoreHint:
    if topic == "inventory_levels/update":
        stock_id = f"gid://shopify/InventoryItem/{int(body['inventory_item_id'])}"
        available = body["available"]
        return StoreHint(
            "stock",
            external_ids=(stock_id,),
            quantities={} if available is None else {stock_id: int(available)},
            location_id=f"gid://shopify/Location/{int(body['location_id'])}",
        )
    if topic in ("products/create", "products/update", "products/delete"):
        return StoreHint("product", external_ids=(f"gid://shopify/Product/{int(body['id'])}",))
    if topic.startswith("orders/") and topic != "orders/delete":
        return StoreHint("order", order=order_of_webhook(body))
    if topic.startswith("inventory_shipments/") or topic == "inventory_transfers/cancel":
        return StoreHint("incoming")
    if topic == "app/scopes_update":
        return StoreHint("grants")
    if topic == "app_subscriptions/update":
        return StoreHint("plan")
    if topic == "app/uninstalled":
        return StoreHint("uninstalled")
    if topic in PRIVACY_TOPICS:
        return StoreHint("privacy", detail=topic, privacy=_privacy(topic, body))
    return StoreHint("other", detail=topic)


def _privacy(topic: str, body: Mapping[str, Any]) -> PrivacyRequest:
    """Who it is about. Shopify leaves out an e-mail address, or a telephone number, that the customer never gave."""
    customer = body.get("customer") or {}
    given = [str(customer.get(name) or "").strip() for name in ("email", "phone")]
    number = (body.get("data_request") or {}).get("id") or customer.get("id") or ""
    return PrivacyRequest(PRIVACY_TOPICS[topic], tuple(one for one in given if one), str(number))


def _header(headers: Mapping[str, str], name: str) -> str:
    """A header in either of Shopify's spellings: webhooks use X-Shopify-, Events use Shopify-."""
    return headers.get(f"x-shopify-{name}") or headers.get(f"shopify-{name}") or ""


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
