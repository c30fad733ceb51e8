"""Installations from app stores and their legal requests"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("shop", sa.String(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_refused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("ticket", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("installation_pkey")),
        sa.UniqueConstraint("adapter", "shop", name=op.f("installation_adapter_shop_key")),
        sa.UniqueConstraint(
            "merchant_id", "connection_id", name=op.f("installation_merchant_id_connection_id_key")
        ),
    )
    op.create_table(
        "privacy_request",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), server_default=sa.text("'\\x'"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "kind in ('export', 'erase_person', 'erase_shop')", name=op.f("privacy_request_kind_check")
        ),
        sa.CheckConstraint(
            "status in ('waiting', 'ready', 'done')", name=op.f("privacy_request_status_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("privacy_request_pkey")),
        sa.UniqueConstraint(
            "merchant_id",
            "connection_id",
            "delivery_id",
            name=op.f("privacy_request_merchant_id_connection_id_delivery_id_key"),
        ),
    )
    op.create_index(
        "privacy_request_open_idx",
        "privacy_request",
        ["merchant_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("status <> 'done'"),
    )
    op.add_column("webhook_receipt", sa.Column("triggered_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("webhook_receipt", "triggered_at")
    op.drop_index(
        "privacy_request_open_idx", table_name="privacy_request", postgresql_where=sa.text("status <> 'done'")
    )
    op.drop_table("privacy_request")
    op.drop_table("installation")
