"""Reads what is available at one location of a store: every item of its catalogue, with its number there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from adapters.kit.canonical import StockRow, fields
from adapters.kit.live import LiveSource
from connector.ports.errors import Misconfigured
from connector.ports.incoming import SupplierIncoming
from connector.ports.stores import Location, Store, StoreListing

ADAPTER = "store_location"


class StoreLocation:
    """See `adapters.kit.live.LiveApi`. `store` gives the store, `number` its connection's."""

    reads_incoming = False

    def __init__(self, store: Callable[[], Store], number: str, location_id: str) -> None:
        self.name = ADAPTER
        self.subject = f"location {location_id} of store {number}"
        self.fields = fields("supplier_sku", "sku", "gtin", "quantity")
        self._store = store
        self._number = number
        self._location_id = location_id
        self._found: Location | None = None

    def check(self) -> str:
        """Asks the store for its locations."""
        store = self._store()
        if not store.capabilities.has_locations:
            raise self._wrong(
                "reads_store", "This store has one stock and no locations.", "Choose another store."
            )
        known = store.locations()
        self._found = next((one for one in known if one.location_id == self._location_id), None)
        if self._found is None:
            names = ", ".join(f"{one.name} ({one.location_id})" for one in known[:10])
            raise self._wrong("reads_location", "The store has no such location.", f"It has: {names}.")
        return f"The store has the location “{self._found.name}”."

    def learnt(self) -> Mapping[str, str]:
        """Whether the store sells what is there by itself; nothing before `check`."""
        if self._found is None:
            return {}
        return {
            "sells_online": "yes" if self._found.sells_online else "no",
            "location_name": self._found.name,
        }

    def change_mark(self) -> str:
        """Nothing: a sale need not touch anything that is cheap to ask for."""
        return ""

    def rows(self) -> Iterator[StockRow]:
        """Every item that the store tracks. One that is not stocked at the location has none there."""
        for page in self._store().catalog(None, (self._location_id,)):
            for one in page:
                yield self._row(one)

    def _row(self, one: StoreListing) -> StockRow:
        # Sold beyond zero is still nothing left.
        units = max(0, one.available or 0) if one.is_tracked else None
        return StockRow(
            id=one.ref.external_id,
            supplier_sku=one.ref.external_id,
            sku=one.sku,
            gtin=one.gtin,
            name=" – ".join(part for part in (one.product_title, one.variant_title) if part),
            quantity=units,
        )

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        """Nothing: what is on its way to the store is told by the store itself."""
        yield from ()

    def _wrong(self, field: str, cause: str, remedy: str) -> Misconfigured:
        return Misconfigured(ADAPTER, self.subject, cause, remedy, field=field)


class StoreLocationSource(LiveSource):
    """The location as a supplier that learns whether the store sells what is there by itself."""

    api: StoreLocation

    def learnt(self) -> Mapping[str, str]:
        """See `connector.ports.learning.Learns`."""
        return self.api.learnt()
