"""Rules at every level, which supplier sells, and suppliers that are out of service"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stock_rule",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("says", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "level in ('merchant', 'supplier', 'collection', 'sku')", name=op.f("stock_rule_level_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "level", "subject", name=op.f("stock_rule_pkey")),
    )
    op.add_column(
        "position",
        sa.Column("sourcing", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column(
        "variant",
        sa.Column("collections", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.add_column(
        "source", sa.Column("out_because", sa.String(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column("source", sa.Column("out_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("source", "out_since")
    op.drop_column("source", "out_because")
    op.drop_column("variant", "collections")
    op.drop_column("position", "sourcing")
    op.drop_table("stock_rule")
