"""What stores say is on its way, and the restock dates that rest on it."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from connector.accounts.tables import Connection
from connector.ports.incoming import StoreIncoming
from connector.positions.incoming import forget_incoming, record_incoming
from connector.positions.recheck import recheck
from connector.positions.tables import Promise
from connector.positions.why import explain
from tests.builders import NOW, World


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def shipped(
    stock_id: str, units: int, arrives_at: datetime | None, reference: str = "line-1", name: str = "#T1-1"
) -> StoreIncoming:
    return StoreIncoming(reference, name, stock_id, "place", units, arrives_at)


def record(world: World, store: int, *found: StoreIncoming, at: datetime = NOW) -> set[int]:
    with world.engine.begin() as db:
        return record_incoming(db, world.merchant_id, store, found, at)


def sold_out(world: World, sku: str, store: int) -> int:
    variant = world.variant(sku)
    world.observe(world.source(), variant, 0)
    world.listing(store, variant, 0, stock_id=f"stock of {sku}", external_id=sku)
    world.decide(variant)
    return variant


def store_name(world: World, store: int) -> str:
    return str(world.one(Connection, Connection.id == store).name)  # type: ignore[arg-type]


def restock(world: World, variant: int) -> tuple[date | None, str]:
    position = world.position(variant)
    return position.restock_on, position.restock_basis


def test_a_shipment_dates_the_restock_and_its_change_moves_it(world: World) -> None:
    store = world.store()
    variant = sold_out(world, "A-1", store)
    assert restock(world, variant) == (None, "")

    touched = record(world, store, shipped("stock of A-1", 5, NOW + timedelta(days=3)))
    world.decide(*touched)
    assert touched == {variant}
    assert restock(world, variant) == (NOW.date() + timedelta(days=3), "shipment")

    later = NOW + timedelta(days=6)
    world.decide(*record(world, store, shipped("stock of A-1", 5, later)))
    assert restock(world, variant) == (later.date(), "shipment")
    promise = world.one(Promise)
    assert (promise.first_shown_on, promise.latest_shown_on, promise.basis) == (
        NOW.date() + timedelta(days=3),
        later.date(),
        "shipment",
    )


def test_what_was_received_or_cancelled_leaves(world: World) -> None:
    store = world.store()
    variant = sold_out(world, "A-1", store)
    world.decide(*record(world, store, shipped("stock of A-1", 5, NOW + timedelta(days=3))))

    touched = record(world, store)
    world.decide(*touched)

    assert touched == {variant}
    assert restock(world, variant) == (None, "")


def test_asking_again_without_news_touches_nothing(world: World) -> None:
    store = world.store()
    sold_out(world, "A-1", store)
    same = shipped("stock of A-1", 5, NOW + timedelta(days=3))
    record(world, store, same)

    assert record(world, store, same, at=NOW + timedelta(minutes=15)) == set()


def test_what_no_variant_is_listed_as_is_left_out(world: World) -> None:
    store = world.store()

    assert record(world, store, shipped("somebody else's", 5, NOW + timedelta(days=3))) == set()


def test_one_store_says_nothing_about_anothers_shipments(world: World) -> None:
    first, second = world.store(), world.store()
    variant = sold_out(world, "A-1", first)
    world.listing(second, variant, 0, stock_id="stock of A-1", external_id="elsewhere")
    world.decide(*record(world, first, shipped("stock of A-1", 5, NOW + timedelta(days=3))))

    record(world, second)
    world.decide(variant)

    assert restock(world, variant) == (NOW.date() + timedelta(days=3), "shipment")


def test_another_merchant_has_no_part_in_it(engine: sa.Engine) -> None:
    mine, theirs = World(engine), World(engine)
    variant = sold_out(theirs, "A-1", theirs.store())

    assert record(mine, mine.store(), shipped("stock of A-1", 5, NOW + timedelta(days=3))) == set()
    theirs.decide(variant)
    assert restock(theirs, variant) == (None, "")


def test_the_day_is_the_one_at_the_merchants_place(world: World) -> None:
    world.execute("update merchant set timezone = 'Pacific/Auckland' where id = :m")
    store = world.store()
    variant = sold_out(world, "A-1", store)
    late = (NOW + timedelta(days=3)).replace(hour=20)

    world.decide(*record(world, store, shipped("stock of A-1", 5, late)))

    assert restock(world, variant) == (late.date() + timedelta(days=1), "shipment")


@pytest.mark.parametrize("status", ["paused", "ended"])
def test_of_a_store_that_is_not_asked_any_more_nothing_is_believed(world: World, status: str) -> None:
    store = world.store()
    variant = sold_out(world, "A-1", store)
    record(world, store, shipped("stock of A-1", 5, NOW + timedelta(days=3)))
    world.execute("update connection set status = :s where id = :c", s=status, c=store)

    world.decide(variant)

    assert restock(world, variant) == (None, "")


def test_a_store_that_falls_silent_loses_its_dates_and_gets_them_back(world: World) -> None:
    store = world.store()
    variant = sold_out(world, "A-1", store)
    coming = shipped("stock of A-1", 5, NOW + timedelta(days=9))
    world.decide(*record(world, store, coming))
    silent = NOW + timedelta(days=2, seconds=2)

    assert recheck(world.engine, world.merchant_id, now=silent) == 1
    assert restock(world, variant) == (None, "")

    world.decide(*record(world, store, coming, at=silent), at=silent)
    assert restock(world, variant) == (NOW.date() + timedelta(days=9), "shipment")


def test_a_store_that_withdraws_its_permission_takes_its_dates_along(world: World) -> None:
    store = world.store()
    variant = sold_out(world, "A-1", store)
    world.decide(*record(world, store, shipped("stock of A-1", 5, NOW + timedelta(days=3))))

    with world.engine.begin() as db:
        touched = forget_incoming(db, world.merchant_id, store)
    world.decide(*touched)

    assert (touched, restock(world, variant)) == ({variant}, (None, ""))


def test_why_names_the_shipment(world: World) -> None:
    store = world.store()
    sold_out(world, "A-1", store)
    coming = [
        shipped("stock of A-1", 5, NOW + timedelta(days=3)),
        shipped("stock of A-1", 7, None, "line-2", "#T2-1"),
    ]
    world.decide(*record(world, store, *coming))

    with world.engine.connect() as db:
        said = explain(db, world.merchant_id, "A-1")[0].lines()
    on = NOW.date() + timedelta(days=3)
    name = store_name(world, store)
    assert f"0 to sell: restocking, back on {on} (shipment)." in said
    assert f"  On its way to {name}: 5 in shipment #T1-1, expected on {on}." in said
    assert f"  On its way to {name}: 7 in shipment #T2-1, without a date." in said
