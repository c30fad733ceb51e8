"""Inventory Source: many suppliers' catalogues behind one API, for accounts of its VIP plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.inventory_source.client import ADAPTER, InventorySource
from adapters.suppliers.inventory_source.stock import InventorySourceStock
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One account as a supplier; no network. Raises Misconfigured, naming the field."""
    given = Settings(ADAPTER, "the settings of Inventory Source", config, secrets)
    url = given.text("url")
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.username or parts.password:
        raise given.wrong(
            "url", "This is not the API's address.", "Enter it as your API documentation names it."
        )
    token = given.secret("refresh_token", "Authenticate under API in your account; it is shown then.")
    catalogs = given.words("catalogs")
    if not catalogs:
        raise given.wrong("catalogs", "No catalogue is named.", "Enter one number at least.")
    for one in catalogs:
        if not (one.isascii() and one.isdigit()):
            raise given.wrong("catalogs", f"“{one}” is no catalogue's number.", "Enter numbers, as in 5310.")
    client = (given.text("client_id"), given.secret("client_secret", "", is_needed=False))
    if bool(client[0]) != bool(client[1]):
        raise given.wrong("client_secret", "A client has an ID and a secret.", "Enter both, or none.")
    # Only where the API is: its own paths begin at the root.
    base = f"{parts.scheme}://{parts.netloc}"
    return LiveSource(
        InventorySourceStock(InventorySource(environment, base, token, client), catalogs), environment
    )


MANIFEST = Manifest(
    name=ADAPTER,
    title="Inventory Source",
    fields=(
        Field("url", "Address", help="Where the Retailer API is, as your API documentation names it."),
        Field("refresh_token", "Refresh token", is_secret=True, help="In your account, under API."),
        Field("catalogs", "Catalogues", help="Their numbers, as in 5310, 5311."),
        Field("client_id", "Client ID", is_required=False, help="If Inventory Source gave you one."),
        Field(
            "client_secret",
            "Client secret",
            is_secret=True,
            is_required=False,
            help="If Inventory Source gave you one.",
        ),
    ),
    build=build,
    help_page="docs/adapters/inventory-source.md",
)
