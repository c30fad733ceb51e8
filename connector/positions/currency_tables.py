"""The merchant's exchange rates."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, tenant


class ExchangeRate(SQLModel, table=True):
    """One unit of `currency` is worth `rate` of `base` from `valid_from` on, by the merchant's word. The latest that
    is not in the future counts; older ones stay, so that it can be seen what counted when."""

    __tablename__ = "exchange_rate"
    __table_args__ = (sa.CheckConstraint("rate > 0", name="rate"),)
    merchant_id: int = tenant()
    currency: str = Field(primary_key=True)
    base: str = Field(primary_key=True)
    valid_from: date = Field(primary_key=True)
    rate: Decimal = Field(sa_type=sa.Numeric(18, 8))
    actor: str = ""
    changed_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
