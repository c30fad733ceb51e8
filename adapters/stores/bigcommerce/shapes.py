"""BigCommerce's JSON as the port's values. Pure.

A listing is a variant: every product has at least a base variant, and orders, inventory and the storefront
all name variants. What its number belongs to depends on how the merchant tracks the product, and a write
must name that object, so `ListingRef.stock_id` says it:

    variant:74     tracked by variant
    product:111    tracked by product, and the product has one variant
    shared:111     tracked by product over several variants: there is no number per variant
    none:74        not tracked
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.kit.money import to_minor
from connector.ports.stores import BadgeFacts, ListingRef, StoreListing, StoreOrder, StoreOrderLine

UNTRACKED = "BigCommerce does not track its stock. Choose “Track inventory” on the product's Inventory page."
SHARED = (
    "Its stock is tracked for the product as a whole. Choose “Track inventory by variant” on the product's "
    "Inventory page to let Dispo write each variant."
)
# Incomplete (the shopper never paid), refunded, cancelled and declined orders have no stock.
_HOLDS_NONE = frozenset({0, 4, 5, 6})
# Where the merchant lowers stock only with the shipping: shipped, partly shipped, completed, partly refunded.
_SHIPPED = frozenset({2, 3, 10, 14})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a listing takes from its store: the address without a slash at its end, digits of the currency's
    minor unit, the location, and categories by id. `is_own`: the location is the connection's own, whose number
    the catalogue shows where none was ever set. `problem`: why nothing can be written at the location."""

    url: str
    minor_digits: int
    location_id: str
    categories: Mapping[int, str]
    is_own: bool = True
    problem: str | None = None


def listings(
    product: Mapping[str, Any], levels: Mapping[int, int], around: Surroundings
) -> list[StoreListing]:
    """A product's variants; `levels` is on hand by variant id at the written location."""
    variants = [one for one in product.get("variants") or () if isinstance(one, dict)]
    mode = str(product.get("inventory_tracking") or "none")
    return [_listing(product, one, len(variants), mode, levels, around) for one in variants]


def _listing(
    product: Mapping[str, Any],
    variant: Mapping[str, Any],
    siblings: int,
    mode: str,
    levels: Mapping[int, int],
    around: Surroundings,
) -> StoreListing:
    number = int(variant["id"])
    is_alone = siblings == 1
    kind, problem = kind_of(mode, is_alone)
    if kind in ("variant", "product"):
        # An item whose number was never set has no level yet; the catalogue shows it as 0.
        level = product if kind == "product" else variant
        available = levels.get(number, whole(level.get("inventory_level")) if around.is_own else 0)
    else:
        available = whole(product.get("inventory_level")) if kind == "shared" else None
    if around.problem:
        available, problem = None, around.problem
    price = variant.get("calculated_price")
    if price is None:
        price = variant.get("price") if variant.get("price") is not None else product.get("price")
    gtin = variant.get("gtin") or variant.get("upc")
    if not gtin and is_alone:
        gtin = product.get("gtin") or product.get("upc")
    image = product.get("primary_image")
    custom = product.get("custom_url")
    path = str(custom.get("url") or "") if isinstance(custom, dict) else ""
    return StoreListing(
        ref=ListingRef(
            str(number),
            str(product["id"]),
            f"{kind}:{product['id'] if kind in ('product', 'shared') else number}",
            around.location_id,
            str(variant.get("sku") or ""),
        ),
        sku=str(variant.get("sku") or (product.get("sku") if is_alone else "") or ""),
        gtin=str(gtin or "").strip(),
        product_title=html.unescape(str(product.get("name") or "")),
        variant_title=variant_title(variant.get("option_values") or ()),
        url=f"{around.url}/{path.lstrip('/')}" if path else around.url,
        image_url=str(
            variant.get("image_url") or (image.get("url_standard") if isinstance(image, dict) else "") or ""
        ),
        price_minor=price_minor(price, around.minor_digits),
        available=available,
        is_tracked=kind != "none",
        is_published=product.get("is_visible") is True and product.get("availability") != "disabled",
        collections=tuple(
            around.categories[number]
            for number in product.get("categories") or ()
            if number in around.categories
        ),
        updated_at=moment(product.get("date_modified")),
        problem=problem,
    )


def levels(rows: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """On hand by variant id: the number an adjustment sets. What the storefront sells may be less by the
    safety stock the merchant keeps in BigCommerce itself."""
    found: dict[int, int] = {}
    for row in rows:
        identity, on_hand = row.get("identity"), whole(row.get("total_inventory_onhand"))
        if isinstance(identity, dict) and on_hand is not None and identity.get("variant_id"):
            found[int(identity["variant_id"])] = on_hand
    return found


def tracked(products: Sequence[Mapping[str, Any]]) -> list[int]:
    """The ids of the variants that have a number of their own."""
    found: list[int] = []
    for product in products:
        variants = [one for one in product.get("variants") or () if isinstance(one, dict)]
        kind, _ = kind_of(str(product.get("inventory_tracking")), len(variants) == 1)
        if kind in ("variant", "product"):
            found += [int(one["id"]) for one in variants]
    return found


def kind_of(mode: str, is_alone: bool) -> tuple[str, str | None]:
    """The kind of a `stock_id`, and why its number cannot be written."""
    if mode == "variant":
        return "variant", None
    if mode == "product":
        return ("product", None) if is_alone else ("shared", SHARED)
    return "none", UNTRACKED


def variant_title(values: Sequence[Any]) -> str:
    """ "Small / Red", empty for a base variant."""
    return " / ".join(html.unescape(str(one.get("label") or "")) for one in values if isinstance(one, dict))


def price_minor(price: object, digits: int) -> int | None:
    """ "31.5" with two digits is 3150; None for an unpriced product."""
    try:
        return int((Decimal(str(price)) * 10**digits).to_integral_value())
    except (InvalidOperation, ValueError, OverflowError):
        return None


def whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(text: object) -> datetime | None:
    """An ISO 8601 (V3) or RFC 2822 (V2) time as aware UTC; None for null and for what is no time."""
    if not isinstance(text, str) or not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def badge_value(badge: BadgeFacts) -> str:
    """The metafield's value: a JSON object with the badge facts that are set, dates like 2026-12-04."""
    facts = {
        "state": badge.state,
        "count": badge.count,
        "restock_on": badge.restock_on.isoformat() if badge.restock_on else None,
        "restock_until": badge.restock_until.isoformat() if badge.restock_until else None,
    }
    return json.dumps({name: value for name, value in facts.items() if value is not None})


def order(row: Mapping[str, Any], *, takes_when_shipped: bool) -> StoreOrder | None:
    """An order of V2 with its consignments; None when it is not one.

    `takes_when_shipped`: the store lowers its numbers only when an order is shipped.
    """
    number, placed_at = row.get("id"), moment(row.get("date_created"))
    status_id = row.get("status_id")
    if not isinstance(number, int) or placed_at is None or not isinstance(status_id, int):
        return None
    if takes_when_shipped:
        holds = status_id in _SHIPPED
    else:
        holds = status_id not in _HOLDS_NONE
    billing, currency = row.get("billing_address"), str(row.get("currency_code") or "")
    return StoreOrder(
        order_id=str(number),
        placed_at=placed_at,
        updated_at=moment(row.get("date_modified")) or placed_at,
        holds_stock=holds and row.get("is_deleted") is not True,
        lines=tuple(line for one, place in _lines(row) if (line := _line(one, place, currency)) is not None),
        currency=currency,
        contact=str(billing.get("email") or "") if isinstance(billing, dict) else "",
    )


def _lines(row: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str | None]]:
    """The lines of all consignments: shipped, picked up, downloaded; and where they are picked up."""
    consignments = row.get("consignments")
    found: list[tuple[Mapping[str, Any], str | None]] = []
    for group in consignments.values() if isinstance(consignments, dict) else ():
        for one in group if isinstance(group, list) else ():
            if isinstance(one, dict):
                where = one.get("location")
                number = whole(where.get("id")) if isinstance(where, dict) else None
                place = str(number) if number else None
                found += [(line, place) for line in one.get("line_items") or () if isinstance(line, dict)]
    return found


def _line(line: Mapping[str, Any], place: str | None, currency: str) -> StoreOrderLine | None:
    variant, quantity = line.get("variant_id"), whole(line.get("quantity"))
    if not isinstance(variant, int) or variant <= 0 or quantity is None:
        return None  # a custom product or a gift certificate has no variant
    refunded = line.get("quantity_refunded")
    taken_back = int(refunded) if isinstance(refunded, int | float) else 0
    units = max(0, quantity - taken_back)
    sent = line.get("quantity_shipped")
    shipped = min(units, int(sent)) if isinstance(sent, int | float) else 0
    return StoreOrderLine(
        str(line.get("id")),
        str(variant),
        units,
        shipped=shipped,
        location_id=place,
        value_minor=_value_minor(line, units, quantity, currency),
    )


def _value_minor(line: Mapping[str, Any], units: int, quantity: int, currency: str) -> int | None:
    """What `units` of a line cost, tax included and its discounts taken off; None when it does not say."""
    try:
        total = to_minor(line["total_inc_tax"], currency)
        total -= sum(to_minor(one["amount"], currency) for one in line.get("applied_discounts") or ())
    except (KeyError, TypeError, ValueError):
        return None
    return round(total * units / quantity) if quantity > 0 else None
