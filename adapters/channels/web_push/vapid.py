"""The key by which push services know us (VAPID, RFC 8292), and the signature it makes.

The same key must be kept for as long as anybody is subscribed: a subscription belongs to the key it was made with.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

VALID_FOR = timedelta(hours=12)
"""A signature may live for 24 hours; half of it forgives a clock that is wrong by some."""
RENEWED_AFTER = timedelta(hours=1)
_MOST_ORIGINS = 200
_BYTES = 32


def new_key() -> str:
    """A new private key: 32 bytes in base64url, as browsers' tools write it."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return to_base64url(number.to_bytes(_BYTES, "big"))


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The key in `text`, 32 bytes in base64url or PEM. Raises ValueError, which never quotes it."""
    try:
        if "-----BEGIN" in text:
            found = serialization.load_pem_private_key(text.encode(), None)
            if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
                raise ValueError
            return found
        raw = from_base64url(text)
        if len(raw) != _BYTES:
            raise ValueError
        return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())
    except (ValueError, TypeError):
        # Not chained: what libraries say may quote what they read.
        raise ValueError("no key of the curve P-256") from None


def public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """What a page gives to `pushManager.subscribe`: the uncompressed point in base64url."""
    return to_base64url(
        key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
    )


def to_base64url(raw: bytes) -> str:
    """Without the padding, as everything of web push is written."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The bytes of base64url, with or without padding; of base64 too, which some browsers' pages send. Raises
    ValueError."""
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64url") from None


class Signer:
    """Makes the Authorization header for a push service and keeps it for an hour. Thread-safe.

    `contact` is the mailto: or https: address at which a push service can reach whoever sends.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str, now: Callable[[], datetime]) -> None:
        self.public_key = public_key(key)
        self._key = key
        self._contact = contact
        self._now = now
        self._kept: dict[str, tuple[datetime, str]] = {}
        self._lock = threading.Lock()

    def authorization(self, origin: str) -> str:
        """The header for the push service at `origin` ("https://host")."""
        now = self._now()
        with self._lock:
            made_at, header = self._kept.get(origin, (None, ""))
            if made_at is not None and timedelta(0) <= now - made_at < RENEWED_AFTER:
                return header
        claims = {"aud": origin, "exp": int((now + VALID_FOR).timestamp()), "sub": self._contact}
        header = f"vapid t={jwt.encode(claims, self._key, algorithm='ES256')}, k={self.public_key}"
        with self._lock:
            if len(self._kept) >= _MOST_ORIGINS:
                self._kept.clear()
            self._kept[origin] = (now, header)
        return header
