"""Coupon codes of a BigCommerce store: a promotion, and the code as part of it.

Two writes make one coupon. The promotion bears the code as its name, so that a second try finds what the first
one left and adds what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from adapters.kit.money import to_minor, to_text
from adapters.stores.bigcommerce.client import ADAPTER, BigCommerceClient, words_of
from connector.ports.coupons import Coupon, CouponMade
from connector.ports.errors import OutcomeUnknown, Rejected, Unauthorized, Unsupported

PATH = "/v3/promotions"
_TAKEN = frozenset({409, 422})


class BigCommerceCoupons:
    """Implements `connector.ports.coupons.Coupons`."""

    def __init__(self, client: BigCommerceClient) -> None:
        self._client = client

    def create_coupon(self, coupon: Coupon) -> CouponMade:
        try:
            return self._create(coupon)
        except Unauthorized as exc:
            raise _denied(exc, coupon.code) from exc

    def delete_coupon(self, external_id: str) -> None:
        try:
            self._client.write("DELETE", f"{PATH}/{int(external_id)}", None, expected=frozenset({404}))
        except Unauthorized as exc:
            raise _denied(exc, external_id) from exc

    def _create(self, coupon: Coupon) -> CouponMade:
        store = self._client.get("/v2/store")
        currency = str(store.get("currency", ""))
        if coupon.currency and coupon.currency != currency:
            raise Unsupported(
                ADAPTER,
                f"coupon {coupon.code}",
                f"The store's currency is {currency}, not {coupon.currency}.",
            )
        body = _body(coupon, currency, str((store.get("timezone") or {}).get("name") or "UTC"))
        promotion = self._of_name(coupon.code)
        if promotion is None:
            answer = self._client.write("POST", PATH, body, expected=frozenset({422}))
            if answer.status == 422:
                raise Rejected(ADAPTER, f"coupon {coupon.code}", words_of(answer.data))
            promotion = answer.data.get("data") if isinstance(answer.data, dict) else None
            if not isinstance(promotion, dict) or "id" not in promotion:
                raise OutcomeUnknown(ADAPTER, f"coupon {coupon.code}", "The answer names no promotion.")
        elif not _says_the_same(promotion, body, currency):
            raise _taken(coupon)
        number = int(promotion["id"])
        codes = self._client.rows(f"{PATH}/{number}/codes")
        if not any(str(one.get("code", "")).upper() == coupon.code for one in codes):
            self._add_code(number, coupon)
        return CouponMade(str(number))

    def _add_code(self, promotion: int, coupon: Coupon) -> None:
        path = f"{PATH}/{promotion}/codes"
        sent = {"code": coupon.code, "max_uses": coupon.usage_limit, "max_uses_per_customer": 1}
        answer = self._client.write("POST", path, sent, expected=_TAKEN)
        if answer.status in _TAKEN:
            # Ours from another worker, or somebody else's: then the empty promotion is of no use.
            if any(str(one.get("code", "")).upper() == coupon.code for one in self._client.rows(path)):
                return
            self._client.write("DELETE", f"{PATH}/{promotion}", None, expected=frozenset({404}))
            raise _taken(coupon)

    def _of_name(self, name: str) -> dict[str, Any] | None:
        rows = self._client.rows(PATH, {"name": name, "redemption_type": "coupon"})
        return next((row for row in rows if row.get("name") == name), None)


def _body(coupon: Coupon, currency: str, zone: str) -> dict[str, Any]:
    if coupon.percent is not None:
        discount = {"percentage_amount": str(coupon.percent)}
    else:
        discount = {"fixed_amount": to_text(coupon.amount_minor or 0, currency)}
    action: dict[str, Any] = {"cart_value": {"discount": discount}}
    if coupon.only_external_ids:
        products = sorted(int(one) for one in coupon.only_external_ids)
        # `as_total`: an amount once for all of them, not for each piece.
        items = {"discount": discount, "as_total": True, "items": {"products": products}}
        action = {"cart_items": items}
    ends = datetime.combine(coupon.expires_on, time(23, 59, 59), ZoneInfo(zone)).astimezone(UTC)
    return {
        "name": coupon.code,
        "redemption_type": "COUPON",
        "rules": [{"action": action, "apply_once": True, "stop": False}],
        "currency_code": currency,
        "max_uses": coupon.usage_limit,
        "end_date": ends.isoformat(),
        "status": "ENABLED",
    }


def _says_the_same(there: Mapping[str, Any], body: Mapping[str, Any], currency: str) -> bool:
    ends = str(there.get("end_date") or "")
    return (
        _discount(there, currency) == _discount(body, currency)
        and there.get("max_uses") == body["max_uses"]
        and bool(ends)
        and datetime.fromisoformat(ends) == datetime.fromisoformat(body["end_date"])
    )


def _discount(promotion: Mapping[str, Any], currency: str) -> tuple[str, int, tuple[int, ...]] | None:
    """Kind, amount in hundredths or minor units, and products; None for a promotion of another shape."""
    rules = promotion.get("rules") or []
    action = rules[0].get("action") or {} if len(rules) == 1 else {}
    part = action.get("cart_value") or action.get("cart_items")
    if not isinstance(part, dict) or len(part.get("discount") or {}) != 1:
        return None
    ((kind, amount),) = part["discount"].items()
    products = tuple(sorted((part.get("items") or {}).get("products") or ()))
    return kind, to_minor(amount, currency if kind == "fixed_amount" else "EUR"), products


def _taken(coupon: Coupon) -> Rejected:
    return Rejected(
        ADAPTER,
        f"coupon {coupon.code}",
        "The store has this code already, for something else.",
        "Use another code.",
    )


def _denied(exc: Unauthorized, subject: str) -> Exception:
    """A missing scope is a feature that was not granted; a refused token is not."""
    if "scope" not in exc.cause:
        return exc
    return Unsupported(
        ADAPTER,
        subject,
        "The store does not let Dispo make coupons.",
        "Give the API account the scope “Marketing: modify”.",
    )
