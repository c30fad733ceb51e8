"""V3 webhooks: subscriptions, Standard Webhooks signatures, duplicates, retries, blocking, deactivation.

Bodies name ids only. A destination that answers under 90 % of at least `block_after` calls is left alone for
`block_s`; a delivery that failed every retry deactivates its webhook. The waits are BigCommerce's times
`speed` (60 s … 24 h there).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from simulator.bigcommerce.replies import ApiError, Reply, page_of
from simulator.deliveries import Deliveries
from simulator.dials import Dials

RETRIES_S = (60, 180, 300, 600, 900, 1800, 3600, 7200, 21_600, 50_400, 86_400)
MOST_PER_SCOPE = 10
STOCK_CHANGED = "store/channel/*/inventory/product/stock_changed"


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Standard Webhooks: base64 HMAC-SHA256 of "id.timestamp.body" under the app's client secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


@dataclass
class Hook:
    id: int
    scope: str
    destination: str
    is_active: bool
    headers: dict[str, str] | None
    created_at: int
    updated_at: int

    def render(self, client_id: str, store_hash: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "client_id": client_id,
            "store_hash": store_hash,
            "scope": self.scope,
            "destination": self.destination,
            "headers": self.headers,
            "is_active": self.is_active,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    def hears(self, scope: str) -> bool:
        """Whether an event is for this hook: its own scope, or all below "store/order/*"."""
        if self.scope == scope:
            return True
        return self.scope.endswith("/*") and scope.startswith(self.scope[:-1])


@dataclass
class Delivery:
    """One event to one hook. `status` is the last answer's (0: none), `attempts` how often it was sent."""

    hook: Hook
    body: bytes
    message_id: str
    attempts: int = 0
    status: int | None = None


@dataclass
class Hooks:
    """Keeps webhooks and sends their deliveries from one background thread."""

    store_hash: str
    client_id: str
    client_secret: str
    dials: Dials
    now: Callable[[], datetime]
    new_id: Callable[[], int]
    speed: float = 0.003
    block_after: int = 100
    block_s: float = 180.0
    hooks: dict[int, Hook] = field(default_factory=dict)
    delivered: list[Delivery] = field(default_factory=list)
    failed: list[Delivery] = field(default_factory=list)
    dropped: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._deliveries = Deliveries(self._send)
        self._twice = 0
        self._tally: dict[str, list[int]] = {}
        self._blocked_until: dict[str, float] = {}

    def start(self) -> None:
        self._deliveries.start()

    def stop(self) -> None:
        self._deliveries.stop()

    # ---------------------------------------------------------------- the API

    def list(self, args: Mapping[str, str]) -> Reply:
        with self._lock:
            rows = [
                one.render(self.client_id, self.store_hash)
                for _, one in sorted(self.hooks.items())
                if args.get("destination", one.destination) == one.destination
                and args.get("scope", one.scope) == one.scope
                and args.get("is_active", str(one.is_active).lower()) == str(one.is_active).lower()
            ]
        return page_of(rows, args, most=250)

    def create(self, body: bytes) -> Reply:
        sent = _object(body)
        scope, destination = sent.get("scope"), sent.get("destination")
        if not isinstance(scope, str) or not scope.startswith("store/"):
            raise ApiError(422, "JSON data is missing or invalid", {"scope": "error.path.missing"})
        destination = self._checked(destination)
        with self._lock:
            same = [one for one in self.hooks.values() if one.scope == scope]
            if any(one.destination == destination for one in same):
                raise ApiError(409, "A webhook with this scope and destination exists already.")
            if len(same) >= MOST_PER_SCOPE:
                raise ApiError(422, f"At most {MOST_PER_SCOPE} webhooks may listen to one scope.")
            at = int(self.now().timestamp())
            headers = sent.get("headers")
            hook = Hook(self.new_id(), scope, destination, sent.get("is_active", True), headers, at, at)
            self.hooks[hook.id] = hook
            return Reply({"data": hook.render(self.client_id, self.store_hash), "meta": {}})

    def update(self, hook_id: int, body: bytes) -> Reply:
        sent = _object(body)
        with self._lock:
            hook = self.hooks.get(hook_id)
            if hook is None:
                raise ApiError(404, "Not found")
            if "destination" in sent:
                hook.destination = self._checked(sent["destination"])
            hook.is_active = bool(sent.get("is_active", hook.is_active))
            hook.headers = sent.get("headers", hook.headers)
            hook.updated_at = int(self.now().timestamp())
            return Reply({"data": hook.render(self.client_id, self.store_hash), "meta": {}})

    def delete(self, hook_id: int) -> Reply:
        with self._lock:
            hook = self.hooks.pop(hook_id, None)
        if hook is None:
            raise ApiError(404, "Not found")
        return Reply({"data": hook.render(self.client_id, self.store_hash), "meta": {}})

    def _checked(self, destination: Any) -> str:
        parts = urlsplit(destination if isinstance(destination, str) else "")
        is_loopback = parts.hostname in ("127.0.0.1", "localhost")
        if not is_loopback and (parts.scheme != "https" or parts.port not in (None, 443)):
            raise ApiError(
                422, "JSON data is missing or invalid", {"destination": "must be https on port 443"}
            )
        return str(destination)

    # ---------------------------------------------------------------- events

    def emit(self, scope: str, data: dict[str, Any]) -> None:
        """Queue one event for every active hook that hears it."""
        created_at = int(self.now().timestamp())
        with self._lock:
            heard = [one for _, one in sorted(self.hooks.items()) if one.is_active and one.hears(scope)]
        for hook in heard:
            if self.dials.chance(self.dials.webhook_drop_rate):
                self.dropped += 1
                continue
            payload = {
                "producer": f"stores/{self.store_hash}",
                "hash": hashlib.sha1(json.dumps([data, created_at]).encode()).hexdigest(),
                "created_at": created_at,
                "store_id": "1025646",
                "scope": hook.scope if hook.scope == scope else scope,
                "data": data,
            }
            body = json.dumps(payload).encode()
            wait_s = self.dials.webhook_delay_s
            if self.dials.chance(self.dials.webhook_reorder_rate):
                wait_s += 0.1  # the next ones overtake it
            message_id = f"msg_{uuid.uuid4().hex}"
            self._deliveries.put(Delivery(hook, body, message_id), wait_s)
            if self.dials.chance(self.dials.webhook_duplicate_rate):
                # In turns the same message again, and the same event (and hash) in a message of its own.
                self._twice += 1
                again = message_id if self._twice % 2 else f"msg_{uuid.uuid4().hex}"
                self._deliveries.put(Delivery(hook, body, again), wait_s)

    def drain(self, timeout_s: float = 5.0) -> bool:
        """Wait until nothing is queued or on its way; False when that took too long."""
        return self._deliveries.drain(timeout_s)

    def _send(self, client: httpx2.Client, delivery: Delivery) -> None:
        domain = urlsplit(delivery.hook.destination).netloc
        delivery.attempts += 1
        if time.monotonic() < self._blocked_until.get(domain, 0.0):
            self._retry(delivery)
            return
        timestamp = str(int(self.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            **(delivery.hook.headers or {}),
            "webhook-id": delivery.message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self.client_secret, delivery.message_id, timestamp, delivery.body),
        }
        try:
            answer = client.post(delivery.hook.destination, content=delivery.body, headers=headers)
            delivery.status = answer.status_code
        except httpx2.HTTPError:
            delivery.status = 0
        is_well = 200 <= (delivery.status or 0) < 300
        self._count(domain, is_well)
        if is_well:
            self.delivered.append(delivery)
        else:
            self._retry(delivery)

    def _retry(self, delivery: Delivery) -> None:
        if delivery.attempts <= len(RETRIES_S):
            self._deliveries.put(delivery, RETRIES_S[delivery.attempts - 1] * self.speed)
            return
        self.failed.append(delivery)
        with self._lock:
            delivery.hook.is_active = False

    def _count(self, domain: str, is_well: bool) -> None:
        """The share of good answers of a domain; the window begins again with each block."""
        good, bad = self._tally.setdefault(domain, [0, 0])
        good, bad = good + is_well, bad + (not is_well)
        self._tally[domain] = [good, bad]
        if good + bad >= self.block_after and good < 0.9 * (good + bad):
            self._blocked_until[domain] = time.monotonic() + self.block_s
            self._tally[domain] = [0, 0]


def _object(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body)
    except ValueError as exc:
        raise ApiError(400, "Input is invalid.") from exc
    if not isinstance(sent, dict):
        raise ApiError(422, "JSON data is missing or invalid")
    return sent
