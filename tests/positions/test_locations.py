"""Several written locations of one store: what each is to show, and whose sources a sale is taken off."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from connector.accounts import entitlements
from connector.catalog.bundles import Component, declare
from connector.ports.stores import StoreOrder, StoreOrderLine
from connector.positions.decide import Cause
from connector.positions.learn import decide_learnt
from connector.positions.readings import NumberRead
from connector.positions.sales import record_numbers, record_orders
from connector.positions.topics import BADGE, QUANTITY
from connector.positions.why import explain
from tests.builders import NOW, World


class _Shop:
    """A store with the locations main (default) and shop; a warehouse with 8 vases, a wholesaler with 5."""

    def __init__(self, engine: sa.Engine) -> None:
        self.world = World(engine)
        self.store = self.world.store(adapter="shopify")
        self.vase = self.world.variant("vase")
        self.warehouse = self.world.source(kind="own")
        self.wholesaler = self.world.source()
        self.world.observe(self.warehouse, self.vase, 8)
        self.world.observe(self.wholesaler, self.vase, 5)
        self.main = self.listed(self.vase, "main")
        self.shop = self.listed(self.vase, "shop")

    def listed(self, variant: int, place: str, shown: int | None = None) -> int:
        return self.world.listing(
            self.store, variant, shown, location_id=place, external_id=f"v{variant}", sku=str(variant)
        )

    def write(self, *places: str, **feeds: str | None) -> None:
        """Choose the written locations; `feeds` names sources of this shop."""
        for position, place in enumerate(places):
            self.world.execute(
                "insert into store_location (merchant_id, connection_id, location_id, position)"
                " values (:m, :c, :l, :p)",
                c=self.store,
                l=place,
                p=position,
            )
        for name, target in feeds.items():
            self.feed(getattr(self, name), target)

    def feed(self, source: int, place: str | None, *, there: bool = False) -> None:
        self.world.execute(
            "insert into store_location_source"
            " (merchant_id, connection_id, source_id, location_id, is_counted_there)"
            " values (:m, :c, :s, :l, :t)",
            c=self.store,
            s=source,
            l=place,
            t=there,
        )

    def wanted(self, *listings: int) -> list[tuple[int | None, str]]:
        rows = [self.world.listing_row(one) for one in listings or (self.main, self.shop)]
        return [(row.wanted_available, row.wanted_state) for row in rows]


@pytest.fixture
def shop(engine: sa.Engine) -> _Shop:
    return _Shop(engine)


def test_each_location_shows_what_its_own_sources_give_and_the_first_carries_the_badge(shop: _Shop) -> None:
    shop.write("main", "shop", wholesaler="shop")

    shop.world.decide(shop.vase)

    assert shop.wanted() == [(8, "in_stock"), (5, "")]
    topics = sorted((topic, int(subject)) for topic, subject, _ in shop.world.pending() if "store" in topic)
    assert topics == [(QUANTITY, shop.main), (QUANTITY, shop.shop)]


def test_a_store_without_chosen_locations_shows_everything_as_before(shop: _Shop) -> None:
    other = shop.world.store()
    plain = shop.world.listing(other, shop.vase, 13)
    shop.write("main", "shop", wholesaler="shop")

    shop.world.decide(shop.vase)

    assert shop.wanted(plain) == [(13, "in_stock")]


def test_units_that_only_change_hands_between_sources_move_between_locations(shop: _Shop) -> None:
    shop.write("main", "shop", wholesaler="shop")
    shop.world.decide(shop.vase)
    shop.world.observe(shop.warehouse, shop.vase, 3)
    shop.world.observe(shop.wholesaler, shop.vase, 10)

    shop.world.decide(shop.vase)

    assert shop.wanted() == [(3, "in_stock"), (10, "")]


def test_a_location_that_is_not_written_keeps_what_it_has(shop: _Shop) -> None:
    shop.write("main", wholesaler=None)

    shop.world.decide(shop.vase)

    assert shop.wanted() == [(8, "in_stock"), (None, "")]


def test_a_store_none_of_whose_sources_has_any_tells_out_of_stock(shop: _Shop) -> None:
    shop.write("main", "shop", warehouse=None)
    shop.world.observe(shop.wholesaler, shop.vase, 0)

    shop.world.decide(shop.vase)

    assert shop.world.position(shop.vase).available == 8
    assert shop.wanted() == [(0, "out_of_stock"), (0, "")]


def test_what_the_store_counts_by_itself_is_not_written_but_is_in_stock(shop: _Shop) -> None:
    shop.write("main", "shop")
    shop.feed(shop.warehouse, None, there=True)
    shop.world.observe(shop.wholesaler, shop.vase, 0)

    shop.world.decide(shop.vase)

    assert shop.wanted() == [(0, "in_stock"), (0, "")]


def test_the_badge_goes_to_a_location_that_can_be_written(shop: _Shop) -> None:
    shop.write("main", "shop", wholesaler="shop")
    shop.world.decide(shop.vase)
    shop.world.execute("update listing set believed_state = 'in_stock' where id = :i", i=shop.main)
    shop.world.execute("update listing set problem = 'It is not stocked there.' where id = :i", i=shop.main)
    shop.world.forget_intents()

    shop.world.decide(shop.vase)

    assert shop.wanted() == [(8, ""), (5, "in_stock")]
    assert shop.world.listing_row(shop.main).believed_state == ""
    assert [(t, int(s)) for t, s, _ in shop.world.pending() if t == BADGE] == []
    shop.world.execute("update listing set believed_available = 5 where id = :i", i=shop.shop)
    shop.world.forget_intents()
    shop.world.decide(shop.vase)
    assert [(t, int(s)) for t, s, _ in shop.world.pending() if t == BADGE] == [(BADGE, shop.shop)]


def test_a_bundle_is_sold_where_all_of_it_is(shop: _Shop, engine: sa.Engine) -> None:
    shop.write("main", "shop", wholesaler="shop")
    plate = shop.world.variant("plate")
    shop.world.observe(shop.warehouse, plate, 6)
    shop.world.observe(shop.wholesaler, plate, 20)
    bundle = shop.world.variant("set")
    with engine.begin() as db:
        declare(db, shop.world.merchant_id, bundle, [Component(shop.vase, 1), Component(plate, 4)])
    main, other = shop.listed(bundle, "main"), shop.listed(bundle, "shop")
    shop.world.decide(shop.vase, plate)

    # 13 vases and 26 plates make 6 sets, but one of them would have to come from two places.
    assert shop.world.position(bundle).available == 6
    assert shop.wanted(main, other) == [(1, "in_stock"), (5, "")]

    # A component that is not among those decided is read.
    shop.world.observe(shop.wholesaler, shop.vase, 2)
    shop.world.decide(shop.vase)
    assert shop.wanted(main, other) == [(1, "low_stock"), (2, "")]


AT = NOW + timedelta(minutes=1)


def _order(shop: _Shop, *lines: StoreOrderLine, minute: int = 1, holds: bool = True) -> None:
    order = StoreOrder("o-1", AT, NOW + timedelta(minutes=minute), holds, lines)
    with shop.world.engine.begin() as db:
        touched = record_orders(db, shop.world.merchant_id, shop.store, [order])
        decide_learnt(db, shop.world.merchant_id, touched, now=shop.world.now, cause=Cause("order"))


def _line(shop: _Shop, units: int, place: str | None, line_id: str = "1") -> StoreOrderLine:
    return StoreOrderLine(line_id, f"v{shop.vase}", units, location_id=place)


def _deducted(shop: _Shop) -> dict[int, int]:
    with shop.world.engine.connect() as db:
        rows = db.execute(
            sa.text(
                "select source_id, sum(units) from allocation where merchant_id = :m group by 1 having sum(units) > 0"
            ),
            {"m": shop.world.merchant_id},
        )
        return {row[0]: int(row[1]) for row in rows}


@pytest.fixture
def sold(shop: _Shop) -> _Shop:
    """8 at main, 5 at the shop, both written so."""
    shop.write("main", "shop", wholesaler="shop")
    shop.world.decide(shop.vase)
    shop.world.execute("update listing set believed_available = wanted_available where merchant_id = :m")
    shop.world.forget_intents()
    return shop


def test_a_sale_is_taken_off_the_source_that_feeds_its_location(sold: _Shop) -> None:
    _order(sold, _line(sold, 2, "shop"))

    assert _deducted(sold) == {sold.wholesaler: 2}
    assert sold.wanted() == [(8, "in_stock"), (3, "")]
    # In its own store the number is believed to have fallen with it: nothing is to be written.
    assert sold.world.listing_row(sold.shop).believed_available == 3
    assert [one for one in sold.world.pending() if one[0] == QUANTITY] == []


def test_a_sale_without_a_place_is_one_of_the_default_location(sold: _Shop) -> None:
    _order(sold, _line(sold, 2, None))

    assert _deducted(sold) == {sold.warehouse: 2}
    assert sold.wanted() == [(6, "in_stock"), (5, "")]


def test_an_order_that_moves_to_another_location_changes_whose_units_they_are(sold: _Shop) -> None:
    _order(sold, _line(sold, 2, "main"))
    assert _deducted(sold) == {sold.warehouse: 2}

    _order(sold, _line(sold, 2, "shop"), minute=2)
    assert _deducted(sold) == {sold.wholesaler: 2}
    assert sold.wanted() == [(8, "in_stock"), (3, "")]

    # The same word again changes nothing; a cancel gives back where they are now.
    _order(sold, _line(sold, 2, "shop"), minute=2)
    assert _deducted(sold) == {sold.wholesaler: 2}
    _order(sold, _line(sold, 0, "shop"), minute=3, holds=False)
    assert _deducted(sold) == {}


def test_a_move_is_deducted_although_the_new_source_was_read_since_the_order(sold: _Shop) -> None:
    _order(sold, _line(sold, 2, "main"))
    sold.world.execute(
        "update source set as_of = :at where id = :s", at=NOW + timedelta(minutes=5), s=sold.wholesaler
    )

    _order(sold, _line(sold, 2, "shop"), minute=9)

    assert sold.wanted() == [(8, "in_stock"), (3, "")]


def test_a_sale_at_a_location_that_is_neither_written_nor_read_takes_nothing(sold: _Shop) -> None:
    _order(sold, _line(sold, 2, "market stall"))
    assert (_deducted(sold), sold.wanted()) == ({}, [(8, "in_stock"), (5, "")])

    # Sent from the warehouse after all.
    _order(sold, _line(sold, 2, "main"), minute=2)
    assert _deducted(sold) == {sold.warehouse: 2}


def test_a_sale_at_a_location_that_is_read_is_one_of_the_source_read_there(shop: _Shop) -> None:
    shop.write("main")
    shop.feed(shop.warehouse, "counter", there=True)
    shop.world.decide(shop.vase)
    assert shop.wanted(shop.main) == [(5, "in_stock")]

    _order(shop, _line(shop, 3, "counter"))

    assert _deducted(shop) == {shop.warehouse: 3}
    assert shop.wanted(shop.main) == [(5, "in_stock")]
    assert shop.world.position(shop.vase).available == 10


def test_a_fall_at_one_location_is_not_explained_by_an_order_of_another(sold: _Shop) -> None:
    with sold.world.engine.begin() as db:
        record_numbers(
            db, sold.world.merchant_id, sold.store, [NumberRead(sold.shop, 3)], NOW + timedelta(minutes=1)
        )
    assert _deducted(sold) == {sold.wholesaler: 2}

    _order(sold, _line(sold, 2, "main"))
    assert _deducted(sold) == {sold.warehouse: 2, sold.wholesaler: 2}

    _order(sold, _line(sold, 2, "main"), _line(sold, 2, "shop", "2"), minute=2)
    assert _deducted(sold) == {sold.warehouse: 2, sold.wholesaler: 2}


def test_a_sale_beyond_what_its_location_has_stays_with_its_own_source(sold: _Shop) -> None:
    _order(sold, _line(sold, 7, "shop"))

    assert _deducted(sold) == {sold.wholesaler: 7}
    assert sold.wanted() == [(8, "in_stock"), (0, "")]


def test_an_item_at_several_locations_is_one_item_of_the_plan(sold: _Shop) -> None:
    sold.world.execute(
        "update store_location set name = case position when 0 then 'Main' else 'Shop floor' end"
        " where merchant_id = :m"
    )
    with sold.world.engine.connect() as db:
        used = entitlements._used(db, sold.world.merchant_id, "listings")
        (told,) = explain(db, sold.world.merchant_id, "vase")

    assert used == 1
    assert [line["store"].partition(" · ")[2] for line in told.listings] == ["Main", "Shop floor"]
