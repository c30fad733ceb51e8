"""What a theme makes of the badge that Dispo wrote on an item, and of the platform's own number.

WooCommerce keeps it in four `_dispo_*` meta values, Shopify in one JSON metafield `$app.availability`.
Whatever was written, the platform has the last word: what cannot be bought is never shown as in stock,
and a count is never above the platform's own number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from simulator.shop import Item

BUYABLE = ("in_stock", "low_stock", "made_to_order", "preorder", "backorder")


@dataclass(frozen=True)
class Badge:
    """`state` is "" where Dispo wrote nothing and the shop tracks nothing."""

    state: str
    count: int | None = None
    restock_on: date | None = None
    restock_until: date | None = None
    is_from_dispo: bool = False

    def as_data(self) -> dict[str, Any]:
        """The facts by the names the shopper script uses, without what is not known."""
        facts = {
            "state": self.state,
            "count": self.count,
            "restock_on": self.restock_on.isoformat() if self.restock_on else None,
            "restock_until": self.restock_until.isoformat() if self.restock_until else None,
        }
        return {name: value for name, value in facts.items() if value is not None}


def badge_of(item: Item, today: date) -> Badge:
    """The badge to show for an item on `today`; a date in the past is left out."""
    facts = _facts(item)
    written = str(facts.get("state") or "")
    state = written
    if not item.can_be_bought and state in ("", *BUYABLE):
        state = "out_of_stock"
    elif item.can_be_bought and not written:
        state = "in_stock" if item.tracked else ""
    elif item.can_be_bought and state in ("out_of_stock", "restocking"):
        # The number was raised and the badge is still on its way.
        state = "in_stock"
    count = _whole(facts.get("count"))
    if count is not None and item.tracked and item.stock is not None:
        count = min(count, item.stock)
    starts, ends = _day(facts.get("restock_on")), _day(facts.get("restock_until"))
    ends = ends or starts
    is_dated = state == "restocking" and starts is not None and ends is not None and ends >= today
    return Badge(
        state=state,
        count=count if state == "low_stock" and count else None,
        restock_on=starts if is_dated else None,
        restock_until=ends if is_dated else None,
        is_from_dispo=bool(written),
    )


def _facts(item: Item) -> dict[str, Any]:
    metafield = item.meta.get("$app.availability")
    if metafield:
        value = json.loads(metafield) if isinstance(metafield, str) else metafield
        return value if isinstance(value, dict) else {}
    return {
        key.removeprefix("_dispo_"): value for key, value in item.meta.items() if key.startswith("_dispo_")
    }


def _whole(value: object) -> int | None:
    text = str(value if value is not None else "")
    return int(text) if text.isdigit() else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def schema_availability(badge: Badge, can_be_bought: bool) -> str:
    """The schema.org availability of an offer: what the shopper meets when pressing "buy"."""
    by_state = {
        "preorder": "PreOrder",
        "backorder": "BackOrder",
        "made_to_order": "MadeToOrder",
        "discontinued": "Discontinued",
        "low_stock": "LimitedAvailability",
    }
    if badge.state == "discontinued":
        return "https://schema.org/Discontinued"
    if not can_be_bought:
        return "https://schema.org/OutOfStock"
    return f"https://schema.org/{by_state.get(badge.state, 'InStock')}"
