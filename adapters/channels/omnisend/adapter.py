"""Hands one event to Omnisend, once. https://api-docs.omnisend.com/reference/post_events (2026-03-15)

Omnisend drops a second event with the same id and time only in its history, not for automations: an unknown
outcome must not be repeated. It makes a contact of whoever an event is about, without any consent.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx2

from adapters.kit.allowance import account_of
from adapters.kit.api import Rate
from adapters.kit.marketing import checked
from adapters.kit.sending import Sending, document, text_of
from connector.ports.channels import Accepted, OutgoingEvent
from connector.ports.errors import PortError, Rejected, Unauthorized
from connector.registry import Environment

NAME = "omnisend"
URL = "https://api.omnisend.com"
VERSION = "2026-03-15"


class OmnisendChannel:
    """One brand behind `connector.ports.channels.EventChannel`. Thread-safe."""

    def __init__(self, key: str, per_minute: int, url: str, environment: Environment) -> None:
        self._sending = Sending(
            environment,
            NAME,
            url,
            account=account_of(key),
            headers={"Authorization": f"Omnisend-API-Key {key}", "Omnisend-Version": VERSION},
            rate=Rate(per_minute, 60.0),
            judge=_judge,
        )

    def check(self) -> str:
        """Ask for one segment, which signs in and changes nothing; a sentence on what was found."""
        try:
            self._sending.call("GET", "/api/segments?limit=1", "Omnisend", is_read=True)
        except Unauthorized as exc:
            if "(HTTP 403)" in exc.cause:
                # A key for events alone, which is what we ask for.
                return "Omnisend knows the key; whether it may write events is told by the first one."
            raise
        return "Omnisend answers and accepts the key."

    def close(self) -> None:
        """Close every connection."""
        self._sending.close()

    def send(self, message: OutgoingEvent) -> Accepted:
        """Send it, without any retry; raises as the port says. `external_id` is Omnisend's own contact id."""
        subject, who = checked(NAME, message)
        contact = {{"external_id": "id"}.get(name, name): value for name, value in who.items()}
        properties = dict(message.properties)
        if message.value is not None:
            properties |= {"value": float(message.value), "currency": message.currency}
        event_id = _uuid(message.unique_id)
        body: dict[str, Any] = {
            "eventName": message.name,
            "eventID": event_id,
            "eventTime": message.at.isoformat(timespec="seconds"),
            "origin": "api",
            "contact": contact,
            "properties": properties,
        }
        self._sending.call("POST", "/api/events", subject, json=body)
        return Accepted(event_id)


def _uuid(unique_id: str) -> str:
    """Omnisend takes UUIDs only: the id itself where it is one, else one that follows from it."""
    try:
        return str(UUID(unique_id))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, unique_id))


def _judge(answer: httpx2.Response, subject: str) -> PortError | None:
    status = answer.status_code
    if status in (401, 403):
        return Unauthorized(
            NAME,
            "Omnisend",
            f"The key is refused (HTTP {status}).",
            "Enter an API key with the permission to write events.",
        )
    if status in (400, 422):
        return Rejected(NAME, subject, f"Omnisend refused the event ({_fields(answer) or f'HTTP {status}'}).")
    return None


def _fields(answer: httpx2.Response) -> str:
    """The names of the fields it refused; the words beside them quote what was sent."""
    errors = document(answer).get("errors")
    names = [
        text_of(one, "field") for one in (errors if isinstance(errors, list) else []) if isinstance(one, dict)
    ]
    return ", ".join(name for name in names if name.replace(".", "").isalnum() and len(name) <= 60)
