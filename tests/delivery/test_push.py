"""Stores converge to what they should say, through the real adapters, under faults."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.stores.woocommerce.adapter import WooCommerceStore
from connector.delivery import approval, reconcile
from connector.ports.stores import FrozenRequest, ItemResult
from tests.delivery.conftest import Scene
from tests.support import ManualClock


def test_quantities_and_badges_reach_the_store(scene: Scene) -> None:
    scene.supply(A_1=4, A_2=0, A_3=2, V_S=7, V_L=0)

    assert scene.deliver() == []

    assert [scene.stock(sku) for sku in ("A-1", "A-2", "A-3", "V-S", "V-L")] == [4, 0, 2, 7, 0]
    assert scene.stock("A-4") == 10
    row = scene.listing("A-2")
    assert (row.believed_available, row.believed_state, row.confirmed_available) == (0, "out_of_stock", 0)
    assert sorted(set(scene.attempts())) == ["succeeded"]


def test_what_is_already_right_is_not_sent(scene: Scene) -> None:
    scene.supply(A_1=4)
    scene.deliver()
    sent = len(scene.attempts())

    scene.world.decide(scene.variant("A-1"))
    scene.supply(A_1=4)
    scene.deliver()

    assert sent == len(scene.attempts())


def test_a_sale_in_the_store_meanwhile_is_never_overwritten(scene: Scene) -> None:
    scene.supply(A_1=6)
    scene.deliver()
    scene.sell("A-1", 2)

    scene.supply(A_1=9)
    scene.deliver()

    # Two of the nine that the supplier has are sold already and not yet known there.
    assert scene.stock("A-1") == 7
    assert scene.world.allocated(scene.variant("A-1")) == {"fall": 2}
    assert scene.shop.oversold == 0


@pytest.mark.parametrize("way", ["a whole reading", "writing goes on"])
def test_what_was_sold_of_an_item_whose_quantity_is_blank_now_is_not_filled_up_again(
    woo: Scene, clock: ManualClock, way: str
) -> None:
    woo.supply(A_1=5)
    woo.deliver()
    variant = woo.variant("A-1")
    woo.world.observe(woo.source_id, variant, None)
    woo.world.decide(variant, at=woo.rt.now())

    woo.sell("A-1", 2)
    clock.advance(minutes=10)
    if way == "a whole reading":
        reconcile.reconcile(woo.rt, woo.merchant_id, woo.store_id, is_full=True)
    else:
        reconcile.read_orders(woo.rt, woo.merchant_id, woo.store_id)
        for is_stopped in (True, False):
            with woo.rt.engine.begin() as db:
                approval.stop_writing(
                    db, woo.merchant_id, woo.store_id, is_stopped=is_stopped, actor="test", now=woo.rt.now()
                )
    woo.deliver()
    assert 3 == woo.stock("A-1")

    # Known again it is kept again, less what was sold since.
    woo.supply(A_1=9)
    woo.deliver()
    assert 7 == woo.stock("A-1")


def test_a_store_that_never_takes_an_item_is_asked_ever_more_rarely(
    woo: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left_out(store: object, request: FrozenRequest, key: str) -> list[ItemResult]:
        return [
            ItemResult(ref, "retry", reason="The shop's answer leaves this item out.") for ref in request.refs
        ]

    monkeypatch.setattr(WooCommerceStore, "send", left_out)
    woo.supply(A_1=4)
    woo.deliver(rounds=20)

    statement = "select tries, due_at - now() > interval '1 second' from outbox_message where topic = 'store.quantity'"
    with woo.rt.engine.connect() as db:
        assert [(6, True)] == [tuple(row) for row in db.exec_driver_sql(statement)]
    # What is decided meanwhile does not wait.
    monkeypatch.undo()
    woo.supply(A_1=3)
    woo.deliver()
    assert 3 == woo.stock("A-1")


def test_a_lost_answer_is_settled_without_inventing_a_sale(scene: Scene) -> None:
    scene.server.dials.fail_next = (
        ["none", "timeout_after_success"]
        if scene.listing("A-1").external_id.isdigit()
        else ["timeout_after_success"]
    )
    scene.supply(A_1=4)
    errors = scene.deliver()
    assert errors == ["OutcomeUnknown"]
    assert (scene.stock("A-1"), scene.listing("A-1").believed_available) == (4, 10)

    scene.wake()
    assert scene.deliver() == []

    assert (scene.stock("A-1"), scene.listing("A-1").believed_available) == (4, 4)
    assert scene.world.allocated(scene.variant("A-1")) == {}
    assert {"succeeded", "resolved"} >= set(scene.attempts())


def test_a_platform_that_runs_a_repeated_key_again_does_not_invent_a_sale(shopify: Scene) -> None:
    shopify.server.keys = type(shopify.server.keys)(shopify.shop.now, False)
    shopify.server.dials.fail_next = ["timeout_after_success"]
    shopify.supply(A_1=4)
    shopify.deliver()

    shopify.wake()
    shopify.deliver()

    assert (4, 4) == (shopify.stock("A-1"), shopify.listing("A-1").believed_available)
    assert {} == shopify.world.allocated(shopify.variant("A-1"))


def test_a_sale_after_a_lost_answer_is_learnt(scene: Scene) -> None:
    scene.server.dials.fail_next = (
        ["none", "timeout_after_success"]
        if scene.listing("A-1").external_id.isdigit()
        else ["timeout_after_success"]
    )
    scene.supply(A_1=4)
    scene.deliver()
    scene.sell("A-1", 1)

    scene.wake()
    scene.supply(A_1=8)
    scene.wake()
    scene.deliver()
    scene.wake()
    scene.deliver()

    assert scene.stock("A-1") == 7
    assert scene.world.allocated(scene.variant("A-1")) == {"fall": 1}


@pytest.mark.parametrize("fault", ["error", "throttle", "cut_before"])
def test_after_a_fault_everything_still_arrives(scene: Scene, fault: str) -> None:
    scene.server.dials.fail_next = [fault, "none", fault]
    scene.supply(A_1=4, A_2=0, V_S=1)
    for _ in range(8):
        scene.deliver()
        scene.wake()

    assert [scene.stock(sku) for sku in ("A-1", "A-2", "V-S")] == [4, 0, 1]


def test_an_item_that_cannot_be_written_does_not_stop_its_neighbours(scene: Scene) -> None:
    item = scene.shop.by_sku("A-2")[0]
    item.tracked = False
    scene.supply(A_1=4, A_2=3, A_3=5)
    for _ in range(3):
        scene.deliver()
        scene.wake()

    assert [scene.stock(sku) for sku in ("A-1", "A-3")] == [4, 5]
    assert scene.listing("A-2").problem != ""


def test_the_dangerous_ones_go_first(woo: Scene) -> None:
    order: list[str] = []
    write = woo.shop.set_stock

    def noted(item_id: int, stock: int, *, by: str) -> None:
        order.append(woo.shop.items[item_id].sku)
        write(item_id, stock, by=by)  # type: ignore[arg-type]

    woo.shop.set_stock = noted  # type: ignore[method-assign, assignment]
    woo.supply(A_1=20, A_2=3, A_3=0, A_4=12)
    woo.deliver()

    assert order == ["A-3", "A-2", "A-1", "A-4"]


def test_nothing_is_written_while_writing_is_stopped_and_all_of_it_after(
    scene: Scene, clock: ManualClock
) -> None:
    with scene.rt.engine.begin() as db:
        approval.stop_writing(
            db, scene.merchant_id, scene.store_id, is_stopped=True, actor="test", now=clock.now()
        )
    scene.supply(A_1=4)
    scene.deliver()
    assert scene.stock("A-1") == 10

    with scene.rt.engine.begin() as db:
        enqueued = approval.stop_writing(
            db, scene.merchant_id, scene.store_id, is_stopped=False, actor="test", now=clock.now()
        )
    scene.deliver()

    assert (enqueued, scene.stock("A-1")) == (1, 4)


def test_a_refused_key_pauses_the_connection_and_says_so(woo: Scene) -> None:
    woo.server.keyring.keys.clear()
    woo.supply(A_1=4)

    assert woo.deliver() == ["Unauthorized"]

    row = woo.world.one(_connection(), _connection().id == woo.store_id)
    assert row.status == "paused"
    assert "key" in row.status_reason.lower()
    assert woo.stock("A-1") == 10


def test_reconciliation_finds_what_somebody_changed_and_repairs_it(scene: Scene, clock: ManualClock) -> None:
    scene.supply(A_1=6)
    scene.deliver()
    clock.advance(minutes=10)
    item = scene.shop.by_sku("A-1")[0]
    scene.shop.set_stock(item.id, 50, by="shop")
    clock.advance(minutes=10)

    found = reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id)
    scene.deliver()

    assert found.doubted == 1
    assert scene.stock("A-1") == 6


def test_orders_are_read_once_and_explain_the_falls(scene: Scene, clock: ManualClock) -> None:
    scene.supply(A_1=6)
    scene.deliver()
    clock.advance(minutes=30)
    scene.sell("A-1", 2)
    clock.advance(minutes=1)

    first = reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
    again = reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)
    scene.deliver()

    assert (first, again) == (1, 1)
    assert scene.world.allocated(scene.variant("A-1")) == {"order": 2}
    assert scene.stock("A-1") == 4
    assert timedelta(0) == clock.now() - scene.rt.now()


def _connection():  # type: ignore[no-untyped-def]
    from connector.accounts.tables import Connection

    return Connection
