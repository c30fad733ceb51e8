"""The installation of the app and its signed callbacks. Pure but for one call: the exchange of the code.

BigCommerce opens these addresses of ours, the first in the merchant's browser:

    GET /auth?code=…&scope=…&context=stores/HASH&account_uuid=…    `exchange_code` gives the Installation
    GET /load?signed_payload_jwt=…           open our page for this person       `verify_payload`
    GET /uninstall?signed_payload_jwt=…      the store removed the app           `verify_payload`
    GET /remove_user?signed_payload_jwt=…    this person may not use it any more `verify_payload`

All but /auth prove who sends them. /auth proves it by the code, which BigCommerce takes once and for one
store: without a successful exchange nothing of its query may be believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from adapters.kit.errors import Row, translate
from adapters.kit.http import Client
from adapters.stores.bigcommerce.advice import OPTIONAL_SCOPES, REQUIRED_SCOPES, missing_scopes
from adapters.stores.bigcommerce.client import ADAPTER
from connector.ports.errors import Misconfigured, OutcomeUnknown, Unauthorized
from connector.registry import Environment

__all__ = [
    "OPTIONAL_SCOPES",
    "REQUIRED_SCOPES",
    "AppKeys",
    "Caller",
    "Installation",
    "exchange_code",
    "missing_scopes",
    "verify_payload",
]

LOGIN_URL = "https://login.bigcommerce.com"
_CONTEXT = re.compile(r"stores/([a-z0-9]{1,40})")
_LONGEST = 8_000
_LEEWAY = timedelta(seconds=60)
_AGAIN = "Start the installation again from the BigCommerce control panel."
_ROWS = (
    Row(400, Unauthorized, "BigCommerce refused the installation's code: it was used or is too old.", _AGAIN),
    Row(
        401,
        Misconfigured,
        "BigCommerce does not accept the app's client ID and secret.",
        "Copy both from the Developer Portal into Dispo's settings.",
        field="client_secret",
    ),
    Row(403, Unauthorized, "BigCommerce refused the installation.", _AGAIN),
)


@dataclass(frozen=True, slots=True)
class AppKeys:
    """Our app in BigCommerce's Developer Portal. `redirect_uri` is its auth callback, exactly as entered
    there."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str = ""


@dataclass(frozen=True, slots=True)
class Installation:
    """What an installation gave. Store the token sealed; an earlier one of this store has ended.

    `user_email` is the address of the person who installed (may equal the owner's), for an account.
    """

    store_hash: str
    access_token: str = field(repr=False)
    scopes: tuple[str, ...]
    user_id: str
    owner_id: str
    user_email: str = field(repr=False)
    account_uuid: str = ""

    def config(self) -> dict[str, str]:
        """The settings of the connection, as `build` takes them."""
        return {"store_hash": self.store_hash, "scopes": " ".join(self.scopes)}

    def secrets(self, keys: AppKeys) -> dict[str, str]:
        """The secrets of the connection: the token, and what signs its webhooks."""
        return {"access_token": self.access_token, "api_secret": keys.client_secret}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opened, removed or left the app. `is_owner`: the store's owner. `locale` is a BCP 47 tag, "en-US".

    `path` is the deep link, always beginning with one slash; `channel_id` the storefront it was opened
    from, None for the control panel's own menu.
    """

    store_hash: str
    user_id: str
    owner_id: str
    user_email: str = field(repr=False)
    locale: str = ""
    path: str = "/"
    channel_id: int | None = None
    token_id: str = ""
    made_at: datetime | None = None

    @property
    def is_owner(self) -> bool:
        return self.user_id == self.owner_id


def exchange_code(
    environment: Environment,
    keys: AppKeys,
    query: Mapping[str, str],
    *,
    login_url: str = LOGIN_URL,
) -> Installation:
    """Exchange the code of the auth callback (`query`: its decoded parameters) for a token.

    Raises Unauthorized for a query that is not BigCommerce's or a code it refuses, Misconfigured for our own
    keys, Retryable when nothing was asked, OutcomeUnknown when no answer came: the code is then used up, and
    the merchant starts again. `login_url` is BigCommerce's, or a simulator's the environment allows.
    """
    context, code = query.get("context", ""), query.get("code", "")
    if not _CONTEXT.fullmatch(context) or not code or len(code) > 500:
        raise Unauthorized(ADAPTER, "the installation", "The address is not BigCommerce's.", _AGAIN)
    body = {
        "client_id": keys.client_id,
        "client_secret": keys.client_secret,
        "code": code,
        "context": context,
        "scope": query.get("scope", ""),
        "grant_type": "authorization_code",
        "redirect_uri": keys.redirect_uri,
    }
    with Client(environment, ADAPTER, login_url) as http:
        answer = http.request("POST", "/oauth2/token", json=body, headers={"Accept": "application/json"})
    if answer.status_code != 200:
        raise translate(
            answer.status_code,
            _ROWS,
            adapter=ADAPTER,
            subject=f"the installation on {context}",
            headers=answer.headers,
            is_read=False,
        )
    try:
        return _installation(context, answer.json())
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        # The answer may hold the token: none of it is repeated.
        raise OutcomeUnknown(
            ADAPTER, f"the installation on {context}", "BigCommerce's answer cannot be read.", _AGAIN
        ) from exc


def _installation(context: str, data: Any) -> Installation:
    if data["context"] != context:
        raise ValueError("another store")
    token, user, owner = data["access_token"], data.get("user") or {}, data.get("owner") or {}
    if not isinstance(token, str) or not token:
        raise ValueError("no token")
    return Installation(
        store_hash=context.removeprefix("stores/"),
        access_token=token,
        scopes=tuple(str(data.get("scope") or "").split()),
        user_id=str(user.get("id") or ""),
        owner_id=str(owner.get("id") or ""),
        user_email=str(user.get("email") or ""),
        account_uuid=str(data.get("account_uuid") or ""),
    )


def verify_payload(token: str, keys: AppKeys, now: datetime) -> Caller:
    """Who a `signed_payload_jwt` speaks for, at `now` (aware).

    It must be signed with our client secret by HMAC-SHA256 and by nothing else, made by "bc" for our client
    ID about a store, and not be expired; a minute of difference between the clocks is forgiven. Raises
    Unauthorized for anything else, whatever its bytes are. No network.
    """
    if not keys.client_id or not keys.client_secret:
        raise Misconfigured(
            ADAPTER, "the app", "It has no client ID and secret.", "Set both.", field="client_secret"
        )
    if len(token) > _LONGEST:
        raise _refused("It is too long.")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            keys.client_secret,
            algorithms=["HS256"],
            audience=keys.client_id,
            issuer="bc",
            # Times are judged below, on the clock we are given.
            options={
                "require": ["aud", "iss", "sub", "exp", "iat"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError) as exc:
        # PyJWT lets some malformed texts through as plain ValueErrors.
        raise _refused("It is not signed for this app.") from exc
    expires_at, begins_at = _time(claims["exp"]), _time(claims.get("nbf", claims["iat"]))
    if expires_at is None or begins_at is None or now >= expires_at + _LEEWAY:
        raise _refused("It has expired.")
    if now < begins_at - _LEEWAY:
        raise _refused("It is not valid yet.")
    store = _CONTEXT.fullmatch(claims["sub"]) if isinstance(claims["sub"], str) else None
    user, owner = claims.get("user"), claims.get("owner")
    if store is None or not isinstance(user, dict) or not isinstance(owner, dict) or not user.get("id"):
        raise _refused("It names no store or no person.")
    channel = claims.get("channel_id")
    return Caller(
        store_hash=store[1],
        user_id=str(user["id"]),
        owner_id=str(owner.get("id") or ""),
        user_email=str(user.get("email") or ""),
        locale=str(user.get("locale") or ""),
        path=_path(claims.get("url")),
        channel_id=channel if isinstance(channel, int) and not isinstance(channel, bool) else None,
        token_id=str(claims.get("jti") or ""),
        made_at=_time(claims["iat"]),
    )


def _path(url: object) -> str:
    """A deep link as a path of our own; anything that could lead elsewhere becomes "/"."""
    text = str(url or "/")
    if not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable():
        return "/"
    return text


def _time(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _refused(cause: str) -> Unauthorized:
    return Unauthorized(
        ADAPTER, "a call from BigCommerce", cause, "Open Dispo again from the BigCommerce control panel."
    )
