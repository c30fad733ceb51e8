"""Imports of people who wait"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def _text(name: str, *default: str) -> "sa.Column[str]":
    given = [sa.text(f"'{one}'") for one in default]
    return sa.Column(name, sa.String(), nullable=False, server_default=given[0] if given else None)


def _json(name: str, default: str) -> "sa.Column[dict[str, object]]":
    empty = sa.text(f"'{default}'::jsonb")
    return sa.Column(name, postgresql.JSONB(), nullable=False, server_default=empty)


def upgrade() -> None:
    op.create_table(
        "shopper_import",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        _text("file_name"),
        _text("origin"),
        _text("digest", ""),
        sa.Column("says_confirmed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _text("status", "preview"),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        _text("actor", ""),
        _json("mapping", "{}"),
        _json("counts", "{}"),
        _json("faults", "[]"),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "status in ('preview', 'applied', 'undone')", name=op.f("shopper_import_status_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("shopper_import_pkey")),
    )
    op.create_index("shopper_import_recent_idx", "shopper_import", ["merchant_id", sa.text("id desc")])


def downgrade() -> None:
    op.drop_index("shopper_import_recent_idx", "shopper_import")
    op.drop_table("shopper_import")
