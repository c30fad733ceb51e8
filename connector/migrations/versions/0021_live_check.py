"""How often suppliers were asked live"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_check_day",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("asked", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("unknown", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("none_left", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "source_id", "on_date", name=op.f("live_check_day_pkey")),
    )


def downgrade() -> None:
    op.drop_table("live_check_day")
