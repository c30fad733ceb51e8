"""What sales take off a variant's sources, and the falls among it: units that left a store's number before
anybody said why.

An order takes over what a fall has deducted already (`explain_falls`), a rise or a cancelled order gives it back
(`release_falls`, `forget_falls`). Rows of `allocation` are changed here and in `sales` only, their variants locked
by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from connector.catalog.bundles import leaves_of
from connector.ports.stores import StoreOrder
from connector.positions import bundles

Feeding = Callable[[int], bool]
"""Whether a source feeds the location a sale belongs to."""
# Clocks of shop and ours differ by seconds.
CLOCK_MARGIN = timedelta(seconds=10)
# From the moment a store worked our call to the moment we noted its answer: a call's longest time and more.
CALL_WINDOW = timedelta(minutes=2)
DOUBT = sa.text("""
    update listing set doubted_units = doubted_units + :units, confirmed_at = null
     where merchant_id = :m and id = :id
""")


def allocate(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    units: int,
    sold_at: datetime,
    origin: str,
    reference: str,
    feeding: Feeding | None = None,
) -> None:
    """Take `units` off the variant's sources: its own stock first, then the supplier that sells, then the fullest.
    What no source has goes to the supplier that sells, else to the first of these. Of a bundle they are taken off
    the sources of its components. `feeding` tells the sources of the location they are taken from: only where none
    of these has the variant the others are asked."""
    leaves = leaves_of(db, merchant_id, variant_id) if origin != bundles.ORIGIN else {}
    if leaves:
        sale = _insert(db, merchant_id, connection_id, variant_id, None, units, sold_at, origin, reference)
        for component_id, per in sorted(leaves.items()):
            named = (bundles.ORIGIN, bundles.reference_of(sale))
            allocate(db, merchant_id, connection_id, component_id, units * per, sold_at, *named, feeding)
        return
    rooms = db.execute(
        sa.text("""
            select i.source_id, coalesce((select cast(r.says ->> 'is_own' as boolean) from stock_rule r
                              where r.merchant_id = i.merchant_id and r.level = 'supplier'
                                and r.subject = cast(i.source_id as text)), max(s.kind) = 'own') as is_own,
                   coalesce((select cast(p.sourcing ->> 'current' as bigint) = i.source_id from position p
                              where p.merchant_id = i.merchant_id and p.variant_id = i.variant_id), false)
                     as is_selling,
                   greatest(0, coalesce(max(case when n.quantity is not null then n.quantity
                                                 when o.quantity is null and o.is_word then s.in_stock_units
                                                 else o.quantity end), 0) / max(i.units_per_variant)
                     - coalesce((select sum(a.units) from allocation a
                                  where a.merchant_id = i.merchant_id and a.variant_id = i.variant_id
                                    and a.source_id = i.source_id and a.units > 0
                                    and a.sold_at > coalesce(min(coalesce(o.as_of, s.as_of))
                                          - make_interval(hours => max(s.handover_hours), secs => 1),
                                          '-infinity')), 0))::int as room
              from supplier_item i
              join source s on s.merchant_id = i.merchant_id and s.id = i.source_id
              left join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id
                                     and o.item_key = i.item_key
              left join live_number n on n.merchant_id = i.merchant_id and n.source_id = i.source_id
                                     and n.item_key = i.item_key
                                     and n.heard_at > coalesce(o.as_of, s.as_of, '-infinity')
             where i.merchant_id = :m and i.variant_id = :v
             group by i.merchant_id, i.variant_id, i.source_id
             order by is_own desc, is_selling desc, room desc, i.source_id
        """),
        {"m": merchant_id, "v": variant_id},
    ).all()
    if feeding is not None:
        rooms = [row for row in rooms if feeding(row.source_id)] or rooms
    shares: dict[int | None, int] = {}
    left = units
    for row in rooms:
        taken = min(left, row.room)
        if taken:
            shares[row.source_id] = taken
            left -= taken
    if left:
        # Of what is sold beyond everything, the supplier that sells is to know; own stock cannot be ordered.
        first = next((row.source_id for row in rooms if row.is_selling), None)
        first = first or next((row.source_id for row in rooms if not row.is_own), None)
        first = first or (rooms[0].source_id if rooms else None)
        shares[first] = shares.get(first, 0) + left
    for source_id, taken in shares.items():
        _insert(db, merchant_id, connection_id, variant_id, source_id, taken, sold_at, origin, reference)


def _insert(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    source_id: int | None,
    units: int,
    sold_at: datetime,
    origin: str,
    reference: str,
) -> int:
    """Write one allocation; its id."""
    return int(
        db.execute(
            sa.text("""
                insert into allocation (merchant_id, connection_id, variant_id, source_id, units, sold_at,
                                        origin, reference)
                values (:m, :c, :v, :s, :u, :at, :origin, :reference) returning id
            """),
            {
                "m": merchant_id,
                "c": connection_id,
                "v": variant_id,
                "s": source_id,
                "u": units,
                "at": sold_at,
                "origin": origin,
                "reference": reference,
            },
        ).scalar_one()
    )


def explain_falls(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    units: int,
    sold_at: datetime,
    reference: str,
    feeding: Feeding | None = None,
) -> int:
    """Let an order take over what a fall already deducted, from the same source. Returns the units.

    A fall that was seen before the order was placed has another reason and is left alone, as is one of another
    location than the order's.
    """
    explained = 0
    for row in _open_falls(db, merchant_id, connection_id, variant_id, feeding, newest_first=False):
        if row.sold_at < sold_at - CLOCK_MARGIN:
            continue
        taken = min(units - explained, row.units)
        if not taken:
            break
        new = _insert(
            db, merchant_id, connection_id, variant_id, row.source_id, taken, sold_at, "order", reference
        )
        lower_allocation(db, merchant_id, row.id, taken, moved_to=new)
        explained += taken
    return explained


def release_falls(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    units: int,
    feeding: Feeding | None = None,
) -> int:
    """Give back falls of this store, the newest first, up to `units`. Returns the units given back."""
    released = 0
    for row in _open_falls(db, merchant_id, connection_id, variant_id, feeding, newest_first=True):
        taken = min(units - released, row.units)
        if not taken:
            break
        lower_allocation(db, merchant_id, row.id, taken)
        released += taken
    return released


def forget_falls(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    listing_id: int,
    units: int,
    order: StoreOrder,
    feeding: Feeding | None = None,
) -> int:
    """Give back falls that this order may have caused, between its placing and its end, up to `units`; its
    listing's number is in doubt by as many. Returns the units."""
    given = 0
    for row in _open_falls(db, merchant_id, connection_id, variant_id, feeding, newest_first=False):
        if not order.placed_at - CLOCK_MARGIN <= row.sold_at <= order.updated_at + CALL_WINDOW:
            continue
        taken = min(units - given, row.units)
        if not taken:
            break
        lower_allocation(db, merchant_id, row.id, taken)
        given += taken
    if given:
        db.execute(DOUBT, {"m": merchant_id, "id": listing_id, "units": given})
    return given


def lower_allocation(
    db: sa.Connection, merchant_id: int, allocation_id: int, units: int, moved_to: int | None = None
) -> None:
    """Deduct `units` less for one allocation; it has at least as many. What a bundle's sale took off its
    components is given back with it, or deducted for the allocation `moved_to`."""
    row = db.execute(
        sa.text("""
            update allocation set units = units - :u where merchant_id = :m and id = :id
            returning connection_id, source_id, units
        """),
        {"m": merchant_id, "id": allocation_id, "u": units},
    ).one()
    if row.source_id is None:
        bundles.lower_children(
            db, merchant_id, row.connection_id, allocation_id, units, row.units + units, moved_to
        )


def _open_falls(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    variant_id: int,
    feeding: Feeding | None,
    newest_first: bool,
) -> Sequence[sa.Row[tuple[int, int, int | None, datetime]]]:
    order = "desc" if newest_first else "asc"
    rows = db.execute(
        sa.text(f"""
            select id, units, source_id, sold_at from allocation
             where merchant_id = :m and connection_id = :c and variant_id = :v
               and origin = 'fall' and units > 0
             order by id {order} for update
        """),  # noqa: S608 - one of two words above
        {"m": merchant_id, "c": connection_id, "v": variant_id},
    ).all()
    # The fall of a bundle has no source of its own.
    return [row for row in rows if feeding is None or row.source_id is None or feeding(row.source_id)]
