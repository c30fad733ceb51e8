"""Ads by landing page, and the ledger of what was done to them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

PAGE = 50
SHOWS = ("ours", "enabled", "paused")

_ADS = """
    select a.id, a.external_id, a.kind, a.name, a.campaign, a.landing_page, a.seen_status, a.seen_at,
           a.paused_by_us_at, a.out_since, a.daily_spend, a.is_gone, a.connection_id, c.name as account
      from ad_link a join connection c on c.merchant_id = a.merchant_id and c.id = a.connection_id
     where a.merchant_id = :m and not a.is_gone
       and (:show = '' or (:show = 'ours' and a.paused_by_us_at is not null)
            or (:show <> 'ours' and a.seen_status = :show))
"""
EXPORT = sa.text(f"{_ADS} order by a.id")


def listed(
    db: sa.Connection, merchant_id: int, *, show: str = "", after: int = 0, limit: int = PAGE
) -> list[sa.Row[Any]]:
    """Ads with a landing page in the order they were found."""
    return list(
        db.execute(
            sa.text(f"{_ADS} and a.id > :after order by a.id limit :n"),
            {"m": merchant_id, "show": show, "after": after, "n": limit},
        )
    )


def counts(db: sa.Connection, merchant_id: int) -> sa.Row[Any]:
    """total, ours, enabled, paused, and `saved`: the spend that ended pauses saved in 30 days."""
    return db.execute(
        sa.text("""
            select count(*) as total, count(*) filter (where paused_by_us_at is not null) as ours,
                   count(*) filter (where seen_status = 'enabled') as enabled,
                   count(*) filter (where seen_status = 'paused') as paused,
                   (select sum(spend_saved) from ad_action where merchant_id = :m and not is_dry_run
                       and at > now() - interval '30 days') as saved
              from ad_link where merchant_id = :m and not is_gone
        """),
        {"m": merchant_id},
    ).one()


_LEDGER = """
    select t.id, t.at, t.action, t.outcome, t.reason, t.is_dry_run, t.spend_saved, a.name, a.landing_page,
           a.campaign, c.name as account
      from ad_action t
      join ad_link a on a.merchant_id = t.merchant_id and a.id = t.ad_link_id
      join connection c on c.merchant_id = a.merchant_id and c.id = a.connection_id
     where t.merchant_id = :m
"""
LEDGER_EXPORT = sa.text(f"{_LEDGER} order by t.id desc")


def ledger(db: sa.Connection, merchant_id: int, *, before: int = 0, limit: int = PAGE) -> list[sa.Row[Any]]:
    """What was done to ads, newest first."""
    return list(
        db.execute(
            sa.text(f"{_LEDGER} and (:before = 0 or t.id < :before) order by t.id desc limit :n"),
            {"m": merchant_id, "before": before, "n": limit},
        )
    )


def rules(db: sa.Connection, merchant_id: int) -> sa.Row[Any]:
    """is_ads_dry_run, ads_dwell_s, ads_blast_limit."""
    return db.execute(
        sa.text("select is_ads_dry_run, ads_dwell_s, ads_blast_limit from merchant where id = :m"),
        {"m": merchant_id},
    ).one()
