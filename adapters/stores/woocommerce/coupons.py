"""Coupons of a WooCommerce shop, by wc/v3/coupons.

Two traps: `date_expires_gmt` is silently ignored, so that a code set by it never ends; and a coupon whose
`date_expires` is a bare day ends when that day begins. A deleted coupon goes to the trash unless forced, and its
code stays taken there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.money import to_minor, to_text
from adapters.stores.woocommerce.client import ADAPTER, Client
from connector.ports.coupons import Coupon, CouponMade
from connector.ports.errors import NotFound, OutcomeUnknown, Rejected, Unsupported


class WooCommerceCoupons:
    """Implements `connector.ports.coupons.Coupons`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create_coupon(self, coupon: Coupon) -> CouponMade:
        if coupon.currency:
            currency = self._currency()
            if currency != coupon.currency:
                raise Unsupported(
                    ADAPTER,
                    f"coupon {coupon.code}",
                    f"The shop's currency is {currency}, not {coupon.currency}.",
                )
        there = self._of_code(coupon.code)
        if there is not None:
            return _ours(coupon, there)
        try:
            data = self._client.write("POST", "coupons", _body(coupon)).data
        except Rejected:
            # Taken between our look and our write, perhaps by another worker of ours; the code's own words in
            # the answer are translated, so the shop is asked instead.
            there = self._of_code(coupon.code)
            if there is None:
                raise
            return _ours(coupon, there)
        if not isinstance(data, dict) or "id" not in data:
            raise OutcomeUnknown(ADAPTER, f"coupon {coupon.code}", "The shop's answer names no coupon.")
        return _ours(coupon, data)

    def delete_coupon(self, external_id: str) -> None:
        try:
            self._client.delete(f"coupons/{int(external_id)}", {"force": "true"})
        except NotFound:
            return

    def _of_code(self, code: str) -> dict[str, Any] | None:
        # The filter knows no case, as WooCommerce keeps codes in small letters.
        rows = self._client.get("coupons", {"code": code}).data
        found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return next((row for row in found if str(row.get("code", "")).upper() == code), None)

    def _currency(self) -> str:
        data = self._client.get("settings/general/woocommerce_currency").data
        return str(data.get("value") if isinstance(data, dict) else "")


def _body(coupon: Coupon) -> dict[str, Any]:
    body: dict[str, Any] = {
        "code": coupon.code,
        "description": coupon.title or coupon.code,
        "date_expires": f"{coupon.expires_on.isoformat()}T23:59:59",
        "usage_limit": coupon.usage_limit,
        "individual_use": False,
    }
    if coupon.percent is not None:
        body |= {"discount_type": "percent", "amount": str(coupon.percent)}
    elif coupon.only_external_ids:
        # A cart discount would also be taken off other things once one of the products is in the cart.
        body |= {"discount_type": "fixed_product", "limit_usage_to_x_items": 1}
    else:
        body |= {"discount_type": "fixed_cart"}
    if coupon.amount_minor is not None:
        body["amount"] = to_text(coupon.amount_minor, coupon.currency)
    if coupon.only_external_ids:
        body["product_ids"] = [int(one) for one in coupon.only_external_ids]
    return body


def _ours(coupon: Coupon, row: Mapping[str, Any]) -> CouponMade:
    """The coupon that is there, when it says what `coupon` says."""
    wanted = _body(coupon)
    currency = coupon.currency or "EUR"  # a percentage has two digits there as well
    same = (
        row.get("discount_type") == wanted["discount_type"]
        and to_minor(row.get("amount"), currency) == to_minor(wanted["amount"], currency)
        and row.get("usage_limit") == coupon.usage_limit
        and str(row.get("date_expires") or "") == wanted["date_expires"]
        and sorted(row.get("product_ids") or []) == sorted(wanted.get("product_ids", []))
    )
    if not same:
        raise Rejected(
            ADAPTER,
            f"coupon {coupon.code}",
            "The shop has this code already, for something else.",
            "Use another code.",
        )
    return CouponMade(str(row["id"]))
