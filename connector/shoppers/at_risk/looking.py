"""Keeps the list of orders at risk: opens each once, follows it, and closes it when it is over.

A look reads what is known and writes rows; nobody is called. It may be repeated at any time.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connector.availability.delivering import Window
from connector.positions.windows import windows
from connector.shoppers.at_risk.deciding import OpenLine, Supplies, Verdict, judge
from connector.shoppers.at_risk.rules import RiskRule

FROM_STOCK = ("in_stock", "low_stock")
OLDEST_DAYS = 365
"""Orders placed longer ago are not looked at any more."""


@dataclass(slots=True)
class Looked:
    """What one look changed: risks `opened`, and `closed` by themselves. `found` are those of them whose customers
    were told that it will not come in time: they must hear that it does."""

    opened: int = 0
    closed: int = 0
    found: list[int] = field(default_factory=list)


def look(db: sa.Connection, merchant_id: int, rule: RiskRule, now: datetime) -> Looked:
    """Judge every open line of this merchant's orders and keep the list, in the caller's transaction."""
    today = today_of(db, merchant_id, now)
    hold_looks(db, merchant_id)
    # Whoever is answering at this moment is waited for, before anything is read: else a line whose risk ends between
    # the reading and the writing would be opened anew, and its customer asked, and paid, a second time.
    db.execute(
        sa.text(
            "select 1 from order_risk where merchant_id = :m and closed_at is null order by id for update"
        ),
        {"m": merchant_id},
    )
    rows = list(db.execute(_LINES, {"m": merchant_id, "now": now, "oldest": OLDEST_DAYS}))
    by_variant: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_variant[row.variant_id].append(row)
    supplies = _supplies(db, merchant_id, sorted(by_variant), now)
    verdicts: dict[tuple[int, str, str], Verdict] = {}
    for variant_id, lines in by_variant.items():
        for one in judge(
            [_line(row) for row in lines],
            supplies.get(variant_id, Supplies(0)),
            today,
            default_days=rule.default_days,
            notice_days=rule.notice_days,
        ):
            verdicts[one.key] = one
    known = {_key(row): row for row in rows}
    looked = Looked()
    looked.closed = _close_settled(db, merchant_id, known, verdicts, now, looked.found)
    looked.opened = _open(db, merchant_id, known, list(verdicts.values()), now)
    return looked


def hold_looks(db: sa.Connection, merchant_id: int) -> None:
    """One at a time until the caller's transaction ends: two that open the same risk would meet in its index. To be
    called before any row is locked."""
    db.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended('at risk ' || :m, 0))"), {"m": merchant_id}
    )


def today_of(db: sa.Connection, merchant_id: int, now: datetime) -> date:
    """The date at the merchant's place."""
    place = db.execute(
        sa.text("select timezone from merchant where id = :m"), {"m": merchant_id}
    ).scalar_one()
    return now.astimezone(ZoneInfo(place)).date()


def history(now: datetime, actor: str, what: str, detail: str = "") -> str:
    """One entry of `OrderRisk.history`, as JSON to append."""
    return json.dumps([[now.isoformat(timespec="seconds"), actor, what, detail]])


def _key(row: Any) -> tuple[int, str, str]:
    return (row.connection_id, row.order_id, row.line_id)


def _line(row: Any) -> OpenLine:
    is_from_stock = (row.basis == "stock") if row.basis else row.state_then in FROM_STOCK
    return OpenLine(
        _key(row),
        row.open_units,
        row.placed_on,
        row.until_on,
        row.agreed_on,
        is_reserved=is_from_stock and not row.is_deducted,
        is_refused=row.is_refused,
    )


def _supplies(
    db: sa.Connection, merchant_id: int, variant_ids: Sequence[int], now: datetime
) -> dict[int, Supplies]:
    if not variant_ids:
        return {}
    shown = windows(db, merchant_id, variant_ids, now)
    found = {}
    for row in db.execute(_POSITIONS, {"m": merchant_id, "variants": list(variant_ids)}):
        sources = (row.why or {}).get("sources", ())
        on_hand = sum(int(one["observed"] or 0) // max(1, int(one["per_variant"])) for one in sources)
        window = shown.get(row.variant_id)
        expected = window.until if isinstance(window, Window) else row.restock_until
        # What a window says of goods that are there is no restock.
        if row.state in FROM_STOCK:
            expected = None
        found[row.variant_id] = Supplies(on_hand, expected, row.is_failing)
    return found


def _open(
    db: sa.Connection,
    merchant_id: int,
    known: dict[tuple[int, str, str], Any],
    verdicts: Sequence[Verdict],
    now: datetime,
) -> int:
    """Open what is new and bring what is open up to date; how many were opened."""
    opened = 0
    for one in verdicts:
        line = known[one.key]
        opened += bool(
            db.execute(
                _OPEN,
                {
                    "m": merchant_id,
                    "c": line.connection_id,
                    "o": line.order_id,
                    "l": line.line_id,
                    "v": line.variant_id,
                    "u": line.open_units,
                    "placed": line.placed_at,
                    "due": one.due_on,
                    "basis": one.due_basis,
                    "reason": one.reason,
                    "expected": one.expected_on,
                    "value": (line.price_minor or 0) * line.open_units,
                    "currency": line.currency,
                    "now": now,
                    "opened": history(now, "dispo", "opened", one.reason),
                },
            ).scalar_one()
        )
    return opened


def _close_settled(
    db: sa.Connection,
    merchant_id: int,
    known: dict[tuple[int, str, str], Any],
    verdicts: dict[tuple[int, str, str], Verdict],
    now: datetime,
    found: list[int],
) -> int:
    """Close what is over: the line is gone or was shipped; or its goods are there and nobody chose otherwise."""
    closed = 0
    for row in db.execute(_STILL_OPEN, {"m": merchant_id}).all():
        key = _key(row)
        by = ""
        if row.open_units <= 0 or not row.holds_stock:
            by = "shipped" if row.is_shipped else "cancelled"
        elif key in known and key not in verdicts and row.status in ("open", "asked"):
            by = "stock"
        # A refund of ours that is under way ends by its own result.
        if not by or row.carry in ("todo", "unknown"):
            continue
        db.execute(
            _CLOSE,
            {
                "m": merchant_id,
                "id": row.id,
                "by": by,
                "now": now,
                "entry": history(now, "dispo", "closed", by),
            },
        )
        closed += 1
        if by == "stock" and row.status == "asked":
            found.append(row.id)
    return closed


# The state before the first movement after the order is the one its customer saw. A line whose risk ended
# for good is not looked at again; one that was found in time, or waited for, is.
_LINES = sa.text("""
    select l.connection_id, l.order_id, l.line_id, l.variant_id, l.units - l.shipped_units as open_units,
           o.placed_at, (o.placed_at at time zone m.timezone)::date as placed_on, p.until_on,
           coalesce(p.basis, '') as basis,
           coalesce((select state_before from movement t
                      where t.merchant_id = l.merchant_id and t.variant_id = l.variant_id and t.at > o.placed_at
                        and t.state_before <> '' order by t.id limit 1), pos.state, '') as state_then,
           exists (select 1 from allocation a
                     join source s on s.merchant_id = a.merchant_id and s.id = a.source_id
                    where a.merchant_id = l.merchant_id and a.connection_id = l.connection_id
                      and a.reference = l.order_id || '/' || l.line_id and a.units > 0
                      and (s.as_of is null or a.sold_at + make_interval(hours => s.handover_hours) > s.as_of)
           ) as is_deducted,
           exists (select 1 from order_doubt d
                    where d.merchant_id = l.merchant_id and d.connection_id = l.connection_id
                      and d.order_id = l.order_id and d.line_id = l.line_id and d.done_at is null) as is_refused,
           (select r.due_on from order_risk r
             where r.merchant_id = l.merchant_id and r.connection_id = l.connection_id and r.order_id = l.order_id
               and r.line_id = l.line_id and r.due_basis = 'agreed' order by r.id desc limit 1) as agreed_on,
           g.price_minor, coalesce(nullif(c.config ->> 'currency', ''), m.currency) as currency
      from store_order_line l
      join store_order o on o.merchant_id = l.merchant_id and o.connection_id = l.connection_id
                        and o.external_id = l.order_id
      join merchant m on m.id = l.merchant_id
      join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id and c.status <> 'ended'
      left join order_promise p on p.merchant_id = l.merchant_id and p.connection_id = l.connection_id
                               and p.order_id = l.order_id and p.line_id = l.line_id
      left join position pos on pos.merchant_id = l.merchant_id and pos.variant_id = l.variant_id
      left join lateral (
           select price_minor from listing
            where merchant_id = l.merchant_id and connection_id = l.connection_id
              and external_id = l.external_id order by id limit 1) g on true
     where l.merchant_id = :m and l.variant_id is not null and l.units > l.shipped_units and o.holds_stock
       and o.placed_at > cast(:now as timestamptz) - make_interval(days => :oldest)
       and not exists (
           select 1 from order_risk r
            where r.merchant_id = l.merchant_id and r.connection_id = l.connection_id
              and r.order_id = l.order_id and r.line_id = l.line_id and r.closed_at is not null
              and r.closed_by not in ('stock', 'wait'))
     order by l.variant_id, o.placed_at, l.order_id, l.line_id
""")

_POSITIONS = sa.text("""
    select p.variant_id, p.state, p.restock_until, p.why,
           exists (select 1 from connection c
                     left join source s on s.merchant_id = c.merchant_id and s.connection_id = c.id
                     left join schedule k on k.merchant_id = c.merchant_id and k.kind = 'supplier.sync'
                                         and k.subject_id = s.id
                    where c.merchant_id = p.merchant_id and c.id = p.evidence_connection_id
                      and (c.status <> 'active' or k.failures >= 3)) as is_failing
      from position p
     where p.merchant_id = :m and p.variant_id = any(cast(:variants as bigint[]))
""")

_OPEN = sa.text("""
    insert into order_risk as r (merchant_id, connection_id, order_id, line_id, variant_id, units, placed_at,
                                 due_on, due_basis, reason, expected_on, value_minor, currency, opened_at, history)
    values (:m, :c, :o, :l, :v, :u, :placed, :due, :basis, :reason, :expected, :value, :currency, :now,
            cast(:opened as jsonb))
        on conflict (merchant_id, connection_id, order_id, line_id) where closed_at is null
        do update set units = excluded.units, due_on = excluded.due_on, due_basis = excluded.due_basis,
                      reason = excluded.reason, expected_on = excluded.expected_on,
                      -- What the customer was told is what was paid; before, it is what the shop asks.
                      value_minor = case when r.answer_by is not null and r.units = excluded.units
                                         then r.value_minor else excluded.value_minor end,
                      currency = excluded.currency
    returning xmax = 0
""")

_STILL_OPEN = sa.text("""
    select r.id, r.connection_id, r.order_id, r.line_id, r.status, r.carry,
           coalesce(l.units - l.shipped_units, 0) as open_units, coalesce(o.holds_stock, false) as holds_stock,
           coalesce(o.holds_stock and l.shipped_units > 0 and l.shipped_units >= l.units, false) as is_shipped
      from order_risk r
      left join store_order_line l on l.merchant_id = r.merchant_id and l.connection_id = r.connection_id
                                  and l.order_id = r.order_id and l.line_id = r.line_id
      left join store_order o on o.merchant_id = r.merchant_id and o.connection_id = r.connection_id
                             and o.external_id = r.order_id
     where r.merchant_id = :m and r.closed_at is null
     order by r.id for update of r
""")

_CLOSE = sa.text("""
    update order_risk set status = 'closed', closed_at = :now, closed_by = :by,
           history = history || cast(:entry as jsonb)
     where merchant_id = :m and id = :id
""")
