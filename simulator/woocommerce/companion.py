"""Dispo's companion plugin in the simulated shop: the routes below /wp-json/wc-dispo/v1/."""

from __future__ import annotations

from typing import Any

from simulator.shop import Item
from simulator.woocommerce.render import Shelf
from simulator.woocommerce.replies import Call, Reply, RestError

SPACE = "wc-dispo/v1"
VERSION = "1.0.0"
FEATURES = ("conditional_stock", "badges", "connection", "people")
MOST_ITEMS = 100
_STATES = frozenset(
    ("in_stock", "low_stock", "restocking", "preorder", "backorder", "made_to_order", "out_of_stock",
     "discontinued")
)  # fmt: skip


class Companion:
    """`features` may be changed while running; `server`, `key` and `secret` are what Dispo told it, "" before."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.shop = shelf.shop
        self.features = list(FEATURES)
        self.server = self.key = self.secret = ""

    def status(self, call: Call) -> Reply:
        return Reply(
            {
                "version": VERSION,
                "features": self.features,
                "most_items": MOST_ITEMS,
                "is_connected": bool(self.server and self.key),
                "tracks_stock": self.shelf.manages_stock,
            }
        )

    def connection(self, call: Call) -> Reply:
        body = call.body if isinstance(call.body, dict) else {}
        server, key = str(body.get("server", "")), str(body.get("key", ""))
        if not server.startswith(("http://", "https://")) or len(key) < 8:
            raise RestError(400, "rest_invalid_param", "server must be a web address, key a store key.")
        self.server, self.key, self.secret = server, key, str(body.get("secret", ""))
        return Reply({"is_connected": True})

    def stock(self, call: Call) -> Reply:
        """Each item by itself, in order, under a 200."""
        items = call.body.get("items") if isinstance(call.body, dict) else None
        if not isinstance(items, list):
            raise RestError(400, "rest_invalid_param", "items must be a list.")
        if len(items) > MOST_ITEMS:
            raise RestError(
                413,
                "woocommerce_rest_request_entity_too_large",
                f"Unable to accept more than {MOST_ITEMS} items for this request.",
            )
        return Reply({"items": [self._work(item if isinstance(item, dict) else {}) for item in items]})

    def _work(self, fields: dict[str, Any]) -> dict[str, Any]:
        item_id = fields.get("id")
        if not isinstance(item_id, int) or isinstance(item_id, bool):
            return _error(0, "invalid", "id must be a whole number.")
        fault = _fault(fields)
        if fault:
            return _error(item_id, "invalid", fault)
        item = self.shop.items.get(item_id)
        if item is None:
            return _error(item_id, "not_found", "The shop has no such product any more.")
        if self.shop.products[item.product_id].platform.get("status") == "trash":
            return _error(item_id, "trash", "It lies in the trash of the shop.")
        if "to" in fields:
            managed: Any = self.shelf.manages_stock and (item.platform.get("manage_stock") or item.tracked)
            if managed is not True:
                answer = _error(item_id, "not_managed", "WooCommerce does not track its stock.")
                why = {"manage_stock": managed, "tracks_stock": self.shelf.manages_stock}
                return {**answer, "type": "simple", **why}
            if not self._set(item, fields.get("from"), fields["to"]):
                return {"id": item_id, "status": "conflict", "remote": item.stock}
        if fields.get("badge") is not None:
            with self.shop.lock:
                # Neither stamps the product nor sends a webhook: it is not WooCommerce that saves it.
                for name in ("state", "count", "restock_on", "restock_until"):
                    value = fields["badge"].get(name)
                    item.meta[f"_dispo_{name}"] = "" if value is None else str(value)
        return {"id": item_id, "status": "done"}

    def _set(self, item: Item, expected: int | None, stock: int) -> bool:
        if expected is None:
            self.shop.set_stock(item.id, stock, by="api")
            return True
        if expected == stock:
            return item.stock == stock
        return self.shop.set_stock_if(item.id, expected, stock, by="api")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fault(fields: dict[str, Any]) -> str:
    if "to" in fields and (not _is_whole(fields["to"]) or fields["to"] < 0):
        return "to must be a whole number of at least 0."
    if fields.get("from") is not None and not _is_whole(fields["from"]):
        return "from must be a whole number or null."
    badge = fields.get("badge")
    if badge is None:
        return "" if "to" in fields else "There is nothing to do: give to, badge or both."
    if not isinstance(badge, dict) or badge.get("state") not in _STATES:
        return "badge.state must be a known state."
    return ""


def _error(item_id: Any, code: str, message: str) -> dict[str, Any]:
    return {"id": item_id, "status": "error", "code": code, "message": message, "is_final": True}
