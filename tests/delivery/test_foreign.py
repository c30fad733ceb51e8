"""Somebody else who sets the same number again and again is noticed, named and left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from connector.db import transaction
from connector.delivery import approval, foreign, reconcile, webhooks
from connector.web.queries import connections
from tests.delivery.conftest import Scene
from tests.support import ManualClock


class Other:
    """Another app that wants its own numbers, and a look at the store after each."""

    def __init__(self, scene: Scene, clock: ManualClock) -> None:
        self.scene = scene
        self.clock = clock

    def sets(self, **numbers: int) -> None:
        scene = self.scene
        self.clock.advance(minutes=30)
        for name, number in numbers.items():
            scene.shop.set_stock(scene.shop.by_sku(name.replace("_", "-"))[0].id, number, by="shop")
        reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id)
        assert [] == scene.deliver()


@pytest.fixture
def other(scene: Scene, clock: ManualClock) -> Other:
    scene.supply(A_1=6, A_2=6)
    scene.deliver()
    return Other(scene, clock)


def health(scene: Scene) -> connections.Health:
    with scene.rt.engine.connect() as db:
        return next(
            one
            for one in connections.health(db, scene.merchant_id, scene.rt.now(), "store")
            if one.row.id == scene.store_id
        )


def test_a_slip_is_repaired_and_counted(scene: Scene, other: Other) -> None:
    for _ in range(foreign.REPAIRS):
        other.sets(A_1=15)
        assert 6 == scene.stock("A-1")
    assert None is scene.listing("A-1").yielded_at
    assert "fine" == health(scene).what
    with scene.rt.engine.connect() as db:
        found = connections.reconciliations(db, scene.merchant_id, scene.store_id, foreign.REPAIRS)
    assert [(1, 1)] * foreign.REPAIRS == [(row.drifted, row.repaired) for row in found]


def test_whoever_sets_it_again_and_again_is_left_alone_and_named(scene: Scene, other: Other) -> None:
    for _ in range(foreign.REPAIRS):
        other.sets(A_1=15)
    sent = len(scene.attempts())
    for _ in range(3):
        other.sets(A_1=15)
        assert 15 == scene.stock("A-1")
    assert sent == len(scene.attempts())

    said = health(scene)
    assert ("warn", "overwritten", 1) == (said.level, said.what, said.facts["yielded"])
    (item,) = said.overwritten
    assert ("A-1", 6, 15, foreign.REPAIRS + 1) == (item.sku, item.ours, item.theirs, item.times)


def test_its_neighbours_are_left_sooner_and_the_rest_goes_on(scene: Scene, other: Other) -> None:
    for _ in range(foreign.REPAIRS + 1):
        other.sets(A_1=15)
    for _ in range(foreign.REPAIRS_WHEN_KNOWN):
        other.sets(A_2=20)
        assert 6 == scene.stock("A-2")
    other.sets(A_2=20)
    assert 20 == scene.stock("A-2")

    scene.supply(A_1=0, A_3=2)
    scene.deliver()
    assert (15, 2) == (scene.stock("A-1"), scene.stock("A-3"))


def test_slips_far_apart_are_no_other_writer(scene: Scene, other: Other, clock: ManualClock) -> None:
    for _ in range(foreign.REPAIRS + 3):
        other.sets(A_1=15)
        clock.advance(hours=6)
    assert 6 == scene.stock("A-1")


def test_the_merchant_has_dispo_go_on(scene: Scene, other: Other) -> None:
    for _ in range(foreign.REPAIRS + 1):
        other.sets(A_1=15)
    scene.supply(A_1=4)
    with transaction(scene.rt.engine) as db:
        approval.stop_writing(
            db, scene.merchant_id, scene.store_id, is_stopped=False, actor="test", now=scene.rt.now()
        )
    scene.deliver()
    assert 4 == scene.stock("A-1")
    assert ("fine", ()) == (health(scene).what, health(scene).overwritten)

    other.sets(A_1=15)
    assert 4 == scene.stock("A-1")


def test_what_is_left_alone_is_still_known(scene: Scene, other: Other) -> None:
    for _ in range(foreign.REPAIRS + 1):
        other.sets(A_1=15)
    other.sets(A_1=33)
    assert 33 == scene.listing("A-1").believed_available
    assert 0 == health(scene).facts["pending"]


def test_cancelled_orders_are_no_other_writer(scene: Scene, other: Other, clock: ManualClock) -> None:
    for _ in range(foreign.REPAIRS + 2):
        clock.advance(minutes=30)
        order = scene.shop.buy({scene.shop.by_sku("A-1")[0].id: 2})
        reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
        reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id)
        scene.deliver()
        clock.advance(minutes=30)
        scene.shop.cancel(order.id)
        reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
        reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id)
        scene.deliver()
    assert None is scene.listing("A-1").yielded_at
    with scene.rt.engine.connect() as db:
        assert 0 == db.execute(sa.text("select count(*) from foreign_write")).scalar_one()


def test_old_traces_leave(scene: Scene, other: Other) -> None:
    other.sets(A_1=15)
    with transaction(scene.rt.engine) as db:
        webhooks.prune(db, timedelta(days=14))
        assert 0 == db.execute(sa.text("select count(*) from foreign_write")).scalar_one()
