"""Product pages as search engines have them, what was found about them, and how long "long" is"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_page",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("page_key", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("clicks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("impressions", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("inspected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_indexed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("fault", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("crawled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canonical", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("coverage", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("issues", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("report_url", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("problem", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("look_status", sa.Integer(), nullable=True),
        sa.Column("look_location", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_noindex", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("offered", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "connection_id", "page_key", name=op.f("search_page_pkey")),
    )
    op.create_index(
        "search_page_turn_idx",
        "search_page",
        ["merchant_id", "connection_id", "turn"],
        postgresql_where=sa.text("turn is not null"),
    )
    op.create_table(
        "search_finding",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("page_key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("search_finding_pkey")),
    )
    op.create_index(
        "search_finding_open_idx",
        "search_finding",
        ["merchant_id", "connection_id", "page_key", "kind"],
        unique=True,
        postgresql_where=sa.text("closed_at is null"),
    )
    op.add_column(
        "merchant",
        sa.Column("search_days_out", sa.Integer(), server_default=sa.text("30"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("merchant", "search_days_out")
    op.drop_table("search_finding")
    op.drop_table("search_page")
