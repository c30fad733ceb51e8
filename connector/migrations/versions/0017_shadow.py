"""A watched store compared with what we would say, and settings brought along from another tool"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shadow_watch",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looks", sa.Integer(), server_default=sa.text("'1'"), nullable=False),
        sa.Column("compared", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("watched_s", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("compared_s", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("longest_gap_s", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "connection_id", name=op.f("shadow_watch_pkey")),
    )
    op.create_table(
        "shadow_span",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_by", sa.String(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("store_units", sa.Integer(), nullable=False),
        sa.Column("our_units", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind in ('out', 'hidden', 'more', 'fewer')", name=op.f("shadow_span_kind_check")),
        sa.CheckConstraint("began_by in ('start', 'ours', 'store')", name=op.f("shadow_span_began_by_check")),
        sa.CheckConstraint(
            "ended_by in ('', 'ours', 'store', 'gap', 'stop', 'left')",
            name=op.f("shadow_span_ended_by_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("shadow_span_pkey")),
    )
    op.create_index(
        "shadow_span_open_idx",
        "shadow_span",
        ["merchant_id", "connection_id", "listing_id"],
        unique=True,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_index("shadow_span_store_idx", "shadow_span", ["merchant_id", "connection_id", "began_at"])
    op.create_table(
        "settings_import",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'preview'"), nullable=False),
        sa.Column("file_name", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("origin", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("rows_read", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("changes", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("faults", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.CheckConstraint(
            "status in ('preview', 'applied', 'undone')", name=op.f("settings_import_status_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("settings_import_pkey")),
    )


def downgrade() -> None:
    op.drop_table("settings_import")
    op.drop_table("shadow_span")
    op.drop_table("shadow_watch")
