"""Orders that suppliers cannot serve, and the currencies of costs"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_number",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("item_key", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "source_id", "item_key", name=op.f("live_number_pkey")),
    )
    op.create_table(
        "order_doubt",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("said_units", sa.Integer(), nullable=False),
        sa.Column("missing_units", sa.Integer(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("order_doubt_pkey")),
    )
    op.create_index(
        "order_doubt_line_idx",
        "order_doubt",
        ["merchant_id", "connection_id", "order_id", "line_id", "variant_id", "source_id"],
        unique=True,
    )
    op.create_table(
        "exchange_rate",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("base", sa.String(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(18, 8), nullable=False),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rate > 0", name=op.f("exchange_rate_rate_check")),
        sa.PrimaryKeyConstraint(
            "merchant_id", "currency", "base", "valid_from", name=op.f("exchange_rate_pkey")
        ),
    )
    op.add_column(
        "source", sa.Column("cost_currency", sa.String(), server_default=sa.text("''"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("source", "cost_currency")
    op.drop_table("exchange_rate")
    op.drop_table("order_doubt")
    op.drop_table("live_number")
