"""Restock dates keep the calendar: no goods are booked in on days off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.availability.delivering import WEEKDAYS, Days
from connector.availability.facts import (
    BookedIn,
    Correction,
    IncomingFacts,
    Rule,
    Shown,
    SourceFacts,
    VariantFacts,
)
from connector.availability.promising import promise

NOW = datetime(2026, 12, 17, 12, tzinfo=UTC)  # a Thursday
TODAY = NOW.date()
CHRISTMAS = frozenset({date(2026, 12, 25)})
OURS = BookedIn(Days(WEEKDAYS, CHRISTMAS))
SUPPLIER, SOURCE = 4, 1
SATURDAY, SUNDAY, MONDAY = date(2026, 12, 19), date(2026, 12, 20), date(2026, 12, 21)


def late(days: int) -> dict[tuple[int, str], Correction]:
    return {(SUPPLIER, "stated"): Correction(days, 0.95, 40, 0, own=40)}


def stated(
    day: date,
    calendar: BookedIn | None = OURS,
    shown: Shown | None = None,
    lateness: dict[tuple[int, str], Correction] | None = None,
) -> VariantFacts:
    source = SourceFacts(SOURCE, 0, restock_on=day, connection_id=SUPPLIER)
    return VariantFacts(
        7, (source,), Rule(), NOW, TODAY, shown=shown, lateness=lateness or {}, booked_in=calendar
    )


def days(facts: VariantFacts) -> tuple[date, date] | None:
    answer, _ = promise(facts, 0)
    return (answer.on, answer.until) if answer else None


@pytest.mark.parametrize(
    ("day", "calendar", "expected"),
    [
        pytest.param(SATURDAY, OURS, MONDAY, id="a Saturday: on Monday"),
        pytest.param(date(2026, 12, 25), OURS, date(2026, 12, 28), id="Christmas, a Friday: on Monday"),
        pytest.param(MONDAY, OURS, MONDAY, id="a day of work stays"),
        pytest.param(SATURDAY, None, SATURDAY, id="without a calendar every day counts"),
        pytest.param(
            MONDAY,
            replace(OURS, sources={SOURCE: Days(WEEKDAYS, frozenset({MONDAY}))}),
            MONDAY + timedelta(days=1),
            id="the supplier's holiday",
        ),
        pytest.param(
            MONDAY,
            replace(OURS, sources={9: Days(WEEKDAYS, frozenset({MONDAY}))}),
            MONDAY,
            id="another supplier's holiday",
        ),
        pytest.param(
            date(2026, 12, 24),
            replace(OURS, sources={SOURCE: Days(frozenset({4}))}),
            date(2026, 12, 28),
            id="handed over on Friday, our holiday: booked in on Monday",
        ),
    ],
)
def test_a_date_moves_on_to_the_next_day_on_which_goods_are_booked_in(
    day: date, calendar: BookedIn | None, expected: date
) -> None:
    assert (expected, expected) == days(stated(day, calendar))


def test_the_correction_comes_first_and_both_ends_of_a_window_are_days_of_work() -> None:
    assert (MONDAY, date(2026, 12, 28)) == days(stated(SATURDAY, lateness=late(6)))


def test_where_nobody_books_anything_in_for_two_months_no_date_is_shown() -> None:
    never = BookedIn(Days(frozenset({0}), frozenset(TODAY + timedelta(days=n) for n in range(90))))

    assert days(stated(SATURDAY, never)) is None


def test_a_shipment_and_a_lead_time_keep_the_calendar_too() -> None:
    coming = VariantFacts(
        7, (), Rule(), NOW, TODAY, incoming=(IncomingFacts(5, SUNDAY, NOW, SUPPLIER),), booked_in=OURS
    )
    source = SourceFacts(SOURCE, 0, lead_time_days=2, connection_id=SUPPLIER)
    waiting = VariantFacts(7, (source,), Rule(), NOW, TODAY, TODAY, booked_in=OURS)

    assert (MONDAY, MONDAY) == days(coming) == days(waiting)


def test_why_the_date_is_another_is_told_as_long_as_it_is_shown() -> None:
    first, why = promise(stated(SATURDAY), 0)
    assert first is not None
    again, later = promise(stated(SATURDAY, shown=first), 0)

    assert first == again == Shown(MONDAY, MONDAY, "stated", SATURDAY, SUPPLIER)
    assert "2026-12-19" == why["moved_from"] == later["moved_from"]
    assert "moved_from" not in promise(stated(MONDAY), 0)[1]


class TestACalendarThatChanges:
    def test_moves_no_date_that_is_shown(self) -> None:
        shown = Shown(SUNDAY, SUNDAY, "stated", SUNDAY, SUPPLIER)

        answer, why = promise(stated(SUNDAY, shown=shown), 0)

        assert (shown, False) == (answer, "moved_from" in why)

    def test_is_no_slip_either_when_the_supplier_names_a_day_that_is_no_later(self) -> None:
        shown = Shown(SUNDAY, SUNDAY, "stated", SUNDAY, SUPPLIER)

        assert (SUNDAY, SUNDAY) == days(stated(SATURDAY, shown=shown))

    def test_a_later_day_is_a_slip_and_keeps_the_calendar(self) -> None:
        shown = Shown(date(2026, 12, 18), date(2026, 12, 18), "stated", date(2026, 12, 18), SUPPLIER)

        assert (MONDAY, MONDAY) == days(stated(SATURDAY, shown=shown))

    def test_switched_off_moves_nothing_back(self) -> None:
        shown = Shown(MONDAY, MONDAY, "stated", SATURDAY, SUPPLIER)

        assert (MONDAY, MONDAY) == days(stated(SATURDAY, None, shown))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 60),
    st.integers(0, 20),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.frozensets(st.integers(0, 80).map(lambda n: TODAY + timedelta(days=n)), max_size=20),
)
def test_it_is_never_earlier_than_without_it_and_always_a_day_of_work(
    ahead: int, correction: int, weekdays: frozenset[int], closed: frozenset[date]
) -> None:
    day = TODAY + timedelta(days=ahead)
    plain = days(stated(day, None, lateness=late(correction)))
    calendar = BookedIn(Days(weekdays, closed))
    kept = days(stated(day, calendar, lateness=late(correction)))

    assert plain is not None
    if kept is not None:
        assert kept[0] <= kept[1] and kept[1] >= plain[1] and kept[0] >= day
        assert all(one.weekday() in weekdays and one not in closed for one in kept)
