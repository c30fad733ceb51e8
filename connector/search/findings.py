"""Findings open, stay and close by themselves; the merchant may dismiss one and take that back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.ports.errors import Misconfigured
from connector.search.facts import facts_of
from connector.search.rules import Found, judge

PAGE = 50
MOST_DAYS = 730
JUDGED_HERE = 10_000
"""Up to so many pages are judged anew at once when the merchant changes the days, more by the next look."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """How many findings are open, and how many of them are new or were closed just now."""

    is_open: int
    opened: int
    closed: int


def conclude(db: sa.Connection, merchant_id: int, connection_id: int, now: datetime) -> Concluded:
    """Bring the findings of one connection up to date, in the caller's transaction."""
    days_out = days_of(db, merchant_id)
    found = [
        (page.page_key, one)
        for page in facts_of(db, merchant_id, connection_id)
        for one in judge(page, days_out, now)
    ]
    return _settle(db, merchant_id, connection_id, found, now)


def conclude_all(db: sa.Connection, merchant_id: int, now: datetime) -> None:
    """As `conclude`, for every search connection of the merchant."""
    ids = db.execute(
        sa.text("select id from connection where merchant_id = :m and kind = 'search' and status <> 'ended'"),
        {"m": merchant_id},
    ).scalars()
    for connection_id in list(ids):
        conclude(db, merchant_id, connection_id, now)


def _settle(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    found: Iterable[tuple[str, Found]],
    now: datetime,
) -> Concluded:
    rows = list(found)
    values = {
        "m": merchant_id,
        "c": connection_id,
        "now": now,
        "keys": [key for key, _ in rows],
        "kinds": [one.kind for _, one in rows],
        "causes": [one.cause for _, one in rows],
        "sinces": [one.since for _, one in rows],
        "details": [json.dumps(one.detail) for _, one in rows],
    }
    closed = db.execute(_CLOSE, values).rowcount
    opened = sum(db.execute(_OPEN, values).scalars())
    return Concluded(len(rows), opened, closed)


_CLOSE = sa.text("""
    update search_finding f set closed_at = :now
     where f.merchant_id = :m and f.connection_id = :c and f.closed_at is null
       and (f.page_key, f.kind) not in (
           select n.key, n.kind from unnest(cast(:keys as text[]), cast(:kinds as text[])) as n(key, kind))
""")

# xmax is 0 in a row that was inserted: it tells what is new from what stays.
_OPEN = sa.text("""
    insert into search_finding as f (merchant_id, connection_id, page_key, kind, cause, since, detail,
                                     opened_at, seen_at)
    select :m, :c, n.key, n.kind, n.cause, n.since, cast(n.detail as jsonb), :now, :now
      from unnest(cast(:keys as text[]), cast(:kinds as text[]), cast(:causes as text[]),
                  cast(:sinces as timestamptz[]), cast(:details as text[]))
           as n(key, kind, cause, since, detail)
     order by n.key, n.kind
        on conflict (merchant_id, connection_id, page_key, kind) where closed_at is null do update
       set cause = excluded.cause, since = excluded.since, detail = excluded.detail, seen_at = excluded.seen_at
    returning cast(xmax = 0 as int)
""")


def set_dismissed(
    db: sa.Connection, merchant_id: int, finding_id: int, *, is_dismissed: bool, actor: str, now: datetime
) -> bool:
    """Hide an open finding until it closes, or show it again. False when there is no such open finding."""
    done = db.execute(
        sa.text("""
            update search_finding set dismissed_at = cast(:at as timestamptz)
             where merchant_id = :m and id = :f and closed_at is null
        """),
        {"m": merchant_id, "f": finding_id, "at": now if is_dismissed else None},
    ).rowcount
    if done:
        action = "search.dismiss" if is_dismissed else "search.undismiss"
        record(db, merchant_id, now, actor, action, f"finding {finding_id}")
    return done > 0


def days_of(db: sa.Connection, merchant_id: int) -> int:
    """After how many days sold out is long."""
    found = db.execute(
        sa.text("select search_days_out from merchant where id = :m"), {"m": merchant_id}
    ).scalar_one()
    return int(found)


def set_days(db: sa.Connection, merchant_id: int, days: int, *, actor: str, now: datetime) -> None:
    """Choose it and judge every page anew, where there are many at the next hourly look. Raises Misconfigured
    for what is no number of days."""
    if not 1 <= days <= MOST_DAYS:
        raise Misconfigured(
            "dispo",
            "search",
            "The number of days is out of range.",
            f"Use 1 to {MOST_DAYS}.",
            field="days_out",
        )
    db.execute(
        sa.text("update merchant set search_days_out = :d where id = :m"), {"d": days, "m": merchant_id}
    )
    record(db, merchant_id, now, actor, "search.days", "search", {"days_out": days})
    pages = db.execute(
        sa.text("select count(*) from search_page where merchant_id = :m"), {"m": merchant_id}
    ).scalar_one()
    if pages <= JUDGED_HERE:
        conclude_all(db, merchant_id, now)


# Of several listings on one page the first names it.
_LIST = """
    select f.id, f.connection_id, f.page_key, f.kind, f.cause, f.since, f.detail, f.opened_at, f.seen_at,
           f.closed_at, f.dismissed_at, s.url, s.clicks, s.impressions, s.crawled_at, s.looked_at, s.report_url,
           coalesce(l.title, k.title, '') as title, coalesce(l.variant_id, k.variant_id) as variant_id
      from search_finding f
      join connection c on c.merchant_id = f.merchant_id and c.id = f.connection_id and c.status <> 'ended'
      join search_page s on s.merchant_id = f.merchant_id and s.connection_id = f.connection_id
       and s.page_key = f.page_key
      left join lateral (
        select title, variant_id from listing
         where merchant_id = f.merchant_id and page_key = f.page_key order by id limit 1) l on true
      left join lateral (
        select title, variant_id from listing
         where l.title is null and merchant_id = f.merchant_id and connection_id = s.store_id
           and product_id = s.product_id order by id limit 1) k on true
     where f.merchant_id = :m and (:kind = '' or f.kind = :kind)
       and case :state when 'open' then f.closed_at is null and f.dismissed_at is null
                       when 'dismissed' then f.closed_at is null and f.dismissed_at is not null
                       else f.closed_at is not null end
"""
EXPORT = sa.text(f"{_LIST} order by s.clicks desc, s.impressions desc, f.id")
STATES = ("open", "dismissed", "closed")


def listed(
    db: sa.Connection,
    merchant_id: int,
    *,
    kind: str = "",
    state: str = "open",
    skip: int = 0,
    limit: int = PAGE,
) -> list[sa.Row[Any]]:
    """Findings of one state, the most clicked pages first."""
    return list(
        db.execute(
            sa.text(f"{_LIST} order by s.clicks desc, s.impressions desc, f.id offset :skip limit :n"),
            {"m": merchant_id, "kind": kind, "state": state, "skip": skip, "n": limit},
        )
    )


def counts(db: sa.Connection, merchant_id: int) -> dict[str, int]:
    """How many findings there are: "open" and "dismissed", "clicks" of the pages with an open one, and for
    each kind the open ones under its name."""
    rows = db.execute(
        sa.text("""
            select f.kind, f.dismissed_at is not null as is_dismissed, count(*) as many
              from search_finding f
              join connection c on c.merchant_id = f.merchant_id and c.id = f.connection_id
               and c.status <> 'ended'
             where f.merchant_id = :m and f.closed_at is null group by 1, 2
        """),
        {"m": merchant_id},
    ).all()
    found = {row.kind: int(row.many) for row in rows if not row.is_dismissed}
    clicks = db.execute(
        sa.text("""
            select coalesce(sum(s.clicks), 0) from search_page s
              join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
               and c.status <> 'ended'
             where s.merchant_id = :m and exists (
                   select 1 from search_finding f
                    where f.merchant_id = :m and f.connection_id = s.connection_id
                      and f.page_key = s.page_key and f.closed_at is null and f.dismissed_at is null)
        """),
        {"m": merchant_id},
    ).scalar_one()
    return {
        **found,
        "open": sum(found.values()),
        "dismissed": sum(int(row.many) for row in rows if row.is_dismissed),
        "clicks": int(clicks),
    }
