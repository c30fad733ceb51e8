"""BigCommerce's single click: installation, the page in the control panel, removal, and whom we believe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from connector.accounts.installations import InstallationRow, by_shop
from connector.accounts.schedule import run_now
from connector.bootstrap import TOPICS, Runtime
from connector.delivery.approval import approve
from connector.delivery.scripts import choose, left_in
from connector.outbox.messages import due_turns
from connector.settings import AppKeys, Settings
from connector.web.app import create_app
from simulator.bigcommerce import BigCommerceServer
from simulator.shop import Shop
from workers import jobs
from workers.runtime import use

CLIENT_ID, SECRET = "app-client-id", "the secret of the app in these tests"
OWNER = {"id": 7_654_321, "email": "owner@example.com"}


class Panel:
    """The control panel of one simulated store, in a merchant's browser."""

    def __init__(self, rt: Runtime, server: BigCommerceServer) -> None:
        self.rt, self.server = rt, server
        self.client = create_app(rt).test_client()

    def install(self) -> TestResponse:
        parts = urlsplit(self.server.app.auth_callback())
        return self.client.get(f"{parts.path}?{parts.query}")

    def call(self, what: str, token: str | None = None, **claims: Any) -> TestResponse:
        """One of BigCommerce's signed calls."""
        token = self.server.app.signed_payload_jwt(**claims) if token is None else token
        return self.client.get(f"/bigcommerce/{what}", query_string={"signed_payload_jwt": token})

    def ask(self, page: TestResponse, path: str, method: str = "GET", **options: Any) -> TestResponse:
        found = re.search(r'name="dispo-proof" content="([^"]+)"', page.text)
        assert found is not None, page.text
        headers = {"Authorization": f"Bearer {found[1]}"}
        return self.client.open(f"/bigcommerce/app/{path}", method=method, headers=headers, **options)

    def row(self) -> InstallationRow:
        with self.rt.engine.connect() as db:
            found = by_shop(db, "bigcommerce", self.server.store_hash)
        assert found is not None
        return found

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.rt.engine.begin() as db:
            result = db.execute(sa.text(statement), values)
            return list(result) if result.returns_rows else []

    def token(self) -> str:
        (row,) = self.rows("select sealed from connection where id = :c", c=self.row().connection_id)
        return self.rt.keyring.unseal(bytes(row.sealed)).get("access_token", "")

    def work(self) -> None:
        use(self.rt)
        for _ in range(20):
            due = self.rows("""
                select merchant_id, kind, id from schedule
                 where coalesce(lease_until, least(next_run_at, rerun_at)) <= now() and kind like 'store.%'
                 order by kind desc
            """)
            for one in due:
                jobs.run_due(one.merchant_id, one.kind, one.id)
            with self.rt.engine.connect() as db:
                turns = due_turns(db, list(TOPICS), 50)
            for turn in turns:
                self.rt.serve(turn)
            if not due and not turns:
                return
        raise AssertionError("the work does not end")


@pytest.fixture
def server() -> Iterator[BigCommerceServer]:
    shop = Shop("Vase & Co", currency="EUR", clock=lambda: datetime.now(UTC))
    for number in range(1, 4):
        shop.add_product(f"Vase {number}", [{"sku": f"A-{number}", "price_minor": 1000, "stock": 10}])
    with BigCommerceServer(
        shop, client_id=CLIENT_ID, client_secret=SECRET, redirect_uri="https://dispo.test/bigcommerce/auth"
    ) as running:
        yield running


@pytest.fixture
def panel(settings: Settings, engine: sa.Engine, server: BigCommerceServer) -> Panel:
    keys = AppKeys(CLIENT_ID, SECRET, "", server.url)
    rt = Runtime(
        replace(settings, apps={"bigcommerce": keys}, allowed_private_hosts=frozenset({"127.0.0.1"}),
                base_url="https://dispo.test")
    )  # fmt: skip
    rt.__dict__["engine"] = engine
    return Panel(rt, server)


@pytest.fixture
def installed(panel: Panel) -> Panel:
    assert panel.install().status_code == 200
    return panel


# --- installing ---------------------------------------------------------------------------------------


def test_one_click_installs_signs_in_and_reads_the_catalogue(panel: Panel) -> None:
    page = panel.install()
    assert (page.status_code, 'data-step="import"' in page.text) == (200, True)
    row = panel.row()
    (store,) = panel.rows("select * from connection")
    assert (store.id, store.adapter, store.name) == (row.connection_id, "bigcommerce", "Vase & Co")
    assert store.config["store_hash"] == store.config["shop"] == panel.server.store_hash
    assert panel.server.app.accepts(panel.token())
    assert SECRET not in str(panel.rows("select c::text from connection c"))
    panel.work()
    assert len(panel.server.webhooks.hooks) == 10
    assert 'data-step="supplier"' in panel.ask(page, "state").text
    (counted,) = panel.rows("select count(*) as n from listing")
    assert counted.n == 3


def test_a_code_is_good_once(installed: Panel) -> None:
    parts = urlsplit(installed.server.app.auth_callback())
    address = f"{parts.path}?{parts.query}"
    assert [installed.client.get(address).status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=x",
        "context=stores/abc",
        "code=x&context=stores/../a&scope=",
        "code=bad&context=stores/z4zn3wo",
    ],
)
def test_an_installation_that_is_not_bigcommerces_stores_nothing(panel: Panel, query: str) -> None:
    answer = panel.client.get(f"/bigcommerce/auth?{query}")
    assert answer.status_code == 401
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert panel.rows("select 1 from merchant") == panel.rows("select 1 from installation") == []


def test_installing_again_while_it_works_swaps_the_access_and_keeps_the_rest(installed: Panel) -> None:
    before, token = installed.row(), installed.token()
    assert installed.install().status_code == 200
    assert installed.row() == before
    assert (installed.token() != token, installed.server.app.accepts(installed.token())) == (True, True)


# --- the page -----------------------------------------------------------------------------------------


def test_only_this_stores_control_panel_may_show_the_page(installed: Panel) -> None:
    page = installed.call("load")
    policy = page.headers["Content-Security-Policy"]
    assert page.status_code == 200
    assert (
        f"frame-ancestors https://store-{installed.server.store_hash}.mybigcommerce.com "
        "https://login.bigcommerce.com" in policy
    )
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in page.headers
    assert "cdn.shopify.com" not in page.text + policy


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-app"},
        {"iss": "somebody"},
        {"sub": None},
        {"sub": "stores/"},
        {"exp": 1},
        {"exp": None},
        {"user": None},
        {"iat": 4_000_000_000, "nbf": 4_000_000_000},
    ],
    ids=str,
)
@pytest.mark.parametrize("what", ["load", "uninstall", "remove-user"])
def test_what_is_not_said_to_us_is_refused(installed: Panel, what: str, claims: dict[str, Any]) -> None:
    assert installed.call(what, **claims).status_code == 401
    assert installed.row().status == "active"


@pytest.mark.parametrize("token", ["", "a.b.c", "é", "x" * 9000], ids=["none", "parts", "letters", "long"])
@pytest.mark.parametrize("what", ["load", "uninstall", "remove-user", "remove_user"])
def test_what_is_no_payload_is_refused(installed: Panel, what: str, token: str) -> None:
    assert installed.call(what, token).status_code == 401


def test_a_payload_signed_with_the_secret_before_is_taken_while_both_are_set(installed: Panel) -> None:
    keys = replace(
        installed.rt.settings.apps["bigcommerce"],
        secret="the secret that came after it, long enough",
        old_secret=SECRET,
    )
    rt = Runtime(replace(installed.rt.settings, apps={"bigcommerce": keys}))
    rt.__dict__["engine"] = installed.rt.engine
    assert Panel(rt, installed.server).call("load").status_code == 200


def test_a_store_that_never_installed_us_is_told_to(panel: Panel) -> None:
    page = panel.call("load")
    assert (page.status_code, "App Marketplace" in page.text) == (401, True)
    assert panel.rows("select 1 from merchant") == []


@pytest.mark.parametrize("proof", ["", "x", "Bearer x", "eyJhbGciOiJIUzI1NiJ9.e30.x"])
def test_the_page_asks_only_with_its_proof(installed: Panel, proof: str) -> None:
    for path, method in (("state", "GET"), ("approve", "POST"), ("location", "POST"), ("open", "POST")):
        answer = installed.client.open(
            f"/bigcommerce/app/{path}", method=method, headers={"Authorization": f"Bearer {proof}"}
        )
        assert answer.status_code == 401


def test_the_way_out_signs_in_once(installed: Panel) -> None:
    url = installed.ask(installed.call("load"), "open", "POST").get_json()["url"]
    assert url.startswith("/bigcommerce/open/")
    base = "https://dispo.test"
    assert installed.client.get(url, base_url=base).location == "/"
    assert installed.client.get("/connections", base_url=base).status_code == 200
    assert installed.client.get(url, base_url=base).status_code == 410


# --- leaving ------------------------------------------------------------------------------------------


def test_a_removal_by_the_owner_ends_the_connection_and_throws_the_access_away(installed: Panel) -> None:
    installed.work()
    page = installed.call("load")
    assert installed.call("uninstall", user=OWNER).get_json() == {"outcome": "uninstalled"}
    installed.work()
    assert (installed.row().status, installed.token()) == ("ended", "")
    assert installed.row().ended_at is not None
    assert installed.ask(page, "state").status_code == 409
    assert installed.call("load").status_code == 401


def test_a_payload_that_anybody_of_the_store_holds_does_not_remove_us(installed: Panel) -> None:
    assert installed.call("uninstall").get_json() == {"outcome": "the store still lets us in"}
    assert (installed.row().status, installed.row().ended_at) == ("active", None)


def test_a_removal_by_somebody_else_counts_once_the_store_shuts_us_out(installed: Panel) -> None:
    token = installed.server.uninstall()
    assert installed.call("uninstall", token).get_json() == {"outcome": "uninstalled"}
    assert installed.row().status == "ended"


def test_a_removal_from_before_the_present_installation_ends_nothing(installed: Panel) -> None:
    early = int(installed.row().installed_at.timestamp()) - 60
    said = installed.call("uninstall", user=OWNER, iat=early, nbf=early).get_json()["outcome"]
    assert said == "uninstalled: known, or from before it was installed again"
    assert installed.row().status == "active"


def test_a_store_that_comes_back_has_its_connection_again_and_writes_nothing(installed: Panel) -> None:
    installed.work()
    installed.rows("update connection set writing_approved_at = now()")
    before = installed.row()
    installed.call("uninstall", user=OWNER)
    installed.work()
    assert installed.install().status_code == 200
    after = installed.row()
    assert (after.connection_id, after.status, after.ended_at) == (before.connection_id, "active", None)
    (store,) = installed.rows("select writing_approved_at from connection")
    assert store.writing_approved_at is None


def test_a_removed_person_has_no_session_and_no_page_any_more(installed: Panel) -> None:
    page = installed.call("load")
    url = installed.ask(page, "open", "POST").get_json()["url"]
    base = "https://dispo.test"
    installed.client.get(url, base_url=base)
    assert installed.client.get("/connections", base_url=base).status_code == 200
    assert installed.call("remove-user").get_json() == {"outcome": "removed"}
    assert installed.client.get("/connections", base_url=base).status_code == 303
    assert installed.ask(page, "state").status_code == 401


def test_another_stores_payload_does_nothing_here(installed: Panel) -> None:
    assert installed.call("uninstall", sub="stores/other1", user=OWNER).get_json() == {
        "outcome": "nothing is kept"
    }
    assert installed.row().status == "active"


def test_without_an_app_nothing_of_it_is_there(panel: Panel) -> None:
    rt = Runtime(replace(panel.rt.settings, apps={}))
    rt.__dict__["engine"] = panel.rt.engine
    other = Panel(rt, panel.server)
    assert (other.install().status_code, other.call("load").status_code) == (503, 503)
    assert panel.rows("select 1 from merchant") == []


# --- the storefront script ----------------------------------------------------------------------------


def test_the_script_comes_with_the_approval_and_leaves_with_the_app(installed: Panel) -> None:
    installed.work()
    scripts, row = installed.server.scripts, installed.row()
    assert scripts.kept == {}, "nothing is changed before the approval"
    with installed.rt.engine.begin() as db:
        approve(db, row.merchant_id, row.connection_id, actor="x", now=installed.rt.now())
    installed.work()
    (one,) = scripts.kept.values()
    assert row.public_key in one["html"]
    installed.server.uninstall()
    installed.work()
    assert (scripts.kept, installed.row().status) == ({}, "active")
    assert installed.call("uninstall", user=OWNER, owner=OWNER).json == {"outcome": "uninstalled"}
    installed.work()
    with installed.rt.engine.connect() as db:
        assert left_in(db, row.merchant_id, installed.rt.now()) == [], "it went with the app"


def test_a_store_that_comes_back_is_asked_again_before_its_pages_change(installed: Panel) -> None:
    row = installed.row()
    with installed.rt.engine.begin() as db:
        choose(db, row.merchant_id, row.connection_id, is_on=True, actor="x", now=installed.rt.now())
    installed.work()
    assert len(installed.server.scripts.kept) == 1
    token = installed.server.uninstall()
    assert token
    assert installed.call("uninstall", user=OWNER, owner=OWNER).status_code == 200
    installed.work()
    installed.install()
    installed.work()
    assert installed.row().status == "active"
    assert installed.server.scripts.kept == {}


def test_the_hourly_look_puts_a_deleted_script_back(installed: Panel) -> None:
    installed.work()
    row, scripts = installed.row(), installed.server.scripts
    with installed.rt.engine.begin() as db:
        approve(db, row.merchant_id, row.connection_id, actor="x", now=installed.rt.now())
    installed.work()
    scripts.kept.clear()
    installed.work()
    assert scripts.kept == {}, "nobody looked yet"
    with installed.rt.engine.begin() as db:
        assert run_now(db, row.merchant_id, "store.webhooks", row.connection_id)
    installed.work()
    (one,) = scripts.kept.values()
    assert row.public_key in one["html"]
    (noted,) = installed.rows("select detail from audit_event where action = 'store.script_mended'")
    assert noted.detail == {"storefronts": ["Vase & Co"]}
