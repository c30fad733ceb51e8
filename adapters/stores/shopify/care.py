"""Refunds and order edits of a Shopify shop.

`refundCreate` needs `@idempotent` since 2026-04. What to pay back, and by which transactions, is Shopify's own
suggestion, taken when the refund is planned. An order edit is a session of four calls of which only the last one
changes the order; the words for the staff bear our reference, and the order's lines tell whether it was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.money import to_minor
from adapters.stores.shopify.client import ADAPTER, AccessDenied, ShopifyClient
from connector.ports.errors import NotFound, OutcomeUnknown, Rejected, Unsupported
from connector.ports.orders_care import CareCapabilities, CareDone, CareRequest, CustomerOf

LINES = 250
REFUNDS = 50
_REFUNDS_GRANT = "Allow Dispo to refund orders on the connection's page."
_EDITS_GRANT = "Allow Dispo to change orders on the connection's page."


class ShopifyCare:
    """Implements `connector.ports.orders_care.OrderCare`."""

    def __init__(self, client: ShopifyClient) -> None:
        self._client = client

    @property
    def capabilities(self) -> CareCapabilities:
        return CareCapabilities(honours_keys=True, edits_orders=True)

    def customer(self, order_id: str) -> CustomerOf:
        try:
            order = self._query("OrderCustomer", order_id, {"id": order_id})
        except AccessDenied as exc:
            raise Unsupported(
                ADAPTER,
                order_id,
                "Shopify does not let Dispo read the customer's address.",
                "Allow it on the connection's page; Shopify asks for protected customer data as well.",
            ) from exc
        if not order["email"]:
            raise Unsupported(ADAPTER, order_id, "The order has no e-mail address.")
        return CustomerOf(str(order["email"]), str(order["customerLocale"] or "").partition("-")[0].lower())

    def plan_refund(self, order_id: str, line_id: str, units: int, reference: str) -> CareRequest:
        lines = self._lines(order_id)
        line = lines.get(line_id)
        if line is None or line["refundableQuantity"] < units:
            left = 0 if line is None else line["refundableQuantity"]
            raise _too_few(order_id, left, units)
        is_last = all(one["currentQuantity"] == (units if one is line else 0) for one in lines.values())
        items = [{"lineItemId": line_id, "quantity": units, "restockType": "NO_RESTOCK"}]
        asked = {"id": order_id, "lines": items, "shipping": is_last}
        order = self._refunding("SuggestedRefund", order_id, asked)
        suggested = order["suggestedRefund"]
        if suggested is None:
            raise _too_few(order_id, 0, units)
        currency = str(order["currencyCode"])
        amount = to_minor(suggested["amountSet"]["shopMoney"]["amount"], currency)
        transactions = [
            {
                "orderId": order_id,
                "parentId": one["parentTransaction"]["id"],
                "gateway": one["gateway"],
                "kind": "REFUND",
                "amount": one["amountSet"]["shopMoney"]["amount"],
            }
            for one in suggested["suggestedTransactions"]
            if one["parentTransaction"] is not None and one["gateway"]
        ]
        payable = sum(to_minor(one["amount"], currency) for one in transactions)
        if amount < 1 or payable != amount:
            # A manual payment, or one that Shopify cannot send back: it would book a refund that nobody pays.
            raise Unsupported(
                ADAPTER,
                order_id,
                "Shopify cannot pay all of it back by the means it was paid with.",
                "Refund the order in the Shopify admin, and pay back by hand.",
            )
        body: dict[str, Any] = {
            "orderId": order_id,
            "note": reference,
            "notify": False,
            "refundLineItems": items,
            "transactions": transactions,
        }
        if is_last:
            body["shipping"] = {"fullRefund": True}
        return CareRequest("refund", order_id, line_id, reference, amount, currency, body)

    def plan_substitute(
        self, order_id: str, line_id: str, units: int, external_id: str, reference: str
    ) -> CareRequest:
        line = self._lines(order_id).get(line_id)
        if line is None or line["unfulfilledQuantity"] < units:
            raise _too_few(order_id, 0 if line is None else line["unfulfilledQuantity"], units)
        body = {
            "variantId": external_id,
            "units": units,
            "left": line["currentQuantity"] - units,
            # How many of it the order has already, to tell afterwards that there are more.
            "before": self._units_of(order_id, external_id),
        }
        return CareRequest("substitute", order_id, line_id, reference, 0, "", body)

    def send(self, request: CareRequest, key: str) -> CareDone:
        if request.kind == "substitute":
            return self._edit(request)
        try:
            answer = self._client.mutate("CreateRefund", {"input": dict(request.body), "key": key})
        except AccessDenied as exc:
            raise _denied(request.order_id, "refund", _REFUNDS_GRANT) from exc
        said = answer["refundCreate"]
        if said["userErrors"]:
            if any("in progress" in str(one["message"]) for one in said["userErrors"]):
                raise OutcomeUnknown(ADAPTER, request.order_id, _words(said))
            found = self.find(request)
            if found is not None:
                return found  # the key was used up by the request that did it
            raise Rejected(ADAPTER, request.order_id, _words(said))
        if not said["refund"]:
            raise OutcomeUnknown(ADAPTER, request.order_id, "The answer names no refund.")
        return _done(said["refund"], request.currency)

    def find(self, request: CareRequest) -> CareDone | None:
        if request.kind == "substitute":
            units = self._units_of(request.order_id, str(request.body["variantId"]))
            if units < request.body["before"] + request.body["units"]:
                return None
            return CareDone(request.order_id, 0, "")
        order = self._refunding("RefundsOf", request.order_id, {"id": request.order_id, "first": REFUNDS})
        for one in order["refunds"]:
            if one["note"] == request.reference:
                return _done(one, request.currency)
        return None

    def _edit(self, request: CareRequest) -> CareDone:
        def step(operation: str, field: str, variables: Mapping[str, Any]) -> dict[str, Any]:
            try:
                said: dict[str, Any] = self._client.mutate(operation, variables)[field]
            except AccessDenied as exc:
                raise _denied(request.order_id, "change", _EDITS_GRANT) from exc
            if said["userErrors"]:
                raise Rejected(ADAPTER, request.order_id, _words(said))
            return said

        begun = step("BeginEdit", "orderEditBegin", {"id": request.order_id})
        edit = begun["calculatedOrder"]["id"]
        number = request.line_id.rpartition("/")[2]
        step(
            "SetEditQuantity",
            "orderEditSetQuantity",
            {
                "id": edit,
                "line": f"gid://shopify/CalculatedLineItem/{number}",
                "units": request.body["left"],
            },
        )
        added = step(
            "AddEditVariant",
            "orderEditAddVariant",
            {"id": edit, "variant": request.body["variantId"], "units": request.body["units"]},
        )
        owed = added["calculatedOrder"]["totalOutstandingSet"]["shopMoney"]["amount"]
        if float(owed) > 0:
            # Nothing was changed yet: the session is left alone and ends by itself.
            raise Rejected(
                ADAPTER,
                request.order_id,
                f"The substitute costs {owed} more, which the customer has not paid.",
                "Change the order in the Shopify admin, with a discount.",
            )
        step("CommitEdit", "orderEditCommit", {"id": edit, "note": request.reference})
        return CareDone(request.order_id, 0, "")

    def _units_of(self, order_id: str, variant_id: str) -> int:
        lines = self._lines(order_id).values()
        return sum(
            int(one["currentQuantity"])
            for one in lines
            if one["variant"] is not None and one["variant"]["id"] == variant_id
        )

    def _lines(self, order_id: str) -> dict[str, dict[str, Any]]:
        order = self._refunding("CareLines", order_id, {"id": order_id, "first": LINES})
        if order["lineItems"]["pageInfo"]["hasNextPage"]:
            # Whether the line is the last open one could not be told.
            raise Unsupported(
                ADAPTER,
                order_id,
                f"The order has more than {LINES} lines.",
                "Refund or change it in the Shopify admin.",
            )
        return {one["id"]: one for one in order["lineItems"]["nodes"]}

    def _refunding(self, operation: str, order_id: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._query(operation, order_id, variables)
        except AccessDenied as exc:
            raise _denied(order_id, "refund", _REFUNDS_GRANT) from exc

    def _query(self, operation: str, order_id: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] | None = self._client.query(operation, variables)["order"]
        if found is None:
            raise NotFound(ADAPTER, order_id, "The shop has no such order any more.")
        return found


def _done(refund: Mapping[str, Any], currency: str) -> CareDone:
    amount = refund["totalRefundedSet"]["shopMoney"]["amount"]
    return CareDone(str(refund["id"]), to_minor(amount, currency), currency)


def _words(said: Mapping[str, Any]) -> str:
    return "; ".join(str(one["message"])[:200] for one in said["userErrors"][:3])


def _too_few(order_id: str, left: int, units: int) -> Rejected:
    return Rejected(ADAPTER, order_id, f"Of this line {left} pieces are left to deal with, not {units}.")


def _denied(order_id: str, what: str, remedy: str) -> Unsupported:
    return Unsupported(ADAPTER, order_id, f"The shop does not let Dispo {what} orders.", remedy)
