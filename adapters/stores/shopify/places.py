"""Where a product stands in the shop's lists: a product tag, which automated collections can exclude.

A tag is added and removed by mutations of their own, so the merchant's other tags are never touched. A
collection's own order is not written: it is one for each collection, and only those sorted by hand have it.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.stores.shopify.client import ADAPTER, ShopifyClient
from connector.ports.errors import OutcomeUnknown, Retryable, Unsupported
from connector.ports.places import PlaceChange, PlaceKind, PlaceResult

KINDS: tuple[PlaceKind, ...] = ("tag",)
BATCH = 25
READ_LIMIT = 250
TAGGED = "tagged"


def check_kind(kind: PlaceKind) -> None:
    """Raises Unsupported for what Shopify has no means for."""
    if kind not in KINDS:
        raise Unsupported(ADAPTER, f"place {kind!r}", "Shopify's lists are changed by tags only.")


class ShopifyPlaces:
    """Reads and writes the tag in one shop."""

    def __init__(self, client: ShopifyClient) -> None:
        self._client = client

    def read(self, kind: PlaceKind, tag: str, product_ids: Sequence[str]) -> dict[str, str]:
        check_kind(kind)
        found: dict[str, str] = {}
        for start in range(0, len(product_ids), READ_LIMIT):
            ids = list(product_ids[start : start + READ_LIMIT])
            for node in self._client.query("ProductTags", {"ids": ids})["nodes"]:
                if node and "tags" in node:
                    is_tagged = any(one.casefold() == tag.casefold() for one in node["tags"])
                    found[str(node["id"])] = TAGGED if is_tagged else ""
        return found

    def set(self, kind: PlaceKind, tag: str, changes: Sequence[PlaceChange]) -> list[PlaceResult]:
        check_kind(kind)
        results: list[PlaceResult] = []
        for change in changes:
            try:
                results.append(self._set(tag, change))
            except Retryable as error:
                if not results:
                    raise
                left = changes[len(results) :]
                return [*results, *(PlaceResult(one.product_id, "retry", error.cause) for one in left)]
        return results

    def _set(self, tag: str, change: PlaceChange) -> PlaceResult:
        operation, field = ("AddTag", "tagsAdd") if change.value == TAGGED else ("RemoveTag", "tagsRemove")
        payload = self._client.mutate(operation, {"id": change.product_id, "tags": [tag]}).get(field)
        if payload is None:
            # Null without an error says nothing about the effect.
            raise OutcomeUnknown(ADAPTER, field, "Shopify's answer to the write is empty.")
        errors = payload["userErrors"]
        if not errors:
            return PlaceResult(change.product_id, "done")
        is_gone = errors[0].get("field") == ["id"]
        return PlaceResult(
            change.product_id,
            "not_found" if is_gone else "rejected",
            "; ".join(str(one["message"]) for one in errors[:3]),
        )
