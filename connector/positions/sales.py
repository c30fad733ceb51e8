"""Learns sales, from orders and from the fall of a store's own number, and deducts each of them once.

A sale reaches us twice: the store's number falls, and an order arrives, in either order. Whichever comes
first takes the units off the sources. An order first takes over what a fall in that store has already
deducted; only the rest is new. In its own store a sale lowers believed together with wanted (the store
has already lowered its number), so nothing is written there.

What we believe of a store's number is a range: from `believed_available` up to `doubted_units` more. It
opens where an order or a cancel lies too close to our own look for anyone to say whether the number had
it already, and closes with the next look. A number inside the range is no news; one below it is a sale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from connector.availability.locations import Feeds
from connector.ports.stores import StoreOrder
from connector.positions.falls import (
    CALL_WINDOW,
    CLOCK_MARGIN,
    DOUBT,
    Feeding,
    allocate,
    explain_falls,
    forget_falls,
    lower_allocation,
    release_falls,
)
from connector.positions.learn import lock
from connector.positions.locations import feeding_at, feeds_of
from connector.positions.readings import NumberRead, fall_of, possible, was_done
from connector.positions.windows import keep_windows


@dataclass(slots=True)
class Learnt:
    """What readings taught: units sold, listings that drifted, variants to decide again; `moved` are the
    listings whose reading was not used. `foreign` are listings whose number somebody else raised: what we
    believed and what was found."""

    units_sold: int = 0
    drifted: int = 0
    confirmed: int = 0
    variant_ids: set[int] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)
    foreign: dict[int, tuple[int, int]] = field(default_factory=dict)


def record_orders(
    db: sa.Connection, merchant_id: int, connection_id: int, orders: Sequence[StoreOrder]
) -> set[int]:
    """Store what these orders hold now and deduct or give back the difference to what was known.

    Idempotent: the same order again changes nothing; an older version of an order than the one stored
    is ignored. Returns the variants to decide again, in the same transaction (`learn.decide_learnt`).
    """
    touched: set[int] = set()
    lock_named(db, merchant_id, connection_id, orders)
    feeds = feeds_of(db, merchant_id, connection_id).get(connection_id) if orders else None
    for order in sorted(orders, key=lambda o: o.order_id):
        if not _take_order(db, merchant_id, connection_id, order):
            continue
        known = {
            row.line_id: row
            for row in db.execute(
                sa.text("""
                    select line_id, external_id, variant_id, units, location_id from store_order_line
                     where merchant_id = :m and connection_id = :c and order_id = :o
                """),
                {"m": merchant_id, "c": connection_id, "o": order.order_id},
            )
        }
        lines = {line.line_id: line for line in order.lines}
        for line_id in sorted(lines.keys() | known.keys()):
            line = lines.get(line_id)
            before = known.get(line_id)
            external_id = line.external_id if line else before.external_id  # type: ignore[union-attr]
            place = line.location_id if line else before.location_id  # type: ignore[union-attr]
            # What is sent from a location that Dispo neither writes nor reads takes nothing from any source.
            is_ours = feeds is None or place is None or feeds.knows(place)
            units = line.units if line and order.holds_stock and is_ours else 0
            delta = units - (before.units if before else 0)
            variant_id, listing_id = _listing(db, merchant_id, connection_id, external_id, feeds, place)
            db.execute(
                sa.text("""
                    insert into store_order_line (merchant_id, connection_id, order_id, line_id, variant_id,
                                                  external_id, units, shipped_units, location_id)
                    values (:m, :c, :o, :l, :v, :e, :u, :shipped, :place)
                        on conflict (merchant_id, connection_id, order_id, line_id)
                        do update set units = excluded.units, variant_id = excluded.variant_id,
                                      shipped_units = excluded.shipped_units, location_id = excluded.location_id
                """),
                {
                    "m": merchant_id,
                    "c": connection_id,
                    "o": order.order_id,
                    "l": line_id,
                    "v": variant_id,
                    "e": external_id,
                    "u": units,
                    "shipped": min(units, line.shipped) if line else 0,
                    "place": place,
                },
            )
            if variant_id is None or listing_id is None:
                continue
            feeding = feeding_at(feeds, place)
            if before is None and line is not None and line.taken > units:
                # It came and was cancelled before we heard of it: its fall may have been learnt meanwhile.
                gone = line.taken - units
                if forget_falls(db, merchant_id, connection_id, variant_id, listing_id, gone, order, feeding):
                    touched.add(variant_id)
            named = (db, merchant_id, connection_id, variant_id)
            reference = f"{order.order_id}/{line_id}"
            was_at = before.location_id if before else None
            if (
                feeds
                and before
                and before.units
                and (was_at or feeds.places[0]) != (place or feeds.places[0])
            ):
                # Sent from elsewhere than before: the store moved its units, and whose sources they are.
                _, left_id = _listing(db, merchant_id, connection_id, external_id, feeds, was_at)
                _give_back(*named, left_id or listing_id, before.units, reference)
                if units:
                    _learn_sale(*named, listing_id, units, order, reference, feeding, order.updated_at)
            elif delta > 0:
                _learn_sale(*named, listing_id, delta, order, reference, feeding, order.placed_at)
            elif delta < 0:
                _give_back(*named, listing_id, -delta, reference)
            else:
                continue
            touched.add(variant_id)
        # Before the sale is decided: the last unit was still there when it was bought.
        keep_windows(db, merchant_id, connection_id, order)
    return touched


def record_numbers(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    reads: Sequence[NumberRead],
    now: datetime,
    *,
    orders_tell: bool = True,
) -> Learnt:
    """Compare what the store says with what we believed; learn sales from falls, count other drift.

    A number within what we believed, or equal to the target of a write whose outcome was unknown, is no
    sale; reads with targets are all of one write. `orders_tell`: sales of this store are also learnt from
    its orders. A fall is a sale. A rise first gives back falls learnt in this store (a cancelled order), the rest is
    drift: somebody else wrote, and the difference is repaired by the next delivery.
    """
    learnt = Learnt()
    if not reads:
        return learnt
    rows = {
        row.id: row
        for row in db.execute(
            sa.text("""
                select id, variant_id, believed_available, doubted_units, location_id from listing
                 where merchant_id = :m and id = any(:ids) order by id for update
            """),
            {"m": merchant_id, "ids": sorted(read.listing_id for read in reads)},
        )
    }
    ranges = {
        read.listing_id: possible(row.believed_available, row.doubted_units, read)
        for read in reads
        if (row := rows.get(read.listing_id)) is not None and row.believed_available is not None
    }
    is_done = was_done(
        [(ranges[read.listing_id], read.remote) for read in reads if read.listing_id in ranges]
    )
    seen = []
    feeds: dict[int, Feeds] | None = None
    for read in reads:
        row = rows.get(read.listing_id)
        if row is None:
            continue
        before = (read.believed, read.doubted)
        if read.believed is not None and before != (row.believed_available, row.doubted_units):
            learnt.moved.add(row.id)
            continue
        seen.append(read)
        learnt.confirmed += 1
        if row.believed_available is None or row.variant_id is None:
            continue
        fall = fall_of(ranges[row.id], read.remote, is_done, orders_tell)
        if fall and feeds is None:
            feeds = feeds_of(db, merchant_id, connection_id)
        feeding = feeding_at((feeds or {}).get(connection_id), row.location_id)
        if fall > 0:
            allocate(db, merchant_id, connection_id, row.variant_id, fall, now, "fall", "", feeding)
            learnt.units_sold += fall
        elif fall < 0:
            left = -fall - release_falls(db, merchant_id, connection_id, row.variant_id, -fall, feeding)
            learnt.drifted += left > 0
            if left > 0:
                learnt.foreign[row.id] = (row.believed_available, read.remote)
        if fall or read.target is not None or row.doubted_units:
            learnt.variant_ids.add(row.variant_id)
    if seen:
        db.execute(
            sa.text("""
                update listing l
                   set believed_available = n.remote, doubted_units = 0, confirmed_available = n.remote,
                       confirmed_at = :now
                  from unnest(cast(:ids as bigint[]), cast(:remotes as int[])) as n(id, remote)
                 where l.merchant_id = :m and l.id = n.id
            """),
            {
                "m": merchant_id,
                "now": now,
                "ids": [read.listing_id for read in seen],
                "remotes": [read.remote for read in seen],
            },
        )
    return learnt


def lock_named(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    orders: Sequence[StoreOrder],
    external_ids: Sequence[str] = (),
) -> None:
    """Lock what these orders name, or named when they were last seen, and the listings or stock objects
    of `external_ids`, in the order of `learn.lock`."""
    found = db.execute(
        sa.text("""
            select id, variant_id from listing
             where merchant_id = :m and connection_id = :c
               and (external_id = any(:named) or stock_id = any(:named) or external_id in (
                    select external_id from store_order_line
                     where merchant_id = :m and connection_id = :c and order_id = any(:orders)))
        """),
        {
            "m": merchant_id,
            "c": connection_id,
            "named": sorted({*external_ids, *(line.external_id for order in orders for line in order.lines)}),
            "orders": sorted({order.order_id for order in orders}),
        },
    ).all()
    variants = (row.variant_id for row in found if row.variant_id is not None)
    lock(db, merchant_id, (row.id for row in found), variants)


def _take_order(db: sa.Connection, merchant_id: int, connection_id: int, order: StoreOrder) -> bool:
    """Lock the order's row and store this version; False when a newer one is already stored."""
    row = db.execute(
        sa.text("""
            insert into store_order (merchant_id, connection_id, external_id, placed_at, updated_at,
                                     holds_stock)
            values (:m, :c, :o, :placed, :updated, :holds)
                on conflict (merchant_id, connection_id, external_id)
                do update set updated_at = excluded.updated_at, holds_stock = excluded.holds_stock
                    where store_order.updated_at <= excluded.updated_at
            returning 1
        """),
        {
            "m": merchant_id,
            "c": connection_id,
            "o": order.order_id,
            "placed": order.placed_at,
            "updated": order.updated_at,
            "holds": order.holds_stock,
        },
    ).first()
    return row is not None


def _listing(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    external_id: str,
    feeds: Feeds | None,
    place: str | None,
) -> tuple[int | None, int | None]:
    """The variant of an item, and its listing at `place`; where nobody told a place, at the default one."""
    at = (place or feeds.places[0]) if feeds else None
    row = db.execute(
        sa.text("""
            select variant_id, id from listing
             where merchant_id = :m and connection_id = :c and external_id = :e
             order by coalesce(location_id = cast(:at as text), false) desc, is_managed desc, id limit 1
        """),
        {"m": merchant_id, "c": connection_id, "e": external_id, "at": at},
    ).first()
    return (row.variant_id, row.id) if row else (None, None)


def _learn_sale(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    listing_id: int,
    units: int,
    order: StoreOrder,
    reference: str,
    feeding: Feeding | None,
    sold_at: datetime,
) -> None:
    """`sold_at` is when the sources it is taken off were first meant: of a line that moved to another location, when
    it moved."""
    named = (db, merchant_id, connection_id, variant_id)
    new = units - explain_falls(*named, units, order.placed_at, reference, feeding)
    if not new:
        return
    allocate(*named, new, sold_at, "order", reference, feeding)
    # The store lowered its own number at some moment between `placed` and `updated`. After we last
    # learnt its number: what we believe falls with it. Long before: the number we learnt, or wrote, came
    # later and stands. Close to it, or where the number is in doubt anyway: both are possible.
    db.execute(
        sa.text("""
            update listing l
               set believed_available = believed_available - case when t.is_before then 0 else :units end,
                   doubted_units = doubted_units + case when t.is_before or t.is_after then 0 else :units end,
                   confirmed_at = case when t.is_before or t.is_after then confirmed_at end
              from (select id, coalesce(:updated < confirmed_at - cast(:window as interval), false) as is_before,
                           coalesce(:placed > confirmed_at + cast(:margin as interval), false) as is_after
                      from listing where merchant_id = :m and id = :id) t
             where l.merchant_id = :m and l.id = t.id
        """),
        {
            "m": merchant_id,
            "id": listing_id,
            "units": new,
            "placed": order.placed_at,
            "updated": max(order.placed_at, order.updated_at),
            "margin": CLOCK_MARGIN,
            "window": CALL_WINDOW,
        },
    )


def _give_back(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    listing_id: int,
    units: int,
    reference: str,
) -> None:
    """A cancel or refund: the units are no longer deducted. Whether the store put them back on its shelf
    is its merchant's choice, so its number is in doubt by as many."""
    left = units
    for row in db.execute(
        sa.text("""
            select id, units from allocation
             where merchant_id = :m and connection_id = :c and reference = :r and variant_id = :v
               and units > 0
             order by id desc for update
        """),
        {"m": merchant_id, "c": connection_id, "r": reference, "v": variant_id},
    ):
        taken = min(left, row.units)
        lower_allocation(db, merchant_id, row.id, taken)
        left -= taken
        if not left:
            break
    db.execute(DOUBT, {"m": merchant_id, "id": listing_id, "units": units})
