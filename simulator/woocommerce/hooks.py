"""Webhooks: the routes that keep them, and the background thread that delivers them."""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import itertools
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests

from simulator.dials import Dials
from simulator.shop import Shop
from simulator.woocommerce.replies import Call, Reply, RestError, encode, links, local_stamp, page_of, stamp

_RESOURCES = ("coupon", "customer", "order", "product")
_EVENTS = ("created", "updated", "deleted", "restored")
_HOOKS = {
    "order.created": ["woocommerce_new_order"],
    "order.updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
    "product.created": [
        "woocommerce_process_product_meta",
        "woocommerce_new_product",
        "woocommerce_new_product_variation",
    ],
    "product.deleted": ["wp_trash_post"],
    "product.updated": [
        "woocommerce_process_product_meta",
        "woocommerce_update_product",
        "woocommerce_update_product_variation",
    ],
}
FAILURES_UNTIL_DISABLED = 7


@dataclass
class Webhook:
    """One webhook; `failures` counts failed deliveries in a row."""

    id: int
    name: str
    topic: str
    delivery_url: str
    secret: str
    created_at: datetime
    status: str = "active"
    updated_at: datetime | None = None
    failures: int = 0
    was_pinged: bool = False


@dataclass(frozen=True)
class Delivery:
    """What was sent: `status` is the receiver's answer, 0 when it could not be reached."""

    webhook_id: int
    topic: str
    resource_id: int
    delivery_id: str
    status: int


@dataclass(order=True)
class _Task:
    due: float
    place: int
    webhook_id: int = field(compare=False)
    resource_id: int = field(compare=False)
    delivery_id: str = field(compare=False)
    is_ping: bool = field(compare=False, default=False)


class Webhooks:
    """Keeps and delivers the webhooks of one shop.

    `render(resource, id)` gives the body at the time of delivery, or None when the object is gone, so
    that several updates of one product become one delivery, as in WooCommerce.
    """

    def __init__(
        self,
        shop: Shop,
        dials: Dials,
        render: Callable[[str, int], dict[str, Any] | None],
        source: Callable[[], str],
        version: str,
    ) -> None:
        self.shop = shop
        self.dials = dials
        self.render = render
        self.source = source
        self.version = version
        self.hooks: dict[int, Webhook] = {}
        self.deliveries: list[Delivery] = []
        self._ids = itertools.count(1)
        self._places = itertools.count()
        self._tasks: list[_Task] = []
        self._waiting: set[tuple[int, int]] = set()
        self._busy = 0
        self._is_running = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._session = requests.Session()
        self._session.trust_env = False

    # ---------------------------------------------------------------- routes

    def many(self, call: Call) -> Reply:
        status = call.query.get("status", "all")
        rows = [h for h in self.hooks.values() if status in ("all", h.status)]
        is_desc = call.query.get("order", "desc") == "desc"
        if "orderby" in call.query or "order" in call.query:
            rows.sort(key=lambda h: h.id, reverse=is_desc)
        return page_of(call, rows, lambda h: self._render_hook(h, call.home))

    def one(self, call: Call, hook_id: int) -> Reply:
        return Reply(self._render_hook(self._hook(hook_id), call.home))

    def create(self, call: Call) -> Reply:
        fields = call.body if isinstance(call.body, dict) else {}
        if not fields.get("delivery_url"):
            raise RestError(
                400,
                "rest_missing_callback_param",
                "Missing parameter(s): delivery_url",
                params=["delivery_url"],
            )
        topic = str(fields.get("topic", ""))
        if not _is_topic(topic):
            raise RestError(
                400,
                "woocommerce_rest_shop_webhook_invalid_topic",
                "Webhook topic is required and must be valid.",
            )
        hook = Webhook(
            id=next(self._ids),
            name=str(fields.get("name", "")) or f"Webhook created on {stamp(self.shop.now())}",
            topic=topic,
            delivery_url=str(fields["delivery_url"]),
            secret=str(fields.get("secret", "")) or uuid.uuid4().hex,
            status=str(fields.get("status", "active")),
            created_at=self.shop.now(),
        )
        data = self._render_hook(hook, call.home)
        hook.updated_at = self.shop.now()
        self.hooks[hook.id] = hook
        self._ping(hook)
        return Reply(data, 201, {"Location": f"{call.home}/wp-json/wc/v3/webhooks/{hook.id}"})

    def update(self, call: Call, hook_id: int) -> Reply:
        hook = self._hook(hook_id)
        fields = call.body if isinstance(call.body, dict) else {}
        for name in ("name", "status", "delivery_url", "secret", "topic"):
            if name in fields:
                setattr(hook, name, str(fields[name]))
        if fields.get("status") == "active":
            hook.failures = 0
        hook.updated_at = self.shop.now()
        self._ping(hook)
        return Reply(self._render_hook(hook, call.home))

    def delete(self, call: Call, hook_id: int) -> Reply:
        if not call.flag("force"):
            raise RestError(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        hook = self._hook(hook_id)
        del self.hooks[hook_id]
        return Reply(self._render_hook(hook, call.home))

    def _hook(self, hook_id: int) -> Webhook:
        if hook_id not in self.hooks:
            raise RestError(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        return self.hooks[hook_id]

    def _render_hook(self, hook: Webhook, home: str) -> dict[str, Any]:
        resource, _, event = hook.topic.partition(".")
        zone = self.shop.timezone
        return {
            "id": hook.id,
            "name": hook.name,
            "status": hook.status,
            "topic": hook.topic,
            "resource": resource,
            "event": event,
            "hooks": _HOOKS.get(hook.topic, [f"woocommerce_{event}_{resource}"]),
            "delivery_url": hook.delivery_url,
            "date_created": local_stamp(hook.created_at, zone),
            "date_created_gmt": stamp(hook.created_at),
            "date_modified": local_stamp(hook.updated_at, zone),
            "date_modified_gmt": stamp(hook.updated_at),
            "_links": links(home, f"webhooks/{hook.id}"),
        }

    # ---------------------------------------------------------------- delivery

    def start(self) -> None:
        self._is_running = True
        self._thread = threading.Thread(target=self._work, daemon=True, name="woocommerce-webhooks")
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._is_running = False
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._session.close()

    def event(self, topic: str, resource_id: int) -> None:
        """Queue one delivery for every active webhook of `topic`."""
        for hook in list(self.hooks.values()):
            if hook.topic == topic and hook.status == "active":
                self._queue(hook, resource_id)

    def wait_idle(self, timeout_s: float = 10.0) -> bool:
        """Wait until nothing is queued or under way; False when it took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._tasks and not self._busy, timeout_s)

    def _queue(self, hook: Webhook, resource_id: int) -> None:
        if not self._is_running or self.dials.chance(self.dials.webhook_drop_rate):
            return
        due = time.monotonic() + self.dials.webhook_delay_s
        if self.dials.chance(self.dials.webhook_reorder_rate):
            due += 0.1 + self.dials.webhook_delay_s
        with self._changed:
            if (hook.id, resource_id) in self._waiting:
                return
            self._waiting.add((hook.id, resource_id))
            task = _Task(due, next(self._places), hook.id, resource_id, uuid.uuid4().hex)
            heapq.heappush(self._tasks, task)
            self._changed.notify_all()

    def _ping(self, hook: Webhook) -> None:
        # Each save pings until one ping was answered with success.
        if not self._is_running or hook.was_pinged or hook.status != "active":
            return
        with self._changed:
            task = _Task(time.monotonic(), next(self._places), hook.id, 0, "", is_ping=True)
            heapq.heappush(self._tasks, task)
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._is_running and (not self._tasks or self._tasks[0].due > time.monotonic()):
                    wait_s = self._tasks[0].due - time.monotonic() if self._tasks else None
                    self._changed.wait(wait_s)
                if not self._is_running:
                    return
                task = heapq.heappop(self._tasks)
                self._waiting.discard((task.webhook_id, task.resource_id))
                self._busy += 1
            try:
                self._deliver(task)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _deliver(self, task: _Task) -> None:
        hook = self.hooks.get(task.webhook_id)
        if hook is None or hook.status != "active":
            return
        agent = f"WooCommerce/{self.version} Hookshot (WordPress/7.1)"
        if task.is_ping:
            headers = {"User-Agent": agent, "Content-Type": "application/x-www-form-urlencoded"}
            hook.was_pinged = 200 <= self._post(hook, f"webhook_id={hook.id}".encode(), headers) < 300
            return
        resource, _, event = hook.topic.partition(".")
        content = {"id": task.resource_id} if event == "deleted" else self.render(resource, task.resource_id)
        if content is None:
            return
        body = encode(content)
        headers = {
            "User-Agent": agent,
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": self.source(),
            "X-WC-Webhook-Topic": hook.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": sign(hook.secret, body),
            "X-WC-Webhook-ID": str(hook.id),
            "X-WC-Webhook-Delivery-ID": task.delivery_id,
        }
        times = 2 if self.dials.chance(self.dials.webhook_duplicate_rate) else 1
        for _ in range(times):
            status = self._post(hook, body, headers)
            self.deliveries.append(Delivery(hook.id, hook.topic, task.resource_id, task.delivery_id, status))
            # 301 and 302 count as success although they are not followed: such events are lost.
            if 200 <= status < 300 or status in (301, 302):
                hook.failures = 0
                continue
            hook.failures += 1
            if hook.failures >= FAILURES_UNTIL_DISABLED:
                hook.status = "disabled"

    def _post(self, hook: Webhook, body: bytes, headers: dict[str, str]) -> int:
        try:
            answer = self._session.post(
                hook.delivery_url, data=body, headers=headers, timeout=60, allow_redirects=False
            )
        except requests.RequestException as exc:
            logging.getLogger("simulator").debug("webhook %s: %s", hook.id, type(exc).__name__)
            return 0
        return answer.status_code


def sign(secret: str, body: bytes) -> str:
    """base64(HMAC-SHA256(secret, raw body)), as in X-WC-Webhook-Signature."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def _is_topic(topic: str) -> bool:
    resource, _, event = topic.partition(".")
    return (resource == "action" and bool(event)) or (resource in _RESOURCES and event in _EVENTS)
