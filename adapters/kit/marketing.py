"""What every event for a marketing system is checked for before it leaves."""

from __future__ import annotations

import json
import re

from email_validator import EmailNotValidError, validate_email

from connector.ports.channels import OutgoingEvent
from connector.ports.errors import Rejected

LARGEST_PROPERTIES = 100_000
_UNIQUE_ID = re.compile(r"[!-~]{1,200}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_CURRENCY = re.compile(r"[A-Z]{3}")


def checked(adapter: str, event: OutgoingEvent) -> tuple[str, dict[str, str]]:
    """What errors call the event, and who it is about: `email`, `phone`, `external_id`, those that are given.
    Raises Rejected for what no system could take."""
    if not _UNIQUE_ID.fullmatch(event.unique_id):
        raise Rejected(adapter, "event (invalid id)", "Its unique id is not one word of plain characters.")
    subject = f"event {event.unique_id}"
    if not event.name.strip() or len(event.name) > 128 or not event.name.isprintable():
        raise Rejected(adapter, subject, "Its name is not one line of 1 to 128 characters.")
    if event.at.tzinfo is None:
        raise Rejected(adapter, subject, "Its time has no zone.")
    if event.value is not None and (not event.value.is_finite() or not _CURRENCY.fullmatch(event.currency)):
        raise Rejected(adapter, subject, "A value needs a number and a currency such as EUR.")
    who: dict[str, str] = {}
    if event.email:
        who["email"] = _email(adapter, event.email, subject)
    if event.phone:
        if not _E164.fullmatch(event.phone):
            raise Rejected(adapter, subject, "The number is not written as +33612345678.")
        who["phone"] = event.phone
    if event.external_id:
        who["external_id"] = event.external_id
    if not who:
        raise Rejected(adapter, subject, "It names nobody: no address, no number, no id.")
    try:
        size = len(json.dumps(dict(event.properties), allow_nan=False))
    except (TypeError, ValueError):
        # Not chained: what the library says quotes the value.
        raise Rejected(adapter, subject, "Its properties are not JSON.") from None
    if size > LARGEST_PROPERTIES:
        raise Rejected(
            adapter, subject, f"Its properties have {size} bytes; {LARGEST_PROPERTIES} are sent at most."
        )
    return subject, who


def _email(adapter: str, text: str, subject: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError:
        # Not chained: the reason may quote the address.
        raise Rejected(adapter, subject, "The address is not a valid e-mail address.") from None
