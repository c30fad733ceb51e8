"""Reads a store's catalogue: the first import, the regular look at what changed, the full comparison.

Each page is stored on its own, so a stop in the middle loses nothing. A number that differs from what
we believed is not taken over here but *doubted*: the delivery, which alone writes to the store, reads it
again and learns from it, so that a write under way is never mistaken for a sale.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from connector.catalog.management import manage
from connector.catalog.matching import match_source
from connector.catalog.renaming import rematch
from connector.db import transaction
from connector.delivery.runtime import DeliveryRuntime
from connector.delivery.shelves import CatalogRead, doubt, store_page
from connector.delivery.work import ref_of
from connector.ports.errors import PortError, Retryable
from connector.ports.stores import Store
from connector.positions.decide import Cause, decide
from connector.positions.locations import feeds_of

__all__ = ["CatalogRead", "doubt", "read_catalog"]

# Matching looks at all of a source's items that are not linked yet: once for so many new variants.
_MATCH_EVERY = 5_000

MOST_GONE, MOST_GONE_SHARE = 20, 5
"""More items than this, and than one in five, are not taken for gone because one reading lacks them."""
ASKED = 100
"""So many of them the store is asked for by themselves."""


def read_catalog(
    rt: DeliveryRuntime, merchant_id: int, connection_id: int, *, changed_since: datetime | None = None
) -> CatalogRead:
    """Read the store (all of it, or what changed since) into variants and listings, then match and decide.

    A full reading marks listings the store no longer shows as gone; where those are many, only if the store does
    not know them either when it is asked for them. Raises the store's PortError, and Retryable for a catalogue that
    came in part; pages stored before it stay stored.
    """
    started = rt.now()
    store = rt.store(merchant_id, connection_id)
    total = CatalogRead()
    counted = 0
    with rt.engine.connect() as db:
        chosen = feeds_of(db, merchant_id, connection_id).get(connection_id)
    try:
        # Several locations are asked for only where the merchant chose some.
        pages = store.catalog(changed_since, chosen.places) if chosen else store.catalog(changed_since)
        for page in pages:
            with transaction(rt.engine) as db:
                store_page(db, merchant_id, connection_id, page, started, total)
            counted = _keep_statistics(rt, total.new_listings, counted)
            if len(total.variant_ids) >= _MATCH_EVERY:
                _match_and_decide(rt, merchant_id, total)
    except PortError:
        _match_and_decide(rt, merchant_id, total)
        raise
    _match_and_decide(rt, merchant_id, total)
    if changed_since is None:
        _refuse_part(rt, store, merchant_id, connection_id, started)
        with transaction(rt.engine) as db:
            total.gone = db.execute(
                _GONE, {"m": merchant_id, "c": connection_id, "started": started}
            ).rowcount
    return total


def _refuse_part(
    rt: DeliveryRuntime, store: Store, merchant_id: int, connection_id: int, started: datetime
) -> None:
    """Raises Retryable where a full reading lacks much of what the store still knows when it is asked for it: a list
    that ended early, or came empty, would take the shop's items out of management, and nobody would keep their
    numbers true."""
    given = {"m": merchant_id, "c": connection_id, "started": started}
    with rt.engine.connect() as db:
        count = db.execute(_LACKING, given).one()
        if count.lacking <= MOST_GONE or count.lacking * MOST_GONE_SHARE <= count.live:
            return
        refs = [ref_of(row) for row in db.execute(_SOME_LACKING, {**given, "n": ASKED})]
    size = max(1, store.capabilities.read_batch_size)
    known = sum(
        one.quantity is not None
        for start in range(0, len(refs), size)
        for one in store.read_quantities(refs[start : start + size])
    )
    if 2 * known > len(refs):
        raise Retryable(
            "delivery",
            f"store {connection_id}",
            f"Its catalogue lacks {count.lacking:,} of {count.live:,} items, and of {len(refs)} of them that it was"
            f" asked for it still knows {known}: the catalogue came in part.",
            "Nothing was taken off. The whole catalogue is read again later.",
        )


# An item that is shown at another location now is not lacking: its old place alone is gone.
_LACKING_ONES = """
      from listing l
     where l.merchant_id = :m and l.connection_id = :c and not l.is_gone {which}
       and not exists (select 1 from listing o
                        where o.merchant_id = :m and o.connection_id = :c and o.external_id = l.external_id
                          and o.seen_at >= :started)
"""
_LACKING = sa.text(f"""
    select count(*) as lacking,
           (select count(*) from listing where merchant_id = :m and connection_id = :c and not is_gone) as live
    {_LACKING_ONES.format(which="and l.seen_at < :started")}
""")  # noqa: S608 - a constant of this module, no input
_SOME_LACKING = sa.text(f"""
    select l.external_id, l.product_id, l.stock_id, l.location_id, l.sku
    {_LACKING_ONES.format(which="and l.seen_at < :started and l.problem = ''")}
     order by l.is_managed desc, md5(cast(l.id as text)) limit :n
""")

_GONE = sa.text("""
    update listing set is_gone = true
     where merchant_id = :m and id in (
           select id from listing
            where merchant_id = :m and connection_id = :c and seen_at < :started and not is_gone
            order by id for update)
""")


def _keep_statistics(rt: DeliveryRuntime, new_listings: int, counted: int) -> int:
    """Tell the planner of a first import while it runs; returns up to which of the new listings it knows.

    PostgreSQL counts rows by itself once a minute. Until then it takes these tables for empty and reads all
    of a merchant's listings for each page: 50,000 took 215 seconds. Where they are large already, the rows
    of one more merchant change nothing and this is skipped.
    """
    if new_listings < max(1_000, 2 * counted):
        return counted
    with transaction(rt.engine) as db:
        rows = db.execute(
            sa.text("select reltuples from pg_class where oid = 'listing'::regclass")
        ).scalar_one()
        if rows < 10 * new_listings:
            db.execute(sa.text("analyze listing, variant, position"))
    return new_listings


def _match_and_decide(rt: DeliveryRuntime, merchant_id: int, total: CatalogRead) -> None:
    if not total.variant_ids:
        return
    ids, renamed = sorted(total.variant_ids), sorted(total.renamed_ids)
    total.variant_ids, total.renamed_ids = set(), set()
    with transaction(rt.engine) as db:
        sources = db.execute(
            sa.text("select id from source where merchant_id = :m order by id"), {"m": merchant_id}
        ).scalars()
        for source_id in list(sources):
            rematch(db, merchant_id, source_id, renamed)
            match_source(db, merchant_id, source_id, variant_ids=ids)
        # A variant known from another store brings its suppliers along: its listing here is ours too.
        manage(db, merchant_id, ids)
        # What no supplier feeds is decided once: nothing that a catalogue says changes that answer.
        open_ids = db.execute(
            sa.text("""
                select n.id from unnest(cast(:ids as bigint[])) as n(id)
                 where not exists (select 1 from position p where p.merchant_id = :m and p.variant_id = n.id)
                    or exists (select 1 from supplier_item i where i.merchant_id = :m and i.variant_id = n.id)
                 order by n.id
            """),
            {"m": merchant_id, "ids": ids},
        ).scalars()
        to_decide = list(open_ids)
    decide(rt.engine, merchant_id, to_decide, now=rt.now(), cause=Cause("catalogue"))
