"""Reads a store's catalogue: the first import, the regular look at what changed, the full comparison.

Each page is stored on its own, so a stop in the middle loses nothing. A number that differs from what
we believed is not taken over here but *doubted*: the delivery, which alone writes to the store, reads it
again and learns from it, so that a write under way is never mistaken for a sale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.catalog.keys import sku_key
from connector.catalog.matching import match_source
from connector.catalog.pages import page_key
from connector.db import transaction
from connector.delivery.runtime import DeliveryRuntime
from connector.outbox.messages import Intent, enqueue
from connector.ports.stores import StoreListing
from connector.positions.decide import Cause, decide
from connector.positions.topics import DECREASE, QUANTITY


@dataclass(slots=True)
class CatalogRead:
    """What one reading found. `doubted` listings hold another number than we believed."""

    listings: int = 0
    new_listings: int = 0
    new_variants: int = 0
    doubted: int = 0
    gone: int = 0
    variant_ids: set[int] = field(default_factory=set)


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
    for page in store.catalog(changed_since):
        with transaction(rt.engine) as db:
            _store_page(db, merchant_id, connection_id, page, started, total)
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


def _match_and_decide(rt: DeliveryRuntime, merchant_id: int, total: CatalogRead) -> None:
    if not total.variant_ids:
        return
    ids = sorted(total.variant_ids)
    total.variant_ids = set()
    with transaction(rt.engine) as db:
        sources = db.execute(
            sa.text("select id from source where merchant_id = :m order by id"), {"m": merchant_id}
        ).scalars()
        for source_id in list(sources):
            match_source(db, merchant_id, source_id, variant_ids=ids)
        # A variant known from another store brings its suppliers along: its listing here is ours too.
        db.execute(
            sa.text("""
                update listing set is_managed = true
                 where merchant_id = :m and id in (
                       select l.id from listing l
                        where l.merchant_id = :m and l.variant_id = any(:ids) and not l.is_managed
                          and not l.is_excluded
                          and exists (select 1 from supplier_item i
                                       where i.merchant_id = l.merchant_id and i.variant_id = l.variant_id)
                        order by l.id for update)
            """),
            {"m": merchant_id, "ids": ids},
        )
    decide(rt.engine, merchant_id, ids, now=rt.now(), cause=Cause("catalogue"))


def _store_page(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    page: Sequence[StoreListing],
    started: datetime,
    total: CatalogRead,
) -> None:
    known = {
        (row.external_id, row.location_id): row
        for row in db.execute(
            sa.text("""
                select id, external_id, location_id, variant_id, believed_available, written_at, is_managed
                  from listing
                 where merchant_id = :m and connection_id = :c and external_id = any(:ids)
                 order by id for update
            """),
            {"m": merchant_id, "c": connection_id, "ids": [item.ref.external_id for item in page]},
        )
    }
    doubted: list[int] = []
    for item in page:
        total.listings += 1
        row = known.get((item.ref.external_id, item.ref.location_id))
        if row is None:
            variant_id = _variant_for(db, merchant_id, connection_id, item, total)
            _insert(db, merchant_id, connection_id, variant_id, item, started)
            total.new_listings += 1
            total.variant_ids.add(variant_id)
            continue
        _update(db, merchant_id, row.id, item, started)
        if item.available is None or item.available == row.believed_available:
            continue
        if not row.is_managed:
            _believe(db, merchant_id, row.id, item.available, started)
        elif row.written_at is None or row.written_at < started:
            doubted.append(row.id)
    total.doubted += doubt(db, merchant_id, connection_id, doubted)


def doubt(db: sa.Connection, merchant_id: int, connection_id: int, listing_ids: Sequence[int]) -> int:
    """Have these listings read again by the delivery before anything else is written to them."""
    if not listing_ids:
        return 0
    db.execute(
        sa.text("""
            update listing set confirmed_at = null
             where merchant_id = :m and id in (
                   select id from listing where merchant_id = :m and id = any(:ids) order by id for update)
        """),
        {"m": merchant_id, "ids": list(listing_ids)},
    )
    return enqueue(
        db, merchant_id, [Intent(QUANTITY, str(i), connection_id, DECREASE) for i in sorted(listing_ids)]
    )


def _variant_for(
    db: sa.Connection, merchant_id: int, connection_id: int, item: StoreListing, total: CatalogRead
) -> int:
    """The variant this listing sells: the one with the same SKU in another store when there is exactly
    one and this store has no listing of it yet, else a new one. A SKU used twice is never guessed."""
    key = sku_key(item.sku)
    if key:
        same = db.execute(
            sa.text("""
                select v.id from variant v
                 where v.merchant_id = :m and v.sku_key = :key
                   and not exists (select 1 from listing l where l.merchant_id = v.merchant_id
                                      and l.variant_id = v.id and l.connection_id = :c
                                      and coalesce(l.location_id, '') = coalesce(:location, ''))
            """),
            {"m": merchant_id, "key": key, "c": connection_id, "location": item.ref.location_id},
        ).all()
        if len(same) == 1:
            return int(same[0].id)
    total.new_variants += 1
    title = item.product_title + (f" – {item.variant_title}" if item.variant_title else "")
    return int(
        db.execute(
            sa.text("""
                insert into variant (merchant_id, sku, sku_key, gtin, title, collection)
                values (:m, :sku, :key, :gtin, :title, :collection) returning id
            """),
            {
                "m": merchant_id,
                "sku": item.sku,
                "key": key,
                "gtin": item.gtin,
                "title": title,
                "collection": item.collections[0] if item.collections else "",
            },
        ).scalar_one()
    )


def _facts(item: StoreListing, started: datetime) -> dict[str, Any]:
    return {
        "sku": item.sku,
        "title": item.product_title + (f" – {item.variant_title}" if item.variant_title else ""),
        "url": item.url,
        "page": page_key(item.url),
        "image": item.image_url,
        "price": item.price_minor,
        "published": item.is_published,
        "problem": item.problem or ("" if item.available is not None else "The store does not track it."),
        "seen": started,
    }


def _insert(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    item: StoreListing,
    started: datetime,
) -> None:
    db.execute(
        sa.text("""
            insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id,
                                 location_id, sku, title, url, page_key, image_url, price_minor, is_published, problem,
                                 believed_available, confirmed_available, confirmed_at, seen_at)
            values (:m, :c, :v, :e, :p, :s, :l, :sku, :title, :url, :page, :image, :price, :published, :problem,
                    :available, :available, :seen, :seen)
        """),
        {
            **_facts(item, started),
            "m": merchant_id,
            "c": connection_id,
            "v": variant_id,
            "e": item.ref.external_id,
            "p": item.ref.product_id,
            "s": item.ref.stock_id,
            "l": item.ref.location_id,
            "available": item.available,
        },
    )


def _believe(db: sa.Connection, merchant_id: int, listing_id: int, available: int, at: datetime) -> None:
    """Nobody here writes this listing: what the store says is simply so."""
    db.execute(
        sa.text("""
            update listing set believed_available = :n, confirmed_available = :n, confirmed_at = :at
             where merchant_id = :m and id = :id
        """),
        {"m": merchant_id, "id": listing_id, "n": available, "at": at},
    )


def _update(
    db: sa.Connection, merchant_id: int, listing_id: int, item: StoreListing, started: datetime
) -> None:
    db.execute(
        sa.text("""
            update listing set sku = :sku, title = :title, url = :url, page_key = :page, image_url = :image,
                   price_minor = :price,
                   is_published = :published, problem = :problem, seen_at = :seen, is_gone = false
             where merchant_id = :m and id = :id
        """),
        {**_facts(item, started), "m": merchant_id, "id": listing_id},
    )
