"""Postmark, Resend and Mailgun on loopback: they enforce sign-in, formats and their own limits, and sign webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from simulator.dials import Dials
from simulator.senders import Answer, Sender, form

FROM_DOMAIN = "mail.shop.example"
Webhook = tuple[dict[str, str], bytes]


class MailProvider(Sender):
    """What the three share. `key` signs in, `mails` are the messages as they arrived, `report_secret` signs
    webhooks; senders of `FROM_DOMAIN` are verified."""

    key = "key-0123456789abcdef"
    report_secret = ""

    def __init__(self, dials: Dials | None = None) -> None:
        super().__init__(dials)
        self.mails: list[dict[str, Any]] = []

    def take(self, mail: dict[str, Any], message_id: str) -> None:
        self.mails.append(mail)
        self.sent.append(message_id)


class PostmarkServer(MailProvider):
    """https://postmarkapp.com/developer/api/email-api"""

    report_secret = "a-long-password-of-our-own"
    streams = ("outbound", "broadcast")

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("x-postmark-server-token") != self.key:
            return _postmark(401, 10, "No Account or Server API tokens were supplied or it was invalid.")
        if (method, path) == ("GET", "/server"):
            return 200, {"ID": 1, "Name": "Shop", "DeliveryType": "Live"}, {}
        if (method, path) != ("POST", "/email"):
            return 404, {}, {}
        mail = json.loads(body)
        to, found = _domain_of(mail.get("To", "")), _domain_of(mail.get("From", ""))
        if not to or not found or not (mail.get("TextBody") or mail.get("HtmlBody")):
            return _postmark(422, 300, f"Invalid email request: {mail.get('To')}")
        if found != FROM_DOMAIN:
            return _postmark(422, 400, f"The 'From' address {mail['From']} isn't a Sender Signature.")
        if mail.get("MessageStream") not in self.streams:
            return _postmark(422, 1235, "The stream provided does not exist on this server.")
        if mail["To"] in self.gone:
            return _postmark(422, 406, f"Found inactive addresses: {mail['To']}.")
        if any(len(value) > 80 for value in mail.get("Metadata", {}).values()):
            return _postmark(422, 300, "Metadata value is too long.")
        headers_of = {one["Name"]: one["Value"] for one in mail.get("Headers", [])}
        self.take(mail, headers_of["X-Dispo"])
        number = f"883953f4-6105-42a2-a16a-{len(self.sent):012}"
        return 200, {"To": mail["To"], "MessageID": number, "ErrorCode": 0, "Message": "OK"}, {}

    def webhook(self, record: dict[str, Any]) -> Webhook:
        """What Postmark sends: unsigned, with the user and password of the address it was given."""
        password = base64.b64encode(f"dispo:{self.report_secret}".encode()).decode()
        return {"Authorization": f"Basic {password}"}, json.dumps(record).encode()


class ResendServer(MailProvider):
    """https://resend.com/docs/api-reference: a key counts once in 24 hours."""

    report_secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()

    def __init__(self, dials: Dials | None = None) -> None:
        super().__init__(dials)
        self.keys: dict[str, tuple[bytes, str]] = {}
        self.is_sending_key = False

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {self.key}":
            return _resend(403, "invalid_api_key", "API key is invalid")
        if (method, path) == ("GET", "/domains"):
            if self.is_sending_key:
                return _resend(401, "restricted_api_key", "This API key is restricted to only send emails")
            return 200, {"data": [{"name": FROM_DOMAIN, "status": "verified"}]}, {}
        if (method, path) != ("POST", "/emails"):
            return _resend(404, "not_found", "The requested endpoint does not exist")
        key = headers.get("idempotency-key", "")
        if len(key) > 256:
            return _resend(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        if key in self.keys:
            before, number = self.keys[key]
            if before != body:
                return _resend(409, "invalid_idempotent_request", "Same key, different payload")
            return 200, {"id": number}, {}
        mail = json.loads(body)
        if _domain_of(mail["from"]) != FROM_DOMAIN:
            return _resend(403, "validation_error", "The domain is not verified")
        if not isinstance(mail["to"], list) or not _domain_of(mail["to"][0]):
            return _resend(422, "validation_error", f"Invalid `to` field: {mail['to']}")
        if mail["to"][0] in self.gone:
            return _resend(422, "validation_error", f"{mail['to'][0]} is suppressed")
        self.take(mail, mail["headers"]["X-Dispo"])
        number = f"49a3999c-0ce1-4ea6-ab68-{len(self.sent):012}"
        if key:
            self.keys[key] = (body, number)
        return 200, {"id": number}, {}

    def webhook(self, event: dict[str, Any], at: datetime, number: str = "msg_1") -> Webhook:
        """A webhook as Svix signs it at `at`."""
        body = json.dumps(event).encode()
        moment = str(int(at.timestamp()))
        secret = base64.b64decode(self.report_secret.removeprefix("whsec_"))
        signed = hmac.new(secret, f"{number}.{moment}.".encode() + body, hashlib.sha256).digest()
        return {
            "svix-id": number,
            "svix-timestamp": moment,
            "svix-signature": "v1,bm90LXRoaXMtb25l v1," + base64.b64encode(signed).decode(),
        }, body


class MailgunServer(MailProvider):
    """https://documentation.mailgun.com: forms, Basic sign-in, a domain in the path."""

    report_secret = "mailgun-signing-key"

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        wanted = base64.b64encode(f"api:{self.key}".encode()).decode()
        if headers.get("authorization") != f"Basic {wanted}":
            return 401, b"Forbidden", {}
        if method == "GET" and path == f"/v4/domains/{FROM_DOMAIN}":
            return 200, {"domain": {"name": FROM_DOMAIN, "state": "active"}}, {}
        if method != "POST" or path != f"/v3/{FROM_DOMAIN}/messages":
            return 404, {"message": "Domain not found"}, {}
        if not headers["content-type"].startswith("application/x-www-form-urlencoded"):
            return 400, {"message": "not a form"}, {}
        mail = form(body)
        if not _domain_of(mail.get("to", "")) or mail["to"] in self.gone:
            return 400, {"message": f"to parameter is not a valid address: {mail.get('to')}"}, {}
        self.take(mail, mail["h:X-Dispo"])
        return 200, {"id": f"<2026.{len(self.sent)}@{FROM_DOMAIN}>", "message": "Queued. Thank you."}, {}

    def webhook(self, event: dict[str, Any], at: datetime, token: str = "a" * 50) -> Webhook:
        """A webhook with its signature inside, of the moment `at`."""
        moment = str(int(at.timestamp()))
        signed = hmac.new(
            self.report_secret.encode(), f"{moment}{token}".encode(), hashlib.sha256
        ).hexdigest()
        signature = {"timestamp": moment, "token": token, "signature": signed}
        return {}, json.dumps({"signature": signature, "event-data": event}).encode()


def _postmark(status: int, code: int, message: str) -> Answer:
    return status, {"ErrorCode": code, "Message": message}, {}


def _resend(status: int, name: str, message: str) -> Answer:
    return status, {"statusCode": status, "name": name, "message": message}, {}


def _domain_of(text: str) -> str:
    # The name in a From header may hold anything; the address is what the standard library reads.
    mail = EmailMessage()
    try:
        mail["From"] = text
    except (ValueError, IndexError):
        return ""
    found = mail["From"].addresses
    return found[0].domain if len(found) == 1 and found[0].username else ""
