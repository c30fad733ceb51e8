"""The part of the supplier port that answers for single items at once, while somebody waits at a till."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class LiveCheck(Protocol):
    """A supplier, or a stock system, that can be asked for a few items. Construction does no network."""

    def stock_of(self, items: Sequence[str], deadline_s: float) -> dict[str, int | None]:
        """The supplier's present number of each item it knows, in whole units of its own, rounded down; None
        where it knows the item and does not say. Items it did not get to before `deadline_s` (seconds from now),
        or does not know, are left out.

        `items` are the codes its rows carry: the supplier's own code, else the SKU, else the barcode. Asks each
        thing once. Raises a PortError when it cannot be asked at all.
        """
