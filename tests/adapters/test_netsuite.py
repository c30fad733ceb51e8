"""What is special about NetSuite: signed assertions, locations by item, nulls, orders that nobody expects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.kit.live import LiveSource
from adapters.suppliers.netsuite import MANIFEST
from connector.ports.errors import Misconfigured, Unauthorized, Unsupported
from connector.ports.incoming import SupplierIncoming
from simulator.netsuite import CERTIFICATE_ID, CLIENT_ID, NetSuiteServer, new_key
from tests.adapters.erp_support import HOME, on_order, stock

PEM, PUBLIC = new_key()


@pytest.fixture(scope="module")
def running() -> Iterator[NetSuiteServer]:
    with NetSuiteServer() as server:
        yield server


@pytest.fixture
def server(running: NetSuiteServer, monkeypatch: pytest.MonkeyPatch) -> NetSuiteServer:
    monkeypatch.setattr("adapters.kit.api.pause", lambda seconds: None)
    running.settle()
    for forgotten in (running.tables, running.forbidden, running.tokens, running.refusals):
        forgotten.clear()
    running.certificates = {CERTIFICATE_ID: PUBLIC}
    for id_, name, is_inactive in ((1, "East", "F"), (2, "West", "F"), (3, "Closed", "T")):
        running.put("location", id=id_, name=name, isinactive=is_inactive)
    item(running, 7, "LAMP", upccode="4006381333931")
    item(running, 8, "BOWL", itemtype="Assembly")
    for place, available, there in ((1, 5, 9), (2, 2.5, 2.5), (3, 100, 100)):
        running.put("aggregateitemlocation", item=7, location=place, quantityavailable=available,
                    quantityonhand=there)  # fmt: skip
    running.put("aggregateitemlocation", item=8, location=1)
    return running


def item(server: NetSuiteServer, id_: int, code: str, **values: Any) -> None:
    server.put("item", **{"id": id_, "itemid": code, "displayname": code, "isinactive": "F",
                          "itemtype": "InvtPart", **values})  # fmt: skip


def line(server: NetSuiteServer, key: int, **values: Any) -> None:
    server.put("transaction", **{
        "uniquekey": key, "tranid": f"PO{key}", "type": "PurchOrd", "status": "PurchOrd:B", "mainline": "F",
        "taxline": "F", "isclosed": "F", "item": 7, "location": 1, "quantity": 12, "dropship": "F",
        "expectedreceiptdate": "2026-12-03", **values,
    })  # fmt: skip


def source(server: NetSuiteServer, pem: str = PEM, **config: str) -> LiveSource:
    settings = {"account": "1234567", "client_id": CLIENT_ID, "certificate_id": CERTIFICATE_ID,
                "api_url": server.url, **config}  # fmt: skip
    built = MANIFEST.build(settings, {"private_key": pem}, HOME)
    assert isinstance(built, LiveSource)
    return built


def pem_of(key: Any) -> str:
    text: str = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return text


def test_what_is_committed_is_not_sold_again_and_closed_locations_do_not_count(
    server: NetSuiteServer,
) -> None:
    assert stock(source(server)) == {("LAMP", ""): 7.5, ("BOWL", ""): 0.0}
    assert stock(source(server, quantity="on_hand")) == {("LAMP", ""): 11.5, ("BOWL", ""): 0.0}


def test_chosen_locations_are_told_apart(server: NetSuiteServer) -> None:
    assert stock(source(server, locations="East, West")) == {
        ("LAMP", "East"): 5.0, ("LAMP", "West"): 2.5, ("BOWL", "East"): 0.0,
    }  # fmt: skip
    assert stock(source(server, locations="West"))["BOWL", "West"] == 0.0


def test_an_item_without_any_stock_record_is_unknown_and_not_zero(server: NetSuiteServer) -> None:
    item(server, 9, "VASE")
    assert stock(source(server))["VASE", ""] is None


def test_inactive_items_and_services_are_left_out(server: NetSuiteServer) -> None:
    item(server, 9, "OLD", isinactive="T")
    item(server, 10, "ADVICE", itemtype="Service")
    assert sorted(code for code, _ in stock(source(server))) == ["BOWL", "LAMP"]


def test_items_may_be_named_by_their_upc_code(server: NetSuiteServer) -> None:
    found = source(server, code="upccode").api
    assert found.fields[0] == ("gtin", "gtin")
    assert [row.gtin for row in found.rows()] == ["4006381333931", ""]


def test_open_lines_are_told_with_what_is_left_and_others_are_not(server: NetSuiteServer) -> None:
    line(server, 1, quantityshiprecv=5, status="D")
    for key, values in enumerate(
        [{"status": "PurchOrd:A"}, {"status": "PurchOrd:H"}, {"isclosed": "T"}, {"quantityshiprecv": 12},
         {"dropship": "T"}, {"type": "SalesOrd"}, {"location": 3}], 2,
    ):  # fmt: skip
        line(server, key, **values)
    line(server, 20, expectedreceiptdate=None, location=None)
    assert on_order(source(server, locations="East")) == [
        SupplierIncoming("1", "PO1", "LAMP", 7, datetime(2026, 12, 3, 12, tzinfo=UTC), "East"),
        SupplierIncoming("20", "PO20", "LAMP", 12, None, ""),
    ]


def test_a_role_that_may_not_see_orders_still_gives_stock(server: NetSuiteServer) -> None:
    server.forbidden.add("transaction")
    assert source(server).check() == (
        "NetSuite was found: 2 items with stock, locations East, West. "
        "This role may not read what is on order, so it gives no restock dates."
    )
    with pytest.raises(Unsupported):
        on_order(source(server))


def test_a_role_that_may_not_see_stock_says_what_to_grant(server: NetSuiteServer) -> None:
    server.forbidden.add("aggregateitemlocation")
    with pytest.raises(Unauthorized, match="view Items, Locations"):
        source(server).check()


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
)
def test_assertions_are_signed_as_the_key_allows(server: NetSuiteServer, key: Any) -> None:
    server.certificates = {CERTIFICATE_ID: key.public_key()}
    assert len(stock(source(server, pem_of(key)))) == 2
    assert (len(server.tokens), server.refusals) == (1, [])


def test_another_key_than_the_certificates_is_refused_and_named(server: NetSuiteServer) -> None:
    server.certificates = {CERTIFICATE_ID: new_key()[1]}
    with pytest.raises(Unauthorized, match="Client Credentials Setup"):
        source(server).check()
    assert set(server.refusals) == {"InvalidSignatureError"}
    assert server.tokens == {}


def test_a_token_that_ended_is_renewed_once(server: NetSuiteServer) -> None:
    found = source(server)
    stock(found)
    server.tokens = dict.fromkeys(server.tokens, 0.0)
    stock(found)
    assert len(server.tokens) == 2


def test_a_sandbox_has_its_name_in_the_address_and_the_key_in_no_message() -> None:
    settings = {"account": "1234567_SB1", "client_id": CLIENT_ID, "certificate_id": CERTIFICATE_ID}
    found = MANIFEST.build(settings, {"private_key": PEM}, HOME)
    assert found.api._netsuite._token_url == (
        "https://1234567-sb1.suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/token"
    )
    assert repr(found.api._netsuite._key) == "Key(ES256)"


@pytest.mark.parametrize(
    ("config", "pem", "field"),
    [
        ({"locations": "North"}, PEM, "locations"),
        ({"account": "https://x"}, PEM, "account"),
        ({}, "not a key", "private_key"),
        ({}, pem_of(ec.generate_private_key(ec.SECP256K1())), "private_key"),
    ],
)
def test_a_wrong_choice_names_its_field(
    server: NetSuiteServer, config: dict[str, str], pem: str, field: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        source(server, pem, **config).check()
    assert caught.value.field == field
    assert "PRIVATE" not in str(caught.value)
