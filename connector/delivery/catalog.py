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
from connector.ports.errors import PortError
from connector.positions.decide import Cause, decide
from connector.positions.locations import feeds_of

__all__ = ["CatalogRead", "doubt", "read_catalog"]

# Matching looks at all of a source's items that are not linked yet: once for so many new variants.
_MATCH_EVERY = 5_000


def read_catalog(
    rt: DeliveryRuntime, merchant_id: int, connection_id: int, *, changed_since: datetime | None = None
) -> CatalogRead:
    """Read the store (all of it, or what changed since) into variants and listings, then match and decide.

    A full reading marks listings the store no longer shows as gone. Raises the store's PortError; pages
    stored before it stay stored.
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
        with transaction(rt.engine) as db:
            total.gone = db.execute(
                sa.text("""
                    update listing set is_gone = true
                     where merchant_id = :m and id in (
                           select id from listing
                            where merchant_id = :m and connection_id = :c and seen_at < :started and not is_gone
                            order by id for update)
                """),
                {"m": merchant_id, "c": connection_id, "started": started},
            ).rowcount
    return total


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
