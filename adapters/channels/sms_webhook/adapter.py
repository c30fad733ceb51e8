"""Hands one SMS to the merchant's own address and reads what it reports, both signed as Standard Webhooks says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2

from adapters.kit import signatures
from adapters.kit.api import Rate
from adapters.kit.guard import safe_url
from adapters.kit.phones import checked, sender_kind
from adapters.kit.sending import Sending, document, text_of
from adapters.kit.times import moment
from connector.ports.channels import Accepted, DeliveryReport, OutgoingText, ReportKind, ReportRequest
from connector.ports.errors import Gone, Misconfigured, PortError, Rejected, Unauthorized
from connector.ports.texts import command
from connector.registry import Environment

NAME = "sms_webhook"

_NUMBER = re.compile(r"\+?[0-9][0-9 .()-]{4,}[0-9]")

_ANSWERS: dict[str, ReportKind] = {"stop": "stopped", "help": "help", "start": "started"}
_KINDS: dict[str, ReportKind] = {
    "sms.delivered": "delivered",
    "sms.undeliverable": "bounced_hard",
    "sms.failed": "bounced_soft",
    "sms.stopped": "stopped",
}


class SmsWebhookChannel:
    """One address behind `connector.ports.channels.TextChannel`. Thread-safe."""

    def __init__(
        self,
        url: str,
        sender: str,
        key: bytes,
        per_second: int,
        counts_once: bool,
        environment: Environment,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = url
        self._sender = sender
        self._key = key
        self._now = now
        self._sending = Sending(
            environment,
            NAME,
            url,
            account=safe_url(url),
            rate=Rate(per_second, 1.0) if per_second else None,
            judge=_judge,
            is_repeatable=counts_once,
        )

    @property
    def takes_answers(self) -> bool:
        """False for a name as sender."""
        return sender_kind(self._sender) != "name"

    def check(self) -> str:
        """Send a signed request that asks for nothing; a sentence on what was found."""
        self._post("sms.check", f"check-{uuid4().hex}", {}, "the address", is_read=True)
        return f"{safe_url(self._url)} answers and accepts our signature."

    def close(self) -> None:
        """Close every connection."""
        self._sending.close()

    def send(self, message: OutgoingText) -> Accepted:
        """Send it, without any retry; raises as the port says."""
        subject, counted = checked(NAME, message)
        data = {
            "id": message.message_id,
            "to": message.to,
            "text": message.text,
            "sender": message.sender or self._sender,
            "validity_s": message.validity_s,
            "encoding": counted.encoding,
            "segments": counted.count,
            "report_url": message.report_url,
        }
        answer = self._post("sms.send", message.message_id, data, subject)
        return Accepted(text_of(document(answer), "id"), counted.count)

    def _post(
        self, kind: str, message_id: str, data: Mapping[str, Any], subject: str, *, is_read: bool = False
    ) -> httpx2.Response:
        now = self._now()
        body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": data}).encode()
        headers = {
            "Content-Type": "application/json",
            **signatures.sign_standard(self._key, message_id, now, body),
        }
        return self._sending.call("POST", self._url, subject, content=body, headers=headers, is_read=is_read)


def _judge(answer: httpx2.Response, subject: str) -> PortError | None:
    status = answer.status_code
    if status == 410:
        said = text_of(document(answer), "error")
        if said == "stopped":
            return Gone(NAME, subject, "The person asked to get no more texts (HTTP 410).", why="stopped")
        return Gone(NAME, subject, "No SMS can reach this number (HTTP 410).", "Ask for a mobile number.")
    if status in (401, 403):
        return Unauthorized(
            NAME,
            "the address",
            f"It does not accept our signature (HTTP {status}).",
            "Enter the same secret at both ends, and compare the clocks.",
        )
    if status in (404, 405):
        return Misconfigured(
            NAME,
            "the address",
            f"Nothing takes texts there (HTTP {status}).",
            "Check the address.",
            field="url",
        )
    if status in (400, 409, 413, 422):
        return Rejected(NAME, subject, f"The address refused the message (HTTP {status}).")
    return None


@dataclass(frozen=True, slots=True)
class SmsWebhookReports:
    """See `connector.ports.channels.DeliveryReports`."""

    key: bytes = field(repr=False)

    def read(self, request: ReportRequest, now: datetime) -> list[DeliveryReport]:
        delivery_id = signatures.verify_standard(NAME, request.headers, request.body, self.key, now)
        found = signatures.json_object(NAME, request.body)
        data = found.get("data")
        data = data if isinstance(data, dict) else {}
        name = text_of(found, "type")
        if name == "sms.received":
            asked = command(text_of(data, "text")) or ""
            kind, address, reason = _ANSWERS.get(asked), text_of(data, "from"), asked.upper()
        else:
            kind, address = _KINDS.get(name), text_of(data, "to")
            # Whoever writes a reason may quote the number, which must not reach a page or a log.
            reason = _NUMBER.sub("…", text_of(data, "reason"))[:200]
        if kind is None:
            return []
        return [
            DeliveryReport(
                kind,
                f"{NAME}:{delivery_id}",
                moment(text_of(found, "timestamp"), now),
                address=address,
                message_id=text_of(data, "id"),
                provider_message_id=text_of(data, "provider_id"),
                reason=reason,
            )
        ]
