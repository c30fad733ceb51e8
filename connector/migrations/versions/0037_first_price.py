"""The price that stood before the first of ours"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("price_write", sa.Column("first_minor", sa.BigInteger(), nullable=True))
    op.add_column("price_write", sa.Column("first_was", sa.BigInteger(), nullable=True))
    op.execute("update price_write set first_minor = before_minor, first_was = before_was")
    op.alter_column("price_write", "first_minor", nullable=False)


def downgrade() -> None:
    op.drop_column("price_write", "first_was")
    op.drop_column("price_write", "first_minor")
