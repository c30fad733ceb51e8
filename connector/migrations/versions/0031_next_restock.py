"""People brought along who wait for the next restock, not for the stock that is there"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscription", sa.Column("passes_over", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "subscription_passes_over_idx",
        "subscription",
        ["merchant_id", "variant_id"],
        postgresql_where=sa.text("passes_over is not null"),
    )


def downgrade() -> None:
    op.drop_index("subscription_passes_over_idx", "subscription")
    op.drop_column("subscription", "passes_over")
