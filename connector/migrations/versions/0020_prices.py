"""Price rules, and the prices a listing has had"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_rule",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("says", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "level in ('merchant', 'supplier', 'collection', 'sku')", name=op.f("price_rule_level_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "level", "subject", name=op.f("price_rule_pkey")),
    )
    op.create_table(
        "price_change",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "listing_id", "seen_at", name=op.f("price_change_pkey")),
    )
    # What is shown now is the first price known of each listing.
    op.execute("""
        insert into price_change (merchant_id, listing_id, seen_at, price_minor)
        select merchant_id, id, seen_at, price_minor from listing where price_minor is not null
    """)


def downgrade() -> None:
    op.drop_table("price_change")
    op.drop_table("price_rule")
