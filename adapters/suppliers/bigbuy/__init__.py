"""BigBuy: a European wholesaler for dropshipping, read by its catalogue API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.kit.live import LiveSource
from adapters.kit.settings import Settings
from adapters.suppliers.bigbuy.client import ADAPTER, BigBuy
from adapters.suppliers.bigbuy.stock import MOST_CATEGORIES, BigBuyStock
from connector.registry import Environment, Field, Manifest


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> LiveSource:
    """One BigBuy account as a supplier; no network. Raises Misconfigured, naming the field."""
    given = Settings(ADAPTER, "the settings of BigBuy", config, secrets)
    key = given.secret("api_key", "Copy it from your BigBuy account, under API.")
    categories = given.words("categories")
    for one in categories:
        if not (one.isascii() and one.isdigit()):
            raise given.wrong(
                "categories", f"“{one}” is no category's number.", "Enter numbers, as in 19668."
            )
    if len(categories) > MOST_CATEGORIES:
        raise given.wrong(
            "categories",
            f"BigBuy allows {MOST_CATEGORIES} questions an hour, one for each category.",
            f"Enter {MOST_CATEGORIES} at most, or leave it empty for everything.",
        )
    days = given.number("handling_days", -1, most=365)
    stock = BigBuyStock(BigBuy(environment, key), categories, None if days < 0 else days)
    return LiveSource(stock, environment)


MANIFEST = Manifest(
    name=ADAPTER,
    title="BigBuy",
    fields=(
        Field("api_key", "API key", is_secret=True, help="In your BigBuy account, under API."),
        Field(
            "categories",
            "Categories",
            is_required=False,
            help="Empty for everything; else the numbers of first-level categories, as in 19668, 19669.",
        ),
        Field(
            "handling_days",
            "Longest handling time",
            is_required=False,
            help="In days: stock that takes longer to leave the warehouse does not count. Empty: all counts.",
        ),
    ),
    build=build,
    help_page="docs/adapters/bigbuy.md",
)
