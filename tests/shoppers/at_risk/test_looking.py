"""The list of orders at risk: each opens once and closes by itself."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from connector.shoppers.at_risk.work import work_risks
from tests.shoppers.at_risk.orders import order, position, promise, risks
from tests.shoppers.world import World

LATE = date(2026, 1, 20)


@pytest.fixture
def late(world: World) -> World:
    """An order promised for 12 January, whose mug comes back on the 20th."""
    order(world, "A", world.now())
    promise(world, "A", date(2026, 1, 12))
    position(world, restock_on=LATE)
    return world


def test_a_restock_after_the_deadline_opens_one_risk_however_often_one_looks(late: World) -> None:
    assert [work_risks(late, late.merchant_id).opened for _ in range(3)] == [1, 0, 0]
    (risk,) = risks(late)
    assert (risk.order_id, risk.line_id, risk.units, risk.status) == ("A", "A-1", 1, "open")
    assert (risk.due_on, risk.due_basis, risk.reason) == (date(2026, 1, 12), "promise", "after_deadline")
    assert (risk.expected_on, risk.value_minor, risk.currency) == (LATE, 1999, "EUR")


def test_without_a_promise_the_deadline_is_thirty_days(world: World) -> None:
    order(world, "A", world.now())
    position(world)
    world.clock.advance(days=22)
    assert work_risks(world, world.merchant_id).opened == 0
    world.clock.advance(days=1)
    assert work_risks(world, world.merchant_id).opened == 1
    (risk,) = risks(world)
    assert (risk.due_on, risk.due_basis, risk.reason) == (date(2026, 2, 4), "default", "no_stock")


def test_stock_found_in_time_closes_it_and_its_loss_opens_it_again(late: World) -> None:
    work_risks(late, late.merchant_id)
    position(late, observed=1, state="in_stock")
    assert work_risks(late, late.merchant_id).closed == 1
    position(late, restock_on=LATE)
    assert work_risks(late, late.merchant_id).opened == 1
    assert [(one.status, one.closed_by) for one in risks(late)] == [("closed", "stock"), ("open", "")]


@pytest.mark.parametrize(
    ("rest", "by"),
    [({"shipped": 1}, "shipped"), ({"holds": False}, "cancelled"), ({"units": 0}, "cancelled")],
    ids=["shipped", "cancelled", "refunded in the store"],
)
def test_what_the_store_did_closes_it_for_good(late: World, rest: dict[str, int], by: str) -> None:
    work_risks(late, late.merchant_id)
    late.clock.advance(hours=1)
    order(late, "A", late.now() - timedelta(hours=1), **rest)
    assert work_risks(late, late.merchant_id).closed == 1
    (risk,) = risks(late)
    assert (risk.status, risk.closed_by) == ("closed", by)
    assert [entry[2] for entry in risk.history] == ["opened", "closed"]


def test_an_order_sold_from_stock_that_its_source_leaves_out_is_safe(world: World) -> None:
    order(world, "A", world.now())
    promise(world, "A", date(2026, 1, 8), basis="stock")
    position(world, state="out_of_stock")
    with world.engine.begin() as db:
        db.exec_driver_sql("delete from allocation")  # the source's number knows of the sale
    world.clock.advance(days=30)
    assert work_risks(world, world.merchant_id).opened == 0
