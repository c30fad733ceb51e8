"""What is special about SAP S/4HANA: kinds of stock, what is not listed, units, receipts against schedule lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapters.kit.live import LiveSource
from adapters.suppliers.sap_s4hana import MANIFEST
from connector.ports.errors import Misconfigured, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming
from simulator.sap_s4hana import PASSWORD, USER, SapServer, sap_date
from tests.adapters.erp_support import HOME, on_order, stock

THIRD, NINTH = (datetime(2026, 12, day, 12, tzinfo=UTC) for day in (3, 9))


@pytest.fixture(scope="module")
def running() -> Iterator[SapServer]:
    with SapServer() as server:
        yield server


@pytest.fixture
def server(running: SapServer, monkeypatch: pytest.MonkeyPatch) -> SapServer:
    monkeypatch.setattr("adapters.kit.api.pause", lambda seconds: None)
    running.settle()
    running.tables.clear()
    running.inactive.clear()
    for plant in ("1010", "1710"):
        running.put("A_ProductPlant", Product="TG11", Plant=plant, BaseUnit="PC")
    running.put("A_ProductPlant", Product="TG12", Plant="1010", BaseUnit="PC")
    running.put("A_ProductPlant", Product="OLD", Plant="1010", BaseUnit="PC", IsMarkedForDeletion=True)
    running.put("A_Product", Product="TG11", ProductStandardID="4006381333931")
    for plant, place, kind, special, units in (
        ("1010", "101A", "01", "", "5.000"), ("1010", "101A", "02", "", "100.000"), ("1010", "101B", "01", "", "2.500"),
        ("1010", "101A", "01", "E", "50.000"), ("1710", "171A", "01", "", "9.000"), ("1010", "101A", "07", "", "1.000"),
    ):  # fmt: skip
        running.put("A_MatlStkInAcctMod", Material="TG11", Plant=plant, StorageLocation=place,
                    InventoryStockType=kind, InventorySpecialStockType=special,
                    MatlWrhsStkQtyInMatlBaseUnit=units)  # fmt: skip
    return running


def order(server: SapServer, number: str, *days: tuple[str, date | None], **values: Any) -> None:
    header = {name: values.pop(name) for name in tuple(values) if name in (
        "ReleaseIsNotCompleted", "PurchasingCompletenessStatus", "SupplyingPlant")}  # fmt: skip
    server.put("A_PurchaseOrder", PurchaseOrder=number, **header)
    lines = [
        {"ScheduleLine": str(at), "ScheduleLineDeliveryDate": sap_date(day) if day else None,
         "ScheduleLineOrderQuantity": units}
        for at, (units, day) in enumerate(days or (("12", date(2026, 12, 3)),), 1)
    ]  # fmt: skip
    server.put("A_PurchaseOrderItem", **{
        "PurchaseOrder": number, "PurchaseOrderItem": "00010", "Material": "TG11", "Plant": "1010",
        "StorageLocation": "101A", "PurchaseOrderQuantityUnit": "PC", "GoodsReceiptIsExpected": True,
        "to_ScheduleLine": {"results": lines}, **values,
    })  # fmt: skip


def came(server: SapServer, number: str, movement: str, units: str) -> None:
    documents = server.tables["A_MaterialDocumentItem"]
    server.put("A_MaterialDocumentItem", MaterialDocumentYear="2026", MaterialDocument=f"5{len(documents)}",
               PurchaseOrder=number, PurchaseOrderItem="10", GoodsMovementType=movement,
               QuantityInBaseUnit=units)  # fmt: skip


def source(server: SapServer, **config: str) -> LiveSource:
    built = MANIFEST.build({"url": server.url, "username": USER, **config}, {"password": PASSWORD}, HOME)
    assert isinstance(built, LiveSource)
    return built


def test_only_unrestricted_stock_of_ones_own_counts(server: SapServer) -> None:
    assert stock(source(server)) == {("TG11", ""): 16.5, ("TG12", ""): 0.0}


def test_plants_and_storage_locations_are_told_apart(server: SapServer) -> None:
    assert stock(source(server, plants="1010, 1710")) == {
        ("TG11", "1010"): 7.5, ("TG11", "1710"): 9.0, ("TG12", "1010"): 0.0,
    }  # fmt: skip
    assert stock(source(server, plants="1010/101B")) == {
        ("TG11", "1010/101B"): 2.5,
        ("TG12", "1010/101B"): 0.0,
    }


def test_barcodes_may_name_items(server: SapServer) -> None:
    found = source(server, code="gtin").api
    assert found.fields[0] == ("gtin", "gtin")
    assert sorted(row.gtin for row in found.rows()) == ["", "4006381333931"]
    order(server, "1")
    assert [one.item for one in on_order(source(server, code="gtin"))] == ["4006381333931"]


def test_receipts_are_taken_off_the_earliest_schedule_lines(server: SapServer) -> None:
    order(server, "1", ("10", date(2026, 12, 9)), ("10", date(2026, 12, 3)))
    came(server, "1", "101", "15")
    came(server, "1", "102", "3")
    came(server, "1", "543", "99")
    assert on_order(source(server, plants="1010")) == [
        SupplierIncoming("1/00010/1", "1", "TG11", 8, NINTH, "1010"),
    ]


def test_lines_in_another_unit_are_told_in_the_base_unit(server: SapServer) -> None:
    server.put("A_ProductUnitsOfMeasure", Product="TG11", AlternativeUnit="CAR", QuantityNumerator="12",
               QuantityDenominator="1")  # fmt: skip
    order(server, "1", ("2", date(2026, 12, 3)), PurchaseOrderQuantityUnit="CAR")
    order(server, "2", PurchaseOrderQuantityUnit="PAL")
    came(server, "1", "101", "12")
    assert on_order(source(server)) == [SupplierIncoming("1/00010/1", "1", "TG11", 12, THIRD)]


@pytest.mark.parametrize(
    "values",
    [
        {"ReleaseIsNotCompleted": True},
        {"PurchasingCompletenessStatus": True},
        {"SupplyingPlant": "1710"},
        {"IsCompletelyDelivered": True},
        {"PurchasingDocumentDeletionCode": "L"},
        {"IsReturnsItem": True},
        {"GoodsReceiptIsExpected": False},
        {"PurchaseOrderItemCategory": "5"},
        {"AccountAssignmentCategory": "K"},
        {"Plant": "9999"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_does_not_come_to_the_shelf_is_not_on_order(server: SapServer, values: dict[str, Any]) -> None:
    order(server, "1", **values)
    order(server, "2")
    assert [one.name for one in on_order(source(server, plants="1010"))] == ["2"]


def test_a_user_without_goods_receipts_still_gives_stock_and_no_dates(server: SapServer) -> None:
    order(server, "1")
    server.inactive.add("API_MATERIAL_DOCUMENT_SRV")
    assert source(server).check() == (
        "SAP S/4HANA was found: 3 materials in plants, plants 1010, 1710. "
        "This user may not read orders and goods receipts, so it gives no restock dates."
    )
    assert len(stock(source(server))) == 2
    with pytest.raises(Unsupported):
        on_order(source(server))


def test_a_service_that_is_not_active_names_the_arrangement(server: SapServer) -> None:
    server.inactive.add("API_MATERIAL_STOCK_SRV")
    with pytest.raises(Unauthorized, match="communication arrangement"):
        source(server).check()


def test_the_client_goes_along_where_there_is_one(server: SapServer) -> None:
    source(server, client="100").check()
    assert {ask.params.get("sap-client") for ask in server.asks} == {"100"}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"plants": "3000"}, "plants"),
        ({"plants": "1010/1/2"}, "plants"),
        ({"client": "x"}, "client"),
        ({"url": "sap"}, "url"),
        ({"code": "ean"}, "code"),
    ],
)
def test_a_wrong_choice_names_its_field(server: SapServer, config: dict[str, str], field: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(server, **config).check()
    assert caught.value.field == field
