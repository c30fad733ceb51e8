"""Delivery to a WooCommerce shop with the companion plugin: the shop compares, so nothing is overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.conftest import Scene
from tests.delivery.test_races import before, read_orders, settle_down
from tests.support import ManualClock

READS = ("GET products", "GET variations", "GET products/<id>/variations")
PLAIN_WRITES = ("POST products/batch", "POST products/<id>/variations/batch")
WRITE = "POST wc-dispo/v1/stock"


@pytest.fixture
def scene(woo: Scene) -> Scene:
    """The shop has had the plugin installed since it was connected."""
    woo.server.has_plugin = True
    store: Any = woo.rt.store(woo.merchant_id, woo.store_id)
    store.check()
    woo.server.calls.clear()
    return woo


def count(scene: Scene, labels: tuple[str, ...]) -> int:
    return sum(scene.server.calls[label] for label in labels)


def test_products_and_variations_are_written_in_one_call_and_not_read_before(scene: Scene) -> None:
    scene.supply(A_1=4, A_2=0, V_S=3, V_L=0)

    assert scene.deliver() == []

    assert [scene.stock(sku) for sku in ("A-1", "A-2", "V-S", "V-L")] == [4, 0, 3, 0]
    assert (scene.server.calls[WRITE], count(scene, READS), count(scene, PLAIN_WRITES)) == (1, 0, 0)


def test_a_sale_in_the_moment_before_the_write_is_never_overwritten(scene: Scene, clock: ManualClock) -> None:
    clock.advance(minutes=30)
    seen: list[int | None] = []

    def sell() -> None:
        scene.sell("A-1", 2)
        seen.append(scene.stock("A-1"))

    before(scene, "send", sell)
    scene.supply(A_1=6)
    assert scene.deliver() == []
    settle_down(scene, clock)

    assert (seen, scene.stock("A-1")) == ([8], 4)
    clock.advance(seconds=30)
    read_orders(scene)
    settle_down(scene, clock)
    assert scene.stock("A-1") == 4, "its order tells of the same two pieces"
    row = scene.listing("A-1")
    assert (row.believed_available, row.wanted_available) == (4, 4)


def test_the_badge_rides_along(scene: Scene) -> None:
    scene.supply(A_1=0)
    assert scene.deliver() == []
    assert scene.shop.by_sku("A-1")[0].meta["_dispo_state"] == "out_of_stock"
    assert scene.server.calls[WRITE] == 1


def test_a_lost_answer_is_settled_without_inventing_a_sale(scene: Scene) -> None:
    scene.server.dials.fail_next = ["timeout_after_success"]
    scene.supply(A_1=4)
    assert scene.deliver() == ["OutcomeUnknown"]
    assert (scene.stock("A-1"), scene.listing("A-1").believed_available) == (4, 10)

    scene.wake()
    assert scene.deliver() == []

    assert (scene.stock("A-1"), scene.listing("A-1").believed_available) == (4, 4)
    assert scene.world.allocated(scene.variant("A-1")) == {}


def test_a_plugin_that_is_switched_off_delays_nothing_for_long(scene: Scene) -> None:
    scene.server.has_plugin = False
    scene.supply(A_1=4)
    assert scene.deliver() == ["Retryable"]
    assert scene.stock("A-1") == 10

    scene.wake()
    assert scene.deliver() == []

    assert (scene.stock("A-1"), scene.listing("A-1").believed_available) == (4, 4)
    assert count(scene, PLAIN_WRITES) == 1
