"""What is held, and what is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.intake.guard import Evidence, judge, suspicious_rows

NONE = np.empty(0, dtype=np.int64)


def _units(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


QUIET = Evidence(rows=1000, rows_before=1000, before=NONE, after=NONE)
DAY, LATER = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("case", "evidence", "sentence"),
    [
        (
            "rows_vanished",
            replace(QUIET, rows=480),
            "The file has 480 rows where the last one had 1,000 (48 %).",
        ),
        (
            "column_shift",
            replace(QUIET, unreadable=201),
            "The quantity of 201 of 1,000 rows cannot be read (20 %): is it still the same column?",
        ),
        (
            "keys_changed",
            replace(QUIET, lost=301),
            "301 of 1,000 known items are not in the file, although it has 1,000 rows: did the item codes change?",
        ),
        (
            "many_to_zero",
            replace(QUIET, before=np.full(11, 5), after=np.zeros(11, dtype=np.int64), stocked_before=50),
            "11 of 50 items in stock would go to zero (22 %).",
        ),
        (
            "many_to_zero",
            replace(QUIET, missing_to_zero=11, stocked_before=50),
            "11 of 50 items in stock would go to zero (22 %).",
        ),
        (
            "many_to_zero",
            replace(QUIET, before=np.full(11, 5), after=np.full(11, -1), stocked_before=50),
            "11 of 50 items in stock would go to zero (22 %).",
        ),
        (
            "all_equal",
            replace(QUIET, single_quantity=1),
            "All 1,000 rows now have the quantity 1; they differed before.",
        ),
        (
            "unit_change",
            replace(QUIET, rows_before=80, before=np.arange(10, 30) * 12, after=np.arange(10, 30)),
            "20 quantities are all about a 12th of what they were: is it packs instead of pieces?",
        ),
        (
            "unit_change",
            replace(QUIET, rows_before=80, before=np.arange(10, 30), after=np.arange(10, 30) * 6),
            "20 quantities are all about 6 times what they were: is it packs instead of pieces?",
        ),
        (
            "stale_file",
            replace(QUIET, file_as_of=DAY, last_file_as_of=LATER),
            "The file is of 2026-01-05 00:00 UTC, older than the last accepted one of 2026-01-06 00:00 UTC.",
        ),
    ],
)
def test_a_suspicious_file_is_held_with_the_numbers(case: str, evidence: Evidence, sentence: str) -> None:
    assert [(hold.code, hold.sentence) for hold in judge(evidence).file] == [(case, sentence)]


@pytest.mark.parametrize(
    ("case", "evidence"),
    [
        ("nothing changes", QUIET),
        ("half of the rows are left", replace(QUIET, rows=500)),
        ("a fifth cannot be read", replace(QUIET, unreadable=200)),
        ("three tenths of the items are gone", replace(QUIET, lost=300)),
        (
            "ten sell out",
            replace(QUIET, before=np.full(10, 5), after=np.zeros(10, dtype=np.int64), stocked_before=10),
        ),
        ("a fifth sells out", replace(QUIET, missing_to_zero=200, stocked_before=1000)),
        ("few rows are all equal", replace(QUIET, rows=19, rows_before=19, single_quantity=1)),
        (
            "nine rows change by twelve",
            replace(QUIET, before=np.arange(2, 11) * 12, after=np.arange(2, 11)),
        ),
        ("changes of all sizes", replace(QUIET, before=np.full(30, 100), after=np.arange(1, 31))),
        (
            "zero and back is no unit",
            replace(QUIET, before=np.zeros(40, dtype=np.int64), after=np.full(40, 50)),
        ),
        ("the same moment", replace(QUIET, file_as_of=DAY, last_file_as_of=DAY)),
        ("no time is known", replace(QUIET, file_as_of=None, last_file_as_of=DAY)),
        ("a first file", Evidence(rows=5, rows_before=None, before=NONE, after=NONE, single_quantity=3)),
    ],
)
def test_an_ordinary_file_is_not_held(case: str, evidence: Evidence) -> None:
    verdict = judge(evidence)

    assert verdict.file == ()
    assert not verdict.rows.any()


def test_a_first_file_is_held_only_where_it_cannot_be_read() -> None:
    first = Evidence(rows=100, rows_before=None, before=NONE, after=NONE, unreadable=21)

    assert [hold.code for hold in judge(first).file] == ["column_shift"]


@pytest.mark.parametrize(
    ("case", "before", "after", "waits"),
    [
        ("more than fifty times and five hundred units", 10, 511, True),
        ("exactly fifty times", 100, 5000, False),
        ("down by as much", 511, 10, True),
        ("fifty-one times but few units", 1, 501, False),
        ("fifty-one times and enough units", 1, 502, True),
        ("many units but little factor", 10_000, 20_000, False),
        ("to zero never waits", 100_000, 0, False),
        ("from zero never waits", 0, 100_000, False),
        ("from unknown never waits", -1, 100_000, False),
    ],
)
def test_a_single_change_waits_when_it_is_large_in_both_ways(
    case: str, before: int, after: int, waits: bool
) -> None:
    assert suspicious_rows(_units(before), _units(after)).tolist() == [waits]


QUANTITIES = st.lists(st.tuples(st.integers(-1, 10**7), st.integers(-1, 10**7)), max_size=60)


@given(QUANTITIES)
def test_a_row_that_lowers_to_nothing_is_never_held_back_alone(pairs: list[tuple[int, int]]) -> None:
    before, after = _units(*(b for b, _ in pairs)), _units(*(a for _, a in pairs))

    held = suspicious_rows(before, after)

    assert not (held & (after <= 0)).any()
    assert (held == suspicious_rows(after, before)).all(), "up and down are judged alike"


@given(QUANTITIES, st.integers(0, 2000), st.integers(0, 2000))
def test_the_verdict_is_defined_for_every_evidence_and_monotonic_in_lost_rows(
    pairs: list[tuple[int, int]], rows: int, rows_before: int
) -> None:
    before, after = _units(*(b for b, _ in pairs)), _units(*(a for _, a in pairs))
    evidence = Evidence(
        rows=rows, rows_before=rows_before, before=before, after=after, stocked_before=len(pairs)
    )

    codes = {hold.code for hold in judge(evidence).file}
    fewer = {hold.code for hold in judge(replace(evidence, rows=rows // 2)).file}

    assert len(judge(evidence).rows) == len(pairs)
    assert ("rows_vanished" in codes) <= ("rows_vanished" in fewer)
    assert ("rows_vanished" in codes) == (rows < 0.5 * rows_before)


@given(QUANTITIES)
def test_the_order_of_rows_does_not_matter(pairs: list[tuple[int, int]]) -> None:
    def of(rows: list[tuple[int, int]]) -> set[str]:
        before, after = _units(*(b for b, _ in rows)), _units(*(a for _, a in rows))
        return {
            hold.code for hold in judge(replace(QUIET, before=before, after=after, stocked_before=60)).file
        }

    assert of(pairs) == of(pairs[::-1])
