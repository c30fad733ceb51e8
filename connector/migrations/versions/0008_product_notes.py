"""What stood in a store's own fields about availability before we wrote them"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "product_note",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("was", sa.String(), nullable=False),
        sa.Column("ours", sa.String(), nullable=False),
        sa.Column("step", sa.String(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind in ('text', 'preorder')", name=op.f("product_note_kind_check")),
        sa.CheckConstraint("step in ('open', 'theirs', 'refused')", name=op.f("product_note_step_check")),
        sa.PrimaryKeyConstraint(
            "merchant_id", "connection_id", "product_id", "kind", name=op.f("product_note_pkey")
        ),
    )


def downgrade() -> None:
    op.drop_table("product_note")
