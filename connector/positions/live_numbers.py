"""What suppliers said of single items after an order, until they are read again.

Such a number counts in place of the item's observation while it is younger than that. It says nothing about dates or
how fresh the supplier's list is, and a run never sees it: the next accepted list replaces it, whatever that says.

A sale is deducted from it until its supplier can know of it: `handover_hours` after the sale, at the least an hour.
Nobody hands orders over at once, and the number is asked for because one has just come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, TypeVar

import sqlalchemy as sa

from connector.availability.facts import SourceFacts, VariantFacts
from connector.outbox.messages import literal

LEAST_HANDOVER_HOURS = 1

IN_FORCE = "n.heard_at > coalesce(o.as_of, s.as_of, '-infinity')"

_READ = sa.text(f"""
    select distinct i.variant_id, n.source_id
      from live_number n
      join source s on s.merchant_id = n.merchant_id and s.id = n.source_id
      join observation o on o.merchant_id = n.merchant_id and o.source_id = n.source_id and o.item_key = n.item_key
      join supplier_item i on i.merchant_id = n.merchant_id and i.source_id = n.source_id and i.item_key = n.item_key
     where n.merchant_id = :m and i.variant_id = any(cast(:variants as bigint[])) and {IN_FORCE}
""")  # noqa: S608 - a constant above

# The items of one source in the order in which they are read everywhere.
_ITEMS = sa.text(f"""
    select i.variant_id, i.source_id, case when {IN_FORCE} then n.quantity end as quantity,
           case when {IN_FORCE} then n.heard_at end as heard_at
      from unnest(cast(:variants as bigint[]), cast(:sources as bigint[])) as h(variant_id, source_id)
      join supplier_item i on i.merchant_id = :m and i.variant_id = h.variant_id and i.source_id = h.source_id
      join source s on s.merchant_id = i.merchant_id and s.id = i.source_id
      join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id and o.item_key = i.item_key
      left join live_number n on n.merchant_id = i.merchant_id and n.source_id = i.source_id
                             and n.item_key = i.item_key
     order by i.variant_id, i.source_id, i.item_key
""")  # noqa: S608 - a constant above

_DEDUCTED = sa.text("""
    select a.variant_id, a.source_id, sum(a.units)
      from unnest(cast(:variants as bigint[]), cast(:sources as bigint[]), cast(:heard as timestamptz[]))
           as h(variant_id, source_id, heard_at)
      join source s on s.merchant_id = :m and s.id = h.source_id
      join allocation a on a.merchant_id = :m and a.variant_id = h.variant_id and a.source_id = h.source_id
                       and a.units > 0
                       and a.sold_at > h.heard_at - make_interval(hours => greatest(s.handover_hours, :least))
     group by a.variant_id, a.source_id
""")

_KEEP = sa.text("""
    insert into live_number as n (merchant_id, source_id, item_key, quantity, heard_at)
    select :m, :s, k.item_key, k.quantity, :at
      from unnest(cast(:items as text[]), cast(:numbers as int[])) as k(item_key, quantity)
     order by k.item_key
        on conflict (merchant_id, source_id, item_key)
        do update set quantity = excluded.quantity, heard_at = excluded.heard_at
     where n.heard_at <= excluded.heard_at
""")

_OF_SOURCE = sa.text(f"""
    select distinct i.variant_id
      from live_number n
      join source s on s.merchant_id = n.merchant_id and s.id = n.source_id
      join observation o on o.merchant_id = n.merchant_id and o.source_id = n.source_id and o.item_key = n.item_key
      join supplier_item i on i.merchant_id = n.merchant_id and i.source_id = n.source_id and i.item_key = n.item_key
     where n.merchant_id = :m and n.source_id = :s and {IN_FORCE}
""")  # noqa: S608 - a constant above

_PRUNE = sa.text(f"""
    delete from live_number n using source s, observation o
     where s.merchant_id = n.merchant_id and s.id = n.source_id
       and o.merchant_id = n.merchant_id and o.source_id = n.source_id and o.item_key = n.item_key
       and not ({IN_FORCE})
""")  # noqa: S608 - a constant above


class Heard(NamedTuple):
    """What was said of one item, and when; None twice where it was not asked for, or read since."""

    quantity: int | None
    at: datetime | None


Row = TypeVar("Row")


def with_live(
    db: sa.Connection, merchant_id: int, found: list[tuple[Row, VariantFacts]]
) -> list[tuple[Row, VariantFacts]]:
    """The facts with the numbers that were asked for in place of those last read. Costs one query where nothing was
    asked for lately, which is most often."""
    variants = literal(facts.variant_id for _, facts in found)
    pairs = db.execute(_READ, {"m": merchant_id, "variants": variants}).all()
    if not pairs:
        return found
    heard: dict[tuple[int, int], list[Heard]] = defaultdict(list)
    sources = {"variants": [row[0] for row in pairs], "sources": [row[1] for row in pairs]}
    for variant, source, *said in db.execute(_ITEMS, {"m": merchant_id, **sources}):
        heard[variant, source].append(Heard(*said))
    taken = db.execute(
        _DEDUCTED,
        {
            "m": merchant_id,
            "variants": [variant for variant, _ in heard],
            "sources": [source for _, source in heard],
            "heard": [min(one.at for one in items if one.at) for items in heard.values()],
            "least": LEAST_HANDOVER_HOURS,
        },
    )
    deducted = {(row[0], row[1]): int(row[2]) for row in taken}
    changed = {variant for variant, _ in heard}
    return [
        (row, replace(facts, sources=_replaced(facts, heard, deducted)))
        if facts.variant_id in changed
        else (row, facts)
        for row, facts in found
    ]


def _replaced(
    facts: VariantFacts,
    heard: Mapping[tuple[int, int], list[Heard]],
    deducted: Mapping[tuple[int, int], int],
) -> tuple[SourceFacts, ...]:
    """The sources of one variant. What is deducted from a source is taken from its items in order until used up."""
    answer = []
    seen: dict[int, int] = defaultdict(int)
    left: dict[int, int] = {}
    for source in facts.sources:
        key = (facts.variant_id, source.source_id)
        items = heard.get(key)
        if items is None:
            answer.append(source)
            continue
        place = seen[source.source_id]
        seen[source.source_id] += 1
        said = items[place]
        if said.quantity is not None:
            source = replace(source, observed=said.quantity, is_exact=True, heard_at=said.at)
        taken = left.get(source.source_id, deducted.get(key, 0))
        if place + 1 < len(items):
            left[source.source_id] = taken
            taken = min(taken, (source.observed or 0) // source.units_per_variant)
            left[source.source_id] -= taken
        answer.append(replace(source, deducted=taken))
    return tuple(answer)


def keep_live(
    db: sa.Connection, merchant_id: int, source_id: int, numbers: Mapping[str, int], at: datetime
) -> None:
    """Keep what a source said at `at` of these items, in its own units (≥ 0); the caller decides their variants."""
    given = {"items": list(numbers), "numbers": [numbers[item] for item in numbers]}
    db.execute(_KEEP, {"m": merchant_id, "s": source_id, "at": at, **given})


def variants_of_live(db: sa.Connection, merchant_id: int, source_id: int) -> list[int]:
    """Variants for which this source's numbers count that were asked for: when it is read again they are decided
    again, although their rows did not change."""
    return list(db.scalars(_OF_SOURCE, {"m": merchant_id, "s": source_id}))


def prune_live(db: sa.Connection) -> int:
    """Delete the numbers that count no more, of all merchants; how many."""
    return int(db.execute(_PRUNE).rowcount)
