"""The estimate of how late things come: values computed by hand, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.availability.lateness import (
    LEAST_TESTED,
    LEVELS,
    NEVER,
    TARGET,
    Lateness,
    Orders,
    correct,
    fit,
    interval,
    read_off,
    weigh,
)


def orders(*rows: tuple[int, int, int | None], stopped: int | None = None, group: int = 0) -> Orders:
    """(began, due, ended) each, in order of began."""
    began, due = ([row[i] for row in rows] for i in range(2))
    ended = [NEVER if row[2] is None else row[2] for row in rows]
    count = len(rows)
    return Orders(
        np.array(began, dtype=np.int64),
        np.array(due, dtype=np.int64),
        np.array(ended, dtype=np.int64),
        np.full(count, NEVER if stopped is None else stopped, dtype=np.int64),
        np.full(count, group, dtype=np.int64),
    )


def test_an_open_order_counts_as_longer_than_it_has_taken() -> None:
    """At risk 5, 4, 3, 2: 1 − 4/5 = .2; 1 − 4/5 · 3/4 = .4; the open one changes nothing; 1 − 3/5 · 1/2 = .7."""
    curve = fit([4, 3, 1, 2], [True, False, True, True])

    assert [1, 2, 3, 4] == curve.delays.tolist()
    assert [0.2, 0.4, 0.4, 0.7] == pytest.approx(curve.chances.tolist())
    assert (3, 1) == (curve.ended, curve.still_open)


def test_leaving_open_orders_out_would_promise_too_little() -> None:
    """At risk without it 4, 3, 2: 1 − 3/4 · 2/3 = .5 after 2 days, where all four say .4."""
    assert 2 == fit([1, 2, 4], [True] * 3).quantile(0.5)
    assert 4 == fit([1, 2, 3, 4], [True, True, False, True]).quantile(0.5)


def test_an_old_order_weighs_less() -> None:
    """Weights 1/2 and 1, at risk 1.5 + 1 and 1 + 1: 1 − 2/2.5 = .2, then 1 − .8 · 1/2 = .6."""
    curve = fit([10, 20], [True, True], weigh(np.array([365.0, 0.0]), 365))

    assert [0.2, 0.6] == pytest.approx(curve.chances.tolist())


def test_of_equal_delays_the_open_one_was_still_at_risk() -> None:
    """At risk 3 when the first of two on day 5 comes: 1/3. The open one, after it, changes nothing."""
    assert [1 / 3, 1 / 3] == pytest.approx(fit([5, 5], [False, True]).chances.tolist())


@pytest.mark.parametrize(
    ("level", "day"),
    [
        pytest.param(0.2, 1.0, id="exactly reached"),
        pytest.param(0.21, 2.0, id="the next"),
        pytest.param(0.7, 4.0, id="the last"),
        pytest.param(0.71, None, id="never reached"),
    ],
)
def test_the_quantile_is_the_first_day_that_reaches_the_level(level: float, day: float | None) -> None:
    assert day == fit([1, 2, 3, 4], [True, True, False, True]).quantile(level)


def test_no_orders_say_nothing() -> None:
    curve = fit([], [])

    assert (None, None, 1.0) == (curve.quantile(0.5), curve.largest(), curve.level_needed(0))


def test_few_orders_promise_the_longest_delay_seen_and_say_so() -> None:
    """Of 5 orders none can reach .95: the sixth, that never comes, is a sixth of all."""
    found = read_off(fit([0, 1, 2, 3, 9], [True] * 5), 0.95, is_pooled=True)

    assert (9, False, 5) == (found.days, found.is_reached, found.ended)


def test_nineteen_orders_reach_the_level_of_95_with_their_longest_delay() -> None:
    found = read_off(fit(list(range(19)), [True] * 19), 0.95, is_pooled=True)

    assert (18, True) == (found.days, found.is_reached)


def test_where_many_never_come_no_day_is_promised() -> None:
    found = read_off(fit([*range(40), *[60] * 10], [*[True] * 40, *[False] * 10]), 0.95, is_pooled=True)

    assert (None, False, 10) == (found.days, found.is_reached, found.still_open)


def test_days_are_rounded_up() -> None:
    assert 3 == read_off(fit([2.1] * 40, [True] * 40), 0.95, is_pooled=True).days


def test_arguments_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="2 delays, 1 flags"):
        fit([1, 2], [True])


def test_only_what_was_known_that_morning_counts() -> None:
    """Day 10: one came on the 8th, one is open since the 5th, one that came on the 10th is still open, and one
    began on the 10th."""
    history = orders((1, 1, 8), (5, 5, None), (6, 6, 10), (10, 10, 11))

    delays, ended, ages = history.known_on(10)

    assert [7, 5, 4] == delays.tolist()
    assert [True, False, False] == ended.tolist()
    assert [9, 5, 4] == ages.tolist()


def test_an_order_nobody_tells_of_any_more_stops_there() -> None:
    delays, ended, _ = orders((1, 3, None), stopped=7).known_on(100)

    assert ([4], [False]) == (delays.tolist(), ended.tolist())


def history(count: int, delay_of: list[int]) -> Orders:
    """An order a day, due at once, whose delays repeat `delay_of`."""
    return orders(*((day, day, day + delay_of[day % len(delay_of)]) for day in range(count)))


def test_the_level_is_the_target_until_enough_promises_are_known() -> None:
    assert TARGET == Lateness(history(LEAST_TESTED, [1, 2, 3]), 730).level(LEAST_TESTED)


def test_a_supplier_that_grows_slower_needs_a_higher_level() -> None:
    slower = Lateness(orders(*((day, day, day + 5 + day // 20) for day in range(400))), 730)
    steady = Lateness(history(400, [5, 6, 7, 8, 9]), 730)

    assert (LEVELS[1], True) == (slower.level(400), steady.level(400) < TARGET)


def test_a_days_level_knows_nothing_of_later_days() -> None:
    past = orders(*((day, day, day + 3 + day % 7) for day in range(200)))
    with_future = orders(*((day, day, day + (3 + day % 7 if day < 200 else 90)) for day in range(300)))

    assert Lateness(past, 180).level(200) == Lateness(with_future, 180).level(200)


def test_the_own_estimate_leans_on_the_others_while_it_has_little() -> None:
    """Two orders' worth of all others together; own orders count in full."""
    count = 300
    group = np.array([0] * (count - 3) + [1] * 3, dtype=np.int64)
    began = np.arange(count, dtype=np.int64)
    ended = began + np.where(group == 1, 30, 5)
    mixed = Orders(began, began, ended, np.full(count, NEVER, dtype=np.int64), group)

    pooled = Lateness(mixed, 1e9).curve(count + 40, 1)
    own = Lateness(mixed, 1e9, is_pooled=False).curve(count + 40, 1)

    # 297 / 301 of all came by day 5; of two others' worth and three of its own 2 / 6.
    assert (297 / 301, 2 / 6) == pytest.approx((pooled.level_needed(6), own.level_needed(6)))


def test_the_way_that_promises_least_is_taken_where_both_keep_the_target() -> None:
    """A quick supplier beside a slow one: its own curve keeps as much with fewer days."""
    count = 400
    began = np.arange(count, dtype=np.int64)
    group = began % 2
    ended = began + np.where(group == 1, 2, 30)
    mixed = Orders(began, began, ended, np.full(count, NEVER, dtype=np.int64), group)
    ways = [Lateness(mixed, 730), Lateness(mixed, 730, is_pooled=False)]

    quick = correct(ways, 450, 1)

    slow = correct(ways, 450, 0)

    assert (False, 200, 2) == (quick.is_pooled, quick.own, quick.days)
    assert (False, 200, 30) == (slow.is_pooled, slow.own, slow.days)


@pytest.mark.parametrize(
    ("kept", "count", "low", "high"),
    [
        pytest.param(95, 100, 0.8882, 0.9785, id="Wilson 1927"),
        pytest.param(0, 10, 0.0, 0.2775, id="none"),
        pytest.param(10, 10, 0.7225, 1.0, id="all"),
    ],
)
def test_the_interval_of_a_rate(kept: int, count: int, low: float, high: float) -> None:
    assert (low, high) == pytest.approx(interval(kept, count), abs=1e-4)


DELAYS = st.lists(st.tuples(st.integers(-20, 200), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(rows=DELAYS, low=st.floats(0.01, 0.99), high=st.floats(0.01, 0.99))
def test_a_higher_level_never_promises_less(rows: list[tuple[int, bool]], low: float, high: float) -> None:
    low, high = sorted((low, high))
    curve = fit([days for days, _ in rows], [ended for _, ended in rows])
    fewer, more = curve.quantile(low), curve.quantile(high)

    assert more is None or (fewer is not None and fewer <= more)
    assert bool(np.all(np.diff(curve.chances) >= -1e-12))
    assert 0 <= curve.chances[0] and curve.chances[-1] < 1


@settings(max_examples=60, deadline=None)
@given(rows=DELAYS, days=st.integers(-30, 220))
def test_the_level_needed_is_just_enough(rows: list[tuple[int, bool]], days: int) -> None:
    curve = fit([one for one, _ in rows], [ended for _, ended in rows])
    needed = curve.level_needed(days)
    enough, too_few = curve.quantile(needed + 1e-9), curve.quantile(needed)

    assert enough is None or enough >= days
    assert too_few is None or too_few < days or needed == 0
