"""Events for Klaviyo, whose flows then write to the people. Never a list, never a consent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.channels.klaviyo.adapter import NAME, TIERS, URL, KlaviyoChannel
from adapters.kit.settings import Settings
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> KlaviyoChannel:
    """One account; no network. Raises Misconfigured with the field."""
    settings = Settings(NAME, "the connection", config, secrets)
    key = settings.secret("api_key", "Enter a private key with the scope events:write.")
    if not key.startswith("pk_"):
        raise settings.wrong(
            "api_key",
            "This is no private key.",
            "A private key begins with pk_; the six letters are the public one.",
        )
    tier = settings.choice("tier", tuple(TIERS))
    url = settings.address("url", URL) if settings.text("url") else URL
    return KlaviyoChannel(key, tier, url, environment)


MANIFEST = Manifest(
    name=NAME,
    title="Klaviyo (events)",
    fields=(
        Field("api_key", "Private API key", is_secret=True, help="With the scope events:write: pk_…"),
        Field(
            "tier",
            "Rate",
            is_required=False,
            is_rare=True,
            help="XL (350 a second, 3,500 a minute, Klaviyo's for events), L, M or S where others use the same key.",
        ),
        Field("url", "Address of the API", is_required=False, is_rare=True, help=f"Empty: {URL}"),
    ),
    build=build,
    medium="event",
    help_page="adapters/klaviyo.md",
)
