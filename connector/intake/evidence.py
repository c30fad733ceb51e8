"""What a run would do, the limits it is held against and the verdict: the words of the guard. PURE values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from connector.intake.signs import Moves, Units


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may do without asking. Shares are 0–1 of the rows named in each line; a share and a
    number of items that stand together must both be exceeded."""

    least_rows_share: float = 0.5  # rows now / rows of the last accepted file
    unreadable_share: float = 0.2  # rows whose quantity cannot be read / rows of the file
    lost_share: float = 0.3  # known items no longer in the file / known items …
    lost_items: int = 9
    zero_share: float = 0.2  # items going to zero / items that had stock …
    zero_items: int = 10
    equal_rows: int = 20  # so many rows, all with one quantity, where it was not so before
    unit_share: float = 0.2  # items that moved by one and the same factor / known items …
    unit_rows: int = 20  # … or most of what changed, so many of them at least
    wild_share: float = 0.7  # items whose quantity more than doubles or halves / known items …
    wild_items: int = 20
    duplicate_share: float = 0.1  # items that stand on several lines / rows of the file …
    duplicate_items: int = 20
    fraction_share: float = 0.2  # quantities with decimals / rows read …
    fraction_items: int = 20
    garbled_rows: int = 5  # rows with letters of a wrong encoding, beyond twice what there was before
    tail_items: int = 3  # known items of the file's last lines, all gone
    stale_items: int = 5  # items that an old file, sent again, would change
    row_factor: float = 50.0  # one quantity changing by more than this factor …
    row_units: int = 500  # … and by more than so many units
    rows: tuple[int, int] | None = None  # fewest and most rows expected this time
    runs: int = 0  # how many accepted runs this was learnt from; 0: fixed
    on: str = ""  # "on a Monday", where the weekday matters
    expected: Mapping[str, float] = field(default_factory=dict)  # sign → items at most, where learnt


FIXED = Limits()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run would do.

    `rows_before` rows of the last accepted file, None on a source's first run. `unreadable` rows whose
    quantity cannot be read, `lost` known items that are not in the file, `tail` of them that stood below its
    last line, `new` items not known before. `before` and `after` are the units of the known items whose
    record changed, UNKNOWN where not said; `missing_to_zero` items go to zero because they are missing.
    `stocked_before` known items with stock (0 when not needed). `single_quantity` the one quantity of the
    whole file where it had several before, else None. `read` records that had to be read, `fractions` of them
    with decimals in the quantity, `duplicates` items on several lines, `garbled` of them with letters of a
    wrong encoding, where `garbled_before` were the most so far; `ends_short`: the last record is cut.
    `content` names what the file says, whatever its time or name; `columns` and `has_header` how it is laid
    out.
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
    new: int = 0
    tail: int = 0
    read: int = 0
    fractions: int = 0
    duplicates: int = 0
    garbled: int = 0
    garbled_before: int = 0
    ends_short: bool = False
    content: str = ""
    seen_on: str = ""
    columns: tuple[str, ...] = ()
    columns_before: tuple[str, ...] = ()
    has_header: bool = True


@dataclass(frozen=True, slots=True)
class Hold:
    """Why something waits: a stable word and a sentence with the numbers. `value` is how far it went (a
    share of 0–1 unless the code says otherwise), for a merchant who allows as much from now on."""

    code: str
    sentence: str
    value: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`file` not empty: everything waits. Else the rows where `rows` is True wait (same order and length
    as the evidence's arrays) for `row_reason`. `allowed` are holds that the merchant lets pass for good."""

    file: tuple[Hold, ...]
    rows: npt.NDArray[np.bool_]
    row_reason: str = "large_change"
    allowed: tuple[Hold, ...] = ()


HARDEST: Mapping[str, float] = {
    "rows_vanished": 0.9,
    "keys_changed": 0.9,
    "truncated": 0.5,
    "many_to_zero": 0.6,
    "column_shift": 0.5,
    "decimal_change": 1.0,
    "wild_change": 0.9,
    "unit_change": 1.0,
    "duplicate_rows": 1.0,
    "unusual": 3.0,
}
"""How far "approve always" may go. A code that is not named here is asked about every time."""


def goes_to_zero(evidence: Evidence) -> int:
    """How many known items with stock would have none, or no known quantity, afterwards."""
    return int(((evidence.before > 0) & (evidence.after <= 0)).sum()) + evidence.missing_to_zero


def counts_of(evidence: Evidence, moves: Moves) -> dict[str, int]:
    """The signs that are learnt, as counts of items."""
    return {
        "lost": evidence.lost,
        "to_zero": moves.to_zero + evidence.missing_to_zero,
        "unreadable": evidence.unreadable,
        "duplicates": evidence.duplicates,
        "fractions": evidence.fractions,
        "wild": moves.wild,
        "unit": moves.in_unit,
        "changed": moves.changed,
        "new": evidence.new,
        "garbled": evidence.garbled,
    }
