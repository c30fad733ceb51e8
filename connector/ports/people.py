"""How a shop's own software proves that the shop asks, when it asks what we keep about a person.

The public key of a store stands in every page of it, so it proves nothing. The shop and we share the secret of
its webhooks; from that both derive one for this purpose alone, so that neither can be used in the other's place.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-Dispo-Signature"
_PURPOSE = b"dispo people 1"


def people_secret(webhook_secret: str) -> str:
    """The secret for questions about people, 64 hexadecimal digits, derived from the webhooks' own.

    >>> people_secret("shh")[:8]
    'b57a8547'
    """
    return hmac.new(webhook_secret.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def sign(secret: str, body: bytes) -> str:
    """The signature of a question's raw body: HMAC-SHA256, hexadecimal."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_signed(secret: str, body: bytes, signature: str) -> bool:
    """Whether the signature is of this body; compared in constant time. Any text may be given."""
    return hmac.compare_digest(sign(secret, body).encode(), signature.strip().lower().encode())
