"""What happens now: the numbers, the latest movements, and what waits for the merchant."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts import entitlements
from connector.delivery.live_orders import open_doubts
from connector.outbox.upkeep import pending_counts

SELLABLE_STATES = ("in_stock", "low_stock", "backorder", "made_to_order", "preorder")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The merchant's day in numbers. `sellable`, `low`, `out` and `restocking` count variants."""

    sellable: int
    low: int
    out: int
    restocking: int
    waiting: int
    ads_paused: int
    sent_today: int
    pending: int


def numbers(db: sa.Connection, merchant_id: int, start_of_day: datetime) -> Numbers:
    """The numbers of this moment. `start_of_day` is the merchant's midnight."""
    states: dict[str, int] = {row.state: row.many for row in db.execute(_STATES, {"m": merchant_id})}
    rest = db.execute(_REST, {"m": merchant_id, "since": start_of_day}).one()
    return Numbers(
        sellable=sum(states.get(state, 0) for state in SELLABLE_STATES),
        low=states.get("low_stock", 0),
        out=states.get("out_of_stock", 0),
        restocking=states.get("restocking", 0),
        waiting=rest.waiting,
        ads_paused=rest.ads_paused,
        sent_today=rest.sent_today,
        pending=sum(turn.pending + turn.claimed for turn in pending_counts(db, merchant_id)),
    )


def movements(db: sa.Connection, merchant_id: int, limit: int = 14) -> list[sa.Row[Any]]:
    """The latest changes of what may be sold, newest first."""
    return list(db.execute(_MOVEMENTS, {"m": merchant_id, "n": limit}))


def has_anything(db: sa.Connection, merchant_id: int) -> sa.Row[Any]:
    """Which parts of the set-up exist: has_store, has_supplier, has_position."""
    return db.execute(_HAS, {"m": merchant_id}).one()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for the merchant's word. Each list holds rows with ids and names."""

    stores: list[sa.Row[Any]]
    runs: list[sa.Row[Any]]
    accounts: list[sa.Row[Any]]
    unknown_messages: int
    failed_messages: int
    plan_changes: int = 0
    orders: list[sa.Row[Any]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Decisions, not messages: how many cards a page shows."""
        cards = len(self.stores) + len(self.runs) + len(self.accounts) + len(self.orders)
        return cards + bool(self.unknown_messages) + bool(self.plan_changes)


def waiting(db: sa.Connection, merchant_id: int, now: datetime) -> Waiting:
    """Stores whose first difference is not approved, held runs, held pauses of ads, messages of the
    last 30 days nobody knows the end of, and lines of orders that their supplier cannot serve."""
    given = {"m": merchant_id, "now": now}
    counts = db.execute(_LOST_MESSAGES, given).one()
    return Waiting(
        stores=list(db.execute(_UNAPPROVED, given)),
        runs=list(db.execute(_HELD_RUNS, given)),
        accounts=list(db.execute(_HELD_ADS, given)),
        unknown_messages=counts.unknown,
        failed_messages=counts.failed,
        plan_changes=entitlements.unseen(db, merchant_id),
        orders=open_doubts(db, merchant_id),
    )


_STATES = sa.text(
    "select state, count(*) as many from position where merchant_id = :m and version > 0 group by state"
)
_REST = sa.text("""
    select (select count(*) from subscription where merchant_id = :m and status = 'waiting') as waiting,
           (select count(*) from ad_link
             where merchant_id = :m and paused_by_us_at is not null and not is_gone) as ads_paused,
           (select count(*) from message
             where merchant_id = :m and status = 'sent' and settled_at >= :since) as sent_today
""")
_MOVEMENTS = sa.text("""
    select t.id, t.at, t.cause, t.run_id, t.reference, t.available_before, t.available_after,
           t.state_before, t.state_after, t.variant_id, v.sku, v.title
      from (select * from movement where merchant_id = :m order by id desc limit :n) t
      join variant v on v.merchant_id = :m and v.id = t.variant_id
     order by t.id desc
""")
_HAS = sa.text("""
    select exists(select 1 from connection where merchant_id = :m and kind = 'store'
                     and status <> 'ended') as has_store,
           exists(select 1 from connection where merchant_id = :m and kind = 'supplier'
                     and status <> 'ended') as has_supplier,
           exists(select 1 from position where merchant_id = :m and version > 0) as has_position
""")
_UNAPPROVED = sa.text("""
    select c.id, c.name from connection c
     where c.merchant_id = :m and c.kind = 'store' and c.status = 'active' and c.writing_approved_at is null
       and exists (select 1 from listing l where l.merchant_id = :m and l.connection_id = c.id
                      and l.is_managed and l.wanted_available is not null)
     order by c.id
""")
_HELD_RUNS = sa.text("""
    select r.id, r.status, r.rows_held, r.error, r.started_at, s.name from run r
      join source s on s.merchant_id = r.merchant_id and s.id = r.source_id
     where r.merchant_id = :m
       and (r.status = 'held'
            or (r.status = 'partly_held'
                and exists (select 1 from held_change h where h.merchant_id = :m and h.run_id = r.id
                               and h.status = 'held')))
       and r.started_at > :now - interval '90 days'
     order by r.id desc limit 10
""")
# A hold is open while nothing was paused in that account after it and it is younger than a day: the
# account is looked at again every few minutes, and asks again while there is a reason to.
_HELD_ADS = sa.text("""
    select c.id, c.name, max(a.id) as action_id,
           (array_agg(a.reason order by a.id desc))[1] as reason
      from ad_action a
      join ad_link l on l.merchant_id = a.merchant_id and l.id = a.ad_link_id
      join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id
     where a.merchant_id = :m and a.action = 'hold' and a.at > :now - interval '1 day'
       and c.status = 'active'
       and coalesce((c.cursors ->> 'blast_approved_at')::timestamptz, '-infinity') < a.at
     group by c.id, c.name order by c.id
""")
_LOST_MESSAGES = sa.text("""
    select count(*) filter (where status = 'unknown') as unknown,
           count(*) filter (where status = 'failed') as failed
      from message where merchant_id = :m and status in ('unknown', 'failed')
       and created_at > :now - interval '30 days'
""")
