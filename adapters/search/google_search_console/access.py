"""How we sign in at Google: a service account's signed statement, or a user's refresh token.

Both end in an access token for an hour. The library google-auth would do the same, but brings a transport of
its own, which goes past the guard against private addresses.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a secret
SCOPE = "https://www.googleapis.com/auth/webmasters.readonly"
_LASTS_S = 3600


class Grant(Protocol):
    """What is exchanged for an access token."""

    @property
    def name(self) -> str:
        """Who signs in, for people; no secret."""

    def form(self, audience: str) -> dict[str, str]:
        """The fields of the request to the token endpoint `audience`."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A user's grant to an OAuth client."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)

    @property
    def name(self) -> str:
        return self.client_id

    def form(self, audience: str) -> dict[str, str]:
        return {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An account of a program. Whatever else its key file names is not believed: a key file with another
    token endpoint would send our signature there."""

    email: str
    key: RSAPrivateKey = field(repr=False)

    @classmethod
    def of(cls, email: str, private_key: str) -> ServiceAccount:
        """Raises ValueError for a key that is none, or not RSA."""
        key = load_pem_private_key(private_key.encode(), None)
        if not isinstance(key, RSAPrivateKey) or "@" not in email:
            raise ValueError("no service account")
        return cls(email, key)

    @property
    def name(self) -> str:
        return self.email

    def form(self, audience: str) -> dict[str, str]:
        now = int(time.time())
        claims = {"iss": self.email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + _LASTS_S}
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode(claims, self.key, algorithm="RS256"),
        }
