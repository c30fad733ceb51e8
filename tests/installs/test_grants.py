"""Optional permissions: asked for with the reason, believed by the store's own word, taken back at any time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from adapters.stores.shopify.app import grant_url
from simulator.shopify import ShopifyServer
from tests.installs.scene import CLIENT_ID, Admin, make_shop, serve

LEAST = (
    "read_products",
    "write_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "write_app_proxy",
)
INCOMING = ("read_inventory_shipments", "read_inventory_transfers")


@pytest.fixture
def server() -> Iterator[ShopifyServer]:
    with serve(make_shop(), scopes=LEAST) as running:
        yield running


@pytest.fixture
def installed(admin: Admin) -> Admin:
    """A shop that granted the least."""
    admin.open()
    admin.work()
    return admin


def told(server: ShopifyServer) -> set[str]:
    return {one.topic for one in server.webhooks.subscriptions()}


def scopes(admin: Admin) -> str:
    return str(admin.rows("select config ->> 'scopes' as found from connection")[0].found)


def allow(admin: Admin, *granted: str) -> str:
    """The merchant says yes in the platform's dialogue; what the page shows then."""
    admin.server.grant(*granted)
    answer = admin.ask("grants", "POST", json={})
    assert answer.status_code == 200
    return answer.text


def change(admin: Admin, *now: str) -> None:
    """The webhook about a change on the platform's own pages."""
    answer = admin.hook("APP_SCOPES_UPDATE", {"id": 1, "previous": list(LEAST), "current": list(now)})
    assert answer.status_code == 200
    admin.work()


def test_the_page_says_what_may_be_allowed_why_and_what_happens_without(installed: Admin) -> None:
    page = installed.ask("state").text
    assert page.count("Not allowed") == 6
    assert 'data-scopes="read_orders"' in page
    assert 'data-scopes="read_inventory_shipments,read_inventory_transfers"' in page
    assert "no name, no address" in page
    assert "Without it a sale is known by the fall of the number in your store." in page
    french = installed.ask("state", query_string={"locale": "fr"}).text
    assert "Not allowed" not in french


def test_allowing_orders_has_them_read_and_told(installed: Admin) -> None:
    assert not {"ORDERS_CREATE", "ORDERS_UPDATED"} & told(installed.server)
    page = allow(installed, "read_orders")
    assert (page.count("Not allowed"), 'data-scopes="read_orders"' in page) == (5, False)
    installed.work()
    assert {"ORDERS_CREATE", "ORDERS_UPDATED"} <= told(installed.server)
    assert scopes(installed) == ",".join(sorted((*LEAST, "read_orders")))
    (cursor,) = installed.rows("select cursors ->> 'orders' as at from connection")
    assert cursor.at is not None
    installed.server.shop.buy({installed.server.shop.by_sku("A-1")[0].id: 2})
    installed.rows(
        "update connection set cursors = cursors || jsonb_build_object('orders', '2026-01-01T00:00:00+00:00')"
    )
    installed.rows("update schedule set next_run_at = now() where kind = 'store.orders'")
    installed.work()
    assert installed.rows("select count(*) from store_order")[0][0] == 1
    (event,) = installed.rows("select actor, detail from audit_event where action = 'store.grants'")
    assert (event.actor, event.detail) == (
        f"42@{installed.shop}",
        {"granted": ["orders"], "withdrawn": []},
    )


def test_a_no_changes_nothing(installed: Admin) -> None:
    answer = installed.ask("grants", "POST", json={})
    assert (answer.status_code, answer.text.count("Not allowed")) == (200, 6)
    assert scopes(installed) == ",".join(sorted(LEAST))
    assert installed.rows("select 1 from audit_event where action = 'store.grants'") == []


def test_what_is_allowed_on_the_platforms_own_pages_is_told_by_its_webhook(installed: Admin) -> None:
    installed.server.grant("read_orders", *INCOMING)
    change(installed, *LEAST, "read_orders", *INCOMING)
    assert installed.ask("state").text.count("Not allowed") == 4
    kinds = {row.kind for row in installed.rows("select kind from schedule where kind like 'store.%'")}
    assert "store.incoming" in kinds
    assert {"ORDERS_CREATE", "INVENTORY_SHIPMENTS_CREATE"} <= told(installed.server)


def test_a_webhook_that_lies_about_the_scopes_is_not_believed(installed: Admin) -> None:
    change(installed, *LEAST, "read_orders")
    assert scopes(installed) == ",".join(sorted(LEAST))
    assert installed.ask("state").text.count("Not allowed") == 6


def test_shipments_date_the_restock_from_the_moment_they_may_be_read(installed: Admin) -> None:
    shop = installed.server.shop
    installed.rows("""
        insert into incoming (merchant_id, connection_id, reference, variant_id, units)
        select merchant_id, connection_id, 'old', variant_id, 1 from listing limit 1
    """)
    installed.server.transfers.ship({shop.by_sku("A-1")[0].id: 9}, shop.now() + timedelta(days=5))
    allow(installed, *INCOMING)
    installed.work()
    found = installed.rows("select units, arrives_at is not null as dated from incoming")
    assert [tuple(row) for row in found] == [(9, True)]


def test_what_is_taken_back_is_read_no_more_and_the_rest_goes_on(installed: Admin) -> None:
    allow(installed, "read_orders", *INCOMING)
    installed.server.transfers.ship(
        {installed.server.shop.by_sku("A-1")[0].id: 9}, installed.server.shop.now() + timedelta(days=5)
    )
    installed.work()
    installed.server.withdraw("read_orders", *INCOMING)
    change(installed, *LEAST)
    assert installed.ask("state").text.count("Not allowed") == 6
    assert installed.rows("select 1 from incoming") == []
    assert installed.rows("select cursors ->> 'orders' as at from connection")[0].at is None
    errors = installed.rows("select kind, last_error from schedule where failures > 0")
    assert errors == []
    assert installed.row().status == "active"


def test_orders_that_are_refused_before_anybody_told_us_are_no_trouble(installed: Admin) -> None:
    """The scope was withdrawn, its webhook is late: the next reading finds out by itself."""
    allow(installed, "read_orders")
    installed.work()
    installed.server.withdraw("read_orders")
    installed.rows("update schedule set next_run_at = now() where kind = 'store.orders'")
    installed.work()
    assert scopes(installed) == ",".join(sorted(LEAST))
    assert installed.rows("select kind, last_error from schedule where failures > 0") == []


def test_a_store_that_cannot_be_asked_leaves_everything_as_it_was(installed: Admin) -> None:
    installed.server.grant("read_orders")
    installed.server.dials.maintenance = True
    answer = installed.ask("grants", "POST", json={})
    assert (answer.status_code, scopes(installed)) == (503, ",".join(sorted(LEAST)))


def test_only_the_shop_itself_may_have_its_grants_looked_at(installed: Admin) -> None:
    before = installed.server.calls["ShopContext"]
    assert installed.ask("grants", "POST", token="a.b.c", json={}).status_code == 401
    assert installed.server.calls["ShopContext"] == before


def test_the_store_page_leads_to_the_platforms_own_question(installed: Admin) -> None:
    row = installed.row()
    url = installed.ask("open", "POST", json={}).get_json()["url"]
    installed.client.get(url, headers={"Sec-Fetch-Site": "same-origin"})
    page = installed.client.get(f"/connections/{row.connection_id}").text
    address = grant_url({"shop": installed.shop, "client_id": CLIENT_ID}, ("read_orders",))
    assert address.replace("&", "&amp;") in page
    parts = urlsplit(address)
    assert (parts.netloc, parts.path) == (installed.shop, "/admin/oauth/install")
    assert parse_qs(parts.query) == {"client_id": [CLIENT_ID], "optional_scopes": ["read_orders"]}


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"shop": "demo.myshopify.com"}, id="an app that is not known"),
        pytest.param({"shop": "evil.example", "client_id": "x"}, id="no shop"),
        pytest.param({}, id="nothing"),
    ],
)
def test_without_app_or_shop_there_is_no_page_that_asks(config: dict[str, str]) -> None:
    assert grant_url(config, ("read_orders",)) == ""


def test_a_store_with_an_app_of_its_own_is_told_what_to_add_there(
    installed: Admin, engine: sa.Engine
) -> None:
    installed.rows('update connection set config = config || \'{"client_id": "their-own"}\'::jsonb')
    row = installed.row()
    url = installed.ask("open", "POST", json={}).get_json()["url"]
    installed.client.get(url, headers={"Sec-Fetch-Site": "same-origin"})
    page = installed.client.get(f"/connections/{row.connection_id}").text
    assert "give that app read_orders." in page
    assert "oauth/install" not in page
