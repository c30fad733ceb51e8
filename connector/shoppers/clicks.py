"""The signed click: from a message to the product page, noted once on its invitation."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from connector.shoppers.tables import Invitation, Message

_MESSAGE = Message.__table__  # type: ignore[attr-defined]
_INVITATION = Invitation.__table__  # type: ignore[attr-defined]


def follow(db: sa.Connection, merchant_id: int, message_id: int, now: datetime | None) -> int | None:
    """The subscription a message was for, None when there is no such message.

    With `now` the first click is noted on its invitation; later ones change nothing.
    """
    row = db.execute(
        sa.select(_MESSAGE.c.subscription_id, _MESSAGE.c.invitation_id).where(
            _MESSAGE.c.merchant_id == merchant_id, _MESSAGE.c.id == message_id
        )
    ).one_or_none()
    if row is None:
        return None
    if now is not None and row.invitation_id is not None:
        db.execute(
            sa.update(_INVITATION)
            .where(
                _INVITATION.c.merchant_id == merchant_id,
                _INVITATION.c.id == row.invitation_id,
                _INVITATION.c.clicked_at.is_(None),
            )
            .values(clicked_at=now)
        )
    return int(row.subscription_id)
