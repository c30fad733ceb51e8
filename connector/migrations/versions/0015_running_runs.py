"""Runs that are at work, found without reading the others"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "run_running_idx",
        "run",
        ["merchant_id", "source_id"],
        postgresql_where=sa.text("status = 'running'"),
    )


def downgrade() -> None:
    op.drop_index("run_running_idx", table_name="run")
