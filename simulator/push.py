"""A browser's push service on loopback, with the browsers: it checks headers and signature, they decrypt."""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import http_ece
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulator.dials import Dials
from simulator.senders import Answer, Sender

_AUTHORIZATION = re.compile(r"vapid t=([\w.-]+), ?k=([\w-]+)")


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Browser:
    """One subscription, with the secrets only the browser has. `inbox` are the notifications it got."""

    endpoint: str
    application_key: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(16))
    inbox: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def p256dh(self) -> str:
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return base64url(point)

    @property
    def auth(self) -> str:
        return base64url(self.secret)


class PushServer(Sender):
    """`browser(name, key)` subscribes with an application's public key. `gone` are names whose subscription ended.
    A request of another key, without TTL, of over 4096 bytes or signed for more than 24 hours is refused."""

    def __init__(self, dials: Dials | None = None) -> None:
        super().__init__(dials)
        self.browsers: dict[str, Browser] = {}
        self.refuses_signatures = False

    def browser(self, name: str, application_key: str) -> Browser:
        """The browser of this name, subscribed at its first call."""
        if name not in self.browsers:
            self.browsers[name] = Browser(f"{self.url}/push/{name}", application_key)
        return self.browsers[name]

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        name = path.removeprefix("/push/")
        if method != "POST" or name not in self.browsers:
            return 404, {"error": "no such subscription"}, {}
        if name in self.gone:
            return 410, {"error": "push subscription has unsubscribed or expired."}, {}
        browser = self.browsers[name]
        said = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if said is None or self.refuses_signatures:
            return 401, {"error": "no VAPID"}, {}
        if said[2] != browser.application_key:
            return 403, b"the VAPID credentials in the authorization header do not correspond", {}
        point = base64.urlsafe_b64decode(said[2] + "=" * (-len(said[2]) % 4))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        try:
            claims = jwt.decode(said[1], key, algorithms=["ES256"], audience=self.url)
        except jwt.InvalidTokenError:
            return 403, {"error": "bad signature"}, {}
        left_s = claims["exp"] - datetime.now(UTC).timestamp()
        if left_s > 86_400 or not claims.get("sub", "").startswith(("mailto:", "https:")):
            return 403, {"error": "bad claims"}, {}
        if not headers.get("ttl", "").isdigit() or headers.get("content-encoding") != "aes128gcm":
            return 400, {"error": "TTL or Content-Encoding is missing"}, {}
        if len(headers.get("topic", "")) > 32 or headers.get("urgency", "normal") not in (
            "very-low",
            "low",
            "normal",
            "high",
        ):
            return 400, {"error": "Topic or Urgency"}, {}
        if len(body) > 4_096:
            return 413, {"error": "too large"}, {}
        plain = http_ece.decrypt(
            body, private_key=browser.key, auth_secret=browser.secret, version="aes128gcm"
        )
        document = json.loads(plain)
        browser.inbox.append(document)
        browser.asked.append(headers)
        self.sent.append(document["id"])
        return 201, b"", {"Location": f"{self.url}/m/{len(self.sent)}"}
