"""Matches variants anew whose SKU or barcode changed in their store.

A link that matching made is kept unless the new codes name another item of the same source: a SKU that was
only spelt otherwise leaves its item, and one that was moved to another product takes that product's item.
Links made by hand are the merchant's word and stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from connector.catalog.matching import match_source


def rematch(db: sa.Connection, merchant_id: int, source_id: int, variant_ids: Sequence[int]) -> set[int]:
    """Link these variants to the items of the source that their codes name now, in the caller's
    transaction. Returns those that have another item than before."""
    if not variant_ids:
        return set()
    given = {"m": merchant_id, "s": source_id, "variants": list(variant_ids)}
    db.execute(
        sa.text("""
            create temp table link_before on commit drop as
            select * from supplier_item
             where merchant_id = :m and source_id = :s and variant_id = any(cast(:variants as bigint[]))
               and how <> 'hand'
        """),
        given,
    )
    # Taken away first: a linked variant is never matched, and two variants may have changed places.
    db.execute(
        sa.text("""
            delete from supplier_item i using link_before b
             where i.merchant_id = :m and i.source_id = :s and i.item_key = b.item_key
               and i.variant_id = b.variant_id
        """),
        given,
    )
    match_source(db, merchant_id, source_id, variant_ids=variant_ids)
    # The pack size was set for this item: it comes back with it.
    db.execute(
        sa.text("""
            update supplier_item i set units_per_variant = b.units_per_variant
              from link_before b
             where i.merchant_id = :m and i.source_id = :s and i.item_key = b.item_key
               and i.variant_id = b.variant_id
        """),
        given,
    )
    # What names no item keeps the one it had, unless that went to another variant.
    db.execute(
        sa.text("""
            insert into supplier_item (merchant_id, source_id, item_key, variant_id, units_per_variant, how)
            select b.merchant_id, b.source_id, b.item_key, b.variant_id, b.units_per_variant, b.how
              from link_before b
             where not exists (select 1 from supplier_item i
                                where i.merchant_id = :m and i.source_id = :s
                                  and (i.variant_id = b.variant_id
                                       or (i.item_key = b.item_key and i.how <> 'hand')))
        """),
        given,
    )
    other = {
        row.variant_id
        for row in db.execute(
            sa.text("""
                select b.variant_id from link_before b
                 where not exists (select 1 from supplier_item i
                                    where i.merchant_id = :m and i.source_id = :s
                                      and i.item_key = b.item_key and i.variant_id = b.variant_id)
            """),
            given,
        )
    }
    db.execute(sa.text("drop table link_before"))
    # A variant that lost its only item is known to nobody: not knowing is no reason to write a zero.
    db.execute(
        sa.text("""
            update listing set is_managed = false
             where merchant_id = :m and id in (
                   select l.id from listing l
                    where l.merchant_id = :m and l.variant_id = any(cast(:others as bigint[])) and l.is_managed
                      and not exists (select 1 from supplier_item i
                                       where i.merchant_id = l.merchant_id and i.variant_id = l.variant_id)
                    order by l.id for update)
        """),
        {**given, "others": sorted(other)},
    )
    return other
