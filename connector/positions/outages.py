"""Suppliers that cannot be relied on now: paused, failing, or silent past their limit.

What is found is kept with the source, and its variants are decided again when it changes; so a backup takes over
although nobody told of the failure, and hands back although the file that came again says what it said before. No
number is changed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

FAILING_RUNS = 3
"""A supplier whose last so many runs all failed is failing."""
FAILING = ("paused", "failing")
"""Those of `source.out_because` that are no matter of age."""


def look(db: sa.Connection, merchant_id: int, *, now: datetime) -> int:
    """Note which sources went out of service or came back, and have their variants decided at the next look at
    positions. Returns how many sources changed."""
    changed = db.execute(_LOOK, {"m": merchant_id, "now": now, "runs": FAILING_RUNS}).scalars().all()
    if changed:
        ask_again(db, merchant_id, changed, now=now)
    return len(changed)


def ask_again(db: sa.Connection, merchant_id: int, source_ids: Sequence[int], *, now: datetime) -> int:
    """Have the variants of these sources decided at the next look at positions (within a minute)."""
    return int(db.execute(_ASK, {"m": merchant_id, "sources": list(source_ids), "now": now}).rowcount)


# A source that a run is writing is left for the next look: a large file must not hold up everybody else's.
_LOOK = sa.text("""
    with found as (
        select s.id, case
                 when c.status <> 'active' then 'paused'
                 when (select count(*) = :runs and bool_and(r.status = 'failed')
                         from (select status from run
                                where merchant_id = s.merchant_id and source_id = s.id
                                  and status not in ('running', 'preview')
                                order by id desc limit :runs) r) then 'failing'
                 when s.max_age_hours is not null and s.as_of is not null
                      and :now > s.as_of + make_interval(hours => s.max_age_hours) then 'stale'
                 else '' end as because
          from source s
          join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
         where s.merchant_id = :m),
    changed as (
        select s.id from source s join found f on f.id = s.id
         where s.merchant_id = :m and s.out_because <> f.because
         order by s.id for update of s skip locked)
    update source s
       set out_because = f.because, out_since = case when f.because = '' then null else :now end
      from found f join changed n on n.id = f.id
     where s.merchant_id = :m and s.id = f.id
    returning s.id
""").bindparams(sa.bindparam("now", type_=sa.DateTime(timezone=True)))

_ASK = sa.text("""
    with asked as (
        select p.variant_id from position p
         where p.merchant_id = :m and (p.recheck_at is null or p.recheck_at > :now)
           and p.variant_id in (
               select variant_id from supplier_item
                where merchant_id = :m and source_id = any(cast(:sources as bigint[])))
         order by p.variant_id for update)
    update position p set recheck_at = :now from asked a
     where p.merchant_id = :m and p.variant_id = a.variant_id
""").bindparams(sa.bindparam("now", type_=sa.DateTime(timezone=True)))
