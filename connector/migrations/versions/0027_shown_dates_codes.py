"""Dates shown to people who wait, codes for those who waited too long, variants found by their collection"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def _text(name: str, default: str = "") -> "sa.Column[str]":
    return sa.Column(name, sa.String(), server_default=sa.text(f"'{default}'"), nullable=False)


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("'0'"), nullable=False)


def upgrade() -> None:
    op.add_column("subscription", sa.Column("shown_on", sa.Date(), nullable=True))
    op.create_table(
        "compensation",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("percent", sa.SmallInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        _text("currency"),
        sa.Column("shown_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        _text("status", "planned"),
        _text("external_id"),
        _number("message_id"),
        _text("note"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status in ('planned', 'made', 'refused', 'deleted')", name=op.f("compensation_status_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("compensation_pkey")),
        sa.UniqueConstraint(
            "merchant_id", "subscription_id", name=op.f("compensation_merchant_id_subscription_id_key")
        ),
        sa.UniqueConstraint("merchant_id", "code", name=op.f("compensation_merchant_id_code_key")),
    )
    op.create_index(
        "variant_collections_idx",
        "variant",
        ["collections"],
        postgresql_using="gin",
        postgresql_ops={"collections": "jsonb_path_ops"},
    )


def downgrade() -> None:
    op.drop_index("variant_collections_idx", "variant")
    op.drop_table("compensation")
    op.drop_column("subscription", "shown_on")
