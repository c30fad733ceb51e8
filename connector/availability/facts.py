"""The values that deciding works on, and those it answers with. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from connector.availability.delivering import Days
from connector.availability.sourcing import ALL_SELL, NOTHING_KNOWN, Policy, Sourcing


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What one source says of one variant.

    `observed` in the supplier's own units, None when the supplier did not say. One variant unit takes
    `units_per_variant` of them. `deducted` are variant units sold from this source since its `as_of`.
    `is_exact` is False for ">100" and for stock words. `restock_on` is the date the supplier states;
    `lead_time_days` the plain lead time when no date is stated. `connection_id` is whose word it is.

    `cost` is that of one of the supplier's units in `currency` ("": the same one for all sources), `score` (0–100)
    and `priority` (the lower the earlier) are the merchant's; None where not known. `is_failing`: its connection is
    paused or its runs fail. `stale` and `shrink_percent` (per day) say what becomes of its number past
    `max_age_hours`. `heard_at`: when the source was asked for `observed`, None where that comes from its list.
    """

    source_id: int
    observed: int | None
    units_per_variant: int = 1
    deducted: int = 0
    as_of: datetime | None = None
    max_age_hours: int | None = None
    is_exact: bool = True
    restock_on: date | None = None
    lead_time_days: int | None = None
    connection_id: int = 0
    is_own: bool = False
    is_failing: bool = False
    cost: Decimal | None = None
    score: int | None = None
    priority: int | None = None
    stale: str = "hide_date"
    shrink_percent: int = 10
    heard_at: datetime | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class IncomingFacts:
    """`units` of the variant on their way to a place that sells, expected `on` that date at the merchant's
    place. `as_of` is when the one who told of them (`connection_id`) was last asked and still said so."""

    units: int
    on: date
    as_of: datetime
    connection_id: int = 0


@dataclass(frozen=True, slots=True)
class Correction:
    """How many days are added to a date for the share `level` of orders to have come by then.

    `days` is None where none can be named honestly. `ended` and `still_open` count the orders known, `own`
    those ended ones that are this supplier's. `is_reached` is False where too few orders are known and `days` is
    the longest seen. `typical_days` is the middle of the delays. `is_pooled`: all suppliers count alike.
    """

    days: int | None
    level: float
    ended: int
    still_open: int
    own: int = 0
    is_reached: bool = True
    is_pooled: bool = True
    typical_days: int | None = None


@dataclass(frozen=True, slots=True)
class BookedIn:
    """On which days goods are booked in: `own` are the days the merchant works, `sources` those of suppliers whose
    calendar is known, by source."""

    own: Days
    sources: Mapping[int, Days] = field(default_factory=dict)

    def first(self, day: date, source_id: int = 0) -> date | None:
        """The first day on or after `day` on which goods of this source are booked in: a day that the supplier works
        (where its calendar is known), or the merchant's next after it. None where nobody works for too long."""
        supplier = self.sources.get(source_id)
        handed = supplier.first(day) if supplier is not None else day
        return None if handed is None else self.own.first(handed)


@dataclass(frozen=True, slots=True)
class Shown:
    """The date that shoppers are shown now: `on` ≤ `until`, and the evidence it rests on."""

    on: date
    until: date
    basis: str
    evidence_on: date
    connection_id: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """The merchant's rule for one variant, already resolved (the nearest wins). Where it is suppliers that say the
    buffer, `supplier_buffers` has each one's by source, and `other_buffer` is that of those that say nothing."""

    buffer_units: int = 0
    cap_units: int | None = None
    low_stock_threshold: int = 3
    shows_count: bool = False
    allows_backorder: bool = False
    is_discontinued: bool = False
    policy: Policy = ALL_SELL
    supplier_buffers: Mapping[int, int] = field(default_factory=dict)
    other_buffer: int = 0

    def buffer_of(self, source_ids: Iterable[int]) -> int:
        """What is kept back while these sources sell. A supplier's buffer is for its own numbers: it holds while that
        supplier sells, and not while another one does. Of several that sell the more careful word counts."""
        if not self.supplier_buffers:
            return self.buffer_units
        said = [self.supplier_buffers[one] for one in source_ids if one in self.supplier_buffers]
        return max(said, default=self.other_buffer)


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """Everything needed to decide one variant.

    `now` is the moment of deciding, `place` the merchant's time zone and `today` the date there.
    `out_since_on` is the date it sold out (there), None while it is available or when that is not known.
    `incoming` is what is on its way, in any order. `shown` is the date shoppers see now, None without one.
    `lateness` has the corrections by (connection, kind of evidence); without one a date is taken as it is.
    `sourcing` is what the last decision remembered of its suppliers. `booked_in` is the calendar that restock dates
    keep, None where every day counts. `rates` say what one unit of each currency is worth in the merchant's own, until
    another of them comes into force (`rates_until`; None: none is known to come).
    """

    variant_id: int
    sources: tuple[SourceFacts, ...]
    rule: Rule
    now: datetime
    today: date
    out_since_on: date | None = None
    place: tzinfo = UTC
    incoming: tuple[IncomingFacts, ...] = ()
    shown: Shown | None = None
    lateness: Mapping[tuple[int, str], Correction] = field(default_factory=dict)
    sourcing: Sourcing = NOTHING_KNOWN
    booked_in: BookedIn | None = None
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    rates_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be sold and what the shopper is told.

    `available` ≥ 0 in sellable units. `shown_count` only when an exact number may be shown.
    `restock_on` ≤ `restock_until`, both today or later, or both None; the later one is the promise. `basis` says
    what it rests on ("stated", "shipment", "lead_time" or ""), `evidence_on` which day that names, and
    `connection_id` whose word it is. `recheck_at` is when time alone may change the answer. `why` is
    the arithmetic in JSON for the merchant. `sourcing` is for the next decision to remember.
    """

    variant_id: int
    available: int
    state: str
    shown_count: int | None = None
    restock_on: date | None = None
    restock_until: date | None = None
    basis: str = ""
    evidence_on: date | None = None
    connection_id: int = 0
    recheck_at: datetime | None = None
    why: dict[str, Any] = field(default_factory=dict)
    sourcing: Sourcing = NOTHING_KNOWN
