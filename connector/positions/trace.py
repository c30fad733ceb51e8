"""What was written into stores for one variant: when, which number, how it ended, and what had made it so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

LOOKED_AT = 300
"""So many of a store's latest requests are looked through; older writes are told by the listing's own time."""


@dataclass(frozen=True, slots=True)
class Write:
    """One number sent to a store. `status` is the request's: succeeded, failed, sent, unknown, resolved; ""
    where the request is not kept any more. `expected` is what the store was believed to hold before. `cause`,
    `run_id` and `reference` are of the change of the position that it followed, empty where none is known."""

    store: str
    at: datetime
    quantity: int | None
    expected: int | None
    status: str
    attempt_id: int | None
    cause: str
    run_id: int | None
    reference: str


def writes(db: sa.Connection, merchant_id: int, variant_id: int, limit: int = 5) -> list[Write]:
    """The latest writes of this variant's numbers, newest first."""
    given = {"m": merchant_id, "v": variant_id, "looked": LOOKED_AT, "n": limit}
    found = [Write(*row) for row in db.execute(_SENT, given)]
    told = {write.store for write in found}
    found += [Write(*row) for row in db.execute(_WRITTEN, given) if row.store not in told]
    return sorted(found, key=lambda write: write.at, reverse=True)[:limit]


_CAUSE = """
      left join lateral (
           select t.cause, t.run_id, t.reference from movement t
            where t.merchant_id = :m and t.variant_id = :v and t.at <= w.at order by t.id desc limit 1) c on true
"""
_SENT = sa.text(f"""
    select w.store, w.at, w.quantity, w.expected, w.status, w.id, coalesce(c.cause, ''), c.run_id,
           coalesce(c.reference, '')
      from (select s.name as store, a.sent_at as at, cast(i.item ->> 'quantity' as integer) as quantity,
                   cast(i.item ->> 'expected' as integer) as expected, a.status, a.id
              from connection s
              join lateral (select id from listing where merchant_id = :m and variant_id = :v
                               and connection_id = s.id) l on true
              join lateral (select * from delivery_attempt d where d.merchant_id = :m and d.connection_id = s.id
                             order by d.id desc limit :looked) a on a.sent_at is not null
              join lateral jsonb_array_elements(a.request -> 'items') as i(item)
                   on cast(i.item ->> 'listing_id' as bigint) = l.id and i.item ? 'quantity'
             where s.merchant_id = :m and s.kind = 'store'
             order by a.id desc limit :n) w {_CAUSE}
""")  # noqa: S608 - constants of this module
_WRITTEN = sa.text(f"""
    select w.store, w.at, w.quantity, null as expected, '' as status, null as id, coalesce(c.cause, '') as cause,
           c.run_id, coalesce(c.reference, '') as reference
      from (select s.name as store, l.written_at as at, l.believed_available as quantity
              from listing l join connection s on s.merchant_id = l.merchant_id and s.id = l.connection_id
             where l.merchant_id = :m and l.variant_id = :v and l.written_at is not null) w {_CAUSE}
""")  # noqa: S608 - constants of this module
