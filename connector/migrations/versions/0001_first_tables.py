"""The first tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ad_action",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ad_link_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("spend_saved", sa.Numeric(precision=14, scale=4), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("ad_action_pkey")),
    )
    op.create_index(
        "ad_action_recent_idx", "ad_action", ["merchant_id", sa.literal_column("id desc")], unique=False
    )
    op.create_index("ad_action_ad_idx", "ad_action", ["merchant_id", "ad_link_id"], unique=False)
    op.create_table(
        "ad_link",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("campaign", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("landing_page", sa.String(), nullable=False),
        sa.Column("page_key", sa.String(), nullable=False),
        sa.Column("seen_status", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("daily_spend", sa.Numeric(precision=14, scale=4), nullable=True),
        sa.Column("out_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("back_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by_us_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_before", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("step", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_gone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "step in ('', 'pausing', 'paused', 'resuming', 'theirs')", name=op.f("ad_link_step_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("ad_link_pkey")),
        sa.UniqueConstraint(
            "merchant_id",
            "connection_id",
            "external_id",
            name=op.f("ad_link_merchant_id_connection_id_external_id_key"),
        ),
    )
    op.create_index("ad_link_page_idx", "ad_link", ["merchant_id", "page_key"], unique=False)
    op.create_table(
        "allocation",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("sold_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("allocation_pkey")),
    )
    op.create_index(
        "allocation_fall_idx",
        "allocation",
        ["merchant_id", "connection_id", "variant_id"],
        unique=False,
        postgresql_where=sa.text("origin = 'fall' and units > 0"),
    )
    op.create_index(
        "allocation_reference_idx", "allocation", ["merchant_id", "connection_id", "reference"], unique=False
    )
    op.create_index("allocation_variant_idx", "allocation", ["merchant_id", "variant_id"], unique=False)
    op.create_table(
        "app_user",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("session_version", sa.Integer(), server_default=sa.text("'1'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("app_user_pkey")),
        sa.UniqueConstraint("email", name=op.f("app_user_email_key")),
    )
    op.create_table(
        "audit_event",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("audit_event_pkey")),
    )
    op.create_table(
        "connection",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "config",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("sealed", sa.LargeBinary(), server_default=sa.text("'\\x'"), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("status_reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("writing_approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_writing_stopped", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "cursors",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status in ('active', 'paused', 'ended')", name=op.f("connection_status_check")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("connection_pkey")),
        sa.UniqueConstraint("public_key", name=op.f("connection_public_key_key")),
    )
    op.create_table(
        "delivery_attempt",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column(
            "request",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("idempotency_key", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'frozen'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "status in ('frozen', 'sent', 'succeeded', 'failed', 'unknown', 'resolved')",
            name=op.f("delivery_attempt_status_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("delivery_attempt_pkey")),
    )
    op.create_index(
        "delivery_attempt_open_idx",
        "delivery_attempt",
        ["merchant_id", "connection_id"],
        unique=False,
        postgresql_where=sa.text("status in ('frozen', 'sent', 'unknown')"),
    )
    op.create_table(
        "episode",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("units_at_open", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("episode_pkey")),
    )
    op.create_index(
        "episode_one_open_idx",
        "episode",
        ["merchant_id", "variant_id"],
        unique=True,
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_table(
        "held_change",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("item_key", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'held'"), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("quantity_before", sa.Integer(), nullable=True),
        sa.Column("quantity_after", sa.Integer(), nullable=True),
        sa.Column(
            "row",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status in ('held', 'approved', 'rejected', 'superseded')", name=op.f("held_change_status_check")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("held_change_pkey")),
    )
    op.create_index(
        "held_change_open_idx",
        "held_change",
        ["merchant_id", "source_id", "item_key"],
        unique=False,
        postgresql_where=sa.text("status = 'held'"),
    )
    op.create_index("held_change_run_idx", "held_change", ["merchant_id", "run_id"], unique=False)
    op.create_table(
        "invitation",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("episode_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_rate", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("wanted_units", sa.Integer(), server_default=sa.text("'1'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lapsed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("invitation_pkey")),
        sa.UniqueConstraint(
            "merchant_id",
            "subscription_id",
            "episode_id",
            name=op.f("invitation_merchant_id_subscription_id_episode_id_key"),
        ),
    )
    op.create_index("invitation_episode_idx", "invitation", ["merchant_id", "episode_id"], unique=False)
    op.create_table(
        "listing",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("product_id", sa.String(), nullable=False),
        sa.Column("stock_id", sa.String(), nullable=False),
        sa.Column("location_id", sa.String(), nullable=True),
        sa.Column("sku", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("title", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("url", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("page_key", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("image_url", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        sa.Column("is_published", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("is_managed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_excluded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_gone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("problem", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("wanted_available", sa.Integer(), nullable=True),
        sa.Column("wanted_state", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("wanted_count", sa.Integer(), nullable=True),
        sa.Column("wanted_restock_on", sa.Date(), nullable=True),
        sa.Column("wanted_restock_until", sa.Date(), nullable=True),
        sa.Column("believed_available", sa.Integer(), nullable=True),
        sa.Column("doubted_units", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("believed_state", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("believed_count", sa.Integer(), nullable=True),
        sa.Column("believed_restock_on", sa.Date(), nullable=True),
        sa.Column("believed_restock_until", sa.Date(), nullable=True),
        sa.Column("confirmed_available", sa.Integer(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("listing_pkey")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("listing_page_idx", "listing", ["merchant_id", "page_key"], unique=False)
    op.create_index(
        "listing_place_idx",
        "listing",
        ["merchant_id", "connection_id", "external_id", sa.literal_column("coalesce(location_id, '')")],
        unique=True,
    )
    op.create_index(
        "listing_stock_idx", "listing", ["merchant_id", "connection_id", "stock_id"], unique=False
    )
    op.create_index("listing_variant_idx", "listing", ["merchant_id", "variant_id"], unique=False)
    op.create_table(
        "merchant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), server_default=sa.text("'en'"), nullable=False),
        sa.Column("timezone", sa.String(), server_default=sa.text("'UTC'"), nullable=False),
        sa.Column("currency", sa.String(), server_default=sa.text("'EUR'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("buffer_units", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("cap_units", sa.Integer(), nullable=True),
        sa.Column("low_stock_threshold", sa.Integer(), server_default=sa.text("'3'"), nullable=False),
        sa.Column("shows_count", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("allows_backorder", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "claim_rate", sa.Numeric(precision=5, scale=4), server_default=sa.text("'0.2'"), nullable=False
        ),
        sa.Column("sender_name", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("reply_to", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("privacy_url", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("ads_dwell_s", sa.Integer(), server_default=sa.text("'60'"), nullable=False),
        sa.Column("ads_blast_limit", sa.Integer(), server_default=sa.text("'50'"), nullable=False),
        sa.Column("is_ads_dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_frozen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("merchant_pkey")),
    )
    op.create_table(
        "message",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), server_default=sa.text("'email'"), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("invitation_id", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("subject", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "context",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'skipped')",
            name=op.f("message_status_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("message_pkey")),
    )
    op.create_index(
        "message_one_invitation_idx",
        "message",
        ["merchant_id", "invitation_id"],
        unique=True,
        postgresql_where=sa.text("invitation_id is not null"),
    )
    op.create_index(
        "message_recent_idx", "message", ["merchant_id", sa.literal_column("id desc")], unique=False
    )
    op.create_index(op.f("message_subscription_id_idx"), "message", ["subscription_id"], unique=False)
    op.create_table(
        "movement",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("available_before", sa.Integer(), nullable=False),
        sa.Column("available_after", sa.Integer(), nullable=False),
        sa.Column("state_before", sa.String(), nullable=False),
        sa.Column("state_after", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("movement_pkey")),
    )
    op.create_index(
        "movement_run_idx",
        "movement",
        ["merchant_id", "run_id"],
        unique=False,
        postgresql_where=sa.text("run_id is not null"),
    )
    op.create_index(
        "movement_variant_idx",
        "movement",
        ["merchant_id", "variant_id", sa.literal_column("id desc")],
        unique=False,
    )
    op.create_table(
        "observation",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("item_key", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("gtin", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("supplier_sku", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("is_at_least", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_word", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("restock_on", sa.Date(), nullable=True),
        sa.Column("lead_time_days", sa.Integer(), nullable=True),
        sa.Column("cost", sa.Numeric(precision=14, scale=4), nullable=True),
        sa.Column("line", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("line_digest", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("previous", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("missed_runs", sa.SmallInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "source_id", "item_key", name=op.f("observation_pkey")),
    )
    op.create_index(
        "observation_loose_idx",
        "observation",
        ["merchant_id", "source_id", "item_key"],
        unique=False,
        postgresql_where=sa.text("line_digest = 0"),
    )
    op.create_table(
        "outbox_message",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), server_default=sa.text("'5'"), nullable=False),
        sa.Column("group_key", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("enqueued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "status in ('pending', 'claimed', 'done', 'failed', 'superseded', 'unknown')",
            name=op.f("outbox_message_status_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("outbox_message_pkey")),
    )
    op.create_index(
        "outbox_message_due_idx",
        "outbox_message",
        ["topic", "merchant_id", "connection_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "outbox_message_lease_idx",
        "outbox_message",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'claimed'"),
    )
    op.create_index(
        "outbox_message_next_idx",
        "outbox_message",
        ["merchant_id", "topic", "connection_id", "lane", "group_key", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "outbox_message_one_claimed_idx",
        "outbox_message",
        ["merchant_id", "topic", "connection_id", "subject"],
        unique=True,
        postgresql_where=sa.text("status = 'claimed'"),
    )
    op.create_index(
        "outbox_message_one_pending_idx",
        "outbox_message",
        ["merchant_id", "topic", "connection_id", "subject"],
        unique=True,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "outbox_message_settled_idx",
        "outbox_message",
        ["settled_at"],
        unique=False,
        postgresql_where=sa.text("settled_at is not null"),
    )
    op.create_table(
        "outbox_turn",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("last_error", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("claims", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "topic", "connection_id", name=op.f("outbox_turn_pkey")),
    )
    op.create_index(
        "outbox_turn_lease_idx",
        "outbox_turn",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until is not null"),
    )
    op.create_table(
        "position",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("available", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'out_of_stock'"), nullable=False),
        sa.Column("shown_count", sa.Integer(), nullable=True),
        sa.Column("restock_on", sa.Date(), nullable=True),
        sa.Column("restock_until", sa.Date(), nullable=True),
        sa.Column("restock_basis", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("out_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recheck_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "why",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "variant_id", name=op.f("position_pkey")),
    )
    op.create_index(
        "position_recheck_idx",
        "position",
        ["recheck_at"],
        unique=False,
        postgresql_where=sa.text("recheck_at is not null"),
    )
    op.create_table(
        "promise",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_shown_on", sa.Date(), nullable=False),
        sa.Column("latest_shown_on", sa.Date(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("restocked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_kept", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("promise_pkey")),
    )
    op.create_index(
        "promise_one_open_idx",
        "promise",
        ["merchant_id", "variant_id"],
        unique=True,
        postgresql_where=sa.text("restocked_at is null"),
    )
    op.create_table(
        "reconciliation",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("listings_read", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("sales_learnt", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("drifted", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("repaired", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("error", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("reconciliation_pkey")),
    )
    op.create_table(
        "run",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("trigger", sa.String(), server_default=sa.text("'schedule'"), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("stage", sa.String(), server_default=sa.text("'fetch'"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sha256", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("file_name", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("rows_read", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("rows_changed", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("rows_new", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("rows_missing", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("rows_rejected", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("rows_held", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("variants_decided", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("variants_changed", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("error_code", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("error", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("feed_path", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "shape",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status in ('running', 'unchanged', 'applied', 'partly_held', 'held', 'rejected', 'undone', 'failed', 'preview')",
            name=op.f("run_status_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("run_pkey")),
    )
    op.create_index(
        "run_recent_idx", "run", ["merchant_id", "source_id", sa.literal_column("id desc")], unique=False
    )
    op.create_table(
        "run_issue",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("column", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column(
            "cells",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("run_issue_pkey")),
    )
    op.create_index(op.f("run_issue_run_id_idx"), "run_issue", ["run_id"], unique=False)
    op.create_table(
        "schedule",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("every_s", sa.Integer(), nullable=False),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rerun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("last_error", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("schedule_pkey")),
        sa.UniqueConstraint(
            "merchant_id", "kind", "subject_id", name=op.f("schedule_merchant_id_kind_subject_id_key")
        ),
    )
    op.create_index(
        "schedule_due_idx",
        "schedule",
        [sa.literal_column("coalesce(lease_until, least(next_run_at, rerun_at))")],
        unique=False,
    )
    op.create_table(
        "snapshot",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column(
            "quarantined",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "source_id", name=op.f("snapshot_pkey")),
    )
    op.create_table(
        "source",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), server_default=sa.text("'supplier'"), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("max_age_hours", sa.Integer(), nullable=True),
        sa.Column("handover_hours", sa.Integer(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("confirms_unchanged", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("lead_time_days", sa.Integer(), nullable=True),
        sa.Column("in_stock_units", sa.Integer(), server_default=sa.text("'5'"), nullable=False),
        sa.Column("buffer_units", sa.Integer(), nullable=True),
        sa.Column("cap_units", sa.Integer(), nullable=True),
        sa.Column("low_stock_threshold", sa.Integer(), nullable=True),
        sa.Column("allows_backorder", sa.Boolean(), nullable=True),
        sa.Column("missing_policy", sa.String(), server_default=sa.text("'keep'"), nullable=False),
        sa.Column("missing_after", sa.Integer(), server_default=sa.text("'3'"), nullable=False),
        sa.Column(
            "mapping",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "read_options",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "mark",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("every_s", sa.Integer(), server_default=sa.text("'3600'"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("source_pkey")),
    )
    op.create_table(
        "store_order",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holds_stock", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "connection_id", "external_id", name=op.f("store_order_pkey")),
    )
    op.create_table(
        "store_order_line",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "connection_id", "order_id", "line_id", name=op.f("store_order_line_pkey")
        ),
    )
    op.create_table(
        "subscription",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(), server_default=sa.text("'email'"), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("address_key", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), server_default=sa.text("'en'"), nullable=False),
        sa.Column("wanted_units", sa.Integer(), server_default=sa.text("'1'"), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'unconfirmed'"), nullable=False),
        sa.Column("consent_text", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("consent_version", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("wants_marketing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "status in ('unconfirmed', 'waiting', 'invited', 'fulfilled', 'ended')",
            name=op.f("subscription_status_check"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("subscription_pkey")),
    )
    op.create_index("subscription_address_idx", "subscription", ["merchant_id", "address_key"], unique=False)
    op.create_index(
        "subscription_one_open_idx",
        "subscription",
        ["merchant_id", "variant_id", "channel", "address_key"],
        unique=True,
        postgresql_where=sa.text("status in ('unconfirmed', 'waiting', 'invited')"),
    )
    op.create_index(
        "subscription_queue_idx",
        "subscription",
        ["merchant_id", "variant_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_table(
        "supplier_item",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("item_key", sa.String(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("units_per_variant", sa.Integer(), server_default=sa.text("'1'"), nullable=False),
        sa.Column("how", sa.String(), server_default=sa.text("'sku'"), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "source_id", "item_key", "variant_id", name=op.f("supplier_item_pkey")
        ),
    )
    op.create_index("supplier_item_variant_idx", "supplier_item", ["merchant_id", "variant_id"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("address_digest", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "address_digest", name=op.f("suppression_pkey")),
    )
    op.create_table(
        "variant",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("sku_key", sa.String(), nullable=False),
        sa.Column("gtin", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("collection", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_discontinued", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("buffer_units", sa.Integer(), nullable=True),
        sa.Column("cap_units", sa.Integer(), nullable=True),
        sa.Column("low_stock_threshold", sa.Integer(), nullable=True),
        sa.Column("allows_backorder", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("variant_pkey")),
    )
    op.create_index(
        "variant_gtin_idx",
        "variant",
        ["merchant_id", "gtin"],
        unique=False,
        postgresql_where=sa.text("gtin <> ''"),
    )
    op.create_index("variant_sku_key_idx", "variant", ["merchant_id", "sku_key"], unique=False)
    op.create_table(
        "webhook_receipt",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "connection_id", "delivery_id", name=op.f("webhook_receipt_pkey")
        ),
    )
    op.create_index(
        "webhook_receipt_open_idx",
        "webhook_receipt",
        ["merchant_id", "connection_id", "received_at"],
        unique=False,
        postgresql_where=sa.text("worked_at is null"),
    )


def downgrade() -> None:
    op.drop_index(
        "webhook_receipt_open_idx",
        table_name="webhook_receipt",
        postgresql_where=sa.text("worked_at is null"),
    )
    op.drop_table("webhook_receipt")
    op.drop_index("variant_sku_key_idx", table_name="variant")
    op.drop_index("variant_gtin_idx", table_name="variant", postgresql_where=sa.text("gtin <> ''"))
    op.drop_table("variant")
    op.drop_table("suppression")
    op.drop_index("supplier_item_variant_idx", table_name="supplier_item")
    op.drop_table("supplier_item")
    op.drop_index(
        "subscription_queue_idx", table_name="subscription", postgresql_where=sa.text("status = 'waiting'")
    )
    op.drop_index(
        "subscription_one_open_idx",
        table_name="subscription",
        postgresql_where=sa.text("status in ('unconfirmed', 'waiting', 'invited')"),
    )
    op.drop_index("subscription_address_idx", table_name="subscription")
    op.drop_table("subscription")
    op.drop_table("store_order_line")
    op.drop_table("store_order")
    op.drop_table("source")
    op.drop_table("snapshot")
    op.drop_index("schedule_due_idx", table_name="schedule")
    op.drop_table("schedule")
    op.drop_index(op.f("run_issue_run_id_idx"), table_name="run_issue")
    op.drop_table("run_issue")
    op.drop_index("run_recent_idx", table_name="run")
    op.drop_table("run")
    op.drop_table("reconciliation")
    op.drop_index(
        "promise_one_open_idx", table_name="promise", postgresql_where=sa.text("restocked_at is null")
    )
    op.drop_table("promise")
    op.drop_index(
        "position_recheck_idx", table_name="position", postgresql_where=sa.text("recheck_at is not null")
    )
    op.drop_table("position")
    op.drop_index(
        "outbox_turn_lease_idx", table_name="outbox_turn", postgresql_where=sa.text("lease_until is not null")
    )
    op.drop_table("outbox_turn")
    op.drop_index(
        "outbox_message_settled_idx",
        table_name="outbox_message",
        postgresql_where=sa.text("settled_at is not null"),
    )
    op.drop_index(
        "outbox_message_one_pending_idx",
        table_name="outbox_message",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index(
        "outbox_message_one_claimed_idx",
        table_name="outbox_message",
        postgresql_where=sa.text("status = 'claimed'"),
    )
    op.drop_index(
        "outbox_message_next_idx", table_name="outbox_message", postgresql_where=sa.text("status = 'pending'")
    )
    op.drop_index(
        "outbox_message_lease_idx",
        table_name="outbox_message",
        postgresql_where=sa.text("status = 'claimed'"),
    )
    op.drop_index(
        "outbox_message_due_idx", table_name="outbox_message", postgresql_where=sa.text("status = 'pending'")
    )
    op.drop_table("outbox_message")
    op.drop_index(
        "observation_loose_idx", table_name="observation", postgresql_where=sa.text("line_digest = 0")
    )
    op.drop_table("observation")
    op.drop_index("movement_variant_idx", table_name="movement")
    op.drop_index("movement_run_idx", table_name="movement", postgresql_where=sa.text("run_id is not null"))
    op.drop_table("movement")
    op.drop_index(op.f("message_subscription_id_idx"), table_name="message")
    op.drop_index("message_recent_idx", table_name="message")
    op.drop_index(
        "message_one_invitation_idx",
        table_name="message",
        postgresql_where=sa.text("invitation_id is not null"),
    )
    op.drop_table("message")
    op.drop_table("merchant")
    op.drop_index("listing_variant_idx", table_name="listing")
    op.drop_index("listing_stock_idx", table_name="listing")
    op.drop_index("listing_place_idx", table_name="listing")
    op.drop_index("listing_page_idx", table_name="listing")
    op.drop_table("listing")
    op.drop_index("invitation_episode_idx", table_name="invitation")
    op.drop_table("invitation")
    op.drop_index("held_change_run_idx", table_name="held_change")
    op.drop_index(
        "held_change_open_idx", table_name="held_change", postgresql_where=sa.text("status = 'held'")
    )
    op.drop_table("held_change")
    op.drop_index("episode_one_open_idx", table_name="episode", postgresql_where=sa.text("closed_at is null"))
    op.drop_table("episode")
    op.drop_index(
        "delivery_attempt_open_idx",
        table_name="delivery_attempt",
        postgresql_where=sa.text("status in ('frozen', 'sent', 'unknown')"),
    )
    op.drop_table("delivery_attempt")
    op.drop_table("connection")
    op.drop_table("audit_event")
    op.drop_table("app_user")
    op.drop_index("allocation_variant_idx", table_name="allocation")
    op.drop_index("allocation_reference_idx", table_name="allocation")
    op.drop_index(
        "allocation_fall_idx",
        table_name="allocation",
        postgresql_where=sa.text("origin = 'fall' and units > 0"),
    )
    op.drop_table("allocation")
    op.drop_index("ad_link_page_idx", table_name="ad_link")
    op.drop_table("ad_link")
    op.drop_index("ad_action_ad_idx", table_name="ad_action")
    op.drop_index("ad_action_recent_idx", table_name="ad_action")
    op.drop_table("ad_action")
