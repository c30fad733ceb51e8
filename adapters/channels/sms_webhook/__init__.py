"""SMS by an address of the merchant's own that takes a signed JSON request: any provider behind a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.channels.sms_webhook.adapter import NAME, SmsWebhookChannel, SmsWebhookReports
from adapters.kit import signatures
from adapters.kit.guard import is_allowed_private
from adapters.kit.phones import sender_kind
from adapters.kit.settings import Settings
from adapters.kit.urls import web_address
from connector.ports.channels import DeliveryReports
from connector.registry import Environment, Field, Manifest


def build(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> SmsWebhookChannel:
    """One receiving address; no network. Raises Misconfigured with the field."""
    settings = Settings(NAME, "the connection", config, secrets)
    url = settings.needed("url", "Enter the address that takes the texts.")
    parts = web_address(url)
    if parts is None:
        raise settings.wrong("url", "This is no web address.", "Enter it as https://sms.example.com/send.")
    if parts.scheme != "https" and not is_allowed_private(environment, parts.host, parts.port):
        raise settings.wrong("url", "Numbers of people must not travel unencrypted.", "Use https://.")
    sender = settings.text("sender")
    if sender and sender_kind(sender) is None:
        raise settings.wrong(
            "sender",
            "No SMS can come from this.",
            "Enter +33612345678, a short code or a name of 11 letters.",
        )
    return SmsWebhookChannel(
        url,
        sender,
        _key(settings),
        settings.number("per_second", 0, most=10_000),
        settings.choice("counts_once", ("no", "yes")) == "yes",
        environment,
    )


def reports(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> DeliveryReports:
    """What reads the reports that the merchant's address sends back, signed with the same secret."""
    del environment
    return SmsWebhookReports(_key(Settings(NAME, "the connection", config, secrets)))


def _key(settings: Settings) -> bytes:
    secret = settings.secret("secret", "Enter a secret as Standard Webhooks writes it: whsec_ and base64.")
    try:
        return signatures.standard_key(secret)
    except ValueError as exc:
        raise settings.wrong(
            "secret",
            "It is not base64 of at least 16 bytes.",
            "Make one: echo whsec_$(openssl rand -base64 32)",
        ) from exc


MANIFEST = Manifest(
    name=NAME,
    title="SMS by a webhook of your own",
    fields=(
        Field("url", "Address", help="It takes a signed POST for each text."),
        Field("secret", "Signing secret", is_secret=True, help="whsec_ and base64 of at least 16 bytes."),
        Field("sender", "Sender", is_required=False, help="Passed on; empty: your address decides."),
        Field(
            "counts_once",
            "Counts each text once",
            is_required=False,
            help="yes where your address sends a text only once for a webhook-id; then a lost answer is repeated.",
        ),
        Field("per_second", "Messages per second", is_required=False, is_rare=True, help="Empty: no limit."),
    ),
    build=build,
    reports=reports,
    medium="sms",
    help_page="adapters/sms_webhook.md",
)
