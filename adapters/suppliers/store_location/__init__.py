"""A location of one of the merchant's own stores, counted as stock of their own. Dispo never writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.settings import Settings
from adapters.suppliers.store_location.stock import ADAPTER, StoreLocation, StoreLocationSource
from connector.registry import Environment, Field, Manifest


def build(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> StoreLocationSource:
    """One location of a connected store as a supplier; no network. Raises Misconfigured, naming the field."""
    given = Settings(ADAPTER, "the settings of a store's location", config, secrets)
    number = given.needed("reads_store", "Enter the number of the store's connection.")
    location = given.needed("reads_location", "Enter the location's id, as the store's own list shows it.")
    if not (number.isascii() and number.isdigit() and len(number) < 18):
        raise given.wrong(
            "reads_store", f"“{number}” is no number of a store.", "The list of stores has them."
        )
    if environment.stores is None:
        raise given.wrong("reads_store", "No store can be asked here.", "Connect it within the account.")
    stores = environment.stores
    return StoreLocationSource(StoreLocation(lambda: stores(int(number)), number, location), environment)


MANIFEST = Manifest(
    name=ADAPTER,
    title="A location of your store",
    fields=(
        Field("reads_store", "Store", help="The number of the store's connection, as in its address here."),
        Field("reads_location", "Location", help="The location whose stock is yours; Dispo never writes it."),
    ),
    build=build,
    help_page="docs/adapters/store_location.md",
)
