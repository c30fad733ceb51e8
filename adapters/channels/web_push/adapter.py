"""Hands one notification to a browser's push service, once (RFC 8030, 8188, 8291, 8292).

The address comes from a browser, that is from anybody: only hosts of known push services are called, on the
port of https, and never one that leads to a private address.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import http_ece
import httpx2
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.channels.web_push import vapid
from adapters.kit.guard import is_allowed_private
from adapters.kit.sending import Sending
from adapters.kit.urls import WebAddress, web_address
from connector.ports.channels import Accepted, OutgoingPush
from connector.ports.errors import Gone, Misconfigured, PortError, Rejected, Unauthorized
from connector.registry import Environment

NAME = "web_push"

PUSH_SERVICES = (
    "fcm.googleapis.com",
    "jmt17.google.com",
    "push.services.mozilla.com",
    "push.apple.com",
    "notify.windows.com",
)
"""Chrome and what is made of it, Firefox, Safari, Edge: each and everything below it."""

# A push service takes 4096 bytes; header (86), tag (16) and the end of the record (1) are part of them.
LARGEST_PAYLOAD = 4_096 - 103
LONGEST_TTL_S = 28 * 86_400

_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MESSAGE_ID = re.compile(r"[!-~]{1,256}")
_OF_ANOTHER_KEY = re.compile(rb"do not correspond|VapidPkHashMismatch")
_POINT, _SECRET = 65, 16


class WebPushChannel:
    """One sender behind `connector.ports.channels.PushChannel`. Thread-safe."""

    at_once = 4
    """A call waits for an answer from far away."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        contact: str,
        environment: Environment,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._environment = environment
        self._contact = contact
        self._signer = vapid.Signer(key, contact, now)
        # One for each push service: what one of them asks us to wait is no matter of the others.
        self._services: dict[str, Sending] = {}
        self._lock = threading.Lock()

    @property
    def public_key(self) -> str:
        """What a page gives to `pushManager.subscribe` as `applicationServerKey`."""
        return self._signer.public_key

    def check(self) -> str:
        """Sign once; there is nobody to sign in to."""
        self._signer.authorization("https://push.example")
        return f"The key signs for {self._contact}; its public half is {self.public_key}."

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            services, self._services = list(self._services.values()), {}
        for service in services:
            service.close()

    def check_browser(self, endpoint: str, p256dh: str, auth: str) -> None:
        """Whether such a browser could be sent to; raises Rejected or Gone."""
        subject = "a browser"
        self._known(endpoint, subject)
        _keys(p256dh, auth, subject)

    def send(self, message: OutgoingPush) -> Accepted:
        """Send it, without any retry; raises as the port says. The push service's reference is the id."""
        if not _MESSAGE_ID.fullmatch(message.message_id):
            raise Rejected(
                NAME, "message (invalid id)", "The message id is not one word of plain characters."
            )
        subject = f"message {message.message_id}"
        address, service = self._service(message.endpoint, subject)
        body = _encrypted(message, subject)
        port = "" if address.port == (443 if address.scheme == "https" else 80) else f":{address.port}"
        headers = {
            "Authorization": self._signer.authorization(f"{address.scheme}://{address.host}{port}"),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(message.ttl_s),
            "Urgency": message.urgency,
        }
        if message.topic:
            headers["Topic"] = message.topic
        try:
            answer = service.call("POST", message.endpoint, subject, content=body, headers=headers)
        except Misconfigured as exc:
            # The address is the browser's, not a setting: it must not stop everybody's messages.
            raise Rejected(NAME, subject, "The push service's address cannot be called.") from exc
        return Accepted(answer.headers.get("location", "").rpartition("/")[2][:200])

    def _known(self, endpoint: str, subject: str) -> tuple[WebAddress, str]:
        """The address and the name of its push service; raises for one of none."""
        address = web_address(endpoint) if len(endpoint) <= 2_000 else None
        if address is None:
            raise Gone(NAME, subject, "The subscription's address is none.")
        known = next(
            (host for host in PUSH_SERVICES if address.host == host or address.host.endswith(f".{host}")), ""
        )
        is_usual = address.scheme == "https" and address.port == 443
        if not (known and is_usual) and not is_allowed_private(self._environment, address.host, address.port):
            raise Rejected(
                NAME,
                subject,
                "The subscription's address is not that of a known push service.",
                "Subscribe with a current version of Chrome, Edge, Firefox or Safari.",
            )
        return address, known or f"{address.host}:{address.port}"

    def _service(self, endpoint: str, subject: str) -> tuple[WebAddress, Sending]:
        address, name = self._known(endpoint, subject)
        with self._lock:
            service = self._services.get(name)
            if service is None:
                service = self._services[name] = Sending(
                    self._environment, NAME, "", account=name, judge=_judge
                )
        return address, service


def _encrypted(message: OutgoingPush, subject: str) -> bytes:
    """The notification, readable by this browser alone (aes128gcm)."""
    if message.topic and not _TOPIC.fullmatch(message.topic):
        raise Rejected(NAME, subject, "A topic has up to 32 letters, digits, - and _.")
    if not 0 <= message.ttl_s <= LONGEST_TTL_S:
        raise Rejected(NAME, subject, f"A push is kept for 0 to {LONGEST_TTL_S} seconds.")
    payload = json.dumps(
        {
            "id": message.message_id,
            "title": message.title,
            "body": message.body,
            "url": message.url,
            "icon": message.icon,
            "lang": message.language,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8", "replace")
    if len(payload) > LARGEST_PAYLOAD:
        raise Rejected(
            NAME, subject, f"The notification has {len(payload)} bytes; {LARGEST_PAYLOAD} are taken at most."
        )
    point, secret = _keys(message.p256dh, message.auth, subject)
    sealed: bytes = http_ece.encrypt(
        payload,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=point,
        auth_secret=secret,
        version="aes128gcm",
    )
    return sealed


def _keys(p256dh: str, auth: str, subject: str) -> tuple[bytes, bytes]:
    """The browser's point and secret; raises Gone for what no browser made."""
    try:
        point, secret = vapid.from_base64url(p256dh), vapid.from_base64url(auth)
        if len(point) != _POINT or len(secret) != _SECRET:
            raise ValueError
        # Refuses a point that is not on the curve, which would give our side of the secret away.
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise Gone(NAME, subject, "The subscription's keys are not valid: no browser made it.") from None
    return point, secret


def _judge(answer: httpx2.Response, subject: str) -> PortError | None:
    status = answer.status_code
    if status in (404, 410):
        return Gone(NAME, subject, f"The browser ended its subscription (HTTP {status}).")
    if status in (400, 401, 403) and _OF_ANOTHER_KEY.search(answer.content):
        return Rejected(
            NAME,
            subject,
            f"The subscription was made with another key (HTTP {status}).",
            "The browser must subscribe again; keep the key from now on.",
        )
    if status in (401, 403):
        return Unauthorized(
            NAME,
            "the push service",
            f"Our signature is refused (HTTP {status}).",
            "Set this machine's clock, and enter a contact that is a real address.",
        )
    if status == 413:
        return Rejected(NAME, subject, "The notification is too large for the push service (HTTP 413).")
    return None
