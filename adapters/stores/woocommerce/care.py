"""Refunds of WooCommerce orders, by wc/v3/orders/<id>/refunds.

`api_refund` has the order's gateway pay back; a gateway that cannot is seen beforehand (`method_supports`), because
WooCommerce would answer an error after trying. Nothing is restocked: the pieces were never there. WooCommerce does
not look at how many pieces of a line were refunded before, so that is counted here from the order's refunds.
Substitutes: `adapters.stores.woocommerce.exchange`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.money import to_minor, to_text
from adapters.stores.woocommerce import exchange
from adapters.stores.woocommerce.client import ADAPTER, Client
from connector.ports.errors import NotFound, OutcomeUnknown, Rejected, Unsupported
from connector.ports.orders_care import CareCapabilities, CareDone, CareRequest, CustomerOf

PAGE = 100


class WooCommerceCare:
    """Implements `connector.ports.orders_care.OrderCare`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def capabilities(self) -> CareCapabilities:
        return CareCapabilities(honours_keys=False, edits_orders=True)

    def customer(self, order_id: str) -> CustomerOf:
        order = self._client.get(f"orders/{int(order_id)}", {"_fields": "billing"}).data
        billing = order.get("billing") if isinstance(order, dict) else None
        address = str((billing or {}).get("email") or "")
        if not address:
            raise Unsupported(ADAPTER, f"order {order_id}", "The order has no e-mail address.")
        return CustomerOf(address)

    def plan_refund(self, order_id: str, line_id: str, units: int, reference: str) -> CareRequest:
        order = self._order(order_id)
        currency = str(order.get("currency") or "")
        refunds = self._refunds(order_id)
        lines = {str(one["id"]): one for one in order.get("line_items") or ()}
        line = lines.get(line_id)
        left = {number: _left(one, refunds) for number, one in lines.items()}
        if line is None or left[line_id] < units:
            raise Rejected(
                ADAPTER,
                f"order {order_id}",
                f"Of this line {left.get(line_id, 0)} pieces are left to refund, not {units}.",
            )
        self._check_gateway(order_id, str(order.get("payment_method") or ""))
        parts = [_part(line, units, int(line.get("quantity") or 0) - left[line_id], currency)]
        if all(count == (units if number == line_id else 0) for number, count in left.items()):
            parts += [
                _part(one, 0, 0, currency)
                for one in order.get("shipping_lines") or ()
                if not _has(one, refunds)
            ]
        amount = sum(_amount(part, currency) for part in parts)
        paid = to_minor(order.get("total"), currency)
        back = -sum(to_minor(one.get("total"), currency) for one in order.get("refunds") or ())
        if not 0 < amount <= paid - back:
            wanted, left_over = to_text(amount, currency), to_text(max(0, paid - back), currency)
            raise Rejected(
                ADAPTER,
                f"order {order_id}",
                f"It would pay back {wanted}, where {left_over} are left of what was paid.",
            )
        body = {
            "amount": to_text(amount, currency),
            "reason": reference,
            "api_refund": True,
            "api_restock": False,
            "line_items": parts,
        }
        return CareRequest("refund", order_id, line_id, reference, amount, currency, body)

    def plan_substitute(
        self, order_id: str, line_id: str, units: int, external_id: str, reference: str
    ) -> CareRequest:
        order = self._order(order_id)
        line = next((one for one in order.get("line_items") or () if str(one["id"]) == line_id), None)
        if line is None or int(line.get("quantity") or 0) < units:
            left = 0 if line is None else int(line.get("quantity") or 0)
            raise Rejected(
                ADAPTER, f"order {order_id}", f"Of this line {left} pieces are left to exchange, not {units}."
            )
        return exchange.plan(self._client, order, line, units, external_id, reference)

    def send(self, request: CareRequest, key: str) -> CareDone:
        if request.kind != "refund":
            return exchange.send(self._client, request)
        path = f"orders/{int(request.order_id)}/refunds"
        data = self._client.write("POST", path, dict(request.body)).data
        if not isinstance(data, dict) or "id" not in data:
            raise OutcomeUnknown(ADAPTER, f"order {request.order_id}", "The shop's answer names no refund.")
        return _done(data, request.currency)

    def find(self, request: CareRequest) -> CareDone | None:
        if request.kind != "refund":
            return exchange.find(self._order(request.order_id), request.reference)
        for one in self._refunds(request.order_id):
            if one.get("reason") == request.reference:
                return _done(one, request.currency)
        return None

    def _order(self, order_id: str) -> dict[str, Any]:
        data = self._client.get(f"orders/{int(order_id)}").data
        if not isinstance(data, dict):
            raise NotFound(ADAPTER, f"order {order_id}", "The shop has no such order.")
        return data

    def _refunds(self, order_id: str) -> list[dict[str, Any]]:
        data = self._client.get(f"orders/{int(order_id)}/refunds", {"per_page": str(PAGE)}).data
        return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []

    def _check_gateway(self, order_id: str, gateway: str) -> None:
        supports: list[str] = []
        if gateway:
            try:
                data = self._client.get(f"payment_gateways/{gateway}").data
                supports = list(data.get("method_supports") or ()) if isinstance(data, dict) else []
            except NotFound:
                supports = []  # a gateway that was removed pays nobody back
        if "refunds" not in supports:
            raise Unsupported(
                ADAPTER,
                f"order {order_id}",
                "Its means of payment cannot be paid back to by the shop.",
                "Pay it back by hand, and note the refund in the order.",
            )


def _left(line: Mapping[str, Any], refunds: list[dict[str, Any]]) -> int:
    """Pieces of a line that no refund took back yet."""
    back = sum(
        abs(int(part.get("quantity") or 0))
        for refund in refunds
        for part in refund.get("line_items") or ()
        if _of(part) == str(line["id"])
    )
    return max(0, int(line.get("quantity") or 0) - back)


def _of(part: Mapping[str, Any]) -> str:
    """The line of the order that a line of a refund belongs to."""
    meta = {str(one.get("key")): one.get("value") for one in part.get("meta_data") or ()}
    return str(meta.get("_refunded_item_id") or "")


def _has(line: Mapping[str, Any], refunds: list[dict[str, Any]]) -> bool:
    parts = [part for one in refunds for part in one.get("shipping_lines") or ()]
    return any(_of(part) == str(line["id"]) for part in parts)


def _part(line: Mapping[str, Any], units: int, before: int, currency: str) -> dict[str, Any]:
    """What is paid back of a line: its share of the total and of each tax, for `units` after `before` others were
    refunded, so that all shares together are the whole; all of it for `units` 0 (shipping)."""
    quantity = int(line.get("quantity") or 1) if units else 1

    def share(total: object) -> str:
        minor = to_minor(total or 0, currency)

        def of(count: int) -> int:
            # Half a unit goes to the customer.
            return (2 * minor * count + quantity) // (2 * quantity)

        return to_text(of(before + (units or 1)) - of(before), currency)

    taxes = [one for one in line.get("taxes") or () if one.get("total")]
    part: dict[str, Any] = {
        "id": line["id"],
        "refund_total": share(line.get("total")),
        "refund_tax": [{"id": one["id"], "refund_total": share(one["total"])} for one in taxes],
    }
    return {**part, "quantity": units} if units else part


def _amount(part: Mapping[str, Any], currency: str) -> int:
    return to_minor(part["refund_total"], currency) + sum(
        to_minor(one["refund_total"], currency) for one in part["refund_tax"]
    )


def _done(refund: Mapping[str, Any], currency: str) -> CareDone:
    return CareDone(str(refund["id"]), to_minor(refund.get("amount"), currency), currency)
