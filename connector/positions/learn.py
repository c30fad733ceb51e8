"""The order of locks wherever a sale is learnt, and deciding what it changed in the same transaction.

A sale that is committed without the decision it causes would be forgotten by a kill in between: the next
look finds nothing new and nobody decides. So both are one transaction, and every such transaction locks
first positions by variant, then listings by id, then the outbox: two of them never wait in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from connector.catalog.bundles import components_below
from connector.outbox.messages import literal
from connector.positions.bundles import with_family
from connector.positions.decide import CHUNK, Cause, decide_within

_POSITIONS = sa.text("""
    select 1 from position where merchant_id = :m and variant_id = any(cast(:variants as bigint[]))
     order by variant_id for update
""")

_LISTINGS = sa.text("""
    select 1 from listing where merchant_id = :m and id = any(cast(:listings as bigint[])) order by id for update
""")

# The listings of these variants in other stores too: deciding writes what they should say.
_LISTINGS_AND_TWINS = sa.text("""
    select 1 from listing
     where merchant_id = :m and id in (
           select id from listing where merchant_id = :m and id = any(cast(:listings as bigint[]))
            union
           select id from listing where merchant_id = :m and variant_id = any(cast(:variants as bigint[])))
     order by id for update
""")


def lock(db: sa.Connection, merchant_id: int, listing_ids: Iterable[int], variant_ids: Iterable[int]) -> None:
    """Lock the positions of the variants about which something may be learnt, their listings, and these
    listings. Call it before anything else is locked."""
    variants = sorted(set(variant_ids))
    if variants:
        # A sale of a bundle is one of its components, and changes every bundle they are in.
        variants = with_family(db, merchant_id, variants)
    given = {"m": merchant_id, "listings": literal(sorted(set(listing_ids)))}
    if variants:
        db.execute(_POSITIONS, {"m": merchant_id, "variants": literal(variants)})
        db.execute(_LISTINGS_AND_TWINS, {**given, "variants": literal(variants)})
    else:
        # Half the time of the other, on the path of every write.
        db.execute(_LISTINGS, given)


def decide_learnt(
    db: sa.Connection, merchant_id: int, variant_ids: Iterable[int], *, now: datetime, cause: Cause
) -> None:
    """Decide these variants in the caller's transaction, which learnt about them."""
    ids = sorted(set(variant_ids))
    if ids:
        ids = sorted({*ids, *components_below(db, merchant_id, ids)})
    for start in range(0, len(ids), CHUNK):
        decide_within(db, merchant_id, ids[start : start + CHUNK], now=now, cause=cause)
