"""The plan of each installed shop as last read, and its changes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)


def _at(name: str, *, is_needed: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not is_needed)


def upgrade() -> None:
    op.create_table(
        "store_plan",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'unknown'"), nullable=False),
        _text("plan"),
        _text("name"),
        sa.Column("price", sa.Numeric(precision=14, scale=4), nullable=True),
        _text("currency"),
        _text("interval"),
        _at("period_ends_at"),
        _at("trial_ends_at"),
        sa.Column("is_ending", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=True),
        _text("plan_page"),
        _text("allows"),
        _json("limits"),
        _at("since", is_needed=True),
        _at("read_at"),
        _at("tried_at"),
        _text("problem"),
        sa.CheckConstraint(
            "state in ('unknown', 'none', 'trial', 'active', 'frozen', 'cancelled')",
            name=op.f("store_plan_state_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "connection_id", name=op.f("store_plan_pkey")),
    )
    op.create_table(
        "plan_change",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        _at("at", is_needed=True),
        _json("before"),
        _json("after"),
        _json("used"),
        _at("seen_at"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("plan_change_pkey")),
    )
    op.create_index(
        "plan_change_unseen_idx",
        "plan_change",
        ["merchant_id"],
        unique=False,
        postgresql_where=sa.text("seen_at is null"),
    )


def downgrade() -> None:
    op.drop_table("plan_change")
    op.drop_table("store_plan")
