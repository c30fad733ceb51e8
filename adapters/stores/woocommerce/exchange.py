"""Puts another item in the place of a line of a WooCommerce order, by wc/v3/orders/<id>.

One write removes the line (its quantity 0) and adds the other item with the very amounts of the line, so that nobody
owes anybody anything. It can be done once only: repeated, the line it removes is not the order's any more, and
WooCommerce refuses all of it. Whether it was done is told by our reference on the new line.

WooCommerce works out the taxes of the whole order anew from today's rates (`calculate_totals`), for a plain order
the same as before. It is not done, and left to the merchant's hand, where that could come out otherwise: another tax
class, rates that changed since, taxes that are no rate of the shop's own, lines refunded in part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.kit.money import to_minor, to_text
from adapters.stores.woocommerce.client import ADAPTER, Client
from connector.ports.errors import NotFound, OutcomeUnknown, PortError, Rejected, Unsupported
from connector.ports.orders_care import CareDone, CareRequest

MARK = "_dispo_reference"
"""Where the new line bears our reference; with a leading underscore WooCommerce shows it to no customer."""


def plan(
    client: Client,
    order: Mapping[str, Any],
    line: Mapping[str, Any],
    units: int,
    external_id: str,
    reference: str,
) -> CareRequest:
    """The exchange of all of `line` for as many of the item `external_id`. Rejected where that costs more."""
    order_id, currency = str(order["id"]), str(order.get("currency") or "")
    if units != int(line.get("quantity") or 0) or order.get("refunds"):
        raise _by_hand(order_id, "Only a whole line of an order without refunds can be exchanged.")
    item = client.get(f"products/{int(external_id)}").data
    parent_id = int(item.get("parent_id") or 0) if item.get("type") == "variation" else 0
    _check_cost(order, line, item, units, currency)
    _check_taxes(client, order, line, item, parent_id)
    new: dict[str, Any] = {
        "product_id": parent_id or int(external_id),
        "quantity": units,
        "subtotal": str(line.get("subtotal") or "0"),
        "total": str(line.get("total") or "0"),
        "meta_data": [{"key": MARK, "value": reference}],
    }
    if parent_id:
        new["variation_id"] = int(external_id)
    body = {
        "line_items": [{"id": int(line["id"]), "quantity": 0}, new],
        "before": str(order.get("total") or "0"),
        "names": [str(line.get("name") or ""), str(item.get("name") or "")],
    }
    return CareRequest("substitute", order_id, str(line["id"]), reference, 0, "", body)


def send(client: Client, request: CareRequest) -> CareDone:
    """Do it; Rejected where the line is not the order's any more."""
    path = f"orders/{int(request.order_id)}"
    data = client.write("PUT", path, {"line_items": request.body["line_items"]}).data
    if not isinstance(data, dict) or not _bears(data, request.reference):
        raise OutcomeUnknown(ADAPTER, f"order {request.order_id}", "The answer does not show the new line.")
    gone, new = request.body["names"]
    said = f"Dispo: “{new}” in the place of “{gone}”, as the customer chose ({request.reference})."
    if Decimal(str(data.get("total") or 0)) != Decimal(request.body["before"]):
        said += f" The order's total changed from {request.body['before']} to {data.get('total')}: please check it."
    # The exchange is done; that its note may be missing changes nothing of it.
    with contextlib.suppress(PortError):
        client.write("POST", f"{path}/notes", {"note": said})
    return CareDone(request.order_id, 0, "")


def find(order: Mapping[str, Any], reference: str) -> CareDone | None:
    """Whether the order has the line that bears the reference."""
    return CareDone(str(order["id"]), 0, "") if _bears(order, reference) else None


def _bears(order: Mapping[str, Any], reference: str) -> bool:
    return any(
        meta.get("key") == MARK and meta.get("value") == reference
        for line in order.get("line_items") or ()
        for meta in line.get("meta_data") or ()
    )


def _check_cost(
    order: Mapping[str, Any], line: Mapping[str, Any], item: Mapping[str, Any], units: int, currency: str
) -> None:
    """Prices are with or without tax as the order's were entered; discounts are no reason to send something dearer."""
    full = to_minor(line.get("subtotal") or 0, currency)
    if order.get("prices_include_tax"):
        full += to_minor(line.get("subtotal_tax") or 0, currency)
    asked = to_minor(item.get("price") or 0, currency) * units
    if asked > full:
        raise Rejected(
            ADAPTER,
            f"order {order['id']}",
            f"The substitute costs {to_text(asked, currency)}, the line {to_text(full, currency)}.",
        )


def _check_taxes(
    client: Client, order: Mapping[str, Any], line: Mapping[str, Any], item: Mapping[str, Any], parent_id: int
) -> None:
    order_id = str(order["id"])
    taxed = item
    if item.get("tax_class") == "parent" and parent_id:
        taxed = client.get(f"products/{parent_id}").data
    is_taxed = any(Decimal(str(one.get("total") or 0)) for one in line.get("taxes") or ())
    rates = {str(one.get("rate_id")): one for one in order.get("tax_lines") or ()}
    if str(taxed.get("tax_class") or "") != str(line.get("tax_class") or ""):
        raise _by_hand(order_id, "The substitute is taxed by another class.")
    if is_taxed and taxed.get("tax_status") != "taxable":
        raise _by_hand(order_id, "The substitute is not taxed, the line is.")
    applied = {
        str(tax["id"])
        for one in order.get("line_items") or ()
        for tax in one.get("taxes") or ()
        if Decimal(str(tax.get("total") or 0))
    }
    for rate_id in sorted(applied | set(rates)):
        if rate_id not in rates:
            raise _by_hand(order_id, "Its taxes are not by the shop's own rates.")
        try:
            now = client.get(f"taxes/{int(rate_id)}").data
        except NotFound as exc:
            raise _by_hand(order_id, "A tax rate of the order does not exist any more.") from exc
        if Decimal(str(now.get("rate") or 0)) != Decimal(str(rates[rate_id].get("rate_percent") or 0)):
            raise _by_hand(order_id, "A tax rate changed since it was ordered.")


def _by_hand(order_id: str, cause: str) -> Unsupported:
    return Unsupported(
        ADAPTER, f"order {order_id}", cause, "Change the order by hand: add the substitute, remove the line."
    )
