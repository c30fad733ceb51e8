"""Mailgun: https://documentation.mailgun.com/docs/mailgun/api-reference. Its webhooks carry their signature in the
body, over a moment and a token but not over the rest: so a token counts once."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formataddr
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import httpx2

from adapters.channels.mail_api.adapter import NAME, Call, Mail
from adapters.kit import signatures
from adapters.kit.api import basic
from adapters.kit.sending import Sending, document, text_of
from adapters.kit.settings import Settings
from connector.ports.channels import DeliveryReport, DeliveryReports, ReportKind, ReportRequest
from connector.ports.errors import Misconfigured, PortError, Rejected, Unauthorized

REGIONS = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}
WINDOW_S = 9 * 3_600.0
"""Mailgun repeats a webhook for eight hours."""


@dataclass(frozen=True, slots=True)
class Mailgun:
    """One sending domain of an account."""

    token: str = field(repr=False)
    domain: str
    region: str = "us"

    title: ClassVar[str] = "Mailgun"
    per_second: ClassVar[int] = 0
    is_repeatable: ClassVar[bool] = False

    @classmethod
    def of(cls, settings: Settings) -> Mailgun:
        """From a connection's settings."""
        domain = settings.text("domain") or settings.text("from_address").rpartition("@")[2]
        try:
            domain = domain.encode("idna").decode().lower()
        except UnicodeError as exc:
            raise settings.wrong("domain", "This is not a domain.", "Enter it as mail.shop.example.") from exc
        return cls(
            settings.secret("token", "Enter the account's API key."),
            domain,
            settings.choice("region", tuple(REGIONS)),
        )

    @property
    def url(self) -> str:
        return REGIONS[self.region]

    @property
    def auth(self) -> Mapping[str, str]:
        return {"Authorization": basic("api", self.token)}

    def call(self, mail: Mail) -> Call:
        fields = {
            # Mailgun misreads names that have both quotes and letters beyond ASCII unless they are encoded.
            "from": formataddr((mail.sender_name, mail.sender)),
            "to": mail.to,
            "subject": mail.subject,
            "text": mail.message.text,
            "o:tracking": "no",
            "v:dispo": mail.message.message_id,
        }
        if mail.message.html:
            fields["html"] = mail.message.html
        if mail.reply_to:
            fields["h:Reply-To"] = mail.reply_to
        if "@" in mail.message.message_id:
            fields["h:Message-Id"] = f"<{mail.message.message_id}>"
        fields |= {f"h:{name}": value for name, value in mail.headers.items()}
        return Call(
            f"/v3/{quote(self.domain)}/messages",
            content=urlencode(fields).encode("ascii"),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )

    def provider_id(self, answer: httpx2.Response) -> str:
        return text_of(document(answer), "id").strip("<>")

    def judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        if answer.status_code in (401, 403):
            return Unauthorized(
                NAME,
                "Mailgun",
                f"The key is refused (HTTP {answer.status_code}).",
                "Enter the account's API key, and choose the region the account is in.",
            )
        if answer.status_code == 404:
            return Misconfigured(
                NAME,
                "Mailgun",
                "There is no such sending domain (HTTP 404).",
                "Enter the domain as Mailgun shows it, and choose its region.",
                field="domain",
            )
        if answer.status_code == 400:
            return Rejected(NAME, subject, "Mailgun refused the message or its address (HTTP 400).")
        return None

    def check(self, sending: Sending) -> str:
        answer = sending.call("GET", f"/v4/domains/{quote(self.domain)}", "Mailgun", is_read=True)
        found = document(answer).get("domain")
        state = text_of(found, "state") if isinstance(found, dict) else ""
        return f"Mailgun answers: the domain {self.domain} is {state or 'known'}."

    def reports(self, settings: Settings) -> DeliveryReports:
        return MailgunReports(settings.secret("report_secret", "Enter the HTTP webhook signing key."))


@dataclass(frozen=True, slots=True)
class MailgunReports:
    """Mailgun's webhooks, see `connector.ports.channels.DeliveryReports`."""

    key: str = field(repr=False)

    def read(self, request: ReportRequest, now: datetime) -> list[DeliveryReport]:
        try:
            found = signatures.json_object(NAME, request.body)
        except Rejected as exc:
            raise signatures.unauthorized(NAME, "The request is not signed.") from exc
        signed = found.get("signature")
        signed = signed if isinstance(signed, dict) else {}
        moment, token, given = (text_of(signed, name) for name in ("timestamp", "token", "signature"))
        if not (moment and token and given):
            raise signatures.unauthorized(NAME, "The request is not signed.")
        said = f"{moment}{token}".encode("utf-8", "replace")
        wanted = hmac.new(self.key.encode(), said, hashlib.sha256).hexdigest()
        if not signatures.same(given, wanted):
            raise signatures.unauthorized(NAME, "The signature does not hold.")
        signatures.require_recent(NAME, moment, now, WINDOW_S)
        data = found.get("event-data")
        if not isinstance(data, dict):
            raise Rejected(NAME, "delivery report", "Its body holds no event.")
        kind = _kind(data)
        if kind is None:
            return []
        variables = data.get("user-variables")
        return [
            DeliveryReport(
                kind,
                f"mailgun:{token}",
                _happened_at(data, now),
                address=text_of(data, "recipient"),
                message_id=text_of(variables, "dispo") if isinstance(variables, dict) else "",
                provider_message_id=_message_id(data),
                reason=text_of(data, "reason"),
            )
        ]


def _kind(data: Mapping[str, Any]) -> ReportKind | None:
    event = text_of(data, "event")
    if event == "failed":
        if text_of(data, "severity") != "permanent":
            return "bounced_soft"
        # Given up after many tries is no proof that nobody is there.
        is_hard = text_of(data, "reason") in ("bounce", "suppress-bounce")
        return "bounced_hard" if is_hard else _suppressed(text_of(data, "reason"))
    kinds: dict[str, ReportKind] = {
        "delivered": "delivered",
        "complained": "complained",
        "unsubscribed": "stopped",
        "rejected": "bounced_soft",
    }
    return kinds.get(event)


def _suppressed(reason: str) -> ReportKind:
    if reason == "suppress-complaint":
        return "complained"
    return "stopped" if reason == "suppress-unsubscribe" else "bounced_soft"


def _happened_at(data: Mapping[str, Any], now: datetime) -> datetime:
    seconds = data.get("timestamp")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e11:
        return now
    return min(datetime.fromtimestamp(seconds, UTC), now)


def _message_id(data: Mapping[str, Any]) -> str:
    message = data.get("message")
    headers = message.get("headers") if isinstance(message, dict) else None
    return text_of(headers, "message-id").strip("<>") if isinstance(headers, dict) else ""
