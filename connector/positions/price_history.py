"""Which prices a listing has had, and the lowest of the last thirty days: the only honest "was" price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from connector.outbox.messages import literal

DAYS = 30

_NOTE = sa.text("""
    insert into price_change (merchant_id, listing_id, seen_at, price_minor)
    select l.merchant_id, l.id, :now, l.price_minor
      from listing l
      left join lateral (
           select price_minor from price_change c
            where c.merchant_id = l.merchant_id and c.listing_id = l.id
            order by seen_at desc limit 1
           ) last on true
     where l.merchant_id = :m and l.connection_id = :c and l.external_id = any(:ids) and l.price_minor is not null
       and last.price_minor is distinct from l.price_minor
        on conflict (merchant_id, listing_id, seen_at)
        do update set price_minor = least(price_change.price_minor, excluded.price_minor)
""")

# The price in force when the thirty days began counts, too.
_LOWEST = sa.text("""
    select c.listing_id, min(c.price_minor) filter (where c.seen_at >= began.at) as lowest,
           min(c.seen_at) as known_since
      from price_change c
      join lateral (
           select coalesce(max(e.seen_at), cast(:since as timestamptz)) as at from price_change e
            where e.merchant_id = c.merchant_id and e.listing_id = c.listing_id and e.seen_at <= :since
           ) began on true
     where c.merchant_id = :m and c.listing_id = any(cast(:ids as bigint[])) and c.seen_at < :until
     group by c.listing_id
""")


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest price (minor units) of the thirty days before a moment; `is_complete` False where the prices are
    not known for as long: then nobody may call it the lowest."""

    price_minor: int
    is_complete: bool


def note_prices(
    db: sa.Connection, merchant_id: int, connection_id: int, external_ids: Sequence[str], now: datetime
) -> int:
    """Note the present prices of these listings where they differ from the last ones noted; returns how many."""
    given = {"m": merchant_id, "c": connection_id, "ids": sorted(set(external_ids)), "now": now}
    return int(db.execute(_NOTE, given).rowcount)


def lowest_30d(
    db: sa.Connection, merchant_id: int, listing_ids: Sequence[int], before: datetime
) -> dict[int, Lowest]:
    """The lowest price each of these listings had in the thirty days before `before` (the moment a reduced price
    begins). Listings whose price was never seen before it are left out."""
    since = before - timedelta(days=DAYS)
    given = {"m": merchant_id, "ids": literal(listing_ids), "since": since, "until": before}
    return {
        row.listing_id: Lowest(int(row.lowest), row.known_since <= since)
        for row in db.execute(_LOWEST, given)
        if row.lowest is not None
    }
