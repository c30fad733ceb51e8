"""Notices that somebody else keeps setting the numbers Dispo sets, and gives way instead of fighting.

A number above what the store can hold by our writes, sales and cancels was set by somebody else: another
app, an import, a person. It is repaired a few times, because a slip is common and a number too high sells
what nobody has. When it comes again and again the listing is left to the other one (`listing.yielded_at`),
the merchant is told on the connection's page, and Dispo goes on only when told to. Two writers would else
spend the platform's limits on each other for ever.

A number below is a sale as far as anybody can tell: it is taken over and never written against, so there
is nothing to give way to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from connector.outbox.messages import literal

WINDOW = timedelta(hours=24)
REPAIRS = 5
"""A listing repaired so often within the window is left to the other writer."""
REPAIRS_WHEN_KNOWN = 2
"""As often when another listing of the store was already left within the window: it is the same writer."""


def note(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    found: Mapping[int, tuple[int, int]],
    now: datetime,
) -> set[int]:
    """Record what somebody else set: listing → (what we believed, what the store says). Returns the
    listings given up by this, which the caller has locked."""
    if not found:
        return set()
    given = {"m": merchant_id, "c": connection_id, "now": now, "since": now - WINDOW}
    ids = sorted(found)
    db.execute(
        sa.text("""
            insert into foreign_write (merchant_id, connection_id, listing_id, seen_at, believed, found)
            select :m, :c, n.id, :now, n.believed, n.found
              from unnest(cast(:ids as bigint[]), cast(:believed as int[]), cast(:found as int[]))
                   as n(id, believed, found)
        """),
        {
            **given,
            "ids": ids,
            "believed": [found[i][0] for i in ids],
            "found": [found[i][1] for i in ids],
        },
    )
    rows = db.execute(
        sa.text("""
            update listing l set yielded_at = :now
              from (select w.listing_id, count(*) as repairs from foreign_write w
                     where w.merchant_id = :m and w.listing_id = any(cast(:ids as bigint[]))
                       and w.seen_at > :since and w.repaired_at is not null
                     group by w.listing_id) n
             where l.merchant_id = :m and l.id = n.listing_id and l.yielded_at is null
               and n.repairs >= case when exists (select 1 from listing o
                                                   where o.merchant_id = :m and o.connection_id = :c
                                                     and o.yielded_at > :since)
                                     then :known else :repairs end
            returning l.id
        """),
        {**given, "ids": ids, "repairs": REPAIRS, "known": REPAIRS_WHEN_KNOWN},
    )
    return {row.id for row in rows}


def repaired(
    db: sa.Connection, merchant_id: int, connection_id: int, listing_ids: Sequence[int], now: datetime
) -> int:
    """These listings were written: what somebody else had set there is repaired. Returns how many were."""
    mended = db.execute(
        sa.text("""
            with mended as (
              update foreign_write set repaired_at = :now
               where merchant_id = :m and connection_id = :c and listing_id = any(cast(:ids as bigint[]))
                 and repaired_at is null
              returning listing_id),
            counted as (
              update reconciliation set repaired = repaired + (select count(distinct listing_id) from mended)
               where merchant_id = :m and exists (select 1 from mended)
                 and id = (select max(r.id) from reconciliation r where r.merchant_id = :m and r.connection_id = :c)
              returning id)
            select count(distinct listing_id) from mended
        """),
        {"m": merchant_id, "c": connection_id, "ids": literal(listing_ids), "now": now},
    ).scalar_one()
    return int(mended)


def go_on(db: sa.Connection, merchant_id: int, connection_id: int) -> int:
    """Take back what was left to another writer: its numbers are read, then set right. Returns how many
    listings. The caller enqueues the store's differences."""
    db.execute(
        sa.text("delete from foreign_write where merchant_id = :m and connection_id = :c"),
        {"m": merchant_id, "c": connection_id},
    )
    return db.execute(
        sa.text("""
            update listing set yielded_at = null, confirmed_at = null
             where merchant_id = :m and id in (
                   select id from listing
                    where merchant_id = :m and connection_id = :c and yielded_at is not null
                    order by id for update)
        """),
        {"m": merchant_id, "c": connection_id},
    ).rowcount


def prune(db: sa.Connection, keep: timedelta) -> int:
    """Delete what is older than `keep`, which must be longer than the window."""
    return db.execute(
        sa.text("delete from foreign_write where seen_at < now() - :keep"), {"keep": keep}
    ).rowcount
