"""What merchants are told by mail: what they want to hear of, what they were told, and each mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.db import SQLModel, identity, json_field, tenant


class NoticeRule(SQLModel, table=True):
    """One row a merchant. `says` maps names of `rules.NoticeChoice` to values. `told` lists what the merchant was told
    and what still holds, as [group, what, subject]: it is not told again before it was over in between."""

    __tablename__ = "notice_rule"
    merchant_id: int = tenant()
    says: dict[str, Any] = json_field()
    told: list[Any] = json_field("[]")
    actor: str = ""
    changed_at: datetime


class NoticeMail(SQLModel, table=True):
    """One mail to the merchant about `items`, each [group, what, subject]; whatever is over when it leaves is left out.

    waiting → sending → sent, failed or unknown (its worker died: it is not repeated); or waiting → skipped, when
    nothing of it holds any more.
    """

    __tablename__ = "notice_mail"
    __table_args__ = (
        sa.Index("notice_mail_at_idx", "merchant_id", "created_at"),
        sa.CheckConstraint(
            "status in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'skipped')", name="status"
        ),
    )
    merchant_id: int = tenant()
    id: int | None = identity()
    items: list[Any] = json_field("[]")
    status: str = "waiting"
    message_id: str = ""
    created_at: datetime
    sending_at: datetime | None = None
    settled_at: datetime | None = None
    tries: int = 0
    note: str = ""
