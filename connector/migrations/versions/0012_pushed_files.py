"""A file that was handed over knows its bytes and its run"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("upload", sa.Column("sha256", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("upload", sa.Column("run_id", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("upload", "run_id")
    op.drop_column("upload", "sha256")
