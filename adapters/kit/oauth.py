"""OAuth 2.0 client credentials (RFC 6749, 4.4) as headers that sign a call in."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

from adapters.kit.api import Api
from connector.ports.errors import FileFault, PortError, Rejected, Unauthorized

EARLY_S = 60.0
"""A token is renewed so long before it ends."""
Style = Literal["basic", "body"]
_REFUSED = ("The client ID or its secret was refused.", "Enter both anew, and check the scope.")


class ClientCredentials:
    """A bearer token of one client, fetched when it is first needed and kept in this process until it ends.

    `style` is where the client's own credentials go: an Authorization header, or the form ("body"). `extra`
    are further fields of the form (audience, resource), or other ones, as a refresh token with its
    `grant_type`. `assertion` makes a signed statement of who the client is, which then takes the place of its
    secret (RFC 7523, 2.2). `word` stands before the token in the header; `refused` are cause and remedy where
    the platform says no. Thread-safe; call it for the headers.
    """

    def __init__(
        self,
        api: Api,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        scope: str = "",
        style: Style = "basic",
        extra: Mapping[str, str] | None = None,
        assertion: Callable[[], str] | None = None,
        word: str = "Bearer",
        refused: tuple[str, str] = _REFUSED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._token_url = token_url
        self._client = (client_id, client_secret)
        self._scope = scope
        self._style = style
        self._extra = dict(extra or {})
        self._assertion = assertion
        self._word = word
        self._refusal = refused
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at = 0.0

    def __call__(self, renew: bool = False) -> Mapping[str, str]:
        """The header of this moment. Raises Unauthorized where the client is refused, and as `Api.call`."""
        with self._lock:
            if renew or not self._token or self._clock() >= self._ends_at:
                self._fetch()
            return {"Authorization": f"{self._word} {self._token}"}

    def _fetch(self) -> None:
        form = {"grant_type": "client_credentials", **self._extra}
        if self._scope:
            form["scope"] = self._scope
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._assertion is not None:
            form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            form["client_assertion"] = self._assertion()
        elif self._style == "basic":
            # Both parts are form-encoded before they are joined (RFC 6749, 2.3.1).
            pair = ":".join(quote(part, safe="") for part in self._client)
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        else:
            form["client_id"], form["client_secret"] = self._client
        asked_at = self._clock()
        try:
            found: Any = self._api.json(
                "POST",
                self._token_url,
                subject="the access token",
                content=urlencode(form).encode("ascii"),
                headers=headers,
            )
        except (Unauthorized, Rejected) as exc:
            raise self._refused() from exc
        token = found.get("access_token") if isinstance(found, dict) else None
        if token is None and isinstance(found, dict) and "error" in found:
            # Some say no with status 200.
            raise self._refused()
        if not isinstance(token, str) or not token.isprintable() or not token.isascii():
            raise FileFault(
                self._api.adapter,
                "the access token",
                "The answer holds no access token.",
                "Check the token address.",
                code="no_token",
            )
        self._token = token
        self._ends_at = asked_at + max(_seconds(found.get("expires_in")) - EARLY_S, 1.0)

    def _refused(self) -> PortError:
        return Unauthorized(
            self._api.adapter,
            "the access token",
            *self._refusal,
        )


def _seconds(value: Any) -> float:
    """How long a token lives; 5 minutes where it does not say."""
    try:
        return min(max(float(value), 0.0), 86_400.0)
    except (TypeError, ValueError):
        return 300.0
