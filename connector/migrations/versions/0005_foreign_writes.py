"""Numbers that somebody else sets again and again"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "foreign_write",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("believed", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("repaired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("foreign_write_pkey")),
    )
    op.create_index("foreign_write_listing_idx", "foreign_write", ["merchant_id", "listing_id", "seen_at"])
    op.create_index(
        "foreign_write_open_idx",
        "foreign_write",
        ["merchant_id", "listing_id"],
        postgresql_where=sa.text("repaired_at is null"),
    )
    op.add_column("listing", sa.Column("yielded_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "listing_yielded_idx",
        "listing",
        ["merchant_id", "connection_id"],
        postgresql_where=sa.text("yielded_at is not null"),
    )


def downgrade() -> None:
    op.drop_index("listing_yielded_idx", table_name="listing")
    op.drop_column("listing", "yielded_at")
    op.drop_table("foreign_write")
