"""A product's own fields about availability: `availability_description`, and `availability` with
`preorder_release_date`.

They hold for all variants of the product. Stencil themes show the description under "Availability", and a
pre-order button for products with `availability` "preorder". A product that is "disabled" is sold to nobody: that
is the merchant's word and is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from adapters.stores.bigcommerce.client import ADAPTER, PAGE, BigCommerceClient, words_of
from connector.ports.errors import OutcomeUnknown, Retryable
from connector.ports.notes import NoteChange, NoteKind, NoteResult

BATCH = 10
"""BigCommerce's own limit for products of a batch."""
LONGEST = 255
PATH = "/v3/catalog/products"
_FIELDS = "availability,availability_description,preorder_release_date"
_REFUSALS = frozenset({207, 404, 409, 422})


class BigCommerceNotes:
    """Implements `connector.ports.notes.ProductNotes`."""

    def __init__(self, client: BigCommerceClient) -> None:
        self._client = client

    def text_note(self, text: str) -> str:
        return text.strip()[:LONGEST]

    def preorder_note(self, present: str, on: date) -> str:
        return present if present.startswith("disabled") else f"preorder {on.isoformat()}"

    def read_notes(self, product_ids: Sequence[str]) -> dict[str, Mapping[NoteKind, str]]:
        found: dict[str, Mapping[NoteKind, str]] = {}
        for start in range(0, len(product_ids), PAGE):
            ids = ",".join(product_ids[start : start + PAGE])
            for rows in self._client.pages(PATH, {"id:in": ids, "include_fields": _FIELDS}):
                found |= {str(row["id"]): notes_of(row) for row in rows}
        return found

    def set_notes(self, changes: Sequence[NoteChange]) -> list[NoteResult]:
        results: list[NoteResult] = []
        for start in range(0, len(changes), BATCH):
            try:
                results += self._set(changes[start : start + BATCH])
            except Retryable as error:
                if not results:
                    raise
                left = changes[len(results) :]
                return [*results, *(NoteResult(one.product_id, "retry", error.cause) for one in left)]
        return results

    def _set(self, part: Sequence[NoteChange]) -> list[NoteResult]:
        """A refusal of several may be of one alone, and need not name it: then each is sent by itself."""
        body = [{"id": int(one.product_id), **_fields_of(one.values)} for one in part]
        answer = self._client.write("PUT", PATH, body, expected=_REFUSALS)
        rows = answer.data.get("data") if isinstance(answer.data, dict) else None
        if answer.status not in _REFUSALS and not isinstance(rows, list):
            raise OutcomeUnknown(ADAPTER, f"PUT {PATH}", "The answer is not BigCommerce's.")
        kept = {
            str(row["id"]): notes_of(row) for row in rows or () if isinstance(row, dict) and row.get("id")
        }
        results = []
        for one in part:
            there = kept.get(one.product_id)
            if there is not None and all(there[kind] == value for kind, value in one.values.items()):
                results.append(NoteResult(one.product_id, "done"))
            elif there is not None:
                results.append(NoteResult(one.product_id, "rejected", "BigCommerce keeps another value."))
            elif answer.status not in _REFUSALS:
                results.append(NoteResult(one.product_id, "retry", "The answer leaves this product out."))
            elif len(part) > 1:
                results += self._set([one])
            else:
                words = words_of(answer.data) or "BigCommerce refused it without a word."
                is_gone = answer.status == 404
                results.append(NoteResult(one.product_id, "not_found" if is_gone else "rejected", words))
        return results


def notes_of(row: Mapping[str, Any]) -> dict[NoteKind, str]:
    """The values of a product.

    >>> notes_of({"availability": "preorder", "preorder_release_date": "2026-12-12T00:00:00+00:00"})
    {'text': '', 'preorder': 'preorder 2026-12-12'}
    """
    day = str(row.get("preorder_release_date") or "").partition("T")[0]
    return {
        "text": str(row.get("availability_description") or ""),
        "preorder": f"{row.get('availability') or 'available'} {day}".strip(),
    }


def _fields_of(values: Mapping[NoteKind, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "text" in values:
        fields["availability_description"] = values["text"]
    if "preorder" in values:
        fields["availability"], _, day = values["preorder"].partition(" ")
        fields["preorder_release_date"] = f"{day}T00:00:00+00:00" if day else None
    return fields
