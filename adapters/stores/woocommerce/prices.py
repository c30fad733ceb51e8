"""Prices of products and variations: the regular price, and a sale price below it.

What a shopper pays is `price`: the sale price while a sale runs, else the regular one. A reduced price is written
as a sale without dates; every other one as the regular price with the sale taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.kit.money import to_text
from adapters.stores.woocommerce import shapes
from adapters.stores.woocommerce.client import ADAPTER, Client, NoRoute
from adapters.stores.woocommerce.lists import BATCH, chunks, rows_of
from connector.ports.errors import NotFound, OutcomeUnknown, Retryable
from connector.ports.prices import NEGATIVE, PriceResult, PriceSet, StorePrice
from connector.ports.stores import ListingRef

_FIELDS = "id,status,price,regular_price,sale_price"
_UNKNOWN = frozenset({"woocommerce_rest_product_invalid_id", "woocommerce_rest_product_variation_invalid_id"})


def read_prices(client: Client, refs: Sequence[ListingRef], currency: str) -> dict[str, StorePrice]:
    """Simple products together; variations together where the shop has that list, else by their product."""
    found: dict[str, StorePrice] = {}
    for row in _rows(client, refs):
        price = _price(row, currency)
        if price is not None and row.get("status") != "trash":
            found[str(row["id"])] = price
    return {ref.external_id: found[ref.external_id] for ref in refs if ref.external_id in found}


def _rows(client: Client, refs: Sequence[ListingRef]) -> Iterator[dict[str, Any]]:
    simple = [ref.external_id for ref in refs if ref.product_id == ref.external_id]
    for ids in chunks(simple, BATCH):
        yield from _list(client, "products", {"include": ",".join(ids), "status": "any"})
    variations = [ref for ref in refs if ref.product_id != ref.external_id]
    try:
        for ids in chunks([ref.external_id for ref in variations], BATCH):
            yield from _list(client, "variations", {"include": ",".join(ids)}, may_be_missing=True)
    except NoRoute:
        for parent_id, children in _by_product(variations, lambda ref: ref.product_id).items():
            for ids in chunks([ref.external_id for ref in children], BATCH):
                try:
                    yield from _list(
                        client, f"products/{int(parent_id)}/variations", {"include": ",".join(ids)}
                    )
                except NotFound:
                    continue  # the parent is gone, and its variations with it


def _list(
    client: Client, path: str, query: Mapping[str, str], *, may_be_missing: bool = False
) -> list[dict[str, Any]]:
    full = {**query, "_fields": _FIELDS, "per_page": str(BATCH)}
    return rows_of(f"GET {path}", client.get(path, full, may_be_missing=may_be_missing).data)


def set_prices(client: Client, changes: Sequence[PriceSet], currency: str) -> list[PriceResult]:
    """Hundreds of simple products, and hundreds of the variations of one product."""
    found = {
        one.ref.external_id: PriceResult(one.ref, "rejected", NEGATIVE)
        for one in changes
        if not one.is_possible
    }
    possible = [one for one in changes if one.is_possible]
    parts = [
        (path, chunk)
        for path, group in _by_product(possible, lambda one: _path(one.ref)).items()
        for chunk in chunks(group, BATCH)
    ]
    for at, (path, part) in enumerate(parts):
        try:
            answers = _set(client, path, part, currency)
        except Retryable as error:
            if not at:
                raise
            answers = [PriceResult(one.ref, "retry", error.cause) for _, left in parts[at:] for one in left]
        found |= {one.ref.external_id: one for one in answers}
        if len(found) == len(changes):
            break
    return [found[one.ref.external_id] for one in changes]


def _path(ref: ListingRef) -> str:
    if ref.product_id == ref.external_id:
        return "products/batch"
    return f"products/{int(ref.product_id)}/variations/batch"


def _set(client: Client, path: str, part: Sequence[PriceSet], currency: str) -> list[PriceResult]:
    items = [{"id": int(one.ref.external_id), **_fields_of(one.price, currency)} for one in part]
    try:
        data = client.write("POST", path, {"update": items}).data
    except NotFound as exc:
        return [PriceResult(one.ref, "not_found", exc.cause) for one in part]
    rows = data.get("update") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise OutcomeUnknown(ADAPTER, f"POST {path}", "The shop's answer does not list the items.")
    answers = {str(row.get("id")): row for row in rows}
    return [_result(client, one, answers.get(one.ref.external_id), currency) for one in part]


def _result(client: Client, change: PriceSet, row: Mapping[str, Any] | None, currency: str) -> PriceResult:
    if row is None:
        return PriceResult(change.ref, "retry", "The shop's answer leaves this item out.")
    error = row.get("error")
    if isinstance(error, dict):
        if str(error.get("code", "")) in _UNKNOWN:
            return PriceResult(change.ref, "not_found", "The shop has no such product any more.")
        return PriceResult(change.ref, "rejected", client.plain(error.get("message", "")))
    if row.get("status") == "trash":
        return PriceResult(change.ref, "not_found", "It lies in the shop's trash.")
    if _price(row, currency) != change.price:
        reason = "The shop did not keep the price that it was sent: a plugin seems to change it."
        return PriceResult(change.ref, "rejected", reason)
    return PriceResult(change.ref, "done")


def _price(row: Mapping[str, Any], currency: str) -> StorePrice | None:
    """None for an item without a price. A sale that is planned is a price beside the present one, too."""
    paid = shapes.price_minor(row.get("price"), currency)
    if paid is None:
        return None
    has_sale = row.get("sale_price") not in (None, "")
    return StorePrice(paid, shapes.price_minor(row.get("regular_price"), currency) if has_sale else None)


def _fields_of(price: StorePrice, currency: str) -> dict[str, str]:
    paid = to_text(price.price_minor, currency)
    if price.was_minor is None:
        return {"regular_price": paid, "sale_price": ""}
    return {
        "regular_price": to_text(price.was_minor, currency),
        "sale_price": paid,
        "date_on_sale_from": "",
        "date_on_sale_to": "",
    }


def _by_product(items: Sequence[Any], key: Any) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for one in items:
        groups.setdefault(key(one), []).append(one)
    return groups
