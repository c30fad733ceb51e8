"""The scopes Dispo asks for, and what a merchant should know of their store's settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

REQUIRED_SCOPES = (
    "store_v2_products",
    "store_inventory",
    "store_locations_read_only",
    "store_v2_information_read_only",
)
"""Without these nothing works."""
OPTIONAL_SCOPES = ("store_v2_orders_read_only", "store_v2_content", "store_channel_settings_read_only")
"""Sales by their orders; the storefront script; the names of further storefronts."""


def missing_scopes(granted: Iterable[str], wanted: Iterable[str] = REQUIRED_SCOPES) -> list[str]:
    """Those of `wanted` that are not granted; a scope to modify includes reading.

    >>> missing_scopes(["store_v2_products", "store_inventory_read_only"], ["store_inventory"])
    ['store_inventory']
    """
    held = set(granted)
    return [one for one in wanted if not {one, one.removesuffix("_read_only")} & held]


def warnings(
    scopes: frozenset[str], places: Sequence[Mapping[str, Any]], own: str, settings: Mapping[str, Any]
) -> Iterator[str]:
    """`scopes` granted, empty when not known; `places` the store's locations and `own` the id of the written
    one; `settings` the store's inventory settings, empty when they may not be read."""
    if scopes:
        for scope in missing_scopes(scopes):
            yield f"The scope {scope} is not granted. Open Dispo in the control panel and accept it."
        if missing_scopes(scopes, ["store_v2_orders_read_only"]):
            yield "Orders are not granted: sales are learnt from falling numbers, which is slower and rougher."
    open_places = [one for one in places if one.get("enabled")]
    if len(open_places) > 1:
        label = next((f"“{one.get('label')}”" for one in open_places if str(one.get("id")) == own), own)
        yield (
            f"The store has {len(open_places)} locations; Dispo writes {label} only. Unless BigCommerce support "
            "enabled aggregated stock, the storefront sells from the default location alone."
        )
    if str(settings.get("product_out_of_stock_behavior", "")).startswith("hide_product"):
        yield (
            "The store hides products that are out of stock, so nobody can ask to be told, and ads may lead "
            "to missing pages. Choose “Do nothing” under Settings > Inventory > When a product is out of stock."
        )
    if settings.get("option_out_of_stock_behavior") == "hide_option":
        yield (
            "The store hides options that are out of stock, so nobody can ask to be told. Choose “Label "
            "option” under Settings > Inventory."
        )
    if settings.get("update_stock_behavior") == "order_completed_or_shipped":
        yield (
            "The store lowers its numbers only when an order is shipped, so it sells the same piece twice until "
            "then. Choose “When an order is placed” under Settings > Inventory."
        )
