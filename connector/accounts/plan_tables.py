"""Which plan each installed shop has, as last read, and every change of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class StorePlan(SQLModel, table=True):
    """The subscription of one installed shop, and what it allows.

    `state` is "unknown" until it was read for the first time. `allows` is the name of the operator's plan that
    holds, "" for none: then everything is allowed. `limits` are those of that plan, kept here so that every
    process asks the same. `since` is when state or plan last changed. `problem` is why the last try failed, ""
    where it did not: all else is as read at `read_at` then.
    """

    __tablename__ = "store_plan"
    __table_args__ = (
        sa.CheckConstraint(
            "state in ('unknown', 'none', 'trial', 'active', 'frozen', 'cancelled')", name="state"
        ),
    )
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    state: str = "unknown"
    plan: str = ""
    name: str = ""
    price: Decimal | None = Field(default=None, max_digits=14, decimal_places=4)
    currency: str = ""
    interval: str = ""
    period_ends_at: datetime | None = None
    trial_ends_at: datetime | None = None
    is_ending: bool = False
    is_test: bool | None = None
    plan_page: str = ""
    allows: str = ""
    limits: dict[str, Any] = json_field()
    since: datetime
    read_at: datetime | None = None
    tried_at: datetime | None = None
    problem: str = ""


class PlanChange(SQLModel, table=True):
    """One change of a shop's plan or of what it allows: never altered, but for `seen_at`, when a person said
    that they read it. `before` and `after` hold what the page shows, `used` what was in use then."""

    __tablename__ = "plan_change"
    __table_args__ = (
        sa.Index("plan_change_unseen_idx", "merchant_id", postgresql_where=sa.text("seen_at is null")),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    at: datetime
    before: dict[str, Any] = json_field()
    after: dict[str, Any] = json_field()
    used: dict[str, Any] = json_field()
    seen_at: datetime | None = None
