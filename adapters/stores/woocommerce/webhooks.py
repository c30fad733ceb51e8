"""Verifies WooCommerce's webhooks and reads them as hints. Stateless, no network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.stores.woocommerce import shapes
from connector.ports.errors import Rejected, Unauthorized
from connector.ports.stores import StoreHint, VerifiedDelivery

ADAPTER = "woocommerce"
_PING = re.compile(rb"webhook_id=\d{1,20}")


class WooCommerceWebhooks:
    """See `connector.ports.stores.StoreWebhooks`.

    The signature covers the body only, not the headers: topic and delivery id may be forged by whoever
    holds a signed body, which is one more reason why a hint is never the truth.
    """

    def verify(
        self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
    ) -> VerifiedDelivery | None:
        """base64(HMAC-SHA256(secret, raw body)). A new webhook's ping is an unsigned form: None."""
        found = {name.lower(): value for name, value in headers.items()}
        given = found.get("x-wc-webhook-signature")
        if given is None:
            if _PING.fullmatch(body) and not any(name.startswith("x-wc-webhook-") for name in found):
                return None
            raise _unauthorized("It carries no signature.")
        sent = given.strip().encode("utf-8", "surrogatepass")
        # Every secret is tried, so that the time taken tells nothing about which one held; an empty
        # secret would let anybody sign.
        matches = [hmac.compare_digest(sent, _signature(secret, body)) for secret in secrets if secret]
        if not any(matches):
            raise _unauthorized("Its signature does not hold.")
        delivery_id = found.get("x-wc-webhook-delivery-id", "").strip()
        topic = found.get("x-wc-webhook-topic", "").strip()
        return VerifiedDelivery(
            # A proxy that drops the header must not make all deliveries one.
            delivery_id=delivery_id or hashlib.sha256(topic.encode("utf-8", "replace") + body).hexdigest(),
            topic=topic,
            source=found.get("x-wc-webhook-source", "").strip(),
        )

    def read(self, topic: str, body: bytes) -> StoreHint:
        """Our own writes arrive as product.updated like everybody's: nothing tells them apart."""
        resource, _, event = topic.partition(".")
        if resource not in ("product", "order"):
            return StoreHint("other", detail=topic)
        data = _object(topic, body)
        external_id = str(data["id"])
        if resource == "order":
            return self._order(topic, event, data)
        if event == "deleted":
            return StoreHint("product", (external_id,), detail="deleted")
        if event != "updated" or shapes.is_variable(data) or data.get("manage_stock") is not True:
            # A variation is read again with its product.
            return StoreHint("product", (str(data.get("parent_id") or external_id),), detail=event)
        number = shapes.whole(data.get("stock_quantity"))
        return StoreHint("stock", (external_id,), {} if number is None else {external_id: number})

    def _order(self, topic: str, event: str, data: Mapping[str, Any]) -> StoreHint:
        if event not in ("created", "updated", "restored"):
            # A deleted order keeps what it took off the stock; it is only gone from the list.
            return StoreHint("other", detail=topic)
        try:
            order = shapes.order(data)
        except (AttributeError, TypeError, KeyError) as exc:
            raise _rejected(topic) from exc
        if order is None:
            raise _rejected(topic)
        return StoreHint("order", order=order)


def _signature(secret: str, body: bytes) -> bytes:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())


def _object(topic: str, body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _rejected(topic) from exc
    number = data.get("id") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(number, int) or isinstance(number, bool):
        raise _rejected(topic)
    return data


def _rejected(topic: str) -> Rejected:
    return Rejected(ADAPTER, f"webhook {topic}", "Its body is not what the topic says.")


def _unauthorized(cause: str) -> Unauthorized:
    return Unauthorized(
        ADAPTER, "webhook", cause, "Connect the shop again, so that it signs with the present secret."
    )
