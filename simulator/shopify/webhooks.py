"""Shopify's webhooks: subscriptions, signed deliveries in the background, retries, and fault dials.

A delivery is signed with base64 HMAC-SHA256 of its raw body, keeps its `X-Shopify-Webhook-Id` on every
retry, and is dropped with its subscription after nine failed attempts, as Shopify does. The waits
between attempts are short here (`retry_s`), hours there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from simulator.deliveries import Deliveries
from simulator.dials import Dials
from simulator.shopify.model import VERSION, gid, stamp

ATTEMPTS = 9


def header_topic(topic: str) -> str:
    """`INVENTORY_LEVELS_UPDATE` as the header spells it: `inventory_levels/update`."""
    for resource in ("INVENTORY_SHIPMENTS", "INVENTORY_TRANSFERS"):
        if topic.startswith(f"{resource}_"):
            return f"{resource.lower()}/{topic.removeprefix(f'{resource}_').lower()}"
    # The last word is the event, but for a few whose event has more than one.
    for suffix in ("IN_STOCK", "OUT_OF_STOCK", "DATA_REQUEST", "SCOPES_UPDATE"):
        if topic.endswith("_" + suffix):
            return f"{topic[: -len(suffix) - 1].lower()}/{suffix.lower()}"
    resource, _, event = topic.rpartition("_")
    return f"{resource.lower()}/{event.lower()}"


def signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@dataclass
class Subscription:
    id: int
    topic: str
    uri: str
    fields: tuple[str, ...] = ()

    def node(self) -> dict[str, Any]:
        return {
            "id": gid("WebhookSubscription", self.id),
            "topic": self.topic,
            "uri": self.uri,
            "format": "JSON",
            "filter": None,
            "includeFields": list(self.fields),
            "apiVersion": {"handle": VERSION},
        }


@dataclass
class Delivery:
    """One webhook to one address. `attempts` counts sends, `status` is the last answer (0: none)."""

    subscription: Subscription
    body: bytes
    headers: dict[str, str]
    attempts: int = 0
    status: int | None = None

    @property
    def id(self) -> str:
        return self.headers["X-Shopify-Webhook-Id"]


class Webhooks:
    """Keeps subscriptions and sends deliveries from one background thread."""

    def __init__(
        self,
        domain: str,
        secret: str,
        dials: Dials,
        now: Callable[[], datetime],
        new_id: Callable[[], int],
        retry_s: float = 0.2,
    ) -> None:
        self.domain = domain
        self.secret = secret
        self.dials = dials
        self.retry_s = retry_s
        self._now = now
        self._new_id = new_id
        self._subscriptions: dict[int, Subscription] = {}
        self._lock = threading.RLock()
        self._deliveries = Deliveries(self._send)
        self.delivered: list[Delivery] = []
        self.failed: list[Delivery] = []
        self.dropped = 0

    def start(self) -> None:
        self._deliveries.start()

    def stop(self) -> None:
        self._deliveries.stop()

    def subscriptions(self) -> list[Subscription]:
        with self._lock:
            return [one for _, one in sorted(self._subscriptions.items())]

    def wants(self, topic: str) -> bool:
        with self._lock:
            return any(one.topic == topic for one in self._subscriptions.values())

    def address_problem(self, topic: str, uri: str) -> str | None:
        """Why Shopify would refuse this address, None when it would not."""
        parts = urlsplit(uri)
        is_loopback = parts.hostname in ("127.0.0.1", "localhost")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
            return "Address protocol http:// is not supported"
        if any(one.topic == topic and one.uri == uri for one in self.subscriptions()):
            return "Address for this topic has already been taken"
        return None

    def subscribe(self, topic: str, uri: str, fields: tuple[str, ...] = ()) -> Subscription:
        with self._lock:
            one = Subscription(self._new_id(), topic, uri, fields)
            self._subscriptions[one.id] = one
            return one

    def unsubscribe(self, number: int | None) -> bool:
        with self._lock:
            return self._subscriptions.pop(number or 0, None) is not None

    def clear(self) -> None:
        with self._lock:
            self._subscriptions.clear()

    def emit(self, topic: str, payload: dict[str, Any]) -> None:
        """Queue one event for every subscription of its topic."""
        event_id = str(uuid.uuid4())
        for one in self.subscriptions():
            if one.topic != topic:
                continue
            if self.dials.chance(self.dials.webhook_drop_rate):
                self.dropped += 1
                continue
            shown = {key: payload[key] for key in one.fields if key in payload} if one.fields else payload
            body, headers = self.signed(one.topic, shown, event_id)
            delivery = Delivery(one, body, headers)
            wait_s = self.dials.webhook_delay_s
            if self.dials.chance(self.dials.webhook_reorder_rate):
                wait_s += 0.1  # the next ones overtake it
            self._deliveries.put(delivery, wait_s)
            if self.dials.chance(self.dials.webhook_duplicate_rate):
                self._deliveries.put(Delivery(one, body, headers), wait_s)

    def send(self, address: str, topic: str, payload: dict[str, Any]) -> Delivery:
        """Queue one event for an address of the app's configuration, which is kept however often it fails."""
        body, headers = self.signed(topic, payload, str(uuid.uuid4()))
        delivery = Delivery(Subscription(0, topic, address), body, headers)
        self._deliveries.put(delivery, self.dials.webhook_delay_s)
        return delivery

    def signed(self, topic: str, payload: dict[str, Any], event_id: str) -> tuple[bytes, dict[str, str]]:
        """The body and the headers of one delivery."""
        body = json.dumps(payload).encode()
        return body, {
            "Content-Type": "application/json",
            "X-Shopify-Topic": header_topic(topic),
            "X-Shopify-Hmac-Sha256": signature(self.secret, body),
            "X-Shopify-Shop-Domain": self.domain,
            "X-Shopify-API-Version": VERSION,
            "X-Shopify-Webhook-Id": str(uuid.uuid4()),
            "X-Shopify-Event-Id": event_id,
            "X-Shopify-Triggered-At": stamp(self._now()),
        }

    def drain(self, timeout_s: float = 5.0) -> bool:
        """Wait until nothing is queued or on its way; False when that took too long."""
        return self._deliveries.drain(timeout_s)

    def _send(self, client: httpx2.Client, delivery: Delivery) -> None:
        delivery.attempts += 1
        try:
            answer = client.post(delivery.subscription.uri, content=delivery.body, headers=delivery.headers)
            delivery.status = answer.status_code
        except httpx2.HTTPError:
            delivery.status = 0
        if 200 <= (delivery.status or 0) < 300:
            self.delivered.append(delivery)
        elif delivery.attempts < ATTEMPTS:
            self._deliveries.put(delivery, self.retry_s * 2 ** (delivery.attempts - 1))
        else:
            self.failed.append(delivery)
            # Subscriptions made by the API go when a delivery failed for good.
            self.unsubscribe(delivery.subscription.id)
