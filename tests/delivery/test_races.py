"""What happens elsewhere while a read or a write is under way: every sale is counted once, none is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from connector.delivery import approval, reconcile
from connector.delivery.catalog import doubt
from tests.delivery.conftest import Scene
from tests.support import ManualClock, forget_budgets


def after(scene: Scene, method: str, act: Callable[[], None]) -> None:
    """Let `act` happen once, after the next call of the store's `method` and before its answer is used."""
    store: Any = scene.rt.store(scene.merchant_id, scene.store_id)
    real = getattr(store, method)

    def once(*given: Any) -> Any:
        answer = real(*given)
        setattr(store, method, real)
        act()
        return answer

    setattr(store, method, once)


def before(scene: Scene, method: str, act: Callable[[], None]) -> None:
    """Let `act` happen once, before the next call of the store's `method`."""
    store: Any = scene.rt.store(scene.merchant_id, scene.store_id)
    real = getattr(store, method)

    def once(*given: Any) -> Any:
        setattr(store, method, real)
        act()
        return real(*given)

    setattr(store, method, once)


def read_orders(scene: Scene) -> None:
    reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)


def settle_down(scene: Scene, clock: ManualClock) -> None:
    for _ in range(3):
        clock.advance(seconds=1)
        scene.deliver()
        scene.wake()


def is_native(scene: Scene) -> bool:
    return scene.rt.store(scene.merchant_id, scene.store_id).capabilities.compare_and_set == "native"


def test_an_order_recorded_while_a_write_is_answered_counts_once(scene: Scene, clock: ManualClock) -> None:
    def sell() -> None:
        clock.advance(seconds=1)
        scene.sell("A-1", 1)
        read_orders(scene)

    clock.advance(minutes=30)
    scene.supply(A_1=6)
    after(scene, "send", sell)
    scene.deliver()
    settle_down(scene, clock)

    assert scene.world.allocated(scene.variant("A-1")) == {"order": 1}
    row = scene.listing("A-1")
    assert (scene.stock("A-1"), row.believed_available, row.wanted_available) == (5, 5, 5)


def test_an_order_recorded_while_the_number_is_read_counts_once(scene: Scene, clock: ManualClock) -> None:
    scene.supply(A_1=6)
    scene.deliver()
    clock.advance(minutes=30)

    def sell() -> None:
        scene.sell("A-1", 1)
        clock.advance(seconds=1)
        read_orders(scene)

    after(scene, "read_quantities", sell)
    with scene.rt.engine.begin() as db:
        doubt(db, scene.merchant_id, scene.store_id, [scene.listing("A-1").id])
    scene.deliver()
    settle_down(scene, clock)

    assert scene.world.allocated(scene.variant("A-1")) == {"order": 1}
    row = scene.listing("A-1")
    assert (scene.stock("A-1"), row.believed_available, row.wanted_available) == (5, 5, 5)


def test_a_sale_between_reading_and_writing_is_repaired_from_its_order(
    woo: Scene, clock: ManualClock
) -> None:
    """The window of a platform that cannot compare: our write overwrites the sale, its order tells."""
    clock.advance(minutes=30)
    before(woo, "send", lambda: woo.sell("A-1", 2))
    woo.supply(A_1=6)
    woo.deliver()
    assert woo.stock("A-1") == 6  # the platform let us put the two that were sold back on the shelf

    clock.advance(seconds=30)
    read_orders(woo)
    settle_down(woo, clock)

    assert woo.stock("A-1") == 4
    assert woo.world.allocated(woo.variant("A-1")) == {"order": 2}


def test_falls_seen_beside_an_order_in_doubt_are_still_learnt(scene: Scene, clock: ManualClock) -> None:
    """An order close to our own write: whether the number holds it is open, but not what else was sold."""
    clock.advance(minutes=30)
    scene.supply(A_1=6)
    scene.deliver()
    scene.sell("A-1", 1)
    clock.advance(seconds=2)
    read_orders(scene)
    scene.sell("A-1", 2)
    settle_down(scene, clock)

    assert scene.stock("A-1") == 3
    assert scene.world.allocated(scene.variant("A-1")) == {"order": 1, "fall": 2}


def test_a_cancelled_order_gives_its_units_back_once(scene: Scene, clock: ManualClock) -> None:
    scene.supply(A_1=6)
    scene.deliver()
    clock.advance(minutes=30)
    order = scene.shop.buy({scene.shop.by_sku("A-1")[0].id: 2})
    clock.advance(seconds=5)
    read_orders(scene)
    settle_down(scene, clock)
    scene.shop.cancel(order.id)
    clock.advance(seconds=5)
    scene.sell("A-1", 1)
    read_orders(scene)
    settle_down(scene, clock)

    assert scene.world.allocated(scene.variant("A-1")) == {"order": 1}
    assert scene.stock("A-1") == 5


def test_a_platform_that_runs_a_repeated_request_again_invents_no_sale(
    shopify: Scene, clock: ManualClock
) -> None:
    shopify.server.keys.replays = False
    shopify.server.dials.fail_next = ["timeout_after_success"]
    shopify.supply(A_1=4)
    assert shopify.deliver() == ["OutcomeUnknown"]
    shopify.wake()
    settle_down(shopify, clock)

    assert shopify.world.allocated(shopify.variant("A-1")) == {}
    assert (shopify.stock("A-1"), shopify.listing("A-1").believed_available) == (4, 4)


@pytest.mark.parametrize("replays", [True, False])
def test_orders_between_a_lost_answer_and_its_repetition_count_once(
    shopify: Scene, clock: ManualClock, replays: bool
) -> None:
    """Found by the torture: what was ordered meanwhile was also taken for a sale seen in the number."""
    clock.advance(minutes=30)
    shopify.server.keys.replays = replays
    shopify.server.dials.fail_next = ["timeout_after_success"]
    shopify.supply(A_1=6)
    assert shopify.deliver() == ["OutcomeUnknown"]
    clock.advance(seconds=1)
    shopify.sell("A-1", 2)
    read_orders(shopify)
    clock.advance(seconds=1)
    shopify.sell("A-1", 1)
    shopify.wake()
    settle_down(shopify, clock)
    with shopify.rt.engine.begin() as db:
        doubt(db, shopify.merchant_id, shopify.store_id, [shopify.listing("A-1").id])
    settle_down(shopify, clock)

    assert shopify.world.allocated(shopify.variant("A-1")) == {"order": 2, "fall": 1}
    assert (shopify.stock("A-1"), shopify.listing("A-1").wanted_available) == (3, 3)


def test_a_worker_without_its_lease_sends_nothing(scene: Scene) -> None:
    def lose() -> None:
        scene.world.execute(
            "update outbox_turn set lease_token = gen_random_uuid() where topic = 'store.quantity'"
        )

    scene.supply(A_1=4)
    before(scene, "plan_quantities", lose)
    scene.deliver(rounds=1)

    assert scene.stock("A-1") == 10
    assert scene.attempts() == []


def test_an_answer_that_comes_after_the_lease_is_left_to_the_next_worker(
    scene: Scene, clock: ManualClock
) -> None:
    def lose() -> None:
        scene.world.execute("update outbox_message set lease_token = gen_random_uuid()")
        scene.world.execute(
            "update outbox_turn set lease_token = gen_random_uuid() where topic = 'store.quantity'"
        )

    scene.supply(A_1=4)
    after(scene, "send", lose)
    scene.deliver(rounds=1)
    assert (scene.attempts(), scene.listing("A-1").believed_available) == (["sent"], 10)

    scene.world.execute("update outbox_turn set lease_token = null, lease_until = null")
    scene.world.execute(
        "update outbox_message set status = 'pending', lease_token = null, lease_until = null"
    )
    settle_down(scene, clock)

    assert (scene.stock("A-1"), scene.listing("A-1").believed_available) == (4, 4)
    assert scene.world.allocated(scene.variant("A-1")) == {}
    assert set(scene.attempts()) <= {"succeeded", "resolved"}


def test_a_request_without_an_answer_is_not_repeated_once_writing_is_stopped(
    scene: Scene, clock: ManualClock
) -> None:
    scene.server.dials.fail_next = ["timeout_after_success"] if is_native(scene) else ["none", "error"]
    scene.supply(A_1=4)
    assert scene.deliver() == ["OutcomeUnknown"]
    held = scene.stock("A-1")
    writes: list[int] = []
    scene.shop.listeners.append(lambda change: writes.append(change.id) if change.by == "api" else None)
    with scene.rt.engine.begin() as db:
        approval.stop_writing(
            db, scene.merchant_id, scene.store_id, is_stopped=True, actor="test", now=clock.now()
        )
    scene.wake()
    settle_down(scene, clock)

    assert (writes, scene.stock("A-1")) == ([], held)
    assert "unknown" not in scene.attempts()


def test_a_short_limit_is_waited_for_within_the_turn(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if hasattr(scene.server, "window"):
            time.sleep(seconds)
        forget_budgets(scene.rt.settings.redis_url)

    monkeypatch.setattr("connector.delivery.sending.sleep", sleep)
    scene.server.dials.fail_next = ["throttle"] if is_native(scene) else ["none", "throttle"]
    if is_native(scene):
        scene.server.bucket.restore_rate = 10_000.0
    if hasattr(scene.server, "window"):
        scene.server.window.window_s = 0.2
    scene.supply(A_1=4)

    assert scene.deliver() == []

    assert scene.stock("A-1") == 4
    assert len(waits) == 1 and 0 < waits[0] <= 2.2
    assert set(scene.attempts()) == {"succeeded"}


def test_what_the_batch_of_a_product_has_room_for_travels_along(woo: Scene) -> None:
    """WooCommerce takes the variations of one parent per call: the harmless one rides with the dangerous."""
    woo.supply(V_S=0)
    woo.supply(V_L=50)
    woo.server.calls.clear()
    with woo.rt.engine.begin() as db:
        db.execute(sa.text("update outbox_message set due_at = now() + interval '1 hour' where lane > 1"))
    woo.deliver()
    assert (woo.stock("V-S"), woo.stock("V-L")) == (0, 10)  # what is not due stays

    woo.supply(V_S=3)
    woo.wake()
    from connector.bootstrap import TOPICS
    from connector.outbox.messages import Turn
    from connector.outbox.work import serve_turn

    topic = TOPICS["store.quantity"]
    one = {"store.quantity": type(topic)(topic.name, topic.handler, 1, topic.lease_s)}
    woo.server.calls.clear()
    serve_turn(woo.rt, Turn(woo.merchant_id, "store.quantity", woo.store_id), one)

    assert (woo.stock("V-S"), woo.stock("V-L")) == (3, 50)
    assert [n for route, n in woo.server.calls.items() if route.startswith("POST")] == [1]
    assert woo.deliver() == []
    assert [n for route, n in woo.server.calls.items() if route.startswith("POST")] == [1]


def test_each_batch_is_read_just_before_it_is_written(woo: Scene) -> None:
    """The window in which a sale could be overwritten is one batch long, not one claim long."""
    for number in range(150):
        woo.shop.add_product(
            f"Cup {number}", [{"sku": f"C-{number}", "title": "", "price_minor": 500, "stock": 10}]
        )
    reconcile.reconcile(woo.rt, woo.merchant_id, woo.store_id, is_full=True)
    seen: list[str] = []
    woo.supply(**{f"C_{n}": 3 for n in range(150)})
    store: Any = woo.rt.store(woo.merchant_id, woo.store_id)
    read, send = store.read_quantities, store.send
    store.read_quantities = lambda refs: (seen.append(f"read {len(refs)}"), read(refs))[1]
    store.send = lambda request, key: (seen.append(f"write {len(request.refs)}"), send(request, key))[1]
    woo.deliver()

    assert seen == ["read 100", "write 100", "read 50", "write 50"]
    assert timedelta(0) == woo.rt.now() - woo.rt.now()
