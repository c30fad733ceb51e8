"""Twilio's Messages API on loopback, and an address of a merchant's own that takes signed texts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from simulator.dials import Dials
from simulator.senders import Answer, Sender, form

ACCOUNT = "AC" + "0123456789abcdef" * 2
_E164 = re.compile(r"\+[1-9]\d{6,14}")


class TwilioServer(Sender):
    """`senders` are the account's own; `stopped` numbers answered STOP, `gone` ones do not exist. `texts` are the
    forms as they came. Twilio knows no id of ours: `sent` holds what follows the last "=" of the status address."""

    token = "auth-token-0123456789abcdef"

    def __init__(self, dials: Dials | None = None) -> None:
        super().__init__(dials)
        self.texts: list[dict[str, str]] = []
        self.stopped: set[str] = set()
        self.senders = {"+33755555555", "Mug Shop", "36179", "MG" + "0123456789abcdef" * 2}
        self.refuses_with: int = 0

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        wanted = base64.b64encode(f"{ACCOUNT}:{self.token}".encode()).decode()
        if headers.get("authorization") != f"Basic {wanted}":
            return _error(401, 20003, "Authenticate")
        root = f"/2010-04-01/Accounts/{ACCOUNT}"
        if (method, path) == ("GET", f"{root}.json"):
            return 200, {"sid": ACCOUNT, "friendly_name": "Shop", "status": "active", "type": "Full"}, {}
        if (method, path) != ("POST", f"{root}/Messages.json"):
            return _error(404, 20404, "The requested resource was not found")
        given = form(body)
        to, sender = given.get("To", ""), given.get("From") or given.get("MessagingServiceSid", "")
        if self.refuses_with:
            return _error(400, self.refuses_with, f"To {to} refused")
        if sender not in self.senders:
            return _error(400, 21606, f"The From phone number {sender} is not a valid, SMS-capable number")
        if not _E164.fullmatch(to) or to in self.gone:
            return _error(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if to in self.stopped:
            return _error(400, 21610, f"Attempt to send to unsubscribed recipient {to}")
        if not given.get("Body"):
            return _error(400, 21602, "Message body is required")
        if len(given["Body"]) > 1_600:
            return _error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if not 1 <= int(given.get("ValidityPeriod", "36000")) <= 36_000:
            return _error(400, 21621, "ValidityPeriod out of range")
        self.texts.append(given)
        self.sent.append(given["StatusCallback"].rpartition("=")[2] if "StatusCallback" in given else "")
        number = f"SM{len(self.texts):032x}"
        count = "0" if sender.startswith("MG") else "1"
        return 201, {"sid": number, "num_segments": count, "status": "queued", "to": to}, {}

    def callback(self, url: str, fields: dict[str, str]) -> tuple[dict[str, str], bytes]:
        """Headers and body of a request to `url` as Twilio signs it."""
        said = url + "".join(name + fields[name] for name in sorted(fields))
        digest = hmac.new(self.token.encode(), said.encode(), hashlib.sha1).digest()
        return {"X-Twilio-Signature": base64.b64encode(digest).decode()}, urlencode(fields).encode()


class SmsReceiver(Sender):
    """An address of the merchant's own: it checks the signature and its age, and counts each webhook-id once.

    `texts` are the data of the texts taken."""

    secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()

    def __init__(self, dials: Dials | None = None) -> None:
        super().__init__(dials)
        self.texts: list[dict[str, Any]] = []
        self.stopped: set[str] = set()

    def route(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if (method, path) != ("POST", "/send"):
            return 404, {}, {}
        number, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
        wanted = sign(self.secret, number, moment, body)
        is_recent = abs(int(moment) - datetime.now(UTC).timestamp()) < 300
        if not is_recent or not hmac.compare_digest(headers.get("webhook-signature", ""), wanted):
            return 401, {}, {}
        document = json.loads(body)
        if document["type"] == "sms.check":
            return 204, b"", {}
        data = document["data"]
        if data["to"] in self.stopped:
            return 410, {"error": "stopped"}, {}
        if data["to"] in self.gone:
            return 410, {"error": "unknown"}, {}
        if number not in self.sent:
            self.texts.append(data)
            self.sent.append(number)
        return 202, {"id": f"own-{self.sent.index(number) + 1}"}, {}

    def report(
        self, kind: str, data: dict[str, Any], at: datetime, number: str = "r1"
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of a report as the merchant's address signs it."""
        body = json.dumps({"type": kind, "timestamp": at.isoformat(), "data": data}).encode()
        moment = str(int(at.timestamp()))
        return {
            "webhook-id": number,
            "webhook-timestamp": moment,
            "webhook-signature": sign(self.secret, number, moment, body),
        }, body


def sign(secret: str, number: str, moment: str, body: bytes) -> str:
    """The signature of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{number}.{moment}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _error(status: int, code: int, message: str) -> Answer:
    return status, {"code": code, "message": message, "status": status}, {}
