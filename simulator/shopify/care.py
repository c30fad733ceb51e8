"""Refunds and order edits, with the rules the schema does not tell.

An order's `platform` may hold `refunds` (made here), `removed` (line id → units, by refunds and edits), `gateway`
("" for one that cannot pay back), `shipping_minor` and `email`. Refunds need `write_orders`, edits
`write_order_edits`, and the address `read_orders` with protected data (`server.shows_addresses`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from graphql import GraphQLError, get_directive_values

from simulator.shop import Order, OrderLine
from simulator.shopify.model import gid, number_of, price_text

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

Payload = dict[str, Any]


class Care:
    """Root fields, and the fields of an order that belong to them."""

    def __init__(self, server: ShopifyServer) -> None:
        self._server = server
        self._shop = server.shop
        self._edits: dict[str, Payload] = {}
        self.paid_back: list[tuple[int, int]] = []
        """(order id, minor units) of every payment that really left."""

    def root(self) -> dict[str, Callable[..., Any]]:
        return {
            "refundCreate": self._refund,
            "orderEditBegin": self._begin,
            "orderEditSetQuantity": self._set_quantity,
            "orderEditAddVariant": self._add_variant,
            "orderEditCommit": self._commit,
        }

    def fields(self, order: Order) -> Payload:
        """What an order shows of this."""

        def email(info: Any) -> str:
            if not self._server.shows_addresses:
                raise GraphQLError(
                    "This app is not approved to access the Order object's email.",
                    extensions={"code": "ACCESS_DENIED"},
                )
            return str(order.platform.get("email", "shopper@example.com"))

        return {
            "email": email,
            "customerLocale": order.platform.get("locale", "en-GB"),
            "currencyCode": self._shop.currency,
            "taxesIncluded": True,
            "customerJourneySummary": {"lastVisit": _visit(order), "firstVisit": None},
            "refunds": lambda info, first=None: [
                self._node(one) for one in order.platform.get("refunds", ())
            ],
            "suggestedRefund": lambda info, **asked: self._suggested(order, asked),
        }

    # ------------------------------------------------------------ refunds

    def left(self, order: Order, line: OrderLine) -> int:
        """Units that may still be refunded."""
        if order.status == "cancelled":
            return 0
        return line.units - int(order.platform.get("removed", {}).get(str(line.id), 0))

    def _suggested(self, order: Order, asked: Payload) -> Payload | None:
        self._server.queries.needs("write_orders", "suggestedRefund")
        amount = 0
        for one in asked.get("refundLineItems") or ():
            line = self._line(order, one["lineItemId"])
            if line is None or one["quantity"] > self.left(order, line):
                return None
            amount += one["quantity"] * self._price(line)
        if asked.get("refundShipping") and not order.platform.get("shipping_refunded"):
            amount += int(order.platform.get("shipping_minor", 0))
        amount = min(amount, self._paid(order))
        gateway = order.platform.get("gateway", "shopify_payments")
        transaction = {
            "gateway": gateway,
            "kind": "SUGGESTED_REFUND",
            "amountSet": self._money(amount),
            "parentTransaction": {"id": gid("OrderTransaction", order.id)} if gateway else None,
        }
        return {
            "amountSet": self._money(amount),
            "maximumRefundableSet": self._money(self._paid(order)),
            "suggestedTransactions": [transaction] if amount else [],
        }

    def _refund(self, info: Any, input: Payload) -> Payload:
        self._server.queries.needs("write_orders", "refundCreate")
        directive = info.schema.get_directive("idempotent")
        given = get_directive_values(directive, info.field_nodes[0], info.variable_values)
        if not given:
            raise GraphQLError(
                "The @idempotent directive is required for this mutation but was not provided.",
                extensions={"code": "BAD_REQUEST"},
            )
        answer = self._server.keys.run(given["key"], input, lambda: self._pay_back(input))
        return {"refund": None, **answer}

    def _pay_back(self, sent: Payload) -> Payload:
        with self._shop.lock:
            order = self._shop.orders.get(number_of(sent["orderId"], "Order") or 0)
            if order is None:
                return _wrong("Order does not exist")
            wanted = []
            for one in sent.get("refundLineItems") or ():
                line = self._line(order, one["lineItemId"])
                if line is None or one["quantity"] > self.left(order, line):
                    return _wrong("Quantity cannot refund more items than were purchased")
                wanted.append((line, one["quantity"]))
            digits = len(price_text(1, self._shop.currency).partition(".")[2])
            paid = sum(round(float(one["amount"]) * 10**digits) for one in sent.get("transactions") or ())
            if paid > self._paid(order):
                return _wrong("Refund amount is greater than the amount available to refund")
            removed = order.platform.setdefault("removed", {})
            for line, units in wanted:
                removed[str(line.id)] = int(removed.get(str(line.id), 0)) + units
            if (sent.get("shipping") or {}).get("fullRefund"):
                order.platform["shipping_refunded"] = True
            refund = {"id": self._shop.new_id(), "note": sent.get("note") or "", "minor": paid}
            order.platform.setdefault("refunds", []).append(refund)
            self.paid_back.append((order.id, paid))
        self._shop.record_order(order, by="api")
        return {"refund": self._node(refund), "userErrors": []}

    def _paid(self, order: Order) -> int:
        """What was paid and not paid back."""
        total = sum(line.units * self._price(line) for line in order.lines)
        back = sum(int(one["minor"]) for one in order.platform.get("refunds", ()))
        return total + int(order.platform.get("shipping_minor", 0)) - back

    def _price(self, line: OrderLine) -> int:
        item = self._shop.items.get(line.item_id)
        return item.price_minor if item else 0

    def _line(self, order: Order, global_id: str) -> OrderLine | None:
        number = number_of(global_id, "LineItem")
        return next((one for one in order.lines if one.id == number), None)

    def _node(self, refund: Payload) -> Payload:
        return {
            "id": gid("Refund", refund["id"]),
            "note": refund["note"],
            "totalRefundedSet": self._money(refund["minor"]),
        }

    def _money(self, minor: int) -> Payload:
        money = {"amount": price_text(minor, self._shop.currency), "currencyCode": self._shop.currency}
        return {"shopMoney": money, "presentmentMoney": money}

    # ------------------------------------------------------------ edits

    def _begin(self, info: Any, id: str) -> Payload:
        self._server.queries.needs("write_order_edits", "orderEditBegin")
        order = self._shop.orders.get(number_of(id, "Order") or 0)
        if order is None or order.status == "cancelled":
            return {"calculatedOrder": None, **_wrong("The order cannot be edited.")}
        edit = gid("CalculatedOrder", self._shop.new_id())
        self._edits[edit] = {"order": order, "quantities": {}, "added": []}
        return {"calculatedOrder": self._calculated(edit), "userErrors": []}

    def _set_quantity(self, info: Any, id: str, lineItemId: str, quantity: int, **rest: Any) -> Payload:
        edit = self._edits[id]
        number = number_of(lineItemId, "CalculatedLineItem")
        line = next((one for one in edit["order"].lines if one.id == number), None)
        if line is None or not 0 <= quantity <= self.left(edit["order"], line):
            return {"calculatedOrder": None, **_wrong("Line item cannot be set to this quantity.")}
        edit["quantities"][line.id] = quantity
        return {"calculatedOrder": self._calculated(id), "userErrors": []}

    def _add_variant(self, info: Any, id: str, variantId: str, quantity: int, **rest: Any) -> Payload:
        item = self._shop.items.get(number_of(variantId, "ProductVariant") or 0)
        if item is None:
            return {"calculatedOrder": None, **_wrong("Variant does not exist")}
        self._edits[id]["added"].append((item, quantity))
        return {"calculatedOrder": self._calculated(id), "userErrors": []}

    def _commit(self, info: Any, id: str, **rest: Any) -> Payload:
        edit = self._edits.pop(id, None)
        if edit is None:
            return {"order": None, **_wrong("The edit is over.")}
        order: Order = edit["order"]
        with self._shop.lock:
            removed = order.platform.setdefault("removed", {})
            for line in order.lines:
                if line.id in edit["quantities"]:
                    gone = self.left(order, line) - edit["quantities"][line.id]
                    removed[str(line.id)] = int(removed.get(str(line.id), 0)) + gone
            for item, units in edit["added"]:
                order.lines.append(OrderLine(self._shop.new_id(), item.id, units))
        for item, units in edit["added"]:
            self._shop.adjust_stock(item.id, -units, by="api")
        self._shop.record_order(order, by="api")
        return {"order": self._server.objects.order(order), "userErrors": []}

    def _calculated(self, edit_id: str) -> Payload:
        edit = self._edits[edit_id]
        order: Order = edit["order"]
        total = sum(
            edit["quantities"].get(line.id, self.left(order, line)) * self._price(line)
            for line in order.lines
        )
        total += sum(item.price_minor * units for item, units in edit["added"])
        before = sum(self.left(order, line) * self._price(line) for line in order.lines)
        return {"id": edit_id, "totalOutstandingSet": self._money(total - before)}


def _wrong(message: str) -> Payload:
    return {"userErrors": [{"field": None, "message": message}]}


def _visit(order: Order) -> Payload | None:
    """The visit that an order came of; `order.platform["landing"]` is a path with its query."""
    query = parse_qs(urlsplit(str(order.platform.get("landing") or "")).query)
    if "utm_source" not in query:
        return None
    return {
        "utmParameters": {
            "source": query["utm_source"][-1],
            "campaign": query.get("utm_campaign", [None])[-1],
        }
    }
