"""Prices written into stores, and products that are not sold below their floor"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_writing",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'off'"), nullable=False),
        sa.Column("shows_was", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("rules_digest", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("allowed", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("allows_far", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("held", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("held_why", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("problem", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status in ('on', 'off')", name=op.f("price_writing_status_check")),
        sa.PrimaryKeyConstraint("merchant_id", "connection_id", name=op.f("price_writing_pkey")),
    )
    op.create_table(
        "price_write",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("before_minor", sa.BigInteger(), nullable=False),
        sa.Column("before_was", sa.BigInteger(), nullable=True),
        sa.Column("ours_minor", sa.BigInteger(), nullable=False),
        sa.Column("ours_was", sa.BigInteger(), nullable=True),
        sa.Column("step", sa.String(), server_default=sa.text("'writing'"), nullable=False),
        sa.Column("reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "step in ('writing', 'open', 'undo', 'undoing', 'theirs', 'refused')",
            name=op.f("price_write_step_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "listing_id", name=op.f("price_write_pkey")),
    )
    op.create_index(
        "price_write_store_idx", "price_write", ["merchant_id", "connection_id", "step"], unique=False
    )
    op.create_table(
        "price_stop",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("says", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "variant_id", name=op.f("price_stop_pkey")),
    )
    op.create_table(
        "price_stop_guard",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("allowed", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("held", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("price_stop_guard_pkey")),
    )
    op.create_table(
        "price_run_note",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("says", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "run_id", "listing_id", name=op.f("price_run_note_pkey")),
    )


def downgrade() -> None:
    for name in ("price_run_note", "price_stop_guard", "price_stop", "price_write", "price_writing"):
        op.drop_table(name)
