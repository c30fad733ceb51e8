"""Orders at risk: lines of orders that cannot be delivered in time, what customers said, and what was done.

Nobody's name or address is kept: the store is asked for the address in the moment of writing.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class OrderRisk(SQLModel, table=True):
    """One line of an order that cannot be delivered by `due_on`; at most one open row a line.

    `units` are those not handed over. `due_basis` "promise", "default" (no promise was made) or "agreed" (the
    customer or the merchant moved it). `reason` "no_stock", "after_deadline" or "supplier_failing"; `expected_on`
    the day they are likely to arrive, None when nobody can say. `value_minor` is what the units cost in the shop.

    `status` "open" → "asked" (the customer was written to; silence counts from `answer_by` on) → "chosen"
    (`choice` "refund", "substitute", "voucher" or "wait", by "customer", "merchant" or "rule") → "closed"
    (`closed_by` "stock", "shipped", "cancelled", "merchant", "refund", "substitute", "voucher", or "wait": a later
    `due_on` was agreed, for which the line may be opened again; "closed" → "chosen" when the customer would rather
    have the money).

    `carry` is how far the choice is carried out in the store: "" nothing to do, "ask" waits for the merchant,
    "todo", "unknown" (an answer was lost; it is looked for), "by_hand" (the store cannot, `carry_note` says why),
    "failed", "done". `refund_minor` is what was paid back; `voucher_minor` what a chosen voucher is worth. `history`
    lists [at, actor, what, detail].
    """

    __tablename__ = "order_risk"
    __table_args__ = (
        sa.Index(
            "order_risk_one_open_idx",
            "merchant_id",
            "connection_id",
            "order_id",
            "line_id",
            unique=True,
            postgresql_where=sa.text("closed_at is null"),
        ),
        sa.Index("order_risk_line_idx", "merchant_id", "connection_id", "order_id", "line_id"),
        sa.CheckConstraint("status in ('open', 'asked', 'chosen', 'closed')", name="status"),
        sa.CheckConstraint("(status = 'closed') = (closed_at is not null)", name="closed"),
        sa.CheckConstraint("units > 0", name="units"),
        sa.CheckConstraint(
            "carry in ('', 'ask', 'todo', 'unknown', 'by_hand', 'failed', 'done')", name="carry"
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    order_id: str
    line_id: str
    variant_id: int = Field(sa_type=sa.BigInteger)
    units: int
    placed_at: datetime
    due_on: date
    due_basis: str = "default"
    reason: str = "no_stock"
    expected_on: date | None = None
    value_minor: int = Field(default=0, sa_type=sa.BigInteger)
    currency: str = ""
    status: str = "open"
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str = ""
    asked_at: datetime | None = None
    answer_by: date | None = None
    choice: str = ""
    chosen_by: str = ""
    chosen_at: datetime | None = None
    substitute_id: int = Field(default=0, sa_type=sa.BigInteger)
    voucher_code: str = ""
    voucher_minor: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    carry: str = ""
    carry_note: str = ""
    refund_minor: int | None = Field(default=None, sa_type=sa.BigInteger)
    history: list[Any] = json_field("[]")


class OrderMessage(SQLModel, table=True):
    """One message to the customer of an order. `kind` "at_risk", "waits" (the later date they agreed to), "refunded",
    "voucher", "substitute" or "found": it can be sent after all.

    waiting → sending → sent, failed or unknown; or waiting → skipped; "by_hand" where the store does not tell the
    address: the merchant sends the text.
    """

    __tablename__ = "order_message"
    __table_args__ = (
        sa.Index("order_message_risk_idx", "merchant_id", "risk_id"),
        sa.CheckConstraint(
            "status in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'skipped', 'by_hand')",
            name="status",
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    risk_id: int = Field(sa_type=sa.BigInteger)
    kind: str
    status: str = "waiting"
    message_id: str = ""
    created_at: datetime
    sending_at: datetime | None = None
    settled_at: datetime | None = None
    tries: int = 0
    note: str = ""


class OrderRiskRule(SQLModel, table=True):
    """What the merchant says about orders at risk: names of `rules.RiskRule` to values."""

    __tablename__ = "order_risk_rule"
    merchant_id: int = tenant()
    says: dict[str, Any] = json_field()
    actor: str = ""
    changed_at: datetime
