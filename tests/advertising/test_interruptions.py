"""Crashes, lost answers and single ads that fail: every change ends right and is booked once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.advertising import pausing
from connector.advertising.pausing import resume_ours
from connector.ports.errors import OutcomeUnknown, Retryable
from simulator.google_ads.accounts import Item
from simulator.google_ads.server import CUSTOMER_ID
from tests.advertising.conftest import AdScene

PAUSED = ("pause", "done", False)
RESUMED = ("resume", "done", False)


# --- Crashes and lost answers -----------------------------------------------------------------------


class Killed(BaseException):
    """The process dies here."""


def die_at(monkeypatch: pytest.MonkeyPatch, scene: AdScene, seam: str) -> None:
    """Die at one seam of the next change: before the call, after it, or before its record is kept."""
    account: Any = scene.rt.ads(scene.merchant_id, scene.account_id)
    send = account.set_status

    def dying(ids: Any, status: Any, *, dry_run: bool) -> Any:
        if seam == "after the effect":
            send(ids, status, dry_run=dry_run)
        raise Killed

    def not_kept(*_: Any, **__: Any) -> None:
        raise Killed

    if seam == "before the record":
        monkeypatch.setattr(pausing, "_settle", not_kept)
    else:
        monkeypatch.setattr(account, "set_status", dying)


SEAMS = ["before the effect", "after the effect", "before the record"]


@pytest.mark.parametrize("seam", SEAMS)
def test_a_crash_while_pausing_ends_with_our_pause(
    scene: AdScene, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    scene.look()
    with monkeypatch.context() as patch:
        die_at(patch, scene, seam)
        with pytest.raises(Killed):
            scene.look(after_s=60)
    assert (scene.link(ad).step, scene.ledger()) == ("pausing", [])

    scene.look(after_s=5)
    assert (scene.statuses(ad), scene.link(ad).step, scene.ledger()) == (["PAUSED"], "paused", [PAUSED])

    scene.supply(S=2)
    scene.look()
    scene.look(after_s=60)
    assert (scene.statuses(ad), scene.ledger()) == (["ENABLED"], [PAUSED, RESUMED])


@pytest.mark.parametrize("seam", SEAMS)
def test_a_crash_while_resuming_ends_with_the_ad_running_and_its_saving_booked_once(
    scene: AdScene, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase", daily_cost_micros=86_400_000_000)
    scene.pause(ad)
    scene.supply(S=2)
    scene.look(after_s=40)
    with monkeypatch.context() as patch:
        die_at(patch, scene, seam)
        with pytest.raises(Killed):
            scene.look(after_s=60)
    assert (scene.link(ad).step, scene.ledger()) == ("resuming", [PAUSED])

    scene.look()
    scene.look(after_s=60)
    assert (scene.statuses(ad), scene.link(ad).step) == (["ENABLED"], "")
    assert scene.ledger() == [PAUSED, RESUMED]
    assert scene.lines()[1].spend_saved == Decimal("100.0000")

    scene.supply(S=0)
    scene.look()
    scene.look(after_s=60)
    assert scene.statuses(ad) == ["PAUSED"]


def test_a_crash_before_the_effect_is_given_up_when_stock_is_back(
    scene: AdScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    scene.look()
    with monkeypatch.context() as patch:
        die_at(patch, scene, "before the effect")
        with pytest.raises(Killed):
            scene.look(after_s=60)
    scene.supply(S=2)
    scene.look()
    scene.look(after_s=60)
    assert (scene.changes(), scene.ledger(), scene.link(ad).paused_by_us_at) == ([], [], None)


@pytest.mark.parametrize("fault", ["cut_after_success", "timeout_after_success"])
def test_a_lost_answer_is_settled_by_reading_back(scene: AdScene, server: Any, fault: str) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    scene.look()
    account: Any = scene.rt.ads(scene.merchant_id, scene.account_id)
    account._client._timeout_s = 1.0
    server.dials.fail_next = ["none", fault]
    with pytest.raises(OutcomeUnknown):
        scene.look(after_s=60)
    assert (scene.statuses(ad), scene.ledger()) == (["PAUSED"], [])

    scene.look(after_s=5)
    assert (scene.changes(), scene.ledger()) == ([(ad, "PAUSED")], [PAUSED])
    assert scene.lines()[0].reason == "Found done after an interruption."

    scene.supply(S=2)
    scene.look()
    server.dials.fail_next = ["none", "none", fault]
    with pytest.raises(OutcomeUnknown):
        scene.look(after_s=60)
    scene.look(after_s=5)
    assert (scene.changes(), scene.ledger()) == ([(ad, "PAUSED"), (ad, "ENABLED")], [PAUSED, RESUMED])


def test_a_reading_back_that_fails_loses_nothing(scene: AdScene, server: Any) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    scene.look()
    server.dials.fail_next = ["none", "none", "error"]
    with pytest.raises(Retryable):
        scene.look(after_s=60)
    scene.look(after_s=5)
    assert (scene.changes(), scene.ledger()) == ([(ad, "PAUSED")], [PAUSED])


def test_an_account_in_trouble_waits_and_finishes_by_itself(scene: AdScene, server: Any) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase")
    scene.read()
    scene.serve()
    scene.clock.advance(seconds=60)
    scene.world.execute("update outbox_message set due_at = now() where merchant_id = :m")
    server.dials.fail_next = ["none", "cut_after_success"]
    assert scene.serve() == ["OutcomeUnknown"]
    scene.world.execute("update outbox_turn set next_try_at = now() where merchant_id = :m")
    assert scene.serve() == []
    assert (scene.changes(), scene.ledger()) == ([(ad, "PAUSED")], [PAUSED])
    assert [topic for topic, _, _ in scene.world.pending() if topic == "ads.position"] == []


# --- Single ads that fail ---------------------------------------------------------------------------


def add(scene: AdScene, **fields: Any) -> str:
    accounts = scene.server.accounts
    group = accounts.ad_group(accounts.campaign(CUSTOMER_ID, "Search"), "All products")
    item = Item(accounts.new_id(), group.id, "ad", "text", [scene.url("vase")], **fields)
    return accounts.add_item(CUSTOMER_ID, item)


def test_one_bad_ad_does_not_stop_the_others(scene: AdScene) -> None:
    scene.page("vase", S=0)
    stubborn, busy, good = add(scene, can_be_paused=False), add(scene, is_busy=True), add(scene)
    scene.read()
    scene.look()
    scene.look(after_s=60)
    assert scene.statuses(stubborn, busy, good) == ["ENABLED", "ENABLED", "PAUSED"]
    assert sorted(scene.ledger()) == [
        ("pause", "done", False),
        ("pause", "rejected", False),
        ("pause", "retry", False),
    ]
    assert [scene.link(ad).step for ad in (stubborn, busy, good)] == ["theirs", "", "paused"]

    scene.server.accounts.items[busy].is_busy = False
    for _ in range(3):
        scene.look(after_s=30)
    # What the platform refuses for good is tried once a crossing, not at every look.
    assert scene.statuses(stubborn, busy, good) == ["ENABLED", "PAUSED", "PAUSED"]
    assert [outcome for _, outcome, _ in scene.ledger()].count("rejected") == 1


def test_an_address_that_is_none_does_not_stop_the_others(scene: AdScene) -> None:
    scene.page("vase", S=0)
    good = scene.ad("vase")
    bad = scene.server.seed([{"landing_page": "https://shop.example:port/products/vase"}])[0]
    assert scene.read() == 2
    scene.look()
    scene.look(after_s=60)
    assert scene.statuses(good, bad) == ["PAUSED", "ENABLED"]


# --- The ledger of what was saved -------------------------------------------------------------------


def test_what_a_pause_saved_is_booked_on_resume_at_the_spend_before_it(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ad = scene.ad("vase", daily_cost_micros=12_500_000)
    scene.pause(ad)
    # Ten days later the platform's own mean of seven days has fallen to nothing.
    for _ in range(10):
        scene.later(days=1)
        scene.read()
    scene.supply(S=4)
    scene.look()
    scene.look(after_s=60)

    saved = [(line.action, line.spend_saved) for line in scene.lines()]
    assert saved == [("pause", None), ("resume", Decimal("125.0087"))]


def test_a_crossing_wakes_every_account_of_the_merchant(scene: AdScene, server: Any) -> None:
    scene.page("vase", S=4)
    ad = scene.ad("vase")
    scene.read()
    scene.serve()
    scene.supply(S=0)
    assert scene.serve() == []
    due = [topic for topic, _, _ in scene.world.pending()]
    assert "ads.position" in due  # the end of the dwell
    scene.clock.advance(seconds=60)
    scene.world.execute("update outbox_message set due_at = now() where merchant_id = :m")
    assert scene.serve() == []
    assert scene.statuses(ad) == ["PAUSED"]


# --- Leaving --------------------------------------------------------------------------------------


def test_before_leaving_everything_we_paused_and_only_that_is_resumed(scene: AdScene) -> None:
    scene.page("vase", S=0)
    ours, again, theirs = scene.ad("vase"), scene.ad("vase"), scene.ad("vase", status="PAUSED")
    scene.pause(ours, again)
    scene.by_hand(again, "ENABLED")
    assert resume_ours(scene.rt, scene.merchant_id, scene.account_id) == 1
    assert scene.statuses(ours, again, theirs) == ["ENABLED", "ENABLED", "PAUSED"]
    assert scene.changes() == [(ours, "PAUSED"), (again, "PAUSED"), (ours, "ENABLED")]
