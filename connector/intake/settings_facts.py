"""What holds now of the settings that a file may bring along, and all of them as a file to leave with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from connector.availability.rules import IN_MERCHANT
from connector.catalog.keys import sku_key
from connector.intake.settings_file import RULES


def variants_of(db: sa.Connection, merchant_id: int, skus: list[str]) -> dict[str, list[int]]:
    """The variants of these SKUs, by the SKU as it is compared."""
    rows = db.execute(
        sa.text("""
            select sku_key, array_agg(id order by id) from variant
             where merchant_id = :m and sku_key = any(cast(:keys as text[])) group by sku_key
        """),
        {"m": merchant_id, "keys": sorted({sku_key(sku) for sku in skus} - {""})},
    )
    return {row[0]: list(row[1]) for row in rows}


def rules_of(db: sa.Connection, merchant_id: int, variant_ids: set[int]) -> dict[int, dict[str, Any]]:
    """What the own rule of each of these variants says; nothing of those without."""
    rows = db.execute(
        sa.text("""
            select cast(subject as bigint), says from stock_rule
             where merchant_id = :m and level = 'sku' and subject = any(cast(:ids as text[]))
        """),
        {"m": merchant_id, "ids": [str(one) for one in variant_ids]},
    )
    return {row[0]: dict(row[1]) for row in rows}


def columns_of(db: sa.Connection, merchant_id: int, variant_ids: set[int]) -> dict[int, dict[str, Any]]:
    """What these variants themselves keep of IN_MERCHANT; None where they say nothing."""
    rows = db.execute(
        sa.text(f"select id, {', '.join(IN_MERCHANT)} from variant where merchant_id = :m and id = any(:v)"),  # noqa: S608
        {"m": merchant_id, "v": list(variant_ids)},
    )
    return {row.id: {name: getattr(row, name) for name in IN_MERCHANT} for row in rows}


def defaults(db: sa.Connection, merchant_id: int) -> dict[str, Any]:
    """What holds of a product of which nothing is said, where no supplier or collection may say something else."""
    named = ", ".join(IN_MERCHANT)
    row = db.execute(sa.text(f"select {named} from merchant where id = :m"), {"m": merchant_id}).one()  # noqa: S608
    nearer = set(
        db.execute(
            sa.text("""
                select jsonb_object_keys(says) from stock_rule where merchant_id = :m and level <> 'sku'
            """),
            {"m": merchant_id},
        ).scalars()
    )
    for one in db.execute(sa.text(f"select {named} from source where merchant_id = :m"), {"m": merchant_id}):  # noqa: S608
        nearer |= {name for name in IN_MERCHANT if getattr(one, name) is not None}
    return {name: getattr(row, name) for name in IN_MERCHANT if name not in nearer}


def export(db: sa.Connection, merchant_id: int) -> Iterator[tuple[Any, ...]]:
    """Every product's own rules, and its suppliers with pack and lead time, as lines under `settings_file.HEAD`:
    one a supplier; its rules stand in the first."""
    rows = db.execute(
        sa.text("""
            select v.id, v.sku, coalesce(r.says, '{}'::jsonb) as says, v.buffer_units, v.cap_units,
                   v.low_stock_threshold, v.allows_backorder, s.name, i.units, s.lead_time_days,
                   row_number() over (partition by v.id order by s.id) as nth
              from variant v
              left join stock_rule r on r.merchant_id = v.merchant_id and r.level = 'sku'
                                    and r.subject = cast(v.id as text)
              left join (select variant_id, source_id, min(units_per_variant) as units from supplier_item
                          where merchant_id = :m group by variant_id, source_id) i on i.variant_id = v.id
              left join source s on s.merchant_id = v.merchant_id and s.id = i.source_id
             where v.merchant_id = :m and v.sku <> ''
             order by v.sku, v.id, s.id
        """),
        {"m": merchant_id},
    )
    for row in rows:
        says = {name: getattr(row, name) for name in IN_MERCHANT} | dict(row.says)
        rules = [says.get(name) if row.nth == 1 else None for name in RULES]
        yield (row.sku, *rules, row.name, row.units, row.lead_time_days)
