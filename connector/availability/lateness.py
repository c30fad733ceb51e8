"""How late what is ordered really comes: delays of past orders, those still open included. Pure.

A delay is counted in days from the day an order was expected (its slip), or from the day it was ordered (its
lead time). An order that is still open says "longer than this": leaving it out makes every answer too short,
because just the slow ones are missing. Hence the estimate of Kaplan and Meier (1958), each order weighted by
its age, with one more order of the largest weight that never comes, so that few orders promise little:

    w_i = 2^(−age_i / half-life)         F(d) = 1 − Π over delays d_i ≤ d that ended of (1 − w_i / r_i)
    r_i = Σ of the weights of delays at or after d_i in order + max w;   quantile(p) = the first d with F(d) ≥ p

Worked example, equal weights: delays of 1, 2 and 4 days ended, one order is open since 3 days. In order 1, 2,
3+, 4 the weights at risk are 5, 4, 3, 2, so F(1) = 1/5, F(2) = 1 − 4/5 · 3/4 = 2/5, F(4) = 1 − 3/5 · 1/2 = 7/10.

    >>> curve = fit([1, 2, 3, 4], [True, True, False, True])
    >>> [round(float(chance), 3) for chance in curve.chances]
    [0.2, 0.4, 0.4, 0.7]
    >>> curve.quantile(0.4), curve.quantile(0.95)
    (2.0, None)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from connector.availability.facts import Correction

TARGET = 0.95
"""The share of promises that is to be kept."""
LEAST_ENDED = 20
"""Fewer orders that ended are no history: nothing at a level of .95 can be read from them."""
LEAST_TESTED = 100
"""The level stays at the target until the results of so many past promises are known, or will be."""
LEVELS = (0.80, 0.99)
"""The lowest and the highest level a backtest may choose."""
MOST_TESTED = 1000
"""A backtest looks at so many of the latest promises."""
OWN_STRENGTH = 2.0
"""All others together count as much as so many orders of the supplier's own: with 57 of its own it reaches .95."""
WORTH_IT = 0.2
"""A supplier's own estimate rests on fewer orders and keeps less than it seems to: it has to save a fifth of the
days promised. (Taken at any saving it kept .941 of the SCMS orders, against .957.)"""

_ROUNDING = 1e-12
_ABOVE = 1e-9
NEVER = np.iinfo(np.int64).max // 4

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Curve:
    """The chance that a delay is over: `delays` in days, rising; `chances` F at each of them, in [0, 1).
    `ended` and `still_open` count the orders behind it."""

    delays: Floats
    chances: Floats
    ended: int
    still_open: int

    def quantile(self, level: float) -> float | None:
        """The first delay by which a share `level` (0–1) has come; None where so many never did as yet:
        open orders, or too few of any."""
        at = int(np.searchsorted(self.chances, level - _ROUNDING))
        return float(self.delays[at]) if at < len(self.delays) else None

    def largest(self) -> float | None:
        """The longest delay seen, of orders still open too; None without any."""
        return float(self.delays[-1]) if len(self.delays) else None

    def level_needed(self, delay: float) -> float:
        """Every level above this one would have been enough for this delay: the chance of shorter ones, so that
        delays that are all alike need next to none. 1 where no level would."""
        at = int(np.searchsorted(self.delays, delay))
        if at == len(self.delays):
            return 1.0
        return float(self.chances[at - 1]) if at else 0.0


def fit(delays: ArrayLike, has_ended: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """The curve of these delays (days, n), of which those that have not ended are "longer than this". Weights
    (n, above 0) are equal when left out. Of equal delays the ended ones come first: the open ones are still at
    risk then. Raises ValueError where the three do not have one length."""
    days = np.asarray(delays, dtype=np.float64)
    ended = np.asarray(has_ended, dtype=np.bool_)
    weight = np.ones(len(days)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(days) == len(ended) == len(weight):
        raise ValueError(f"{len(days)} delays, {len(ended)} flags and {len(weight)} weights are given")
    if not len(days):
        return Curve(days, days.copy(), 0, 0)
    order = np.lexsort((~ended, days))
    days, ended, weight = days[order], ended[order], weight[order]
    at_risk = np.cumsum(weight[::-1])[::-1] + weight.max()
    chances = 1.0 - np.cumprod(np.where(ended, 1.0 - weight / at_risk, 1.0))
    count = int(ended.sum())
    return Curve(days, np.asarray(chances, dtype=np.float64), count, len(days) - count)


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders in order of `began`, as arrays of one length; all days are whole numbers on one calendar.

    `began` is the day a promise could be made, `due` the day its delay counts from (the expected day, or the
    day of ordering), `ended` the day it came (NEVER while it has not), `stopped` the day after which nobody
    knows any more (withdrawn, cancelled; NEVER otherwise), `group` a number for the supplier.
    """

    began: Days
    due: Days
    ended: Days
    stopped: Days
    group: Days

    def known_on(self, day: int) -> tuple[Floats, Flags, Floats]:
        """What was known in the morning of `day`: delays, whether each had ended, and the orders' ages in days.
        What began or came on that very day is not."""
        count = int(np.searchsorted(self.began, day))
        ended = self.ended[:count] < day
        until = np.where(ended, self.ended[:count], np.minimum(day, self.stopped[:count]))
        return (
            (until - self.due[:count]).astype(np.float64),
            ended,
            (day - self.began[:count]).astype(np.float64),
        )


def weigh(ages: Floats, half_life_days: float) -> Floats:
    """2^(−age / half-life), in (0, 1] for ages of 0 days and more."""
    return np.asarray(np.exp2(-ages / half_life_days))


class Lateness:
    """What past orders say of the next, day by day, with nothing from after that day. Keeps the curves it made:
    one object answers for many days and suppliers at about the price of one."""

    def __init__(self, orders: Orders, half_life_days: float, *, is_pooled: bool = True) -> None:
        self.orders, self.half_life_days, self.is_pooled = orders, half_life_days, is_pooled
        self._curves: dict[tuple[int, int], Curve] = {}
        self._needed: dict[int, float] = {}

    def curve(self, day: int, group: int) -> Curve:
        """The curve for an order of this supplier that begins on `day`.

        Pooled: all orders count alike, by age. Else a supplier's own count in full, and those of all others
        together as much as `OWN_STRENGTH` orders: w_j ← w_j · min(1, OWN_STRENGTH / Σ of the others' w).
        """
        key = (day, -1 if self.is_pooled else group)
        found = self._curves.get(key)
        if found is None:
            delays, ended, ages = self.orders.known_on(day)
            weights = weigh(ages, self.half_life_days)
            if not self.is_pooled:
                is_other = self.orders.group[: len(weights)] != group
                total = float(weights[is_other].sum())
                if total > OWN_STRENGTH:
                    weights = np.where(is_other, weights * (OWN_STRENGTH / total), weights)
            found = self._curves[key] = fit(delays, ended, weights)
        return found

    def level(self, day: int) -> float:
        """The level that would have kept `TARGET` of the promises made before `day`, as known that morning.

        Each past promise needed some level: `Curve.level_needed` of its delay on the curve of the day it was
        made. Those still open need that of their delay so far, or more. The level is the quantile of these
        needs, by the same estimate and the same ages; `TARGET` itself while there are fewer than LEAST_TESTED.
        """
        delays, ended, ages = self.orders.known_on(day)
        needs, over, at = [], [], []
        for i in range(max(0, len(delays) - MOST_TESTED), len(delays)):
            curve = self.curve(int(self.orders.began[i]), int(self.orders.group[i]))
            if curve.ended < LEAST_ENDED:
                continue
            if ended[i]:
                need = self._needed.get(i)
                if need is None:
                    need = self._needed[i] = curve.level_needed(float(delays[i]))
            else:
                need = curve.level_needed(float(delays[i]))
            needs.append(need)
            over.append(bool(ended[i]))
            at.append(i)
        if len(needs) < LEAST_TESTED:
            return TARGET
        found = fit(needs, over, weigh(ages[at], self.half_life_days)).quantile(TARGET)
        return LEVELS[1] if found is None else min(max(found + _ABOVE, LEVELS[0]), LEVELS[1])

    def promised(self, day: int, level: float) -> Floats:
        """The delays promised at this level to the orders of the last half-life before `day`, the latest
        MOST_TESTED of them; NaN where nothing could be."""
        end = int(np.searchsorted(self.orders.began, day))
        start = max(int(np.searchsorted(self.orders.began, day - self.half_life_days)), end - MOST_TESTED)
        found = (
            self.curve(int(self.orders.began[i]), int(self.orders.group[i])).quantile(level)
            for i in range(start, end)
        )
        return np.array([np.nan if days is None else days for days in found], dtype=np.float64)


def correct(
    ways: Sequence[Lateness],
    day: int,
    group: int,
    levels: Sequence[float] | None = None,
    best: int | None = None,
) -> Correction:
    """The correction for an order of this supplier that begins on `day`, by the way that promises least.

    `ways` are the pooled and the supplier's own estimate, of the same orders; each is taken at the level its
    own backtest asks for, so that all keep the target. `levels` and `best` (`cheapest`) are the same for all
    suppliers on one day: give them where they are known. Where neither curve reaches its level:

    - with fewer than LEAST_ENDED ended orders the longest delay seen, said to be so (`is_reached` False);
    - with enough of them too many never came, and no day can be promised (`days` None).
    """
    levels = [way.level(day) for way in ways] if levels is None else levels
    best = cheapest(ways, day, levels) if best is None else best
    orders = ways[0].orders
    own = int(((orders.group == group) & (orders.ended < day)).sum())
    found = [
        read_off(ways[i].curve(day, group), levels[i], is_pooled=ways[i].is_pooled, own=own)
        for i in dict.fromkeys((best, 0))
    ]
    # Where its own orders are too few for its level, all suppliers' speak for it.
    return next((one for one in found if one.is_reached), found[0])


def cheapest(ways: Sequence[Lateness], day: int, levels: Sequence[float]) -> int:
    """Which of these ways promised the fewest days to the latest orders, by those that all could promise. The
    first, unless another saves the share WORTH_IT, and where there are fewer than LEAST_TESTED orders."""
    promised = np.stack([way.promised(day, level) for way, level in zip(ways, levels, strict=True)])
    is_known = ~np.isnan(promised).any(axis=0)
    if is_known.sum() < LEAST_TESTED:
        return 0
    means = promised[:, is_known].mean(axis=1)
    best = int(means.argmin())
    return best if means[best] <= (1 - WORTH_IT) * means[0] else 0


def read_off(curve: Curve, level: float, *, is_pooled: bool, own: int = 0) -> Correction:
    """What a curve says at this level; whole days, rounded up."""
    found, middle = curve.quantile(level), curve.quantile(0.5)
    is_reached = found is not None
    if found is None and curve.ended < LEAST_ENDED:
        found = curve.largest()
    return Correction(
        days=None if found is None else int(np.ceil(found)),
        level=level,
        ended=curve.ended,
        still_open=curve.still_open,
        own=own,
        is_reached=is_reached,
        is_pooled=is_pooled,
        typical_days=None if middle is None else int(np.ceil(middle)),
    )


def interval(kept: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a rate by Wilson (1927), each end in [0, 1]; (0, 1) for none counted.

        (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n),  p = kept / n, z = 1.96

    Worked example: 95 of 100 kept is between .888 and .978.
    """
    if not count:
        return 0.0, 1.0
    z = 1.959964
    share, scale = kept / count, 1 + z * z / count
    middle = share + z * z / (2 * count)
    half = z * float(np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
