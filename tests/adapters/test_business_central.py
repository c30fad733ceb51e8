"""What is special about Business Central: one number over all locations, units, drafts, tokens, permissions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.kit.live import LiveSource
from adapters.suppliers.business_central import MANIFEST
from connector.ports.errors import Misconfigured, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming
from simulator.business_central import (
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY,
    ENVIRONMENT,
    TENANT,
    BusinessCentralServer,
)
from tests.adapters.erp_support import HOME, on_order, stock


@pytest.fixture(scope="module")
def running() -> Iterator[BusinessCentralServer]:
    with BusinessCentralServer() as server:
        yield server


@pytest.fixture
def server(running: BusinessCentralServer, monkeypatch: pytest.MonkeyPatch) -> BusinessCentralServer:
    monkeypatch.setattr("adapters.kit.api.pause", lambda seconds: None)
    running.settle()
    running.tables.clear()
    running.forbidden.clear()
    running.services = {"ItemLedgerEntries": "ledger", "Units": "units"}
    running.token_s = 3600
    running.put("companies", "c1", name=COMPANY, displayName="Cronus")
    running.put("locations", "l1", code="EAST")
    running.put("locations", "l2", code="WEST")
    item(running, "1896-S", inventory=10)
    item(running, "1900-S", inventory=4, gtin="4006381333931")
    for number, (code, place, left, is_open) in enumerate(
        [("1896-S", "EAST", 6, True), ("1896-S", "EAST", 2, True), ("1896-S", "WEST", 2, True),
         ("1896-S", "WEST", 0, False), ("1900-S", "EAST", 4, True)], 1,
    ):  # fmt: skip
        running.put(
            "ledger", number, Item_No=code, Location_Code=place, Remaining_Quantity=left, Open=is_open
        )
    running.put("units", "BOX", Item_No="1896-S", Qty_per_Unit_of_Measure=12)
    return running


def item(server: BusinessCentralServer, code: str, **values: Any) -> None:
    server.put("items", f"id-{code}", **{
        "number": code, "displayName": code, "type": "Inventory", "blocked": False, "gtin": "",
        "inventory": 0, "unitCost": 1.5, "baseUnitOfMeasureCode": "PCS", "lastModifiedDateTime": "2026-11-22",
        **values,
    })  # fmt: skip


def sold(server: BusinessCentralServer, order: str, **values: Any) -> None:
    server.put("salesOrders", order, number=order, status=values.pop("status", "Open"), fullyShipped=False)
    server.put("salesOrderLines", f"line of {order}", **{
        "documentId": order, "itemId": "id-1896-S", "unitOfMeasureCode": "PCS", "quantity": 3,
        "shippedQuantity": 1, "locationId": "l1", **values,
    })  # fmt: skip


def bought(server: BusinessCentralServer, order: str, **values: Any) -> None:
    server.put("purchaseOrders", order, number=order, status=values.pop("status", "Open"), fullyReceived=False,
               requestedReceiptDate="2026-12-01")  # fmt: skip
    server.put("purchaseOrderLines", f"line of {order}", **{
        "documentId": order, "itemId": "id-1896-S", "unitOfMeasureCode": "PCS", "quantity": 5,
        "receivedQuantity": 2, "locationId": "l2", "expectedReceiptDate": "2026-12-03", **values,
    })  # fmt: skip


def source(server: BusinessCentralServer, **config: str) -> LiveSource:
    settings = {"tenant": TENANT, "environment": ENVIRONMENT, "client_id": CLIENT_ID,
                "api_url": server.url, "login_url": server.url, **config}  # fmt: skip
    built = MANIFEST.build(settings, {"client_secret": CLIENT_SECRET}, HOME)
    assert isinstance(built, LiveSource)
    return built


def test_what_customers_ordered_is_not_sold_again_whatever_the_orders_status(
    server: BusinessCentralServer,
) -> None:
    sold(server, "S1")
    sold(server, "S2", status="Draft", quantity=1, shippedQuantity=0, locationId="l2")
    assert stock(source(server)) == {("1896-S", ""): 7.0, ("1900-S", ""): 4.0}
    assert stock(source(server, quantity="on_hand")) == {("1896-S", ""): 10.0, ("1900-S", ""): 4.0}


def test_locations_are_summed_up_from_open_entries(server: BusinessCentralServer) -> None:
    sold(server, "S1")
    assert stock(source(server, locations="EAST, WEST")) == {
        ("1896-S", "EAST"): 6.0, ("1896-S", "WEST"): 2.0, ("1900-S", "EAST"): 4.0, ("1900-S", "WEST"): 0.0,
    }  # fmt: skip


def test_blocked_items_and_services_are_left_out_and_barcodes_may_name_items(
    server: BusinessCentralServer,
) -> None:
    item(server, "OLD", blocked=True)
    item(server, "ADVICE", type="Service")
    assert sorted(code for code, _ in stock(source(server))) == ["1896-S", "1900-S"]
    by_barcode = source(server, code="gtin").api
    assert by_barcode.fields[0] == ("gtin", "gtin")
    assert sorted(row.gtin for row in by_barcode.rows()) == ["", "4006381333931"]


def test_an_order_in_a_unit_that_nobody_explained_makes_the_number_unknown(
    server: BusinessCentralServer,
) -> None:
    sold(server, "S1", unitOfMeasureCode="BOX", quantity=1, shippedQuantity=0)
    assert stock(source(server))["1896-S", ""] is None
    assert stock(source(server, units="Units"))["1896-S", ""] == -2.0


def test_released_orders_are_told_with_what_has_not_been_received(server: BusinessCentralServer) -> None:
    bought(server, "P1")
    bought(server, "P2", status="Draft")
    bought(server, "P3", receivedQuantity=5)
    bought(
        server,
        "P4",
        unitOfMeasureCode="BOX",
        quantity=2,
        receivedQuantity=1,
        expectedReceiptDate="0001-01-01",
    )
    third = datetime(2026, 12, 3, 12, tzinfo=UTC)
    assert on_order(source(server)) == [SupplierIncoming("line of P1", "P1", "1896-S", 3, third)]
    assert on_order(source(server, units="Units", locations="WEST")) == [
        SupplierIncoming("line of P1", "P1", "1896-S", 3, third, "WEST"),
        SupplierIncoming("line of P4", "P4", "1896-S", 12, datetime(2026, 12, 1, 12, tzinfo=UTC), "WEST"),
    ]
    assert on_order(source(server, locations="EAST")) == []


def test_an_app_that_may_not_read_orders_still_gives_stock(server: BusinessCentralServer) -> None:
    server.forbidden.add("purchaseOrders")
    assert source(server).check() == (
        f"{COMPANY} was found: 2 items with stock, locations EAST, WEST. "
        "This app may not read what is on order, so it gives no restock dates."
    )
    assert len(stock(source(server))) == 2
    with pytest.raises(Unsupported):
        on_order(source(server))


def test_an_app_without_a_permission_set_says_where_to_give_one(server: BusinessCentralServer) -> None:
    server.forbidden.add("items")
    with pytest.raises(Unauthorized, match="Microsoft Entra Applications"):
        source(server).check()


def test_a_token_is_kept_for_its_life_and_renewed_before_it_ends(server: BusinessCentralServer) -> None:
    server.tokens.clear()
    found = source(server)
    stock(found)
    assert len(server.tokens) == 1
    server.tokens = dict.fromkeys(server.tokens, 0.0)
    stock(found)
    assert len(server.tokens) == 2


def test_the_newest_entry_tells_whether_all_inventory_changed(server: BusinessCentralServer) -> None:
    server.put("itemLedgerEntries", 7, itemNumber="1896-S", quantity=1)
    all_of_it = source(server, quantity="on_hand").api
    before = all_of_it.change_mark()
    assert (before, source(server).api.change_mark()) == (all_of_it.change_mark(), "")
    server.put("itemLedgerEntries", 8, itemNumber="1896-S", quantity=-1)
    assert all_of_it.change_mark() != before


@pytest.mark.parametrize(
    ("config", "field", "said"),
    [
        ({"company": "Contoso"}, "company", COMPANY),
        ({"environment": "Sandbox"}, "environment", "admin center"),
        ({"locations": "NORTH"}, "locations", "EAST, WEST"),
        ({"locations": "EAST", "ledger": "Entries"}, "ledger", "page 38"),
        ({"units": "ItemUnits"}, "units", "page 5404"),
        ({"tenant": "a/b"}, "tenant", "Directory"),
    ],
)
def test_a_wrong_choice_names_its_field_and_what_to_do(
    server: BusinessCentralServer, config: dict[str, str], field: str, said: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        api = source(server, **config).api
        api.check()
        list(api.rows())
    assert (caught.value.field, said in caught.value.remedy) == (field, True)


def test_several_companies_want_a_choice(server: BusinessCentralServer) -> None:
    server.put("companies", "c2", name="Second", displayName="Second")
    with pytest.raises(Misconfigured) as caught:
        source(server).check()
    assert caught.value.field == "company"
    assert source(server, company="Cronus").check().startswith(COMPANY)
