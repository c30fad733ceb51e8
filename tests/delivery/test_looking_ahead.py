"""While a call is under way the next request is stored already: no ending of that call may lose, repeat
or invent anything about it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import sleep
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.stores.shopify import writes
from connector.ports.errors import Retryable
from connector.ports.stores import FrozenRequest
from connector.positions.topics import QUANTITY
from tests.delivery.conftest import Scene
from tests.delivery.test_crash_seams import Killed, dying_after, restart

SKUS = ("A-1", "A-2", "A-3", "A-4")


@pytest.fixture
def one_by_one(shopify: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A shop whose every quantity is a call of its own, so that one claim makes several."""
    monkeypatch.setattr(writes, "QUANTITIES_LIMIT", 1)
    return shopify


def notes(scene: Scene) -> list[tuple[str, str]]:
    with scene.rt.engine.connect() as db:
        rows = db.execute(
            sa.text("select status, note from delivery_attempt where topic = :t order by id"), {"t": QUANTITY}
        )
        return [(row.status, row.note) for row in rows]


def stocks(scene: Scene) -> list[int | None]:
    return [scene.stock(sku) for sku in SKUS]


def before_each_call(scene: Scene, monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Do `act` with the number of the call, from 1, before it leaves."""
    store = type(scene.rt.store(scene.merchant_id, scene.store_id))
    send = store.send
    calls = 0

    def acting(self: Any, request: FrozenRequest, key: str) -> Any:
        nonlocal calls
        calls += 1
        act(calls)
        return send(self, request, key)

    monkeypatch.setattr(store, "send", acting)


def test_the_next_request_is_stored_while_a_call_is_under_way(
    one_by_one: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0

    def wait_for_the_next(call: int) -> None:
        nonlocal most
        for _ in range(500):
            most = max(most, one_by_one.attempts().count("sent"))
            if most == 2 or call > 1:
                return
            sleep(0.01)

    before_each_call(one_by_one, monkeypatch, wait_for_the_next)
    one_by_one.supply(A_1=4, A_2=5, A_3=6, A_4=7)

    assert one_by_one.deliver() == []

    assert stocks(one_by_one) == [4, 5, 6, 7]
    assert (most, set(one_by_one.attempts())) == (2, {"succeeded"})


def test_a_call_that_ends_the_turn_tells_that_the_next_never_left(
    one_by_one: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(call: int) -> None:
        if call == 2:
            raise Retryable("shopify", "quantities", "maintenance")

    before_each_call(one_by_one, monkeypatch, refuse)
    one_by_one.supply(A_1=4, A_2=5, A_3=6, A_4=7)

    assert one_by_one.deliver() == ["Retryable"]

    statuses = notes(one_by_one)
    assert [status for status, _ in statuses] == ["succeeded", "failed", "failed"]
    assert "never left" in statuses[2][1]
    assert stocks(one_by_one).count(10) == 3
    one_by_one.wake()
    assert one_by_one.deliver() == []
    assert stocks(one_by_one) == [4, 5, 6, 7]


def test_a_lost_answer_leaves_only_its_own_request_open(one_by_one: Scene) -> None:
    one_by_one.server.dials.fail_next = ["timeout_after_success"]
    one_by_one.supply(A_1=4, A_2=5, A_3=6, A_4=7)

    assert one_by_one.deliver() == ["OutcomeUnknown"]

    assert [status for status, _ in notes(one_by_one)] == ["unknown", "failed"]
    one_by_one.wake()
    one_by_one.deliver()
    assert stocks(one_by_one) == [4, 5, 6, 7]


def test_a_death_at_any_moment_repeats_and_loses_nothing(one_by_one: Scene) -> None:
    wanted, begun, most_open = 20, 0, 0
    has_ended = False
    while not has_ended:
        wanted += 1
        one_by_one.supply(A_1=wanted, A_2=wanted, A_3=wanted, A_4=wanted)
        with contextlib.suppress(Killed), dying_after(one_by_one.rt.engine, begun):
            one_by_one.deliver()
            has_ended = True
        statuses = one_by_one.attempts()
        most_open = max(most_open, statuses.count("sent"))
        begun += 1
        restart(one_by_one)
        for _ in range(3):
            one_by_one.deliver()
            one_by_one.wake()
        assert stocks(one_by_one) == [wanted] * 4
        assert "sent" not in one_by_one.attempts()
        assert [one_by_one.world.allocated(one_by_one.variant(sku)) for sku in SKUS] == [{}] * 4
    # The kills did fall between a call and its answer, with the next request stored.
    assert (begun > 8, most_open) == (True, 2)


def test_what_is_sold_while_the_next_request_waits_is_kept(
    one_by_one: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sell_one_of_each(call: int) -> None:
        for sku in SKUS if call == 1 else ():
            one_by_one.sell(sku)

    before_each_call(one_by_one, monkeypatch, sell_one_of_each)
    one_by_one.supply(A_1=6, A_2=6, A_3=6, A_4=6)
    for _ in range(3):
        one_by_one.deliver()
        one_by_one.wake()

    assert stocks(one_by_one) == [5, 5, 5, 5]
    for sku in SKUS:
        assert one_by_one.world.allocated(one_by_one.variant(sku)) == {"fall": 1}
