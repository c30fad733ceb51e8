"""BigCommerce's webhooks: Standard Webhooks signatures over the raw bytes, and the hint in a verified body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.stores.bigcommerce.client import ADAPTER
from connector.ports.errors import Rejected, Unauthorized
from connector.ports.stores import StoreHint, VerifiedDelivery

_STOCK = frozenset({"stock_changed", "low_stock_reached", "out_of_stock_reached"})


class BigCommerceWebhooks:
    """Implements `StoreWebhooks`. The secret is the app's client secret; after a rotation pass the old one too.

    Bodies name ids and carry nothing else, so every hint sends Dispo to read.
    """

    def verify(
        self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
    ) -> VerifiedDelivery | None:
        """base64(HMAC-SHA256(client secret, "id.timestamp.body")), one of those in webhook-signature.

        The age of the timestamp is not judged: retries come up to 48 hours late, and a delivery that is
        played again has its id again, which the receiver knows. Never None: BigCommerce sends no pings.
        """
        named = {str(name).lower(): str(value) for name, value in headers.items()}
        message_id, timestamp = named.get("webhook-id", ""), named.get("webhook-timestamp", "")
        given = named.get("webhook-signature", "")
        if not message_id or not timestamp or not given:
            raise _unauthorized("It carries no signature.")
        prefix = f"{message_id}.{timestamp}.".encode("utf-8", "surrogatepass")
        sent = [one.encode("utf-8", "surrogatepass") for one in given.split(" ")[:10]]
        # Every secret is tried, so that the time taken tells nothing about which one held; an empty
        # secret would let anybody sign.
        matches = [
            hmac.compare_digest(one, _signature(secret, prefix + body))
            for secret in secrets
            if secret
            for one in sent
        ]
        if not any(matches):
            raise _unauthorized("Its signature does not hold.")
        found = _parsed(body)
        return VerifiedDelivery(
            delivery_id=message_id,
            topic=str(found.get("scope") or ""),
            source=str(found.get("producer") or "").removeprefix("stores/"),
            triggered_at=_time(found.get("created_at")),
        )

    def read(self, topic: str, body: bytes) -> StoreHint:
        """The hint; raises Rejected when the body is not what its topic says."""
        resource, _, event = topic.removeprefix("store/").rpartition("/")
        if not topic.startswith("store/") or resource.partition("/")[0] not in _KNOWN:
            return StoreHint("other", detail=topic)
        try:
            data = _parsed(body)["data"]
            return _hint(topic, resource, event, data)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise Rejected(
                ADAPTER, f"webhook {topic}", "The body is not what the topic says.", "Reconcile the store."
            ) from exc


_KNOWN = frozenset({"channel", "order", "product", "sku", "app"})


def _hint(topic: str, resource: str, event: str, data: Mapping[str, Any]) -> StoreHint:
    if event in _STOCK and resource.endswith("/inventory/product"):
        place = str(_id(data["location_id"]))
        if data.get("variant_id"):
            return StoreHint("stock", (str(_id(data["variant_id"])),), location_id=place)
        return StoreHint("stock", (f"product:{_id(data['product_id'])}",), location_id=place)
    if resource == "order":
        return StoreHint("order", (str(_id(data["id"])),), detail=event)
    if resource == "product" and event in ("created", "updated", "deleted"):
        return StoreHint("product", (str(_id(data["id"])),), detail=event)
    if resource == "sku" and event in ("created", "updated", "deleted"):
        return StoreHint("product", (str(_id(data["sku"]["product_id"])),), detail=event)
    if topic == "store/app/uninstalled":
        if not isinstance(data, Mapping):
            raise TypeError("not an object")
        return StoreHint("uninstalled")
    return StoreHint("other", detail=topic)


def _id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not an id")
    return value


def _signature(secret: str, signed: bytes) -> bytes:
    return b"v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest())


def _parsed(body: bytes) -> dict[str, Any]:
    """The body's object, empty when it is none: a signed body is not thereby a sensible one."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _unauthorized(cause: str) -> Unauthorized:
    return Unauthorized(
        ADAPTER,
        "a webhook",
        cause,
        "Check that the client secret in Dispo is that of the app or API account in BigCommerce.",
    )
