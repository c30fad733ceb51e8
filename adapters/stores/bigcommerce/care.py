"""Refunds of BigCommerce orders: a quote says what to pay back and by which provider, the refund repeats it.

Refunds of one order are made one after another. What is paid comes later and may be declined by the provider; the
refund then says so. Orders cannot be edited through V3 without a new payment: substitutes are the merchant's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.money import to_minor, to_text
from adapters.stores.bigcommerce.client import ADAPTER, BigCommerceClient, rows_of, words_of
from connector.ports.errors import NotFound, OutcomeUnknown, Rejected, Unauthorized, Unsupported
from connector.ports.orders_care import CareCapabilities, CareDone, CareRequest, CustomerOf

_REFUSED = frozenset({404, 409, 422})


class BigCommerceCare:
    """Implements `connector.ports.orders_care.OrderCare`."""

    def __init__(self, client: BigCommerceClient) -> None:
        self._client = client

    @property
    def capabilities(self) -> CareCapabilities:
        return CareCapabilities(honours_keys=False, edits_orders=False)

    def customer(self, order_id: str) -> CustomerOf:
        try:
            order = self._order(order_id)
        except Unauthorized as exc:
            raise _denied(exc, order_id, "read") from exc
        address = str((order.get("billing_address") or {}).get("email") or "")
        if not address:
            raise Unsupported(ADAPTER, f"order {order_id}", "The order has no e-mail address.")
        return CustomerOf(address, str(order.get("customer_locale") or "").partition("-")[0].lower())

    def plan_refund(self, order_id: str, line_id: str, units: int, reference: str) -> CareRequest:
        try:
            return self._plan(order_id, line_id, units, reference)
        except Unauthorized as exc:
            raise _denied(exc, order_id, "refund") from exc

    def plan_substitute(
        self, order_id: str, line_id: str, units: int, external_id: str, reference: str
    ) -> CareRequest:
        raise _no_edits(order_id)

    def send(self, request: CareRequest, key: str) -> CareDone:
        if request.kind != "refund":
            raise _no_edits(request.order_id)
        path = f"/v3/orders/{int(request.order_id)}/payment_actions/refunds"
        try:
            answer = self._client.write("POST", path, dict(request.body), expected=_REFUSED)
        except Unauthorized as exc:
            raise _denied(exc, request.order_id, "refund") from exc
        if answer.status in _REFUSED:
            raise Rejected(ADAPTER, f"order {request.order_id}", words_of(answer.data))
        data = answer.data.get("data") if isinstance(answer.data, dict) else None
        if not isinstance(data, dict) or "id" not in data:
            raise OutcomeUnknown(ADAPTER, f"order {request.order_id}", "The answer names no refund.")
        return _done(data, request.currency)

    def find(self, request: CareRequest) -> CareDone | None:
        try:
            refunds = self._refunds(request.order_id)
        except Unauthorized as exc:
            raise _denied(exc, request.order_id, "read") from exc
        ours = [
            one
            for one in refunds
            if any(item.get("reason") == request.reference for item in one.get("items") or ())
        ]
        # One that was declined may have been followed by one that was paid.
        ours.sort(key=_is_declined)
        return _done(ours[0], request.currency) if ours else None

    def _plan(self, order_id: str, line_id: str, units: int, reference: str) -> CareRequest:
        order = self._order(order_id)
        currency = str(order.get("currency_code") or "")
        lines = {str(one["id"]): one for one in self._lines(order_id)}
        line = lines.get(line_id)
        left = {number: _left(one) for number, one in lines.items()}
        if line is None or left[line_id] < units:
            raise Rejected(
                ADAPTER,
                f"order {order_id}",
                f"Of this line {left.get(line_id, 0)} pieces are left to refund, not {units}.",
            )
        items: list[dict[str, Any]] = [
            {"item_type": "PRODUCT", "item_id": int(line_id), "quantity": units, "reason": reference}
        ]
        if all(count == (units if number == line_id else 0) for number, count in left.items()):
            items += self._shipping(order_id, order, currency, reference)
        quoting = f"/v3/orders/{int(order_id)}/payment_actions/refund_quotes"
        quote = self._client.write("POST", quoting, {"items": items}, expected=_REFUSED)
        if quote.status in _REFUSED:
            raise Rejected(ADAPTER, f"order {order_id}", words_of(quote.data))
        said = quote.data["data"]
        amount = to_minor(said["total_refund_amount"], currency)
        return CareRequest(
            "refund",
            order_id,
            line_id,
            reference,
            amount,
            currency,
            {"items": items, "payments": _payments(order_id, said, amount, currency)},
        )

    def _shipping(
        self, order_id: str, order: Mapping[str, Any], currency: str, reference: str
    ) -> list[dict[str, Any]]:
        """The shipping as an item to refund; none where nothing was charged or all of it was paid back."""
        charged = to_minor(order.get("shipping_cost_inc_tax") or 0, currency)
        back = sum(
            to_minor(item.get("requested_amount") or 0, currency)
            for one in self._refunds(order_id)
            for item in one.get("items") or ()
            if item.get("item_type") == "SHIPPING"
        )
        if charged <= back:
            return []
        rows = self._client.get(f"/v2/orders/{int(order_id)}/shipping_addresses") or []
        if len(rows) != 1:
            # Several parcels: which of them was never sent nobody can say.
            return []
        item = {"item_type": "SHIPPING", "item_id": int(rows[0]["id"]), "reason": reference}
        return [{**item, "amount": float(to_text(charged - back, currency))}]

    def _order(self, order_id: str) -> dict[str, Any]:
        data = self._client.get(f"/v2/orders/{int(order_id)}")
        if not isinstance(data, dict):
            raise NotFound(ADAPTER, f"order {order_id}", "The store has no such order.")
        return data

    def _lines(self, order_id: str) -> list[dict[str, Any]]:
        data = self._client.get(f"/v2/orders/{int(order_id)}/products", {"limit": "250"})
        return list(data or ())

    def _refunds(self, order_id: str) -> list[dict[str, Any]]:
        path = f"/v3/orders/{int(order_id)}/payment_actions/refunds"
        return rows_of(path, self._client.get(path))


def _left(line: Mapping[str, Any]) -> int:
    return max(0, int(line.get("quantity") or 0) - int(line.get("quantity_refunded") or 0))


def _payments(order_id: str, quote: Mapping[str, Any], amount: int, currency: str) -> list[dict[str, Any]]:
    """The first way to pay all of it back that the store itself can go. `refund_methods` lists ways, each a list
    of payments."""
    for way in quote.get("refund_methods") or ():
        # Store credit is the customer's to choose, not a way to pay back.
        if any(one.get("offline") or one.get("provider_id") in ("storecredit", "custom") for one in way):
            continue
        if sum(to_minor(one["amount"], currency) for one in way) == amount:
            return [
                {"provider_id": one["provider_id"], "amount": one["amount"], "offline": False} for one in way
            ]
    raise Unsupported(
        ADAPTER,
        f"order {order_id}",
        "The store cannot pay it back by the means it was paid with.",
        "Pay it back by hand, and note the refund in the order.",
    )


def _done(refund: Mapping[str, Any], currency: str) -> CareDone:
    if _is_declined(refund):
        raise Rejected(
            ADAPTER,
            f"order {refund.get('order_id', '')}",
            "The payment provider declined the refund.",
            "Pay it back by hand.",
        )
    return CareDone(str(refund["id"]), to_minor(refund.get("total_amount"), currency), currency)


def _is_declined(refund: Mapping[str, Any]) -> bool:
    return any(one.get("is_declined") for one in refund.get("payments") or ())


def _no_edits(order_id: str) -> Unsupported:
    return Unsupported(
        ADAPTER,
        f"order {order_id}",
        "BigCommerce lets no app change an order that was paid.",
        "Change the order in the control panel: add the substitute, remove the line.",
    )


def _denied(exc: Unauthorized, order_id: str, what: str) -> Exception:
    """A missing scope is a feature that was not granted; a refused token is not."""
    if "scope" not in exc.cause:
        return exc
    return Unsupported(
        ADAPTER,
        f"order {order_id}",
        f"The store does not let Dispo {what} orders.",
        "Give the API account the scope “Orders: modify”.",
    )
