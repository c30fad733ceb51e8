"""Who may call: basic and query keys over https, OAuth 1.0a (HMAC-SHA256) over plain http."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote

from simulator.woocommerce.replies import RestError

_OAUTH = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")
WINDOW_S = 15 * 60


@dataclass
class ApiKey:
    """A REST key of the shop."""

    key: str
    secret: str
    permissions: Literal["read", "write", "read_write"] = "read_write"


@dataclass
class KeyRing:
    """The shop's keys. `now` gives Unix seconds for the OAuth window: real time, because
    clients sign with theirs, also where the shop's own clock is a test's."""

    keys: list[ApiKey]
    now: Callable[[], float] = time.time
    _nonces: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(
        self, *, is_tls: bool, method: str, url: str, query: Mapping[str, str], authorization: str
    ) -> ApiKey | None:
        """The key that signed this request, None for an anonymous one; raises the recorded 401s."""
        found = (
            self._basic(query, authorization) if is_tls else self._oauth(method, url, query, authorization)
        )
        if found is None:
            return None
        if method in ("GET", "HEAD"):
            if found.permissions == "write":
                raise _refused("The API key provided does not have read permissions.")
        elif found.permissions == "read":
            raise _refused("The API key provided does not have write permissions.")
        return found

    def _by_key(self, key: str) -> ApiKey | None:
        return next((one for one in self.keys if one.key == key), None)

    def _basic(self, query: Mapping[str, str], authorization: str) -> ApiKey | None:
        key, secret = query.get("consumer_key", ""), query.get("consumer_secret", "")
        if not key and authorization.lower().startswith("basic "):
            try:
                key, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            except ValueError:
                return None
        found = self._by_key(key)
        if found is None:
            return None
        if not hmac.compare_digest(found.secret.encode(), secret.encode()):
            raise _refused("Consumer secret is invalid.")
        return found

    def _oauth(self, method: str, url: str, query: Mapping[str, str], authorization: str) -> ApiKey | None:
        params = dict(query)
        if authorization.lower().startswith("oauth "):
            for part in authorization[6:].split(","):
                name, _, value = part.strip().partition("=")
                params[name] = unquote(value.strip('"'))
        missing = [name for name in _OAUTH if not params.get(name)]
        if len(missing) == len(_OAUTH):
            return None
        if missing:
            noun = "parameter" if len(missing) == 1 else "parameters"
            raise RestError(
                401,
                "woocommerce_rest_authentication_missing_parameter",
                f"Missing OAuth {noun} {', '.join(missing)}",
            )
        found = self._by_key(params["oauth_consumer_key"])
        if found is None:
            raise _refused("Consumer key is invalid.")
        if params["oauth_signature_method"] not in ("HMAC-SHA1", "HMAC-SHA256"):
            raise _refused("Invalid signature - signature method is invalid.")
        given = params.pop("oauth_signature").replace(" ", "+")
        wanted = signature(method, url, params, found.secret)
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise _refused("Invalid signature - provided signature does not match.")
        self._check_once(found, params["oauth_timestamp"], params["oauth_nonce"])
        return found

    def _check_once(self, key: ApiKey, timestamp: str, nonce: str) -> None:
        now = self.now()
        try:
            at = int(timestamp)
        except ValueError:
            at = 0
        if abs(now - at) > WINDOW_S:
            raise _refused("Invalid timestamp.")
        with self._lock:
            for old in [n for n, seen in self._nonces.items() if now - seen > WINDOW_S]:
                del self._nonces[old]
            if (key.key, nonce) in self._nonces:
                raise _refused("Invalid nonce - nonce has already been used.")
            self._nonces[key.key, nonce] = at


def _refused(message: str) -> RestError:
    return RestError(401, "woocommerce_rest_authentication_error", message)


def signature(method: str, url: str, params: Mapping[str, str], secret: str) -> str:
    """The OAuth 1.0a signature as WooCommerce computes it: each key and value is decoded, encoded
    again, sorted by key and joined; the secret is followed by an ampersand."""
    algorithm = hashlib.sha1 if params.get("oauth_signature_method") == "HMAC-SHA1" else hashlib.sha256
    pairs = sorted((_normal(key), _normal(value)) for key, value in params.items())
    text = "%26".join(f"{key}%3D{value}" for key, value in pairs)
    base = f"{method.upper()}&{quote(url, safe='~')}&{text}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), base.encode(), algorithm).digest()).decode()


def _normal(text: str) -> str:
    return quote(unquote(text), safe="~").replace("%", "%25")


def forbidden(method: str, path: str) -> RestError:
    """The 401 for a call without a valid key, worded by what was tried."""
    if path.endswith("/batch"):
        return RestError(
            401,
            "woocommerce_rest_cannot_batch",
            "Sorry, you are not allowed to batch manipulate this resource.",
        )
    last = path.rpartition("/")[2]
    is_item = last.isdigit()
    if method == "GET":
        text = "Sorry, you cannot view this resource." if is_item else "Sorry, you cannot list resources."
        return RestError(401, "woocommerce_rest_cannot_view", text)
    if method == "DELETE":
        return RestError(
            401, "woocommerce_rest_cannot_delete", "Sorry, you are not allowed to delete this resource."
        )
    if is_item:
        return RestError(
            401, "woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource."
        )
    return RestError(401, "woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources.")
