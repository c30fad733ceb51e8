"""Hands one event to Klaviyo, once. https://developers.klaviyo.com/en/reference/create_event

Klaviyo counts an event once for the same person, metric and `unique_id`: an unknown outcome may be repeated. Its
202 says that the event was read, not that it was processed.
"""

from __future__ import annotations

from typing import Any

import httpx2

from adapters.kit.allowance import account_of
from adapters.kit.api import Rate
from adapters.kit.marketing import checked
from adapters.kit.sending import Sending, document, text_of
from connector.ports.channels import Accepted, OutgoingEvent
from connector.ports.errors import PortError, Rejected, Unauthorized
from connector.registry import Environment

NAME = "klaviyo"
URL = "https://a.klaviyo.com"
REVISION = "2026-04-15"
"""The version of the API that this was written for; each is kept for two years."""

# Burst in a second, and as many in a minute: the rate keeps to the minute and lets the burst go at once.
TIERS = {"XL": (350, 3_500), "L": (75, 700), "M": (10, 150), "S": (3, 60)}
_MEDIA_TYPE = "application/vnd.api+json"


class KlaviyoChannel:
    """One account behind `connector.ports.channels.EventChannel`. Thread-safe."""

    def __init__(self, key: str, tier: str, url: str, environment: Environment) -> None:
        burst, minute = TIERS[tier]
        self._sending = Sending(
            environment,
            NAME,
            url,
            account=account_of(key),
            headers={
                "Authorization": f"Klaviyo-API-Key {key}",
                "revision": REVISION,
                "Accept": _MEDIA_TYPE,
            },
            rate=Rate(burst, burst * 60 / minute),
            judge=_judge,
            is_repeatable=True,
        )

    def check(self) -> str:
        """Ask for the account's name; a sentence on what was found."""
        try:
            found = document(self._sending.call("GET", "/api/accounts", "Klaviyo", is_read=True))
        except Unauthorized as exc:
            if "permission_denied" in exc.cause:
                # A key for events alone, which is what we ask for.
                return "Klaviyo knows the key; whether it may write events is told by the first one."
            raise
        listed = found.get("data")
        first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
        attributes = first.get("attributes")
        contact = attributes.get("contact_information") if isinstance(attributes, dict) else None
        name = text_of(contact, "organization_name") if isinstance(contact, dict) else ""
        return f"Klaviyo answers: account “{name or first.get('id', '')}”."

    def close(self) -> None:
        """Close every connection."""
        self._sending.close()

    def send(self, message: OutgoingEvent) -> Accepted:
        """Send it, without any retry; raises as the port says."""
        subject, who = checked(NAME, message)
        profile = {{"phone": "phone_number"}.get(name, name): value for name, value in who.items()}
        attributes: dict[str, Any] = {
            "unique_id": message.unique_id,
            "time": message.at.isoformat(),
            "properties": dict(message.properties),
            "metric": {"data": {"type": "metric", "attributes": {"name": message.name}}},
            "profile": {"data": {"type": "profile", "attributes": profile}},
        }
        if message.value is not None:
            attributes["value"] = float(message.value)
            attributes["value_currency"] = message.currency
        self._sending.call(
            "POST",
            "/api/events",
            subject,
            json={"data": {"type": "event", "attributes": attributes}},
            headers={"Content-Type": _MEDIA_TYPE},
        )
        return Accepted("")


def _judge(answer: httpx2.Response, subject: str) -> PortError | None:
    status = answer.status_code
    if status in (401, 403):
        return Unauthorized(
            NAME,
            "Klaviyo",
            f"The key is refused ({_code(answer) or f'HTTP {status}'}).",
            "Enter a private key with the scope events:write.",
        )
    if status in (400, 422):
        return Rejected(NAME, subject, f"Klaviyo refused the event ({_code(answer) or f'HTTP {status}'}).")
    return None


def _code(answer: httpx2.Response) -> str:
    """The code of the first error; its words quote what was sent."""
    errors = document(answer).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    code = text_of(first, "code") if isinstance(first, dict) else ""
    return code if code.replace("_", "").isalnum() and len(code) <= 60 else ""
