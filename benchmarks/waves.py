"""`waves_simulation`: 10,000 people wait for 40 units while others buy too; who is told, who clicks in vain.

The product's own rules (`connector.shoppers.waves`, `claims.reckon`) against two others in the same world: "mail
everybody" and "as many as there are units". Time is simulated, decisions are the real ones, taken every quarter
hour. Prints one JSON line a world and rule; the reference of the share of clicks in vain is that of "mail everybody".

The world is assumed, not measured: of those told a share `buys` and as many again only look; they come after a delay
with a mean of 5 hours (the rule starts from 6), others buy `passers_by` units an hour. The merchant's setting is 20 %.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random
from statistics import mean

from connector.shoppers.claims import Seen, reckon
from connector.shoppers.waves import (
    INVITATION_LASTS,
    Market,
    Open,
    Pace,
    Waiting,
    choose,
    share_left,
)

PEOPLE, UNITS, SEEDS = 10_000, 40, 8
LOOK_H, MEAN_DELAY_H, SETTING = 0.25, 5.0, Decimal("0.2")


@dataclass(frozen=True)
class World:
    """`buys`: the share of invited people who want to buy; `passers_by`: units an hour that others buy."""

    buys: float
    passers_by: float


@dataclass
class Run:
    """One restock until it is sold out and every click has come."""

    invited: int = 0
    clicks: int = 0
    in_vain: int = 0
    sold_to_invited: int = 0
    sold_to_others: int = 0
    hours: float = 0.0
    waits_h: list[float] = field(default_factory=list)
    first_wave: int = 0


def simulate(world: World, rule: str, seed: int) -> Run:
    """`rule`: "everybody", "units", or a pace of `connector.shoppers.waves`."""
    dice, run, free = Random(seed), Run(), UNITS
    told_at: list[float] = []
    claimed_after: dict[int, float] = {}
    events: list[tuple[float, int, str]] = [(0.0, -1, "look")]
    if world.passers_by:
        heapq.heappush(events, (dice.expovariate(world.passers_by), -1, "passer-by"))
    pending = 0
    while events and (free > 0 or pending):
        at, who, what = heapq.heappop(events)
        if what == "look" and free > 0:
            for _ in range(_how_many(rule, at, free, told_at, claimed_after, run)):
                told_at.append(at)
                dice_says = dice.random()
                if dice_says < 2 * world.buys:
                    pending += 1
                    kind = "buyer" if dice_says < world.buys else "looker"
                    heapq.heappush(events, (at + dice.expovariate(1 / MEAN_DELAY_H), len(told_at) - 1, kind))
            run.first_wave = run.first_wave or len(told_at)
            heapq.heappush(events, (at + LOOK_H, -1, "look"))
        elif what == "passer-by" and free > 0:
            free, run.sold_to_others = free - 1, run.sold_to_others + 1
            heapq.heappush(events, (at + dice.expovariate(world.passers_by), -1, "passer-by"))
        elif what in ("buyer", "looker"):
            pending, run.clicks = pending - 1, run.clicks + 1
            if free == 0:
                run.in_vain += 1
            elif what == "buyer":
                free, run.sold_to_invited = free - 1, run.sold_to_invited + 1
                claimed_after[who] = at - told_at[who]
        if free == 0 and not run.hours:
            run.hours = at
    run.invited, run.waits_h = len(told_at), told_at
    return run


def _how_many(
    rule: str, at: float, free: int, told_at: Sequence[float], claimed_after: dict[int, float], run: Run
) -> int:
    if rule == "everybody":
        return PEOPLE if at == 0 else 0
    if rule == "units":
        return UNITS if at == 0 else 0
    ages = [timedelta(hours=at - one) for one in told_at]
    seen = Seen(
        len(claimed_after),
        len(claimed_after)
        + sum(float(1 - share_left(age)) for who, age in enumerate(ages) if who not in claimed_after),
        sum(claimed_after.values()),
    )
    known = reckon(SETTING, [seen])
    still_open = [
        Open(known.claim_rate, 1, age)
        for who, age in enumerate(ages)
        if who not in claimed_after and age < INVITATION_LASTS
    ]
    pace: Pace = "careful" if rule == "careful" else "fair"
    others = Decimal(str(run.sold_to_others / max(2.0, at)))
    market = Market(known.claim_rate, known.typical_delay, pace, others)
    queue = [Waiting(place) for place in range(min(500, PEOPLE - len(told_at)))]
    return len(choose(queue, still_open, free, market))


def main() -> None:
    for world in (World(0.06, 0.1), World(0.06, 1.0), World(0.2, 0.1), World(0.2, 1.0), World(0.4, 1.0)):
        everybody = 0.0
        for rule in ("everybody", "units", "fair", "careful"):
            runs = [simulate(world, rule, seed) for seed in range(SEEDS)]
            in_vain = sum(run.in_vain for run in runs) / max(1, sum(run.clicks for run in runs))
            everybody = everybody or in_vain
            line = {
                "name": "waves_simulation",
                "value": round(in_vain, 4),
                "unit": "share of clicks in vain",
                "reference": round(everybody, 4),
                "ratio": round(in_vain / everybody, 4) if everybody else None,
                "aim": 0.02,
                "ok": in_vain <= 0.02,
                "rule": rule,
                "buys": world.buys,
                "passers_by_per_hour": world.passers_by,
                "invited": round(mean(run.invited for run in runs), 1),
                "first_wave": round(mean(run.first_wave for run in runs), 1),
                "sold_to_invited": round(mean(run.sold_to_invited for run in runs), 1),
                "sold_to_others": round(mean(run.sold_to_others for run in runs), 1),
                "hours_to_sold_out": round(mean(run.hours for run in runs), 1),
                "mean_wait_until_told_h": round(
                    mean(sum(run.waits_h) / max(1, run.invited) for run in runs), 1
                ),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
