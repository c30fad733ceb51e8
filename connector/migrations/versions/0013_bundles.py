"""Bundles and their components; what the merchant decided about items that could not be matched"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bundle_component",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("component_id", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.Integer(), server_default=sa.text("'1'"), nullable=False),
        sa.CheckConstraint("units between 1 and 10000", name=op.f("bundle_component_units_check")),
        sa.CheckConstraint("variant_id <> component_id", name=op.f("bundle_component_other_check")),
        sa.PrimaryKeyConstraint(
            "merchant_id", "variant_id", "component_id", name=op.f("bundle_component_pkey")
        ),
    )
    op.create_index("bundle_component_component_idx", "bundle_component", ["merchant_id", "component_id"])
    op.create_table(
        "match_choice",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("item_key", sa.String(), nullable=False),
        sa.Column("choice", sa.String(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=True),
        sa.Column("undo", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("actor", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("choice in ('link', 'ignore')", name=op.f("match_choice_choice_check")),
        sa.PrimaryKeyConstraint("merchant_id", "source_id", "item_key", name=op.f("match_choice_pkey")),
    )


def downgrade() -> None:
    op.drop_table("match_choice")
    op.drop_index("bundle_component_component_idx", table_name="bundle_component")
    op.drop_table("bundle_component")
