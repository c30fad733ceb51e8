"""Restock dates as promises: what they rest on, what became of them, and how late suppliers are"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One value for all rows, so PostgreSQL rewrites none of them; the release before leaves the columns alone.
    op.add_column("position", sa.Column("evidence_on", sa.Date()))
    op.add_column(
        "position",
        sa.Column("evidence_connection_id", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
    )
    op.add_column("promise", sa.Column("evidence_on", sa.Date()))
    op.add_column(
        "promise", sa.Column("connection_id", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False)
    )
    op.add_column(
        "promise", sa.Column("slips", sa.SmallInteger(), server_default=sa.text("'0'"), nullable=False)
    )
    op.add_column("promise", sa.Column("slipped_at", sa.DateTime(timezone=True)))
    op.add_column("promise", sa.Column("withdrawn_at", sa.DateTime(timezone=True)))
    op.add_column("promise", sa.Column("restocked_run_id", sa.BigInteger()))
    op.add_column("promise", sa.Column("known_at", sa.DateTime(timezone=True)))
    op.create_index(
        "promise_due_idx",
        "promise",
        ["merchant_id", "first_shown_on"],
        postgresql_where=sa.text("is_kept is null"),
    )
    op.create_table(
        "lead_time_evidence",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("began_on", sa.Date(), nullable=False),
        sa.Column("expected_on", sa.Date(), nullable=False),
        sa.Column("latest_expected_on", sa.Date(), nullable=False),
        sa.Column("arrived_on", sa.Date()),
        sa.Column("stopped_on", sa.Date()),
        sa.Column("opened_run_id", sa.BigInteger()),
        sa.Column("closed_run_id", sa.BigInteger()),
        sa.CheckConstraint(
            "kind in ('stated', 'shipment', 'restock')", name=op.f("lead_time_evidence_kind_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("lead_time_evidence_pkey")),
    )
    op.create_index(
        "lead_time_evidence_open_idx",
        "lead_time_evidence",
        ["merchant_id", "connection_id", "kind", "reference", "variant_id"],
        unique=True,
        postgresql_where=sa.text("arrived_on is null and stopped_on is null"),
    )
    op.create_table(
        "lateness",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("days", sa.Integer()),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("ended", sa.Integer(), nullable=False),
        sa.Column("still_open", sa.Integer(), nullable=False),
        sa.Column("own", sa.Integer(), nullable=False),
        sa.Column("is_reached", sa.Boolean(), nullable=False),
        sa.Column("is_pooled", sa.Boolean(), nullable=False),
        sa.Column("typical_days", sa.Integer()),
        sa.Column("own_typical_days", sa.Integer()),
        sa.Column("learnt_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "connection_id", "kind", name=op.f("lateness_pkey")),
    )


def downgrade() -> None:
    op.drop_table("lateness")
    op.drop_table("lead_time_evidence")
    op.drop_index("promise_due_idx", "promise")
    for column in (
        "known_at",
        "restocked_run_id",
        "withdrawn_at",
        "slipped_at",
        "slips",
        "connection_id",
        "evidence_on",
    ):
        op.drop_column("promise", column)
    op.drop_column("position", "evidence_connection_id")
    op.drop_column("position", "evidence_on")
