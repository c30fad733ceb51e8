"""Stores one page of a store's catalogue as variants and listings: a fixed number of statements for any
number of items.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.catalog.keys import gtin_key, sku_key
from connector.catalog.pages import page_key
from connector.outbox.messages import Intent, enqueue
from connector.ports.stores import StoreListing
from connector.positions.price_history import note_prices
from connector.positions.price_news import tell_prices
from connector.positions.topics import DECREASE, QUANTITY

_NOT_TRACKED = "The store does not track it."


@dataclass(slots=True)
class CatalogRead:
    """What one reading found. `doubted` listings hold another number than we believed. `variant_ids` are
    those to match and to decide: new ones, and those an earlier reading left in the middle. Of `renamed_ids`
    the SKU or barcode changed in the store: what matched them may be another item's now."""

    listings: int = 0
    new_listings: int = 0
    new_variants: int = 0
    doubted: int = 0
    gone: int = 0
    variant_ids: set[int] = field(default_factory=set)
    renamed_ids: set[int] = field(default_factory=set)


def store_page(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    page: Sequence[StoreListing],
    started: datetime,
    total: CatalogRead,
) -> None:
    """Store these listings as seen by the reading that began at `started`; adds to `total`."""
    items = {(item.ref.external_id, item.ref.location_id): item for item in page}
    total.listings += len(items)
    if not items:
        return
    # Two readings at once (the regular one and a person's) would both find the same item new, and two
    # stores of one merchant the same SKU: one after the other, a page at a time.
    db.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended('catalog:' || cast(:m as text), 0))"),
        {"m": merchant_id},
    )
    rows = db.execute(
        _KNOWN,
        {"m": merchant_id, "c": connection_id, "ids": sorted({external_id for external_id, _ in items})},
    ).all()
    known = {key: row for row in rows if (key := (row.external_id, row.location_id)) in items}
    new = [item for key, item in items.items() if key not in known]
    if new:
        placed = {row.external_id: row.variant_id for row in rows if row.variant_id is not None}
        variants = _variants_for(db, merchant_id, connection_id, new, placed, total)
        _insert(db, merchant_id, connection_id, new, variants, started)
        total.new_listings += len(new)
        total.variant_ids |= set(variants.values())
    if known:
        _refresh(db, merchant_id, connection_id, items, known, started, total)
    if note_prices(db, merchant_id, connection_id, [external_id for external_id, _ in items], started):
        tell_prices(db, merchant_id)


def _variants_for(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    new: Sequence[StoreListing],
    placed: Mapping[str, int],
    total: CatalogRead,
) -> dict[str, int]:
    """The variant each new item (external id) sells: the one it sells at another place of this store, else
    the one with the same SKU in another store when there is exactly one and this store has none of it
    yet, else a new one. A SKU used twice is never guessed."""
    first = {item.ref.external_id: item for item in reversed(new)}
    answer = {external_id: placed[external_id] for external_id in first if external_id in placed}
    keys = {
        external_id: sku_key(item.sku) for external_id, item in first.items() if external_id not in answer
    }
    times = Counter(keys.values())
    found = {
        row.sku_key: int(row.variant_id)
        for row in db.execute(
            _SAME_SKU,
            {
                "m": merchant_id,
                "c": connection_id,
                "keys": [key for key, n in times.items() if key and n == 1],
            },
        )
    }
    answer |= {external_id: found[key] for external_id, key in keys.items() if key in found}
    missing = sorted(external_id for external_id in keys if external_id not in answer)
    if missing:
        ids = db.execute(_NEXT_VARIANTS, {"n": len(missing)}).scalars().all()
        made = [first[external_id] for external_id in missing]
        db.execute(
            _INSERT_VARIANTS,
            {
                "m": merchant_id,
                "ids": list(ids),
                "skus": [item.sku for item in made],
                "keys": [keys[external_id] for external_id in missing],
                "gtins": [_gtin(item) for item in made],
                "titles": [_title(item) for item in made],
                "first": [item.collections[0] if item.collections else "" for item in made],
                "collections": [_collections(item) for item in made],
            },
        )
        answer |= dict(zip(missing, ids, strict=True))
        total.new_variants += len(missing)
    return answer


def _insert(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    new: Sequence[StoreListing],
    variants: Mapping[str, int],
    started: datetime,
) -> None:
    db.execute(
        _INSERT_LISTINGS,
        {
            "m": merchant_id,
            "c": connection_id,
            "seen": started,
            "variants": [variants[item.ref.external_id] for item in new],
            "externals": [item.ref.external_id for item in new],
            "products": [item.ref.product_id for item in new],
            "stocks": [item.ref.stock_id for item in new],
            "locations": [item.ref.location_id for item in new],
            "availables": [item.available for item in new],
            **_facts(new),
        },
    )


def _refresh(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    items: Mapping[tuple[str, str | None], StoreListing],
    known: Mapping[tuple[str, str | None], Any],
    started: datetime,
    total: CatalogRead,
) -> None:
    order = sorted(known, key=lambda key: int(known[key].id))
    seen = [items[key] for key in order]
    db.execute(
        _REFRESH,
        {"m": merchant_id, "seen": started, "ids": [known[key].id for key in order], **_facts(seen)},
    )
    _follow(db, merchant_id, {known[key].variant_id: items[key] for key in order}, total)
    believed: dict[int, int] = {}
    doubted: list[int] = []
    for key in order:
        row, item = known[key], items[key]
        if _is_unfinished(row, item) and row.variant_id is not None:
            total.variant_ids.add(row.variant_id)
        if item.available is None or item.available == row.believed_available:
            continue
        if not row.is_managed or row.yielded_at is not None:
            believed[row.id] = item.available
        elif row.written_at is None or row.written_at < started:
            doubted.append(row.id)
    if believed:
        db.execute(
            _BELIEVE,
            {"m": merchant_id, "at": started, "ids": list(believed), "units": list(believed.values())},
        )
    total.doubted += doubt(db, merchant_id, connection_id, doubted)


def _follow(
    db: sa.Connection, merchant_id: int, shown: Mapping[int | None, StoreListing], total: CatalogRead
) -> None:
    """Take a changed SKU, barcode, title or collection over into the variant, where no other item speaks for it
    too. One whose collections changed is decided again where there are rules for collections."""
    variants = [(variant_id, item) for variant_id, item in shown.items() if variant_id is not None]
    skus = [item.sku for _, item in variants]
    rows = db.execute(
        _FOLLOW,
        {
            "m": merchant_id,
            "ids": [variant_id for variant_id, _ in variants],
            "skus": skus,
            "keys": [sku_key(sku) for sku in skus],
            "gtins": [_gtin(item) for _, item in variants],
            "titles": [_title(item) for _, item in variants],
            "collections": [_collections(item) for _, item in variants],
        },
    ).all()
    renamed = {row.id for row in rows if row.is_renamed}
    total.renamed_ids |= renamed
    total.variant_ids |= renamed | {row.id for row in rows if row.is_moved and row.has_rules}


def _is_unfinished(row: Any, item: StoreListing) -> bool:
    """Whether this listing is to be matched or decided although it is known: an earlier reading ended
    between storing and deciding, or what kept it from being written is over."""
    if row.is_excluded:
        return False
    if row.is_managed:
        return bool(row.wanted_available is None or row.is_gone or (row.problem and not _problem(item)))
    return True


def doubt(db: sa.Connection, merchant_id: int, connection_id: int, listing_ids: Sequence[int]) -> int:
    """Have these listings read again by the delivery before anything else is written to them."""
    if not listing_ids:
        return 0
    db.execute(_DOUBT, {"m": merchant_id, "ids": list(listing_ids)})
    return enqueue(
        db, merchant_id, [Intent(QUANTITY, str(i), connection_id, DECREASE) for i in sorted(listing_ids)]
    )


def _facts(items: Sequence[StoreListing]) -> dict[str, list[Any]]:
    return {
        "skus": [item.sku for item in items],
        "titles": [_title(item) for item in items],
        "urls": [item.url for item in items],
        "pages": [page_key(item.url) for item in items],
        "images": [item.image_url for item in items],
        "prices": [item.price_minor for item in items],
        "published": [item.is_published for item in items],
        "problems": [_problem(item) for item in items],
    }


def _title(item: StoreListing) -> str:
    return item.product_title + (f" – {item.variant_title}" if item.variant_title else "")


def _collections(item: StoreListing) -> str:
    return json.dumps(list(item.collections))


def _gtin(item: StoreListing) -> str:
    """The barcode as it is compared; merchants also keep notes in that field, which match nothing."""
    try:
        return gtin_key(item.gtin)
    except ValueError:
        return ""


def _problem(item: StoreListing) -> str:
    return item.problem or ("" if item.available is not None else _NOT_TRACKED)


_KNOWN = sa.text("""
    select id, external_id, location_id, variant_id, believed_available, wanted_available, written_at,
           is_managed, is_excluded, is_gone, problem, yielded_at
      from listing
     where merchant_id = :m and connection_id = :c and external_id = any(cast(:ids as text[]))
     order by id for update
""")

_SAME_SKU = sa.text("""
    select v.sku_key, min(v.id) as variant_id
      from variant v
     where v.merchant_id = :m and v.sku_key = any(cast(:keys as text[]))
       and not exists (select 1 from listing l
                        where l.merchant_id = v.merchant_id and l.variant_id = v.id and l.connection_id = :c)
     group by v.sku_key
    having count(*) = 1
""")

_NEXT_VARIANTS = sa.text("""
    select nextval(pg_get_serial_sequence('variant', 'id')) from generate_series(1, :n)
""")

_INSERT_VARIANTS = sa.text("""
    insert into variant (merchant_id, id, sku, sku_key, gtin, title, collection, collections)
    select :m, n.id, n.sku, n.key, n.gtin, n.title, n.first, cast(n.collections as jsonb)
      from unnest(cast(:ids as bigint[]), cast(:skus as text[]), cast(:keys as text[]),
                  cast(:gtins as text[]), cast(:titles as text[]), cast(:first as text[]),
                  cast(:collections as text[]))
           as n(id, sku, key, gtin, title, first, collections)
""")

_FACTS = """
           cast(:skus as text[]), cast(:titles as text[]), cast(:urls as text[]), cast(:pages as text[]),
           cast(:images as text[]), cast(:prices as bigint[]), cast(:published as boolean[]),
           cast(:problems as text[])
"""

_INSERT_LISTINGS = sa.text(f"""
    insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id, location_id,
                         believed_available, confirmed_available, confirmed_at, seen_at,
                         sku, title, url, page_key, image_url, price_minor, is_published, problem)
    select :m, :c, n.variant, n.external, n.product, n.stock, n.location,
           n.available, n.available, :seen, :seen,
           n.sku, n.title, n.url, n.page, n.image, n.price, n.published, n.problem
      from unnest(cast(:variants as bigint[]), cast(:externals as text[]), cast(:products as text[]),
                  cast(:stocks as text[]), cast(:locations as text[]), cast(:availables as int[]), {_FACTS})
           as n(variant, external, product, stock, location, available,
                sku, title, url, page, image, price, published, problem)
""")  # noqa: S608 - a constant of this module, no input

# Two readings may overlap: the earlier one must not take back when the later one saw a listing, or it
# would count as gone. The rows are locked already, in id order.
_REFRESH = sa.text(f"""
    update listing l
       set sku = n.sku, title = n.title, url = n.url, page_key = n.page, image_url = n.image,
           price_minor = n.price, is_published = n.published, problem = n.problem,
           seen_at = greatest(l.seen_at, :seen), is_gone = false
      from unnest(cast(:ids as bigint[]), {_FACTS})
           as n(id, sku, title, url, page, image, price, published, problem)
     where l.merchant_id = :m and l.id = n.id
""")  # noqa: S608 - a constant of this module, no input

# Live listings of one item at several places say the same. What is only spelt otherwise is no other code.
_FOLLOW = sa.text("""
    with shown as (
      select n.*, v.sku_key as old_key, v.gtin as old_gtin, v.collections as old_collections
        from unnest(cast(:ids as bigint[]), cast(:skus as text[]), cast(:keys as text[]),
                    cast(:gtins as text[]), cast(:titles as text[]), cast(:collections as text[]))
             as n(id, sku, key, gtin, title, collections)
        join variant v on v.merchant_id = :m and v.id = n.id
       where (v.sku, v.gtin, v.title, v.collections)
             is distinct from (n.sku, n.gtin, n.title, cast(n.collections as jsonb))
         and (select count(distinct (l.connection_id, l.external_id)) from listing l
               where l.merchant_id = :m and l.variant_id = n.id and not l.is_gone) = 1
       order by v.id for update of v)
    update variant v set sku = s.sku, sku_key = s.key, gtin = s.gtin, title = s.title,
                         collections = cast(s.collections as jsonb)
      from shown s
     where v.merchant_id = :m and v.id = s.id
    returning v.id, (s.old_key, ltrim(s.old_gtin, '0')) is distinct from (s.key, s.gtin) as is_renamed,
              s.old_collections <> cast(s.collections as jsonb) as is_moved,
              exists (select 1 from stock_rule where merchant_id = :m and level = 'collection') as has_rules
""")

# Nobody here writes these listings: what the store says is simply so.
_BELIEVE = sa.text("""
    update listing l
       set believed_available = n.units, confirmed_available = n.units, confirmed_at = :at, doubted_units = 0
      from unnest(cast(:ids as bigint[]), cast(:units as int[])) as n(id, units)
     where l.merchant_id = :m and l.id = n.id
""")

_DOUBT = sa.text("""
    update listing set confirmed_at = null
     where merchant_id = :m and id in (
           select id from listing where merchant_id = :m and id = any(:ids) order by id for update)
""")
