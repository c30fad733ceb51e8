"""Which prices the costs of a run put under their floor: kept with the run, for its page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.positions.prices import judged, read_book
from connector.repricing.floors import reason_of

CHUNK = 5_000

# `previous` is kept by place (`connector.intake.apply.PREVIOUS`): the cost is the ninth.
_CHANGED = sa.text("""
    select i.variant_id, i.source_id, cast(o.previous ->> 8 as numeric) * i.units_per_variant as cost_before
      from run r
      join observation o on o.merchant_id = r.merchant_id and o.source_id = r.source_id and o.run_id = r.id
      join supplier_item i on i.merchant_id = o.merchant_id and i.source_id = o.source_id
                          and i.item_key = o.item_key
     where r.merchant_id = :m and r.id = :r and i.variant_id is not null and o.cost is not null
       and jsonb_typeof(o.previous) = 'array' and cast(o.previous ->> 8 as numeric) is distinct from o.cost
     order by i.variant_id
""")

_KEEP = sa.text("""
    insert into price_run_note (merchant_id, run_id, listing_id, says)
    select :m, :r, n.listing_id, n.says
      from jsonb_to_recordset(cast(:rows as jsonb)) as n(listing_id bigint, says jsonb)
     order by n.listing_id
        on conflict do nothing
""")

_SHOWN = sa.text("""
    select n.says, l.variant_id, coalesce(v.sku, l.sku) as sku, l.title
      from price_run_note n
      join listing l on l.merchant_id = n.merchant_id and l.id = n.listing_id
      left join variant v on v.merchant_id = l.merchant_id and v.id = l.variant_id
     where n.merchant_id = :m and n.run_id = :r
     order by cast(n.says ->> 'price' as numeric) / nullif(cast(n.says ->> 'floor' as numeric), 0), n.listing_id
     limit :n
""")


def note_run(engine: sa.Engine, merchant_id: int, run_id: int) -> int:
    """Keep the listings that sell below their floor at costs that this run changed, and did not at those before.
    Returns how many; harmless to repeat. Nothing is kept where no rule has a floor."""
    count = 0
    with transaction(engine) as db:
        book = read_book(db, merchant_id)
        if not any("floor_percent" in says or "floor_amount" in says for says in book.rules.values()):
            return 0
        before = {
            (row.variant_id, row.source_id): row.cost_before
            for row in db.execute(_CHANGED, {"m": merchant_id, "r": run_id})
        }
        variants = sorted({variant for variant, _ in before})
        for start in range(0, len(variants), CHUNK):
            part = variants[start : start + CHUNK]
            rows = []
            for one in judged(db, merchant_id, book, variant_ids=part):
                cost_before = before.get((one.variant_id, one.source_id), one.cost)
                if cost_before is not None and (one.variant_id, one.source_id) in before:
                    cost_before *= one.rate
                if not one.is_below or cost_before == one.cost:
                    continue
                was = None if cost_before is None else one.at_cost(cost_before, book)
                if was is not None and was.is_below:
                    continue
                says = {
                    **reason_of(one),
                    "cost_before": None if cost_before is None else f"{cost_before.normalize():f}",
                }
                rows.append({"listing_id": one.listing_id, "says": says})
            if rows:
                db.execute(_KEEP, {"m": merchant_id, "r": run_id, "rows": json.dumps(rows)})
            count += len(rows)
    return count


def count_of(db: sa.Connection, merchant_id: int, run_id: int) -> int:
    """How many prices the run put under their floor."""
    query = sa.text("select count(*) from price_run_note where merchant_id = :m and run_id = :r")
    return int(db.execute(query, {"m": merchant_id, "r": run_id}).scalar_one())


def listed(
    db: sa.Connection, merchant_id: int, run_id: int, most: int | None = None
) -> Iterator[dict[str, Any]]:
    """These prices as they were, the furthest below first: sku, title, variant_id, store, currency, price, floor,
    cost, cost_before (texts; the last None where no cost was known)."""
    for row in db.execute(_SHOWN, {"m": merchant_id, "r": run_id, "n": most}):
        yield {"sku": row.sku, "title": row.title, "variant_id": row.variant_id, **row.says}
