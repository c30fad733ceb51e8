"""BigCommerce's prices: `price`, `sale_price` below it, and `calculated_price`, which is paid.

`Item.price_minor` is what is paid; `platform["regular_minor"]` stands beside it while a sale runs. A product
without options shares its price with its base variant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.bigcommerce.replies import ApiError
from simulator.shop import Item

MOST_VARIANTS = 50


def shown(item: Item, none: float | None) -> dict[str, Any]:
    """The three amounts; `none` is what stands for no sale."""
    regular = item.platform.get("regular_minor")
    return {
        "price": (item.price_minor if regular is None else regular) / 100,
        "sale_price": none if regular is None else item.price_minor / 100,
        "calculated_price": item.price_minor / 100,
    }


def check(row: Mapping[str, Any], item: Item) -> None:
    """Amounts are numbers of at least 0. The documents do not say what becomes of a sale price that is not below
    the price: refusing it is the harsher reading."""
    for name in ("price", "sale_price"):
        value = row.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            raise ApiError(422, f"{name} must be a number of at least 0")
    price = row.get("price", shown(item, 0.0)["price"])
    if row.get("sale_price") and price is not None and row["sale_price"] >= price:
        raise ApiError(422, "sale_price must be below price")


def write(row: Mapping[str, Any], item: Item) -> None:
    """Take over what a checked row says."""
    if not {"price", "sale_price"} & set(row):
        return
    before = shown(item, 0.0)
    regular = row.get("price", before["price"])
    sale = row.get("sale_price", before["sale_price"])
    item.platform.pop("regular_minor", None)
    if sale:
        item.platform["regular_minor"] = round((regular or 0) * 100)
    item.price_minor = round((sale or regular or 0) * 100)


def update_variants(rows: list[dict[str, Any]], find: Callable[[int], Item | None]) -> list[Item]:
    """Check and write a batch of variants, all or nothing; returns the items."""
    if len(rows) > MOST_VARIANTS:
        raise ApiError(
            413,
            f"The request payload is too large. The maximum items allowed in the array is {MOST_VARIANTS}.",
        )
    found = [find(row["id"]) if isinstance(row.get("id"), int) else None for row in rows]
    if None in found:
        raise ApiError(404, "One or more variants could not be found")
    items = [one for one in found if one is not None]
    for row, item in zip(rows, items, strict=True):
        check(row, item)
    for row, item in zip(rows, items, strict=True):
        write(row, item)
    return items
