"""Shops that installed us from a platform's app store, and the legal requests the platforms passed on."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, identity, tenant


class Installation(SQLModel, table=True):
    """One shop of one platform that installed us, and the connection that it is.

    A shop comes back to the same row. `ended_at`: it removed us. `is_refused`: the platform would not renew
    our access, which is why the connection is paused. `ticket` is the digest of the last link that opens
    the whole app in a window of its own; used once.
    """

    __tablename__ = "installation"
    __table_args__ = (
        sa.UniqueConstraint("adapter", "shop"),
        sa.UniqueConstraint("merchant_id", "connection_id"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    adapter: str
    shop: str
    connection_id: int = Field(sa_type=sa.BigInteger)
    installed_at: datetime
    ended_at: datetime | None = None
    is_refused: bool = False
    ticket: str = ""


class PrivacyRequest(SQLModel, table=True):
    """A legal request that a platform passed on: worked by a job, kept as proof without personal data.

    `sealed` holds the addresses, encrypted, until the request is done. An "export" becomes "ready" when the
    merchant can fetch it, and "done" when they say that it was handed over. Nothing is worked before
    `not_before`; the law wants it done by `due_at`.
    """

    __tablename__ = "privacy_request"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "connection_id", "delivery_id"),
        sa.Index(
            "privacy_request_open_idx", "merchant_id", "due_at", postgresql_where=sa.text("status <> 'done'")
        ),
        sa.CheckConstraint("kind in ('export', 'erase_person', 'erase_shop')", name="kind"),
        sa.CheckConstraint("status in ('waiting', 'ready', 'done')", name="status"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    connection_id: int = Field(sa_type=sa.BigInteger)
    delivery_id: str
    kind: str
    reference: str = ""
    sealed: bytes = b""
    received_at: datetime
    not_before: datetime
    due_at: datetime
    status: str = "waiting"
    done_at: datetime | None = None
    outcome: str = ""


class Handover(SQLModel, table=True):
    """Keys that a shop is asked to hand over, for one merchant, one person and one address.

    `digest` is that of the state, the unguessable word by which the shop's answer is known: good once, until
    `expires_at`. An "open" one waits for the shop, a "checking" one has its keys in `sealed` until they are
    known to work; then it is "done" or "failed" with the `problem`, and the keys are gone from here.
    `connection_id` is the connection whose access is renewed, else the one that came of it.
    """

    __tablename__ = "handover"
    __table_args__ = (
        sa.UniqueConstraint("digest"),
        sa.CheckConstraint("status in ('open', 'checking', 'done', 'failed')", name="status"),
        sa.CheckConstraint("not is_renewal or connection_id is not null", name="renewal"),
        sa.CheckConstraint("status = 'checking' or sealed = ''", name="sealed"),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    user_id: int = Field(sa_type=sa.BigInteger)
    adapter: str
    address: str
    name: str = ""
    digest: str
    is_renewal: bool = False
    connection_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    created_at: datetime
    expires_at: datetime
    status: str = "open"
    sealed: bytes = b""
    problem: str = ""
