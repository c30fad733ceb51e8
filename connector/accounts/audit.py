"""The audit log: who did what to what."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa


def record(
    db: sa.Connection,
    merchant_id: int,
    now: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Note an action in the caller's transaction. `detail` must hold no shopper's personal data."""
    db.execute(
        sa.text("""
            insert into audit_event (merchant_id, at, actor, action, subject, detail)
            values (:m, :at, :actor, :action, :subject, cast(:detail as jsonb))
        """),
        {
            "m": merchant_id,
            "at": now,
            "actor": actor,
            "action": action,
            "subject": subject,
            "detail": json.dumps(detail or {}),
        },
    )
