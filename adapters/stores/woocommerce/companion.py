"""Writes through our companion plugin in the shop, which compares a number before it sets it.

The plugin is asked what it can do (`GET wc-dispo/v1/status`), never which version it is. A batch holds
products and variations of any product: `{"items": [{"id", "from", "to", "badge"}]}`, each answered by
itself with "done", "conflict" and the number the shop holds, or "error".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from adapters.stores.woocommerce import shapes
from adapters.stores.woocommerce.client import ADAPTER, PLUGIN, Client, NoRoute
from adapters.stores.woocommerce.lists import BATCH, chunks
from connector.ports.errors import OutcomeUnknown, PortError, Retryable
from connector.ports.people import people_secret
from connector.ports.stores import BadgeFacts, FrozenRequest, ItemResult, ListingRef

OPERATION = "update_by_plugin"
CONDITIONAL, CONNECTION, PEOPLE = "conditional_stock", "connection", "people"
ASK_AGAIN_S = 600.0
"""How long "no such plugin" is believed; one that was found is asked no more until it fails to answer."""


class Companion:
    """What is known of the plugin in one shop. Safe for several threads.

    `monotonic` gives seconds for "ask again".
    """

    def __init__(self, client: Client, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._features: frozenset[str] | None = None
        self._asked_at = 0.0

    def known(self) -> frozenset[str]:
        """The features as last heard, without asking."""
        return self._features or frozenset()

    def note(self, namespaces: Collection[str]) -> None:
        """Take over what the index of the shop's REST API lists; asks only where the plugin is among it."""
        with self._lock:
            self._features, self._asked_at = frozenset(), self._monotonic()
            if PLUGIN not in namespaces:
                return
            self._features = None
        self.features()

    def features(self) -> frozenset[str]:
        """What the plugin in the shop can do; empty without one.

        Asks at first, and from time to time without a plugin. A call that fails says nothing: the last
        answer stands, and the next real call meets the same trouble and tells it.
        """
        with self._lock:
            is_old = not self._features and self._monotonic() - self._asked_at >= ASK_AGAIN_S
            if self._features is None or is_old:
                try:
                    self._ask()
                except PortError:
                    return self.known()
            return self.known()

    def _ask(self) -> None:
        try:
            data = self._client.ask_plugin("status").data
        except NoRoute:
            data = {}
        found = data.get("features") if isinstance(data, dict) else None
        self._features = frozenset(str(one) for one in found) if isinstance(found, list) else frozenset()
        self._asked_at = self._monotonic()

    def _gone(self, subject: str) -> PortError:
        with self._lock:
            self._features, self._asked_at = frozenset(), self._monotonic()
        cause = "The companion plugin was switched off; the next try goes without it."
        return Retryable(ADAPTER, subject, cause)

    def send(self, request: FrozenRequest) -> list[ItemResult]:
        """One batch. Raises Retryable when the plugin has gone since the request was planned."""
        items: list[dict[str, Any]] = list(request.body["items"])
        subject = f"POST {PLUGIN}/stock"
        try:
            data = self._client.ask_plugin("stock", {"items": items}).data
        except NoRoute as exc:
            raise self._gone(subject) from exc
        rows = data.get("items") if isinstance(data, dict) else None
        if (
            not isinstance(rows, list)
            or len(rows) != len(items)
            or any(
                not isinstance(row, dict) or row.get("id") != item["id"]
                for row, item in zip(rows, items, strict=True)
            )
        ):
            raise OutcomeUnknown(ADAPTER, subject, "The shop's answer does not list the items.")
        return [self._result(ref, row) for ref, row in zip(request.refs, rows, strict=True)]

    def _result(self, ref: ListingRef, row: Mapping[str, Any]) -> ItemResult:
        status = row.get("status")
        if status == "done":
            return ItemResult(ref, "done")
        if status == "conflict":
            return ItemResult(ref, "conflict", remote=shapes.whole(row.get("remote")))
        code, reason = str(row.get("code", "")), self._client.plain(row.get("message", ""))
        if code in ("not_found", "trash"):
            return ItemResult(ref, "not_found", reason=reason)
        if code == "not_managed":
            why = shapes.problem({**row, "stock_quantity": None}) or reason
            return ItemResult(
                ref, "rejected", reason=shapes.SHOP_WIDE_OFF if row.get("tracks_stock") is False else why
            )
        if row.get("is_final") is False:
            return ItemResult(ref, "retry", reason=reason)
        return ItemResult(ref, "rejected", reason=reason or "The shop's plugin refused it without a reason.")

    def tell_where_dispo_is(self, webhook_address: str, webhook_secret: str) -> None:
        """Give the plugin Dispo's address and the store's public key, both parts of the webhook address, and
        the secret with which the shop asks about people."""
        before, _, key = webhook_address.partition(f"/webhooks/{ADAPTER}/")
        if not urlsplit(before).hostname or not key or CONNECTION not in self.features():
            return
        with self._lock:
            # A plugin that was updated meanwhile may take more than the one we first met.
            self._ask()
        try:
            told = {"server": before, "key": key}
            if PEOPLE in self.known():
                told["secret"] = people_secret(webhook_secret)
            self._client.ask_plugin("connection", told)
        except NoRoute as exc:
            raise self._gone(f"POST {PLUGIN}/connection") from exc


def item_of(
    ref: ListingRef, badge: BadgeFacts | None, *, quantity: int | None = None, expected: int | None = None
) -> dict[str, Any]:
    """One item of a batch: a number (from `expected`; None: from whatever it is), a badge, or both."""
    item: dict[str, Any] = {"id": int(ref.stock_id)}
    if quantity is not None:
        item |= {"from": expected, "to": quantity}
    if badge is not None:
        facts = asdict(badge)
        item["badge"] = {
            name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in facts.items()
        }
    return item


def planned(items: Sequence[tuple[ListingRef, dict[str, Any]]]) -> list[FrozenRequest]:
    """Hundreds, in order."""
    return [
        FrozenRequest(OPERATION, {"items": [item for _, item in chunk]}, tuple(ref for ref, _ in chunk))
        for chunk in chunks(items, BATCH)
    ]
