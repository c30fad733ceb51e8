"""Microsoft Dynamics 365 Business Central as the source of stock and of what is on order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.business_central.client import ADAPTER, API, LOGIN, Access, BusinessCentral
from adapters.suppliers.business_central.stock import BusinessCentralStock, Choices
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One company of one environment as a supplier; no network. Raises Misconfigured, naming the field."""
    settings = Settings(ADAPTER, "the settings of Business Central", config, secrets)
    access = Access(
        tenant=_plain(settings, "tenant", "Copy the Directory (tenant) ID of the app registration."),
        environment=_plain(settings, "environment", "Enter its name, as Production."),
        client_id=_plain(settings, "client_id", "Copy the Application (client) ID."),
        client_secret=settings.secret("client_secret", "Make a client secret and copy its value."),
        company=settings.text("company"),
        api_url=settings.address("api_url", API) if settings.text("api_url") else API,
        login_url=settings.address("login_url", LOGIN) if settings.text("login_url") else LOGIN,
    )
    choices = Choices(
        is_available=settings.choice("quantity", ("available", "on_hand")) == "available",
        code="gtin" if settings.choice("code", ("number", "gtin")) == "gtin" else "number",
        locations=settings.words("locations"),
        ledger=settings.text("ledger") or "ItemLedgerEntries",
        units=settings.text("units"),
        reads_incoming=settings.is_yes("incoming"),
    )
    return LiveSource(BusinessCentralStock(BusinessCentral(environment, access), choices), environment)


def _plain(settings: Settings, name: str, remedy: str) -> str:
    """A part of an address: nothing in it may lead elsewhere."""
    value = settings.needed(name, remedy)
    if not all(letter.isalnum() or letter in "-_." for letter in value) or not value.isascii():
        raise settings.wrong(name, f"“{value}” is none.", remedy)
    return value


MANIFEST = Manifest(
    name=ADAPTER,
    title="Business Central",
    fields=(
        Field("tenant", "Tenant", help="Directory (tenant) ID of the app registration in Microsoft Entra."),
        Field("environment", "Environment", help="Its name, as Production."),
        Field("client_id", "Client ID", help="Application (client) ID of the app registration."),
        Field(
            "client_secret",
            "Client secret",
            is_secret=True,
            help="The value of a secret of the app registration.",
        ),
        Field("company", "Company", is_required=False, help="If there are several: the name of one."),
        Field(
            "quantity",
            "Number",
            is_required=False,
            help="available (empty): inventory less open sales orders; on_hand: all inventory.",
        ),
        Field(
            "code",
            "Item code",
            is_required=False,
            help="number (empty): the item's number; gtin: its barcode number.",
        ),
        Field(
            "locations",
            "Locations",
            is_required=False,
            help="Empty for all together; else codes, as in EAST, WEST. Needs a published web service.",
        ),
        Field(
            "ledger",
            "Web service of entries",
            is_required=False,
            help="For locations: the name page 38 is published by. Empty: ItemLedgerEntries.",
        ),
        Field(
            "units",
            "Web service of units",
            is_required=False,
            help="The name page 5404 is published by, if orders are in other units than the items.",
        ),
        Field(
            "incoming",
            "What is on order",
            is_required=False,
            help="no: restock dates are not taken from open purchase orders.",
        ),
        Field("api_url", "Address of the API", is_required=False, is_rare=True, help=f"Empty: {API}."),
        Field(
            "login_url", "Address of the sign-in", is_required=False, is_rare=True, help=f"Empty: {LOGIN}."
        ),
    ),
    build=build,
    help_page="docs/adapters/business_central.md",
)
