"""Whether a run may be applied, or waits for the merchant. PURE: numbers in, verdict out.

A suspicious *file* (rows vanished, a shifted column, another unit) holds everything that it would
change: nothing in it can be trusted. A suspicious *row* holds that row, and the rest goes on.
The limits are fixed; each sentence carries the numbers it was judged by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

Units = npt.NDArray[np.int64]

UNKNOWN = -1
"""Stands for "the supplier did not say" in arrays of units."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may do without asking. Shares are 0–1 of the rows named in each line."""

    least_rows_share: float = 0.5  # rows now / rows of the last accepted file
    unreadable_share: float = 0.2  # rows whose quantity cannot be read / rows of the file
    lost_keys_share: float = 0.5  # known items no longer in the file / known items
    zero_share: float = 0.2  # items going to zero / items that had stock
    zero_items: int = 10  # … and more than so many of them
    equal_rows: int = 20  # so many rows, all with one quantity, where it was not so before
    unit_rows: int = 20  # so many changed rows …
    unit_factor: float = 5.0  # … by about this factor or more, up or down …
    unit_spread: float = 1.5  # … all about the same (upper quartile / lower quartile)
    row_factor: float = 50.0  # one quantity changing by more than this factor …
    row_units: int = 500  # … and by more than so many units


FIXED = Limits()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run would do.

    `rows_before` rows of the last accepted file, None on a source's first run. `unreadable` rows whose
    quantity cannot be read, `lost` known items that are not in the file. `before` and `after` are the
    units of the known items whose record changed, UNKNOWN where not said; `missing_to_zero` items go to
    zero because they are missing. `stocked_before` known items with stock (0 when not needed).
    `single_quantity` the one quantity of the whole file where it had several before, else None.
    """

    rows: int
    rows_before: int | None
    before: Units
    after: Units
    unreadable: int = 0
    lost: int = 0
    missing_to_zero: int = 0
    stocked_before: int = 0
    single_quantity: int | None = None
    file_as_of: datetime | None = None
    last_file_as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Why something waits: a stable word and a sentence with the numbers."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`file` not empty: everything waits. Else the rows where `rows` is True wait (same order and length
    as the evidence's arrays) for `row_reason`."""

    file: tuple[Hold, ...]
    rows: npt.NDArray[np.bool_]
    row_reason: str = "large_change"


def goes_to_zero(evidence: Evidence) -> int:
    """How many known items with stock would have none, or no known quantity, afterwards."""
    return int(((evidence.before > 0) & (evidence.after <= 0)).sum()) + evidence.missing_to_zero


def judge(evidence: Evidence, limits: Limits = FIXED) -> Verdict:
    """The verdict on one run. Without history (`rows_before` None) only sanity is checked.

    Worked example: 1,000 rows last time, 480 now: 48 % is below half, so the file is held with
    "rows_vanished".
    """
    holds = [hold for hold in _file_holds(evidence, limits) if hold is not None]
    return Verdict(tuple(holds), suspicious_rows(evidence.before, evidence.after, limits))


def suspicious_rows(before: Units, after: Units, limits: Limits = FIXED) -> npt.NDArray[np.bool_]:
    """Which single changes wait: by more than `row_factor` and more than `row_units`, both between known
    quantities above zero. Going to zero never waits as a row: that would oversell."""
    known = (before > 0) & (after > 0)
    high = np.maximum(before, after)
    low = np.maximum(np.minimum(before, after), 1)
    return known & (high - low > limits.row_units) & (high > limits.row_factor * low)


def _file_holds(evidence: Evidence, limits: Limits) -> list[Hold | None]:
    holds = [_unreadable(evidence, limits)]
    if evidence.rows_before is not None:
        holds += [
            _vanished(evidence, limits),
            _keys(evidence, limits),
            _zeros(evidence, limits),
            _equal(evidence, limits),
            _unit(evidence, limits),
            _stale(evidence),
        ]
    return holds


def _unreadable(evidence: Evidence, limits: Limits) -> Hold | None:
    if evidence.rows and evidence.unreadable > limits.unreadable_share * evidence.rows:
        return Hold(
            "column_shift",
            f"The quantity of {evidence.unreadable:,} of {evidence.rows:,} rows cannot be read "
            f"({_percent(evidence.unreadable, evidence.rows)}): is it still the same column?",
        )
    return None


def _vanished(evidence: Evidence, limits: Limits) -> Hold | None:
    before = evidence.rows_before or 0
    if evidence.rows < limits.least_rows_share * before:
        return Hold(
            "rows_vanished",
            f"The file has {evidence.rows:,} rows where the last one had {before:,} "
            f"({_percent(evidence.rows, before)}).",
        )
    return None


def _keys(evidence: Evidence, limits: Limits) -> Hold | None:
    before = evidence.rows_before or 0
    if evidence.lost > limits.lost_keys_share * before and evidence.rows >= limits.least_rows_share * before:
        return Hold(
            "keys_changed",
            f"{evidence.lost:,} of {before:,} known items are not in the file, although it has "
            f"{evidence.rows:,} rows: did the item codes change?",
        )
    return None


def _zeros(evidence: Evidence, limits: Limits) -> Hold | None:
    zeros = goes_to_zero(evidence)
    if zeros > limits.zero_items and zeros > limits.zero_share * evidence.stocked_before:
        return Hold(
            "many_to_zero",
            f"{zeros:,} of {evidence.stocked_before:,} items in stock would go to zero "
            f"({_percent(zeros, evidence.stocked_before)}).",
        )
    return None


def _equal(evidence: Evidence, limits: Limits) -> Hold | None:
    if evidence.single_quantity is not None and evidence.rows >= limits.equal_rows:
        return Hold(
            "all_equal",
            f"All {evidence.rows:,} rows now have the quantity {evidence.single_quantity:,}; "
            "they differed before.",
        )
    return None


def _unit(evidence: Evidence, limits: Limits) -> Hold | None:
    both = (evidence.before > 0) & (evidence.after > 0) & (evidence.before != evidence.after)
    count = int(both.sum())
    if count < limits.unit_rows:
        return None
    ratios = evidence.after[both] / evidence.before[both]
    low, median, high = (float(value) for value in np.quantile(ratios, (0.25, 0.5, 0.75)))
    is_far = median >= limits.unit_factor or median <= 1 / limits.unit_factor
    if is_far and high <= limits.unit_spread * low:
        factor = f"{median:.3g} times" if median >= 1 else f"a {1 / median:.3g}th of"
        return Hold(
            "unit_change",
            f"{count:,} quantities are all about {factor} what they were: is it packs instead of pieces?",
        )
    return None


def _stale(evidence: Evidence) -> Hold | None:
    now, last = evidence.file_as_of, evidence.last_file_as_of
    if now is not None and last is not None and now < last:
        return Hold(
            "stale_file",
            f"The file is of {now:%Y-%m-%d %H:%M} UTC, older than the last accepted one "
            f"of {last:%Y-%m-%d %H:%M} UTC.",
        )
    return None


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "all"
