"""Where a product stands in the store's lists: its sort order, lower numbers first.

It counts where a category is sorted by "Featured items" and has no order of its own for the product, which
BigCommerce ranks above it. Hiding a product would take its page away too, so it is not offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.stores.bigcommerce.client import ADAPTER, PAGE, BigCommerceClient, words_of
from connector.ports.errors import OutcomeUnknown, Retryable, Unsupported
from connector.ports.places import PlaceChange, PlaceKind, PlaceResult

KINDS: tuple[PlaceKind, ...] = ("last",)
BATCH = 10
"""BigCommerce's own limit for products of a batch."""
LAST = 1_000_000

_REFUSALS = frozenset({207, 404, 409, 422})


def check_kind(kind: PlaceKind) -> None:
    """Raises Unsupported for what BigCommerce has no means for."""
    if kind not in KINDS:
        raise Unsupported(
            ADAPTER, f"place {kind!r}", "BigCommerce's lists are changed by the sort order only."
        )


def when_out(present: str) -> str:
    """The sort order of a sold-out product; its own where that is as high.

    >>> when_out("-5"), when_out("2000000")
    ('1000000', '2000000')
    """
    return present if int(present) >= LAST else str(LAST)


class BigCommercePlaces:
    """Reads and writes sort orders in one store."""

    def __init__(self, client: BigCommerceClient) -> None:
        self._client = client

    def read(self, kind: PlaceKind, product_ids: Sequence[str]) -> dict[str, str]:
        check_kind(kind)
        found: dict[str, str] = {}
        for start in range(0, len(product_ids), PAGE):
            ids = ",".join(product_ids[start : start + PAGE])
            for rows in self._client.pages(
                "/v3/catalog/products", {"id:in": ids, "include_fields": "sort_order"}
            ):
                found.update({str(row["id"]): str(int(row.get("sort_order") or 0)) for row in rows})
        return found

    def set(self, kind: PlaceKind, changes: Sequence[PlaceChange]) -> list[PlaceResult]:
        check_kind(kind)
        results: list[PlaceResult] = []
        for start in range(0, len(changes), BATCH):
            part = changes[start : start + BATCH]
            try:
                results += self._set(part)
            except Retryable as error:
                if not results:
                    raise
                left = changes[len(results) :]
                return [*results, *(PlaceResult(one.product_id, "retry", error.cause) for one in left)]
        return results

    def _set(self, part: Sequence[PlaceChange]) -> list[PlaceResult]:
        """A refusal of several may be of one alone, and need not name it: then each is sent by itself."""
        body = [{"id": int(one.product_id), "sort_order": int(one.value)} for one in part]
        answer = self._client.write("PUT", "/v3/catalog/products", body, expected=_REFUSALS)
        kept = _kept(answer.data)
        if answer.status not in _REFUSALS and kept is None:
            raise OutcomeUnknown(ADAPTER, "PUT /v3/catalog/products", "The answer is not BigCommerce's.")
        kept = kept or {}
        results = []
        for one in part:
            if kept.get(one.product_id) == one.value:
                results.append(PlaceResult(one.product_id, "done"))
            elif answer.status not in _REFUSALS:
                results.append(PlaceResult(one.product_id, "retry", "The answer leaves this product out."))
            elif len(part) == 1:
                status = "not_found" if answer.status == 404 else "rejected"
                words = words_of(answer.data) or "BigCommerce refused it without a word."
                results.append(PlaceResult(one.product_id, status, words))  # type: ignore[arg-type]
            else:
                results += self._set([one])
        return results


def _kept(data: Any) -> dict[str, str] | None:
    """Product id → its sort order as the store answers it."""
    rows = data.get("data") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        return None
    return {
        str(row["id"]): str(row.get("sort_order"))
        for row in rows
        if isinstance(row, dict) and row.get("id") is not None
    }
