"""The part of the store port that says what is on its way to the shop's own shelves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoreIncoming:
    """Units of one stock object on their way to one place of the shop.

    `reference` names this line for good; `name` is what the shop calls its shipment. `stock_id` is
    `ListingRef.stock_id`. `units` ≥ 1 were sent and not received yet. `arrives_at` is the moment the shop
    expects them, aware; None where nobody entered one.
    """

    reference: str
    name: str
    stock_id: str
    location_id: str
    units: int
    arrives_at: datetime | None


class IncomingReader(Protocol):
    """A store whose `StoreCapabilities.reads_incoming` holds."""

    def incoming(self) -> Iterator[list[StoreIncoming]]:
        """Pages of everything on its way now to places that sell online, whole each time: what is planned
        only, was cancelled or was received is not among it. Raises Unsupported without the grant."""
