"""Delivery windows of variants: what shoppers are shown now, and what an order was shown when it was placed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connector.availability.delivering import NoWindow, Supply, Window, deliver
from connector.outbox.messages import literal
from connector.ports.stores import StoreOrder
from connector.positions.shipping import DeliveryRule, rule_at

_POSITIONS = sa.text("""
    select variant_id, state, restock_on, restock_until, why -> 'sources' as sources
      from position where merchant_id = :m and variant_id = any(cast(:variants as bigint[]))
""")

# The state before the first change after a moment is the one shoppers saw at it.
_POSITIONS_AT = sa.text("""
    select p.variant_id, coalesce(m.state_before, p.state) as state, p.restock_on, p.restock_until,
           p.why -> 'sources' as sources
      from position p
      left join lateral (
           select state_before from movement
            where merchant_id = p.merchant_id and variant_id = p.variant_id and at > :at and state_before <> ''
            order by id limit 1
           ) m on true
     where p.merchant_id = :m and p.variant_id = any(cast(:variants as bigint[]))
""")

_PLACE = sa.text("select timezone from merchant where id = :m")


def supply_of(
    rule: DeliveryRule, state: str, restock_on: Any, restock_until: Any, sources: Sequence[Any]
) -> Supply:
    """Where a variant's goods are, as its position tells. Of several sources that have it the window spans the
    quickest and the slowest, unless one of them was chosen; of none that has any left (the last unit was just
    sold), all of them."""
    if state == "made_to_order":
        return Supply(state, least_days=rule.making_days, most_days=rule.making_days)
    have = [one for one in sources if one.get("units")] or list(sources)
    chosen = [one for one in have if one.get("role", "sells") == "sells"] or have
    days = [rule.source_days.get(int(one["source"]), 0) for one in chosen] or [0]
    return Supply(state, restock_on, restock_until, min(days), max(days))


def windows(
    db: sa.Connection, merchant_id: int, variant_ids: Sequence[int], now: datetime, country: str = ""
) -> dict[int, Window | NoWindow]:
    """The windows of orders placed now, for parcels to `country` (two letters; "": the merchant's first zone).

    Empty where the merchant promises nothing, or nobody delivers there; variants never decided are left out.
    """
    if not variant_ids:
        return {}
    rule = rule_at(db, merchant_id, now)
    if rule is None:
        return {}
    return windows_under(db, merchant_id, variant_ids, now, country, rule)


def windows_under(
    db: sa.Connection,
    merchant_id: int,
    variant_ids: Sequence[int],
    at: datetime,
    country: str,
    rule: DeliveryRule,
    query: sa.TextClause = _POSITIONS,
) -> dict[int, Window | NoWindow]:
    """As `windows`, by this rule instead of the one in force."""
    zone = rule.zone(country)
    if zone is None:
        return {}
    shipping = rule.shipping(ZoneInfo(db.execute(_PLACE, {"m": merchant_id}).scalar_one()))
    carrier = rule.carrier(zone)
    given: dict[str, Any] = {"m": merchant_id, "variants": literal(variant_ids)}
    if query is _POSITIONS_AT:
        given["at"] = at
    # Most variants are in one of a few situations, and each window walks over days.
    known: dict[Supply, Window | NoWindow] = {}
    found = {}
    for row in db.execute(query, given):
        supply = supply_of(rule, row.state, row.restock_on, row.restock_until, row.sources or ())
        if supply not in known:
            known[supply] = deliver(at, supply, shipping, carrier)
        found[row.variant_id] = known[supply]
    return found


def keep_windows(db: sa.Connection, merchant_id: int, connection_id: int, order: StoreOrder) -> int:
    """Keep with each line of a new order the window shown when it was placed; returns for how many lines.

    Call it before the sale changes the positions. Lines that have one keep it. Nothing is kept where no rule was
    in force then, or where no window was shown. Orders told of more than a day late are left alone: what the
    page said then nobody can work out any more.
    """
    lines = [line for line in order.lines if line.units > 0]
    if not lines or not order.holds_stock:
        return 0
    rule = rule_at(db, merchant_id, order.placed_at)
    zone = rule.zone(order.country) if rule else None
    if rule is None or zone is None or order.updated_at - order.placed_at > timedelta(days=1):
        return 0
    of_line = {
        row.line_id: row.variant_id
        for row in db.execute(
            sa.text("""
                select line_id, variant_id from store_order_line l
                 where merchant_id = :m and connection_id = :c and order_id = :o and variant_id is not null
                   and not exists (
                       select 1 from order_promise p
                        where p.merchant_id = :m and p.connection_id = :c and p.order_id = :o
                          and p.line_id = l.line_id)
            """),
            {"m": merchant_id, "c": connection_id, "o": order.order_id},
        )
    }
    found = windows_under(
        db, merchant_id, sorted(set(of_line.values())), order.placed_at, order.country, rule, _POSITIONS_AT
    )
    rows = [
        {
            "m": merchant_id,
            "c": connection_id,
            "o": order.order_id,
            "l": line_id,
            "v": variant_id,
            "on": window.on,
            "until": window.until,
            "basis": window.basis,
            "zone": zone.name,
            "at": order.placed_at,
        }
        for line_id, variant_id in sorted(of_line.items())
        if isinstance(window := found.get(variant_id), Window)
    ]
    if rows:
        db.execute(
            sa.text("""
                insert into order_promise (merchant_id, connection_id, order_id, line_id, variant_id, from_on,
                                           until_on, basis, zone, shown_at)
                values (:m, :c, :o, :l, :v, :on, :until, :basis, :zone, :at) on conflict do nothing
            """),
            rows,
        )
    return len(rows)
