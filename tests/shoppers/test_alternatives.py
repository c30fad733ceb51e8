"""Which similar products are named, and that they are read as they are now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from connector.catalog.tables import Listing, Variant
from connector.shoppers.alternatives import Item, alternatives, choose
from tests.shoppers.world import World

WANTED = Item(1, "p1", 2000, frozenset({"Mugs", "Blue"}))
WHITE = Item(2, "p2", 2000, frozenset({"Mugs"}), free_units=10)


def names(*others: Item) -> list[int]:
    return [one.variant_id for one in choose(WANTED, others)]


def test_the_worked_example() -> None:
    blue = Item(3, "p3", 2300, frozenset({"Mugs", "Blue"}), free_units=10)
    dear = replace(WHITE, variant_id=4, product_id="p4", price_minor=2700)
    nearly_gone = replace(WHITE, variant_id=5, product_id="p5", free_units=4, sold_units=28)
    assert names(WHITE, nearly_gone, dear, blue) == [3, 2]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param({}, [2], id="as it is"),
        pytest.param({"collections": frozenset({"Plates"})}, [], id="another collection"),
        pytest.param({"product_id": "p1"}, [], id="the same product"),
        pytest.param({"free_units": 2}, [], id="the last two"),
        pytest.param({"free_units": 3}, [2], id="three that nobody buys"),
        pytest.param({"free_units": 7, "sold_units": 28}, [2], id="a week's worth"),
        pytest.param({"free_units": 7, "sold_units": 29}, [], id="less than a week's worth"),
        pytest.param({"price_minor": 2600}, [2], id="30 % dearer"),
        pytest.param({"price_minor": 2601}, [], id="more than 30 % dearer"),
        pytest.param({"price_minor": 1400}, [2], id="30 % cheaper"),
        pytest.param({"price_minor": 1399}, [], id="more than 30 % cheaper"),
        pytest.param({"price_minor": None}, [], id="no price"),
    ],
)
def test_only_what_is_similar_near_in_price_and_lasts(change: dict[str, object], found: list[int]) -> None:
    assert names(replace(WHITE, **change)) == found  # type: ignore[arg-type]


def test_among_equals_the_margin_decides_then_what_lasts_longer() -> None:
    poor = replace(WHITE, variant_id=3, product_id="p3", margin_percent=Decimal(20))
    rich = replace(WHITE, variant_id=4, product_id="p4", margin_percent=Decimal(45))
    soon_gone = replace(WHITE, variant_id=5, product_id="p5", free_units=10, sold_units=20)
    assert [one.variant_id for one in choose(WANTED, [soon_gone, WHITE, poor, rich], 4)] == [4, 3, 2, 5]


def test_one_a_product_and_three_at_most() -> None:
    twin = replace(WHITE, variant_id=9, price_minor=2100)
    more = [replace(WHITE, variant_id=n, product_id=f"p{n}", price_minor=2000 + 100 * n) for n in (3, 4, 5)]
    assert names(twin, *more, WHITE) == [2, 3, 4]


def furnish(world: World) -> None:
    """The mug and three others in a collection; one of them costs too much, one is nearly sold out."""
    for external_id, title, available in (
        ("601", "Green mug", 9),
        ("602", "Gold mug", 9),
        ("603", "Red mug", 2),
    ):
        world.add_variant(external_id, title, available)
    with world.engine.begin() as db:
        db.execute(sa.update(Variant.__table__).values(collections=['Mugs "2026"', "All"]))
        db.execute(sa.update(Listing.__table__).where(Listing.external_id == "602").values(price_minor=9900))


def test_they_are_read_from_the_same_store_as_they_are_now(world: World) -> None:
    furnish(world)
    with world.engine.begin() as db:
        at = (world.merchant_id, world.connection_id, world.variant_id)
        found = alternatives(db, *at, world.now())
        assert [(one.external_id, one.title, one.price_minor) for one in found] == [
            ("601", "Green mug", 1999)
        ]
        db.execute(
            sa.text("""
                insert into movement (merchant_id, variant_id, at, cause, available_before, available_after,
                                      state_before, state_after)
                values (:m, :v, :at, 'order', 99, 9, 'in_stock', 'in_stock')
            """),
            {"m": world.merchant_id, "v": found[0].variant_id, "at": world.now() - timedelta(days=2)},
        )
        assert alternatives(db, *at, world.now()) == []
        assert (
            alternatives(db, world.merchant_id, world.connection_id + 1, world.variant_id, world.now()) == []
        )
