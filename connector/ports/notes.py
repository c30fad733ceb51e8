"""The port of a platform with fields of its own for what a product page says of availability.

Such a field belongs to the product and may hold the merchant's own words. The core remembers the value it
found, writes another, and puts the first one back: values are opaque text here, compared as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

NoteKind = Literal["text", "preorder"]
"""The fields: "text" is the sentence about availability, "preorder" says that the product is sold before it is
there, with the day from which it is."""


@dataclass(frozen=True, slots=True)
class NoteChange:
    """Give one product (`ListingRef.product_id`) these values, by kind."""

    product_id: str
    values: Mapping[NoteKind, str]


@dataclass(frozen=True, slots=True)
class NoteResult:
    """What became of one product. "done": the shop keeps the values. "rejected" and "not_found": refused for
    good, `reason` in words. "retry": nothing was done to it although it may be fine."""

    product_id: str
    status: Literal["done", "rejected", "not_found", "retry"]
    reason: str = ""


class ProductNotes(Protocol):
    """The fields of the products of one shop. Everything here is absolute, so repeating is harmless."""

    def text_note(self, text: str) -> str:
        """The value of kind "text" for these words, cut to what the field holds. Pure."""

    def preorder_note(self, present: str, on: date) -> str:
        """The value of kind "preorder" of a product sold ahead of `on` whose present value is `present`;
        `present` itself where the merchant sells it to nobody. Pure."""

    def read_notes(self, product_ids: Sequence[str]) -> Mapping[str, Mapping[NoteKind, str]]:
        """The present values; a product the shop does not know is missing. Raises Retryable and the refusals
        of the connection."""

    def set_notes(self, changes: Sequence[NoteChange]) -> list[NoteResult]:
        """Write them, each product at most once: one result per change, in order. One bad product never fails
        its neighbours. Raises OutcomeUnknown when a write left and no answer came, RateLimited or Retryable
        when this call did nothing."""
