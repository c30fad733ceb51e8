"""How many of those who wait are told now (pure).

A wave must neither leave units on the shelf nor promise the same unit to a crowd. Each invitation is
expected to claim `claim_rate × wanted units`; while it is open (24 hours from its message) that claim
counts in full, afterwards not at all. People are taken strictly in the order they came:

    invite while  open claims + the next person's claim ≤ free units
    and           open invitations < 5 × free units

Nobody wants more than there is, so a person's units are counted up to the free units: somebody who
asked for a hundred never blocks the queue for a restock of three.

Worked example: 4 free units, claim rate 0.2, everybody wants one unit. 4 ÷ 0.2 = 20 people are
invited, and 5 × 4 = 20 allows just as many. When one of them buys, 3 units are free and 20 invitations
are still open: nobody else is invited because of that sale. A day later the open claims are 0, and
3 ÷ 0.2 = 15 more are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

INVITATION_LASTS = timedelta(hours=24)
MOST_INVITED_PER_UNIT = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody in the queue; a smaller `place` came earlier. `wanted_units` ≥ 1."""

    place: int
    wanted_units: int = 1


@dataclass(frozen=True, slots=True)
class Open:
    """An invitation that may still be claimed, at the rate that was fixed when it was made."""

    claim_rate: Decimal
    wanted_units: int = 1


def expected_claims(invitations: Sequence[Open], free_units: int) -> Decimal:
    """Σ claim_rate × min(wanted, free) over open invitations, in units."""
    return sum((i.claim_rate * min(i.wanted_units, free_units) for i in invitations), Decimal(0))


def choose(
    waiting: Sequence[Waiting], invitations: Sequence[Open], free_units: int, claim_rate: Decimal
) -> list[Waiting]:
    """Those to invite now, earliest first; empty when nothing is free.

    `claim_rate` is a share above 0 and at most 1; anything else raises ValueError.
    """
    if not 0 < claim_rate <= 1:
        raise ValueError(f"a claim rate is above 0 and at most 1, not {claim_rate}")
    if free_units <= 0:
        return []
    claimed = expected_claims(invitations, free_units)
    room = MOST_INVITED_PER_UNIT * free_units - len(invitations)
    chosen: list[Waiting] = []
    for person in sorted(waiting, key=lambda w: w.place):
        claimed += claim_rate * min(person.wanted_units, free_units)
        if len(chosen) >= room or claimed > free_units:
            break
        chosen.append(person)
    return chosen
