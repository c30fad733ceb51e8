"""The token endpoint: exchange of an ID token, and refresh of expiring offline tokens; signed proxy requests.

An access token lives an hour, its refresh token 90 days. A new pair ends the access token before it at
once: one app has one on a shop. An exchange ends the refresh tokens too. After a refresh the old refresh
token may be used again until the new one has been, for at most 30 days, as Shopify allows since August 2026.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

ACCESS_S = 3600
REFRESH_S = 90 * 86_400
RETRY_S = 30 * 86_400
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass
class _Pair:
    access: str
    refresh: str
    expires_at: datetime
    refresh_expires_at: datetime
    refreshed_at: datetime | None = None


class Tokens:
    """The tokens of one app on one shop. `fixed` never expires; None: there is none. Counters: `exchanges`,
    `refreshes`."""

    def __init__(
        self, api_key: str, api_secret: str, fixed: str | None, domain: str, now: Callable[[], datetime]
    ) -> None:
        self.api_key = api_key
        self.api_secret = api_secret
        self.fixed: str | None = fixed
        self._domain = domain
        self._now = now
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self.exchanges = 0
        self.refreshes = 0
        self._numbers = itertools.count(1)

    def accepts(self, access_token: str) -> bool:
        """Whether the API takes this token now."""
        if self.fixed is not None and hmac.compare_digest(access_token.encode(), self.fixed.encode()):
            return True
        with self._lock:
            last = self._pairs[-1] if self._pairs else None
        return last is not None and last.access == access_token and last.expires_at > self._now()

    def expire(self) -> None:
        """Let the present access token's hour be over; its refresh token stays good."""
        with self._lock:
            for one in self._pairs:
                one.expires_at = self._now()

    def issue(self) -> dict[str, Any]:
        """A new pair, as after an installation."""
        number = next(self._numbers)
        now = self._now()
        pair = _Pair(
            f"shpat_sim{number:08d}",
            f"shprt_sim{number:08d}",
            now + timedelta(seconds=ACCESS_S),
            now + timedelta(seconds=REFRESH_S),
        )
        with self._lock:
            self._pairs.append(pair)
        return {
            "access_token": pair.access,
            "expires_in": ACCESS_S,
            "refresh_token": pair.refresh,
            "refresh_token_expires_in": REFRESH_S,
        }

    def revoke(self) -> None:
        """End every token, as uninstalling does."""
        with self._lock:
            self._pairs.clear()
        self.fixed = None

    def answer(self, body: dict[str, Any], scopes: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
        """Status and body for a POST to /admin/oauth/access_token."""
        is_app = body.get("client_id") == self.api_key and body.get("client_secret") == self.api_secret
        if not is_app:
            return 401, {"error": "invalid_client"}
        if body.get("grant_type") == EXCHANGE:
            if not self._is_id_token(str(body.get("subject_token", ""))):
                return 400, {"error": "invalid_subject_token"}
            with self._lock:
                self.exchanges += 1
                self._pairs.clear()
        elif body.get("grant_type") == "refresh_token":
            if not self._use(str(body.get("refresh_token"))):
                return 400, {"error": "invalid_grant"}
        else:
            return 400, {"error": "unsupported_grant_type"}
        return 200, {"scope": ",".join(scopes), **self.issue()}

    def _use(self, refresh_token: str) -> bool:
        """Use a refresh token; what came before it ends."""
        now = self._now()
        with self._lock:
            found = [one for one in self._pairs if one.refresh == refresh_token]
            if not found or found[0].refresh_expires_at <= now:
                return False
            used = found[0]
            if used.refreshed_at and now - used.refreshed_at > timedelta(seconds=RETRY_S):
                return False
            used.refreshed_at = used.refreshed_at or now
            self._pairs = self._pairs[self._pairs.index(used) :]
            self.refreshes += 1
            return True

    def proxy_query(self, **params: str) -> str:
        """The query string of a request that the app proxy passes on for this shop: signed, of this moment
        unless `timestamp` says otherwise."""
        sent = {
            "shop": self._domain,
            "logged_in_customer_id": "",
            "path_prefix": "/apps/dispo",
            "timestamp": str(int(self._now().timestamp())),
            **params,
        }
        text = "".join(sorted(f"{name}={value}" for name, value in sent.items()))
        signature = hmac.new(self.api_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return urlencode({**sent, "signature": signature})

    def id_token(self, **claims: Any) -> str:
        """An ID token as App Bridge would hand out."""
        now = int(self._now().timestamp())
        payload = {
            "iss": f"https://{self._domain}/admin",
            "dest": f"https://{self._domain}",
            "aud": self.api_key,
            "sub": "42",
            "exp": now + 60,
            "nbf": now,
            "iat": now,
            "jti": f"jti-{next(self._numbers)}",
            **claims,
        }
        head = _b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        signed = f"{head}.{_b64(json.dumps(payload).encode())}"
        return f"{signed}.{_b64(self._sign(signed))}"

    def _is_id_token(self, token: str) -> bool:
        signed, _, given = token.rpartition(".")
        return bool(signed) and hmac.compare_digest(_b64(self._sign(signed)).encode(), given.encode())

    def _sign(self, text: str) -> bytes:
        return hmac.new(self.api_secret.encode(), text.encode(), hashlib.sha256).digest()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
