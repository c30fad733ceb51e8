"""E-mail by a provider's HTTP API: Postmark, Resend or Mailgun, with the reports they call back with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from email_validator import EmailNotValidError, validate_email

from adapters.channels.mail_api.adapter import NAME, MailApiChannel, Provider
from adapters.channels.mail_api.mailgun import Mailgun
from adapters.channels.mail_api.postmark import Postmark
from adapters.channels.mail_api.resend import Resend
from adapters.kit.settings import Settings
from connector.ports.channels import DeliveryReports
from connector.registry import Environment, Field, Manifest

PROVIDERS = {"postmark": "Postmark", "resend": "Resend", "mailgun": "Mailgun"}
_MAKERS: Mapping[str, Callable[[Settings], Provider]] = {
    "postmark": Postmark.of,
    "resend": Resend.of,
    "mailgun": Mailgun.of,
}


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> MailApiChannel:
    """One account at a provider; no network. Raises Misconfigured with the field."""
    settings = Settings(NAME, "the connection", config, secrets)
    provider = _provider(settings)
    address = settings.needed("from_address", "Enter the shop's address.")
    try:
        found = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as exc:
        raise settings.wrong(
            "from_address", "This is not an e-mail address.", "Enter it as shop@example.com."
        ) from exc
    if found.ascii_email is None:
        # Every receiver must be able to answer and to check the sender.
        raise settings.wrong(
            "from_address", "Its name part holds letters beyond a–z.", "Use an address in plain letters."
        )
    per_second = settings.number("per_second", provider.per_second, most=10_000)
    url = settings.address("url", "https://api.example.com") if settings.text("url") else provider.url
    return MailApiChannel(provider, found.ascii_email, url, per_second, environment)


def reports(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> DeliveryReports:
    """What reads the provider's reports. Raises Misconfigured without the secret they are signed with."""
    del environment
    settings = Settings(NAME, "the connection", config, secrets)
    return _provider(settings).reports(settings)


def _provider(settings: Settings) -> Provider:
    return _MAKERS[settings.choice("place", tuple(PROVIDERS))](settings)


MANIFEST = Manifest(
    name=NAME,
    title="E-mail by a provider's API",
    fields=(
        Field(
            "place",
            "Provider",
            is_required=False,
            help="postmark (usual), resend or mailgun.",
        ),
        Field(
            "from_address",
            "From address",
            help="The shop's address; the provider must have verified its domain.",
        ),
        Field(
            "token",
            "API key",
            is_secret=True,
            hints={
                "postmark": "The server API token.",
                "resend": "A key with sending access.",
                "mailgun": "The account's API key.",
            },
        ),
        Field(
            "report_secret",
            "Secret of the reports",
            is_secret=True,
            is_required=False,
            hints={
                "postmark": "A long password of your own; it is part of the webhook's address.",
                "resend": "The webhook's signing secret: whsec_…",
                "mailgun": "The HTTP webhook signing key.",
            },
        ),
        Field(
            "stream",
            "Message stream",
            is_required=False,
            places=("postmark",),
            help="Empty: outbound. Ask Postmark which stream restock alerts belong to.",
        ),
        Field(
            "domain",
            "Sending domain",
            is_required=False,
            places=("mailgun",),
            help="Empty: that of the from address.",
        ),
        Field("region", "Region", is_required=False, places=("mailgun",), help="us (usual) or eu."),
        Field(
            "per_second",
            "Messages per second",
            is_required=False,
            is_rare=True,
            help="Empty: 2 at Resend, elsewhere as many as it takes. 0: no limit.",
        ),
        Field(
            "url", "Address of the API", is_required=False, is_rare=True, help="Empty: the provider's own."
        ),
    ),
    build=build,
    reports=reports,
    places=PROVIDERS,
    medium="email",
    help_page="adapters/mail_api.md",
)
