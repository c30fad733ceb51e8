"""What providers tell of messages, once each, and which connection sent a message"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "delivery_report",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("report_digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        _text("reason"),
        sa.PrimaryKeyConstraint(
            "merchant_id", "connection_id", "report_digest", name=op.f("delivery_report_pkey")
        ),
    )
    op.create_index("delivery_report_message_idx", "delivery_report", ["merchant_id", "message_id"])
    op.add_column(
        "message", sa.Column("sent_by", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False)
    )
    op.create_index("message_ours_idx", "message", ["merchant_id", "message_id"])
    op.create_index(
        "message_theirs_idx",
        "message",
        ["merchant_id", "provider_id"],
        postgresql_where=sa.text("provider_id <> ''"),
    )


def downgrade() -> None:
    op.drop_index("message_theirs_idx", "message")
    op.drop_index("message_ours_idx", "message")
    op.drop_column("message", "sent_by")
    op.drop_index("delivery_report_message_idx", "delivery_report")
    op.drop_table("delivery_report")
