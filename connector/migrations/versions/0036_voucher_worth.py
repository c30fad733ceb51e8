"""What a voucher for an order at risk was worth when it was chosen"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "order_risk", sa.Column("voucher_minor", sa.BigInteger(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("order_risk", "voucher_minor")
