"""How a merchant ships, and what shoppers were told about delivery when they ordered."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, json_field, tenant


class DeliveryRuleRow(SQLModel, table=True):
    """How the merchant ships from `valid_from` on (`connector.positions.shipping.DeliveryRule` as JSON). Only ever
    added to: an order is judged by the rule that was in force when it was placed."""

    __tablename__ = "delivery_rule"
    merchant_id: int = tenant()
    valid_from: datetime = Field(sa_type=sa.DateTime(timezone=True), primary_key=True)
    rule: dict[str, Any] = json_field()
    actor: str = ""


class OrderPromise(SQLModel, table=True):
    """The window of days that was shown for one line of an order when it was placed. Never changed afterwards.

    `basis` says what it rested on ("stock", "restock" or "made"), `zone` the zone it was shown for.
    """

    __tablename__ = "order_promise"
    __table_args__ = (
        sa.Index("order_promise_variant_idx", "merchant_id", "variant_id", "until_on"),
        sa.CheckConstraint("from_on <= until_on", name="window"),
    )
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    order_id: str = Field(primary_key=True)
    line_id: str = Field(primary_key=True)
    variant_id: int = Field(sa_type=sa.BigInteger)
    from_on: date
    until_on: date
    basis: str
    zone: str = ""
    shown_at: datetime
