"""Asks the suppliers of new orders whether they can serve them, after the store was answered.

An order that takes units from a supplier that can be asked becomes an intent "ask this supplier about this variant":
ten orders of a product are one question. What the supplier says counts as its number until it is read again, and a
line that it cannot serve by its own word is told to the merchant. Whoever does not answer is asked again twice, then
left: nothing is changed, nothing is stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.availability.order_check import Ordered, short
from connector.catalog.bundles import components_below
from connector.db import transaction
from connector.delivery.live import MOST_ITEMS, ItemHeard
from connector.delivery.runtime import DeliveryRuntime
from connector.outbox.messages import Again, Claim, Done, Intent, Outcome, enqueue, literal, settle
from connector.positions import bundles
from connector.positions.decide import Cause
from connector.positions.learn import decide_learnt, lock
from connector.positions.live_numbers import LEAST_HANDOVER_HOURS, keep_live

TOPIC = "supplier.orders"
NEW = timedelta(hours=24)
"""An older order is no news: nobody is asked about it."""
TRIES = 3
AGAIN_S = 60.0

_ASKABLE = sa.text("""
    select distinct a.variant_id, s.connection_id
      from allocation a
      join source s on s.merchant_id = a.merchant_id and s.id = a.source_id
      join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
                       and c.status = 'active' and c.adapter = any(:adapters)
     where a.merchant_id = :m and a.variant_id = any(cast(:variants as bigint[]))
       and a.origin = any(:origins) and a.units > 0 and a.sold_at > :since
""")

# What the supplier cannot know of yet, the oldest sale first; of a bundle its order is that of the bundle's own sale.
_ON_ORDER = sa.text("""
    select a.id, a.units, a.origin, coalesce(p.connection_id, a.connection_id) as connection_id,
           coalesce(p.reference, a.reference) as reference, coalesce(p.origin, a.origin) as sold_as
      from allocation a
      join source s on s.merchant_id = a.merchant_id and s.id = a.source_id
      left join allocation p on a.origin = :bundle and p.merchant_id = a.merchant_id
                            and p.connection_id = a.connection_id and p.variant_id <> a.variant_id
                            and a.reference = :bundle || '/' || p.id
     where a.merchant_id = :m and a.variant_id = :v and a.source_id = :s and a.units > 0
       and a.sold_at > :at - make_interval(hours => greatest(s.handover_hours, :least))
     order by a.sold_at, a.id
""")

# A line is named "order/line"; ids of some platforms have slashes of their own.
_LINE = sa.text("""
    select order_id, line_id from store_order_line
     where merchant_id = :m and connection_id = :c and (order_id, line_id) in
           (select * from unnest(cast(:orders as text[]), cast(:lines as text[])))
""")

_DOUBT = sa.text("""
    insert into order_doubt as d (merchant_id, connection_id, order_id, line_id, variant_id, source_id, units,
                                  said_units, missing_units, heard_at)
    values (:m, :c, :order, :line, :v, :s, :units, :said, :missing, :at)
        on conflict (merchant_id, connection_id, order_id, line_id, variant_id, source_id)
        do update set units = excluded.units, said_units = excluded.said_units,
                      missing_units = excluded.missing_units, heard_at = excluded.heard_at
     where d.done_at is null
""")

_NO_DOUBT = sa.text("""
    update order_doubt set done_at = :at, done_by = 'supplier'
     where merchant_id = :m and variant_id = :v and source_id = :s and done_at is null
       and not ((connection_id, order_id, line_id) in
                (select * from unnest(cast(:stores as bigint[]), cast(:orders as text[]), cast(:lines as text[]))))
""")


def ask_about(
    db: sa.Connection, merchant_id: int, variant_ids: Iterable[int], adapters: Sequence[str], now: datetime
) -> int:
    """Ask for the suppliers of new orders of these variants to be asked, in the caller's transaction and last in it;
    how many questions. `adapters` are those of suppliers that may be asked."""
    ids = set(variant_ids)
    if not ids or not adapters:
        return 0
    ids |= set(components_below(db, merchant_id, sorted(ids)))
    rows = db.execute(
        _ASKABLE,
        {
            "m": merchant_id,
            "variants": literal(sorted(ids)),
            "adapters": list(adapters),
            "origins": ["order", bundles.ORIGIN],
            "since": now - NEW,
        },
    ).all()
    intents = [Intent(TOPIC, str(row.variant_id), row.connection_id) for row in rows]
    return enqueue(db, merchant_id, intents) if intents else 0


def work_orders(rt: DeliveryRuntime, claim: Claim) -> None:
    """Ask one supplier about the variants of a claim, MOST_ITEMS at a time."""
    messages = list(claim.messages)
    for start in range(0, len(messages), MOST_ITEMS):
        if claim.is_out_of_time():
            return
        chunk = {int(message.subject): message for message in messages[start : start + MOST_ITEMS]}
        heard: dict[int, list[ItemHeard]] = {}
        for one in rt.live_orders.heard(
            claim.turn.merchant_id, claim.turn.connection_id, list(chunk), rt.now()
        ):
            heard.setdefault(one.variant_id, []).append(one)
        known = {v: items for v, items in heard.items() if all(one.number is not None for one in items)}
        outcomes: dict[int, Outcome] = {}
        for variant_id, message in chunk.items():
            if variant_id in known:
                outcomes[message.id] = Done()
            elif variant_id not in heard:
                outcomes[message.id] = Done("it cannot be asked")
            elif message.tries < TRIES:
                outcomes[message.id] = Again(AGAIN_S * message.tries, "nobody knows yet")
            else:
                outcomes[message.id] = Done("nobody knows")
        with transaction(rt.engine) as db:
            _take(db, claim.turn.merchant_id, known, rt.now())
            settle(db, claim, outcomes)


def _take(
    db: sa.Connection, merchant_id: int, known: Mapping[int, Sequence[ItemHeard]], now: datetime
) -> None:
    """Let what was heard count, decide these variants again, and note the lines that cannot be served."""
    if not known:
        return
    lock(db, merchant_id, (), known)
    of_source: dict[int, dict[str, int]] = {}
    said: dict[tuple[int, int], int] = {}
    for variant_id, items in sorted(known.items()):
        for one in items:
            number, key = max(0, one.number or 0), (variant_id, one.source_id)
            of_source.setdefault(one.source_id, {})[one.item_key] = number
            said[key] = said.get(key, 0) + number // one.per_variant
    for source_id, numbers in sorted(of_source.items()):
        keep_live(db, merchant_id, source_id, numbers, now)
    for (variant_id, source_id), units in said.items():
        _note(db, merchant_id, variant_id, source_id, units, now)
    decide_learnt(db, merchant_id, known, now=now, cause=Cause("live"))


def _note(
    db: sa.Connection, merchant_id: int, variant_id: int, source_id: int, said: int, now: datetime
) -> None:
    given = {"m": merchant_id, "v": variant_id, "s": source_id, "at": now}
    rows = db.execute(_ON_ORDER, {**given, "bundle": bundles.ORIGIN, "least": LEAST_HANDOVER_HOURS}).all()
    missing = short([Ordered(row.id, row.units) for row in rows], said)
    doubted: dict[tuple[int, str, str], dict[str, int]] = {}
    for row in rows:
        if row.id not in missing or row.sold_as != "order":
            continue
        line = _line(db, merchant_id, row.connection_id, row.reference)
        if line is not None:
            sums = doubted.setdefault((row.connection_id, *line), {"units": 0, "missing": 0})
            sums["units"] += row.units
            sums["missing"] += missing[row.id]
    for (store_id, order_id, line_id), sums in sorted(doubted.items()):
        db.execute(_DOUBT, {**given, "c": store_id, "order": order_id, "line": line_id, "said": said, **sums})
    db.execute(
        _NO_DOUBT,
        {
            **given,
            "stores": [store for store, _, _ in doubted],
            "orders": [order for _, order, _ in doubted],
            "lines": [line for _, _, line in doubted],
        },
    )


def _line(db: sa.Connection, merchant_id: int, store_id: int, reference: str) -> Any:
    """(order, line) of an allocation's reference; None where it names none."""
    cuts = [at for at, letter in enumerate(reference) if letter == "/"]
    return db.execute(
        _LINE,
        {
            "m": merchant_id,
            "c": store_id,
            "orders": [reference[:at] for at in cuts],
            "lines": [reference[at + 1 :] for at in cuts],
        },
    ).first()


_OPEN = sa.text("""
    select d.id, d.order_id, d.units, d.said_units, d.missing_units, d.heard_at, d.variant_id, v.sku, v.title,
           c.name as store, s.name as source, coalesce(p.available, 0) as available, count(*) over () as many
      from order_doubt d
      join store_order o on o.merchant_id = d.merchant_id and o.connection_id = d.connection_id
                        and o.external_id = d.order_id and o.holds_stock
      join store_order_line l on l.merchant_id = d.merchant_id and l.connection_id = d.connection_id
                             and l.order_id = d.order_id and l.line_id = d.line_id and l.units > 0
      join variant v on v.merchant_id = d.merchant_id and v.id = d.variant_id
      join connection c on c.merchant_id = d.merchant_id and c.id = d.connection_id
      join source s on s.merchant_id = d.merchant_id and s.id = d.source_id
      left join position p on p.merchant_id = d.merchant_id and p.variant_id = d.variant_id
     where d.merchant_id = :m and d.done_at is null
     order by d.heard_at desc, d.id limit :n
""")


def open_doubts(db: sa.Connection, merchant_id: int, limit: int = 10) -> list[sa.Row[Any]]:
    """Lines of orders that their supplier cannot serve and that nobody took note of, the latest first; `many` in each
    is how many there are altogether. Orders that were cancelled meanwhile are left out."""
    return list(db.execute(_OPEN, {"m": merchant_id, "n": limit}))


def take_note(db: sa.Connection, merchant_id: int, doubt_id: int, actor: str, now: datetime) -> bool:
    """Somebody looks after this line; False where there is no such open one."""
    statement = sa.text("""
        update order_doubt set done_at = :at, done_by = :by
         where merchant_id = :m and id = :i and done_at is null
    """)
    given = {"m": merchant_id, "i": doubt_id, "by": actor, "at": now}
    return bool(db.execute(statement, given).rowcount)
