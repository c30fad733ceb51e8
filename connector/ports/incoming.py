"""The parts of the store and supplier ports that say what is on its way to the shop's own shelves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


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


@dataclass(frozen=True, slots=True)
class SupplierIncoming:
    """Units of one item that were ordered and have not arrived: an open line of a purchase order.

    `reference` names this line for good and is unique in its source, `name` is what people call the order.
    `item` is the item's code as it stands in the column that identifies items in the source's feed. `units`
    ≥ 1 remain to be received, whole units of the item as the feed counts it (a line over 4 dozen is 48).
    `arrives_at` is the moment they are expected, aware; None where nobody entered one. `location` is where,
    as in the feed's location column, "" where the source does not tell.
    """

    reference: str
    name: str
    item: str
    units: int
    arrives_at: datetime | None
    location: str = ""


@runtime_checkable
class SupplierIncomingReader(Protocol):
    """A supplier that may also tell what was ordered; `reads_incoming` says whether this connection does."""

    @property
    def reads_incoming(self) -> bool: ...

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Pages of everything ordered and not arrived now, whole each time: a line that was cancelled or
        received is not among it. Raises Unsupported where the credentials do not reach that far, else as
        `Supplier.fetch`; never ends early without an error."""
