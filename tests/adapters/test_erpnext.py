"""What is special about ERPNext: warehouses in a tree, what is reserved, units, orders that nobody expects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.kit.live import LiveSource
from adapters.suppliers.erpnext import MANIFEST
from connector.ports.errors import Misconfigured, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming
from simulator.erpnext import KEY, SECRET, ErpnextServer
from tests.adapters.erp_support import HOME, on_order, stock


@pytest.fixture(scope="module")
def running() -> Iterator[ErpnextServer]:
    with ErpnextServer() as site:
        yield site


@pytest.fixture
def site(running: ErpnextServer, monkeypatch: pytest.MonkeyPatch) -> ErpnextServer:
    monkeypatch.setattr("adapters.kit.api.pause", lambda seconds: None)
    running.settle()
    running.tables.clear()
    running.forbidden.clear()
    running.put("Warehouse", "All - C", company="C", is_group=1, lft=1, rgt=8)
    running.put("Warehouse", "North - C", company="C", lft=2, rgt=3)
    running.put("Warehouse", "South - C", company="C", lft=4, rgt=5)
    running.put("Warehouse", "On the road - C", company="C", lft=6, rgt=7, warehouse_type="Transit")
    running.put("Warehouse", "Stores - D", company="D", lft=9, rgt=10)
    running.put("Item", "Lamp", item_name="A lamp", stock_uom="Nos", is_stock_item=1, lead_time_days=9)
    running.put("Bin", "1", item_code="Lamp", warehouse="North - C", actual_qty=10.0, reserved_qty=3.0,
                reserved_qty_for_production=1.0, reserved_qty_for_sub_contract=1.0)  # fmt: skip
    running.put("Bin", "2", item_code="Lamp", warehouse="South - C", actual_qty=4.5)
    running.put("Bin", "3", item_code="Lamp", warehouse="On the road - C", actual_qty=100.0)
    running.put("Bin", "4", item_code="Lamp", warehouse="Stores - D", actual_qty=7.0)
    return running


def source(site: ErpnextServer, **config: Any) -> LiveSource:
    secrets = {"api_key": KEY, "api_secret": SECRET}
    built = MANIFEST.build({"url": site.url, **config}, secrets, HOME)
    assert isinstance(built, LiveSource)
    return built


def test_what_is_reserved_is_not_sold_again_and_goods_under_way_are_not_there(site: ErpnextServer) -> None:
    assert stock(source(site)) == {("Lamp", ""): 16.5}
    assert stock(source(site, quantity="on_hand")) == {("Lamp", ""): 21.5}


def test_chosen_warehouses_are_told_apart_and_a_group_is_what_is_in_it(site: ErpnextServer) -> None:
    assert stock(source(site, warehouses="South - C")) == {("Lamp", "South - C"): 4.5}
    assert stock(source(site, warehouses="All - C")) == {
        ("Lamp", "North - C"): 5.0, ("Lamp", "South - C"): 4.5, ("Lamp", "On the road - C"): 100.0,
    }  # fmt: skip


def test_one_company_is_read_where_there_are_two(site: ErpnextServer) -> None:
    assert stock(source(site, company="D")) == {("Lamp", ""): 7.0}


def test_disabled_items_templates_and_services_are_left_out_and_what_never_moved_is_zero(
    site: ErpnextServer,
) -> None:
    site.put("Item", "Old", is_stock_item=1, disabled=1)
    site.put("Item", "Shirt", is_stock_item=1, has_variants=1)
    site.put("Item", "Advice", is_stock_item=0)
    site.put("Item", "New", is_stock_item=1)
    assert stock(source(site)) == {("Lamp", ""): 16.5, ("New", ""): 0.0}
    assert stock(source(site, warehouses="South - C")) == {
        ("Lamp", "South - C"): 4.5, ("New", "South - C"): 0.0,
    }  # fmt: skip


def test_names_that_the_server_sorts_without_regard_to_case_are_all_read(
    site: ErpnextServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.suppliers.erpnext.stock.PAGE", 2)
    for code in ("apple", "Bear", "cake", "Zoo", "zip"):
        site.put("Item", code, is_stock_item=1)
    assert sorted(code for code, _ in stock(source(site))) == ["Bear", "Lamp", "Zoo", "apple", "cake", "zip"]


def line(site: ErpnextServer, name: str, order: str = "PUR-1", **values: Any) -> None:
    site.put("Purchase Order Item", name, **{
        "parent": order, "docstatus": 1, "item_code": "Lamp", "warehouse": "North - C", "qty": 4.0,
        "conversion_factor": 12.0, "schedule_date": "2026-12-03", **values,
    })  # fmt: skip


def test_a_line_over_dozens_is_told_in_pieces_with_the_suppliers_own_date(site: ErpnextServer) -> None:
    site.put("Purchase Order", "PUR-1", docstatus=1, status="To Receive and Bill", company="C")
    line(site, "a", received_qty=1.0, expected_delivery_date="2026-12-09")
    assert on_order(source(site, warehouses="North - C")) == [
        SupplierIncoming("a", "PUR-1", "Lamp", 36, datetime(2026, 12, 9, 12, tzinfo=UTC), "North - C")
    ]


def test_what_nobody_expects_is_not_on_order(site: ErpnextServer) -> None:
    for order, status, docstatus in (
        ("OPEN", "To Receive", 1), ("HELD", "On Hold", 1), ("CLOSED", "Closed", 1), ("DRAFT", "Draft", 0),
        ("DONE", "To Bill", 1), ("GONE", "Cancelled", 2),
    ):  # fmt: skip
        site.put("Purchase Order", order, docstatus=docstatus, status=status, company="C")
        line(site, f"line of {order}", order, docstatus=docstatus)
    line(site, "to a customer", "OPEN", delivered_by_supplier=1)
    line(site, "received", "OPEN", received_qty=4.0)
    line(site, "elsewhere", "OPEN", warehouse="Stores - D")
    assert [one.reference for one in on_order(source(site, company="C"))] == ["line of OPEN"]


def test_many_orders_are_asked_for_a_few_at_a_time(
    site: ErpnextServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.suppliers.erpnext.stock.ORDERS_AT_ONCE", 2)
    for number in range(5):
        site.put("Purchase Order", f"PUR-{number}", docstatus=1, status="To Receive", company="C")
        line(site, f"line {number}", f"PUR-{number}")
    assert [one.name for one in on_order(source(site))] == [f"PUR-{number}" for number in range(5)]


def test_a_key_that_may_not_read_orders_still_gives_stock(site: ErpnextServer) -> None:
    site.forbidden.add("Purchase Order")
    assert source(site).check() == (
        "ERPNext was found: 1 items with stock, warehouses North - C, South - C, Stores - D. "
        "This key may not read what is on order, so it gives no restock dates."
    )
    assert stock(source(site)) == {("Lamp", ""): 16.5}
    with pytest.raises(Unsupported):
        on_order(source(site))


def test_a_key_that_may_not_read_stock_says_what_to_grant(site: ErpnextServer) -> None:
    site.forbidden.add("Bin")
    with pytest.raises(Unauthorized, match="right to read Item, Bin, Warehouse"):
        source(site).check()


def test_a_change_of_what_is_reserved_is_a_change(site: ErpnextServer) -> None:
    before = source(site).api.change_mark()
    assert before == source(site).api.change_mark()
    site.put("Bin", "2", item_code="Lamp", warehouse="South - C", actual_qty=4.5, reserved_qty=1.0)
    assert before != source(site).api.change_mark()


@pytest.mark.parametrize(
    ("config", "field", "said"),
    [
        ({"warehouses": "Nowhere"}, "warehouses", "North - C"),
        ({"company": "E"}, "company", "C, D"),
        ({"url": "ftp://shop"}, "url", "https://"),
        ({"quantity": "free"}, "quantity", "available, on_hand"),
        ({"incoming": "maybe"}, "incoming", "yes"),
    ],
)
def test_a_wrong_choice_names_its_field_and_what_there_is(
    site: ErpnextServer, config: dict[str, str], field: str, said: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(site, **config).check()
    assert (caught.value.field, said in caught.value.remedy) == (field, True)


def test_a_missing_secret_names_its_field() -> None:
    with pytest.raises(Misconfigured) as caught:
        MANIFEST.build({"url": "https://shop.example"}, {"api_key": "k"}, HOME)
    assert caught.value.field == "api_secret"
