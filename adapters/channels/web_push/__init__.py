"""Web push: one notification to one browser, encrypted for it alone and signed with a key of our own (VAPID)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from email_validator import EmailNotValidError, validate_email

from adapters.channels.web_push import vapid
from adapters.channels.web_push.adapter import NAME, WebPushChannel
from adapters.kit.settings import Settings
from adapters.kit.urls import web_address
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> WebPushChannel:
    """One sender; no network. Raises Misconfigured with the field."""
    settings = Settings(NAME, "the connection", config, secrets)
    text = settings.long_secret("private_key", "Let Dispo make one, or enter the key of your present sender.")
    try:
        key = vapid.private_key(text)
    except ValueError as exc:
        raise settings.wrong(
            "private_key",
            "This is no VAPID key.",
            "Enter the private key in base64url (43 characters) or PEM, on the curve P-256.",
        ) from exc
    return WebPushChannel(key, _contact(settings), environment)


def _contact(settings: Settings) -> str:
    contact = settings.needed("contact", "Enter an e-mail address at which push services can reach you.")
    found = web_address(contact)
    if found is not None and found.scheme == "https":
        return contact
    try:
        address = validate_email(
            contact.removeprefix("mailto:"), check_deliverability=False, globally_deliverable=False
        ).ascii_email
    except EmailNotValidError:
        address = None
    if address is None:
        raise settings.wrong(
            "contact", "This is neither an e-mail nor a web address.", "Enter it as shop@example.com."
        )
    return f"mailto:{address}"


MANIFEST = Manifest(
    name=NAME,
    title="Web push",
    fields=(
        Field("contact", "Contact", help="An e-mail or https address at which push services can reach you."),
        Field(
            "private_key",
            "Private key",
            is_secret=True,
            is_required=False,
            is_long=True,
            help="Made by Dispo. Enter one only to keep subscriptions that were made with it elsewhere.",
        ),
    ),
    build=build,
    new_secrets=lambda: {"private_key": vapid.new_key()},
    medium="push",
    help_page="adapters/web_push.md",
)
