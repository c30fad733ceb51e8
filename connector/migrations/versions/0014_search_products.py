"""The product that a page in search engines shows"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "search_page", sa.Column("store_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "search_page", sa.Column("product_id", sa.String(), server_default=sa.text("''"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("search_page", "product_id")
    op.drop_column("search_page", "store_id")
