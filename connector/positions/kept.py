"""How well restock dates were kept, by who named them: read for the merchant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from connector.availability.facts import Correction
from connector.availability.lateness import TARGET, interval

MEASURED_FROM = 30
"""With fewer promises known to be kept or not, 95 % is called a target and no rate."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of the dates that rested on one supplier's or store's word.

    `known` of them have an outcome, `kept` were kept, `slipped` were moved later; `still_open` wait. `low` and
    `high` are the 95 % interval of the rate. `stated`, `shipment` and `restock` are what was learnt of its
    delays, None where nothing was, at `learnt_at`.
    """

    connection_id: int
    name: str
    known: int
    kept: int
    slipped: int
    still_open: int
    low: float
    high: float
    stated: Correction | None = None
    shipment: Correction | None = None
    restock: Correction | None = None
    learnt_at: datetime | None = None

    @property
    def share(self) -> float | None:
        """Kept of those known, None without any."""
        return self.kept / self.known if self.known else None

    @property
    def is_measured(self) -> bool:
        """Whether enough is known to call it a rate."""
        return self.known >= MEASURED_FROM

    @property
    def verdict(self) -> str:
        """ "target" until enough is known; then "kept" or "missed" where the interval leaves no doubt that the
        target is, or is not, reached, else "open"."""
        if not self.is_measured:
            return "target"
        if self.low >= TARGET:
            return "kept"
        return "missed" if self.high < TARGET else "open"


def records(db: sa.Connection, merchant_id: int, connection_id: int | None = None) -> list[Record]:
    """One record for each connection that named dates or of whose delays something is known, by name; of one
    connection only, where it is given. Dates from before it was kept who named them have connection 0."""
    given = {"m": merchant_id, "c": connection_id}
    learnt: dict[int, dict[str, Correction]] = {}
    learnt_at: dict[int, datetime] = {}
    for row in db.execute(_LEARNT, given):
        found = Correction(*row[2:10])
        learnt.setdefault(row.connection_id, {})[row.kind] = found
        learnt_at[row.connection_id] = row.learnt_at
    answer = []
    for row in db.execute(_COUNTS, given):
        low, high = interval(row.kept, row.known)
        answer.append(
            Record(
                row.connection_id,
                row.name,
                row.known,
                row.kept,
                row.slipped,
                row.still_open,
                low,
                high,
                **learnt.get(row.connection_id, {}),
                learnt_at=learnt_at.get(row.connection_id),
            )
        )
    return answer


_COUNTS = sa.text("""
    select n.connection_id, coalesce(c.name, '') as name, coalesce(p.known, 0) as known,
           coalesce(p.kept, 0) as kept, coalesce(p.slipped, 0) as slipped,
           coalesce(p.still_open, 0) as still_open
      from (select connection_id from promise where merchant_id = :m
             union select connection_id from lateness where merchant_id = :m) n
      left join connection c on c.merchant_id = :m and c.id = n.connection_id
      left join (select connection_id, count(is_kept) as known, count(*) filter (where is_kept) as kept,
                        count(*) filter (where slips > 0) as slipped,
                        count(*) filter (where is_kept is null) as still_open
                   from promise where merchant_id = :m group by connection_id) p
        on p.connection_id = n.connection_id
     where :c is null or n.connection_id = :c
     order by c.name, n.connection_id
""").bindparams(sa.bindparam("c", type_=sa.BigInteger))
_LEARNT = sa.text("""
    select connection_id, kind, days, level, ended, still_open, own, is_reached, is_pooled, own_typical_days,
           learnt_at
      from lateness where merchant_id = :m and (:c is null or connection_id = :c)
""").bindparams(sa.bindparam("c", type_=sa.BigInteger))

EXPORT = sa.text("""
    select v.sku, v.title, c.name as named_by, p.basis, p.evidence_on, p.first_shown_on, p.shown_at,
           p.latest_shown_on, p.slips, p.slipped_at, p.withdrawn_at, p.restocked_at,
           case when p.is_kept then 'kept' when p.is_kept is not null then 'missed' else 'open' end as outcome,
           p.known_at
      from promise p
      join variant v on v.merchant_id = p.merchant_id and v.id = p.variant_id
      left join connection c on c.merchant_id = p.merchant_id and c.id = p.connection_id
     where p.merchant_id = :m order by p.id desc
""")
"""Every promise of a merchant (`m`), newest first."""
