"""SAP S/4HANA as the source of stock and of what is on order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.sap_s4hana.client import ADAPTER, Sap
from adapters.suppliers.sap_s4hana.stock import Choices, SapStock
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One S/4HANA system as a supplier; no network. Raises Misconfigured, naming the field."""
    settings = Settings(ADAPTER, "the settings of SAP S/4HANA", config, secrets)
    url = settings.address("url", "https://my300000-api.s4hana.cloud.sap")
    username = settings.needed("username", "It is the communication user's name.")
    password = settings.long_secret("password", "It is the communication user's password.")
    client = settings.text("client")
    if client and not (client.isascii() and client.isdigit() and len(client) == 3):
        raise settings.wrong("client", "A client has three digits.", "Enter it as 100, or nothing.")
    places = settings.words("plants")
    for place in places:
        parts = place.split("/")
        if len(parts) > 2 or not all(part.isascii() and part.isalnum() and len(part) <= 4 for part in parts):
            raise settings.wrong("plants", f"“{place}” is no plant.", "Enter them as 1010, or 1010/101A.")
    choices = Choices(
        places=places,
        code="gtin" if settings.choice("code", ("product", "gtin")) == "gtin" else "product",
        reads_incoming=settings.is_yes("incoming"),
    )
    return LiveSource(SapStock(Sap(environment, url, username, password, client), choices), environment)


MANIFEST = Manifest(
    name=ADAPTER,
    title="SAP S/4HANA",
    fields=(
        Field("url", "Address", help="Of the APIs, as https://my300000-api.s4hana.cloud.sap."),
        Field("username", "User", help="The communication user's name."),
        Field("password", "Password", is_secret=True, help="The communication user's password."),
        Field(
            "plants",
            "Plants",
            is_required=False,
            help="Empty for all together; else plants, as 1010, or storage locations of them, as 1010/101A.",
        ),
        Field(
            "code",
            "Item code",
            is_required=False,
            help="product (empty): the material's number; gtin: its barcode number.",
        ),
        Field("client", "Client", is_required=False, help="Three digits, on a server of your own."),
        Field(
            "incoming",
            "What is on order",
            is_required=False,
            help="no: restock dates are not taken from open purchase orders.",
        ),
    ),
    build=build,
    help_page="docs/adapters/sap_s4hana.md",
)
