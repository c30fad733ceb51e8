"""What a platform lets us ask is shared by all workers, and its own answers are the truth."""

from __future__ import annotations

import pytest

from adapters.kit.budget import FORGOTTEN_S, Budget
from connector.registry import Environment
from connector.shared import LocalValues


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workers(clock: Clock) -> tuple[Budget, Budget]:
    """The same store's budget as two workers see it."""
    shared = Environment(shared=LocalValues(clock))
    return Budget(shared, "shopify:a"), Budget(shared, "shopify:a")


def bucket(budget: Budget, left: float, promise: object = None) -> None:
    budget.learn(promise, left=left, maximum=2000, restore_rate=100)  # type: ignore[arg-type]


def test_where_nothing_is_known_nobody_waits(workers: tuple[Budget, Budget]) -> None:
    promise = workers[0].promise(500, longest_s=0)
    assert (promise.is_kept, promise.wait_s) == (True, 0)


def test_two_workers_do_not_spend_the_same_points(workers: tuple[Budget, Budget]) -> None:
    one, other = workers
    bucket(one, 100)
    first, second = one.promise(60, longest_s=2), other.promise(60, longest_s=2)
    assert (first.wait_s, second.wait_s) == (0, pytest.approx(0.2))


def test_what_is_not_kept_promises_nothing(workers: tuple[Budget, Budget]) -> None:
    one, other = workers
    bucket(one, 0)
    refused = one.promise(600, longest_s=2)
    assert (refused.is_kept, refused.wait_s) == (False, pytest.approx(6))
    assert other.promise(50, longest_s=2).wait_s == pytest.approx(0.5)


def test_the_platform_s_answer_replaces_what_was_believed(
    workers: tuple[Budget, Budget], clock: Clock
) -> None:
    one, other = workers
    bucket(one, 0)
    call = other.promise(100, longest_s=2)
    clock.now += 1
    bucket(other, 2000, call)
    assert one.wait_s(2000) == 0


def test_an_answer_to_one_call_does_not_forget_another_under_way(workers: tuple[Budget, Budget]) -> None:
    one, other = workers
    bucket(one, 100)
    first, _under_way = one.promise(40, longest_s=0), other.promise(40, longest_s=0)
    # Shopify has not seen the other one yet.
    bucket(one, 60, first)
    assert one.wait_s(60) == pytest.approx(0.4)


def test_a_call_that_never_came_back_is_forgotten(workers: tuple[Budget, Budget], clock: Clock) -> None:
    one, other = workers
    one.learn(None, left=10, resets_in_s=3600)
    one.promise(10, longest_s=0)
    assert other.wait_s(1) > 0
    clock.now += FORGOTTEN_S + 1
    assert other.wait_s(1) == 0


def test_points_come_back_and_never_above_the_bucket(workers: tuple[Budget, Budget], clock: Clock) -> None:
    bucket(workers[0], 1900)
    clock.now += 500
    assert workers[1].wait_s(2000) == 0
    assert workers[1].promise(2000, longest_s=0).is_kept
    assert workers[0].wait_s(100) == pytest.approx(1)


def test_a_call_dearer_than_the_bucket_waits_until_it_is_full(workers: tuple[Budget, Budget]) -> None:
    bucket(workers[0], 1000)
    assert workers[1].wait_s(5000) == pytest.approx(10)


def test_reads_leave_room_to_writes(workers: tuple[Budget, Budget]) -> None:
    one, other = workers
    bucket(one, 150)
    assert one.promise(100, longest_s=0, leave=120).is_kept is False
    assert other.promise(100, longest_s=0).is_kept is True


def test_a_window_comes_back_whole(workers: tuple[Budget, Budget], clock: Clock) -> None:
    one, other = workers
    one.learn(None, left=1, maximum=150, resets_in_s=12)
    assert one.promise(1, longest_s=0).is_kept
    late = other.promise(1, longest_s=2)
    assert (late.is_kept, late.wait_s) == (False, pytest.approx(12))
    clock.now += 12
    assert other.wait_s(149) == 0
    assert other.promise(1, longest_s=0).is_kept


def test_when_the_platform_wants_no_call_everybody_waits(
    workers: tuple[Budget, Budget], clock: Clock
) -> None:
    one, other = workers
    bucket(one, 2000)
    one.close(90)
    bucket(one, 2000)
    assert other.wait_s(1) == pytest.approx(90)
    clock.now += 90
    assert other.wait_s(1) == 0


def test_stores_do_not_wait_for_each_other(clock: Clock) -> None:
    shared = Environment(shared=LocalValues(clock))
    Budget(shared, "shopify:a").close(90)
    assert Budget(shared, "shopify:b").wait_s(1) == 0
