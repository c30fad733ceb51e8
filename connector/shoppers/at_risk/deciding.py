"""Decides which lines of orders cannot be delivered in time, and how long a refund may still take. Pure.

A line is safe when its goods are there: it was sold from stock and the number of its source already leaves it out,
or what is there now reaches for it, the oldest orders first. Otherwise it stands or falls with the day its goods
are expected:

    expected after the deadline                                  at risk at once        "after_deadline"
    the supplier said that it cannot serve it                    at risk at once        "supplier_failing"
    expected in time, from a supplier that is not read any more  at risk near the end   "supplier_failing"
    nobody says when                                             at risk near the end   "no_stock"
    expected in time                                             safe

"Near the end" is `notice_days` before the deadline: earlier a restock that nobody announced may still come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Reason = Literal["no_stock", "after_deadline", "supplier_failing"]
Level = Literal["", "running", "alarm", "overdue"]

REFUND_DAYS = 14
"""A refund is due within so many days (Directive 2011/83/EU, articles 13 and 18)."""
ALARM_DAYS = 7


@dataclass(frozen=True, slots=True)
class OpenLine:
    """A line of an order with units not handed over. `promised_on` is the last day promised, None without one.
    `is_reserved`: sold from stock, and its source's number already leaves it out. `is_refused`: its supplier said
    that it cannot serve it. `agreed_on`: a later day that was agreed with the customer."""

    key: tuple[int, str, str]
    units: int
    placed_on: date
    promised_on: date | None = None
    agreed_on: date | None = None
    is_reserved: bool = False
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Supplies:
    """What there is of the lines' variant: `on_hand` units before any deduction, and when an order would reach its
    customer if it left with the next restock (`expected_on`, None when nobody says). `is_failing`: the supplier
    whose word that is cannot be read any more."""

    on_hand: int
    expected_on: date | None = None
    is_failing: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line that cannot be met."""

    key: tuple[int, str, str]
    due_on: date
    due_basis: Literal["promise", "default", "agreed"]
    reason: Reason
    expected_on: date | None


def judge(
    lines: Sequence[OpenLine],
    supplies: Supplies,
    today: date,
    *,
    default_days: int = 30,
    notice_days: int = 7,
) -> list[Verdict]:
    """The lines of one variant that cannot be met, oldest first.

    >>> line = OpenLine((1, "o", "l"), 1, date(2026, 11, 1), promised_on=date(2026, 11, 20))
    >>> late = Supplies(0, expected_on=date(2026, 11, 27))
    >>> [(one.reason, one.due_on) for one in judge([line], late, date(2026, 11, 2))]
    [('after_deadline', datetime.date(2026, 11, 20))]
    """
    left = supplies.on_hand
    found = []
    for line in sorted(lines, key=lambda one: (one.placed_on, one.key)):
        if line.is_reserved and not line.is_refused:
            continue
        if not line.is_refused and line.units <= left:
            left -= line.units
            continue
        due_on, basis = deadline(line, default_days)
        reason = _reason(line, supplies, due_on, today, notice_days)
        if reason is not None:
            found.append(Verdict(line.key, due_on, basis, reason, supplies.expected_on))
    return found


def deadline(line: OpenLine, default_days: int) -> tuple[date, Literal["promise", "default", "agreed"]]:
    """The last day for this line, and what it rests on.

    >>> deadline(OpenLine((1, "o", "l"), 1, date(2026, 11, 1)), 30)
    (datetime.date(2026, 12, 1), 'default')
    """
    if line.agreed_on is not None:
        return line.agreed_on, "agreed"
    if line.promised_on is not None:
        return line.promised_on, "promise"
    return line.placed_on + timedelta(days=default_days), "default"


def _reason(line: OpenLine, supplies: Supplies, due_on: date, today: date, notice_days: int) -> Reason | None:
    is_near = today >= due_on - timedelta(days=notice_days)
    if supplies.expected_on is not None and supplies.expected_on > due_on:
        return "after_deadline"
    if line.is_refused:
        return "supplier_failing"
    if supplies.expected_on is None:
        return "no_stock" if is_near else None
    return "supplier_failing" if supplies.is_failing and is_near else None


@dataclass(frozen=True, slots=True)
class Clock:
    """The time a refund may take: it began on `from_on`, this is day `day` of it, and it ends on `until_on`."""

    from_on: date
    day: int
    until_on: date
    level: Level


def clock(due_on: date, refund_chosen_on: date | None, today: date) -> Clock | None:
    """How long the money may still be kept: from the choice of a refund, or from the day the deadline passed,
    whichever came first. None while neither happened.

    >>> clock(date(2026, 11, 20), None, date(2026, 11, 28)).level
    'alarm'
    >>> clock(date(2026, 11, 20), date(2026, 11, 10), date(2026, 11, 25)).level
    'overdue'
    """
    begins = [due_on] if today > due_on else []
    if refund_chosen_on is not None:
        begins.append(refund_chosen_on)
    if not begins:
        return None
    from_on = min(begins)
    day = (today - from_on).days
    level: Level = "overdue" if day > REFUND_DAYS else "alarm" if day >= ALARM_DAYS else "running"
    return Clock(from_on, day, from_on + timedelta(days=REFUND_DAYS), level)
