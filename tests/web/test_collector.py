"""Webhooks that share a transaction: each answered after its commit, none lost to a neighbour."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from connector.bootstrap import Runtime
from connector.delivery.webhooks import Receipt, Received
from connector.ports.stores import VerifiedDelivery
from connector.web import collector as collecting
from connector.web.collector import Collector
from tests.builders import World
from tests.support import eventually


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


@pytest.fixture
def collector(rt: Runtime) -> Any:
    made = Collector(rt)
    yield made
    if made._db is not None:
        made._db.close()


def _received(world: World, store_id: int, delivery: str, topic: str = "product.updated") -> Received:
    return Received(world.merchant_id, store_id, VerifiedDelivery(delivery, topic, ""), b"{}")


def _stored(world: World) -> list[str]:
    with world.engine.connect() as db:
        return list(db.execute(sa.text("select delivery_id from webhook_receipt order by 1")).scalars())


class Held:
    """Lets the first transaction wait until it is released, and counts what each one carries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_write = threading.Event()
        self.batches: list[int] = []
        record = collecting.record

        def held(db: sa.Connection, received: list[Received]) -> list[Receipt]:
            self.batches.append(len(received))
            assert self.may_write.wait(20)
            return record(db, received)

        monkeypatch.setattr(collecting, "record", held)


def test_deliveries_that_wait_share_the_next_transaction(
    world: World, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [world.store(), world.store()]
    held = Held(monkeypatch)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(collector.record, _received(world, stores[0], "d-0"))
        eventually(lambda: held.batches, "the first one is being written")
        others = [
            pool.submit(collector.record, _received(world, stores[n % 2], f"d-{n}")) for n in range(1, 9)
        ]
        eventually(lambda: len(collector._waiting) == 8, "the others wait")
        held.may_write.set()
        assert [one.result(20).outcome for one in [first, *others]] == ["recorded"] * 9
    assert held.batches == [1, 8]
    assert _stored(world) == [f"d-{n}" for n in range(9)]
    assert sorted(world.pending()) == [("store.receipts", "receipts", 5)] * 2


def test_the_same_delivery_twice_at_once_is_recorded_once(
    world: World, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_id = world.store()
    held = Held(monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(collector.record, _received(world, store_id, "other"))
        eventually(lambda: held.batches, "the first one is being written")
        twins = [pool.submit(collector.record, _received(world, store_id, "twin")) for _ in range(3)]
        eventually(lambda: len(collector._waiting) == 3, "the twins wait")
        held.may_write.set()
        assert first.result(20).outcome == "recorded"
        assert sorted(twin.result(20).outcome for twin in twins) == ["recorded", "repeated", "repeated"]
    assert _stored(world) == ["other", "twin"]


def test_one_the_database_refuses_takes_no_neighbour_along(
    world: World, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_id = world.store()
    held = Held(monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(collector.record, _received(world, store_id, "d-0"))
        eventually(lambda: held.batches, "the first one is being written")
        good = [pool.submit(collector.record, _received(world, store_id, f"good-{n}")) for n in range(2)]
        bad = pool.submit(collector.record, _received(world, store_id, "bad", topic="a\0b"))
        eventually(lambda: len(collector._waiting) == 3, "they wait")
        held.may_write.set()
        assert [one.result(20).outcome for one in [first, *good]] == ["recorded"] * 3
        with pytest.raises((sa.exc.DataError, ValueError)):
            bad.result(20)
    assert _stored(world) == ["d-0", "good-0", "good-1"]


def test_a_connection_the_server_closed_is_replaced_within_the_request(
    world: World, collector: Collector
) -> None:
    store_id = world.store()
    assert collector.record(_received(world, store_id, "d-1")).outcome == "recorded"
    with world.engine.begin() as db:
        db.execute(
            sa.text("""
                select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()
            """)
        )
    assert collector.record(_received(world, store_id, "d-2")).outcome == "recorded"
    assert _stored(world) == ["d-1", "d-2"]


def test_a_database_that_is_away_fails_everybody_and_is_asked_again_later(
    world: World, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_id = world.store()
    asked: list[int] = []
    record = collecting.record

    def away(db: sa.Connection, received: list[Received]) -> list[Receipt]:
        asked.append(1)
        raise sa.exc.OperationalError("insert", {}, Exception("gone"))

    monkeypatch.setattr(collecting, "record", away)
    with pytest.raises(sa.exc.OperationalError):
        collector.record(_received(world, store_id, "d-1"))
    assert len(asked) == 1
    monkeypatch.setattr(collecting, "record", record)
    assert collector.record(_received(world, store_id, "d-1")).outcome == "recorded"
