"""The part of the store port that reads and writes prices.

A price is written beside the other things of an item and is absolute, so repeating is harmless: no platform here
keeps keys for such writes, and none compares. The core reads just before it writes, and remembers what it found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from connector.ports.stores import ListingRef

NEGATIVE = "A price is 0 or more, and the price before a reduction is above it."


@dataclass(frozen=True, slots=True)
class StorePrice:
    """What the store keeps of one item's price, in minor units of its currency.

    `price_minor` is what a shopper pays now. `was_minor` is the other price that the store keeps beside it (struck
    through, or regular with a sale of its own, planned ones included); None where there is none.
    """

    price_minor: int
    was_minor: int | None = None


@dataclass(frozen=True, slots=True)
class PriceSet:
    """Sell one item at `price.price_minor`, beside `price.was_minor` (None: no other price is shown, and one that
    is there goes)."""

    ref: ListingRef
    price: StorePrice

    @property
    def is_possible(self) -> bool:
        """Whether any store should be asked: nothing below 0, and nothing reduced to more."""
        was = self.price.was_minor
        return self.price.price_minor >= 0 and (was is None or was > self.price.price_minor)


@dataclass(frozen=True, slots=True)
class PriceResult:
    """What became of one item. "done": the shop keeps the price. "rejected" and "not_found": refused for good,
    `reason` in words. "retry": nothing is known to have been done to it although it may be fine."""

    ref: ListingRef
    status: Literal["done", "rejected", "not_found", "retry"]
    reason: str = ""


class Prices(Protocol):
    """Prices of the items of one shop, in its own currency. Other currencies and price lists are left alone."""

    def read_prices(self, refs: Sequence[ListingRef]) -> Mapping[str, StorePrice]:
        """The present prices by `external_id`, at most `StoreCapabilities.read_batch_size` items a call; an item
        that the shop does not know, or that has no price, is missing from the answer."""

    def set_prices(self, changes: Sequence[PriceSet]) -> list[PriceResult]:
        """Write them, each item at most once: one result per change, in order.

        One bad item never fails its neighbours; an impossible change is "rejected" without asking. Raises
        OutcomeUnknown when a write left and no answer came (some may have been done), RateLimited or Retryable
        when this call did nothing. Items that fill one of the platform's calls: `price_batch_size`; with
        `price_by_product` a call holds variants of one product only.
        """
