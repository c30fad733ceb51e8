"""How far the looking at product pages is."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def pages(db: sa.Connection, merchant_id: int) -> sa.Row[Any]:
    """total, inspected, `clicks` in 28 days, and `latest_at` when a page was last looked at."""
    return db.execute(
        sa.text("""
            select count(*) as total, count(s.inspected_at) as inspected,
                   coalesce(sum(s.clicks), 0) as clicks, max(s.inspected_at) as latest_at
              from search_page s
              join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
               and c.status <> 'ended'
             where s.merchant_id = :m
        """),
        {"m": merchant_id},
    ).one()
