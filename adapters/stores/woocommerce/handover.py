"""WooCommerce's wc-auth: a page of the shop on which its owner lets us have a REST key.

The shop posts the key to our callback in plain JSON, without a signature; what comes with it as `user_id` is
the state that we sent, and it alone tells whose key it is. Anything but 200 makes the shop delete the key
again. The callback must be a https address on a port that WordPress calls; the shop itself may be plain http.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from adapters.kit.guard import is_public
from adapters.stores.woocommerce.client import ADAPTER, Client
from connector.ports.errors import Misconfigured, Rejected
from connector.ports.installs import KeysHanded, Obstacle, ShopFound
from connector.registry import Environment

APP_NAME = "Dispo"
# WordPress calls no other ports of an address that somebody else chose.
_PORTS = (80, 443, 8080)
_LONGEST = 10_000


class WooCommerceHandover:
    """Implements `KeyHandover`."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def look(self, address: str) -> ShopFound:
        """The shop, by what WordPress tells anybody. Without a scheme https is meant."""
        typed = address.strip()
        client = self._client(typed if "://" in typed else f"https://{typed}")
        index = client.index()
        if "wc/v3" not in (index.get("namespaces") or ()):
            raise Misconfigured(
                ADAPTER,
                client.url,
                "This WordPress site has no WooCommerce, or a version before 3.5.",
                "Install or update WooCommerce, or enter the address of the shop.",
                field="url",
            )
        return ShopFound(client.url, str(index.get("name") or "").strip()[:200])

    def _client(self, address: str) -> Client:
        # Only the open index is asked, which no key goes to; the client wants to be given one.
        return Client(address, "ck_none", "cs_none", self._environment)

    def authorize_url(self, address: str, *, state: str, return_url: str, callback_url: str) -> str:
        """The shop's page: it names us and what a read/write key may do."""
        query = {
            "app_name": APP_NAME,
            "scope": "read_write",
            "user_id": state,
            "return_url": return_url,
            "callback_url": callback_url,
        }
        return f"{address}/wc-auth/v1/authorize?{urlencode(query)}"

    def read(self, body: bytes) -> KeysHanded:
        """The key, its secret and our state."""
        try:
            sent = json.loads(body) if len(body) <= _LONGEST else None
        except (ValueError, RecursionError):
            sent = None
        found = sent if isinstance(sent, dict) else {}
        state, key, secret = (found.get(name) for name in ("user_id", "consumer_key", "consumer_secret"))
        if not (_is_word(state) and _is_word(key) and _is_word(secret)):
            raise Rejected(ADAPTER, "the shop's answer", "It holds no key.", "Connect the shop again.")
        return KeysHanded(str(state), {"consumer_key": str(key), "consumer_secret": str(secret)})

    def config(self, address: str) -> dict[str, Any]:
        return {"url": address}

    def address(self, config: Mapping[str, Any]) -> str:
        return str(config.get("url") or "")

    def obstacle(self, own_address: str) -> Obstacle:
        """As WordPress judges a callback: https, a usual port, no private host."""
        parts = urlsplit(own_address)
        if parts.scheme != "https":
            return "no_https"
        if (parts.port or 443) not in _PORTS:
            return "port"
        host = (parts.hostname or "").lower()
        is_literal = ":" in host or host.replace(".", "").isdigit()
        if host == "localhost" or (is_literal and not is_public(host)):
            return "private"
        return ""


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 300 and value.isascii() and value.isprintable()
