"""Several written locations of a store and the sources that feed them"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "store_location",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("position", sa.SmallInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "connection_id", "location_id", name=op.f("store_location_pkey")
        ),
    )
    op.create_table(
        "store_location_source",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.String(), nullable=True),
        sa.Column("is_counted_there", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "connection_id", "source_id", name=op.f("store_location_source_pkey")
        ),
    )
    op.add_column("store_order_line", sa.Column("location_id", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("store_order_line", "location_id")
    op.drop_table("store_location_source")
    op.drop_table("store_location")
