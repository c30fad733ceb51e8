"""Delivery windows: cut-off, working days, holidays, restock dates that are no delivery dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.availability.delivering import (
    WEEKDAYS,
    Carrier,
    Days,
    NoWindow,
    Shipping,
    Supply,
    Window,
    deliver,
)

PARIS = ZoneInfo("Europe/Paris")
SIX = frozenset(range(6))
POST = Carrier(Days(SIX), 2, 3)
RULE = Shipping(Days(WEEKDAYS), 1, time(14), PARIS)
THERE = Supply("in_stock")
MONDAY = datetime(2026, 11, 23, 10, tzinfo=PARIS)


def window(on: str, until: str, basis: str = "stock") -> Window:
    return Window(date.fromisoformat(on), date.fromisoformat(until), basis)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param("2026-11-23T13:59:59", window("2026-11-26", "2026-11-27"), id="just before the cut-off"),
        pytest.param(
            "2026-11-23T14:00:00", window("2026-11-27", "2026-11-28"), id="at the cut-off: next day"
        ),
        pytest.param("2026-11-20T15:00:00", window("2026-11-26", "2026-11-27"), id="friday afternoon"),
        pytest.param("2026-11-22T09:00:00", window("2026-11-26", "2026-11-27"), id="sunday counts as monday"),
    ],
)
def test_an_order_is_taken_up_before_the_cut_off_of_the_merchants_place(at: str, expected: Window) -> None:
    assert expected == deliver(datetime.fromisoformat(at).replace(tzinfo=PARIS), THERE, RULE, POST)


def test_the_cut_off_is_that_of_the_place_and_not_of_utc() -> None:
    # 13:30 in UTC is 14:30 in Paris in winter.
    assert window("2026-11-27", "2026-11-28") == deliver(
        datetime(2026, 11, 23, 13, 30, tzinfo=UTC), THERE, RULE, POST
    )


def test_holidays_of_the_merchant_and_of_the_carrier_count_apart() -> None:
    tuesday = frozenset({date(2026, 11, 24)})
    rests = Shipping(Days(WEEKDAYS, tuesday), 1, time(14), PARIS)
    stands = Carrier(Days(SIX, tuesday), 2, 3)

    # Handed over on Wednesday instead of Tuesday, in both cases; the carrier then counts from there.
    assert window("2026-11-27", "2026-11-28") == deliver(MONDAY, THERE, rests, POST)
    assert window("2026-11-27", "2026-11-28") == deliver(MONDAY, THERE, RULE, stands)


def test_a_restock_date_is_where_handling_and_the_carrier_begin() -> None:
    later = Supply("backorder", date(2026, 12, 7), date(2026, 12, 9))

    # Monday 7: handed over on Tuesday 8, there on Thursday 10; Wednesday 9: Thursday 10, and three days more.
    assert window("2026-12-10", "2026-12-14", "restock") == deliver(MONDAY, later, RULE, POST)


@pytest.mark.parametrize(
    ("supply", "reason"),
    [
        pytest.param(Supply("out_of_stock"), "not_sold", id="sold out"),
        pytest.param(
            Supply("restocking", date(2026, 12, 7), date(2026, 12, 7)), "not_sold", id="only expected"
        ),
        pytest.param(Supply("discontinued"), "not_sold", id="no longer sold"),
        pytest.param(Supply("backorder"), "no_date", id="nobody knows when"),
        pytest.param(Supply("preorder", date(2026, 11, 2), date(2026, 11, 3)), "date_passed", id="over"),
        pytest.param(Supply("made_to_order", least_days=None), "no_making_days", id="making unknown"),
        pytest.param(Supply("made_to_order", most_days=900, least_days=1), "too_far", id="in years"),
    ],
)
def test_nothing_is_promised_without_grounds(supply: Supply, reason: str) -> None:
    assert NoWindow(reason) == deliver(MONDAY, supply, RULE, POST)  # type: ignore[arg-type]


def test_who_never_works_promises_nothing() -> None:
    assert NoWindow("at_rest") == deliver(
        MONDAY, THERE, Shipping(Days(frozenset()), 0, time(14), PARIS), POST
    )


def test_goods_of_slow_sources_and_goods_made_first_take_their_days() -> None:
    # Two to four working days until they can be handled.
    assert window("2026-11-28", "2026-12-03") == deliver(
        MONDAY, Supply("low_stock", least_days=2, most_days=4), RULE, POST
    )
    assert window("2026-12-03", "2026-12-04", "made") == deliver(
        MONDAY, Supply("made_to_order", least_days=5, most_days=5), RULE, POST
    )


WORKING = st.frozensets(st.integers(0, 6), min_size=1)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(PARIS))  # noqa: DTZ001
CLOSED = st.frozensets(st.dates(date(2026, 1, 1), date(2028, 12, 31)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(MOMENTS, WORKING, CLOSED, WORKING, CLOSED, st.integers(0, 6), st.integers(0, 5), st.integers(0, 4))
def test_windows_keep_to_working_days_and_grow_with_handling(
    now: datetime,
    own: frozenset[int],
    own_closed: frozenset[date],
    theirs: frozenset[int],
    their_closed: frozenset[date],
    handling: int,
    least: int,
    spread: int,
) -> None:
    carrier = Carrier(Days(theirs, their_closed), least, least + spread)

    def at(handling_days: int, moment: datetime = now) -> Window:
        rule = Shipping(Days(own, own_closed), handling_days, time(14), PARIS)
        found = deliver(moment, THERE, rule, carrier)
        assert isinstance(found, Window), found
        return found

    found = at(handling)
    assert now.date() <= found.on <= found.until
    for day in (found.on, found.until):
        assert day.weekday() in theirs
        assert day not in their_closed
    longer, later = at(handling + 1), at(handling, now + timedelta(hours=7))
    assert longer.on >= found.on
    assert longer.until >= found.until
    assert later.on >= found.on
    assert later.until >= found.until
