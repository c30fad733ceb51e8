"""Printful on loopback: a store's products by version 1, stock of the catalogue by version 2, 120 calls a minute."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from simulator.dials import Dials
from simulator.hub import Answer, Hub, told

TOKEN = "printful-test-token-0123456789abcdef"
_DETAIL = re.compile(r"/(store|sync)/products/(\d+)")
_STOCK = re.compile(r"/v2/catalog-products/(\d+)/availability")


class PrintfulServer(Hub):
    """`products` id → variants as version 1 tells them; `blanks` catalogue product → its variants' stock as version 2
    tells it. `kind` of the store: "store" (by hand or API) or "sync" (of a platform). Calls are let through by a
    leaky bucket of `bucket`, `bucket` in 60 seconds of `clock`; 0: any number. `largest` cuts every page.
    """

    def __init__(self, dials: Dials | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(dials)
        self.tokens = {TOKEN}
        self.kind = "store"
        self.store = ""
        self.products: dict[int, list[dict[str, Any]]] = {}
        self.ignored: set[int] = set()
        self.blanks: dict[int, list[dict[str, Any]]] = {}
        self.bucket = 0
        self.largest = 100
        self._clock = clock
        self._full, self._at = 0.0, 0.0

    def throttled(self, wait_s: int = 7) -> Answer:
        said = {"code": 429, "result": "Too many requests.", "error": {"reason": "TooManyRequests"}}
        status, content, _ = told(429, said)
        return status, content, {"Retry-After": str(wait_s)}

    def route(self, method: str, path: str, given: dict[str, Any], headers: dict[str, str]) -> Answer:
        if not self._has_room():
            return self.throttled()
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _refused(401, "The access token provided is invalid.")
        if self.store and headers.get("x-pf-store-id") != self.store:
            return _refused(403, "This endpoint requires store_id.")
        stock = _STOCK.fullmatch(path)
        if stock:
            return self._stock(int(stock[1]), given)
        detail = _DETAIL.fullmatch(path)
        kind = detail[1] if detail else path.removeprefix("/").removesuffix("/products")
        if kind not in ("store", "sync"):
            return _refused(404, "Not found")
        if kind != self.kind:
            return _refused(400, "This API endpoint applies only to other types of stores.")
        if detail is None:
            return self._list(given)
        product_id = int(detail[2])
        if product_id not in self.products:
            return _refused(404, "Not found")
        self.pages += 1
        product = {"id": product_id, "is_ignored": product_id in self.ignored}
        return told(
            200,
            {"code": 200, "result": {"sync_product": product, "sync_variants": self.products[product_id]}},
        )

    def _has_room(self) -> bool:
        if not self.bucket:
            return True
        now = self._clock()
        self._full = max(0.0, self._full - (now - self._at) * self.bucket / 60)
        self._at = now
        if self._full > self.bucket - 1 + 1e-6:
            return False
        self._full += 1
        return True

    def _list(self, given: dict[str, Any]) -> Answer:
        found = [
            {"id": id_, "name": f"Product {id_}", "is_ignored": id_ in self.ignored} for id_ in self.products
        ]
        part, paging = self._part(found, given)
        return told(200, {"code": 200, "result": part, "paging": paging})

    def _stock(self, product_id: int, given: dict[str, Any]) -> Answer:
        if product_id not in self.blanks:
            return told(404, {"title": "Not found", "status": 404, "detail": "Product not found"})
        part, paging = self._part(self.blanks[product_id], given)
        return told(200, {"data": part, "paging": paging, "_links": {}})

    def _part(self, found: list[Any], given: dict[str, Any]) -> tuple[list[Any], dict[str, int]]:
        limit = min(int(given.get("limit", 20)), self.largest)
        offset = int(given.get("offset", 0))
        return found[offset : offset + limit], {"total": len(found), "limit": limit, "offset": offset}


def _refused(status: int, message: str) -> Answer:
    return told(
        status, {"code": status, "result": message, "error": {"reason": "Refused", "message": message}}
    )
