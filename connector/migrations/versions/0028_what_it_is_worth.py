"""Which invitation an order came of is found quickly; anonymous counts of interest by day"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "interest_day",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.CheckConstraint(
            "kind in ('sold_out', 'available', 'sign_up')", name=op.f("interest_day_kind_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "variant_id", "day", "kind", name=op.f("interest_day_pkey")),
    )
    op.create_index("interest_day_day_idx", "interest_day", ["day"])
    op.create_index("invitation_variant_idx", "invitation", ["merchant_id", "variant_id", "created_at"])
    op.create_index(
        "invitation_order_idx",
        "invitation",
        ["merchant_id", "order_id"],
        postgresql_where=sa.text("order_id <> ''"),
    )
    op.create_index("subscription_variant_idx", "subscription", ["merchant_id", "variant_id", "created_at"])


def downgrade() -> None:
    op.drop_index("subscription_variant_idx", "subscription")
    op.drop_index("invitation_order_idx", "invitation")
    op.drop_index("invitation_variant_idx", "invitation")
    op.drop_table("interest_day")
