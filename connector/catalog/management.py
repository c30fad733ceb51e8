"""Listings come under management: the only place where that happens, and where a plan may leave some waiting."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from connector.accounts import entitlements


def manage(db: sa.Connection, merchant_id: int, variant_ids: Collection[int] | None = None) -> set[int]:
    """Put the listings of these variants (None: of all) under management that a supplier's item matches
    or that are bundles, and nobody excluded; returns the variants of those that are so from now on.

    Where the plan has less room, the longest known ones go first and the others wait: they are taken when there
    is room, with the next reading of the catalogue or when the plan changes.
    """
    if variant_ids is not None and not variant_ids:
        return set()
    most = entitlements.room(db, merchant_id, "listings")
    if most == 0:
        return set()
    # Deliveries update listings too: everybody locks them in id order, so nobody deadlocks.
    rows = db.execute(
        sa.text("""
            with matched as (
                select l.id from listing l
                 where l.merchant_id = :m and not l.is_managed and not l.is_excluded
                   and (:all or l.variant_id = any(cast(:ids as bigint[])))
                   and (exists (select 1 from supplier_item i
                                 where i.merchant_id = l.merchant_id and i.variant_id = l.variant_id)
                     or exists (select 1 from bundle_component b
                                 where b.merchant_id = l.merchant_id and b.variant_id = l.variant_id))
                 order by l.id limit :most for update)
            update listing l set is_managed = true from matched m
             where l.merchant_id = :m and l.id = m.id returning l.variant_id
        """),
        {
            "m": merchant_id,
            "all": variant_ids is None,
            "ids": sorted(variant_ids or ()),
            "most": most,
        },
    )
    return {row[0] for row in rows}
