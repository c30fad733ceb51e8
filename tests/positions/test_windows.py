"""Delivery windows against the database: what is shown now, and what an order keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.availability.delivering import NoWindow, Window
from connector.ports.errors import Misconfigured
from connector.ports.stores import StoreOrder, StoreOrderLine
from connector.positions.calendars import closed
from connector.positions.sales import record_orders
from connector.positions.shipping import checked, rule_at, save_rule
from connector.positions.windows import windows
from tests.builders import NOW, World

RULE: dict[str, Any] = {
    "handling_days": 1,
    "cut_off": "23:59",
    "country": "FR",
    "zones": [
        {"name": "France", "countries": ["FR"], "least_days": 1, "most_days": 2, "holidays": "FR"},
        {"name": "Elsewhere", "least_days": 4, "most_days": 8},
    ],
}


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def promise(world: World, at: datetime = NOW, **changes: Any) -> None:
    with world.engine.begin() as db:
        assert save_rule(db, world.merchant_id, checked({**RULE, **changes}), actor="test", now=at)


def shown(world: World, variant: int, country: str = "", at: datetime = NOW) -> Any:
    with world.engine.connect() as db:
        return windows(db, world.merchant_id, [variant], at, country).get(variant)


def order(order_id: str, external_id: str, units: int, at: datetime, *, holds: bool = True) -> StoreOrder:
    return StoreOrder(order_id, at, at, holds, (StoreOrderLine("1", external_id, units),))


def record(world: World, store: int, *orders: StoreOrder, decides: bool = True) -> None:
    with world.engine.begin() as db:
        touched = record_orders(db, world.merchant_id, store, orders)
    if decides and touched:
        world.decide(*touched)


def kept(world: World) -> list[tuple[Any, ...]]:
    with world.engine.connect() as db:
        return [
            tuple(row)
            for row in db.execute(
                sa.text("""
                    select order_id, variant_id, from_on, until_on, basis, zone from order_promise
                     where merchant_id = :m order by order_id
                """),
                {"m": world.merchant_id},
            )
        ]


def test_the_public_holidays_of_a_country_and_its_parts_are_known() -> None:
    assert date(2026, 12, 25) in closed("FR")
    # The second day of Christmas is one in Alsace alone.
    assert (date(2026, 12, 26) in closed("FR"), date(2026, 12, 26) in closed("FR", "57")) == (False, True)
    assert date(2026, 12, 28) in closed("FR", own=[date(2026, 12, 28)])
    assert date(2026, 12, 25) not in closed()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"handling_days": -1}, "handling_days", id="negative days"),
        pytest.param({"cut_off": "25:00"}, "cut_off", id="no time"),
        pytest.param({"weekdays": []}, "weekdays", id="never works"),
        pytest.param({"zones": []}, "zones", id="goes nowhere"),
        pytest.param({"country": "XX"}, "rule", id="no such country"),
        pytest.param({"subdivision": "BY"}, "rule", id="a part of another country"),
        pytest.param(
            {"zones": [{"name": "a", "least_days": 3, "most_days": 2}]}, "zones.0", id="turned round"
        ),
        pytest.param({"handlingdays": 2}, "handlingdays", id="no such setting"),
    ],
)
def test_wrong_settings_are_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        checked({**RULE, **changes})
    assert field == caught.value.field


def test_a_source_of_somebody_else_is_refused(world: World) -> None:
    with world.engine.begin() as db, pytest.raises(Misconfigured) as caught:
        save_rule(db, world.merchant_id, checked({**RULE, "source_days": {"987654": 2}}), actor="", now=NOW)
    assert "source_days" == caught.value.field


def test_windows_depend_on_state_source_and_zone(world: World) -> None:
    there = world.sellable("A-1", 4)
    gone = world.sellable("A-2", 0)
    assert shown(world, there) is None  # nothing is promised before the merchant said how he ships
    promise(world)
    first = shown(world, there)
    assert isinstance(first, Window)
    far = shown(world, there, "DE")
    assert far.until > first.until
    assert NoWindow("not_sold") == shown(world, gone)
    with world.engine.connect() as db:
        find = "select source_id from supplier_item where merchant_id = :m and variant_id = :v"
        source = db.execute(sa.text(find), {"m": world.merchant_id, "v": there}).scalar_one()

    promise(world, NOW + timedelta(seconds=1), source_days={str(source): 20})

    assert shown(world, there, at=NOW + timedelta(seconds=2)).on > first.until
    # An order is judged by the rule of its moment.
    assert first == shown(world, there)


def test_nobody_delivers_where_no_zone_is(world: World) -> None:
    there = world.sellable("A-1", 4)
    promise(world, zones=RULE["zones"][:1])
    assert shown(world, there, "DE") is None
    assert isinstance(shown(world, there, "FR"), Window)


def test_switched_off_nothing_is_promised(world: World) -> None:
    there = world.sellable("A-1", 4)
    promise(world)
    promise(world, NOW + timedelta(seconds=1), is_on=False)
    assert shown(world, there, at=NOW + timedelta(seconds=2)) is None
    with world.engine.connect() as db:
        assert rule_at(db, world.merchant_id, NOW) is not None


def test_an_order_keeps_the_window_of_its_moment_even_of_the_last_unit(world: World) -> None:
    store = world.store()
    variant = world.sellable("A-1", 1, stores=[store])
    promise(world, NOW - timedelta(hours=1))
    expected = shown(world, variant)
    external_id = f"{1000 + variant}"

    record(world, store, order("o-1", external_id, 1, NOW))
    assert world.position(variant).state == "out_of_stock"
    promise(world, NOW + timedelta(seconds=1), handling_days=9)
    record(world, store, order("o-1", external_id, 1, NOW))

    assert [("o-1", variant, expected.on, expected.until, "stock", "France")] == kept(world)


def test_an_order_heard_of_after_its_item_sold_out_keeps_what_was_shown(world: World) -> None:
    store = world.store()
    variant = world.sellable("A-1", 3, stores=[store])
    promise(world, NOW - timedelta(hours=1))
    expected = shown(world, variant)
    with world.engine.connect() as db:
        find = "select source_id from supplier_item where merchant_id = :m and variant_id = :v"
        source = db.execute(sa.text(find), {"m": world.merchant_id, "v": variant}).scalar_one()
    world.observe(source, variant, 0)
    world.decide(variant, at=NOW + timedelta(minutes=5))

    record(world, store, order("o-1", f"{1000 + variant}", 1, NOW), decides=False)

    assert [("o-1", variant, expected.on, expected.until, "stock", "France")] == kept(world)


def test_an_order_keeps_the_window_of_the_country_it_goes_to(world: World) -> None:
    store = world.store()
    variant = world.sellable("A-1", 3, stores=[store])
    promise(world, NOW - timedelta(hours=1))
    far = shown(world, variant, "DE")

    record(world, store, replace(order("o-1", f"{1000 + variant}", 1, NOW), country="DE"))

    assert [("o-1", variant, far.on, far.until, "stock", "Elsewhere")] == kept(world)


def test_nothing_is_kept_where_nothing_was_shown(world: World) -> None:
    store = world.store()
    variant = world.sellable("A-1", 3, stores=[store])
    external_id = f"{1000 + variant}"
    promise(world, NOW)

    record(world, store, order("before", external_id, 1, NOW - timedelta(minutes=1)))
    record(world, store, order("unpaid", external_id, 1, NOW + timedelta(minutes=1), holds=False))

    assert [] == kept(world)
