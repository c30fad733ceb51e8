"""Discount codes: a code exists once in a shop, whatever its case, and takes the scope `write_discounts`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.shopify.model import gid, number_of

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

Payload = dict[str, Any]
WRITE = "write_discounts"


@dataclass
class SimDiscount:
    """One basic code. `value` is Shopify's input: {"percentage": …} or {"discountAmount": {…}}."""

    id: int
    code: str
    title: str
    value: Payload
    items: Payload
    usage_limit: int | None
    ends_at: str | None


class Discounts:
    """The codes of one shop, `kept` by id."""

    def __init__(self, server: ShopifyServer) -> None:
        self._server = server
        self._shop = server.shop
        self.kept: dict[int, SimDiscount] = {}

    def root(self) -> dict[str, Callable[..., Any]]:
        return {
            "codeDiscountNodeByCode": self._of_code,
            "discountCodeBasicCreate": self._create,
            "discountCodeDelete": self._delete,
        }

    def _of_code(self, info: Any, code: str) -> Payload | None:
        self._server.queries.needs(WRITE, "codeDiscountNodeByCode")
        found = self._find(code)
        return None if found is None else self._node(found)

    def _create(self, info: Any, basicCodeDiscount: Payload) -> Payload:
        self._server.queries.needs(WRITE, "discountCodeBasicCreate")
        sent = basicCodeDiscount
        with self._shop.lock:
            error = self._problem(sent)
            if error is not None:
                return {"codeDiscountNode": None, "userErrors": [error]}
            gets = sent["customerGets"]
            made = SimDiscount(
                self._shop.new_id(),
                sent["code"],
                sent["title"],
                gets["value"],
                gets["items"],
                sent.get("usageLimit"),
                sent.get("endsAt"),
            )
            self.kept[made.id] = made
        return {"codeDiscountNode": self._node(made), "userErrors": []}

    def _problem(self, sent: Payload) -> Payload | None:
        def wrong(code: str, field: str, message: str) -> Payload:
            return {"code": code, "field": ["basicCodeDiscount", field], "message": message}

        if not sent.get("code"):
            return wrong("BLANK", "code", "Code can't be blank")
        if not sent.get("title"):
            return wrong("BLANK", "title", "Title can't be blank")
        if self._find(sent["code"]) is not None:
            return wrong("TAKEN", "code", "Code must be unique. Please try a different code.")
        value = (sent.get("customerGets") or {}).get("value") or {}
        share = value.get("percentage")
        if share is not None and not 0 < share <= 1:
            return wrong("VALUE_OUTSIDE_RANGE", "customerGets", "Value must be between 0.0 and 1.0")
        if share is None and float((value.get("discountAmount") or {}).get("amount") or 0) <= 0:
            return wrong("GREATER_THAN", "customerGets", "Amount must be greater than 0")
        ends = sent.get("endsAt")
        if ends and _moment(ends) <= _moment(sent["startsAt"]):
            return wrong("END_DATE_BEFORE_START_DATE", "endsAt", "Ends at needs to be after starts_at")
        for one in (
            (gets_items := sent["customerGets"].get("items") or {})
            .get("products", {})
            .get("productsToAdd", ())
        ):
            if (number_of(one, "Product") or 0) not in self._shop.products:
                return wrong("INVALID", "customerGets", f"Product with id: {one} is invalid")
        if not gets_items:
            return wrong("BLANK", "customerGets", "Items in 'customer get' must be defined")
        return None

    def _delete(self, info: Any, id: str) -> Payload:
        self._server.queries.needs(WRITE, "discountCodeDelete")
        if self.kept.pop(number_of(id, "DiscountCodeNode") or 0, None) is None:
            missing = {"code": "INVALID", "field": ["id"], "message": "Code discount does not exist."}
            return {"deletedCodeDiscountId": None, "userErrors": [missing]}
        return {"deletedCodeDiscountId": id, "userErrors": []}

    def _find(self, code: str) -> SimDiscount | None:
        return next((one for one in self.kept.values() if one.code.upper() == code.upper()), None)

    def _node(self, one: SimDiscount) -> Payload:
        value: Payload
        if "percentage" in one.value and one.value["percentage"] is not None:
            value = {"__typename": "DiscountPercentage", "percentage": one.value["percentage"]}
        else:
            amount = {"amount": one.value["discountAmount"]["amount"], "currencyCode": self._shop.currency}
            value = {"__typename": "DiscountAmount", "amount": amount}
        return {
            "__typename": "DiscountCodeNode",
            "id": gid("DiscountCodeNode", one.id),
            "codeDiscount": {
                "__typename": "DiscountCodeBasic",
                "title": one.title,
                "endsAt": one.ends_at,
                "usageLimit": one.usage_limit,
                "customerGets": {"value": value},
            },
        }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
