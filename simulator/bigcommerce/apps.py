"""The installation of an app: the code of the auth callback, its exchange, and the signed callbacks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from simulator.bigcommerce.replies import Reply

SCOPES = (
    "store_v2_default",
    "store_v2_information_read_only",
    "store_v2_orders_read_only",
    "store_v2_products",
    "store_inventory",
    "store_locations_read_only",
    "store_v2_content",
    "store_channel_settings_read_only",
)
ACCOUNT = "12345678-90ab-cdef-1234-567890abcdef"


class App:
    """One app on one store. `token` is the installed one; `accepts` it until the app is removed."""

    def __init__(
        self,
        store_hash: str,
        client_id: str,
        client_secret: str,
        token: str,
        redirect_uri: str,
        now: Callable[[], datetime],
    ) -> None:
        self.store_hash = store_hash
        self.client_id = client_id
        self.client_secret = client_secret
        self.redirect_uri = redirect_uri
        self.scopes: tuple[str, ...] = SCOPES
        self.tokens = {token} if token else set()
        self._codes: set[str] = set()
        self._now = now
        self._numbers = itertools.count(1)

    def accepts(self, token: str) -> bool:
        return any(hmac.compare_digest(token.encode(), one.encode()) for one in self.tokens)

    def auth_callback(self) -> str:
        """The address BigCommerce opens in the merchant's browser when the app is installed."""
        code = f"code{next(self._numbers):08d}"
        self._codes.add(code)
        query = {
            "account_uuid": ACCOUNT,
            "code": code,
            "context": f"stores/{self.store_hash}",
            "scope": " ".join(self.scopes),
        }
        return f"{self.redirect_uri}?{urlencode(query)}"

    def exchange(self, body: bytes) -> Reply:
        """POST /oauth2/token: a code is good once; a new token ends the ones before it."""
        try:
            sent = json.loads(body)
        except ValueError:
            return Reply({"error": "invalid_request"}, 400)
        if not isinstance(sent, dict) or sent.get("grant_type") != "authorization_code":
            return Reply({"error": "unsupported_grant_type"}, 400)
        if (sent.get("client_id"), sent.get("client_secret")) != (self.client_id, self.client_secret):
            return Reply({"error": "invalid_client"}, 401)
        if sent.get("redirect_uri") != self.redirect_uri:
            return Reply({"error": "redirect_uri_mismatch"}, 400)
        if sent.get("code") not in self._codes or sent.get("context") != f"stores/{self.store_hash}":
            return Reply({"error": "invalid_grant"}, 400)
        self._codes.discard(sent["code"])
        token = f"simtoken{next(self._numbers):08d}"
        self.tokens = {token}
        person = {"id": 24654, "username": "merchant@example.com", "email": "merchant@example.com"}
        return Reply(
            {
                "access_token": token,
                "scope": " ".join(self.scopes),
                "user": person,
                "owner": {"id": 12345, "username": "owner@example.com", "email": "owner@example.com"},
                "context": f"stores/{self.store_hash}",
                "account_uuid": ACCOUNT,
            }
        )

    def signed_payload_jwt(self, **claims: Any) -> str:
        """The token of /load, /uninstall and /remove_user; `claims` replace its own, None removes one."""
        now = int(self._now().timestamp())
        payload: dict[str, Any] = {
            "aud": self.client_id,
            "iss": "bc",
            "iat": now,
            "nbf": now,
            "exp": now + 86_400,
            "jti": f"c5f0bcf5-{next(self._numbers)}",
            "sub": f"stores/{self.store_hash}",
            "user": {"id": 9_876_543, "email": "user@example.com", "locale": "en-US"},
            "owner": {"id": 7_654_321, "email": "owner@example.com"},
            "url": "/",
            "channel_id": None,
        }
        for name, value in claims.items():
            if value is None:
                payload.pop(name, None)
            else:
                payload[name] = value
        return signed({"alg": "HS256", "typ": "JWT"}, payload, self.client_secret)


def signed(header: dict[str, Any], payload: dict[str, Any], secret: str) -> str:
    """A JWT with an HMAC-SHA256 signature, whatever its header claims."""
    text = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(payload).encode())}"
    return f"{text}.{_b64(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
