"""The queue behind simulated webhooks: each at its time, one after another, again when it is put again."""

from __future__ import annotations

import threading

import httpx2

from simulator.deliveries import Deliveries


def test_what_is_due_first_goes_first_and_equals_keep_their_order() -> None:
    seen: list[str] = []
    queue = Deliveries[str](lambda client, one: seen.append(one))
    queue.put("late", 0.05)
    queue.put("first", 0.0)
    queue.put("second", 0.0)
    queue.start()
    assert queue.drain()
    assert seen == ["first", "second", "late"]
    queue.stop()


def test_a_delivery_is_sent_again_when_it_is_put_again_and_draining_waits_for_it() -> None:
    tries: list[int] = []

    def send(client: httpx2.Client, number: int) -> None:
        tries.append(number)
        if number < 3:
            queue.put(number + 1, 0.01)

    queue = Deliveries[int](send)
    queue.start()
    queue.put(1, 0.0)
    assert queue.drain()
    assert tries == [1, 2, 3]
    queue.stop()


def test_draining_gives_up_on_what_is_still_on_its_way() -> None:
    go = threading.Event()

    def send(client: httpx2.Client, number: int) -> None:
        go.wait(5)

    queue = Deliveries[int](send)
    queue.start()
    queue.put(1, 0.0)
    assert not queue.drain(timeout_s=0.05)
    go.set()
    assert queue.drain()
    queue.stop()


def test_a_stopped_queue_sends_nothing_more() -> None:
    seen: list[int] = []
    queue = Deliveries[int](lambda client, one: seen.append(one))
    queue.start()
    queue.put(1, 0.0)
    assert queue.drain()
    queue.stop()
    queue.put(2, 0.0)
    assert not queue.drain(timeout_s=0.05)
    assert seen == [1]
