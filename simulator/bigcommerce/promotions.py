"""V3 promotions with coupon codes: a code exists once in a store, whatever promotion it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from simulator.bigcommerce.replies import ApiError, Reply, page_of
from simulator.shop import Shop


class Promotions:
    """The promotions of one store, `kept` by id, and their codes in `codes`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.kept: dict[int, dict[str, Any]] = {}
        self.codes: dict[int, list[dict[str, Any]]] = {}

    def list(self, args: Mapping[str, str]) -> Reply:
        rows = [row for row in self.kept.values() if args.get("name", row["name"]) == row["name"]]
        return page_of(rows, args, most=250)

    def create(self, body: bytes) -> Reply:
        sent = _parsed(body)
        if not sent.get("name") or sent.get("redemption_type") not in ("COUPON", "AUTOMATIC"):
            raise ApiError(422, "JSON data is missing or invalid", {"name": "error.path.missing"})
        rules = sent.get("rules") or []
        if len(rules) != 1 or not isinstance(rules[0].get("action"), dict):
            raise ApiError(422, "JSON data is missing or invalid", {"rules": "error.path.missing"})
        ((kind, action),) = rules[0]["action"].items()
        if kind not in ("cart_value", "cart_items") or len(action.get("discount") or {}) != 1:
            raise ApiError(422, "JSON data is missing or invalid", {"rules": "is not one of its values"})
        for product in (action.get("items") or {}).get("products", ()):
            if product not in self._shop.products:
                raise ApiError(422, "A product of the promotion does not exist.", {"rules": str(product)})
        number = self._shop.new_id()
        made = {"current_uses": 0, "status": "ENABLED", "max_uses": None, "end_date": None, **sent}
        self.kept[number] = {**made, "id": number}
        self.codes[number] = []
        return Reply({"data": self.kept[number], "meta": {}}, 201)

    def delete(self, number: int) -> Reply:
        self._found(number)
        del self.kept[number], self.codes[number]
        return Reply(None, 204)

    def list_codes(self, number: int, args: Mapping[str, str]) -> Reply:
        self._found(number)
        return page_of(self.codes[number], args, most=250)

    def add_code(self, number: int, body: bytes) -> Reply:
        if self._found(number)["redemption_type"] != "COUPON":
            raise ApiError(422, "An automatic promotion has no codes.")
        sent = _parsed(body)
        code = str(sent.get("code", ""))
        if not code:
            raise ApiError(422, "JSON data is missing or invalid", {"code": "error.path.missing"})
        if any(one["code"].upper() == code.upper() for codes in self.codes.values() for one in codes):
            raise ApiError(409, "The code is in use by another promotion.")
        made = {
            "id": self._shop.new_id(),
            "code": code,
            "current_uses": 0,
            "max_uses": sent.get("max_uses"),
            "max_uses_per_customer": sent.get("max_uses_per_customer"),
        }
        self.codes[number].append(made)
        return Reply({"data": made, "meta": {}}, 201)

    def _found(self, number: int) -> dict[str, Any]:
        if number not in self.kept:
            raise ApiError(404, "The promotion was not found.")
        return self.kept[number]


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body)
    except ValueError as exc:
        raise ApiError(400, "Input is invalid") from exc
    if not isinstance(sent, dict):
        raise ApiError(422, "JSON data is missing or invalid")
    return sent
