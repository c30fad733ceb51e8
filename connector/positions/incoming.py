"""What is on its way to the merchant's own shelves, as a store or a supplier's system said: evidence for
restock dates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.availability.decide import INCOMING_LASTS
from connector.catalog.keys import sku_key
from connector.ports.incoming import StoreIncoming, SupplierIncoming
from connector.positions.evidence import record_lines, stop_lines
from connector.positions.promises import today_of

CURSOR = "incoming"
"""The key in a connection's `cursors` of when the store was last asked and answered."""


def record_incoming(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    found: Sequence[StoreIncoming],
    asked_at: datetime,
) -> set[int]:
    """Put everything that is on its way to one store in place of what was known, in the caller's transaction.

    Returns the variants that are to be decided again: those whose units or dates changed, and all that have
    any when the store had been silent for so long that its dates were taken down. Items that are listed as no
    variant are left out.
    """
    rows = [
        {
            "reference": one.reference,
            "name": one.name,
            "stock_id": one.stock_id,
            "units": one.units,
            "arrives_at": one.arrives_at.isoformat() if one.arrives_at else None,
        }
        for one in found
    ]
    return _replace(db, _LISTED, {"m": merchant_id, "c": connection_id}, rows, asked_at)


def record_supplier_incoming(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    source_id: int,
    found: Sequence[SupplierIncoming],
    asked_at: datetime,
) -> set[int]:
    """As `record_incoming`, for everything ordered that a supplier's connection told of its one source. Units
    become whole packs where a variant is a pack of them. Items that are matched to no variant are left out."""
    rows = [
        {
            "reference": one.reference,
            "name": one.name,
            "item_key": sku_key(one.item),
            "units": one.units,
            "arrives_at": one.arrives_at.isoformat() if one.arrives_at else None,
        }
        for one in found
    ]
    given = {"m": merchant_id, "c": connection_id, "s": source_id}
    return _replace(db, _MATCHED, given, rows, asked_at)


def _replace(
    db: sa.Connection, found: str, given: dict[str, int], rows: list[dict[str, Any]], asked_at: datetime
) -> set[int]:
    """Put `rows`, brought to variants by the query `found`, in place of what the connection said before."""
    here = {"m": given["m"], "c": given["c"]}
    last = db.execute(
        sa.text("""
            select cast(cursors ->> 'incoming' as timestamptz) from connection
             where merchant_id = :m and id = :c for update
        """),
        here,
    ).scalar()
    told = {**given, "rows": json.dumps(rows)}
    touched = set(db.execute(sa.text(_REMOVE.format(found=found)), told).scalars())
    touched |= set(db.execute(sa.text(_KEEP.format(found=found)), told).scalars())
    record_lines(db, given["m"], given["c"], today=today_of(db, given["m"], asked_at))
    if last is None or asked_at - last > INCOMING_LASTS:
        touched |= set(db.execute(_VARIANTS, here).scalars())
    db.execute(
        sa.text("""
            update connection
               set cursors = cursors || jsonb_build_object('incoming', cast(:at as text))
             where merchant_id = :m and id = :c
        """),
        {**here, "at": asked_at.isoformat()},
    )
    return touched


def forget_incoming(db: sa.Connection, merchant_id: int, connection_id: int) -> set[int]:
    """Forget what a store said, which may not be asked any more; the variants to be decided again."""
    given = {"m": merchant_id, "c": connection_id}
    stop_lines(db, merchant_id, connection_id)
    touched = set(
        db.execute(
            sa.text(
                "delete from incoming where merchant_id = :m and connection_id = :c returning variant_id"
            ),
            given,
        ).scalars()
    )
    db.execute(
        sa.text("update connection set cursors = cursors - 'incoming' where merchant_id = :m and id = :c"),
        given,
    )
    return touched


# One stock object may be sold as several variants: each has the units then, as each has the shelf.
_LISTED = """
    select distinct l.variant_id, r.reference, r.name, r.units, r.arrives_at
      from jsonb_to_recordset(cast(:rows as jsonb))
           as r(reference text, name text, stock_id text, units int, arrives_at timestamptz)
      join listing l on l.merchant_id = :m and l.connection_id = :c and l.stock_id = r.stock_id
                    and l.variant_id is not null and not l.is_gone
"""

_MATCHED = """
    select distinct on (i.variant_id, r.reference)
           i.variant_id, r.reference, r.name, r.units / i.units_per_variant as units, r.arrives_at
      from jsonb_to_recordset(cast(:rows as jsonb))
           as r(reference text, name text, item_key text, units int, arrives_at timestamptz)
      join supplier_item i on i.merchant_id = :m and i.source_id = :s and i.item_key = r.item_key
                          and i.variant_id is not null and r.units >= i.units_per_variant
     order by i.variant_id, r.reference
"""

_REMOVE = """
    with found as ({found})
    delete from incoming i
     where i.merchant_id = :m and i.connection_id = :c
       and not exists (select 1 from found f where f.reference = i.reference and f.variant_id = i.variant_id)
    returning i.variant_id
"""

# Written only where something differs: asking again that changes nothing costs no write.
_KEEP = """
    with found as ({found})
    insert into incoming (merchant_id, connection_id, reference, variant_id, name, units, arrives_at)
    select :m, :c, f.reference, f.variant_id, f.name, f.units, f.arrives_at from found f
        on conflict (merchant_id, connection_id, reference, variant_id) do update
       set name = excluded.name, units = excluded.units, arrives_at = excluded.arrives_at
     where (incoming.units, incoming.arrives_at, incoming.name)
           is distinct from (excluded.units, excluded.arrives_at, excluded.name)
    returning variant_id
"""

_VARIANTS = sa.text("select distinct variant_id from incoming where merchant_id = :m and connection_id = :c")
