"""SMS by Twilio's Messages API, with its status callbacks and what people answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.channels.twilio.adapter import NAME, URL, TwilioChannel
from adapters.channels.twilio.reports import TwilioReports
from adapters.kit.phones import sender_kind
from adapters.kit.settings import Settings
from connector.ports.channels import DeliveryReports
from connector.registry import Environment, Field, Manifest

_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> TwilioChannel:
    """One account; no network. Raises Misconfigured with the field."""
    settings = Settings(NAME, "the connection", config, secrets)
    account = settings.needed("account_sid", "Copy it from Twilio's console.")
    if not _ACCOUNT.fullmatch(account):
        raise settings.wrong("account_sid", "This is no account SID.", "It is AC and 32 more characters.")
    sender = settings.needed("sender", "Enter a number, a short code, a name or a messaging service.")
    if sender_kind(sender) is None and not _SERVICE.fullmatch(sender):
        raise settings.wrong(
            "sender",
            "No SMS can come from this.",
            "Enter +33612345678, a short code, a name of up to 11 letters, or a service's SID (MG…).",
        )
    token = settings.secret("auth_token", "Copy it from Twilio's console.")
    per_second = settings.number("per_second", 0, most=10_000)
    url = settings.address("url", URL) if settings.text("url") else URL
    return TwilioChannel(account, sender, token, url, per_second, environment)


def reports(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> DeliveryReports:
    """What reads Twilio's callbacks, which it signs with the same token."""
    del environment
    settings = Settings(NAME, "the connection", config, secrets)
    return TwilioReports(settings.secret("auth_token", "Copy it from Twilio's console."))


MANIFEST = Manifest(
    name=NAME,
    title="SMS by Twilio",
    fields=(
        Field("account_sid", "Account SID", help="AC and 32 more characters."),
        Field("auth_token", "Auth token", is_secret=True, help="It also signs what Twilio tells us."),
        Field(
            "sender",
            "Sender",
            help="A number (+33…), a short code, a name of up to 11 letters, or a messaging service (MG…).",
        ),
        Field(
            "per_second",
            "Messages per second",
            is_required=False,
            is_rare=True,
            help="Empty: no limit of our own; Twilio queues what its numbers cannot send at once.",
        ),
        Field("url", "Address of the API", is_required=False, is_rare=True, help=f"Empty: {URL}"),
    ),
    build=build,
    reports=reports,
    medium="sms",
    help_page="adapters/twilio.md",
)
