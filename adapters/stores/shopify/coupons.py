"""Discount codes of a Shopify shop. A code exists once in a shop, which is what makes repeating harmless."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from adapters.kit.money import to_minor, to_text
from adapters.stores.shopify.catalogue import moment
from adapters.stores.shopify.client import ADAPTER, AccessDenied, ShopifyClient
from connector.ports.coupons import Coupon, CouponMade
from connector.ports.errors import OutcomeUnknown, Rejected, Unsupported

SCOPES = ("write_discounts",)
_LONG_AGO = "2020-01-01T00:00:00Z"
"""A code is good at once, whatever the clock of the shop says."""
_NOT_GRANTED = "Allow Dispo to make discount codes on the connection's page."


class ShopifyCoupons:
    """Implements `connector.ports.coupons.Coupons`."""

    def __init__(self, client: ShopifyClient) -> None:
        self._client = client

    def create_coupon(self, coupon: Coupon) -> CouponMade:
        shop, there = self._look(coupon.code)
        if coupon.amount_minor is not None and coupon.currency != shop["currencyCode"]:
            raise Unsupported(
                ADAPTER,
                f"discount code {coupon.code}",
                f"The shop's currency is {shop['currencyCode']}, not {coupon.currency}.",
            )
        ends_at = _end_of(coupon, str(shop["ianaTimezone"]))
        if there is not None:
            return _ours(coupon, there, ends_at)
        asked = {"basicCodeDiscount": _input(coupon, ends_at)}
        try:
            answer = self._client.mutate("CreateCoupon", asked)["discountCodeBasicCreate"]
        except AccessDenied as exc:
            raise _denied(coupon.code) from exc
        errors = answer["userErrors"]
        if any(one["code"] == "TAKEN" for one in errors):
            # Somebody made it between our look and our write, perhaps another worker of ours.
            _, there = self._look(coupon.code)
            if there is not None:
                return _ours(coupon, there, ends_at)
        if errors:
            raise Rejected(ADAPTER, f"discount code {coupon.code}", _said(errors))
        node = answer["codeDiscountNode"]
        if not node:
            raise OutcomeUnknown(ADAPTER, f"discount code {coupon.code}", "The answer names no discount.")
        return CouponMade(str(node["id"]))

    def delete_coupon(self, external_id: str) -> None:
        try:
            errors = self._client.mutate("DeleteCoupon", {"id": external_id})["discountCodeDelete"][
                "userErrors"
            ]
        except AccessDenied as exc:
            raise _denied(external_id) from exc
        if errors and not any("exist" in str(one["message"]) for one in errors):
            raise Rejected(ADAPTER, external_id, _said(errors))

    def _look(self, code: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The shop's currency and zone, and the discount of this code."""
        try:
            data = self._client.query("CouponOfCode", {"code": code})
        except AccessDenied as exc:
            raise _denied(code) from exc
        return data["shop"], data["codeDiscountNodeByCode"]


def _input(coupon: Coupon, ends_at: datetime) -> dict[str, Any]:
    value: dict[str, Any]
    if coupon.percent is not None:
        value = {"percentage": coupon.percent / 100}
    else:
        amount = to_text(coupon.amount_minor or 0, coupon.currency)
        value = {"discountAmount": {"amount": amount, "appliesOnEachItem": False}}
    items: dict[str, Any] = {"all": True}
    if coupon.only_external_ids:
        items = {"products": {"productsToAdd": list(coupon.only_external_ids)}}
    return {
        "title": coupon.title or coupon.code,
        "code": coupon.code,
        "startsAt": _LONG_AGO,
        "endsAt": _text(ends_at),
        "usageLimit": coupon.usage_limit,
        "appliesOncePerCustomer": True,
        "context": {"all": "ALL"},
        "customerGets": {"value": value, "items": items},
    }


def _ours(coupon: Coupon, node: Mapping[str, Any], ends_at: datetime) -> CouponMade:
    """The discount that is there, when it says what `coupon` says."""
    said = node["codeDiscount"] or {}
    value = (said.get("customerGets") or {}).get("value") or {}
    if coupon.percent is not None:
        # Shopify says 0.15 for 15 %, as a binary fraction.
        same = round(Decimal(str(value.get("percentage") or 0)) * 100) == coupon.percent
    else:
        amount = (value.get("amount") or {}).get("amount")
        same = amount is not None and to_minor(amount, coupon.currency) == coupon.amount_minor
    ends = said.get("endsAt")
    if not same or said.get("usageLimit") != coupon.usage_limit or not ends or moment(ends) != ends_at:
        raise Rejected(
            ADAPTER,
            f"discount code {coupon.code}",
            "The shop has this code already, for something else.",
            "Use another code.",
        )
    return CouponMade(str(node["id"]))


def _end_of(coupon: Coupon, zone: str) -> datetime:
    """The last second of the day at the shop's place."""
    return datetime.combine(coupon.expires_on, time(23, 59, 59), ZoneInfo(zone)).astimezone(UTC)


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _said(errors: list[dict[str, Any]]) -> str:
    return "; ".join(str(one["message"])[:200] for one in errors[:3])


def _denied(subject: str) -> Unsupported:
    return Unsupported(ADAPTER, subject, "The shop does not let Dispo make discount codes.", _NOT_GRANTED)
