"""Every connection with how it is doing: when it last worked, and what to mend when it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.accounts.connections import ConnectionRow, connections
from connector.outbox.upkeep import PendingCount, pending_counts
from connector.ports.errors import Misconfigured
from connector.registry import manifest


@dataclass(frozen=True, slots=True)
class Health:
    """One connection and its health.

    `level`: "good", "wait" (for the merchant's approval), "warn" (it works, but look), "stop" (nothing
    travels). `what` is a stable word for why, `detail` the reason in words (English, from the far side),
    `last_at` when it last worked, `facts` the counts a page shows.
    """

    row: ConnectionRow
    title: str
    level: str
    what: str
    detail: str
    last_at: datetime | None
    facts: dict[str, int]
    source_id: int | None = None
    overwritten: tuple[Overwritten, ...] = ()


@dataclass(frozen=True, slots=True)
class Overwritten:
    """A listing that was left to somebody else who keeps setting its number: `ours` and `theirs` when it was
    last looked at, how many `times` that was within the window, and since when it is left."""

    sku: str
    title: str
    ours: int
    theirs: int
    times: int
    yielded_at: datetime


def health(db: sa.Connection, merchant_id: int, now: datetime, kind: str = "") -> list[Health]:
    """Every connection that has not ended, oldest first."""
    rows = connections(db, merchant_id, kind)
    facts = {row.id: row for row in db.execute(_FACTS, {"m": merchant_id})}
    turns = pending_counts(db, merchant_id)
    overwritten = _overwritten(db, merchant_id)
    return [
        replace(_judge(row, facts.get(row.id), turns, now), overwritten=overwritten.get(row.id, ()))
        for row in rows
    ]


def _overwritten(db: sa.Connection, merchant_id: int) -> dict[int, tuple[Overwritten, ...]]:
    """The newest few of each store."""
    found: dict[int, tuple[Overwritten, ...]] = {}
    for row in db.execute(_OVERWRITTEN, {"m": merchant_id, "n": OVERWRITTEN_SHOWN}):
        found[row.connection_id] = (*found.get(row.connection_id, ()), Overwritten(*row[1:]))
    return found


def title_of(row: ConnectionRow) -> str:
    """The adapter's name for people."""
    try:
        return manifest(row.port, row.adapter).title
    except Misconfigured:
        return row.adapter


def _judge(row: ConnectionRow, facts: Any, turns: list[PendingCount], now: datetime) -> Health:
    waiting = [turn for turn in turns if turn.connection_id == row.id]
    counts = {
        "pending": sum(turn.pending + turn.claimed for turn in waiting),
        "listings": facts.listings if facts else 0,
        "managed": facts.managed if facts else 0,
        "variants": facts.items if facts else 0,
        "ads": facts.ads if facts else 0,
        "paused": facts.paused if facts else 0,
        "yielded": facts.yielded if facts else 0,
    }
    last_at = facts.last_at if facts else None
    stuck = next((turn for turn in waiting if turn.failures >= 3), None)

    def say(level: str, what: str, detail: str = "") -> Health:
        source_id = facts.source_id if facts else None
        return Health(row, title_of(row), level, what, detail, last_at, counts, source_id)

    if row.status == "paused":
        return say("stop", "paused", row.status_reason)
    if row.is_writing_stopped:
        return say("stop", "writing_stopped")
    if stuck is not None:
        return say("warn", "not_delivered", stuck.last_error)
    if facts and facts.error:
        return say("warn", "last_failed", facts.error)
    if facts and facts.badges_problem:
        return say("warn", "no_badges", facts.badges_problem)
    if row.kind == "store" and row.writing_approved_at is None:
        return say("wait", "not_approved")
    if counts["yielded"]:
        return say("warn", "overwritten")
    if row.kind == "supplier" and facts and _is_old(facts, now):
        return say("warn", "old")
    if row.kind != "channel" and last_at is None:
        return say("wait", "being_read" if facts and facts.is_reading else "first_read")
    return say("good", "fine")


def _is_old(facts: Any, now: datetime) -> bool:
    if facts.last_at is None or facts.max_age_hours is None:
        return False
    return bool(now - facts.last_at > timedelta(hours=facts.max_age_hours))


# The error of a schedule row stays until its next run ends well, so it is always the present one.
_FACTS = sa.text("""
    with listings as (
      select connection_id, count(*) as many, count(*) filter (where is_managed) as managed,
             count(*) filter (where yielded_at is not null) as yielded
        from listing where merchant_id = :m and not is_gone group by connection_id),
    items as (
      select source_id, count(*) as many from supplier_item where merchant_id = :m group by source_id),
    ads as (
      select connection_id, count(*) filter (where not is_gone) as many,
             count(*) filter (where paused_by_us_at is not null) as paused, max(seen_at) as seen_at
        from ad_link where merchant_id = :m group by connection_id)
    select c.id, s.id as source_id, s.max_age_hours, coalesce(l.many, 0) as listings,
           coalesce(l.managed, 0) as managed, coalesce(i.many, 0) as items, coalesce(a.many, 0) as ads,
           coalesce(a.paused, 0) as paused, coalesce(l.yielded, 0) as yielded,
           coalesce(c.cursors ->> 'badges_problem', '') as badges_problem,
           exists (select 1 from schedule h
                    where h.merchant_id = :m and h.subject_id = c.id and c.kind = 'store'
                      and h.kind in ('store.full', 'store.catalog') and h.lease_until > now()) as is_reading,
           case c.kind
             when 'store' then (select max(r.finished_at) from reconciliation r
                                 where r.merchant_id = :m and r.connection_id = c.id and r.error = '')
             when 'supplier' then s.as_of
             when 'ads' then a.seen_at
             when 'search' then (select max(g.inspected_at) from search_page g
                                  where g.merchant_id = :m and g.connection_id = c.id)
           end as last_at,
           coalesce((select h.last_error from schedule h
                      where h.merchant_id = :m and h.last_error <> '' and h.failures > 0
                        and ((h.kind in ('supplier.sync', 'supplier.upload') and h.subject_id = s.id)
                          or (h.kind like 'store.%' and c.kind = 'store' and h.subject_id = c.id)
                          or (h.kind like 'ads.%' and c.kind = 'ads' and h.subject_id = c.id)
                          or (h.kind like 'search.%' and c.kind = 'search' and h.subject_id = c.id))
                      order by h.failures desc limit 1), '') as error
      from connection c
      left join source s on s.merchant_id = c.merchant_id and s.connection_id = c.id and c.kind = 'supplier'
      left join listings l on l.connection_id = c.id
      left join items i on i.source_id = s.id
      left join ads a on a.connection_id = c.id
     where c.merchant_id = :m and c.status <> 'ended'
""")


OVERWRITTEN_SHOWN = 10

_OVERWRITTEN = sa.text("""
    select connection_id, sku, title, believed, found, times, yielded_at from (
      select l.connection_id, l.id, l.sku, l.title, w.believed, w.found, w.times, l.yielded_at,
             row_number() over (partition by l.connection_id order by l.yielded_at desc, l.id) as place
        from listing l
        join lateral (select (array_agg(f.believed order by f.id desc))[1] as believed,
                             (array_agg(f.found order by f.id desc))[1] as found, count(*) as times
                        from foreign_write f
                       where f.merchant_id = :m and f.listing_id = l.id) w on w.times > 0
       where l.merchant_id = :m and l.yielded_at is not null) newest
     where place <= :n order by connection_id, place
""")


def reconciliations(
    db: sa.Connection, merchant_id: int, connection_id: int, limit: int = 8
) -> list[sa.Row[Any]]:
    """The latest comparisons of a store with what it should say."""
    return list(
        db.execute(
            sa.text("""
                select id, started_at, finished_at, listings_read, sales_learnt, drifted, repaired, error
                  from reconciliation where merchant_id = :m and connection_id = :c
                 order by id desc limit :n
            """),
            {"m": merchant_id, "c": connection_id, "n": limit},
        )
    )


def schedules(
    db: sa.Connection, merchant_id: int, connection_id: int, source_id: int | None
) -> list[sa.Row[Any]]:
    """What is done regularly for this connection and when next."""
    return list(
        db.execute(
            sa.text("""
                select kind, subject_id, every_s, least(next_run_at, rerun_at) as due_at, failures, last_error
                  from schedule
                 where merchant_id = :m
                   and ((kind in ('supplier.sync', 'supplier.upload') and subject_id = :s)
                     or (split_part(kind, '.', 1) in ('store', 'ads', 'search') and subject_id = :c))
                 order by kind
            """),
            {"m": merchant_id, "c": connection_id, "s": source_id or 0},
        )
    )


EXPORT = sa.text("""
    select id, kind, adapter, name, status, status_reason, writing_approved_at, is_writing_stopped, created_at
      from connection where merchant_id = :m and status <> 'ended' order by id
""")
