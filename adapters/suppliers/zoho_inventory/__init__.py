"""Zoho Inventory: a merchant's own system as the source of stock and of what is on order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.zoho_inventory.client import ADAPTER, LOGINS, Access, Zoho
from adapters.suppliers.zoho_inventory.stock import NUMBERS, Choices, ZohoStock
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One organization as a supplier; no network. Raises Misconfigured, naming the field."""
    settings = Settings(ADAPTER, "the settings of Zoho Inventory", config, secrets)
    organization = settings.needed("organization_id", "It is at Settings, Organization Profile.")
    if not (organization.isascii() and organization.isdigit()):
        raise settings.wrong("organization_id", "It is a number.", "It is at Settings, Organization Profile.")
    center = settings.choice("data_center", tuple(LOGINS))
    remedy = "Make it anew in Zoho's API console; it must be of your own data center."
    access = Access(
        organization_id=organization,
        client_id=settings.needed("client_id", "Copy it from the Self Client in Zoho's API console."),
        client_secret=settings.secret("client_secret", "Copy it from the Self Client in Zoho's API console."),
        refresh_token=settings.secret("refresh_token", remedy),
        api_url=settings.address("api_url", "https://www.zohoapis.com")
        if settings.text("api_url")
        else f"https://www.zohoapis.{center}",
        login_url=settings.address("login_url", "https://accounts.zoho.com")
        if settings.text("login_url")
        else LOGINS[center],
    )
    choices = Choices(
        quantity=settings.choice("quantity", tuple(NUMBERS)),
        locations=settings.words("locations"),
        reads_incoming=settings.is_yes("incoming"),
    )
    return LiveSource(ZohoStock(Zoho(environment, access), choices), environment)


MANIFEST = Manifest(
    name=ADAPTER,
    title="Zoho Inventory",
    fields=(
        Field("organization_id", "Organization", help="Its number, at Settings, Organization Profile."),
        Field("client_id", "Client ID", help="Of the Self Client in Zoho's API console."),
        Field(
            "client_secret", "Client secret", is_secret=True, help="Of the Self Client in Zoho's API console."
        ),
        Field("refresh_token", "Refresh token", is_secret=True, help="Made once, as the help page says."),
        Field(
            "data_center",
            "Data center",
            is_required=False,
            help="How your Zoho address ends: com (empty), eu, in, com.au, jp, ca, sa or com.cn.",
        ),
        Field(
            "quantity",
            "Number",
            is_required=False,
            help="physical (empty) or accounting: available for sale; on_hand: all that is there.",
        ),
        Field(
            "locations",
            "Locations",
            is_required=False,
            help="Empty for all together; else their names, as in East, West.",
        ),
        Field(
            "incoming",
            "What is on order",
            is_required=False,
            help="no: restock dates are not taken from open purchase orders.",
        ),
        Field(
            "api_url", "Address of the API", is_required=False, is_rare=True, help="Empty: the data center's."
        ),
        Field(
            "login_url",
            "Address of the sign-in",
            is_required=False,
            is_rare=True,
            help="Empty: the data center's.",
        ),
    ),
    build=build,
    help_page="docs/adapters/zoho_inventory.md",
)
