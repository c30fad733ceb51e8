"""Who waits for what, the restock episodes, the invitations and every message to a person."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, json_field, tenant


class Subscription(SQLModel, table=True):
    """One person waiting for one variant. `address_key` is how addresses are compared.

    Status: unconfirmed, waiting, invited, fulfilled, ended. `channel` is email, sms or push; `address` a mailbox, a
    number in E.164 or a push endpoint, whose keys are in `push_keys`. With `any_of`, a product's id in the store,
    any variant of that product will do; `variant_id` is then the one they looked at. The queue goes by `priority`
    (higher first, 0 ordinary), then by `id`. `origin` is page, import or api. `time_zone` is an IANA name, "" where
    the shopper's is not known. `asked_again_at`: when somebody who waits for long was asked whether they still do.
    `shown_on`: the day by which the page said, when they signed up, that it would be back; None: it named none.
    `passes_over`: the moment whose stock is not for them, since somebody who was brought along may wait for the next
    restock; they are told only after it was sold out once since then. None: any stock is.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        sa.Index(
            "subscription_one_open_idx",
            "merchant_id",
            "variant_id",
            "channel",
            "address_key",
            unique=True,
            postgresql_where=sa.text("status in ('unconfirmed', 'waiting', 'invited')"),
        ),
        sa.Index(
            "subscription_queue_idx",
            "merchant_id",
            "variant_id",
            "id",
            postgresql_where=sa.text("status = 'waiting'"),
        ),
        sa.Index(
            "subscription_any_idx",
            "merchant_id",
            "connection_id",
            "any_of",
            postgresql_where=sa.text("status = 'waiting' and any_of <> ''"),
        ),
        sa.Index("subscription_address_idx", "merchant_id", "address_key"),
        sa.Index("subscription_variant_idx", "merchant_id", "variant_id", "created_at"),
        sa.Index(
            "subscription_passes_over_idx",
            "merchant_id",
            "variant_id",
            postgresql_where=sa.text("passes_over is not null"),
        ),
        sa.CheckConstraint(
            "status in ('unconfirmed', 'waiting', 'invited', 'fulfilled', 'ended')", name="status"
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    variant_id: int = Field(sa_type=sa.BigInteger)
    connection_id: int = Field(sa_type=sa.BigInteger)
    channel: str = "email"
    address: str
    address_key: str
    locale: str = "en"
    wanted_units: int = 1
    status: str = "unconfirmed"
    consent_text: str = ""
    consent_version: str = ""
    wants_marketing: bool = False
    marketing_text: str = ""
    any_of: str = ""
    priority: int = Field(default=0, sa_type=sa.SmallInteger)
    time_zone: str = ""
    origin: str = "page"
    push_keys: dict[str, Any] = json_field()
    created_at: datetime
    confirmed_at: datetime | None = None
    asked_again_at: datetime | None = None
    shown_on: date | None = None
    passes_over: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""


class Episode(SQLModel, table=True):
    """One time a variant came back from stock. Open until it is sold out again or everybody is served."""

    __tablename__ = "episode"
    __table_args__ = (
        sa.Index(
            "episode_one_open_idx",
            "merchant_id",
            "variant_id",
            unique=True,
            postgresql_where=sa.text("closed_at is null"),
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    variant_id: int = Field(sa_type=sa.BigInteger)
    opened_at: datetime
    units_at_open: int
    closed_at: datetime | None = None
    closed_by: str = ""


class Invitation(SQLModel, table=True):
    """One subscription invited in one episode: at most one row, hence at most one message.

    `clicked_gone`: at the first click nothing was left to buy. `order_id` is the order that came of it, with the
    units and the value of its line in minor units of `order_currency`. `held_until`: as long as the store keeps
    units aside for this person.
    """

    __tablename__ = "invitation"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "subscription_id", "episode_id"),
        sa.Index("invitation_episode_idx", "merchant_id", "episode_id"),
        sa.Index("invitation_variant_idx", "merchant_id", "variant_id", "created_at"),
        sa.Index(
            "invitation_order_idx", "merchant_id", "order_id", postgresql_where=sa.text("order_id <> ''")
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    subscription_id: int = Field(sa_type=sa.BigInteger)
    episode_id: int = Field(sa_type=sa.BigInteger)
    variant_id: int = Field(sa_type=sa.BigInteger)
    claim_rate: Decimal = Field(max_digits=5, decimal_places=4)
    wanted_units: int = 1
    created_at: datetime
    clicked_at: datetime | None = None
    clicked_gone: bool = False
    order_id: str = ""
    ordered_at: datetime | None = None
    order_units: int = 0
    order_minor: int = Field(default=0, sa_type=sa.BigInteger)
    order_currency: str = ""
    held_until: datetime | None = None
    lapsed_at: datetime | None = None


class Message(SQLModel, table=True):
    """One message to one person. Ends as sent, failed, skipped or unknown; until then waiting.

    "sending" is committed immediately before the provider is called: after a crash exactly those are
    unknown, are not repeated and are shown to the merchant. `variant_id` is what it speaks of (0: what the
    subscription waits for), `provider_id` what the provider calls it, `sent_by` the connection it was handed to (0: the
    installation's own mail), `segments` the parts of an SMS. It is not sent
    before `not_before`. `context` holds what was promised in it (a date, a code) and never an address.
    """

    __tablename__ = "message"
    __table_args__ = (
        sa.Index("message_recent_idx", "merchant_id", sa.text("id desc")),
        sa.Index(
            "message_one_invitation_idx",
            "merchant_id",
            "invitation_id",
            unique=True,
            postgresql_where=sa.text("invitation_id is not null"),
        ),
        sa.Index("message_ours_idx", "merchant_id", "message_id"),
        sa.Index(
            "message_theirs_idx",
            "merchant_id",
            "provider_id",
            postgresql_where=sa.text("provider_id <> ''"),
        ),
        sa.CheckConstraint(
            "status in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'skipped')", name="status"
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    kind: str
    channel: str = "email"
    subscription_id: int = Field(sa_type=sa.BigInteger, index=True)
    variant_id: int = Field(default=0, sa_type=sa.BigInteger)
    invitation_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    message_id: str
    provider_id: str = ""
    sent_by: int = Field(default=0, sa_type=sa.BigInteger)
    segments: int = Field(default=0, sa_type=sa.SmallInteger)
    status: str = "waiting"
    created_at: datetime
    not_before: datetime | None = None
    sending_at: datetime | None = None
    settled_at: datetime | None = None
    tries: int = 0
    note: str = ""
    subject: str = ""
    context: dict[str, Any] = json_field()


class Compensation(SQLModel, table=True):
    """A discount code for somebody who waited longer than they were told; at most one a subscription.

    Status: planned (the request is fixed; it may have been sent), made (the code is in the store as `external_id`),
    refused (`note` says why) or deleted. It takes `percent` or `amount_minor` (minor units of `currency`) off
    `product_id` until the end of `expires_on`. `shown_on` is the day they had been shown; `message_id` the message that
    tells the code, 0: none.
    """

    __tablename__ = "compensation"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "subscription_id"),
        sa.UniqueConstraint("merchant_id", "code"),
        sa.CheckConstraint("status in ('planned', 'made', 'refused', 'deleted')", name="status"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    subscription_id: int = Field(sa_type=sa.BigInteger)
    connection_id: int = Field(sa_type=sa.BigInteger)
    product_id: str
    code: str
    percent: int | None = Field(default=None, sa_type=sa.SmallInteger)
    amount_minor: int | None = Field(default=None, sa_type=sa.BigInteger)
    currency: str = ""
    shown_on: date
    expires_on: date
    status: str = "planned"
    external_id: str = ""
    message_id: int = Field(default=0, sa_type=sa.BigInteger)
    note: str = ""
    created_at: datetime


class InterestDay(SQLModel, table=True):
    """How often a variant's page was looked at, or somebody signed up, on one day (UTC): a number and nobody's name.

    `kind` is sold_out or available (what the page said) or sign_up. Kept only where the merchant chose it.
    """

    __tablename__ = "interest_day"
    __table_args__ = (
        sa.CheckConstraint("kind in ('sold_out', 'available', 'sign_up')", name="kind"),
        sa.Index("interest_day_day_idx", "day"),
    )
    merchant_id: int = tenant()
    variant_id: int = Field(primary_key=True, sa_type=sa.BigInteger)
    day: date = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    count: int = 0


class Suppression(SQLModel, table=True):
    """An address that must not get alerts any more, kept only as a keyed digest with the reason."""

    __tablename__ = "suppression"
    merchant_id: int = tenant()
    address_digest: str = Field(primary_key=True)
    reason: str
    at: datetime


class ShopperRules(SQLModel, table=True):
    """What a merchant chose for messages to shoppers; `says` as in `connector.shoppers.policy`, only what differs
    from its defaults."""

    __tablename__ = "shopper_rules"
    merchant_id: int = tenant()
    says: dict[str, Any] = json_field()
    actor: str = ""
    changed_at: datetime
