"""Reads Twilio's status callbacks and the texts people send back, verified by X-Twilio-Signature.

The signature covers the address that was called and every field, but no moment: a request can be repeated, and
`report_id` tells. https://www.twilio.com/docs/usage/security
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from adapters.channels.twilio.adapter import NAME
from adapters.kit import signatures
from connector.ports.channels import DeliveryReport, ReportKind, ReportRequest
from connector.ports.texts import command

_MOST_FIELDS = 200
_ANSWERS: dict[str, ReportKind] = {"stop": "stopped", "help": "help", "start": "started"}
# Told of a message that was not delivered: unknown number, landline; the person opted out.
_HARD, _STOPPED = {"30005", "30006"}, {"21610"}


@dataclass(frozen=True, slots=True)
class TwilioReports:
    """See `connector.ports.channels.DeliveryReports`."""

    token: str = field(repr=False)

    def read(self, request: ReportRequest, now: datetime) -> list[DeliveryReport]:
        given = signatures.lower(request.headers).get("x-twilio-signature", "")
        try:
            fields = parse_qsl(
                request.body.decode("utf-8"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MOST_FIELDS,
            )
        except ValueError as exc:
            raise signatures.unauthorized(NAME, "The request is not signed.") from exc
        # Twilio signs with or without the port, whatever the address says.
        holds = [signatures.same(given, self._signature(url, fields)) for url in _spellings(request.url)]
        if not given or not any(holds):
            raise signatures.unauthorized(NAME, "The signature does not hold.")
        found = dict(fields)
        number = found.get("MessageSid") or found.get("SmsSid", "")
        status = (found.get("MessageStatus") or found.get("SmsStatus", "")).lower()
        if not number:
            return []
        if status == "received" or "Body" in found:
            asked = found.get("OptOutType", "").lower() or command(found.get("Body", "")) or ""
            kind = _ANSWERS.get(asked)
            if kind is None:
                return []
            return [
                DeliveryReport(
                    kind,
                    f"twilio:{number}",
                    now,
                    address=found.get("From", ""),
                    provider_message_id=number,
                    reason=asked.upper(),
                )
            ]
        code = found.get("ErrorCode", "")
        outcome = _outcome(status, code)
        if outcome is None:
            return []
        return [
            DeliveryReport(
                outcome,
                f"twilio:{number}:{status}",
                now,
                address=found.get("To", ""),
                provider_message_id=number,
                reason=f"Twilio {code}" if code else "",
            )
        ]

    def _signature(self, url: str, fields: list[tuple[str, str]]) -> str:
        said = url + "".join(name + value for name, value in sorted(set(fields)))
        digest = hmac.new(self.token.encode(), said.encode("utf-8", "replace"), hashlib.sha1).digest()
        return base64.b64encode(digest).decode("ascii")


def _outcome(status: str, code: str) -> ReportKind | None:
    if status == "delivered":
        return "delivered"
    if status not in ("undelivered", "failed"):
        return None
    if code in _STOPPED:
        return "stopped"
    return "bounced_hard" if code in _HARD else "bounced_soft"


def _spellings(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return [url]
    if not host:
        return [url]
    standard = 443 if parts.scheme == "https" else 80
    without = urlunsplit(parts._replace(netloc=host))
    return list(
        dict.fromkeys((url, without, urlunsplit(parts._replace(netloc=f"{host}:{port or standard}"))))
    )
