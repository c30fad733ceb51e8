"""WooCommerce's prices of an item: regular, sale, and what is paid.

`Item.price_minor` is what is paid; `platform["regular_price"]` stands beside it where that is another one, and
`platform["sale_price"]` holds a sale that does not run (planned, or not below the regular price).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from simulator.shop import Item


def price_text(minor: int) -> str:
    """Whole sums without decimals, as WordPress keeps them."""
    return str(minor // 100) if minor % 100 == 0 else f"{minor / 100:.2f}"


def shown(item: Item) -> dict[str, Any]:
    """`regular_price`, `sale_price` and `on_sale` as the API shows them."""
    price = price_text(item.price_minor)
    regular = str(item.platform.get("regular_price") or price)
    is_on_sale = regular != price
    sale = price if is_on_sale else str(item.platform.get("sale_price", ""))
    return {"regular_price": regular, "sale_price": sale, "on_sale": is_on_sale}


def write(item: Item, fields: Mapping[str, Any]) -> None:
    """Take over what a request says. A sale counts only below the regular price; with a first day in the future
    it waits. Nothing keeps a price from being negative, as in WooCommerce."""
    if not {"regular_price", "sale_price", "date_on_sale_from"} & set(fields):
        return
    before = shown(item)
    regular = _decimal(fields.get("regular_price", before["regular_price"]))
    sale = _decimal(fields.get("sale_price", before["sale_price"]))
    is_planned = bool(fields.get("date_on_sale_from", item.platform.get("sale_from")))
    item.platform["sale_from"] = fields.get("date_on_sale_from") or None
    item.platform.pop("sale_price", None)
    item.platform.pop("regular_price", None)
    if sale and regular and float(sale) < float(regular) and not is_planned:
        item.price_minor = minor(sale)
        item.platform["regular_price"] = price_text(minor(regular))
        return
    item.price_minor = minor(regular)
    if sale:
        item.platform["sale_price"] = sale


def minor(price: object) -> int:
    """ "21.95" is 2195; nothing is 0."""
    return round(float(str(price or 0)) * 100)


def _decimal(value: object) -> str:
    """PHP's wc_format_decimal: only digits, points and hyphens stay."""
    text = re.sub(r"[^0-9.\-]", "", str(value if value is not None else ""))
    return text if re.fullmatch(r"-?\d*\.?\d+", text) else ""
