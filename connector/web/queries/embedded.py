"""What the page inside a platform's admin shows: how far the import is, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from connector.accounts.connections import ConnectionRow

Step = Literal["paused", "import", "place", "trouble", "supplier", "approve", "stopped", "works"]


@dataclass(frozen=True, slots=True)
class Facts:
    """A store as far as it is known. `listings` were read so far; `is_reading` now; `read_at` the last whole
    reading that ended well. `webhooks` is the number of kinds that are set, None before. `trouble` is why
    the last reading failed (English), "" when it did not."""

    listings: int
    managed: int
    is_reading: bool
    read_at: datetime | None
    webhooks: int | None
    trouble: str
    has_supplier: bool


def facts(db: sa.Connection, merchant_id: int, connection_id: int) -> Facts:
    """The facts of one store."""
    return Facts(*db.execute(_FACTS, {"m": merchant_id, "c": connection_id}).one())


_FACTS = sa.text("""
    select (select count(*) from listing l
             where l.merchant_id = :m and l.connection_id = :c and not l.is_gone),
           (select count(*) from listing l
             where l.merchant_id = :m and l.connection_id = :c and not l.is_gone and l.is_managed),
           exists (select 1 from schedule s
                    where s.merchant_id = :m and s.subject_id = :c and s.kind in ('store.full', 'store.catalog')
                      and s.lease_until > now()),
           (select max(r.finished_at) from reconciliation r
             where r.merchant_id = :m and r.connection_id = :c and r.error = ''),
           (select cast(c.cursors ->> 'webhooks' as int) from connection c
             where c.merchant_id = :m and c.id = :c),
           coalesce((select s.last_error from schedule s
                      where s.merchant_id = :m and s.subject_id = :c and s.failures > 0
                        and s.kind in ('store.full', 'store.catalog', 'store.webhooks')
                      order by s.kind desc limit 1), ''),
           exists (select 1 from source s where s.merchant_id = :m)
""")


def asks_for_place(seen: Facts) -> bool:
    """Whether the store could not be read because nobody said yet which of its places is written."""
    return seen.trouble != "" and seen.read_at is None


def next_step(row: ConnectionRow, seen: Facts, *, has_places: bool, needs_approval: bool) -> Step:
    """The one thing that comes next for this store."""
    if row.status == "paused":
        return "paused"
    if seen.read_at is None:
        if seen.trouble and not seen.is_reading:
            return "place" if has_places and not row.config.get("location_id") else "trouble"
        return "import"
    if row.is_writing_stopped:
        return "stopped"
    if needs_approval:
        return "approve"
    return "works" if row.writing_approved_at else "supplier"
