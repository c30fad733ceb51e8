"""WooCommerce's JSON as the port's values. Pure; shared by what is read and by what webhooks bring."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.kit.marks import mark_of
from adapters.kit.money import to_minor
from connector.ports.stores import (
    BadgeFacts,
    ListingRef,
    StoreListing,
    StoreOrder,
    StoreOrderLine,
)

_COUNTRY = re.compile("[A-Z]{2}")

HOLDS_STOCK = frozenset({"processing", "on-hold", "completed"})
HOLDS_NONE = frozenset(
    {"pending", "cancelled", "failed", "refunded", "trash", "checkout-draft", "auto-draft", "draft"}
)
PARENT = (
    "Its stock is managed at the parent product. Tick “Manage stock?” on the variation itself to let "
    "Dispo write it."
)
UNMANAGED = (
    "WooCommerce does not track its stock. Tick “Track stock quantity for this product” in the product's "
    "Inventory tab."
)
SHOP_WIDE_OFF = (
    "Stock management is switched off for the whole shop. Switch it on under WooCommerce > Settings > "
    "Products > Inventory."
)
EXTERNAL = "It is sold on another site, so WooCommerce keeps no stock of it."
FRACTION = "The shop holds a fraction of a piece. Dispo counts whole pieces."


@dataclass(frozen=True, slots=True)
class Parent:
    """What a variation takes from its variable product."""

    title: str
    sku: str
    has_one_variation: bool
    is_published: bool
    image_url: str
    collections: tuple[str, ...]


def plain(text: object) -> str:
    """Names hold HTML entities ("Salt &amp; Pepper")."""
    return html.unescape(str(text or ""))


def gmt(value: object) -> datetime | None:
    """A `…_gmt` stamp (no zone in the text) as aware UTC; None for null and for what is no date."""
    try:
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC) if value else None
    except ValueError:
        return None


def whole(value: object) -> int | None:
    """A quantity rounded down to whole pieces, None when there is none.

    WooCommerce sends integers; plugins that sell by weight make them fractions.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        return math.floor(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        return None


def price_minor(price: object, currency: str) -> int | None:
    """ "31.50" in EUR is 3150, "500" in JPY is 500; None for an unpriced product."""
    try:
        return to_minor(price, currency)
    except ValueError:
        return None


def quantity(row: Mapping[str, Any]) -> int | None:
    """The number the shop tracks for this item, None where it tracks none."""
    return whole(row.get("stock_quantity")) if row.get("manage_stock") else None


def problem(row: Mapping[str, Any]) -> str | None:
    """Why this item's quantity cannot be written, for the merchant; None when it can."""
    if row.get("type") == "external":
        return EXTERNAL
    managed = row.get("manage_stock")
    if managed == "parent":
        return PARENT
    if not managed:
        return UNMANAGED
    number = row.get("stock_quantity")
    if isinstance(number, float) and not number.is_integer():
        return FRACTION
    return None


def is_variable(row: Mapping[str, Any]) -> bool:
    """A product that is sold through its variations, also of plugins' types (variable-subscription)."""
    return bool(row.get("variations")) or str(row.get("type", "")).startswith("variable")


def parent(row: Mapping[str, Any]) -> Parent:
    return Parent(
        title=plain(row.get("name")),
        sku=str(row.get("sku") or ""),
        has_one_variation=len(row.get("variations") or ()) == 1,
        is_published=row.get("status") == "publish",
        image_url=_image(row),
        collections=_collections(row),
    )


def product_listing(row: Mapping[str, Any], currency: str) -> StoreListing:
    """A product without variations."""
    external_id, sku = str(row["id"]), str(row.get("sku") or "")
    return StoreListing(
        ref=ListingRef(external_id, external_id, external_id, sku=sku),
        sku=sku,
        gtin=str(row.get("global_unique_id") or ""),
        product_title=plain(row.get("name")),
        variant_title="",
        url=str(row.get("permalink") or ""),
        image_url=_image(row),
        price_minor=price_minor(row.get("price"), currency),
        available=quantity(row),
        is_tracked=bool(row.get("manage_stock")),
        is_published=row.get("status") == "publish",
        collections=_collections(row),
        updated_at=gmt(row.get("date_modified_gmt")),
        problem=problem(row),
    )


def variation_listing(row: Mapping[str, Any], of: Parent, currency: str) -> StoreListing:
    """A variation. The shop shows its parent's SKU where it has none of its own; that SKU finds the
    parent only, and is the variation's own name only where there is no sister to take it for."""
    external_id, shown = str(row["id"]), str(row.get("sku") or "")
    own = "" if shown == of.sku else shown
    sku = shown if of.has_one_variation else own
    options = [plain(one.get("option")) for one in row.get("attributes") or () if one.get("option")]
    return StoreListing(
        ref=ListingRef(external_id, str(row["parent_id"]), external_id, sku=own),
        sku=sku,
        gtin=str(row.get("global_unique_id") or ""),
        product_title=of.title,
        variant_title=" / ".join(options) or plain(row.get("name")),
        url=str(row.get("permalink") or ""),
        image_url=str((row.get("image") or {}).get("src") or of.image_url),
        price_minor=price_minor(row.get("price"), currency),
        available=quantity(row),
        is_tracked=bool(row.get("manage_stock")),
        is_published=of.is_published and row.get("status") == "publish",
        collections=of.collections,
        updated_at=gmt(row.get("date_modified_gmt")),
        problem=problem(row),
    )


def _image(row: Mapping[str, Any]) -> str:
    images: Sequence[Mapping[str, Any]] = row.get("images") or ()
    return str(images[0].get("src") or "") if images else ""


def _collections(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(plain(one.get("name")) for one in row.get("categories") or ())


def order(row: Mapping[str, Any]) -> StoreOrder | None:
    """An order as far as stock goes; None when a stamp is missing or broken.

    Units are those ordered minus those put back by refunds (`_restock_refunded_items`): a refund
    without restocking leaves the shop's number as it is, and so the units. Statuses of plugins hold
    stock when the shop says that it took some (`_reduced_stock`).
    """
    placed_at = gmt(row.get("date_created_gmt"))
    if placed_at is None:
        return None
    lines: list[StoreOrderLine] = []
    has_taken = False
    for line in row.get("line_items") or ():
        meta = {str(one.get("key")): one.get("value") for one in line.get("meta_data") or ()}
        units = (whole(line.get("quantity")) or 0) - (whole(meta.get("_restock_refunded_items")) or 0)
        has_taken = has_taken or (whole(meta.get("_reduced_stock")) or 0) > 0
        sold = line.get("variation_id") or line.get("product_id")
        if sold:
            # Only of a paid order is it certain that it once took its units.
            taken = (whole(line.get("quantity")) or 0) if row.get("date_paid_gmt") else 0
            units = max(units, 0)
            # WooCommerce knows of whole orders only whether they were handed over.
            shipped = units if row.get("status") == "completed" else 0
            value = _value_minor(line, units, str(row.get("currency") or ""))
            lines.append(
                StoreOrderLine(str(line.get("id")), str(sold), units, taken, shipped, value_minor=value)
            )
    status = str(row.get("status"))
    shipping = row.get("shipping")
    country = shipping.get("country") if isinstance(shipping, dict) else ""
    billing = row.get("billing")
    # Where the visit came from, which WooCommerce keeps with the order since 8.5.
    came = {str(one.get("key")): one.get("value") for one in row.get("meta_data") or ()}
    return StoreOrder(
        order_id=str(row["id"]),
        placed_at=placed_at,
        updated_at=gmt(row.get("date_modified_gmt")) or placed_at,
        holds_stock=status in HOLDS_STOCK or (status not in HOLDS_NONE and has_taken),
        lines=tuple(lines),
        country=country if isinstance(country, str) and _COUNTRY.fullmatch(country) else "",
        currency=str(row.get("currency") or ""),
        contact=str(billing.get("email") or "") if isinstance(billing, dict) else "",
        click_mark=mark_of(
            came.get("_wc_order_attribution_utm_source"), came.get("_wc_order_attribution_utm_campaign")
        ),
    )


def _value_minor(line: Mapping[str, Any], units: int, currency: str) -> int | None:
    """What `units` of a line cost: its total after discounts with its tax, in proportion; None when it does not
    say."""
    quantity = whole(line.get("quantity")) or 0
    try:
        total = to_minor(line["total"], currency) + to_minor(line.get("total_tax") or 0, currency)
    except (KeyError, ValueError):
        return None
    return round(total * units / quantity) if quantity > 0 else None


META_KEYS = ("_dispo_state", "_dispo_count", "_dispo_restock_on", "_dispo_restock_until")


def badge_meta(badge: BadgeFacts) -> list[dict[str, str]]:
    """The badge as product meta; "" stands for "not shown".

    All values are text, because WordPress gives numbers back as text; all four keys are always
    written, because removing one takes its row id, which a batch does not know.
    """

    def day(value: date | None) -> str:
        return value.isoformat() if value else ""

    values = (
        badge.state,
        "" if badge.count is None else str(badge.count),
        day(badge.restock_on),
        day(badge.restock_until),
    )
    return [{"key": key, "value": value} for key, value in zip(META_KEYS, values, strict=True)]


def holds_meta(row: Mapping[str, Any], sent: Sequence[Mapping[str, str]]) -> bool:
    """Does the shop's answer hold the meta it was sent?"""
    kept = {str(one.get("key")): str(one.get("value")) for one in row.get("meta_data") or ()}
    return all(kept.get(one["key"]) == one["value"] for one in sent)


def timezone(index: Mapping[str, Any]) -> str:
    """A zone's name, or "UTC+05:30" for a shop that is set to an offset."""
    name = str(index.get("timezone_string") or "")
    if name:
        return name
    minutes = round(float(index.get("gmt_offset") or 0) * 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
