"""CJ Dropshipping's API 2.0 on loopback: tokens once in five minutes, calls a second, points a day."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from simulator.dials import Dials
from simulator.hub import Answer, Hub, told

KEY = "CJ1234567@api@0123456789abcdef0123456789abcdef"
_V1 = "/api2.0/v1/"
_COSTS = {"product/query": 10, "product/stock/getInventoryByPid": 10}


class CJServer(Hub):
    """`products` product id → its variants, {vid, sku, lines: [{countryCode, totalInventory, cjInventory}]}.

    `a_second` calls are allowed (0: any), `points` a day; both by `clock` (seconds since 1970). `embeds` puts the
    stock into the product's own answer, as CJ mostly does; `names_page` is the parameter the list of products
    knows.
    """

    def __init__(self, dials: Dials | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(dials)
        self.begin(clock)

    def begin(self, clock: Callable[[], float]) -> None:
        """As new, on `clock`."""
        self.asked.clear()
        self.keys = {KEY}
        self.products: dict[str, list[dict[str, Any]]] = {}
        self.gone: set[str] = set()
        self.page_size = 100
        self.names_page = "pageNum"
        self.a_second = 0
        self.points = 50_000
        self.used = 0
        self.embeds = True
        self.tokens: list[str] = []
        self.ended: set[str] = set()
        self._clock = clock
        self._token_at: float | None = None
        self._calls: list[float] = []

    def throttled(self, times: int = 1, seconds: int = 1) -> Answer:
        said = f"Too Many Requests, QPS limit is {times} time/{seconds}second"
        return _error(1600200, said, 429)

    def route(self, method: str, path: str, given: dict[str, Any], headers: dict[str, str]) -> Answer:
        if not path.startswith(_V1):
            return told(404, {"code": 1600101, "message": "Interface not found"})
        name, now = path.removeprefix(_V1), self._clock()
        if name == "authentication/getAccessToken":
            return self._token(given, now)
        sent = headers.get("cj-access-token", "")
        if not self.tokens or sent != self.tokens[-1] or sent in self.ended:
            return _error(1600001, "Invalid API key or access token.")
        self._calls = [at for at in self._calls if now - at < 1]
        if self.a_second and len(self._calls) >= self.a_second:
            return self.throttled(self.a_second)
        self._calls.append(now)
        cost = _COSTS.get(name, 0)
        if self.used + cost > self.points:
            left = self.points - self.used
            said = f"Insufficient API points. Used today: {self.used}, Remaining: {left}, Required: {cost}"
            return _error(16900500, said)
        self.used += cost
        if name == "product/myProduct/query":
            return self._mine(given)
        if name not in _COSTS:
            return _error(1600101, "Interface not found")
        pid = str(given.get("pid"))
        if pid not in self.products or pid in self.gone:
            return _error(1602001, "Product not found")
        return self._about(name, pid)

    def _token(self, given: dict[str, Any], now: float) -> Answer:
        if self._token_at is not None and now - self._token_at < 300:
            return self.throttled(1, 300)
        if given.get("apiKey") not in self.keys:
            return _error(1600001, "Invalid API key or access token.")
        self._token_at = now
        self.tokens.append(f"cj-token-{len(self.tokens) + 1:032d}")
        ends = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now + 15 * 86_400))
        return _success({"openId": 1, "accessToken": self.tokens[-1], "accessTokenExpiryDate": ends})

    def _mine(self, given: dict[str, Any]) -> Answer:
        size = min(int(given.get("pageSize", 20)), self.page_size)
        begin = (int(given.get(self.names_page, 1)) - 1) * size
        found = [{"productId": pid, "nameEn": pid} for pid in self.products][begin : begin + size]
        return _success({"content": found, "pageSize": size})

    def _about(self, name: str, pid: str) -> Answer:
        variants = self.products[pid]
        if name == "product/query":
            self.pages += 1
            shown = [{"vid": one["vid"], "variantSku": one["sku"]} for one in variants]
            if self.embeds:
                for one, variant in zip(shown, variants, strict=True):
                    one["inventories"] = variant["lines"]
            return _success({"pid": pid, "variants": shown})
        # In another order than the variants, as CJ does.
        lines = [{"vid": one["vid"], "inventory": one["lines"]} for one in reversed(variants)]
        return _success({"inventories": [], "variantInventories": lines})


def _success(data: Any) -> Answer:
    return told(200, {"code": 200, "result": True, "message": "Success", "data": data})


def _error(code: int, message: str, status: int = 200) -> Answer:
    return told(status, {"code": code, "result": False, "message": message, "data": None})
