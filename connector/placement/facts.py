"""What of each product of a store can be bought, and the places we changed there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import sqlalchemy as sa

from connector.placement.policy import PlaceFacts, ProductFacts, Rule, is_due, plan
from connector.ports.places import PlaceKind


@dataclass(frozen=True, slots=True)
class RuleRow:
    """The rule of a store as kept; `rule` is what it asks for. None in `approved_at`: never approved."""

    rule: Rule
    status: str
    approved_at: datetime | None
    held: int
    problem: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A product as a page shows it: `out_since` None where it can be bought."""

    product_id: str
    title: str
    url: str
    variants: int
    out_since: datetime | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A product whose place is not as the merchant left it, or was refused, and why."""

    product_id: str
    title: str
    url: str
    step: str
    before: str
    ours: str
    reason: str
    changed_at: datetime


def rule_of(db: sa.Connection, merchant_id: int, connection_id: int) -> RuleRow | None:
    """The store's rule, None where none was ever chosen."""
    row = db.execute(
        sa.text("""
            select kind, tag, days_out, status, approved_at, held, problem from place_rule
             where merchant_id = :m and connection_id = :c
        """),
        {"m": merchant_id, "c": connection_id},
    ).one_or_none()
    if row is None:
        return None
    rule = Rule(cast(PlaceKind, row.kind), row.tag, row.days_out)
    return RuleRow(rule, row.status, row.approved_at, row.held, row.problem)


# What we keep true counts by its position; what else belongs to the product counts as sellable while the
# store itself sells it, and not at all where the store shows none. Products that nobody can see are left out.
_PRODUCTS = """
    with item as (
      select l.product_id, min(l.id) as first_id, bool_or(l.is_published) as is_published, l.external_id,
             bool_or(case when l.is_managed and not l.is_excluded and l.problem = ''
                          then p.available > 0 or p.state in ('backorder', 'made_to_order', 'preorder')
                          when l.is_published and coalesce(l.believed_available, 1) > 0 then true end) as sells,
             bool_or(l.is_managed and not l.is_excluded and l.problem = '') as is_ours,
             max(p.out_since) as out_since
        from listing l
        left join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
       where l.merchant_id = :m and l.connection_id = :c and not l.is_gone
       group by l.product_id, l.external_id
    )
    select product_id, min(first_id) as first_id,
           count(*) filter (where sells) as sellable,
           count(*) filter (where not sells) as unsellable,
           count(*) filter (where sells is null and is_ours) as unknown,
           case when bool_or(not sells and out_since is null) then null
                else max(out_since) filter (where not sells) end as out_since
      from item
     group by product_id
    having bool_or(is_published)
"""


def products_of(db: sa.Connection, merchant_id: int, connection_id: int) -> list[ProductFacts]:
    """Every published product of the store."""
    rows = db.execute(sa.text(_PRODUCTS), {"m": merchant_id, "c": connection_id})
    return [
        ProductFacts(row.product_id, row.sellable, row.unsellable, row.unknown, row.out_since) for row in rows
    ]


def places_of(db: sa.Connection, merchant_id: int, connection_id: int) -> list[PlaceFacts]:
    """The open places of the store, those under way left out."""
    rows = db.execute(
        sa.text("""
            select id, product_id, kind, tag, step from place
             where merchant_id = :m and connection_id = :c and step in ('placed', 'theirs', 'refused')
             order by id
        """),
        {"m": merchant_id, "c": connection_id},
    )
    return [PlaceFacts(row.id, row.product_id, row.kind, row.tag, row.step) for row in rows]


def preview(
    db: sa.Connection, merchant_id: int, connection_id: int, rule: Rule, now: datetime, most: int
) -> tuple[int, list[Shown]]:
    """How many products the rule would move now, and the first `most` of them. Asks no store: what stands at
    the end already is counted too, and left alone when it comes to it."""
    products = products_of(db, merchant_id, connection_id)
    due = plan(products, places_of(db, merchant_id, connection_id), rule, now=now).move
    since = {one.product_id: one for one in products if is_due(one, rule, now)}
    shown = _titles(db, merchant_id, connection_id, due[:most])
    found = []
    for product_id in due[:most]:
        title, url = shown.get(product_id, (product_id, ""))
        one = since[product_id]
        found.append(Shown(product_id, title, url, one.unsellable, one.out_since))
    return len(due), found


def moved(
    db: sa.Connection, merchant_id: int, connection_id: int, most: int
) -> tuple[dict[str, int], list[Moved]]:
    """How many places are at each step, and the latest `most` of the open ones."""
    key = {"m": merchant_id, "c": connection_id}
    counts = db.execute(
        sa.text("""
            select step, count(*) as places from place
             where merchant_id = :m and connection_id = :c and step <> '' group by step
        """),
        key,
    )
    by_step = {row.step: int(row.places) for row in counts}
    rows = db.execute(
        sa.text("""
            select product_id, step, before, ours, reason, changed_at from place
             where merchant_id = :m and connection_id = :c and step <> ''
             order by changed_at desc, id desc limit :most
        """),
        {**key, "most": most},
    ).all()
    shown = _titles(db, merchant_id, connection_id, [row.product_id for row in rows])
    found = []
    for row in rows:
        title, url = shown.get(row.product_id, (row.product_id, ""))
        found.append(
            Moved(row.product_id, title, url, row.step, row.before, row.ours, row.reason, row.changed_at)
        )
    return by_step, found


def _titles(
    db: sa.Connection, merchant_id: int, connection_id: int, product_ids: list[str] | tuple[str, ...]
) -> dict[str, tuple[str, str]]:
    """Title and page of products; a product is called as its first item is."""
    rows = db.execute(
        sa.text("""
            select distinct on (product_id) product_id, title, url from listing
             where merchant_id = :m and connection_id = :c and product_id = any(:ids)
             order by product_id, id
        """),
        {"m": merchant_id, "c": connection_id, "ids": list(product_ids)},
    )
    return {row.product_id: (row.title, row.url) for row in rows}
