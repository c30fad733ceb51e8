"""Records what was expected when and when it came: the one writer of lead-time evidence.

Every function compares what is known now with what is open, so that repeating it changes nothing. A date or a
line that is gone is no arrival: it stops, and is only known to have taken longer. Days are the merchant's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from connector.outbox.messages import literal

GONE_DAYS = 2
"""A line that left its list counts as arrived when its variant is sellable so few days later."""


def record_run(
    db: sa.Connection, merchant_id: int, source_id: int, run_id: int, items: str, *, today: date
) -> None:
    """Learn from what a run observed, in its transaction, after its observations are written and matched.

    `items` is a constant query of the caller for the items it touched: item_key, and is_zero for those whose
    quantity is zero. Only items that are matched to a variant count. In this order:

    - what has a quantity again has arrived today;
    - what was sellable before this run and is at zero begins a restock;
    - a stated day, today or later, of an item at zero begins an expectation; another day moves it;
    - an expectation whose item is at zero and states no day any more stops.
    """
    given = {"merchant": merchant_id, "source": source_id, "run": run_id, "today": today}
    is_any = db.execute(_IS_ANY_OPEN, given).scalar_one()
    for statement, which in (
        (_ARRIVE, "not i.is_zero"),
        (_BEGIN, "i.is_zero"),
        (_MOVE, "i.is_zero"),
        (_STOP, "i.is_zero"),
    ):
        if is_any or statement is _BEGIN:  # a first file is large, and nothing waits for it yet
            touched = _TOUCHED.format(items=items, which=which)
            db.execute(sa.text(statement.format(touched=touched)), given)


def forget_run(
    db: sa.Connection, merchant_id: int, source_id: int, run_id: int, item_keys: Sequence[str]
) -> None:
    """Take back what an undone run taught about these items: those whose observations it gave back."""
    given = {"merchant": merchant_id, "source": source_id, "run": run_id, "keys": list(item_keys)}
    for statement in (_UNLEARN, _GO_ON, _MOVE_BACK):
        db.execute(statement, given)


def record_lines(db: sa.Connection, merchant_id: int, connection_id: int, *, today: date) -> None:
    """Learn from what one connection says is on its way now (`incoming`), in the caller's transaction."""
    given = {"merchant": merchant_id, "connection": connection_id, "today": today}
    for statement in (_LINES_BEGIN, _LINES_MOVE, _LINES_STOP):
        db.execute(statement, given)


def stop_lines(db: sa.Connection, merchant_id: int, connection_id: int) -> None:
    """Nobody tells any more what is on its way by this connection, as of today by the database's clock."""
    db.execute(_ALL_LINES_STOP, {"merchant": merchant_id, "connection": connection_id})


def record_sellable(db: sa.Connection, merchant_id: int, variant_ids: Sequence[int], *, today: date) -> None:
    """These variants are sellable again: the lines that left their list just before have arrived."""
    db.execute(
        _LINES_ARRIVE,
        {"merchant": merchant_id, "variants": literal(variant_ids), "today": today, "days": GONE_DAYS},
    )


_TOUCHED = """
    select distinct i.item_key from ({items}) i
     where {which} and exists (select 1 from supplier_item l
                    where l.merchant_id = :merchant and l.source_id = :source and l.item_key = i.item_key)
"""

_OPEN = "e.arrived_on is null and e.stopped_on is null"
_CONNECTION = "(select s.connection_id from source s where s.merchant_id = :merchant and s.id = :source)"
_IS_ANY_OPEN = sa.text(f"""
    select exists (select 1 from lead_time_evidence e
                    where e.merchant_id = :merchant and e.connection_id = {_CONNECTION} and {_OPEN})
""")  # noqa: S608 - constants of this module
_OBSERVED = """
      from ({touched}) t
      join observation o on o.merchant_id = :merchant and o.source_id = :source and o.item_key = t.item_key
"""

_ARRIVE = f"""
    update lead_time_evidence e set arrived_on = :today, closed_run_id = :run
    {_OBSERVED}
     where e.merchant_id = :merchant and e.connection_id = {_CONNECTION} and {_OPEN}
       and e.kind in ('stated', 'restock') and e.reference = t.item_key
       and (o.quantity > 0 or (o.quantity is null and o.is_word))
"""  # noqa: S608 - constants of this module

# What it was before this run stands first in `previous`, by place, as intake wrote it.
_BEGIN = f"""
    insert into lead_time_evidence as e (merchant_id, connection_id, kind, reference, variant_id, began_on,
                                         expected_on, latest_expected_on, opened_run_id)
    select :merchant, {_CONNECTION}, n.kind, t.item_key, 0, :today, n.day, n.day, :run
    {_OBSERVED}
     cross join lateral (
           select 'stated' as kind, o.restock_on as day where o.restock_on >= :today
            union all
           select 'restock', cast(:today as date)
            where o.run_id = :run and cast(o.previous ->> 3 as integer) > 0) n
     where o.quantity <= 0
        on conflict (merchant_id, connection_id, kind, reference, variant_id)
           where arrived_on is null and stopped_on is null do nothing
"""

_MOVE = f"""
    update lead_time_evidence e set latest_expected_on = o.restock_on
    {_OBSERVED}
     where e.merchant_id = :merchant and e.connection_id = {_CONNECTION} and {_OPEN}
       and e.kind = 'stated' and e.reference = t.item_key
       and o.quantity <= 0 and o.restock_on <> e.latest_expected_on
"""  # noqa: S608 - constants of this module

_STOP = f"""
    update lead_time_evidence e set stopped_on = :today, closed_run_id = :run
    {_OBSERVED}
     where e.merchant_id = :merchant and e.connection_id = {_CONNECTION} and {_OPEN}
       and e.kind = 'stated' and e.reference = t.item_key
       and o.quantity <= 0 and o.restock_on is null
"""  # noqa: S608 - constants of this module

_OF_ITEMS = f"""
    e.merchant_id = :merchant and e.connection_id = {_CONNECTION} and e.kind in ('stated', 'restock')
       and e.reference = any(cast(:keys as text[]))
"""
_UNLEARN = sa.text(f"""
    delete from lead_time_evidence e where {_OF_ITEMS} and e.opened_run_id = :run
""")  # noqa: S608 - constants of this module
_GO_ON = sa.text(f"""
    update lead_time_evidence e set arrived_on = null, stopped_on = null, closed_run_id = null
     where {_OF_ITEMS} and e.closed_run_id = :run
""")  # noqa: S608 - constants of this module
_MOVE_BACK = sa.text(f"""
    update lead_time_evidence e set latest_expected_on = o.restock_on
      from observation o
     where {_OF_ITEMS} and {_OPEN} and e.kind = 'stated' and o.merchant_id = :merchant
       and o.source_id = :source and o.item_key = e.reference and o.restock_on is not null
""")  # noqa: S608 - constants of this module

_DAY = "cast(i.arrives_at at time zone m.timezone as date)"
_LINES = "i.merchant_id = :merchant and i.connection_id = :connection and i.arrives_at is not null"
_LINES_BEGIN = sa.text(f"""
    insert into lead_time_evidence as e (merchant_id, connection_id, kind, reference, variant_id, began_on,
                                         expected_on, latest_expected_on)
    select :merchant, :connection, 'shipment', i.reference, i.variant_id, :today, {_DAY}, {_DAY}
      from incoming i join merchant m on m.id = i.merchant_id
     where {_LINES} and {_DAY} >= :today
        on conflict (merchant_id, connection_id, kind, reference, variant_id)
           where arrived_on is null and stopped_on is null do nothing
""")  # noqa: S608 - constants of this module
_LINES_MOVE = sa.text(f"""
    update lead_time_evidence e set latest_expected_on = {_DAY}
      from incoming i join merchant m on m.id = i.merchant_id
     where {_LINES} and e.merchant_id = i.merchant_id and e.connection_id = i.connection_id
       and e.kind = 'shipment' and e.reference = i.reference and e.variant_id = i.variant_id and {_OPEN}
       and e.latest_expected_on <> {_DAY}
""")  # noqa: S608 - constants of this module
_LINES_STOP = sa.text(f"""
    update lead_time_evidence e set stopped_on = :today
     where e.merchant_id = :merchant and e.connection_id = :connection and e.kind = 'shipment' and {_OPEN}
       and not exists (select 1 from incoming i
                        where i.merchant_id = e.merchant_id and i.connection_id = e.connection_id
                          and i.reference = e.reference and i.variant_id = e.variant_id)
""")  # noqa: S608 - constants of this module
_ALL_LINES_STOP = sa.text(f"""
    update lead_time_evidence e set stopped_on = cast(now() at time zone m.timezone as date)
      from merchant m
     where m.id = e.merchant_id and e.merchant_id = :merchant and e.connection_id = :connection
       and e.kind = 'shipment' and {_OPEN}
""")  # noqa: S608 - constants of this module
_LINES_ARRIVE = sa.text("""
    update lead_time_evidence e set arrived_on = e.stopped_on, stopped_on = null
     where e.merchant_id = :merchant and e.kind = 'shipment'
       and e.variant_id = any(cast(:variants as bigint[]))
       and e.stopped_on between cast(:today as date) - cast(:days as int) and :today
""")
