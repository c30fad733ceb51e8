"""Keys that shops hand over"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handover",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("name", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("is_renewal", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), server_default=sa.text("'\\x'"), nullable=False),
        sa.Column("problem", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("handover_pkey")),
        sa.UniqueConstraint("digest", name=op.f("handover_digest_key")),
        sa.CheckConstraint(
            "status in ('open', 'checking', 'done', 'failed')", name=op.f("handover_status_check")
        ),
        sa.CheckConstraint(
            "not is_renewal or connection_id is not null", name=op.f("handover_renewal_check")
        ),
        sa.CheckConstraint("status = 'checking' or sealed = ''", name=op.f("handover_sealed_check")),
    )


def downgrade() -> None:
    op.drop_table("handover")
