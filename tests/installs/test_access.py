"""Access that expires: renewed in time, after a refusal, by one worker, and after a kill."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connector.accounts.access import RENEW_BEFORE, change_secrets
from connector.bootstrap import Runtime
from connector.ports.errors import Retryable, Unauthorized
from connector.ports.stores import Store
from simulator.shopify import ShopifyServer
from tests.installs.killed import renew
from tests.installs.scene import CLIENT_ID, SECRET, Admin, now
from tests.support import ended


@pytest.fixture
def installed(admin: Admin) -> Admin:
    admin.open()
    return admin


def store_of(admin: Admin) -> Store:
    """A built adapter, as a worker keeps it."""
    row = admin.row()
    return admin.rt.store(row.merchant_id, row.connection_id)


def another_process(admin: Admin) -> Admin:
    """The same installation seen by a worker with nothing kept in memory."""
    rt = Runtime(admin.rt.settings)
    rt.__dict__["engine"] = admin.rt.engine
    return Admin(rt, admin.client, admin.server)


def expires_in(admin: Admin, seconds: float) -> None:
    """Have it stored that the access ends in so many seconds."""
    row = admin.row()
    at = (now() + timedelta(seconds=seconds)).isoformat()
    with admin.rt.engine.begin() as db:
        change_secrets(db, admin.rt.keyring, row.merchant_id, row.connection_id, {"access_expires_at": at})


def test_a_good_token_is_used_as_it_is(installed: Admin) -> None:
    store = store_of(installed)
    assert [store.check().name for _ in range(3)] == ["Vase & Co"] * 3
    assert installed.server.tokens.refreshes == 0


def test_a_token_is_renewed_some_minutes_before_its_end(installed: Admin) -> None:
    before = installed.secrets()
    expires_in(installed, RENEW_BEFORE.total_seconds() - 1)
    store_of(installed).check()
    after = installed.secrets()
    assert installed.server.tokens.refreshes == 1
    assert (
        after["access_token"] != before["access_token"],
        after["refresh_token"] != before["refresh_token"],
    ) == (
        True,
        True,
    )
    assert after["webhook_secret"] == before["webhook_secret"]


def test_a_token_ended_before_its_time_is_renewed_and_the_call_goes_through(installed: Admin) -> None:
    store = store_of(installed)
    store.check()
    installed.server.tokens.expire()
    assert store.check().name == "Vase & Co"
    assert installed.server.tokens.refreshes == 1


def test_an_adapter_built_long_ago_picks_up_what_another_worker_renewed(installed: Admin) -> None:
    mine = store_of(installed)
    mine.check()
    installed.expire()
    store_of(another_process(installed)).check()
    assert mine.check().name == "Vase & Co"
    assert installed.server.tokens.refreshes == 1


def test_workers_that_race_renew_once(installed: Admin) -> None:
    installed.expire()
    stores = [store_of(another_process(installed)) for _ in range(6)]
    start = threading.Barrier(6)

    def call(store: Store) -> str:
        start.wait()
        return store.check().name

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(call, stores)) == ["Vase & Co"] * 6
    assert installed.server.tokens.refreshes == 1


def test_threads_of_one_worker_renew_once_and_hold_one_connection_of_the_database(installed: Admin) -> None:
    installed.expire()
    store = store_of(installed)
    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(lambda _: store.check().name, range(24))) == ["Vase & Co"] * 24
    assert installed.server.tokens.refreshes == 1


def test_a_write_that_meets_an_ended_token_is_done_once(installed: Admin) -> None:
    installed.work()
    row = installed.row()
    installed.rows("update listing set is_managed = true, wanted_available = 4, wanted_state = 'in_stock'")
    installed.ask("approve", "POST")
    installed.server.tokens.expire()
    installed.work()
    assert {item.stock for item in installed.server.shop.items.values()} == {4}
    assert installed.server.calls["SetQuantities"] == 1
    assert installed.row().status == row.status == "active"


def run_child(admin: Admin, context: Any) -> int:
    """A worker process that is killed between Shopify's answer and the commit; its status."""
    row = admin.row()
    process = context.Process(target=renew, args=(admin.rt.settings, row.merchant_id, row.connection_id))
    process.start()
    return ended(process)


def test_a_worker_killed_with_the_answer_in_its_hand_costs_nothing(installed: Admin, processes: Any) -> None:
    installed.expire()
    before = installed.secrets()
    assert run_child(installed, processes) == -signal.SIGKILL
    assert installed.server.tokens.refreshes == 1
    assert installed.secrets() == before
    # The lock went with the process; the old refresh token is still good, because the new was never used.
    assert store_of(installed).check().name == "Vase & Co"
    assert installed.server.tokens.refreshes == 2
    assert installed.server.tokens.accepts(installed.secrets()["access_token"])
    assert installed.row().status == "active"


def test_a_kill_after_the_access_was_ended_early_is_healed_as_well(installed: Admin, processes: Any) -> None:
    """The killed worker's answer ended the token that everybody else still holds, hours before its time."""
    others = store_of(installed)
    others.check()
    expires_in(installed, 60)
    assert run_child(installed, processes) == -signal.SIGKILL
    assert others.check().name == "Vase & Co"


@pytest.mark.parametrize("fault", ["error", "cut_before", "cut_after_success"])
def test_a_renewal_without_an_answer_waits_and_the_next_one_heals_it(installed: Admin, fault: str) -> None:
    installed.expire()
    installed.server.dials.fail_next = [fault]  # type: ignore[list-item]
    store = store_of(installed)
    with pytest.raises(Retryable):
        store.check()
    assert installed.row().status == "active"
    assert store.check().name == "Vase & Co"


def test_while_shopify_cannot_renew_the_present_token_is_used_to_its_end(installed: Admin) -> None:
    expires_in(installed, 60)
    installed.server.dials.fail_next = ["error"]
    assert store_of(installed).check().name == "Vase & Co"
    assert installed.server.tokens.refreshes == 0


def test_a_refused_renewal_pauses_the_connection_with_the_remedy(installed: Admin) -> None:
    installed.expire()
    installed.server.tokens.revoke()
    store = store_of(installed)
    with pytest.raises(Unauthorized):
        store.check()
    row = installed.row()
    assert (row.status, row.is_refused) == ("paused", True)
    (found,) = installed.rows("select status_reason from connection")
    assert "Open the app in the Shopify admin" in found.status_reason
    assert "shprt" not in found.status_reason
    calls = sum(installed.server.calls.values())
    installed.work()
    assert sum(installed.server.calls.values()) == calls


def test_opening_the_app_again_gives_access_back_and_goes_on(installed: Admin) -> None:
    installed.work()
    installed.rows("update connection set writing_approved_at = now()")
    installed.expire()
    installed.server.tokens.revoke()
    with pytest.raises(Unauthorized):
        store_of(installed).check()
    assert installed.open().status_code == 200
    row = installed.row()
    assert (row.status, row.is_refused) == ("active", False)
    assert store_of(installed).check().name == "Vase & Co"
    (found,) = installed.rows("select writing_approved_at is not null as approved from connection")
    assert found.approved is True


def test_what_a_merchant_paused_stays_paused_when_they_open_the_app(installed: Admin) -> None:
    installed.rows("update connection set status = 'paused', status_reason = 'Paused by you.'")
    page = installed.open()
    assert 'data-step="paused"' in page.text
    assert (installed.row().status, installed.server.tokens.exchanges) == ("paused", 1)


def test_a_shop_connected_by_hand_renews_with_its_own_app(
    installed: Admin, server: ShopifyServer, add_by_hand: Callable[[Admin], int]
) -> None:
    connection_id = add_by_hand(installed)
    rt = Runtime(replace(installed.rt.settings, apps={}))
    rt.__dict__["engine"] = installed.rt.engine
    server.tokens.expire()
    assert rt.store(installed.row().merchant_id, connection_id).check().name == "Vase & Co"
    assert server.tokens.refreshes == 1


@pytest.fixture
def add_by_hand() -> Callable[[Admin], int]:
    def add(admin: Admin) -> int:
        from connector.accounts.connections import add_connection

        secrets = {**admin.secrets(), "api_secret": SECRET}
        config = {"shop": admin.shop, "client_id": CLIENT_ID, "base_url": admin.server.url}
        with admin.rt.engine.begin() as db:
            return add_connection(
                db, admin.rt.keyring, admin.row().merchant_id, kind="store", adapter="shopify",
                name="by hand", config=config, secrets=secrets, now=now(),
            )  # fmt: skip

    return add
