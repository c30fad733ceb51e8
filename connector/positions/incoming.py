"""What is on its way to a store's own shelves, as the store said: evidence for restock dates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from connector.availability.decide import INCOMING_LASTS
from connector.ports.incoming import StoreIncoming

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
    given = {"m": merchant_id, "c": connection_id}
    last = db.execute(
        sa.text("""
            select cast(cursors ->> 'incoming' as timestamptz) from connection
             where merchant_id = :m and id = :c for update
        """),
        given,
    ).scalar()
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
    listed = {**given, "rows": json.dumps(rows)}
    touched = set(db.execute(_REMOVE, listed).scalars()) | set(db.execute(_KEEP, listed).scalars())
    if last is None or asked_at - last > INCOMING_LASTS:
        touched |= set(db.execute(_VARIANTS, given).scalars())
    db.execute(
        sa.text("""
            update connection
               set cursors = cursors || jsonb_build_object('incoming', cast(:at as text))
             where merchant_id = :m and id = :c
        """),
        {**given, "at": asked_at.isoformat()},
    )
    return touched


def forget_incoming(db: sa.Connection, merchant_id: int, connection_id: int) -> set[int]:
    """Forget what a store said, which may not be asked any more; the variants to be decided again."""
    given = {"m": merchant_id, "c": connection_id}
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
_NEW = """
    select distinct l.variant_id, r.reference, r.name, r.units, r.arrives_at
      from jsonb_to_recordset(cast(:rows as jsonb))
           as r(reference text, name text, stock_id text, units int, arrives_at timestamptz)
      join listing l on l.merchant_id = :m and l.connection_id = :c and l.stock_id = r.stock_id
                    and l.variant_id is not null and not l.is_gone
"""

_REMOVE = sa.text(f"""
    with found as ({_NEW})
    delete from incoming i
     where i.merchant_id = :m and i.connection_id = :c
       and not exists (select 1 from found f where f.reference = i.reference and f.variant_id = i.variant_id)
    returning i.variant_id
""")  # noqa: S608 - a constant of this module

# Written only where something differs: asking again that changes nothing costs no write.
_KEEP = sa.text(f"""
    with found as ({_NEW})
    insert into incoming (merchant_id, connection_id, reference, variant_id, name, units, arrives_at)
    select :m, :c, f.reference, f.variant_id, f.name, f.units, f.arrives_at from found f
        on conflict (merchant_id, connection_id, reference, variant_id) do update
       set name = excluded.name, units = excluded.units, arrives_at = excluded.arrives_at
     where (incoming.units, incoming.arrives_at, incoming.name)
           is distinct from (excluded.units, excluded.arrives_at, excluded.name)
    returning variant_id
""")  # noqa: S608 - a constant of this module

_VARIANTS = sa.text("select distinct variant_id from incoming where merchant_id = :m and connection_id = :c")
