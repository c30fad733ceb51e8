"""`productVariantsBulkUpdate` as far as prices go, with the rules the schema does not enforce."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from simulator.shop import Item
from simulator.shopify.model import number_of, price_text, too_many

if TYPE_CHECKING:
    from simulator.shopify.server import ShopifyServer

Payload = dict[str, Any]
LIMIT = 250


def update_variants(
    server: ShopifyServer,
    info: Any,
    productId: str,
    variants: list[Payload],
    allowPartialUpdates: bool = False,
    **rest: Any,
) -> Payload:
    """Variants of one product. Without `allowPartialUpdates` one wrong variant keeps all from being written."""
    if "write_products" not in server.scopes:
        raise GraphQLError(
            "Access denied for productVariantsBulkUpdate field. Required access: `write_products` access scope.",
            extensions={"code": "ACCESS_DENIED"},
        )
    if len(variants) > LIMIT:
        raise too_many(len(variants), "variants")
    shop = server.shop
    with shop.lock:
        number = number_of(productId, "Product")
        product = None if number is None else shop.products.get(number)
        if product is None:
            missing = _error("PRODUCT_DOES_NOT_EXIST", ["productId"], "Product does not exist")
            return {"product": None, "productVariants": None, "userErrors": [missing]}
        errors: list[Payload] = []
        done: list[tuple[Item, Payload]] = []
        for index, one in enumerate(variants):
            item_number = number_of(str(one.get("id") or ""), "ProductVariant")
            item = None if item_number is None else shop.items.get(item_number)
            if item is None or item.product_id != product.id:
                errors.append(
                    _error(
                        "PRODUCT_VARIANT_DOES_NOT_EXIST",
                        ["variants", str(index), "id"],
                        "Product variant does not exist",
                    )
                )
                continue
            wrong = _problem(one, index)
            if wrong:
                errors.append(wrong)
            else:
                done.append((item, one))
        if errors and not allowPartialUpdates:
            return {"product": None, "productVariants": None, "userErrors": errors}
        for item, one in done:
            if one.get("price") is not None:
                item.price_minor = _minor(one["price"], shop.currency)
            if "compareAtPrice" in one:
                text = one["compareAtPrice"]
                item.platform["compare_at_minor"] = None if text is None else _minor(text, shop.currency)
    for item, _ in done:
        shop.touch(item.id, by="api")
    shown = [server.objects.variant(item, {}) for item, _ in done]
    return {"product": server.objects.product(product), "productVariants": shown, "userErrors": errors}


def _problem(one: Payload, index: int) -> Payload | None:
    for name in ("price", "compareAtPrice"):
        text = one.get(name)
        if text is None:
            continue
        try:
            amount = Decimal(str(text))
        except InvalidOperation:
            return _error("INVALID_INPUT", ["variants", str(index), name], f"{name} is not money")
        if amount < 0:
            code = "GREATER_THAN_OR_EQUAL_TO" if name == "price" else "NEGATIVE_PRICE_VALUE"
            message = (
                f"{'Price' if name == 'price' else 'Compare at price'} must be greater than or equal to 0"
            )
            return _error(code, ["variants", str(index), name], message)
    return None


def _minor(text: object, currency: str) -> int:
    """Rounded to the currency's decimals, as Shopify keeps money."""
    digits = len(price_text(0, currency).partition(".")[2])
    return int((Decimal(str(text)) * 10**digits).to_integral_value())


def _error(code: str, path: list[str], message: str) -> Payload:
    return {"code": code, "field": path, "message": message}
