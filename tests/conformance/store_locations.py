"""What a location of a store promises as stock of the merchant's own (the supplier `store_location`), per platform.

Inherit `StoreLocationConformance` as `Test…` and give `far`. A platform whose stores have no locations is skipped but
for the promise that it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from connector.ports.errors import Misconfigured, Unauthorized
from connector.ports.learning import Learns
from connector.ports.stores import Store
from connector.ports.suppliers import Feed, ReadOptions, Supplier
from connector.registry import Environment, manifest
from simulator.shop import Shop

NUMBER = "7"
"""The store's connection."""


class Far(Protocol):
    """A store with the items A (5 at its main location), B (7), C (0) and GIFT, which it does not track; nothing is
    at its other location. `stranger` is the same store with a wrong key."""

    shop: Shop
    store: Store
    stranger: Store
    main: str
    other: str
    other_name: str
    other_sells: bool

    def put(self, sku: str, units: int) -> None:
        """Have so many at the other location."""

    def levels(self) -> Mapping[str, int | None]:
        """What the store itself holds at the other location, by SKU; None where it is not stocked there."""


def of_location(store: Store, location_id: str) -> Supplier:
    """The supplier that the registry builds for one location of `store`."""
    built: Supplier = manifest("suppliers", "store_location").build(
        {"reads_store": NUMBER, "reads_location": location_id}, {}, Environment(stores=lambda number: store)
    )
    return built


class StoreLocationConformance:
    """The promises, one test each."""

    @pytest.fixture
    def far(self) -> Iterator[Far]:
        raise NotImplementedError("give the simulated store")

    @pytest.fixture
    def located(self, far: Far) -> Far:
        """The store, where its platform has locations."""
        if not far.store.capabilities.has_locations:
            pytest.skip("a store of this platform has one stock and no locations")
        return far

    def read(self, supplier: Supplier, directory: Path) -> dict[str, str]:
        """SKU → quantity as a run reads them."""
        directory.mkdir(exist_ok=True)
        feed = supplier.fetch(None, directory)
        assert isinstance(feed, Feed)
        table = supplier.open(feed, ReadOptions())
        named = dict(table.shape.fields)
        sku, quantity = (table.shape.columns.index(named[name]) for name in ("sku", "quantity"))
        return {row.cells[sku]: row.cells[quantity] for row in table.rows()}

    def test_a_platform_without_locations_says_so(self, far: Far) -> None:
        if far.store.capabilities.has_locations:
            pytest.skip("this platform has locations")
        with pytest.raises(Misconfigured, match="one stock and no locations") as caught:
            of_location(far.store, "1").check()
        assert "reads_store" == caught.value.field

    def test_the_check_names_the_location_and_learns_whether_it_is_sold_online(self, located: Far) -> None:
        supplier = of_location(located.store, located.other)
        assert isinstance(supplier, Learns)

        assert located.other_name in supplier.check()

        learnt = {"sells_online": "yes" if located.other_sells else "no", "location_name": located.other_name}
        assert learnt == dict(supplier.learnt())

    def test_an_unknown_location_is_refused_with_the_names_of_those_there_are(self, located: Far) -> None:
        with pytest.raises(Misconfigured) as caught:
            of_location(located.store, f"{located.other}9").check()
        assert "reads_location" == caught.value.field
        assert f"{located.other_name} ({located.other})" in str(caught.value)

    def test_each_item_has_what_is_at_this_location_and_no_other(self, located: Far, tmp_path: Path) -> None:
        located.put("A", 3)

        # What is not stocked there is none, what is not tracked is not known.
        assert {"A": "3", "B": "0", "C": "0", "GIFT": ""} == self.read(
            of_location(located.store, located.other), tmp_path / "other"
        )
        assert {"A": "5", "B": "7", "C": "0", "GIFT": ""} == self.read(
            of_location(located.store, located.main), tmp_path / "main"
        )

    def test_a_change_there_is_told_by_the_next_reading(self, located: Far, tmp_path: Path) -> None:
        supplier = of_location(located.store, located.other)
        located.put("A", 3)
        self.read(supplier, tmp_path / "first")
        located.put("A", 0)
        located.put("B", 2)

        assert {"A": "0", "B": "2", "C": "0", "GIFT": ""} == self.read(supplier, tmp_path / "second")

    def test_nothing_is_written(self, located: Far, tmp_path: Path) -> None:
        located.put("A", 3)
        before = dict(located.levels()), {item.sku: item.stock for item in located.shop.items.values()}

        supplier = of_location(located.store, located.other)
        supplier.check()
        self.read(supplier, tmp_path / "feed")

        stock = {item.sku: item.stock for item in located.shop.items.values()}
        assert before == (dict(located.levels()), stock)

    def test_a_wrong_key_reads_nothing(self, located: Far, tmp_path: Path) -> None:
        with pytest.raises(Unauthorized):
            of_location(located.stranger, located.other).check()
        with pytest.raises(Unauthorized):
            self.read(of_location(located.stranger, located.other), tmp_path / "feed")
