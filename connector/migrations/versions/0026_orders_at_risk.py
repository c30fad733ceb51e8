"""Orders at risk, the messages about them, and what stores tell of units handed over"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def _text(name: str, default: str = "") -> "sa.Column[Any]":
    return sa.Column(name, sa.String(), server_default=sa.text(f"'{default}'"), nullable=False)


def _at(name: str, *, nullable: bool = True) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.add_column(
        "store_order_line",
        sa.Column("shipped_units", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
    )
    op.create_table(
        "order_risk",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        _at("placed_at", nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        _text("due_basis", "default"),
        _text("reason", "no_stock"),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("value_minor", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        _text("currency"),
        _text("status", "open"),
        _at("opened_at", nullable=False),
        _at("closed_at"),
        _text("closed_by"),
        _at("asked_at"),
        sa.Column("answer_by", sa.Date(), nullable=True),
        _text("choice"),
        _text("chosen_by"),
        _at("chosen_at"),
        sa.Column("substitute_id", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        _text("voucher_code"),
        _text("carry"),
        _text("carry_note"),
        sa.Column("refund_minor", sa.BigInteger(), nullable=True),
        sa.Column("history", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.CheckConstraint(
            "status in ('open', 'asked', 'chosen', 'closed')", name=op.f("order_risk_status_check")
        ),
        sa.CheckConstraint(
            "(status = 'closed') = (closed_at is not null)", name=op.f("order_risk_closed_check")
        ),
        sa.CheckConstraint("units > 0", name=op.f("order_risk_units_check")),
        sa.CheckConstraint(
            "carry in ('', 'ask', 'todo', 'unknown', 'by_hand', 'failed', 'done')",
            name=op.f("order_risk_carry_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("order_risk_pkey")),
    )
    op.create_index(
        "order_risk_one_open_idx",
        "order_risk",
        ["merchant_id", "connection_id", "order_id", "line_id"],
        unique=True,
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_index(
        "order_risk_line_idx", "order_risk", ["merchant_id", "connection_id", "order_id", "line_id"]
    )
    op.create_table(
        "order_message",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("risk_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        _text("status", "waiting"),
        _text("message_id"),
        _at("created_at", nullable=False),
        _at("sending_at"),
        _at("settled_at"),
        sa.Column("tries", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        _text("note"),
        sa.CheckConstraint(
            "status in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'skipped', 'by_hand')",
            name=op.f("order_message_status_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("order_message_pkey")),
    )
    op.create_index("order_message_risk_idx", "order_message", ["merchant_id", "risk_id"])
    op.create_table(
        "order_risk_rule",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("says", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        _text("actor"),
        _at("changed_at", nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("order_risk_rule_pkey")),
    )
    op.execute("""
        insert into schedule (merchant_id, kind, subject_id, every_s, next_run_at)
        select id, 'orders.at_risk', 0, 900, now() from merchant on conflict do nothing
    """)


def downgrade() -> None:
    op.execute("delete from schedule where kind = 'orders.at_risk'")
    op.drop_table("order_risk_rule")
    op.drop_table("order_message")
    op.drop_table("order_risk")
    op.drop_column("store_order_line", "shipped_units")
