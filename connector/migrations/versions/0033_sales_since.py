"""Sales since a source was read are found by their time"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_STANDS = sa.text("units > 0")


def upgrade() -> None:
    op.create_index(
        "allocation_sold_idx",
        "allocation",
        ["merchant_id", "variant_id", "source_id", "sold_at"],
        postgresql_where=_STANDS,
    )
    op.create_index(
        "allocation_source_idx",
        "allocation",
        ["merchant_id", "source_id", "sold_at"],
        postgresql_where=_STANDS,
    )
    # The first of them begins with its columns: the release before is served by it as well.
    op.drop_index("allocation_variant_idx", table_name="allocation")


def downgrade() -> None:
    op.create_index("allocation_variant_idx", "allocation", ["merchant_id", "variant_id"])
    op.drop_index("allocation_source_idx", table_name="allocation", postgresql_where=_STANDS)
    op.drop_index("allocation_sold_idx", table_name="allocation", postgresql_where=_STANDS)
