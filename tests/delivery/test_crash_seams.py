"""A process that dies at any moment between learning of a sale and deciding about it forgets no sale."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from connector.delivery import reconcile
from connector.outbox.upkeep import sweep
from tests.delivery.conftest import Scene
from tests.support import ManualClock


class Killed(BaseException):
    """The process dies here."""


@contextlib.contextmanager
def dying_after(engine: sa.Engine, transactions: int) -> Iterator[None]:
    """Die when one more than so many transactions begin, and do nothing any more after that."""
    begun = 0

    def count(_: Any) -> None:
        nonlocal begun
        begun += 1
        if begun > transactions:
            raise Killed

    sa.event.listen(engine, "begin", count)
    try:
        yield
    finally:
        sa.event.remove(engine, "begin", count)


def restart(scene: Scene) -> None:
    """What the next process finds: leases that ran out, and no wait."""
    for table in ("outbox_message", "outbox_turn"):
        scene.world.execute(
            f"update {table} set lease_until = now() - interval '1 second' "
            "where merchant_id = :m and lease_until is not null"
        )
    sweep(scene.rt.engine)
    scene.wake()


def read_orders(scene: Scene) -> None:
    reconcile.read_orders(scene.rt, scene.merchant_id, scene.store_id)


def look_and_deliver(scene: Scene) -> None:
    reconcile.reconcile(scene.rt, scene.merchant_id, scene.store_id, is_full=True)
    scene.deliver()


@pytest.mark.parametrize(
    "learn",
    [pytest.param(read_orders, id="from orders"), pytest.param(look_and_deliver, id="from the number")],
)
def test_a_kill_at_any_moment_forgets_no_sale(
    scene: Scene, clock: ManualClock, learn: Callable[[Scene], None]
) -> None:
    scene.supply(A_1=60)
    scene.deliver()
    sold = 0
    has_ended = False
    while not has_ended:
        clock.advance(minutes=5)
        scene.sell("A-1")
        sold += 1
        clock.advance(minutes=1)
        with contextlib.suppress(Killed), dying_after(scene.rt.engine, sold - 1):
            learn(scene)
            has_ended = True
        restart(scene)
        # A delivery for any other reason must not put the sold unit back.
        scene.deliver()
        assert (sold, scene.stock("A-1")) == (sold, 60 - sold)
        learn(scene)
        scene.deliver()
        available = scene.world.position(scene.variant("A-1")).available
        assert (sold, available, scene.stock("A-1")) == (sold, 60 - sold, 60 - sold)
    assert sold > 3
