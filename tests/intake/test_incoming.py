"""What a supplier's system has on order follows each look at its stock, through to the restock date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from connector.ports.errors import PortError, Retryable, Unsupported
from connector.ports.incoming import SupplierIncoming
from tests.intake.conftest import SUPPLIER, Shop
from tests.intake.fakes import FakeSupplier


@dataclass
class Orders(FakeSupplier):
    """A supplier that also tells what is on order."""

    reads_incoming: bool = True
    lines: list[SupplierIncoming] = field(default_factory=list)
    refuses: PortError | None = None
    asked: int = 0

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        self.asked += 1
        if self.refuses:
            raise self.refuses
        yield self.lines


@pytest.fixture
def orders(shop: Shop) -> Orders:
    supplier = Orders()
    shop.supplier = shop.rt.suppliers[SUPPLIER] = supplier
    shop.add_variant("A-1")
    return supplier


def line(shop: Shop, days: float, **more: Any) -> SupplierIncoming:
    given = {"reference": "line 7", "name": "P00003", "item": " a-1", "units": 5, **more}
    return SupplierIncoming(arrives_at=day(shop, days), **given)


def day(shop: Shop, days: float) -> datetime:
    return shop.rt.clock().replace(hour=12) + timedelta(days=days)


def restock(shop: Shop) -> tuple[date | None, str]:
    found: tuple[Any, Any] = shop.all("select restock_on, restock_basis from position")[0]
    return found


OUT = "SKU,Stock\nA-1,0\n"


def test_an_order_dates_the_restock_a_slip_moves_it_and_a_receipt_closes_it(
    shop: Shop, orders: Orders
) -> None:
    orders.lines = [line(shop, 5)]
    first = orders.lines[0].arrives_at
    assert shop.run(OUT).status == "applied"
    assert first and restock(shop) == (first.date(), "shipment")
    assert shop.all("select reference, name, units from incoming") == [("line 7", "P00003", 5)]

    orders.lines = [line(shop, 19, units=4)]
    slipped = orders.lines[0].arrives_at
    assert shop.run().status == "unchanged"
    assert slipped and restock(shop) == (slipped.date(), "shipment")

    orders.lines = []
    shop.run()
    assert restock(shop) == (None, "")
    assert shop.all("select count(*) from incoming") == [(0,)]
    assert orders.asked == 3


def test_packs_are_whole_and_unknown_items_are_left_out(shop: Shop, orders: Orders) -> None:
    shop.run(OUT)
    shop.all("update supplier_item set units_per_variant = 6 returning 1")
    orders.lines = [
        line(shop, 5, reference="too few", units=5),
        line(shop, 6, reference="two packs", units=17),
        line(shop, 4, reference="another item", item="B-2"),
    ]

    shop.run()

    assert shop.all("select reference, units from incoming") == [("two packs", 2)]
    assert shop.all("select shape -> 'incoming' from run order by id desc limit 1") == [({"lines": 3},)]


def test_only_what_goes_where_stock_is_counted_counts(shop: Shop, orders: Orders) -> None:
    shop.source(
        mapping={"columns": {"sku": "SKU", "quantity": "Stock", "location": "At"}, "locations": ["WH"]}
    )
    orders.lines = [
        line(shop, 3, reference="elsewhere", location="EAST"),
        line(shop, 5, reference="here", location="wh"),
        line(shop, 6, reference="somewhere"),
    ]

    shop.run("SKU,Stock,At\nA-1,0,WH\n")

    assert shop.all("select reference from incoming order by 1") == [("here",), ("somewhere",)]


def test_orders_that_cannot_be_read_fail_no_run_and_keep_their_dates(shop: Shop, orders: Orders) -> None:
    orders.lines = [line(shop, 5)]
    shop.run(OUT)
    before = restock(shop)
    orders.refuses = Retryable("erp", "orders", "No answer came in time.", "It is read again.")

    outcome = shop.run("SKU,Stock\nA-1,0\nB-2,1\n")

    assert (outcome.status, restock(shop)) == ("applied", before)
    assert shop.all("select shape -> 'incoming' ->> 'problem' from run order by id desc limit 1") == [
        ("No answer came in time. It is read again.",)
    ]


@pytest.mark.parametrize("how", ["no rights any more", "switched off"])
def test_orders_that_are_told_no_longer_take_their_dates_along(shop: Shop, orders: Orders, how: str) -> None:
    orders.lines = [line(shop, 5)]
    shop.run(OUT)
    if how == "switched off":
        orders.reads_incoming = False
    else:
        orders.refuses = Unsupported("erp", "orders", "This user may not read purchase orders.")

    shop.run()

    assert restock(shop) == (None, "")
    assert shop.all("select cursors from connection where id = 2") == [({},)]


def test_a_file_handed_over_says_nothing_about_orders(shop: Shop, orders: Orders, tmp_path: Any) -> None:
    orders.lines = [line(shop, 5)]
    orders.text = OUT
    feed = orders.fetch(None, tmp_path)

    shop.run(feed=feed)

    assert (orders.asked, restock(shop)) == (0, (None, ""))
