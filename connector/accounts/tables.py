"""Merchants, the people who sign in, the connections they made, what is due when, and what was done."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class Merchant(SQLModel, table=True):
    """A business with its default rules. Units are sellable units; `claim_rate` is the share of
    invited shoppers expected to buy."""

    __tablename__ = "merchant"
    id: int | None = Field(
        default=None, sa_type=sa.BigInteger, primary_key=True, sa_column_args=(sa.Identity(),)
    )
    name: str
    locale: str = "en"
    timezone: str = "UTC"
    currency: str = "EUR"
    created_at: datetime
    buffer_units: int = 0
    cap_units: int | None = None
    low_stock_threshold: int = 3
    shows_count: bool = False
    allows_backorder: bool = False
    claim_rate: Decimal = Field(default=Decimal("0.2"), max_digits=5, decimal_places=4)
    sender_name: str = ""
    reply_to: str = ""
    privacy_url: str = ""
    ads_dwell_s: int = 60
    ads_blast_limit: int = 50
    is_ads_dry_run: bool = False
    search_days_out: int = 30
    is_frozen: bool = False


class User(SQLModel, table=True):
    """Somebody who may sign in for one merchant."""

    __tablename__ = "app_user"
    __table_args__ = (sa.UniqueConstraint("email"),)
    merchant_id: int = tenant()
    id: int | None = identity()
    email: str
    password_hash: str
    locale: str = ""
    session_version: int = 1
    created_at: datetime


class Connection(SQLModel, table=True):
    """A link to the outside: a store, a supplier, an ad account, a channel.

    `sealed` holds its secrets encrypted; `public_key` is the unguessable part of its public addresses
    (webhooks, storefront). A store writes nothing until `writing_approved_at` is set, and nothing while
    `is_writing_stopped`. `cursors` remembers how far its changes were read.
    """

    __tablename__ = "connection"
    __table_args__ = (
        sa.UniqueConstraint("public_key"),
        sa.CheckConstraint("status in ('active', 'paused', 'ended')", name="status"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    kind: str
    adapter: str
    name: str
    config: dict[str, Any] = json_field()
    sealed: bytes = b""
    public_key: str
    status: str = "active"
    status_reason: str = ""
    writing_approved_at: datetime | None = None
    is_writing_stopped: bool = False
    cursors: dict[str, Any] = json_field()
    created_at: datetime


class Schedule(SQLModel, table=True):
    """What is done again and again: `kind` for `subject_id`, next at `next_run_at`, every `every_s`.

    `rerun_at` is one more run outside the period: after a failure, or because somebody asked. A claimed
    row is leased until `lease_until` on the database clock. `failures` counts those in a row.
    """

    __tablename__ = "schedule"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "kind", "subject_id"),
        # When the row is next worth a look: at the end of its lease, else at its next run.
        sa.Index("schedule_due_idx", sa.text("coalesce(lease_until, least(next_run_at, rerun_at))")),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    kind: str
    subject_id: int = Field(default=0, sa_type=sa.BigInteger)
    every_s: int
    next_run_at: datetime
    rerun_at: datetime | None = None
    lease_until: datetime | None = None
    failures: int = 0
    last_error: str = ""


class AuditEvent(SQLModel, table=True):
    """Who did what to what, kept for the merchant. `detail` holds no personal data of shoppers."""

    __tablename__ = "audit_event"
    merchant_id: int = tenant()
    id: int | None = identity()
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] = json_field()
