"""Channels beside e-mail, any variant, orders that came of invitations, rules for messages to shoppers"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def _text(name: str, default: str = "") -> "sa.Column[Any]":
    return sa.Column(name, sa.String(), server_default=sa.text(f"'{default}'"), nullable=False)


def _number(name: str, kind: type[sa.Integer]) -> "sa.Column[Any]":
    return sa.Column(name, kind(), server_default=sa.text("'0'"), nullable=False)


def _moment(name: str) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


ADDED: dict[str, list["sa.Column[Any]"]] = {
    "subscription": [
        _text("marketing_text"),
        _text("any_of"),
        _number("priority", sa.SmallInteger),
        _text("time_zone"),
        _text("origin", "page"),
        sa.Column("push_keys", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        _moment("asked_again_at"),
    ],
    "invitation": [
        sa.Column("clicked_gone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _text("order_id"),
        _moment("ordered_at"),
        _number("order_units", sa.Integer),
        _number("order_minor", sa.BigInteger),
        _text("order_currency"),
        _moment("held_until"),
    ],
    "message": [
        _number("variant_id", sa.BigInteger),
        _text("provider_id"),
        _number("segments", sa.SmallInteger),
        _moment("not_before"),
    ],
}


def upgrade() -> None:
    for table, columns in ADDED.items():
        for column in columns:
            op.add_column(table, column)
    op.create_index(
        "subscription_any_idx",
        "subscription",
        ["merchant_id", "connection_id", "any_of"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting' and any_of <> ''"),
    )
    op.create_table(
        "shopper_rules",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("says", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("shopper_rules_pkey")),
    )


def downgrade() -> None:
    op.drop_table("shopper_rules")
    op.drop_index(
        "subscription_any_idx",
        table_name="subscription",
        postgresql_where=sa.text("status = 'waiting' and any_of <> ''"),
    )
    for table, columns in ADDED.items():
        for column in columns:
            op.drop_column(table, column.name)
