"""Inventory Source's Retailer API and its Auth0 on loopback: tokens of 24 hours, a pool of 20 that fills by one in
4 seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from simulator.dials import Dials
from simulator.hub import Answer, Hub, told

REFRESH_TOKEN, CLIENT_ID, CLIENT_SECRET = (
    "refresh-token-0123456789abcdef",
    "client-1",
    "client-secret-0123456789",
)
_PRODUCTS = re.compile(r"/v1/catalogs/(\d+)/products")


class InventorySourceServer(Hub):
    """`catalogs` number → products, in any order. `pool` requests at once, filled by one in 4 seconds of `clock`;
    0: any number. `largest` cuts every page, `lives_s` is a token's life."""

    def __init__(self, dials: Dials | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(dials)
        self.begin(clock)

    def begin(self, clock: Callable[[], float]) -> None:
        """As new, on `clock`."""
        self.asked.clear()
        self.refresh_tokens = {REFRESH_TOKEN}
        self.clients: dict[str, str] = {}
        self.catalogs: dict[int, list[dict[str, Any]]] = {}
        self.tokens: dict[str, float] = {}
        self.pool = 0
        self.largest = 100
        self.lives_s = 86_400
        self._clock = clock
        self._left, self._at = 20.0, clock()

    def throttled(self, wait_s: int = 4) -> Answer:
        status, content, _ = told(429, {"message": "Too many requests"})
        return status, content, {"Retry-After": str(wait_s)}

    def route(self, method: str, path: str, given: dict[str, Any], headers: dict[str, str]) -> Answer:
        if path == "/oauth/token":
            return self._token(given)
        now = self._clock()
        if self.pool:
            self._left = min(float(self.pool), self._left + (now - self._at) / 4)
            self._at = now
            if self._left < 1 - 1e-6:
                return self.throttled()
            self._left -= 1
        if self.tokens.get(headers.get("authorization", "").removeprefix("Bearer "), 0.0) <= now:
            return told(401, {"message": "Unauthorized"})
        found = _PRODUCTS.fullmatch(path)
        if found is None or int(found[1]) not in self.catalogs:
            return told(404, {"message": "Not found"})
        size = min(int(given.get("page_size", 50)), self.largest)
        since = int(given.get("since_id", 0))
        products = sorted(self.catalogs[int(found[1])], key=lambda one: int(one["id"]))
        self.pages += 1
        return told(200, {"data": {"products": [one for one in products if one["id"] > since][:size]}})

    def _token(self, given: dict[str, Any]) -> Answer:
        client = str(given.get("client_id", ""))
        is_client = not self.clients or self.clients.get(client) == given.get("client_secret")
        if given.get("refresh_token") not in self.refresh_tokens or not is_client:
            return told(
                403, {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}
            )
        token = f"is-access-{len(self.tokens) + 1:030d}"
        self.tokens[token] = self._clock() + self.lives_s
        return told(200, {"access_token": token, "expires_in": self.lives_s, "token_type": "Bearer"})
