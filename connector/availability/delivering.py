"""Decides between which days an order placed now reaches the shopper. Pure.

    ready    = the first day the merchant works on or after the order (the next one from the cut-off time on),
               plus the working days of supply; for goods that are expected, not before they are there
    handed   = ready + handling days (the merchant's working days), then the carrier's next working day
    arrives  = handed + carrier days (the carrier's working days)

The window runs from the earliest to the latest of these. A restock date is where it begins, never its end: it
says when goods reach the merchant, and handling and carrier come after it. Days of the merchant and of the carrier
are told apart, each with its own holidays.

Worked example: ordered on Friday 20 November 2026 at 15:00, cut-off 14:00, one day of handling, two to three days
of a carrier that rests on Sundays: taken up on Monday 23, handed over on Tuesday 24, there from Thursday 26 to
Friday 27 November.

    >>> from datetime import UTC, datetime, time
    >>> rule = Shipping(Days(WEEKDAYS), handling_days=1, cut_off=time(14), place=UTC)
    >>> post = Carrier(Days(frozenset(range(6))), least_days=2, most_days=3)
    >>> deliver(datetime(2026, 11, 20, 15, tzinfo=UTC), Supply("in_stock"), rule, post)
    Window(on=datetime.date(2026, 11, 26), until=datetime.date(2026, 11, 27), basis='stock')
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

WEEKDAYS = frozenset(range(5))
"""Monday (0) to Friday (4), as `date.weekday` counts."""
LONGEST_REST_DAYS = 60
"""No merchant and no carrier rests longer without saying so: beyond that nothing is promised."""
FARTHEST_DAYS = 365
"""No delivery farther away is promised."""

FROM_STOCK = frozenset({"in_stock", "low_stock"})
LATER = frozenset({"backorder", "preorder"})

Basis = Literal["stock", "restock", "made"]
Reason = Literal["not_sold", "no_date", "date_passed", "no_making_days", "at_rest", "too_far"]
"""Why nothing is promised. not_sold: it cannot be bought now. no_date: it is sold before it is there and nobody says
when that will be. date_passed: that day is over. no_making_days: nobody said how long it takes to make. at_rest: no
working day of merchant or carrier in two months. too_far: later than in a year."""


@dataclass(frozen=True, slots=True)
class Days:
    """Which days somebody works: `weekdays` (0 is Monday) but for those in `closed`."""

    weekdays: frozenset[int]
    closed: Container[date] = frozenset()

    def first(self, day: date) -> date | None:
        """The first working day on or after `day`; None where there is none for too long."""
        for _ in range(LONGEST_REST_DAYS):
            if day.weekday() in self.weekdays and day not in self.closed:
                return day
            day += timedelta(days=1)
        return None

    def after(self, day: date, days: int) -> date | None:
        """`days` (≥ 0) working days after the first one on or after `day`; None as `first`."""
        found = self.first(day)
        for _ in range(days):
            if found is None:
                return None
            found = self.first(found + timedelta(days=1))
        return found


@dataclass(frozen=True, slots=True)
class Shipping:
    """How the merchant ships. `handling_days` (≥ 0) from taking an order up to handing it over; 0: the same day.
    An order from `cut_off` on (a time at `place`) is taken up the next working day; one before it, that day."""

    days: Days
    handling_days: int
    cut_off: time
    place: tzinfo


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier's way to one zone: it takes from `least_days` to `most_days` of its own working days; 0 means
    the day of handing over."""

    days: Days
    least_days: int
    most_days: int


@dataclass(frozen=True, slots=True)
class Supply:
    """Where the goods are. `state` as in `connector.ports.stores.BadgeState`.

    `restock_on` ≤ `restock_until` is when goods that are sold later reach the merchant. `least_days` and
    `most_days` are working days before goods can be handled at all: of the sources that have them, or of making
    them; None for goods made to order where nobody said it.
    """

    state: str
    restock_on: date | None = None
    restock_until: date | None = None
    least_days: int | None = 0
    most_days: int | None = 0


@dataclass(frozen=True, slots=True)
class Window:
    """The shopper has it between `on` and `until` (included). `basis` says what it rests on: goods that are there
    ("stock"), that are expected ("restock") or that are made first ("made")."""

    on: date
    until: date
    basis: Basis


@dataclass(frozen=True, slots=True)
class NoWindow:
    """Nothing is promised, and why."""

    reason: Reason


def deliver(now: datetime, supply: Supply, rule: Shipping, carrier: Carrier) -> Window | NoWindow:
    """The window of an order placed at `now` (aware), or why there is none."""
    local = now.astimezone(rule.place)
    today = local.date()
    start = today if local.time() < rule.cut_off else today + timedelta(days=1)
    least_days, most_days = supply.least_days, supply.most_days
    earliest = latest = start
    basis: Basis = "stock"
    if supply.state in LATER:
        basis = "restock"
        until = supply.restock_until or supply.restock_on
        if until is None:
            return NoWindow("no_date")
        if until < today:
            return NoWindow("date_passed")
        # Units that come are taken up on the day they come, never before the order.
        earliest = max(start, supply.restock_on or until)
        latest = max(start, until)
        least_days = most_days = 0
    elif supply.state == "made_to_order":
        basis = "made"
        if least_days is None or most_days is None:
            return NoWindow("no_making_days")
    elif supply.state not in FROM_STOCK:
        return NoWindow("not_sold")
    on = _arrives(
        earliest, (least_days or 0) + rule.handling_days, rule.days, carrier.days, carrier.least_days
    )
    last = _arrives(latest, (most_days or 0) + rule.handling_days, rule.days, carrier.days, carrier.most_days)
    if on is None or last is None:
        return NoWindow("at_rest")
    if last > today + timedelta(days=FARTHEST_DAYS):
        return NoWindow("too_far")
    return Window(on, last, basis)


def _arrives(start: date, own_days: int, own: Days, carrier: Days, way_days: int) -> date | None:
    handed = own.after(start, own_days)
    return None if handed is None else carrier.after(handed, way_days)
