"""Decides the restock date that shoppers are shown. Pure.

A date rests on evidence: a supplier's stated date, units on their way, or a lead time counted from the day the
variant sold out. The promise is that day, corrected by how late such days really were:

    until = max(evidence, evidence + days of the correction)

moved on to the next day on which goods are booked in, where the merchant has a calendar. It is shown as a window
from the evidence to the promise where that is short, else as the promise alone.

Worked example: stated for 3 January by a supplier who is up to 9 days late in 95 of 100 cases: 12 January. Up to
5 days late: from 3 to 8 January, and 8 January alone once the third has passed.

What is shown stays while its evidence does, whatever else is learnt meanwhile: a date that moves every day is
none. It gives way to a later one when the evidence moves, which is a slip; to an earlier one only on better
evidence (a stated date after a lead time, a shipment after a stated date); and to none when it has passed or
nothing supports it any more. The calendar, like what is learnt, counts when a date is first shown or its evidence
moves: a calendar that changes moves no date that is shown, so it is never a slip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from connector.availability.facts import Correction, IncomingFacts, Shown, SourceFacts, VariantFacts

INCOMING_LASTS = timedelta(days=2)
"""How long a shipment stays evidence after it was last told of; that is asked many times a day."""
WIDEST_WINDOW_DAYS = 7
"""A longer window says nothing a shopper can use: then the promise stands alone."""
FARTHEST_DAYS = 730
"""No date farther away is shown: nobody waits for it, and nobody knows."""
LEAST_OWN = 20
"""A lead time that nobody entered is read from so many restocks of that very supplier, or not at all."""

_BETTER = {"lead_time": 1, "stated": 2, "shipment": 3}


@dataclass(frozen=True, slots=True)
class _Evidence:
    """A day somebody names, and what it became. `begins` is that day and `until` the promise, both moved on to days
    on which goods are booked in; `worked_out` is the promise before that."""

    basis: str
    connection_id: int
    on: date
    begins: date
    until: date
    worked_out: date
    correction: Correction | None = None


def promise(facts: VariantFacts, units_there: int) -> tuple[Shown | None, dict[str, Any]]:
    """The date to show for a variant that is not available, and how it came about (JSON, for the merchant).

    `units_there` are the whole units of all sources, before the buffer. (None, {}) where nothing supports a
    date today or later. Stated dates and shipments go before lead times; of several the earliest promise
    counts, and where two name the same day it rests on the better evidence.
    """
    found = list(_stated(facts)) + list(_shipments(facts, units_there))
    found = found or list(_lead_times(facts))
    last = _last_day(facts.today)
    found = [one for one in found if facts.today <= one.until <= last]
    if not found:
        return None, {}
    best = min(found, key=lambda one: (one.until, -_BETTER[one.basis], one.on))
    shown = facts.shown if facts.shown and facts.shown.until >= facts.today else None
    if shown is not None and _stays(shown, best):
        on = shown.on if shown.on >= facts.today else shown.until
        return replace(shown, on=on), _arithmetic(best, shown)
    is_window = facts.today <= best.on and (best.until - best.begins).days <= WIDEST_WINDOW_DAYS
    on = best.begins if is_window else best.until
    return Shown(on, best.until, best.basis, best.on, best.connection_id), _arithmetic(best, None)


def _stays(shown: Shown, best: _Evidence) -> bool:
    """Whether the date shown stays although there is this evidence: it names no later one, and an earlier one only
    on grounds that are no better. One that only the calendar makes later names none: that would be a slip without
    any news."""
    if best.until == shown.until or best.worked_out <= shown.until < best.until:
        return True
    return best.until < shown.until and _BETTER[best.basis] <= _BETTER[shown.basis]


def promise_rechecks(facts: VariantFacts, date: Shown) -> list[datetime]:
    """The moments at which time alone may change the date shown: shipments nobody tells of any more, and the
    end of the days named, at the merchant's place."""
    moments = [one.as_of + INCOMING_LASTS for one in _expected(facts)]
    moments += [
        datetime.combine(day + timedelta(days=1), time(), tzinfo=facts.place).astimezone(UTC)
        for day in {date.on, date.until}
        if facts.today <= day < _last_day(facts.today)
    ]
    return moments


def is_fresh(source: SourceFacts, now: datetime) -> bool:
    """Whether what the source says is young enough to be shown; no limit means always."""
    if source.max_age_hours is None:
        return True
    return source.as_of is not None and now - source.as_of <= timedelta(hours=source.max_age_hours)


def corrected(on: date, correction: Correction | None) -> date | None:
    """The day promised for one that somebody names; never before it. None where nothing can be promised."""
    if correction is None:
        return on
    return None if correction.days is None else _plus(on, max(0, correction.days))


def _stated(facts: VariantFacts) -> Iterator[_Evidence]:
    for source in facts.sources:
        if source.restock_on is None or not is_fresh(source, facts.now):
            continue
        correction = facts.lateness.get((source.connection_id, "stated"))
        named = _named("stated", source.connection_id, source.restock_on, correction)
        yield from _dated(facts, named, source.source_id)


def _named(basis: str, connection_id: int, on: date, correction: Correction | None) -> _Evidence:
    return _Evidence(basis, connection_id, on, on, on, on, correction)


def _dated(facts: VariantFacts, named: _Evidence, source_id: int = 0) -> Iterator[_Evidence]:
    """A named day, corrected and moved on to one on which goods are booked in. What is shown on the same evidence
    stays as it was promised; a day that was past when it was first named is no evidence."""
    shown, until = facts.shown, corrected(named.on, named.correction)
    found = _moved(facts, named, until, source_id)
    if shown and _is_of(named, shown):
        yield _as_promised(found or named, shown)
    elif named.on >= facts.today and found is not None:
        yield found


def _moved(facts: VariantFacts, named: _Evidence, until: date | None, source_id: int) -> _Evidence | None:
    """This evidence with its promise; None where there is none, or nobody books anything in for two months."""
    if until is None or facts.booked_in is None:
        return None if until is None else replace(named, until=until, worked_out=until)
    begins, ends = (facts.booked_in.first(day, source_id) for day in (named.on, until))
    if begins is None or ends is None:
        return None
    return replace(named, begins=begins, until=ends, worked_out=until)


def _as_promised(found: _Evidence, shown: Shown) -> _Evidence:
    """The evidence of the date shown, promised as it was. Why it was moved is told while that is still so."""
    worked_out = found.worked_out if found.until == shown.until else shown.until
    return replace(found, until=shown.until, worked_out=worked_out)


def _is_of(one: _Evidence, shown: Shown) -> bool:
    """Whether it is the evidence that the date shown rests on."""
    return (one.basis, one.connection_id, one.on) == (shown.basis, shown.connection_id, shown.evidence_on)


def _shipments(facts: VariantFacts, units_there: int) -> Iterator[_Evidence]:
    """The first day on which what is on its way makes the variant sellable again: the units there and those
    that have come by then are more than the buffer.

        first d: units there + Σ units promised by d > buffer

    Worked example: nothing is there, the buffer is 2, two units come on the 3rd and five on the 9th: the 9th.
    """
    if facts.rule.cap_units is not None and facts.rule.cap_units <= 0:
        return
    promised = []
    for line in _expected(facts):
        correction = facts.lateness.get((line.connection_id, "shipment"))
        for one in _dated(facts, _named("shipment", line.connection_id, line.on, correction)):
            promised.append((one.until, one.on, line.units, one))
    sellable = units_there - facts.rule.buffer_units
    for _, _, units, one in sorted(promised, key=lambda item: item[:3]):
        sellable += units
        if sellable > 0:
            yield one
            return


def _expected(facts: VariantFacts) -> list[IncomingFacts]:
    """What is on its way and was seen to be so lately; what is late only while it is what is shown."""
    shown = facts.shown
    late = shown.evidence_on if shown and shown.basis == "shipment" else facts.today
    return [
        one
        for one in facts.incoming
        if one.units > 0
        and (one.on >= facts.today or one.on == late)
        and facts.now - one.as_of <= INCOMING_LASTS
    ]


def _lead_times(facts: VariantFacts) -> Iterator[_Evidence]:
    """Lead times count from the day the variant sold out, so that the date does not slide along with the days.
    One that was entered is corrected once enough restocks are known; one that was not is read from them."""
    if facts.out_since_on is None:
        return
    shown = facts.shown
    for source in facts.sources:
        if not is_fresh(source, facts.now):
            continue
        correction = facts.lateness.get((source.connection_id, "restock"))
        if correction is not None and correction.own < LEAST_OWN:
            correction = None
        days = source.lead_time_days
        if days is None or days <= 0:
            days = correction.typical_days if correction else None
        if days is None or days <= 0 or (correction is not None and correction.days is None):
            continue
        on = _plus(facts.out_since_on, days)
        until = on
        if correction is not None and correction.days is not None:
            until = max(on, _plus(facts.out_since_on, correction.days))
        is_shown = shown is not None and (shown.basis, shown.connection_id) == (
            "lead_time",
            source.connection_id,
        )
        named = _named("lead_time", source.connection_id, on, correction)
        found = _moved(facts, named, until, source.source_id)
        if shown is not None and is_shown:
            yield _as_promised(replace(found or named, on=shown.evidence_on), shown)
        elif found is not None and (on >= facts.today or correction is not None):
            yield found


def _arithmetic(one: _Evidence, kept: Shown | None) -> dict[str, Any]:
    """The evidence as it is now; `is_held` where a later date stays that it was promised by before."""
    said: dict[str, Any] = {
        "basis": one.basis,
        "connection": one.connection_id,
        "evidence_on": one.on.isoformat(),
        "until": one.until.isoformat(),
        "is_held": kept is not None and not _is_of(one, kept),
    }
    if one.worked_out != one.until:
        said["moved_from"] = one.worked_out.isoformat()
    if one.correction is not None:
        said |= {
            "days": one.correction.days,
            "level": round(one.correction.level, 3),
            "ended": one.correction.ended,
            "still_open": one.correction.still_open,
            "is_reached": one.correction.is_reached,
            "is_pooled": one.correction.is_pooled,
        }
    return said


def _plus(day: date, days: int) -> date:
    """`days` later; the last day there is where that would be none."""
    return date.fromordinal(min(day.toordinal() + days, date.max.toordinal()))


def _last_day(today: date) -> date:
    return _plus(today, FARTHEST_DAYS)
