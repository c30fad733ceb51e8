"""What stores told us (webhook receipts), what reading them back found (reconciliations, numbers that somebody
else set), and how a store that we only watch compares with what we would say."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, tenant


class WebhookReceipt(SQLModel, table=True):
    """A verified webhook, stored before it is answered; worked later by a job, then its body is dropped.

    Unique by delivery id, so that a delivery repeated by the platform is recorded once. `triggered_at` is when
    the platform says that it happened, which may be hours before it came; None where it does not say.
    """

    __tablename__ = "webhook_receipt"
    __table_args__ = (
        sa.Index(
            "webhook_receipt_open_idx",
            "merchant_id",
            "connection_id",
            "received_at",
            postgresql_where=sa.text("worked_at is null"),
        ),
    )
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    delivery_id: str = Field(primary_key=True)
    topic: str
    body: bytes | None = None
    received_at: datetime
    triggered_at: datetime | None = None
    worked_at: datetime | None = None
    outcome: str = ""


class Reconciliation(SQLModel, table=True):
    """One comparison of a store with what it should say. Counts are listings."""

    __tablename__ = "reconciliation"
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    started_at: datetime
    finished_at: datetime | None = None
    listings_read: int = 0
    sales_learnt: int = 0
    drifted: int = 0
    repaired: int = 0
    error: str = ""


class ForeignWrite(SQLModel, table=True):
    """A number that somebody else set where we `believed` another; `repaired_at` when ours went back."""

    __tablename__ = "foreign_write"
    __table_args__ = (
        sa.Index("foreign_write_listing_idx", "merchant_id", "listing_id", "seen_at"),
        sa.Index(
            "foreign_write_open_idx",
            "merchant_id",
            "listing_id",
            postgresql_where=sa.text("repaired_at is null"),
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    listing_id: int = Field(sa_type=sa.BigInteger)
    seen_at: datetime
    believed: int
    found: int
    repaired_at: datetime | None = None


class ProductNote(SQLModel, table=True):
    """A store's own field about a product's availability that we wrote: the value `before` us, and the two it
    may hold after a call whose answer was lost: what `was` there and `ours`.

    `kind` is that of `connector.ports.notes`. `step`: "open", "theirs" (the merchant changed it since, until
    they choose anew) or "refused" by the store, with the `reason`.
    """

    __tablename__ = "product_note"
    __table_args__ = (
        sa.CheckConstraint("kind in ('text', 'preorder')", name="kind"),
        sa.CheckConstraint("step in ('open', 'theirs', 'refused')", name="step"),
    )
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    product_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    before: str
    was: str
    ours: str
    step: str = "open"
    reason: str = ""
    changed_at: datetime


class ShadowWatch(SQLModel, table=True):
    """A store that is only read is compared with what we would say, until writing is approved or it is stopped.

    `ask_at` is when the merchant is asked what to do; watching goes on. `seen_at` is the last look that counts:
    `watched_s` seconds were covered by looks, `compared_s` sums them over the listings compared. Time between two
    looks further apart than is watched counts for nobody; `longest_gap_s` is the longest of it.
    """

    __tablename__ = "shadow_watch"
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    began_at: datetime
    ask_at: datetime
    ended_at: datetime | None = None
    seen_at: datetime
    looks: int = 1
    compared: int = 0
    watched_s: int = Field(default=0, sa_type=sa.BigInteger)
    compared_s: int = Field(default=0, sa_type=sa.BigInteger)
    longest_gap_s: int = 0


class ShadowSpan(SQLModel, table=True):
    """A time in which a watched store said something else than we would: one row from the first look that saw it
    to the one that no longer did, however long. What agrees has none.

    `kind`: "out" (it sells, and we say sold out), "hidden" (it says sold out, and we would sell), "more" or
    "fewer" (both sell, another number). `began_by` and `ended_by` say whose number changed ("ours", "store");
    it also begins with the "start" of watching and ends with a "gap" in it, its "stop", or when the listing
    "left" what is compared. The units are those of its first look.
    """

    __tablename__ = "shadow_span"
    __table_args__ = (
        sa.Index(
            "shadow_span_open_idx",
            "merchant_id",
            "connection_id",
            "listing_id",
            unique=True,
            postgresql_where=sa.text("ended_at is null"),
        ),
        sa.Index("shadow_span_store_idx", "merchant_id", "connection_id", "began_at"),
        sa.CheckConstraint("kind in ('out', 'hidden', 'more', 'fewer')", name="kind"),
        sa.CheckConstraint("began_by in ('start', 'ours', 'store')", name="began_by"),
        sa.CheckConstraint("ended_by in ('', 'ours', 'store', 'gap', 'stop', 'left')", name="ended_by"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    listing_id: int = Field(sa_type=sa.BigInteger)
    kind: str
    began_at: datetime
    began_by: str
    ended_at: datetime | None = None
    ended_by: str = ""
    store_units: int
    our_units: int
