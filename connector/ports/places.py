"""The part of the store port that says where a product stands in the shop's own lists.

A shop moves a product to the end of its lists, or out of them, in one of a few ways; each is one small value
of the product that the shop keeps anyway. The core remembers the value it found, writes another, and puts the
first one back: so values are opaque text here, and only the adapter knows what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

PlaceKind = Literal["tag", "last", "search_only"]
"""The ways: "tag" puts a tag of the merchant's choice on the product, which collections or themes may leave
out; "last" gives it a number that sorts it after all others where the shop sorts by its own order;
"search_only" takes it out of the lists, while its page, links to it and the shop's search stay."""


@dataclass(frozen=True, slots=True)
class PlaceChange:
    """Give one product (`ListingRef.product_id`) this value."""

    product_id: str
    value: str


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """What became of one product. "done": the shop keeps the value. "rejected" and "not_found": refused for
    good, `reason` in words. "retry": nothing was done to it although it may be fine."""

    product_id: str
    status: Literal["done", "rejected", "not_found", "retry"]
    reason: str = ""


class Places(Protocol):
    """Places of products in the lists of one shop. Everything here is absolute, so repeating is harmless.

    `tag` is the tag of kind "tag" and is ignored by the others. A kind that `place_kinds` does not name
    raises Unsupported.
    """

    @property
    def place_kinds(self) -> tuple[PlaceKind, ...]:
        """The ways this platform has, the one that suits most shops first. Without network."""

    def place_when_out(self, kind: PlaceKind, present: str) -> str:
        """The value of a product at the end of the lists that has `present` now; `present` itself where it
        stands there already. Pure."""

    def read_places(self, kind: PlaceKind, tag: str, product_ids: Sequence[str]) -> Mapping[str, str]:
        """The present values; a product the shop does not know is missing from the answer."""

    def set_places(self, kind: PlaceKind, tag: str, changes: Sequence[PlaceChange]) -> list[PlaceResult]:
        """Write them, each product at most once: one result per change, in order.

        One bad product never fails its neighbours. Raises OutcomeUnknown when a write left and no answer
        came (some may have been done), RateLimited or Retryable when this call did nothing more. At most
        `StoreCapabilities.place_batch_size` changes are one call's worth; more cost several.
        """
