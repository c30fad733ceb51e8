"""Prices of variants: `price`, and `compareAtPrice` struck through beside it.

One mutation changes variants of one product, and with `allowPartialUpdates` a variant that is refused leaves its
neighbours done. Amounts are texts with the decimals of the shop's own currency; price lists of markets are left
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapters.stores.shopify.client import ADAPTER, ShopifyClient
from connector.ports.errors import OutcomeUnknown, Retryable
from connector.ports.prices import NEGATIVE, PriceResult, PriceSet, StorePrice
from connector.ports.stores import ListingRef

BATCH = 250
"""Shopify's own limit for the items of one input list."""
READ_LIMIT = 250
_GONE = frozenset({"PRODUCT_DOES_NOT_EXIST", "PRODUCT_VARIANT_DOES_NOT_EXIST"})


def read_prices(
    client: ShopifyClient, refs: Sequence[ListingRef], minor_digits: int
) -> dict[str, StorePrice]:
    found: dict[str, StorePrice] = {}
    for start in range(0, len(refs), READ_LIMIT):
        ids = [ref.external_id for ref in refs[start : start + READ_LIMIT]]
        for node in client.query("VariantPrices", {"ids": ids})["nodes"]:
            if node and "price" in node:
                was = node["compareAtPrice"]
                found[str(node["id"])] = StorePrice(
                    _minor(node["price"], minor_digits), None if was is None else _minor(was, minor_digits)
                )
    return found


def set_prices(client: ShopifyClient, changes: Sequence[PriceSet], minor_digits: int) -> list[PriceResult]:
    found = {
        one.ref.external_id: PriceResult(one.ref, "rejected", NEGATIVE)
        for one in changes
        if not one.is_possible
    }
    by_product: dict[str, list[PriceSet]] = {}
    for one in changes:
        if one.is_possible:
            by_product.setdefault(one.ref.product_id, []).append(one)
    parts = [
        (product_id, group[start : start + BATCH])
        for product_id, group in by_product.items()
        for start in range(0, len(group), BATCH)
    ]
    for at, (product_id, part) in enumerate(parts):
        try:
            answers = _set(client, product_id, part, minor_digits)
        except Retryable as error:
            if not at:
                raise
            answers = [PriceResult(one.ref, "retry", error.cause) for _, left in parts[at:] for one in left]
        found |= {one.ref.external_id: one for one in answers}
        if len(found) == len(changes):
            break
    return [found[one.ref.external_id] for one in changes]


def _set(
    client: ShopifyClient, product_id: str, part: Sequence[PriceSet], minor_digits: int
) -> list[PriceResult]:
    variants = [
        {
            "id": one.ref.external_id,
            "price": _text(one.price.price_minor, minor_digits),
            "compareAtPrice": None
            if one.price.was_minor is None
            else _text(one.price.was_minor, minor_digits),
        }
        for one in part
    ]
    payload = client.mutate("SetPrices", {"product": product_id, "variants": variants}).get(
        "productVariantsBulkUpdate"
    )
    if payload is None:
        # Null without an error says nothing about the effect.
        raise OutcomeUnknown(ADAPTER, "productVariantsBulkUpdate", "Shopify's answer to the write is empty.")
    wrong: dict[int, Mapping[str, Any]] = {}
    everywhere: Mapping[str, Any] | None = None
    for error in payload["userErrors"]:
        path = error.get("field") or []
        if len(path) > 1 and path[0] == "variants" and str(path[1]).isdecimal():
            wrong.setdefault(int(path[1]), error)
        else:
            everywhere = everywhere or error
    results = []
    for index, one in enumerate(part):
        error = wrong.get(index) or everywhere
        if error is None:
            results.append(PriceResult(one.ref, "done"))
        elif error.get("code") in _GONE:
            results.append(PriceResult(one.ref, "not_found", str(error["message"])))
        else:
            results.append(PriceResult(one.ref, "rejected", str(error["message"])))
    return results


def _minor(text: object, minor_digits: int) -> int:
    return int((Decimal(str(text)) * 10**minor_digits).to_integral_value())


def _text(price_minor: int, minor_digits: int) -> str:
    """Money as Shopify reads it: 2195 with two digits is "21.95"."""
    return f"{Decimal(price_minor).scaleb(-minor_digits):f}"
