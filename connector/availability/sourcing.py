"""Decides which sources of a variant sell, which stand by, and when they change places. Pure.

Own stock is always used first. Of the suppliers all count together ("sum"), or one sells and the others stand by:

    priority    the lowest number
    cheapest    the lowest cost of one variant unit, in one currency (`same_currency`); where a rate for that is
                lacking, costs cannot be compared, and the merchant's order counts
    fastest     the shortest lead time
    best_score  the highest score

A supplier is *usable* when its data is within its limit, it is not failing, and it has more than the buffer. The
one that sells gives way at once when it is no longer usable and another is. It gives way to a better one only when
that one has been usable without a break for the stable period and the present one has sold for as long: so there
is at most one such change per stable period, however often a supplier comes and goes.

Where no supplier is usable nobody is taken off sale: the present one goes on selling what it last said, so that a
silent supplier never empties a shop.

Worked example: A (priority 1) sells. At 02:00 its server dies, at 02:10 B takes over. A answers again at 09:00 and
goes on answering: at 09:00 the next day A sells again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import floor
from typing import Any

STRATEGIES = ("sum", "priority", "cheapest", "fastest", "best_score")
STALE_POLICIES = ("keep", "hide_date", "shrink")
OUT, STALE, FAILING, UNKNOWN = "out", "stale", "failing", "unknown"
"""Why a source is not usable."""
FASTER_DAYS, SCORE_POINTS = 1, 5
"""How much better than the present one a supplier must be to take its place; for cost the merchant says it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One source of a variant. `units` are whole variant units it can give (≥ 0), None when it does not say.

    `cost` is that of one variant unit; `lead_time_days`, `priority` (the lower the earlier) and `score` (0–100,
    the higher the better) may be None: such a one comes after those that have it. `is_own` is the merchant's own
    stock.
    """

    source_id: int
    units: int | None
    is_own: bool = False
    is_stale: bool = False
    is_failing: bool = False
    cost: Decimal | None = None
    lead_time_days: int | None = None
    score: int | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What the merchant wants. `stable` is how long a supplier must have been usable before it is handed back to,
    `cheaper_percent` by how much cheaper one must be to take over. `adds_own`: own stock and the supplier's are
    sold together; else the supplier's only once the own is out."""

    strategy: str = "sum"
    adds_own: bool = True
    stable: timedelta = timedelta(hours=24)
    cheaper_percent: int = 3


@dataclass(frozen=True, slots=True)
class Sourcing:
    """What is remembered from one decision to the next: which supplier sells since when, under which strategy,
    and since when each usable one has been so without a break."""

    strategy: str = ""
    current: int | None = None
    since: datetime | None = None
    ready: Mapping[int, datetime] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is stored; {} where nothing is remembered."""
        if not self.strategy:
            return {}
        return {
            "strategy": self.strategy,
            "current": self.current,
            "since": self.since.isoformat() if self.since else None,
            "ready": {str(source): at.isoformat() for source, at in sorted(self.ready.items())},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Sourcing:
        """What `to_json` gave."""
        if not stored:
            return cls()
        return cls(
            strategy=stored["strategy"],
            current=stored["current"],
            since=datetime.fromisoformat(stored["since"]) if stored["since"] else None,
            ready={int(source): datetime.fromisoformat(at) for source, at in stored["ready"].items()},
        )


ALL_SELL, NOTHING_KNOWN = Policy(), Sourcing()
"""What holds without any rule, and before the first decision."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`counted` are the sources that sell. `kept` is what to remember. `recheck_at` is when a better supplier may
    take over by time alone. `reasons` say in one word of each source that does not sell why, as
    `out`, `stale`, `failing`, `unknown`, `waiting` (better, but not stable yet) or `standby`."""

    counted: frozenset[int]
    kept: Sourcing = NOTHING_KNOWN
    recheck_at: datetime | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)
    returns_at: Mapping[int, datetime] = field(default_factory=dict)


def same_currency(
    costs: Mapping[int, tuple[Decimal, str]], rates: Mapping[str, Decimal]
) -> tuple[dict[int, Decimal], tuple[str, ...]]:
    """Costs (by source, with their currency) as numbers that may be compared, and the currencies whose rate is
    lacking for that: then there are no numbers. Costs in one currency need no rate.

    Worked example: 5.00 dollars worth 0.90 euros each, and 4.60 euros: 4.50 and 4.60.
    """
    currencies = {currency for _, currency in costs.values()}
    if len(currencies) < 2:
        return {source: cost for source, (cost, _) in costs.items()}, ()
    lacking = tuple(sorted(currencies - rates.keys()))
    if lacking:
        return {}, lacking
    return {source: cost * rates[currency] for source, (cost, currency) in costs.items()}, ()


def choose(
    candidates: Sequence[Candidate],
    policy: Policy,
    kept: Sourcing,
    now: datetime,
    buffer_units: int = 0,
    *,
    is_comparable: bool = True,
    buffers: Mapping[int, int] | None = None,
) -> Choice:
    """Which of these sources sell now. `kept` is what the last choice remembered; ties go to the lower id. Where costs
    are not comparable, "cheapest" goes by the merchant's order until they are. `buffers` say what is kept back while a
    supplier sells, where that is not `buffer_units` for all."""
    own = [one for one in candidates if one.is_own]
    suppliers = [one for one in candidates if not one.is_own]
    if policy.strategy == "sum":
        return _all(own, suppliers, policy, buffer_units)
    own_units = sum(one.units or 0 for one in own)
    held_back = {one.source_id: (buffers or {}).get(one.source_id, buffer_units) for one in suppliers}
    if policy.adds_own:
        held_back = {source: max(0, units - own_units) for source, units in held_back.items()}
    problems = {one.source_id: _problem(one, held_back[one.source_id]) for one in suppliers}
    usable = [one for one in suppliers if not problems[one.source_id]]
    # Where none is usable, whoever last said that it has enough goes on selling.
    sellable = [one for one in suppliers if (one.units or 0) > held_back[one.source_id]]
    known = kept if kept.strategy == policy.strategy else Sourcing()
    ready = {one.source_id: known.ready.get(one.source_id, now) for one in usable}
    judged_by = (
        policy if is_comparable or policy.strategy != "cheapest" else replace(policy, strategy="priority")
    )
    rank = _rank(judged_by.strategy)
    by_id = {one.source_id: one for one in suppliers}
    current = by_id.get(known.current) if known.current is not None else None
    chosen = current
    later: dict[int, datetime] = {}
    if current is None or (problems[current.source_id] and usable):
        chosen = min(usable or sellable or suppliers, key=rank, default=None)
    elif problems[current.source_id]:
        if current not in sellable:
            chosen = min(sellable, key=rank, default=current)
    else:
        free_at = known.since + policy.stable if known.since else now
        better = [one for one in usable if _is_better(one, current, judged_by)]
        later = {one.source_id: max(ready[one.source_id] + policy.stable, free_at) for one in better}
        due = [one for one in better if later[one.source_id] <= now]
        chosen = min(due, key=rank, default=current)
    is_same = chosen is not None and chosen.source_id == known.current
    if not is_same:
        # What has just taken over sells for a stable period before anything better may.
        later = {}
        if chosen is not None and chosen.source_id in ready:
            later = {
                one.source_id: max(ready[one.source_id], now) + policy.stable
                for one in usable
                if _is_better(one, chosen, judged_by)
            }
    later = {source: at for source, at in later.items() if at > now}
    counted = {one.source_id for one in own}
    if chosen is not None and (policy.adds_own or own_units <= buffer_units):
        counted.add(chosen.source_id)
    reasons = {
        one.source_id: problems[one.source_id] or ("waiting" if one.source_id in later else "standby")
        for one in suppliers
        if one.source_id not in counted
    }
    return Choice(
        counted=frozenset(counted),
        kept=Sourcing(
            strategy=policy.strategy,
            current=chosen.source_id if chosen else None,
            since=known.since if is_same else now,
            ready=ready,
        ),
        recheck_at=min(later.values(), default=None),
        reasons=reasons,
        returns_at=later,
    )


def shrunk(
    units: int, stale_since: datetime, now: datetime, percent_per_day: int, least: int
) -> tuple[int, datetime | None]:
    """What is still sold of `units` of a source whose data has been past its limit since `stale_since`, and when
    that falls next (None: no further).

        max(min(units, least), ⌊units × (1 − percent × whole days / 100)⌋)

    Each begun day counts, the first from the limit on. It never falls below `least`: silence alone empties nothing.

    Worked example: 40 units, 10 % a day, 2 days and an hour past the limit: 3 days are begun, 28 are left.
    """
    days = floor((now - stale_since) / timedelta(days=1)) + 1
    floor_units = min(units, max(0, least))
    left = max(floor_units, units * max(0, 100 - percent_per_day * days) // 100)
    return left, stale_since + timedelta(days=days) if left > floor_units else None


def _all(
    own: Sequence[Candidate], suppliers: Sequence[Candidate], policy: Policy, buffer_units: int
) -> Choice:
    """Everything counts; the supplier's only once the own is out where they are not added."""
    own_units = sum(one.units or 0 for one in own)
    if own and not policy.adds_own and own_units > buffer_units:
        return Choice(
            frozenset(one.source_id for one in own), reasons={one.source_id: "standby" for one in suppliers}
        )
    return Choice(frozenset(one.source_id for one in (*own, *suppliers)))


def _problem(one: Candidate, held_back: int) -> str:
    if one.is_failing:
        return FAILING
    if one.is_stale:
        return STALE
    if one.units is None:
        return UNKNOWN
    return "" if one.units > held_back else OUT


def _rank(strategy: str) -> Callable[[Candidate], tuple[Any, ...]]:
    """The better a candidate, the smaller; the merchant's order and then the id settle what is equal."""

    def key(one: Candidate) -> tuple[Any, ...]:
        order = (one.priority is None, one.priority or 0, one.source_id)
        if strategy == "cheapest":
            return (one.cost is None, one.cost or 0, *order)
        if strategy == "fastest":
            return (one.lead_time_days is None, one.lead_time_days or 0, *order)
        if strategy == "best_score":
            return (one.score is None, -(one.score or 0), *order)
        return order

    return key


def _is_better(one: Candidate, than: Candidate, policy: Policy) -> bool:
    """Whether it is so much better that the trade is worth a change."""
    if one.source_id == than.source_id:
        return False
    if policy.strategy == "cheapest":
        if one.cost is None or than.cost is None:
            return one.cost is not None and than.cost is None
        return one.cost < than.cost and one.cost * 100 <= than.cost * (100 - policy.cheaper_percent)
    if policy.strategy == "fastest":
        if one.lead_time_days is None or than.lead_time_days is None:
            return one.lead_time_days is not None and than.lead_time_days is None
        return one.lead_time_days <= than.lead_time_days - FASTER_DAYS
    if policy.strategy == "best_score":
        if one.score is None or than.score is None:
            return one.score is not None and than.score is None
        return one.score >= than.score + SCORE_POINTS
    # Without a number of the merchant's the order is that in which they were connected.
    return _rank("priority")(one) < _rank("priority")(than)
