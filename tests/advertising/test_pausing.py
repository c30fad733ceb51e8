"""Ads are paused and resumed with the stock behind them, through the real adapter."""

from __future__ import annotations

from typing import Any

import pytest

from connector.accounts import connections
from connector.accounts.tables import Connection
from connector.advertising.pausing import approve_blast
from connector.advertising.switches import set_frozen, stop_account
from connector.db import transaction
from tests.advertising.conftest import AdScene

PAUSED = ("pause", "done", False)
RESUMED = ("resume", "done", False)
RELEASED = ("release", "done", False)


# --- Pausing and resuming ---------------------------------------------------------------------------


def test_an_ad_is_paused_when_everything_behind_it_was_out_for_the_dwell(scene: AdScene) -> None:
    scene.page("vase", S=0, L=0)
    ad = scene.ad("vase")
    scene.read()

    first = scene.look()
    assert first.look_again_at == scene.clock.now().replace(minute=1)
    scene.look(after_s=59)
    assert scene.statuses(ad) == ["ENABLED"]
    scene.look(after_s=1)

    assert scene.statuses(ad) == ["PAUSED"]
    row = scene.link(ad)
    assert (row.step, row.status_before, row.paused_by_us_at) == ("paused", "enabled", scene.clock.now())
    assert scene.ledger() == [PAUSED]
    assert scene.lines()[0].reason == "Everything on its landing page is sold out."


def test_nothing_is_repeated_when_nothing_changed(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.pause(ad)

    for _ in range(3):
        scene.read()
        scene.look(after_s=900)

    assert scene.changes() == [(ad, "PAUSED")]
    assert scene.ledger() == [PAUSED]


def test_an_ad_runs_while_one_variant_behind_it_can_be_bought(scene: AdScene) -> None:
    scene.page("vase", S=0, L=1)
    ad = scene.ad("vase")
    scene.read()
    for _ in range(3):
        scene.look(after_s=60)
    assert (scene.statuses(ad), scene.ledger()) == (["ENABLED"], [])


@pytest.mark.parametrize(
    ("shown", "fields"),
    [
        pytest.param(3, {}, id="no supplier's item, the store has three"),
        pytest.param(None, {}, id="the store does not count it"),
        pytest.param(3, {"is_managed": True, "is_excluded": True}, id="taken out of management"),
        pytest.param(None, {"is_managed": True, "problem": "Not tracked."}, id="not writable"),
    ],
)
def test_what_the_store_sells_by_itself_keeps_the_ad_running(
    scene: AdScene, shown: int | None, fields: dict[str, Any]
) -> None:
    scene.page("vase", S=0, L=0)
    scene.stranger("vase", "XL", shown, **fields)
    ad = scene.ad("vase")
    scene.read()
    for _ in range(3):
        scene.look(after_s=60)
    assert (scene.statuses(ad), scene.changes()) == (["ENABLED"], [])


def test_what_the_store_itself_has_sold_out_does_not_keep_the_ad_running(scene: AdScene) -> None:
    scene.page("vase", S=0)
    scene.stranger("vase", "XL", 0)
    scene.stranger("vase", "hidden", 5, is_published=False)
    ad = scene.ad("vase")
    scene.pause(ad)


def test_pages_that_are_none_of_ours_are_never_touched(scene: AdScene) -> None:
    scene.page("vase", S=0)
    scene.stranger("lamp", "LAMP", 0)
    ads = [scene.ad("lamp"), scene.ad("about-us"), scene.ad("vases")]
    scene.read()
    for _ in range(3):
        scene.look(after_s=60)
    assert (scene.statuses(*ads), scene.changes()) == (["ENABLED"] * 3, [])


def test_a_keyword_with_a_page_of_its_own_is_paused_too(scene: AdScene) -> None:
    scene.page("vase", S=0)
    scene.ad("vase", keywords={"blue vase": scene.url("vase"), "vases": ""})
    scene.read()
    scene.look()
    scene.look(after_s=60)
    keywords = {i.text: i.status for i in scene.server.accounts.items.values() if i.kind == "keyword"}
    assert keywords == {"blue vase": "PAUSED", "vases": "ENABLED"}


def test_what_we_paused_is_resumed_after_the_dwell_and_forgotten(scene: AdScene) -> None:
    scene.page("vase", S=0, L=0)
    ad = scene.ad("vase")
    scene.pause(ad)

    scene.supply(L=4)
    scene.look()
    scene.look(after_s=59)
    assert scene.statuses(ad) == ["PAUSED"]
    scene.look(after_s=1)

    assert scene.statuses(ad) == ["ENABLED"]
    row = scene.link(ad)
    assert (row.step, row.status_before, row.paused_by_us_at) == ("", "", None)
    assert scene.ledger() == [PAUSED, RESUMED]


def test_the_merchants_own_pause_is_never_resumed(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ours, theirs = scene.ad("vase"), scene.ad("vase", status="PAUSED")
    scene.pause(ours)
    scene.supply(S=3)
    scene.look()
    scene.look(after_s=60)
    assert scene.statuses(ours, theirs) == ["ENABLED", "PAUSED"]
    assert scene.changes() == [(ours, "PAUSED"), (ours, "ENABLED")]


def test_an_ad_the_merchant_pauses_before_we_do_is_theirs(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    scene.look()
    scene.by_hand(ad, "PAUSED")
    scene.look(after_s=60)
    scene.supply(S=3)
    scene.look()
    scene.look(after_s=60)
    assert (scene.statuses(ad), scene.changes(), scene.ledger()) == (["PAUSED"], [], [])


def test_flapping_within_the_dwell_does_nothing(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    for _ in range(5):
        scene.supply(S=0)
        scene.look(after_s=30)
        scene.supply(S=2)
        scene.look(after_s=29)
    assert (scene.changes(), scene.ledger()) == ([], [])

    scene.supply(S=0)
    scene.look(after_s=1)
    scene.look(after_s=60)
    for _ in range(5):
        scene.supply(S=2)
        scene.look(after_s=30)
        scene.supply(S=0)
        scene.look(after_s=29)
    assert scene.changes() == [(ad, "PAUSED")]


def test_an_ad_for_what_is_on_backorder_runs(scene: AdScene) -> None:
    scene.page("vase", S=0)
    scene.world.execute("update merchant set allows_backorder = true where id = :m")
    scene.supply(S=0)
    ad = scene.ad("vase")
    scene.read()
    for _ in range(3):
        scene.look(after_s=60)
    assert scene.statuses(ad) == ["ENABLED"]


# --- Somebody else's hand ---------------------------------------------------------------------------


def test_an_ad_enabled_by_hand_is_left_alone_until_the_next_crossing(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.pause(ad)

    scene.by_hand(ad, "ENABLED")
    for _ in range(3):
        scene.read()
        scene.look(after_s=900)
    assert scene.statuses(ad) == ["ENABLED"]
    assert scene.ledger() == [PAUSED, RELEASED]
    assert (scene.link(ad).step, scene.link(ad).paused_by_us_at) == ("theirs", None)

    scene.supply(S=5)
    scene.look()
    scene.supply(S=0)
    scene.look()
    scene.look(after_s=60)
    assert scene.statuses(ad) == ["PAUSED"]
    assert scene.ledger() == [PAUSED, RELEASED, PAUSED]


def test_an_ad_paused_again_by_hand_stays_paused_when_stock_is_back(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.pause(ad)
    scene.by_hand(ad, "ENABLED")
    scene.look(after_s=10)
    scene.by_hand(ad, "PAUSED")
    scene.supply(S=5)
    scene.look()
    scene.look(after_s=60)
    assert (scene.statuses(ad), scene.changes()) == (["PAUSED"], [(ad, "PAUSED")])


def test_an_ad_removed_by_hand_is_let_go(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.pause(ad)
    scene.by_hand(ad, "REMOVED")
    scene.supply(S=5)
    scene.look()
    scene.look(after_s=60)
    row = scene.link(ad)
    assert (row.is_gone, row.paused_by_us_at) == (True, None)
    assert scene.ledger() == [PAUSED, RELEASED]
    assert scene.lines()[1].reason == "It is gone."


def test_an_ad_that_left_the_list_is_let_go_too(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.pause(ad)
    scene.by_hand(ad, "REMOVED")
    scene.clock.advance(seconds=900)
    scene.read()
    assert scene.link(ad).is_gone
    scene.look()
    assert (scene.link(ad).paused_by_us_at, scene.ledger()) == (None, [PAUSED, RELEASED])


def test_strangers_ads_are_untouched(scene: AdScene, server: Any, clock: Any, runtime: Any) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    neighbour = AdScene(runtime, server, clock)
    neighbour.page("vase", S=5)
    neighbour.read()
    scene.read()
    for _ in range(3):
        neighbour.look(after_s=60)
    assert (neighbour.changes(), neighbour.ledger()) == ([], [])

    scene.look()
    scene.look(after_s=60)
    neighbour.look(after_s=60)
    assert scene.statuses(ad) == ["PAUSED"]
    assert (neighbour.link(ad).paused_by_us_at, neighbour.ledger()) == (None, [])
    with transaction(runtime.engine) as db:
        approve_blast(db, neighbour.merchant_id, scene.account_id, now=clock.now(), actor="test")
    assert scene.world.one(Connection, Connection.id == scene.account_id).cursors == {}


# --- Dry run, blast limit, switches -----------------------------------------------------------------


def test_a_dry_run_changes_nothing_and_is_noted_once_a_crossing(scene: AdScene) -> None:
    scene.world.execute("update merchant set is_ads_dry_run = true where id = :m")
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    for _ in range(4):
        scene.look(after_s=60)
    assert (scene.statuses(ad), scene.changes()) == (["ENABLED"], [])
    assert scene.ledger() == [("pause", "done", True)]
    assert (scene.link(ad).step, scene.link(ad).paused_by_us_at) == ("", None)

    scene.supply(S=3)
    scene.look(after_s=60)
    scene.supply(S=0)
    scene.look(after_s=60)
    scene.look(after_s=60)
    assert scene.ledger() == [("pause", "done", True)] * 2

    scene.world.execute("update merchant set is_ads_dry_run = false where id = :m")
    scene.look()
    assert (scene.statuses(ad), scene.ledger()[2:]) == (["PAUSED"], [PAUSED])


def test_what_we_paused_stays_paused_in_a_dry_run(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.pause(ad)
    scene.world.execute("update merchant set is_ads_dry_run = true where id = :m")
    scene.supply(S=3)
    for _ in range(4):
        scene.look(after_s=60)
    assert scene.statuses(ad) == ["PAUSED"]
    assert scene.link(ad).paused_by_us_at is not None
    lines = scene.lines()
    assert scene.ledger() == [PAUSED, ("resume", "done", True)]
    assert lines[1].spend_saved is None


def test_more_pauses_at_once_than_the_limit_wait_for_approval(scene: AdScene) -> None:
    scene.world.execute("update merchant set ads_blast_limit = 2 where id = :m")
    scene.page("vase", S=0)
    scene.page("lamp", LAMP=1)
    ads = [scene.ad("vase") for _ in range(3)]
    lamp = scene.ad("lamp")
    scene.read()
    for _ in range(4):
        scene.look(after_s=60)
    assert (scene.changes(), scene.ledger()) == ([], [("hold", "held", False)])
    assert scene.lines()[0].reason == "3 ads would be paused at once, more than the limit of 2."
    scene.later(hours=1)
    scene.look()
    assert len(scene.ledger()) == 2

    with transaction(scene.rt.engine) as db:
        approve_blast(
            db, scene.merchant_id, scene.account_id, now=scene.clock.now(), actor="ann@shop.example"
        )
    assert scene.serve() == []

    assert scene.statuses(*ads, lamp) == ["PAUSED"] * 3 + ["ENABLED"]
    assert scene.ledger()[2:] == [PAUSED] * 3


def test_an_approval_ends_after_an_hour(scene: AdScene) -> None:
    scene.world.execute("update merchant set ads_blast_limit = 1 where id = :m")
    scene.page("vase", S=0)
    ads = [scene.ad("vase"), scene.ad("vase")]
    with transaction(scene.rt.engine) as db:
        approve_blast(
            db, scene.merchant_id, scene.account_id, now=scene.clock.now(), actor="ann@shop.example"
        )
    scene.read()
    scene.look(after_s=3540)
    scene.look(after_s=60)
    assert scene.statuses(*ads) == ["ENABLED", "ENABLED"]


def test_the_limit_does_not_hold_back_resuming(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ads = [scene.ad("vase"), scene.ad("vase")]
    scene.pause(*ads)
    scene.world.execute("update merchant set ads_blast_limit = 0 where id = :m")
    scene.supply(S=1)
    scene.look()
    scene.look(after_s=60)
    assert scene.statuses(*ads) == ["ENABLED", "ENABLED"]


def test_a_frozen_merchant_a_paused_account_and_the_stop_switch_stand_still(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    scene.look()
    now = scene.clock.now()
    calls = len(scene.server.calls)

    def off_and_on(off: Any, on: Any) -> None:
        with transaction(scene.rt.engine) as db:
            off(db)
        scene.look(after_s=60)
        assert (scene.statuses(ad), len(scene.server.calls)) == (["ENABLED"], calls)
        with transaction(scene.rt.engine) as db:
            on(db)

    off_and_on(
        lambda db: set_frozen(db, scene.merchant_id, is_frozen=True, actor="t", now=now),
        lambda db: set_frozen(db, scene.merchant_id, is_frozen=False, actor="t", now=now),
    )
    off_and_on(
        lambda db: connections.pause(db, scene.merchant_id, scene.account_id, "The key is refused."),
        lambda db: connections.resume(db, scene.merchant_id, scene.account_id),
    )
    off_and_on(
        lambda db: stop_account(db, scene.merchant_id, scene.account_id, is_stopped=True, actor="t", now=now),
        lambda db: stop_account(
            db, scene.merchant_id, scene.account_id, is_stopped=False, actor="t", now=now
        ),
    )
    assert scene.serve() == []
    assert scene.statuses(ad) == ["PAUSED"]


def test_a_paused_account_is_not_read(scene: AdScene) -> None:
    scene.ad("vase")
    with transaction(scene.rt.engine) as db:
        connections.pause(db, scene.merchant_id, scene.account_id, "The key is refused.")
    assert (scene.read(), scene.server.calls) == (0, [])
