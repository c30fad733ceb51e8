"""Delivery windows: how a merchant ships, and what was shown with each order line"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "delivery_rule",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "valid_from", name=op.f("delivery_rule_pkey")),
    )
    op.create_table(
        "order_promise",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("from_on <= until_on", name=op.f("order_promise_window_check")),
        sa.PrimaryKeyConstraint(
            "merchant_id", "connection_id", "order_id", "line_id", name=op.f("order_promise_pkey")
        ),
    )
    op.create_index("order_promise_variant_idx", "order_promise", ["merchant_id", "variant_id", "until_on"])


def downgrade() -> None:
    op.drop_index("order_promise_variant_idx", table_name="order_promise")
    op.drop_table("order_promise")
    op.drop_table("delivery_rule")
