"""Bundles among the positions: decided with their components, sold from their sources."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
import sqlalchemy as sa

from connector.catalog.bundles import (
    BundleRefused,
    Component,
    declare,
    import_bundles,
    leaves_of,
    read_csv,
)
from connector.ports.stores import StoreOrder, StoreOrderLine
from connector.positions.decide import Cause
from connector.positions.learn import decide_learnt
from connector.positions.readings import NumberRead
from connector.positions.sales import record_numbers, record_orders
from connector.positions.why import explain
from tests.builders import NOW, World


class _Shop:
    """A set of 1 pan and 2 plates, and a gift box of 1 set: 5 pans, 9 plates."""

    def __init__(self, engine: sa.Engine) -> None:
        self.world = World(engine)
        self.store = self.world.store()
        self.pan = self.world.sellable("pan", 5, stores=[self.store])
        self.plate = self.world.sellable("plate", 9, stores=[self.store])
        self.set = self.world.variant("set")
        self.box = self.world.variant("box")
        self.listing = self.world.listing(self.store, self.set, None, sku="set", is_managed=False)
        with engine.begin() as db:
            declare(db, self.world.merchant_id, self.set, [Component(self.pan, 1), Component(self.plate, 2)])
            declare(db, self.world.merchant_id, self.box, [Component(self.set, 1)])
        self.world.decide(self.set)

    def available(self) -> list[int]:
        return [self.world.position(v).available for v in (self.pan, self.plate, self.set, self.box)]

    def order(self, units: int, *, minute: int = 1) -> None:
        at = NOW + timedelta(minutes=1)
        line = StoreOrderLine(line_id="1", external_id=str(1000 + self.set), units=units)
        order = StoreOrder(
            order_id="o-1",
            placed_at=at,
            updated_at=NOW + timedelta(minutes=minute),
            holds_stock=True,
            lines=(line,),
        )
        with self.world.engine.begin() as db:
            ids = record_orders(db, self.world.merchant_id, self.store, [order])
            decide_learnt(db, self.world.merchant_id, ids, now=self.world.now, cause=Cause("order"))


@pytest.fixture
def shop(engine: sa.Engine) -> _Shop:
    return _Shop(engine)


def test_a_bundle_of_something_nobody_knows_any_more_keeps_the_stores_number(shop: _Shop) -> None:
    assert 4 == shop.world.listing_row(shop.listing).wanted_available
    shop.world.execute(
        "update observation set quantity = null where merchant_id = :m and item_key = :k",
        k=f"item-{shop.plate}",
    )

    shop.world.decide(shop.plate)
    assert shop.world.listing_row(shop.listing).wanted_available is None
    # Also where only what contains it is looked at.
    shop.world.execute("update listing set wanted_available = 4 where id = :l", l=shop.listing)
    shop.world.decide(shop.set)
    assert shop.world.listing_row(shop.listing).wanted_available is None


def test_a_change_of_a_component_decides_every_bundle_it_is_in(shop: _Shop) -> None:
    assert shop.available() == [5, 9, 4, 4]

    source = shop.world.source()
    shop.world.observe(source, shop.plate, 1)
    shop.world.execute(
        "delete from observation where source_id <> :s and item_key = :k", s=source, k=f"item-{shop.plate}"
    )
    shop.world.decide(shop.plate)

    assert shop.available() == [5, 1, 0, 0]
    assert shop.world.position(shop.set).state == "out_of_stock"


def test_a_sale_of_a_bundle_lowers_its_components_and_their_other_bundles_once(shop: _Shop) -> None:
    shop.order(2)
    assert shop.available() == [3, 5, 2, 2]

    shop.order(2, minute=2)
    assert shop.available() == [3, 5, 2, 2], "the same order again is no second sale"

    shop.order(1, minute=3)
    assert shop.available() == [4, 7, 3, 3], "one of the two was cancelled"


def test_an_order_takes_over_what_the_fall_of_the_bundles_number_deducted(shop: _Shop) -> None:
    merchant = shop.world.merchant_id
    shop.world.execute(
        "update listing set believed_available = 4, is_managed = true where id = :i", i=shop.listing
    )
    with shop.world.engine.begin() as db:
        learnt = record_numbers(
            db, merchant, shop.store, [NumberRead(shop.listing, 3)], NOW + timedelta(minutes=1)
        )
        decide_learnt(db, merchant, learnt.variant_ids, now=shop.world.now, cause=Cause("fall"))
    assert shop.available() == [4, 7, 3, 3]

    shop.order(1)

    assert shop.available() == [4, 7, 3, 3]


def test_why_names_the_components(shop: _Shop) -> None:
    with shop.world.engine.connect() as db:
        (explanation,) = explain(db, shop.world.merchant_id, "set")

    made_of = [line.strip() for line in explanation.lines() if "Made of" in line]
    assert made_of == [
        f"Made of 1 of variant {shop.pan}: 5 there, enough for 5.",
        f"Made of 2 of variant {shop.plate}: 9 there, enough for 4.",
    ]


def test_its_listings_come_under_management_and_leave_it_again(shop: _Shop) -> None:
    def managed() -> bool:
        with shop.world.engine.connect() as db:
            found = sa.text("select is_managed from listing where id = :i")
            return bool(db.execute(found, {"i": shop.listing}).scalar_one())

    assert managed()
    with shop.world.engine.begin() as db:
        declare(db, shop.world.merchant_id, shop.set, [])
    assert not managed()


def test_impossible_bundles_are_refused_and_nothing_changes(shop: _Shop) -> None:
    merchant, engine = shop.world.merchant_id, shop.world.engine
    with engine.begin() as db:
        before = leaves_of(db, merchant, shop.box)
    for parts, cause in (
        ([Component(shop.box, 1)], "would contain itself"),
        ([Component(shop.set, 1)], "would contain itself"),
        ([Component(shop.pan, 1), Component(shop.pan, 2)], "twice"),
        ([Component(shop.pan, 0)], "0 units"),
        ([Component(999_999, 1)], "no variant 999999"),
    ):
        with pytest.raises(BundleRefused, match=cause), engine.begin() as db:
            declare(db, merchant, shop.set, parts)
    with engine.begin() as db:
        assert leaves_of(db, merchant, shop.box) == before == {shop.pan: 1, shop.plate: 2}


def test_bundles_are_imported_by_sku_all_or_none(shop: _Shop) -> None:
    merchant, engine = shop.world.merchant_id, shop.world.engine
    wanted = read_csv(io.StringIO("Bundle;Component;Units\nSET;Pan;3\nbox;plate;1\n"))
    with engine.begin() as db:
        assert import_bundles(db, merchant, wanted) == {shop.set, shop.box}
        assert leaves_of(db, merchant, shop.set) == {shop.pan: 3}

    with pytest.raises(BundleRefused, match="No variant has the SKU “lid”"), engine.begin() as db:
        import_bundles(db, merchant, {"set": [("plate", 1)], "box": [("lid", 1)]})
    with engine.begin() as db:
        assert leaves_of(db, merchant, shop.set) == {shop.pan: 3}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a;b\n1;2\n", "needed are bundle, component, units"),
        ("bundle,component,units\nset,pan,two\n", "Line 2: “two” is not a number"),
        ("bundle,component,units\nset,,2\n", "Line 2: the bundle or the component is missing"),
        ("bundle,component,units\n", "names no bundle"),
    ],
)
def test_a_bad_file_of_bundles_names_its_line(text: str, cause: str) -> None:
    with pytest.raises(BundleRefused, match=cause):
        read_csv(io.StringIO(text))
