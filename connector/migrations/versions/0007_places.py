"""Places in a store's lists: the rule of a store, and the products that were moved"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "place_rule",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("days_out", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("status in ('draft', 'on', 'off')", name=op.f("place_rule_status_check")),
        sa.CheckConstraint("kind in ('tag', 'last', 'search_only')", name=op.f("place_rule_kind_check")),
        sa.CheckConstraint("days_out between 1 and 730", name=op.f("place_rule_days_out_check")),
        sa.PrimaryKeyConstraint("merchant_id", "connection_id", name=op.f("place_rule_pkey")),
    )
    op.create_table(
        "place",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("ours", sa.String(), nullable=False),
        sa.Column("step", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "step in ('', 'placing', 'placed', 'returning', 'theirs', 'refused')",
            name=op.f("place_step_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("place_pkey")),
        sa.UniqueConstraint(
            "merchant_id", "connection_id", "product_id", "kind", "tag",
            name=op.f("place_merchant_id_connection_id_product_id_kind_tag_key"),
        ),
    )  # fmt: skip
    op.create_index(
        "place_open_idx",
        "place",
        ["merchant_id", "connection_id"],
        postgresql_where=sa.text("step <> ''"),
    )


def downgrade() -> None:
    op.drop_table("place")
    op.drop_table("place_rule")
