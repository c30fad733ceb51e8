"""Learns once a day how late each supplier's and store's dates really are, from the evidence on record.

What is learnt counts for dates first shown from then on; a date that is shown already stays as it is while its
evidence does (`connector.availability.promising`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from connector.availability.facts import Correction
from connector.availability.lateness import NEVER, Lateness, Orders, cheapest, correct, fit, weigh
from connector.db import transaction
from connector.positions.promises import today_of

HALF_LIFE_DAYS: Mapping[str, float] = {"stated": 180, "shipment": 180, "restock": 730}
"""How fast evidence ages: what is said of a date faster than how long things take."""
MOST_READ = 5000
"""Of each kind so many of the latest are read."""
EVERY = timedelta(days=1)


def learn_when_due(engine: sa.Engine, merchant_id: int, *, now: datetime) -> bool:
    """Learn where there is evidence and nothing was learnt in the last day; whether it did."""
    with engine.connect() as db:
        is_due = db.execute(_IS_DUE, {"m": merchant_id, "since": now - EVERY}).scalar_one()
    if is_due:
        learn(engine, merchant_id, now=now)
    return bool(is_due)


def learn(engine: sa.Engine, merchant_id: int, *, now: datetime) -> dict[tuple[int, str], Correction]:
    """Learn the corrections of all connections of this merchant, by (connection, kind), and keep them.

    Two workers that learn at once write the same. The arithmetic runs outside a transaction.
    """
    with engine.connect() as db:
        today = today_of(db, merchant_id, now)
        read = {kind: db.execute(_READ, {"m": merchant_id, "kind": kind, "n": MOST_READ}).all()
                for kind in HALF_LIFE_DAYS}  # fmt: skip
    found: dict[tuple[int, str], Correction] = {}
    rows = []
    for kind, evidence in read.items():
        for connection_id, correction, own in corrections(evidence, kind, today):
            found[connection_id, kind] = correction
            rows.append(
                {
                    "m": merchant_id,
                    "connection": connection_id,
                    "kind": kind,
                    "days": correction.days,
                    "level": correction.level,
                    "ended": correction.ended,
                    "still_open": correction.still_open,
                    "own": correction.own,
                    "is_reached": correction.is_reached,
                    "is_pooled": correction.is_pooled,
                    "typical_days": correction.typical_days,
                    "own_typical_days": own,
                    "now": now,
                }
            )
    with transaction(engine) as db:
        db.execute(_FORGET, {"m": merchant_id})
        if rows:
            db.execute(_KEEP, rows)
    return found


def corrections(
    evidence: Iterable[Any], kind: str, today: date
) -> Iterable[tuple[int, Correction, int | None]]:
    """For each connection of this evidence (rows of one kind by `began_on`): its correction for a date first
    shown today, and the middle of its own delays in whole days, None where half of them are not over."""
    rows = list(evidence)
    if not rows:
        return
    # What came today is known now: as of tomorrow morning.
    day, half_life = today.toordinal() + 1, HALF_LIFE_DAYS[kind]
    groups: dict[int, int] = defaultdict(lambda: len(groups))
    orders = Orders(
        began=_days(row.began_on for row in rows),
        due=_days(row.expected_on for row in rows),
        ended=_days(row.arrived_on for row in rows),
        stopped=_days(row.stopped_on for row in rows),
        group=np.array([groups[row.connection_id] for row in rows], dtype=np.int64),
    )
    ways = [Lateness(orders, half_life), Lateness(orders, half_life, is_pooled=False)]
    levels = [way.level(day) for way in ways]
    best = cheapest(ways, day, levels)
    delays, ended, ages = orders.known_on(day)
    for connection_id, group in groups.items():
        own = orders.group == group
        middle = fit(delays[own], ended[own], weigh(ages[own], half_life)).quantile(0.5)
        yield (
            connection_id,
            correct(ways, day, group, levels, best),
            None if middle is None else int(np.ceil(middle)),
        )


def _days(dates: Iterable[date | None]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([NEVER if one is None else one.toordinal() for one in dates], dtype=np.int64)


_IS_DUE = sa.text("""
    select exists (select 1 from lead_time_evidence where merchant_id = :m)
       and not exists (select 1 from lateness where merchant_id = :m and learnt_at > :since)
""")
# What is open is known to be so up to the day on which its supplier last spoke, and not at all where it is not
# connected any more.
_READ = sa.text("""
    select e.connection_id, e.began_on, e.expected_on, e.arrived_on,
           coalesce(e.stopped_on, case when e.arrived_on is null and e.kind <> 'shipment'
                                       then cast(s.as_of at time zone m.timezone as date) end) as stopped_on
      from (select * from lead_time_evidence where merchant_id = :m and kind = :kind
             order by began_on desc, id desc limit :n) e
      join merchant m on m.id = e.merchant_id
      left join connection c on c.merchant_id = e.merchant_id and c.id = e.connection_id
      left join source s on s.merchant_id = e.merchant_id and s.connection_id = e.connection_id
     where e.arrived_on is not null or e.stopped_on is not null or c.status = 'active'
     order by e.began_on, e.id
""")
_FORGET = sa.text("delete from lateness where merchant_id = :m")
_KEEP = sa.text("""
    insert into lateness (merchant_id, connection_id, kind, days, level, ended, still_open, own, is_reached,
                          is_pooled, typical_days, own_typical_days, learnt_at)
    values (:m, :connection, :kind, :days, :level, :ended, :still_open, :own, :is_reached, :is_pooled,
            :typical_days, :own_typical_days, :now)
        on conflict (merchant_id, connection_id, kind) do update
       set days = excluded.days, level = excluded.level, ended = excluded.ended,
           still_open = excluded.still_open, own = excluded.own, is_reached = excluded.is_reached,
           is_pooled = excluded.is_pooled, typical_days = excluded.typical_days,
           own_typical_days = excluded.own_typical_days, learnt_at = excluded.learnt_at
""")
