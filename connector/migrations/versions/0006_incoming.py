"""Units on their way to a store's own shelves"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incoming",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("arrives_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "merchant_id", "connection_id", "reference", "variant_id", name=op.f("incoming_pkey")
        ),
    )
    op.create_index("incoming_variant_idx", "incoming", ["merchant_id", "variant_id"])


def downgrade() -> None:
    op.drop_table("incoming")
