"""How many of those who wait are told now (pure).

A wave must neither leave units on the shelf nor promise the same unit to a crowd. Each invitation that is still
open is expected to claim its remaining claim probability × wanted units. People are taken by priority group and,
within a group, strictly in the order they came:

    invite while  open claims + the next person's claim ≤ free units
    and           open invitations, each by the share of its chance that is left, < 5 × free units

**Remaining probability.** Somebody who will buy mostly does so soon. Of all who ever claim, the share
F(t) = 1 − exp(−t / τ) has done so t after the message, τ being the typical delay; after 24 hours nobody is waited
for any more (F = 1). Somebody invited at rate r who has not bought by t still buys with r(1 − F) / (1 − rF).

Nobody wants more than there is, so a person's units are counted up to the free units: somebody who
asked for a hundred never blocks the queue for a restock of three.

**Pace.** "fair" is the rule as it stands. "careful" fills only three tenths of the free units with expected claims,
and first takes away what others are selling: fewer click in vain, and more of the units go to people who were just
passing. `benchmarks/waves.py` prints both.

Worked example: 4 free units, claim rate 0.2, everybody wants one unit. 4 ÷ 0.2 = 20 people are
invited, and 5 × 4 = 20 allows just as many. When one of them buys, 3 units are free and 19 invitations
are still open: nobody else is invited because of that sale. With τ = 6 h and no further sale, two hours and 13
minutes later their open claims have fallen below 2.8 and one more is told; a day later they are 0, and 3 ÷ 0.2 = 15
are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from math import exp
from typing import Literal

INVITATION_LASTS = timedelta(hours=24)
TYPICAL_DELAY = timedelta(hours=6)
MOST_INVITED_PER_UNIT = 5
CAREFUL_SHARE = Decimal("0.3")

Pace = Literal["fair", "careful"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody in the queue; a smaller `place` came earlier, a higher `priority` goes first. `wanted_units` ≥ 1."""

    place: int
    wanted_units: int = 1
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Open:
    """An invitation that may still be claimed, at the rate that was fixed when it was made, `age` after its
    message."""

    claim_rate: Decimal
    wanted_units: int = 1
    age: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Market:
    """What a wave reckons with besides the queue. `claim_rate`: a share above 0 and at most 1 (else ValueError);
    `typical_delay`: τ, above 0; `other_units_per_hour`: what is sold to others."""

    claim_rate: Decimal
    typical_delay: timedelta = TYPICAL_DELAY
    pace: Pace = "fair"
    other_units_per_hour: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not 0 < self.claim_rate <= 1:
            raise ValueError(f"a claim rate is above 0 and at most 1, not {self.claim_rate}")
        if self.typical_delay <= timedelta(0):
            raise ValueError(f"a typical delay is above 0, not {self.typical_delay}")

    def room(self, free_units: int) -> Decimal:
        """Units that expected claims may fill."""
        if self.pace == "fair":
            return Decimal(free_units)
        hours = Decimal(self.typical_delay.total_seconds()) / 3600
        return max(Decimal(0), CAREFUL_SHARE * free_units - self.other_units_per_hour * hours)


def share_left(age: timedelta, typical_delay: timedelta = TYPICAL_DELAY) -> Decimal:
    """1 − F: the share of those who ever claim that has not done so `age` after the message."""
    if age <= timedelta(0):
        return Decimal(1)
    if age >= INVITATION_LASTS:
        return Decimal(0)
    return Decimal(str(round(exp(-age / typical_delay), 6)))


def remaining_rate(invitation: Open, typical_delay: timedelta = TYPICAL_DELAY) -> Decimal:
    """The probability that somebody who has not claimed yet still will: at most the rate it was made with."""
    left = share_left(invitation.age, typical_delay)
    if left == 0:
        return Decimal(0)
    return invitation.claim_rate * left / (1 - invitation.claim_rate * (1 - left))


def expected_claims(
    invitations: Sequence[Open], free_units: int, typical_delay: timedelta = TYPICAL_DELAY
) -> Decimal:
    """Σ remaining rate × min(wanted, free) over open invitations, in units."""
    claims = (remaining_rate(i, typical_delay) * min(i.wanted_units, free_units) for i in invitations)
    return sum(claims, Decimal(0))


def choose(
    waiting: Sequence[Waiting], invitations: Sequence[Open], free_units: int, market: Market
) -> list[Waiting]:
    """Those to invite now: by priority, then earliest first; empty when nothing is free."""
    if free_units <= 0:
        return []
    delay = market.typical_delay
    claimed = expected_claims(invitations, free_units, delay)
    outstanding = sum((share_left(i.age, delay) for i in invitations), Decimal(0))
    chosen: list[Waiting] = []
    for person in sorted(waiting, key=_in_turn):
        claimed += market.claim_rate * min(person.wanted_units, free_units)
        outstanding += 1
        if outstanding > MOST_INVITED_PER_UNIT * free_units or not _fits(
            claimed, free_units, market, outstanding
        ):
            break
        chosen.append(person)
    return chosen


def next_look(
    waiting: Sequence[Waiting], invitations: Sequence[Open], free_units: int, market: Market
) -> timedelta:
    """How long until the first of `waiting` may be told if nothing is sold meanwhile, to the minute: at least one,
    at most the 24 hours an invitation lasts."""
    first = sorted(waiting, key=_in_turn)[:1]
    minutes = int(INVITATION_LASTS / timedelta(minutes=1))
    low, high = 0, minutes  # nobody is told after `low` minutes, somebody after `high`
    while high - low > 1:
        middle = (low + high) // 2
        later = [Open(i.claim_rate, i.wanted_units, i.age + timedelta(minutes=middle)) for i in invitations]
        if choose(first, later, free_units, market):
            high = middle
        else:
            low = middle
    return timedelta(minutes=high)


def _in_turn(person: Waiting) -> tuple[int, int]:
    return (-person.priority, person.place)


def _fits(claimed: Decimal, free_units: int, market: Market, outstanding: Decimal) -> bool:
    if claimed <= market.room(free_units):
        return True
    # However careful: one person at a time is always told, or the last units would wait for passers-by.
    return market.pace == "careful" and claimed <= free_units and outstanding < 2
