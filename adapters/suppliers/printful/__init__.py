"""Printful: prints to order; its blanks may be out of stock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.printful.client import ADAPTER, Printful
from adapters.suppliers.printful.stock import REGIONS, PrintfulStock
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One store at Printful as a supplier; no network. Raises Misconfigured, naming the field."""
    given = Settings(ADAPTER, "the settings of Printful", config, secrets)
    token = given.secret("token", "Make a private token at developers.printful.com.")
    store = given.text("store")
    if store and not (store.isascii() and store.isdigit() and len(store) <= 20):
        raise given.wrong(
            "store", f"“{store}” is no store's number.", "Leave it empty for the token's own store."
        )
    regions = tuple(one.lower() for one in given.words("regions")) or REGIONS[:1]
    for one in regions:
        if one not in REGIONS:
            raise given.wrong("regions", f"Printful has no region “{one}”.", f"It has: {', '.join(REGIONS)}.")
    return LiveSource(PrintfulStock(Printful(environment, token, store), regions), environment)


MANIFEST = Manifest(
    name=ADAPTER,
    title="Printful",
    fields=(
        Field("token", "Token", is_secret=True, help="A private token of developers.printful.com."),
        Field(
            "regions",
            "Selling regions",
            is_required=False,
            help="Empty for worldwide; else Printful's names, as in europe, north_america.",
        ),
        Field(
            "store",
            "Store number",
            is_required=False,
            help="Only if the token is for a whole account.",
        ),
    ),
    build=build,
    help_page="docs/adapters/printful.md",
)
