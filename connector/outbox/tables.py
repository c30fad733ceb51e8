"""Intents to change the outside world, whose turn it is, and the frozen requests that carry them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant

_PENDING = sa.text("status = 'pending'")
_CLAIMED = sa.text("status = 'claimed'")


class OutboxMessage(SQLModel, table=True):
    """One intent: "make `subject` right at `connection_id`". It holds no payload; the handler reads
    the present truth when it runs.

    At most one pending and one claimed row exist per (topic, connection, subject): the two partial
    unique indexes carry that. `lane` 1 is the most dangerous. `group_key` keeps what travels together
    next to each other. Ends as done, failed, superseded or unknown.
    """

    __tablename__ = "outbox_message"
    __table_args__ = (
        sa.Index(
            "outbox_message_one_pending_idx",
            "merchant_id",
            "topic",
            "connection_id",
            "subject",
            unique=True,
            postgresql_where=_PENDING,
        ),
        sa.Index(
            "outbox_message_one_claimed_idx",
            "merchant_id",
            "topic",
            "connection_id",
            "subject",
            unique=True,
            postgresql_where=_CLAIMED,
        ),
        sa.Index(
            "outbox_message_next_idx",
            "merchant_id",
            "topic",
            "connection_id",
            "lane",
            "group_key",
            "id",
            postgresql_where=_PENDING,
        ),
        # Read in jumps to list the turns that have work (its first row of a turn is the earliest due),
        # and forwards to serve the oldest first.
        sa.Index(
            "outbox_message_due_idx",
            "topic",
            "merchant_id",
            "connection_id",
            "due_at",
            postgresql_where=_PENDING,
        ),
        sa.Index("outbox_message_lease_idx", "lease_until", postgresql_where=_CLAIMED),
        sa.Index(
            "outbox_message_settled_idx",
            "settled_at",
            postgresql_where=sa.text("settled_at is not null"),
        ),
        sa.CheckConstraint(
            "status in ('pending', 'claimed', 'done', 'failed', 'superseded', 'unknown')", name="status"
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    topic: str
    connection_id: int = Field(default=0, sa_type=sa.BigInteger)
    subject: str
    lane: int = Field(default=5, sa_type=sa.SmallInteger)
    group_key: str = ""
    status: str = "pending"
    enqueued_at: datetime
    due_at: datetime
    tries: int = 0
    lease_token: UUID | None = None
    lease_until: datetime | None = None
    settled_at: datetime | None = None
    note: str = ""


class OutboxTurn(SQLModel, table=True):
    """Whose turn it is: one row per (merchant, topic, connection), so that one claimer works on it at a
    time, a failing one waits alone until `next_try_at`, and the longest unserved comes first. `claims`
    counts the claims so far: every tenth serves the oldest first."""

    __tablename__ = "outbox_turn"
    __table_args__ = (
        sa.Index("outbox_turn_lease_idx", "lease_until", postgresql_where=sa.text("lease_until is not null")),
    )
    merchant_id: int = tenant()
    topic: str = Field(primary_key=True)
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    served_at: datetime
    next_try_at: datetime
    failures: int = 0
    last_error: str = ""
    claims: int = 0
    lease_token: UUID | None = None
    lease_until: datetime | None = None


class DeliveryAttempt(SQLModel, table=True):
    """A request exactly as it was, is or will be sent, with the key it goes under.

    "frozen" before it leaves, "sent" from the moment it may have left, then "succeeded", "failed" or
    "unknown". `generation` rises when the platform declares a key spent.
    """

    __tablename__ = "delivery_attempt"
    __table_args__ = (
        sa.CheckConstraint(
            "status in ('frozen', 'sent', 'succeeded', 'failed', 'unknown', 'resolved')", name="status"
        ),
        sa.Index(
            "delivery_attempt_open_idx",
            "merchant_id",
            "connection_id",
            postgresql_where=sa.text("status in ('frozen', 'sent', 'unknown')"),
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    topic: str
    operation: str
    request: dict[str, Any] = json_field()
    digest: str
    generation: int = 0
    idempotency_key: UUID
    status: str = "frozen"
    created_at: datetime
    sent_at: datetime | None = None
    settled_at: datetime | None = None
    note: str = ""
