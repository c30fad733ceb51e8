"""What merchants are told by mail"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def _text(name: str, default: str = "") -> "sa.Column[str]":
    return sa.Column(name, sa.String(), server_default=sa.text(f"'{default}'"), nullable=False)


def _at(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "notice_rule",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("says", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("told", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        _text("actor"),
        _at("changed_at", nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("notice_rule_pkey")),
    )
    op.create_table(
        "notice_mail",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("items", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        _text("status", "waiting"),
        _text("message_id"),
        _at("created_at", nullable=False),
        _at("sending_at"),
        _at("settled_at"),
        sa.Column("tries", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        _text("note"),
        sa.CheckConstraint(
            "status in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'skipped')",
            name=op.f("notice_mail_status_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("notice_mail_pkey")),
    )
    op.create_index("notice_mail_at_idx", "notice_mail", ["merchant_id", "created_at"])


def downgrade() -> None:
    op.drop_table("notice_mail")
    op.drop_table("notice_rule")
