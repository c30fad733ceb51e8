"""BigBuy's catalogue on loopback: the two lists of stock, the categories, ten questions an hour for each list."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from simulator.dials import Dials
from simulator.hub import Answer, Hub, told

KEY = "bigbuy-test-key-0123456789abcdef"
_LISTS = {
    "/rest/catalog/productsstockbyhandlingdays.json": "products",
    "/rest/catalog/productsvariationsstockbyhandlingdays.json": "variations",
}


class BigBuyServer(Hub):
    """`products` and `variations` hold {id, sku, stocks, category}; `categories` id → name.

    `an_hour` questions are allowed for each list within 3,600 seconds of `clock` (seconds since 1970).
    `soft_error` is answered with status 200 in place of the next list.
    """

    def __init__(self, dials: Dials | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(dials)
        self.keys = {KEY}
        self.categories = {1: "Home", 2: "Kitchen", 3: "Garden"}
        self.products: list[dict[str, Any]] = []
        self.variations: list[dict[str, Any]] = []
        self.an_hour = 10
        self.soft_error = b""
        self._clock = clock
        self._answered: defaultdict[str, list[float]] = defaultdict(list)

    def forget(self) -> None:
        """An hour passes."""
        self._answered.clear()

    def throttled(self, wait_s: float = 7.0) -> Answer:
        reset = str(int(self._clock() + wait_s + 0.5))
        return 429, b"You exceeded the rate limit", {"Content-Type": "text/html", "X-Ratelimit-Reset": reset}

    def route(self, method: str, path: str, given: dict[str, Any], headers: dict[str, str]) -> Answer:
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.keys:
            return told(401, {"code": 401, "message": "Unauthorized"})
        if path == "/rest/catalog/taxonomies.json":
            return told(200, [{"id": id_, "name": name} for id_, name in self.categories.items()])
        if path not in _LISTS or method != "GET":
            return told(404, {"code": 404, "message": "Not Found"})
        now = self._clock()
        lately = self._answered[path] = [at for at in self._answered[path] if now - at < 3600]
        if len(lately) >= self.an_hour:
            return self.throttled(lately[0] + 3600 - now)
        lately.append(now)
        if self.soft_error:
            content, self.soft_error = self.soft_error, b""
            return 200, content, {}
        found = self.products if _LISTS[path] == "products" else self.variations
        if "parentTaxonomy" in given:
            category = int(given["parentTaxonomy"])
            if category not in self.categories:
                return told(404, {"code": 404, "message": "Not Found"})
            found = [one for one in found if one["category"] == category]
        if _LISTS[path] == "products":
            self.pages += 1
        elif not found:
            return 200, b"", {}
        return told(200, [{name: one[name] for name in ("id", "sku", "stocks")} for one in found])
