"""Signatures on webhooks, compared in constant time on raw bytes.

standard   Standard Webhooks 1.0 (standardwebhooks.com), which Svix uses under other names: HMAC-SHA256 of
           "id.timestamp.body", base64, with the moment it was signed
basic      a user name and password in the address we gave the provider, where it signs nothing
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connector.ports.errors import Rejected, Unauthorized

WINDOW_S = 300.0
"""A signature older or newer than this is refused: nobody can keep a request and send it again later."""


def unauthorized(adapter: str, cause: str) -> Unauthorized:
    """The error for a request that is not the provider's."""
    return Unauthorized(
        adapter, "delivery report", cause, "Enter the provider's present signing secret in the connection."
    )


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by their lower-case names."""
    return {name.lower(): value for name, value in headers.items()}


def same(given: str, wanted: str) -> bool:
    """Whether two texts are equal, in constant time, whatever they hold."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8", "replace"))


def standard_key(secret: str) -> bytes:
    """The key in a secret as Standard Webhooks writes it: base64, usually after "whsec_". Raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("the secret is not base64") from exc
    if len(key) < 16:
        raise ValueError("the secret is too short")
    return key


def sign_standard(key: bytes, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers that sign `body`, sent at `at` under an id that repetitions keep."""
    moment = str(int(at.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{_standard(key, message_id, moment, body)}",
    }


def verify_standard(adapter: str, headers: Mapping[str, str], body: bytes, key: bytes, now: datetime) -> str:
    """The delivery's id, the same on each repetition. Raises Unauthorized."""
    found = lower(headers)
    prefix = "svix" if "svix-signature" in found else "webhook"
    delivery_id, moment, given = (
        found.get(f"{prefix}-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (delivery_id and moment and given):
        raise unauthorized(adapter, "The request is not signed.")
    require_recent(adapter, moment, now, WINDOW_S)
    wanted = _standard(key, delivery_id, moment, body)
    # All are compared, so that the time taken tells nothing about which one held.
    holds = [same(one.removeprefix("v1,"), wanted) for one in given.split() if one.startswith("v1,")]
    if not any(holds):
        raise unauthorized(adapter, "The signature does not hold.")
    return delivery_id


def _standard(key: bytes, message_id: str, moment: str, body: bytes) -> str:
    signed = f"{message_id}.{moment}.".encode("utf-8", "replace") + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def require_recent(adapter: str, moment: str, now: datetime, window_s: float) -> None:
    """Raise Unauthorized unless `moment`, seconds since 1970, is at most `window_s` away from `now`."""
    is_number = moment.isascii() and moment.isdigit() and len(moment) <= 12
    if not is_number or abs(int(moment) - now.timestamp()) > window_s:
        raise unauthorized(adapter, "The request was signed too long ago, or a clock is wrong.")


def verify_basic(adapter: str, headers: Mapping[str, str], user: str, password: str) -> None:
    """Raise Unauthorized unless the request carries this user name and password (RFC 7617)."""
    scheme, _, given = lower(headers).get("authorization", "").partition(" ")
    wanted = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    if not password or scheme.lower() != "basic" or not same(given.strip(), wanted):
        raise unauthorized(adapter, "The request does not carry the password of this connection.")


def json_object(adapter: str, body: bytes) -> dict[str, Any]:
    """The JSON object in a verified body; raises Rejected for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Rejected(adapter, "delivery report", "Its body is not JSON.") from exc
    if not isinstance(found, dict):
        raise Rejected(adapter, "delivery report", "Its body is not a JSON object.")
    return found
