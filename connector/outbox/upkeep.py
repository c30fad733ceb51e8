"""Keeping the outbox healthy: expired leases, wake-ups, counts for pages, old rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox import sql

__all__ = ["PendingCount", "Swept", "Withdrawn", "pending_counts", "prune", "sweep", "wake", "withdraw"]

BATCH = 1_000


class Swept(NamedTuple):
    """What a sweep did: messages put back to pending, messages closed because a newer intent exists, and
    turns whose worker never came back."""

    returned: int
    superseded: int
    turns: int


class PendingCount(NamedTuple):
    """The backlog of one turn. `oldest_due_at` is None when all of it is claimed."""

    topic: str
    connection_id: int
    pending: int
    claimed: int
    oldest_due_at: datetime | None
    next_try_at: datetime
    failures: int
    last_error: str


class Withdrawn(NamedTuple):
    """An intent that nobody will work, as it was enqueued."""

    subject: str
    lane: int
    group_key: str


def sweep(engine: sa.Engine) -> Swept:
    """Put everything whose lease ran out back to pending, in batches of 1,000 messages.

    Several processes may sweep at once. Run it more often than leases are long, or a killed worker's
    subjects wait: every few seconds.
    """
    returned = superseded = 0
    while True:
        with transaction(engine) as db:
            rows = db.execute(sql.PUT_BACK_EXPIRED, {"limit": BATCH}).all()
        pending = sum(row.is_pending for row in rows)
        returned += pending
        superseded += len(rows) - pending
        if len(rows) < BATCH:
            break
    with transaction(engine) as db:
        turns = db.execute(sql.CLEAR_EXPIRED_TURNS).rowcount
    return Swept(returned, superseded, turns)


def wake(db: sa.Connection, merchant_id: int, connection_id: int) -> int:
    """Let the waiting turns of a connection be served at once, for a connection that was repaired or
    resumed; returns how many waited. A leased turn keeps its worker."""
    return db.execute(sql.WAKE, {"merchant": merchant_id, "connection": connection_id}).rowcount


def withdraw(db: sa.Connection, merchant_id: int, topic: str, connection_id: int) -> list[Withdrawn]:
    """Take back what waits for a connection that ends, in the caller's transaction; what a worker has stays its own."""
    given = {"merchant": merchant_id, "topic": topic, "connection": connection_id}
    return [Withdrawn(*row) for row in db.execute(sql.WITHDRAW, given)]


def pending_counts(db: sa.Connection, merchant_id: int) -> list[PendingCount]:
    """What waits for this merchant, one row per turn with work, by (topic, connection)."""
    return [PendingCount(*row) for row in db.execute(sql.PENDING_COUNTS, {"merchant": merchant_id})]


def prune(engine: sa.Engine, older_than: timedelta) -> int:
    """Delete messages settled longer ago than `older_than`; returns how many. Works in short transactions."""
    deleted = 0
    while True:
        with transaction(engine) as db:
            count = db.execute(
                sql.PRUNE, {"older_s": older_than.total_seconds(), "limit": 10 * BATCH}
            ).rowcount
        deleted += count
        if count < 10 * BATCH:
            return deleted
