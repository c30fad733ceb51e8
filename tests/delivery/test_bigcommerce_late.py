"""BigCommerce shows a number some time after it accepted it: no sale is made up meanwhile, nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.accounts import schedule
from connector.db import transaction
from connector.delivery import reconcile, webhooks
from simulator.bigcommerce.hooks import signature
from tests.delivery.conftest import Scene
from tests.support import ManualClock


@pytest.fixture
def late(bigcommerce: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A store that shows numbers a minute late, and an adapter that looks once."""
    monkeypatch.setattr("adapters.stores.bigcommerce.writes.LOOKS_S", (0.0,))
    bigcommerce.server.levels.lag_s = 60.0
    return bigcommerce


@pytest.mark.parametrize("wanted", [4, 0, 25])
def test_a_number_that_shows_late_makes_up_no_sale(late: Scene, clock: ManualClock, wanted: int) -> None:
    late.supply(A_1=wanted)
    assert late.deliver()[0] == "OutcomeUnknown"
    for _ in range(3):
        late.wake()
        late.deliver()
    assert late.stock("A-1") == wanted
    assert late.world.allocated(late.variant("A-1")) == {}

    clock.advance(seconds=61)
    late.wake()
    assert late.deliver() == []

    assert late.stock("A-1") == wanted
    assert late.world.allocated(late.variant("A-1")) == {}
    assert late.world.position(late.variant("A-1")).available == wanted
    assert late.listing("A-1").believed_available == wanted


def test_a_sale_while_the_number_shows_late_is_counted_once(late: Scene, clock: ManualClock) -> None:
    late.supply(A_1=6)
    late.deliver()
    late.sell("A-1", 2)
    reconcile.read_orders(late.rt, late.merchant_id, late.store_id)
    clock.advance(seconds=61)
    for _ in range(3):
        late.wake()
        late.deliver()

    assert late.stock("A-1") == 4
    assert late.world.allocated(late.variant("A-1")) == {"order": 2}
    assert late.world.position(late.variant("A-1")).available == 4


def test_a_webhook_that_only_names_an_order_has_the_orders_read(bigcommerce: Scene) -> None:
    scene = bigcommerce
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with transaction(scene.rt.engine) as db:
        schedule.ensure(db, scene.merchant_id, "store.orders", scene.store_id, 86_400, tomorrow)
        assert schedule.due(db, ["store.orders"], 5) == []
    body = b'{"scope": "store/order/created", "data": {"type": "order", "id": 7}}'
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1767603600",
        "webhook-signature": signature("shh", "msg_1", "1767603600", body),
    }
    with transaction(scene.rt.engine) as db:
        verifier = scene.rt.store_webhooks("bigcommerce")
        webhooks.receive(db, scene.merchant_id, scene.store_id, verifier, headers, body, ["shh"])
    scene.deliver()
    with scene.rt.engine.connect() as db:
        assert [one.subject_id for one in schedule.due(db, ["store.orders"], 5)] == [scene.store_id]
