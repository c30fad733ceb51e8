"""Which lines cannot be met, and the clock of a refund."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.shoppers.at_risk.deciding import OpenLine, Supplies, Verdict, clock, deadline, judge

PLACED = date(2026, 1, 5)


def line(number: int = 1, units: int = 1, **rest: object) -> OpenLine:
    return OpenLine((1, f"o{number}", "l"), units, PLACED + timedelta(days=number - 1), **rest)  # type: ignore[arg-type]


def reasons(lines: list[OpenLine], supplies: Supplies, today: date) -> list[tuple[str, str]]:
    return [(one.key[1], one.reason) for one in judge(lines, supplies, today)]


def test_goods_that_are_there_are_no_risk() -> None:
    assert judge([line(units=2)], Supplies(2), PLACED + timedelta(days=60)) == []


def test_the_oldest_orders_get_what_is_there() -> None:
    lines = [line(3), line(1, units=2), line(2)]
    late = Supplies(2, expected_on=date(2026, 6, 1))
    assert reasons(lines, late, PLACED) == [("o2", "after_deadline"), ("o3", "after_deadline")]


def test_a_line_too_large_leaves_what_is_there_to_the_next() -> None:
    late = Supplies(1, expected_on=date(2026, 6, 1))
    assert reasons([line(1, units=5), line(2)], late, PLACED) == [("o1", "after_deadline")]


def test_a_line_the_source_keeps_aside_takes_nothing_and_is_safe() -> None:
    lines = [line(1, is_reserved=True), line(2)]
    assert judge(lines, Supplies(1), PLACED + timedelta(days=60)) == []


@pytest.mark.parametrize(
    ("supplies", "days", "expected"),
    [
        (Supplies(0, date(2026, 2, 5)), 0, "after_deadline"),
        (Supplies(0, date(2026, 2, 4)), 29, ""),
        (Supplies(0), 22, ""),
        (Supplies(0), 23, "no_stock"),
        (Supplies(0, date(2026, 2, 4), is_failing=True), 22, ""),
        (Supplies(0, date(2026, 2, 4), is_failing=True), 23, "supplier_failing"),
    ],
    ids=["a day late", "just in time", "no date, early", "no date, near", "failing, early", "failing, near"],
)
def test_what_is_not_there_stands_with_the_day_it_is_expected(
    supplies: Supplies, days: int, expected: str
) -> None:
    found = judge([line()], supplies, PLACED + timedelta(days=days))
    assert [one.reason for one in found] == ([expected] if expected else [])


def test_what_the_supplier_refused_is_at_risk_at_once_even_where_something_is_there() -> None:
    assert reasons([line(1, is_refused=True, is_reserved=True)], Supplies(5), PLACED) == [
        ("o1", "supplier_failing")
    ]


def test_a_promise_comes_before_the_thirty_days_and_an_agreement_before_both() -> None:
    promised, agreed = date(2026, 1, 12), date(2026, 3, 1)
    assert deadline(line(), 30) == (date(2026, 2, 4), "default")
    assert deadline(line(promised_on=promised), 30) == (promised, "promise")
    assert deadline(line(promised_on=promised, agreed_on=agreed), 30) == (agreed, "agreed")
    (found,) = judge([line(promised_on=promised)], Supplies(0, date(2026, 1, 20)), PLACED)
    assert found == Verdict((1, "o1", "l"), promised, "promise", "after_deadline", date(2026, 1, 20))


@given(
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=12),
    st.integers(0, 30),
    st.integers(0, 60),
)
def test_never_more_units_are_called_safe_than_there_are(
    wanted: list[tuple[int, bool]], on_hand: int, days: int
) -> None:
    lines = [line(n, units, is_reserved=kept) for n, (units, kept) in enumerate(wanted, 1)]
    late = Supplies(on_hand, expected_on=date(2027, 1, 1))
    at_risk = {one.key for one in judge(lines, late, PLACED + timedelta(days=days))}
    safe = sum(one.units for one in lines if one.key not in at_risk and not one.is_reserved)
    assert safe <= on_hand
    assert not any(one.key in at_risk for one in lines if one.is_reserved)


@pytest.mark.parametrize(
    ("chosen", "today", "expected"),
    [
        (None, date(2026, 2, 4), None),
        (None, date(2026, 2, 5), (1, "running")),
        (None, date(2026, 2, 11), (7, "alarm")),
        (None, date(2026, 2, 18), (14, "alarm")),
        (None, date(2026, 2, 19), (15, "overdue")),
        (date(2026, 1, 20), date(2026, 1, 20), (0, "running")),
        (date(2026, 1, 20), date(2026, 2, 4), (15, "overdue")),
    ],
)
def test_fourteen_days_run_from_the_choice_or_the_deadline_whichever_is_first(
    chosen: date | None, today: date, expected: tuple[int, str] | None
) -> None:
    found = clock(date(2026, 2, 4), chosen, today)
    assert (None if found is None else (found.day, found.level)) == expected
