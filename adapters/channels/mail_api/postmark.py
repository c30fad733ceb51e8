"""Postmark: https://postmarkapp.com/developer/api/email-api. It signs no webhook: its address carries a password.

Answers of 422 hold an ErrorCode; the words beside it quote the address and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

import httpx2

from adapters.channels.mail_api.adapter import NAME, Call, Mail
from adapters.kit import signatures
from adapters.kit.sending import Sending, document, text_of
from adapters.kit.settings import Settings
from adapters.kit.times import moment
from connector.ports.channels import DeliveryReport, DeliveryReports, ReportKind, ReportRequest
from connector.ports.errors import (
    Gone,
    Misconfigured,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
)

REPORT_USER = "dispo"
_LONGEST_METADATA = 80

_HARD, _SPAM, _LEFT = (
    {"HardBounce", "BadEmailAddress"},
    {"SpamNotification", "SpamComplaint"},
    {
        "Unsubscribe",
        "ManuallyDeactivated",
        "ManualSuppression",
    },
)
# What an answering machine or a mail server's curiosity says about a message that arrived.
_NOTHING = {"AutoResponder", "AddressChange", "Subscribe", "OpenRelayTest", "ChallengeVerification"}


@dataclass(frozen=True, slots=True)
class Postmark:
    """One server of an account, sending through the message stream `stream`."""

    token: str = field(repr=False)
    stream: str = "outbound"

    title: ClassVar[str] = "Postmark"
    per_second: ClassVar[int] = 0
    is_repeatable: ClassVar[bool] = False

    @classmethod
    def of(cls, settings: Settings) -> Postmark:
        """From a connection's settings."""
        return cls(
            settings.secret("token", "Enter the server API token."), settings.text("stream") or "outbound"
        )

    @property
    def url(self) -> str:
        return "https://api.postmarkapp.com"

    @property
    def auth(self) -> Mapping[str, str]:
        return {"X-Postmark-Server-Token": self.token, "Accept": "application/json"}

    def call(self, mail: Mail) -> Call:
        body: dict[str, Any] = {
            "From": mail.from_header,
            "To": mail.to,
            "Subject": mail.subject,
            "TextBody": mail.message.text,
            "HtmlBody": mail.message.html,
            "Headers": [{"Name": name, "Value": value} for name, value in mail.headers.items()],
            "MessageStream": self.stream,
            "TrackOpens": False,
            "TrackLinks": "None",
        }
        if mail.reply_to:
            body["ReplyTo"] = mail.reply_to
        if len(mail.message.message_id) <= _LONGEST_METADATA:
            body["Metadata"] = {"dispo": mail.message.message_id}
        return Call("/email", json=body)

    def provider_id(self, answer: httpx2.Response) -> str:
        return text_of(document(answer), "MessageID")

    def judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        code = document(answer).get("ErrorCode", 0)
        if not isinstance(code, int) or (code == 0 and answer.status_code < 300):
            return None
        said = f"(error {code})"
        if code == 406:
            return Gone(
                NAME, subject, f"Postmark does not write to this address any more {said}.", why="complained"
            )
        if code in (10, 412, 413):
            return Unauthorized(
                NAME,
                "Postmark",
                f"The account or its token is refused {said}.",
                "Enter the server API token.",
            )
        if code in (400, 401):
            return Misconfigured(
                NAME,
                "Postmark",
                f"The from address is not verified there {said}.",
                "Verify its domain at Postmark, or enter another address.",
                field="from_address",
            )
        if code in (1226, 1235):
            return Misconfigured(
                NAME,
                "Postmark",
                f"There is no such message stream {said}.",
                "Enter the stream's ID.",
                field="stream",
            )
        if code == 405:
            return RateLimited(
                NAME, "Postmark", f"The account has no messages left {said}.", retry_after_s=3_600.0
            )
        if code == 100:
            return Retryable(NAME, subject, f"Postmark is being maintained {said}.")
        if answer.status_code == 422:
            return Rejected(NAME, subject, f"Postmark refused the message {said}.")
        return None

    def check(self, sending: Sending) -> str:
        found = document(sending.call("GET", "/server", "Postmark", is_read=True))
        kind = text_of(found, "DeliveryType").lower()
        tells = "; it is a sandbox, which delivers nothing" if kind == "sandbox" else ""
        return f"Postmark answers: server “{text_of(found, 'Name')}”, stream {self.stream}{tells}."

    def reports(self, settings: Settings) -> DeliveryReports:
        return PostmarkReports(
            settings.secret(
                "report_secret", f"Choose a long password; the address has {REPORT_USER}:password@."
            )
        )


@dataclass(frozen=True, slots=True)
class PostmarkReports:
    """Postmark's webhooks, see `connector.ports.channels.DeliveryReports`."""

    password: str = field(repr=False)

    def read(self, request: ReportRequest, now: datetime) -> list[DeliveryReport]:
        """There is no signed moment: a request can be repeated, and `report_id` tells."""
        signatures.verify_basic(NAME, request.headers, REPORT_USER, self.password)
        found = signatures.json_object(NAME, request.body)
        record, reason = text_of(found, "RecordType"), text_of(found, "Type")
        kind = _kind(record, found)
        if kind is None:
            return []
        at = {"Delivery": "DeliveredAt", "SubscriptionChange": "ChangedAt"}.get(record, "BouncedAt")
        metadata = found.get("Metadata")
        happened_at = moment(text_of(found, at), now)
        provider_id = text_of(found, "MessageID")
        return [
            DeliveryReport(
                kind,
                f"postmark:{record}:{found.get('ID') or provider_id}:{text_of(found, at)}",
                happened_at,
                address=text_of(found, "Recipient") or text_of(found, "Email"),
                message_id=text_of(metadata, "dispo") if isinstance(metadata, dict) else "",
                provider_message_id=provider_id,
                reason=reason or text_of(found, "SuppressionReason"),
            )
        ]


def _kind(record: str, found: Mapping[str, Any]) -> ReportKind | None:
    if record == "Delivery":
        return "delivered"
    if record == "SpamComplaint":
        return "complained"
    if record == "Bounce":
        kind = text_of(found, "Type")
        return None if kind in _NOTHING else _of_type(kind)
    if record == "SubscriptionChange":
        if not found.get("SuppressSending"):
            return "started"
        return _of_type(text_of(found, "SuppressionReason") or "ManualSuppression")
    return None


def _of_type(kind: str) -> Literal["bounced_hard", "complained", "stopped", "bounced_soft"]:
    if kind in _HARD:
        return "bounced_hard"
    if kind in _SPAM:
        return "complained"
    return "stopped" if kind in _LEFT else "bounced_soft"
