"""The last store left: what we paused is resumed from the ad account that still lets us in."""

from __future__ import annotations

import sqlalchemy as sa

from connector.db import transaction
from connector.installs.leave import Remains, disconnect, left_behind, remains
from tests.advertising.conftest import AdScene


def leave(scene: AdScene) -> None:
    scene.world.execute("update connection set status = 'ended' where id = :c", c=scene.store_id)


def left(scene: AdScene) -> list[dict[str, object]]:
    with scene.rt.engine.connect() as db:
        rows = db.execute(sa.text("select detail from audit_event where action = 'store.left' order by id"))
        return [row.detail for row in rows]


def paused_ad(scene: AdScene) -> str:
    scene.page("vase", V=0)
    ad = scene.ad("vase")
    scene.pause(ad)
    return ad


def test_ads_that_we_paused_run_again_and_are_not_touched_any_more(scene: AdScene) -> None:
    ad = paused_ad(scene)
    leave(scene)
    assert left_behind(scene.rt, scene.merchant_id, scene.store_id) == 1
    assert scene.statuses(ad) == ["ENABLED"]
    assert left(scene) == [
        {
            "ads_resumed": 1,
            "ads_still_paused": 0,
            "ad_accounts_not_reached": [],
            "shoppers_waiting": 0,
            "products_moved": 0,
        }
    ]
    scene.look(after_s=3600)
    scene.look(after_s=60)
    assert scene.statuses(ad) == ["ENABLED"]


def test_an_ad_somebody_runs_again_already_is_not_touched(scene: AdScene) -> None:
    ad = paused_ad(scene)
    scene.by_hand(ad, "ENABLED")
    leave(scene)
    changes = scene.changes()
    assert left_behind(scene.rt, scene.merchant_id, scene.store_id) == 0
    assert (scene.changes(), scene.statuses(ad)) == (changes, ["ENABLED"])
    assert left(scene)[0]["ads_still_paused"] == 0


def test_while_another_store_stays_the_ads_follow_its_stock(scene: AdScene) -> None:
    ad = paused_ad(scene)
    scene.world.store()
    leave(scene)
    assert left_behind(scene.rt, scene.merchant_id, scene.store_id) == 0
    assert scene.statuses(ad) == ["PAUSED"]


def test_a_store_that_came_back_before_the_work_began_loses_nothing(scene: AdScene) -> None:
    ad = paused_ad(scene)
    assert left_behind(scene.rt, scene.merchant_id, scene.store_id) == 0
    assert (scene.statuses(ad), left(scene)) == (["PAUSED"], [])


def test_disconnecting_says_what_remains_and_tidies_up_by_the_outbox(scene: AdScene) -> None:
    ad = paused_ad(scene)
    with transaction(scene.rt.engine) as db:
        before = remains(db, scene.merchant_id, scene.store_id)
        assert disconnect(db, scene.merchant_id, scene.store_id, actor="owner", now=scene.rt.now())
        assert not disconnect(db, scene.merchant_id, scene.store_id, actor="owner", now=scene.rt.now())

    assert (1, 0) == (before.ads_paused, before.shoppers_waiting)
    assert [("installs.ended", "disconnected")] == [
        (topic, subject) for topic, subject, _ in scene.world.pending() if topic == "installs.ended"
    ]
    left_behind(scene.rt, scene.merchant_id, scene.store_id)
    assert ["ENABLED"] == scene.statuses(ad)


def test_a_strangers_store_is_not_disconnected(scene: AdScene) -> None:
    with transaction(scene.rt.engine) as db:
        assert not disconnect(db, scene.merchant_id + 1, scene.store_id, actor="x", now=scene.rt.now())
        assert Remains(0, 0, 0) == remains(db, scene.merchant_id + 1, scene.store_id)
