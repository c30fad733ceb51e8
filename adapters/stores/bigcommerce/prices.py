"""Prices of variants: `price`, and `sale_price` below it.

A product without options has one base variant, whose price is the product's: it is written there, ten products a
call. Other variants have prices of their own, fifty a call. What a shopper pays is `calculated_price`; customer
groups' price lists are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapters.stores.bigcommerce.client import ADAPTER, PAGE, BigCommerceClient, words_of
from adapters.stores.bigcommerce.shapes import price_minor
from connector.ports.errors import OutcomeUnknown, Retryable
from connector.ports.prices import NEGATIVE, PriceResult, PriceSet, StorePrice
from connector.ports.stores import ListingRef

BATCH = 10
VARIANTS_BATCH = 50
"""BigCommerce's own limits for products and for variants of a batch."""
PRODUCTS = "/v3/catalog/products"
VARIANTS = "/v3/catalog/variants"
_FIELDS = "price,sale_price,calculated_price,base_variant_id"
_REFUSALS = frozenset({207, 404, 409, 413, 422})


def read_prices(
    client: BigCommerceClient, refs: Sequence[ListingRef], minor_digits: int
) -> dict[str, StorePrice]:
    return {
        variant: price
        for variant, (_, price) in _found(client, refs, minor_digits).items()
        if price is not None
    }


def _found(
    client: BigCommerceClient, refs: Sequence[ListingRef], minor_digits: int
) -> dict[str, tuple[bool, StorePrice | None]]:
    """By variant: whether its price is the product's, and the price."""
    wanted = {ref.external_id for ref in refs}
    products = sorted({int(ref.product_id) for ref in refs})
    found: dict[str, tuple[bool, StorePrice | None]] = {}
    for start in range(0, len(products), PAGE):
        query = {
            "id:in": ",".join(map(str, products[start : start + PAGE])),
            "include": "variants",
            "include_fields": _FIELDS,
        }
        for rows in client.pages(PRODUCTS, query):
            for product in rows:
                variants = [one for one in product.get("variants") or () if isinstance(one, dict)]
                for variant in variants:
                    number = str(variant.get("id"))
                    if number in wanted:
                        is_base = len(variants) == 1 and str(product.get("base_variant_id")) == number
                        found[number] = (is_base, _price(product, variant, is_base, minor_digits))
    return found


def set_prices(
    client: BigCommerceClient, changes: Sequence[PriceSet], minor_digits: int
) -> list[PriceResult]:
    """Reads the products first: whether a variant is the base one decides where its price is written."""
    found = {
        one.ref.external_id: PriceResult(one.ref, "rejected", NEGATIVE)
        for one in changes
        if not one.is_possible
    }
    possible = [one for one in changes if one.is_possible]
    present = _found(client, [one.ref for one in possible], minor_digits) if possible else {}
    for one in possible:
        if one.ref.external_id not in present:
            found[one.ref.external_id] = PriceResult(
                one.ref, "not_found", "The store has no such product any more."
            )
    simple = [one for one in possible if present.get(one.ref.external_id, (False, None))[0]]
    others = [one for one in possible if one.ref.external_id in present and one not in simple]
    parts = [(True, simple[at : at + BATCH]) for at in range(0, len(simple), BATCH)]
    parts += [(False, others[at : at + VARIANTS_BATCH]) for at in range(0, len(others), VARIANTS_BATCH)]
    for at, (is_base, part) in enumerate(parts):
        try:
            answers = list(_set(client, part, is_base, minor_digits))
        except Retryable as error:
            if not at:
                raise
            answers = [PriceResult(one.ref, "retry", error.cause) for _, left in parts[at:] for one in left]
        found |= {one.ref.external_id: one for one in answers}
        if len(found) == len(changes):
            break
    return [found[one.ref.external_id] for one in changes]


def _set(
    client: BigCommerceClient, part: Sequence[PriceSet], is_base: bool, minor_digits: int
) -> Iterator[PriceResult]:
    """A refusal of several may be of one alone, and need not name it: then each is sent by itself."""
    path = PRODUCTS if is_base else VARIANTS
    body = [
        {
            "id": int(one.ref.product_id if is_base else one.ref.external_id),
            **_fields_of(one.price, is_base, minor_digits),
        }
        for one in part
    ]
    answer = client.write("PUT", path, body, expected=_REFUSALS)
    rows = answer.data.get("data") if isinstance(answer.data, dict) else None
    if answer.status not in _REFUSALS and not isinstance(rows, list):
        raise OutcomeUnknown(ADAPTER, f"PUT {path}", "The answer is not BigCommerce's.")
    kept = {
        str(row["id"]): _price(row, row, is_base, minor_digits)
        for row in rows or ()
        if isinstance(row, dict) and row.get("id") is not None
    }
    for one in part:
        key = one.ref.product_id if is_base else one.ref.external_id
        if key in kept and kept[key] == one.price:
            yield PriceResult(one.ref, "done")
        elif key in kept:
            yield PriceResult(one.ref, "rejected", "BigCommerce keeps another price.")
        elif answer.status not in _REFUSALS:
            yield PriceResult(one.ref, "retry", "The answer leaves this item out.")
        elif len(part) > 1:
            yield from _set(client, [one], is_base, minor_digits)
        else:
            words = words_of(answer.data) or "BigCommerce refused it without a word."
            yield PriceResult(one.ref, "not_found" if answer.status == 404 else "rejected", words)


def _price(
    product: Mapping[str, Any], variant: Mapping[str, Any], is_base: bool, minor_digits: int
) -> StorePrice | None:
    """None for an item without a price. A variant without a price of its own has the product's, and its sale."""
    own = product if is_base or variant.get("price") is None else variant
    regular, sale = (price_minor(own.get(name), minor_digits) for name in ("price", "sale_price"))
    if regular is None:
        return None
    if not sale:
        return StorePrice(regular)
    return StorePrice(min(sale, regular), regular)


def _fields_of(price: StorePrice, is_base: bool, minor_digits: int) -> dict[str, float | None]:
    """Amounts are numbers; a product without a sale has the sale price 0, a variant none."""
    paid = float(Decimal(price.price_minor).scaleb(-minor_digits))
    if price.was_minor is None:
        return {"price": paid, "sale_price": 0.0 if is_base else None}
    return {"price": float(Decimal(price.was_minor).scaleb(-minor_digits)), "sale_price": paid}
