"""Events for Omnisend, whose automations then write to the people. Never a list, never a consent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.channels.omnisend.adapter import NAME, URL, OmnisendChannel
from adapters.kit.settings import Settings
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> OmnisendChannel:
    """One brand; no network. Raises Misconfigured with the field."""
    settings = Settings(NAME, "the connection", config, secrets)
    key = settings.secret("api_key", "Enter an API key with the permission to write events.")
    per_minute = settings.number("per_minute", 400, least=1, most=400)
    url = settings.address("url", URL) if settings.text("url") else URL
    return OmnisendChannel(key, per_minute, url, environment)


MANIFEST = Manifest(
    name=NAME,
    title="Omnisend (events)",
    fields=(
        Field("api_key", "API key", is_secret=True, help="With the permission to write events."),
        Field(
            "per_minute",
            "Events per minute",
            is_required=False,
            is_rare=True,
            help="Empty: 400, which is all Omnisend takes of one brand; less where others send too.",
        ),
        Field("url", "Address of the API", is_required=False, is_rare=True, help=f"Empty: {URL}"),
    ),
    build=build,
    medium="event",
    help_page="adapters/omnisend.md",
)
