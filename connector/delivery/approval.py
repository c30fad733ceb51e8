"""Nothing is written before it is allowed: the difference, its approval, and the stop switch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.delivery import foreign
from connector.delivery.scripts import look_after
from connector.positions.decide import enqueue_store

MANAGED = "l.is_managed and not l.is_excluded and not l.is_gone and l.problem = '' and l.yielded_at is null"
"""Of the table `listing l`: Dispo may write it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What writing would change in one store, by danger. Counts are listings.

    `to_zero` sell but are out; `down` show too many; `back` are in but hidden; `up` show too few;
    `same` are right already; `unwritable` have a problem; `unmatched` are no supplier's item.
    """

    to_zero: int
    down: int
    back: int
    up: int
    same: int
    unwritable: int
    unmatched: int

    @property
    def total(self) -> int:
        return self.to_zero + self.down + self.back + self.up


def difference(db: sa.Connection, merchant_id: int, connection_id: int) -> Difference:
    """The difference between what the store says and what it should say."""
    row = db.execute(
        sa.text(f"""
            select
              count(*) filter (where {MANAGED} and w = 0 and b > 0) as to_zero,
              count(*) filter (where {MANAGED} and w > 0 and w < b) as down,
              count(*) filter (where {MANAGED} and w > 0 and b <= 0) as back,
              count(*) filter (where {MANAGED} and b > 0 and w > b) as up,
              count(*) filter (where {MANAGED} and (w = b or (w = 0 and b < 0))) as same,
              count(*) filter (where l.is_managed and not l.is_gone and l.problem <> '') as unwritable,
              count(*) filter (where not l.is_managed and not l.is_gone) as unmatched
            from (select *, wanted_available as w, believed_available as b from listing) l
           where l.merchant_id = :m and l.connection_id = :c
        """),  # noqa: S608 - a constant of this module, no input
        {"m": merchant_id, "c": connection_id},
    ).one()
    return Difference(*row)


@dataclass(frozen=True, slots=True)
class Sample:
    """One listing that would change: what the store says and what it should say."""

    sku: str
    title: str
    now: int | None
    wanted: int
    state: str


def samples(db: sa.Connection, merchant_id: int, connection_id: int, limit: int = 20) -> list[Sample]:
    """The first differences, the most dangerous first."""
    rows = db.execute(
        sa.text(f"""
            select l.sku, l.title, l.believed_available, l.wanted_available, l.wanted_state from listing l
             where l.merchant_id = :m and l.connection_id = :c and {MANAGED}
               and l.wanted_available is distinct from l.believed_available
             order by (l.wanted_available = 0) desc, l.wanted_available - coalesce(l.believed_available, 0), l.id
             limit :n
        """),  # noqa: S608 - a constant of this module, no input
        {"m": merchant_id, "c": connection_id, "n": limit},
    )
    return [Sample(*row) for row in rows]


def approve(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> int:
    """Allow writing to this store and enqueue its differences. Approving again changes nothing.
    Returns the number of intents."""
    db.execute(
        sa.text("""
            update connection set writing_approved_at = coalesce(writing_approved_at, :now)
             where merchant_id = :m and id = :c and kind = 'store'
        """),
        {"m": merchant_id, "c": connection_id, "now": now},
    )
    record(db, merchant_id, now, actor, "store.approve", f"connection {connection_id}")
    count = enqueue_store(db, merchant_id, connection_id)
    look_after(db, merchant_id, connection_id)
    return count


def stop_writing(
    db: sa.Connection, merchant_id: int, connection_id: int, *, is_stopped: bool, actor: str, now: datetime
) -> int:
    """The stop-writing switch of one store. Switching it off enqueues what differs by then, also of listings
    that were left to another writer."""
    if not is_stopped:
        foreign.go_on(db, merchant_id, connection_id)
    db.execute(
        sa.text("""
            update connection set is_writing_stopped = :s where merchant_id = :m and id = :c and kind = 'store'
        """),
        {"m": merchant_id, "c": connection_id, "s": is_stopped},
    )
    record(
        db,
        merchant_id,
        now,
        actor,
        "store.stop_writing" if is_stopped else "store.go_on",
        f"connection {connection_id}",
    )
    if is_stopped:
        return 0
    count = enqueue_store(db, merchant_id, connection_id)
    look_after(db, merchant_id, connection_id)
    return count
