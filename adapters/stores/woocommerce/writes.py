"""WooCommerce's own batches, without the companion plugin: what is sent, and what the answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.stores.woocommerce import shapes
from adapters.stores.woocommerce.client import ADAPTER, Client
from adapters.stores.woocommerce.lists import BATCH, chunks
from connector.ports.errors import NotFound, OutcomeUnknown
from connector.ports.stores import FrozenRequest, ItemResult, ListingRef

_UNKNOWN_ITEM = frozenset(
    {"woocommerce_rest_product_invalid_id", "woocommerce_rest_product_variation_invalid_id"}
)


def planned(items: Sequence[tuple[ListingRef, dict[str, Any]]]) -> list[FrozenRequest]:
    """Requests of at most a hundred items: simple products together, variations with those of their product."""
    groups: dict[str, list[tuple[ListingRef, dict[str, Any]]]] = {}
    for ref, item in items:
        is_simple = ref.product_id == ref.external_id
        path = "products/batch" if is_simple else f"products/{int(ref.product_id)}/variations/batch"
        groups.setdefault(path, []).append((ref, item))
    return [
        FrozenRequest(
            operation="update_products" if path == "products/batch" else "update_variations",
            body={"path": path, "update": [item for _, item in chunk]},
            refs=tuple(ref for ref, _ in chunk),
        )
        for path, group in groups.items()
        for chunk in chunks(group, BATCH)
    ]


def send(client: Client, request: FrozenRequest) -> list[ItemResult]:
    """One batch call. WooCommerce answers 200 and leaves the number alone where stock is not managed, so the
    number it echoes is what counts."""
    path = str(request.body["path"])
    items: list[dict[str, Any]] = list(request.body["update"])
    try:
        data = client.write("POST", path, {"update": items}).data
    except NotFound as exc:
        # The parent is gone, and its variations with it.
        return [ItemResult(ref, "not_found", reason=exc.cause) for ref in request.refs]
    rows = data.get("update") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise OutcomeUnknown(ADAPTER, f"POST {path}", "The shop's answer does not list the items.")
    answers: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        answers.setdefault(str(row.get("id")), []).append(row)
    results = []
    for ref, item in zip(request.refs, items, strict=True):
        own = answers.get(str(item["id"]))
        if not own:
            results.append(ItemResult(ref, "retry", reason="The shop's answer leaves this item out."))
            continue
        results.append(_result(client, ref, item, own.pop(0)))
    return results


def _result(client: Client, ref: ListingRef, item: Mapping[str, Any], row: Mapping[str, Any]) -> ItemResult:
    error = row.get("error")
    if error is not None:
        code = str(error.get("code", "")) if isinstance(error, dict) else ""
        if code in _UNKNOWN_ITEM:
            return ItemResult(ref, "not_found", reason="The shop has no such product any more.")
        message = error.get("message", code) if isinstance(error, dict) else error
        return ItemResult(ref, "rejected", reason=client.plain(message))
    if row.get("status") == "trash":
        # A batch writes there as well, but nothing else of the shop shows it.
        return ItemResult(ref, "not_found", reason="It lies in the shop's trash.")
    if "stock_quantity" in item:
        why = shapes.problem(row)
        if why is not None and why != shapes.FRACTION:
            return ItemResult(ref, "rejected", remote=shapes.quantity(row), reason=why)
        echoed = row.get("stock_quantity")
        if echoed != item["stock_quantity"]:
            reason = "The shop kept another number than the one it was sent."
            return ItemResult(ref, "conflict", remote=shapes.whole(echoed), reason=reason)
    if "meta_data" in item and not shapes.holds_meta(row, item["meta_data"]):
        reason = "The shop did not keep the badge: a plugin seems to filter product meta."
        return ItemResult(ref, "rejected", reason=reason)
    return ItemResult(ref, "done")
