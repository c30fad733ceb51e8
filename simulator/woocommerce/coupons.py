"""The coupons routes, with WooCommerce's traps: `date_expires_gmt` is ignored, codes are kept in small letters."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from simulator.shop import Shop
from simulator.woocommerce.replies import Call, Reply, RestError, page_of

_TYPES = ("percent", "fixed_cart", "fixed_product")


class Coupons:
    """The coupons of one shop, `kept` by id."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.kept: dict[int, dict[str, Any]] = {}

    def many(self, call: Call) -> Reply:
        code = call.query.get("code", "").lower()
        rows = [row for row in self.kept.values() if not code or row["code"] == code]
        return page_of(call, rows, dict)

    def create(self, call: Call) -> Reply:
        sent: Mapping[str, Any] = call.body or {}
        code = str(sent.get("code", "")).strip().lower()
        if not code:
            raise RestError(400, "woocommerce_rest_empty_coupon_code", "The coupon code cannot be empty.")
        if any(row["code"] == code for row in self.kept.values()):
            raise RestError(
                400, "woocommerce_rest_coupon_code_already_exists", "The coupon code already exists"
            )
        kind = str(sent.get("discount_type", "fixed_cart"))
        if kind not in _TYPES:
            raise RestError(400, "rest_invalid_param", "Invalid parameter(s): discount_type")
        try:
            amount = Decimal(str(sent.get("amount", "0")))
        except InvalidOperation:
            raise RestError(400, "coupon_invalid_amount", "Invalid discount amount.") from None
        if amount < 0 or (kind == "percent" and amount > 100):
            raise RestError(400, "coupon_invalid_amount", "Invalid discount amount.")
        coupon_id = self._shop.new_id()
        row = {
            "id": coupon_id,
            "code": code,
            # As recorded: two digits, whatever was sent.
            "amount": f"{amount:.2f}",
            "status": "publish",
            "discount_type": kind,
            "description": str(sent.get("description", "")),
            # `date_expires_gmt` of the request changes nothing; a bare day ends as it begins.
            "date_expires": _stamp(sent.get("date_expires")),
            "usage_count": 0,
            "individual_use": bool(sent.get("individual_use", False)),
            "product_ids": [int(one) for one in sent.get("product_ids") or ()],
            "usage_limit": sent.get("usage_limit"),
            "limit_usage_to_x_items": sent.get("limit_usage_to_x_items"),
        }
        self.kept[coupon_id] = row
        return Reply(dict(row), 201, {"Location": f"{call.home}/wp-json/wc/v3/coupons/{coupon_id}"})

    def delete(self, call: Call, coupon_id: int) -> Reply:
        row = self.kept.get(coupon_id)
        if row is None:
            raise RestError(404, "woocommerce_rest_shop_coupon_invalid_id", "Invalid ID.")
        if call.flag("force"):
            del self.kept[coupon_id]
        else:
            row["status"] = "trash"
        return Reply(dict(row))


def _stamp(value: object) -> str | None:
    text = str(value or "")
    return (f"{text}T00:00:00" if len(text) == 10 else text[:19]) or None
