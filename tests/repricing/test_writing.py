"""Prices are written after an approval, never over somebody else's, and taken back where they are still ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace

import pytest

from connector.db import transaction
from connector.outbox.messages import Turn, claim
from connector.ports.errors import OutcomeUnknown
from connector.ports.prices import PriceResult, PriceSet, StorePrice
from connector.positions.topics import PRICES
from connector.repricing import choices, facts, work
from tests.repricing.conftest import Scene


def test_nothing_is_written_before_an_approval_and_then_the_rules_prices_are(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.item("A-2", 1800, "10.00")
    scene.item("A-3", 900, "10.00", is_excluded=True)
    scene.rule(markup_percent="80")
    assert scene.look().written == 0 and scene.shop.calls == []

    assert ["A-1"] == [due.one.sku for due in scene.plan().due]
    assert scene.approve()
    assert scene.look().written == 1

    assert {"A-1": 1800, "A-2": 1800, "A-3": 900} == scene.paid()
    assert {"open": 1} == scene.steps()
    assert [] == list(scene.plan().due)
    # Another look has nothing to do, and what the store shows is known here as well.
    assert scene.look().written == 0 and len(scene.shop.calls) == 1


def test_what_was_not_seen_is_not_approved(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.rule(markup_percent="80")
    seen = scene.plan().digest
    scene.rule(markup_percent="90")
    with transaction(scene.engine) as db:
        done = choices.approve(
            db, scene.m, scene.store_id, seen, allows_far=False, shows_was=False, actor="t", now=scene.at
        )
    assert (False, None) == (done, scene.state())


def test_changed_costs_are_followed_changed_rules_are_asked_for(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.rule(markup_percent="80")
    scene.approve()
    scene.look()
    scene.world.execute("update observation set cost = 11 where merchant_id = :m")
    scene.look()
    assert {"A-1": 1980} == scene.paid()

    scene.rule(markup_percent="100")
    scene.look()
    assert {"A-1": 1980} == scene.paid()
    assert ("rules", 1) == (scene.state().held_why, scene.state().held)


def test_a_far_change_waits_until_it_is_approved(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.item("A-2", 1500, "100.00")
    scene.rule(markup_percent="80")
    scene.approve()
    scene.look()
    assert {"A-1": 1800, "A-2": 1500} == scene.paid()
    assert ("far", 1) == (scene.state().held_why, scene.state().held)
    scene.approve(far=True)
    scene.look()
    assert 18000 == scene.paid()["A-2"]
    # The approval is used up: the next far change waits again.
    scene.look()
    scene.world.execute("update observation set cost = 1 where merchant_id = :m and cost = 10")
    scene.look()
    assert (1800, "far") == (scene.paid()["A-1"], scene.state().held_why)


def test_a_price_that_somebody_changed_is_respected_until_it_is_handed_over(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.item("A-2", 1500, "10.00")
    scene.rule(markup_percent="80")
    scene.approve()
    scene.look()
    scene.shop.prices["A-1"] = StorePrice(1699)
    scene.world.execute("update observation set cost = 11 where merchant_id = :m")

    assert scene.look().left == 1

    assert {"A-1": 1699, "A-2": 1980} == scene.paid()
    assert {"open": 1, "theirs": 1} == scene.steps()
    scene.look()
    assert 1699 == scene.paid()["A-1"]
    with transaction(scene.engine) as db:
        assert 1 == choices.hand_over(db, scene.m, scene.store_id, actor="test", now=scene.at)
    scene.look()
    assert 1980 == scene.paid()["A-1"]


def test_an_item_on_sale_is_left_alone(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.shop.prices["A-1"] = StorePrice(1500, was_minor=2500)
    scene.rule(markup_percent="80")
    scene.approve()
    assert (0, 1) == ((tally := scene.look()).written, tally.left)
    assert StorePrice(1500, 2500) == scene.shop.prices["A-1"]


def test_a_price_the_rules_did_not_know_is_judged_first(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.rule(floor_percent="50")
    scene.approve()
    scene.shop.prices["A-1"] = StorePrice(2600)
    assert scene.look().written == 0
    # Known now, and above the floor of 20.00: nothing is to be done.
    assert (2600, []) == (scene.paid()["A-1"], list(scene.plan().due))


def test_a_lost_answer_is_finished_from_what_the_store_shows(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.rule(markup_percent="80")
    scene.approve()
    scene.shop.loses = 1
    with pytest.raises(OutcomeUnknown):
        scene.look()
    assert {"writing": 1} == scene.steps()
    assert scene.look().written == 1
    assert ({"open": 1}, 1) == (scene.steps(), len(scene.shop.calls))


def test_a_call_that_never_left_is_made_again(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.rule(markup_percent="80")
    scene.approve()
    scene.shop.loses = 1
    with pytest.raises(OutcomeUnknown):
        scene.look()
    scene.shop.prices["A-1"] = StorePrice(1500)
    assert scene.look().written == 1
    assert {"A-1": 1800} == scene.paid()


def test_undo_restores_the_price_before_where_ours_is_still_the_latest(scene: Scene) -> None:
    for sku in ("A-1", "A-2", "A-3"):
        scene.item(sku, 1500, "10.00")
    scene.rule(markup_percent="80")
    scene.approve()
    scene.look()
    scene.shop.prices["A-2"] = StorePrice(1750)
    with scene.engine.connect() as db:
        (latest,) = facts.looks(db, scene.m, scene.store_id)
    assert latest.prices == 3

    with transaction(scene.engine) as db:
        done = choices.undo(
            db, scene.m, scene.store_id, written_at=latest.written_at, actor="test", now=scene.at
        )
    tally = scene.look()

    assert (3, 2, 1) == (done, tally.put_back, tally.left)
    assert {"A-1": 1500, "A-2": 1750, "A-3": 1500} == scene.paid()
    # Or the rules would write the same prices again.
    assert "off" == scene.state().status
    scene.look()
    assert 1500 == scene.paid()["A-1"]


def undo(scene: Scene) -> int:
    with transaction(scene.engine) as db:
        return choices.undo(db, scene.m, scene.store_id, actor="test", now=scene.at)


@pytest.mark.parametrize("is_lost", [False, True])
def test_undo_gives_the_merchants_own_price_back_however_often_we_wrote(scene: Scene, is_lost: bool) -> None:
    for sku in ("A-1", "A-2"):
        scene.item(sku, 1500, "10.00")
    scene.rule(markup_percent="60")
    scene.approve()
    scene.look()
    scene.world.execute("update observation set cost = 11 where merchant_id = :m")
    scene.shop.refuses = {"A-2"}
    scene.look()
    assert ({"A-1": 1760, "A-2": 1600}, {"open": 1, "refused": 1}) == (scene.paid(), scene.steps())
    scene.shop.refuses = set()
    if is_lost:
        # A third call that never arrives leaves what was ours before it.
        scene.world.execute("update observation set cost = 12 where merchant_id = :m")
        scene.shop.loses = 1
        with pytest.raises(OutcomeUnknown):
            scene.look()
        scene.shop.prices = {"A-1": StorePrice(1760), "A-2": StorePrice(1600)}
        with transaction(scene.engine) as db:
            choices.switch_off(db, scene.m, scene.store_id, actor="test", now=scene.at)
        scene.look()
        assert {"open": 2} == scene.steps()
    assert undo(scene) == 2
    scene.look()
    assert ({"A-1": 1500, "A-2": 1500}, {}) == (scene.paid(), scene.steps())


def test_what_is_undone_during_a_look_is_put_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CHUNK", 1)
    for sku in ("A-1", "A-2", "A-3"):
        scene.item(sku, 1500, "10.00")
    scene.rule(markup_percent="60")
    scene.approve()
    really = scene.shop.set_prices

    def undone_meanwhile(changes: Sequence[PriceSet]) -> list[PriceResult]:
        results = really(changes)
        if len(scene.shop.calls) == 2:
            assert undo(scene) == 2
        return results

    scene.shop.set_prices = undone_meanwhile  # type: ignore[method-assign]
    assert scene.look().written == 2
    assert {"A-1": 1600, "A-2": 1600, "A-3": 1500} == scene.paid()
    assert ("off", {"undo": 2}) == (scene.state().status, scene.steps())
    assert scene.look().put_back == 2
    assert {"A-1": 1500, "A-2": 1500, "A-3": 1500} == scene.paid()


def test_who_switches_off_during_a_look_stops_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CHUNK", 1)
    for sku in ("A-1", "A-2", "A-3"):
        scene.item(sku, 1500, "10.00")
    scene.rule(markup_percent="60")
    scene.approve()
    really = scene.shop.set_prices

    def off_meanwhile(changes: Sequence[PriceSet]) -> list[PriceResult]:
        with transaction(scene.engine) as db:
            choices.switch_off(db, scene.m, scene.store_id, actor="test", now=scene.at)
        return really(changes)

    scene.shop.set_prices = off_meanwhile  # type: ignore[method-assign]
    assert (1, {"open": 1}) == (scene.look().written, scene.steps())


def test_an_incomplete_answer_forgets_no_price(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.rule(markup_percent="60")
    scene.approve()
    scene.look()
    kept = dict(scene.shop.prices)
    scene.world.execute("update observation set cost = 11 where merchant_id = :m")
    scene.shop.prices = {}
    scene.look()
    assert undo(scene) == 1
    scene.look()
    assert {"undo": 1} == scene.steps()
    scene.shop.prices = kept
    scene.look()
    assert ({"A-1": 1500}, {}) == (scene.paid(), scene.steps())


def test_a_refused_price_is_not_asked_for_again_and_fails_no_neighbour(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.item("A-2", 1500, "10.00")
    scene.shop.refuses = {"A-1"}
    scene.rule(markup_percent="80")
    scene.approve()
    assert (1, 1) == ((tally := scene.look()).written, tally.refused)
    scene.look()
    assert 1 == len(scene.shop.calls)
    with scene.engine.connect() as db:
        shown = facts.latest(db, scene.m, scene.store_id, 10)
    assert {("A-1", "refused", "The shop says no."), ("A-2", "open", "")} == {
        (one.sku, one.step, one.reason) for one in shown
    }


def test_a_reduced_price_stands_beside_the_lowest_of_thirty_days_for_thirty_days(scene: Scene) -> None:
    variant = scene.item("A-1", 2500, "10.00")
    scene.item("A-2", 2500, "10.00")
    # A-1 has been known for long; of A-2 nobody knows what it cost before.
    scene.world.execute(
        "insert into price_change select merchant_id, id, cast(:at as timestamptz), 2400 from listing"
        " where merchant_id = :m and variant_id = :v",
        at=scene.at - timedelta(days=40), v=variant,
    )  # fmt: skip
    scene.rule(markup_percent="80")
    scene.approve(was=True)
    scene.look()
    assert {"A-1": StorePrice(1800, 2400), "A-2": StorePrice(1800)} == scene.shop.prices

    scene.at += timedelta(days=29)
    scene.look()
    assert StorePrice(1800, 2400) == scene.shop.prices["A-1"]
    scene.at += timedelta(days=1)
    scene.look()
    assert StorePrice(1800) == scene.shop.prices["A-1"]


def test_nothing_is_written_into_a_store_that_may_not_be_written(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.rule(markup_percent="80")
    scene.approve()
    scene.world.execute("update connection set is_writing_stopped = true where merchant_id = :m")
    scene.look()
    assert [] == scene.shop.calls


def test_a_platform_without_prices_says_so(scene: Scene) -> None:
    scene.item("A-1", 1500, "10.00")
    scene.rule(markup_percent="80")
    scene.approve()
    scene.shop.capabilities = SimpleNamespace(price_batch_size=0)
    scene.look()
    assert "cannot be written" in scene.state().problem


def test_who_freezes_everything_does_not_wait_for_the_end_of_a_look(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "CHUNK", 1)
    for sku in ("A-1", "A-2", "A-3"):
        scene.item(sku, 1500, "10.00")
    scene.rule(markup_percent="60")
    scene.approve()
    claimed = claim(scene.engine, Turn(scene.m, PRICES, scene.store_id), 50)
    assert claimed is not None
    really = scene.shop.set_prices

    def frozen_meanwhile(changes: Sequence[PriceSet]) -> list[PriceResult]:
        scene.world.execute("update merchant set is_frozen = true where id = :m")
        return really(changes)

    scene.shop.set_prices = frozen_meanwhile  # type: ignore[method-assign]
    tally = work.look(scene, scene.m, scene.store_id, claimed)  # type: ignore[arg-type]

    assert (1, 1) == (tally.written, len(scene.shop.calls))
