"""What the stores would say if the rows staged now were applied: decided by the code that decides, on copies.

The tables that deciding reads are shadowed by temporary ones of the same name, which this session finds first,
holding only what concerns the variants in question. So packs, several suppliers, buffers, caps, bundles and sales
count exactly as in a run, while no permanent row is written or locked. Needs a transaction that is rolled back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.availability.decide import decide as decide_one
from connector.availability.decide import is_known
from connector.availability.facts import Decision
from connector.intake.staging import Place, driver
from connector.outbox.messages import literal
from connector.positions.bundles import decide_bundles, with_bundles
from connector.positions.facts import PositionRow, lock_and_read
from connector.positions.price_stops import stops_of, with_stops

CHUNK = 1000
MOST = 100_000
"""So many variants are worked out, the most dangerous first; a larger file says of how many."""
SHOWN = 100
DANGERS = ("to_zero", "down", "back", "up", "words")
"""Kinds of differences, the most dangerous first: sold out, fewer, back from sold out, more, and those that
change what the shopper is told but not how many may be sold."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One variant whose answer would change; units that may be sold in a store, None where never decided.
    `stores` are the listings that would be written."""

    variant_id: int
    sku: str
    title: str
    danger: str
    before: int | None
    after: int
    state_before: str
    state_after: str
    stores: int
    price_minor: int | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What applying would do. `counts` are variants by danger; of `concerned` variants `decided` were worked
    out. `at_stake_minor` is the price of the units that would go, in the merchant's small coins, of the variants
    with a known price; `unpriced` of those that lose units have none."""

    counts: dict[str, int] = field(default_factory=dict)
    concerned: int = 0
    decided: int = 0
    at_stake_minor: int = 0
    unpriced: int = 0
    first: tuple[Difference, ...] = ()


NOTHING = Effect()


def effect(
    db: sa.Connection,
    place: Place,
    *,
    file_as_of: datetime,
    source_as_of: datetime | None,
    now: datetime,
    budget_s: float | None = None,
) -> Effect:
    """Decide what hangs on `staged_rows`, `known`, `missing` and `matched` (staged by a preview). `file_as_of`
    is the moment that the file's numbers would be of, `source_as_of` that of those known now. Stops after
    `budget_s` seconds."""
    end = None if budget_s is None else time.monotonic() + budget_s
    moved = {**place.given, "file_as_of": file_as_of, "source_as_of": source_as_of}
    concerned, ids = _concerned(db, moved)
    if not ids:
        return Effect(concerned=concerned)
    everything = _family(db, place.merchant_id, ids)
    _shadow(db, place, everything, moved)
    found: list[Difference] = []
    decided = 0
    for start in range(0, len(ids), CHUNK):
        if end is not None and time.monotonic() > end:
            break
        chunk = ids[start : start + CHUNK]
        found += _decide(db, place.merchant_id, chunk, now)
        decided += len(chunk)
    found = list({one.variant_id: one for one in found}.values())
    lost = [(one, (one.before or 0) - one.after) for one in found if one.danger in ("to_zero", "down")]
    ordered = sorted(
        found, key=lambda one: (DANGERS.index(one.danger), -abs((one.before or 0) - one.after), one.sku)
    )
    return Effect(
        counts=dict(Counter(one.danger for one in found)),
        concerned=concerned,
        decided=decided,
        at_stake_minor=sum(units * one.price_minor for one, units in lost if one.price_minor is not None),
        unpriced=sum(one.price_minor is None for one, _ in lost),
        first=tuple(ordered[:SHOWN]),
    )


_CONCERNED = sa.text("""
    create temp table concerned on commit drop as
    select c.variant_id, min(c.danger) as danger
      from (select m.variant_id, case when coalesce(k.units_before, 0) > 0 and coalesce(i.quantity, 1) <= 0 then 0
                                      when coalesce(i.quantity, 0) < coalesce(k.units_before, 0) then 1
                                      when coalesce(k.units_before, 0) <= 0 then 2 else 3 end as danger
              from staged_rows i join matched m on m.item_key = i.item_key
              left join known k on k.item_key = i.item_key
             where i.state = 0 and (k.item_key is null or k.differs or k.was_unconfirmed)
             union all
            select l.variant_id, 0 from missing g
              join supplier_item l on l.merchant_id = :merchant and l.source_id = :source
                                  and l.item_key = g.item_key
             where g.goes_to_zero
             union all
            select a.variant_id, 3 from allocation a
              join source s on s.merchant_id = a.merchant_id and s.id = a.source_id
             where a.merchant_id = :merchant and a.source_id = :source and a.units > 0
               and a.sold_at > case when cast(:source_as_of as timestamptz) is null then '-infinity'
                                    else least(cast(:source_as_of as timestamptz), cast(:file_as_of as timestamptz))
                                         - make_interval(hours => s.handover_hours, secs => 1) end) c
     group by c.variant_id
""")


def _concerned(db: sa.Connection, given: dict[str, Any]) -> tuple[int, list[int]]:
    """How many variants hang on the staged rows, and those to work out, the most dangerous first."""
    db.execute(_CONCERNED, given)
    concerned = db.exec_driver_sql("select count(*) from concerned").scalar_one()
    with driver(db).cursor() as cursor:
        cursor.execute(f"select variant_id from concerned order by danger, variant_id limit {MOST}")  # noqa: S608
        return int(concerned), [row[0] for row in cursor]


def _family(db: sa.Connection, merchant_id: int, ids: Sequence[int]) -> list[int]:
    """These, the bundles above them, and what those are made of."""
    above = with_bundles(db, merchant_id, ids)
    below = db.execute(
        sa.text("""
            select distinct component_id from bundle_component
             where merchant_id = :m and variant_id = any(cast(:v as bigint[]))
        """),
        {"m": merchant_id, "v": literal(above)},
    ).scalars()
    return sorted({*above, *below})


def _shadow(db: sa.Connection, place: Place, variant_ids: Sequence[int], given: dict[str, Any]) -> None:
    """Make the copies and apply the staged rows to them."""
    all_given = {**given, "variants": literal(variant_ids)}
    for name, which in _COPIES.items():
        db.exec_driver_sql(
            f"create temp table what_if_{name} (like {name} including defaults including indexes) on commit drop"
        )
        db.execute(sa.text(f"insert into what_if_{name} select t.* from {name} t where {which}"), all_given)  # noqa: S608
    for name in _COPIES:
        db.exec_driver_sql(f"alter table pg_temp.what_if_{name} rename to {name}")
    for statement in _APPLY:
        db.execute(sa.text(statement), all_given)
    for name in _COPIES:
        db.exec_driver_sql(f"analyze pg_temp.{name}")


_OF_VARIANTS = "t.merchant_id = :merchant and t.variant_id = any(cast(:variants as bigint[]))"
_COPIES = {
    "position": _OF_VARIANTS,
    "supplier_item": _OF_VARIANTS,
    "source": "t.merchant_id = :merchant",
    "observation": "t.merchant_id = :merchant and (t.source_id, t.item_key) in"
    " (select l.source_id, l.item_key from what_if_supplier_item l)",
}
_VALUES = "quantity, is_at_least, is_word, restock_on, lead_time_days, cost"
_HERE = "o.merchant_id = :merchant and o.source_id = :source"
_APPLY = (
    # The order of `apply`: rows that say something else, rows confirmed, rows that were not, then the moment.
    """
    insert into supplier_item (merchant_id, source_id, item_key, variant_id, units_per_variant, how)
    select :merchant, :source, m.item_key, m.variant_id, m.units_per_variant, 'sku' from matched m
     where m.variant_id = any(cast(:variants as bigint[])) on conflict do nothing
    """,
    f"""
    insert into observation (merchant_id, source_id, item_key, sku, {_VALUES}, run_id)
    select :merchant, :source, i.item_key, i.sku, {", ".join("i." + name for name in _VALUES.split(", "))}, 0
      from staged_rows i
     where i.state = 0 and i.item_key in (select l.item_key from supplier_item l where l.source_id = :source)
        on conflict (merchant_id, source_id, item_key) do update
       set {", ".join(f"{name} = excluded.{name}" for name in _VALUES.split(", "))}, as_of = null
    """,  # noqa: S608 - constants of this module
    f"""
    update observation o set as_of = coalesce(o.as_of, cast(:source_as_of as timestamptz))
      from known k where {_HERE} and o.item_key = k.item_key and k.state <> 0
    """,  # noqa: S608 - constants of this module
    f"""
    update observation o
       set as_of = case when m.goes_to_zero then null else coalesce(o.as_of, cast(:source_as_of as timestamptz)) end,
           quantity = case when m.goes_to_zero then 0 else o.quantity end,
           is_at_least = o.is_at_least and not m.goes_to_zero, is_word = o.is_word and not m.goes_to_zero
      from missing m where {_HERE} and o.item_key = m.item_key
    """,  # noqa: S608 - constants of this module
    "update source set as_of = :file_as_of where merchant_id = :merchant and id = :source",
)


def _decide(db: sa.Connection, merchant_id: int, ids: Sequence[int], now: datetime) -> list[Difference]:
    rows = lock_and_read(db, merchant_id, with_bundles(db, merchant_id, ids), now)
    pairs = [(before, decide_one(facts)) for before, facts in rows if is_known(facts)]
    stops = stops_of(db, merchant_id, [before.variant_id for before, _ in rows])
    pairs = with_stops(decide_bundles(db, merchant_id, rows, with_stops(pairs, stops)), stops)
    changed = {
        before.variant_id: (before, after, danger)
        for before, after in pairs
        if (danger := danger_of(before, after))
    }
    if not changed:
        return []
    named = db.execute(_NAMES, {"m": merchant_id, "v": literal(changed)})
    return [_difference(row, *changed[row.id]) for row in named]


def danger_of(before: PositionRow, after: Decision) -> str:
    """The kind of this change, one of DANGERS; "" where the answer stays."""
    was = before.available if before.version else 0
    if was > 0 and after.available <= 0:
        return "to_zero"
    if after.available < was:
        return "down"
    if was <= 0 and after.available > 0:
        return "back"
    if after.available > was:
        return "up"
    is_told_otherwise = (before.state, before.restock_on, before.restock_until) != (
        after.state,
        after.restock_on,
        after.restock_until,
    )
    return "words" if before.version and is_told_otherwise else ""


def _difference(row: Any, before: PositionRow, after: Decision, danger: str) -> Difference:
    return Difference(
        variant_id=row.id,
        sku=row.sku,
        title=row.title,
        danger=danger,
        before=before.available if before.version else None,
        after=after.available,
        state_before=before.state if before.version else "",
        state_after=after.state,
        stores=row.stores,
        price_minor=row.price_minor,
    )


_NAMES = sa.text("""
    select v.id, v.sku, v.title, count(l.id) as stores, max(l.price_minor) as price_minor
      from variant v
      left join listing l on l.merchant_id = v.merchant_id and l.variant_id = v.id
                         and not l.is_excluded and not l.is_gone and l.yielded_at is null
     where v.merchant_id = :m and v.id = any(cast(:v as bigint[]))
     group by v.id, v.sku, v.title
""")
