"""Refund quotes and refunds of V3, with what an order shows for them in V2.

`order.platform` may hold `shipping_minor`, `provider` ("storecredit" or "cod": nothing the store can pay back to)
and `declined` (the provider refuses). Refunds of an order repeat what its quote said, to the cent.
"""

from __future__ import annotations

import json
from typing import Any

from simulator.bigcommerce.orders import Orders
from simulator.bigcommerce.replies import ApiError, Reply
from simulator.shop import Order, OrderLine, Shop

OFFLINE = ("cod", "bankdeposit")


class Payments:
    """The refunds of one store."""

    def __init__(self, shop: Shop, orders: Orders) -> None:
        self._shop = shop
        self._orders = orders
        self.paid_back: list[tuple[int, int]] = []
        """(order id, minor units) of every payment that really left."""

    def products(self, order_id: int) -> Reply:
        return Reply(self._orders._lines(self._order(order_id)))

    def addresses(self, order_id: int) -> Reply:
        self._order(order_id)
        return Reply([{"id": order_id + 7000, "order_id": order_id}])

    def quote(self, order_id: int, body: bytes) -> Reply:
        with self._shop.lock:
            order = self._order(order_id)
            amount = self._amount(order, _parsed(body))
        return Reply({"data": self._said(order, amount), "meta": {}}, 201)

    def list(self, order_id: int) -> Reply:
        rows = list(self._order(order_id).platform.get("refunds", ()))
        return Reply({"data": rows, "meta": {}})

    def refund(self, order_id: int, body: bytes) -> Reply:
        sent = _parsed(body)
        with self._shop.lock:
            order = self._order(order_id)
            amount = self._amount(order, sent)
            ways = self._said(order, amount)["refund_methods"]
            payments = sent.get("payments") or []
            asked = [(one.get("provider_id"), one.get("amount")) for one in payments]
            if asked not in [[(one["provider_id"], one["amount"]) for one in way] for way in ways]:
                raise ApiError(422, "The requested refund had invalid split payment.")
            refunded = order.platform.setdefault("refunded", {})
            for item in sent["items"]:
                if item["item_type"] == "PRODUCT":
                    number = int(item["item_id"])
                    refunded[number] = int(refunded.get(number, 0)) + int(item["quantity"])
            declined = bool(order.platform.get("declined"))
            made = {
                "id": self._shop.new_id(),
                "order_id": order_id,
                "total_amount": amount / 100,
                "items": [{**item, "requested_amount": item.get("amount")} for item in sent["items"]],
                "payments": [
                    {"provider_id": provider, "amount": paid, "offline": False, "is_declined": declined}
                    for provider, paid in asked
                ],
            }
            order.platform.setdefault("refunds", []).append(made)
            if not declined:
                self.paid_back.append((order_id, amount))
        self._shop.record_order(order, by="api")
        return Reply({"data": made, "meta": {}}, 201)

    def _amount(self, order: Order, sent: dict[str, Any]) -> int:
        """What these items come to; 422 for more than is left."""
        found = 0
        refunded = order.platform.get("refunded", {})
        for item in sent.get("items") or ():
            if item.get("item_type") == "SHIPPING":
                back = sum(
                    round(float(part.get("amount") or 0) * 100)
                    for one in order.platform.get("refunds", ())
                    for part in one["items"]
                    if part["item_type"] == "SHIPPING"
                )
                wanted = round(float(item["amount"]) * 100)
                if wanted > int(order.platform.get("shipping_minor", 0)) - back:
                    raise ApiError(422, "The refund exceeds the shipping that was paid.")
                found += wanted
                continue
            line = next((one for one in order.lines if one.id == int(item["item_id"])), None)
            if line is None or int(item["quantity"]) > line.units - int(refunded.get(line.id, 0)):
                raise ApiError(422, "The quantity to refund is more than is left of the order's product.")
            found += int(item["quantity"]) * self._price(line)
        if found < 1:
            raise ApiError(422, "There is nothing to refund.")
        return found

    def _said(self, order: Order, amount: int) -> dict[str, Any]:
        provider = str(order.platform.get("provider", "stripe"))
        own = {"provider_id": provider, "amount": amount / 100, "offline": provider in OFFLINE}
        credit = {"provider_id": "storecredit", "amount": amount / 100, "offline": False}
        return {
            "order_id": order.id,
            "total_refund_amount": amount / 100,
            "total_refund_tax_amount": 0,
            "tax_inclusive": True,
            "refund_methods": [[credit], [own]],
        }

    def _price(self, line: OrderLine) -> int:
        item = self._shop.items.get(line.item_id)
        return item.price_minor if item else 0

    def _order(self, order_id: int) -> Order:
        order = self._shop.orders.get(order_id)
        if order is None:
            raise ApiError(404, "The requested resource was not found.")
        return order


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body)
    except ValueError as exc:
        raise ApiError(400, "Input is invalid") from exc
    if not isinstance(sent, dict):
        raise ApiError(422, "JSON data is missing or invalid")
    return sent
