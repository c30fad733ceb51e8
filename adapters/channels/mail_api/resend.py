"""Resend: https://resend.com/docs/api-reference. It counts a message by its key for 24 hours and signs its webhooks
as Standard Webhooks says (by Svix)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

import httpx2

from adapters.channels.mail_api.adapter import NAME, Call, Mail
from adapters.kit import signatures
from adapters.kit.errors import retry_after_s
from adapters.kit.sending import Sending, document, text_of
from adapters.kit.settings import Settings
from adapters.kit.times import moment
from connector.ports.channels import DeliveryReport, DeliveryReports, ReportKind, ReportRequest
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Unauthorized,
)

_QUOTA_WAIT_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Resend:
    """One account."""

    token: str = field(repr=False)

    title: ClassVar[str] = "Resend"
    per_second: ClassVar[int] = 2
    is_repeatable: ClassVar[bool] = True

    @classmethod
    def of(cls, settings: Settings) -> Resend:
        """From a connection's settings."""
        return cls(settings.secret("token", "Enter an API key with sending access."))

    @property
    def url(self) -> str:
        return "https://api.resend.com"

    @property
    def auth(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def call(self, mail: Mail) -> Call:
        body: dict[str, Any] = {
            "from": mail.from_header,
            "to": [mail.to],
            "subject": mail.subject,
            "text": mail.message.text,
            "headers": dict(mail.headers),
        }
        if mail.message.html:
            body["html"] = mail.message.html
        if mail.reply_to:
            body["reply_to"] = mail.reply_to
        return Call("/emails", json=body, headers={"Idempotency-Key": mail.message.message_id[:256]})

    def provider_id(self, answer: httpx2.Response) -> str:
        return text_of(document(answer), "id")

    def judge(self, answer: httpx2.Response, subject: str) -> PortError | None:
        if answer.status_code < 300:
            return None
        name = text_of(document(answer), "name")
        if name in ("missing_api_key", "invalid_api_key", "restricted_api_key", "suspended_api_key"):
            return Unauthorized(
                NAME, "Resend", f"The API key is refused ({name}).", "Enter a key with sending access."
            )
        if answer.status_code == 403:
            return Misconfigured(
                NAME,
                "Resend",
                "The domain of the from address is not verified there (HTTP 403).",
                "Verify it at Resend, or enter another address.",
                field="from_address",
            )
        if name in ("daily_quota_exceeded", "monthly_quota_exceeded"):
            wait_s = retry_after_s(answer.headers.get("retry-after"))
            return RateLimited(
                NAME,
                "Resend",
                f"The account's quota is used up ({name}).",
                "It goes on later; a larger plan raises the quota.",
                retry_after_s=max(wait_s or 0.0, _QUOTA_WAIT_S),
            )
        if name == "concurrent_idempotent_requests":
            return OutcomeUnknown(NAME, subject, "The same message is being sent at this moment.")
        if name == "invalid_idempotent_request":
            return Rejected(
                NAME,
                subject,
                "Resend took a message under this id within the last day, with other words.",
                "The person has the earlier one; send it again tomorrow if it must be.",
            )
        return None

    def check(self, sending: Sending) -> str:
        try:
            found = document(sending.call("GET", "/domains", "Resend", is_read=True))
        except Unauthorized as exc:
            if "restricted_api_key" in exc.cause:
                # Which is what we ask for: the key is known, and may do nothing else.
                return "Resend answers: the key may send and nothing else."
            raise
        listed = found.get("data")
        names = [
            text_of(one, "name")
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, dict) and one.get("status") == "verified"
        ]
        return f"Resend answers: verified domains: {', '.join(names) or 'none yet'}."

    def reports(self, settings: Settings) -> DeliveryReports:
        secret = settings.secret("report_secret", "Enter the signing secret of the webhook: whsec_…")
        try:
            return ResendReports(signatures.standard_key(secret))
        except ValueError as exc:
            raise settings.wrong(
                "report_secret", "This is no signing secret of Resend.", "It begins with whsec_."
            ) from exc


@dataclass(frozen=True, slots=True)
class ResendReports:
    """Resend's webhooks, see `connector.ports.channels.DeliveryReports`."""

    key: bytes = field(repr=False)

    def read(self, request: ReportRequest, now: datetime) -> list[DeliveryReport]:
        delivery_id = signatures.verify_standard(NAME, request.headers, request.body, self.key, now)
        found = signatures.json_object(NAME, request.body)
        data = found.get("data")
        data = data if isinstance(data, dict) else {}
        kind, reason = _kind(text_of(found, "type"), data)
        if kind is None:
            return []
        to = data.get("to")
        return [
            DeliveryReport(
                kind,
                f"resend:{delivery_id}",
                moment(text_of(found, "created_at"), now),
                # Each of our messages has one recipient.
                address=to[0] if isinstance(to, list) and to and isinstance(to[0], str) else "",
                message_id=_header(data.get("headers"), "x-dispo"),
                provider_message_id=text_of(data, "email_id"),
                reason=reason,
            )
        ]


def _kind(name: str, data: Mapping[str, Any]) -> tuple[ReportKind | None, str]:
    bounce = data.get("bounce")
    bounce = bounce if isinstance(bounce, dict) else {}
    if name == "email.delivered":
        return "delivered", ""
    if name == "email.complained":
        return "complained", ""
    if name == "email.bounced":
        kind, sub = text_of(bounce, "type"), text_of(bounce, "subType")
        reason = f"{kind} {sub}".strip()
        return ("bounced_soft" if kind in ("Transient", "Undetermined") else "bounced_hard"), reason
    if name == "email.suppressed":
        return "bounced_hard", "on the provider's suppression list"
    if name == "email.failed":
        return "bounced_soft", "not sent by the provider"
    return None, ""


def _header(headers: object, wanted: str) -> str:
    for one in headers if isinstance(headers, list) else []:
        if isinstance(one, dict) and text_of(one, "name").lower() == wanted:
            return text_of(one, "value")
    return ""
