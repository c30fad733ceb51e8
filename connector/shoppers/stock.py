"""What the queue must know of a variant: may it be sold, how many are free, and does the store show it.

Two truths have to agree before anybody is told: our position, and the number the store itself last
confirmed. Both are read in one statement in the transaction of whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from connector.catalog.tables import Listing
from connector.positions.tables import Movement
from connector.shoppers.tables import Subscription

_LISTING = Listing.__table__  # type: ignore[attr-defined]
_MOVEMENT = Movement.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]

FROM_STOCK = ("in_stock", "low_stock")
BUYABLE = (*FROM_STOCK, "preorder", "backorder", "made_to_order")


_LOCK = sa.text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
_STOCK = sa.text("""
select p.available, p.state, array(
         select distinct l.connection_id from listing l
           join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id and c.status <> 'ended'
          where l.merchant_id = :m and l.variant_id = :v and l.is_managed and l.is_published
            and not l.is_excluded and not l.is_gone and l.confirmed_available >= 1
       ) as live
  from (select 1) as one left join position p on p.merchant_id = :m and p.variant_id = :v
""")


@dataclass(frozen=True, slots=True)
class VariantStock:
    """`free_units` 0 unless the state says that it is sold from stock. `live_connections` are the
    stores whose managed, published listing was confirmed with at least one unit."""

    free_units: int
    live_connections: frozenset[int]

    def is_live_at(self, connection_id: int) -> bool:
        """True when a shopper of that store can buy it from stock this moment."""
        return self.free_units > 0 and connection_id in self.live_connections


def stock_of(db: sa.Connection, merchant_id: int, variant_id: int) -> VariantStock:
    """The present stock of one variant; nothing is free when it has no position."""
    row = db.execute(_STOCK, {"m": merchant_id, "v": variant_id}).one()
    is_from_stock = row.state in FROM_STOCK
    return VariantStock(max(0, row.available) if is_from_stock else 0, frozenset(row.live))


def waits_for(merchant_id: int, variant_id: int) -> sa.ColumnElement[bool]:
    """The subscriptions that wait for this variant, or for any of a product that it belongs to in their store; not
    those that pass over the stock that is there now."""
    of_its_product = sa.exists().where(
        _LISTING.c.merchant_id == merchant_id,
        _LISTING.c.variant_id == variant_id,
        _LISTING.c.connection_id == _SUBSCRIPTION.c.connection_id,
        _LISTING.c.product_id == _SUBSCRIPTION.c.any_of,
    )
    return sa.and_(
        _SUBSCRIPTION.c.merchant_id == merchant_id,
        _SUBSCRIPTION.c.status == "waiting",
        sa.or_(
            sa.and_(_SUBSCRIPTION.c.variant_id == variant_id, _SUBSCRIPTION.c.any_of == ""),
            sa.and_(_SUBSCRIPTION.c.any_of != "", of_its_product),
        ),
        sa.or_(_SUBSCRIPTION.c.passes_over.is_(None), _was_sold_out_since()),
    )


def _was_sold_out_since() -> sa.ColumnElement[bool]:
    """Sold out between two looks: nobody saw it, but the movements say it."""
    return sa.exists().where(
        _MOVEMENT.c.merchant_id == _SUBSCRIPTION.c.merchant_id,
        _MOVEMENT.c.variant_id == _SUBSCRIPTION.c.variant_id,
        _MOVEMENT.c.at > _SUBSCRIPTION.c.passes_over,
        sa.or_(_MOVEMENT.c.available_after <= 0, _MOVEMENT.c.state_after.not_in(FROM_STOCK)),
    )


def let_them_in(db: sa.Connection, merchant_id: int, variant_id: int) -> int:
    """It is sold out: whatever comes next is for everybody who waits; the number of those who had passed it over."""
    return db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.variant_id == variant_id,
            _SUBSCRIPTION.c.status.in_(("waiting", "unconfirmed")),
            _SUBSCRIPTION.c.passes_over.is_not(None),
        )
        .values(passes_over=None)
    ).rowcount


def wait_for_store_s(stood: timedelta) -> float:
    """Seconds until asking again whether a store shows stock that we have had for `stood`: a quarter of
    it, at least 3 s (the push is on its way), at most 15 min (a store that nobody writes any more)."""
    return min(max(3.0, stood.total_seconds() / 4), 900.0)


def lock_variant(db: sa.Connection, merchant_id: int, variant_id: int) -> None:
    """Until the transaction ends, nobody else changes the queue of this variant. Taken before any row."""
    db.execute(_LOCK, {"name": f"shoppers {merchant_id} {variant_id}"})
