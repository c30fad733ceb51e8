"""Limits learnt from a supplier's history, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.intake.evidence import FIXED, HARDEST, Evidence
from connector.intake.guard import judge
from connector.intake.history import Entry, learn, seen_on
from connector.intake.signs import in_unit, moves_of

BEGIN = datetime(2026, 1, 5, 6, tzinfo=UTC)  # a Monday
NONE = np.empty(0, dtype=np.int64)


def _entries(count: int, *, rows: int = 1000, days: int = 1, **counts: int) -> list[Entry]:
    return [
        Entry(BEGIN + timedelta(days=days * n), rows, rows, counts, content=f"c{n}") for n in range(count)
    ]


def _next(history: list[Entry]) -> datetime:
    return history[-1].at + timedelta(days=1)


def test_too_little_history_leaves_the_fixed_limits() -> None:
    assert FIXED is learn([], BEGIN, 1000)
    assert FIXED is learn(_entries(2), BEGIN, 1000)
    assert FIXED is learn([replace(entry, rows_before=0) for entry in _entries(9)], BEGIN, 1000)


def test_the_worked_example_of_learn() -> None:
    history = _entries(20, lost=1)

    limits = learn(history, _next(history), 1000)

    assert 31.9 == pytest.approx(limits.expected["lost"], abs=0.05)
    assert 20 == limits.runs


@pytest.mark.parametrize(("usual", "at_most"), [(0, 32), (10, 32), (40, 92), (200, 338)])
def test_what_a_supplier_loses_each_day_is_let_pass(usual: int, at_most: int) -> None:
    history = _entries(20, lost=usual)

    assert at_most == round(learn(history, _next(history), 1000).expected["lost"])


def test_a_weekend_s_changes_at_once_are_let_pass() -> None:
    history = _entries(20, to_zero=20)
    later = history[-1].at + timedelta(days=3)

    assert (
        learn(history, later, 1000).expected["to_zero"]
        > learn(history, _next(history), 1000).expected["to_zero"]
    )


def test_mondays_are_compared_with_mondays() -> None:
    history = []
    before = 800
    for n in range(28):
        at = BEGIN + timedelta(days=n)
        rows = 1000 if at.weekday() == 0 else 800
        history.append(Entry(at, rows, before, {"lost": max(0, before - rows)}))
        before = rows
    monday = learn(history, _next(history), 800)

    assert ("on a Monday", (957, 1044)) == (monday.on, monday.rows)
    holds = judge(Evidence(rows=805, rows_before=800, before=NONE, after=NONE), monday).file
    assert ["Expected 957–1,044 rows on a Monday; the file has 805 (learnt from 28 runs)."] == [
        h.sentence for h in holds
    ]


def test_a_supplier_who_grows_is_followed() -> None:
    history = [Entry(BEGIN + timedelta(days=n), 1000 + 10 * n, 990 + 10 * n, {"new": 10}) for n in range(60)]

    limits = learn(history, _next(history), 1590)

    assert () == judge(Evidence(rows=1600, rows_before=1590, before=NONE, after=NONE, new=10), limits).file


def test_a_reason_approved_twice_lifts_the_fixed_limit_but_not_beyond_the_hardest() -> None:
    once = [*_entries(9), replace(_entries(1, lost=600)[0], approved=("rows_vanished",))]
    twice = [*once, replace(once[-1], at=BEGIN + timedelta(days=30))]

    assert FIXED.lost_share == learn(once, BEGIN + timedelta(days=31), 1000).lost_share
    assert HARDEST["rows_vanished"] == learn(twice, BEGIN + timedelta(days=31), 1000).lost_share


def test_an_earlier_file_is_recognised_and_the_last_one_is_not_old() -> None:
    history = _entries(5)

    assert ["2026-01-07", "", ""] == [seen_on(history, content) for content in ("c2", "c4", "new")]


COUNTS = st.dictionaries(
    st.sampled_from(["lost", "to_zero", "wild", "unreadable", "unit"]), st.integers(0, 1000)
)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 5000), COUNTS), min_size=3, max_size=20))
def test_learnt_limits_stay_between_floor_and_fixed_limit_unless_approved(
    days: list[tuple[int, dict[str, int]]],
) -> None:
    history = [
        Entry(BEGIN + timedelta(days=n), rows, rows, {k: min(v, rows) for k, v in counts.items()})
        for n, (rows, counts) in enumerate(days)
    ]
    limits = learn(history, _next(history), 1000)

    assert 20 < limits.expected["lost"]
    if limits.lost_share == FIXED.lost_share:
        assert limits.expected["lost"] <= 300 + 2 * 300**0.5 + 3.001
    assert limits.rows is not None
    assert limits.rows[0] <= limits.rows[1]


def test_moves_name_the_one_factor_of_a_part_of_the_items() -> None:
    before = np.array([10, 20, 30, 7, 8, 0, 5, 1])
    after = np.array([120, 240, 29, 7, 9, 4, 0, 12])

    moves = moves_of(before, after)

    assert (7, 1, 1, 3, 2, 2) == (
        moves.changed,
        moves.to_zero,
        moves.from_zero,
        moves.wild,
        moves.comparable,
        moves.in_unit,
    )
    assert 12 == pytest.approx(moves.unit)
    assert [True, True, False, False, False, False, False, True] == in_unit(before, after, 12.0).tolist()


def test_a_part_in_another_unit_holds_its_rows_and_lets_the_rest_pass() -> None:
    before = np.concatenate([np.arange(10, 30), np.full(30, 50)])
    after = np.concatenate([np.arange(10, 30) * 12, np.full(30, 47)])

    verdict = judge(Evidence(rows=1000, rows_before=1000, before=before, after=after))

    assert ((), "unit_change", 20) == (verdict.file, verdict.row_reason, int(verdict.rows.sum()))
    assert not verdict.rows[20:].any()


@pytest.mark.parametrize(
    ("code", "evidence"),
    [
        ("truncated", Evidence(rows=990, rows_before=1000, before=NONE, after=NONE, lost=10, tail=10)),
        ("truncated", Evidence(rows=999, rows_before=1000, before=NONE, after=NONE, lost=2, ends_short=True)),
        ("wrong_encoding", Evidence(rows=1000, rows_before=1000, before=NONE, after=NONE, garbled=5)),
        (
            "decimal_change",
            Evidence(rows=1000, rows_before=1000, before=NONE, after=NONE, read=100, fractions=21),
        ),
        ("duplicate_rows", Evidence(rows=1000, rows_before=1000, before=NONE, after=NONE, duplicates=101)),
        (
            "column_shift",
            Evidence(
                rows=9,
                rows_before=9,
                before=NONE,
                after=NONE,
                columns=("a", "b"),
                columns_before=("a",),
                has_header=False,
            ),
        ),
        (
            "stale_file",
            Evidence(
                rows=9, rows_before=9, before=np.arange(1, 6), after=np.arange(2, 7), seen_on="2026-01-02"
            ),
        ),
    ],
)
def test_structural_faults_are_held_without_history(code: str, evidence: Evidence) -> None:
    assert [code] == [hold.code for hold in judge(evidence).file]


def test_what_is_allowed_passes_up_to_its_value_and_to_the_hardest() -> None:
    file = Evidence(rows=400, rows_before=1000, before=NONE, after=NONE)
    zero = Evidence(
        rows=1000,
        rows_before=1000,
        before=np.full(900, 5),
        after=np.zeros(900, dtype=np.int64),
        stocked_before=900,
    )

    assert ["rows_vanished"] == [hold.code for hold in judge(file, FIXED, {"rows_vanished": 0.6}).allowed]
    assert () == judge(file, FIXED, {"rows_vanished": 0.6}).file
    assert ["rows_vanished"] == [hold.code for hold in judge(file, FIXED, {"rows_vanished": 0.59}).file]
    assert "many_to_zero" in [hold.code for hold in judge(zero, FIXED, {"many_to_zero": 5.0}).file]
