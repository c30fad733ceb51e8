"""The signed click: from a message to the product page, noted once on its invitation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from connector.shoppers.stock import stock_of
from connector.shoppers.tables import Invitation, Message, Subscription

_MESSAGE = Message.__table__  # type: ignore[attr-defined]
_INVITATION = Invitation.__table__  # type: ignore[attr-defined]
_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Click:
    """Whose message was followed, for which variant of which store. `is_gone`: nothing is left to buy of it now."""

    subscription_id: int
    variant_id: int
    is_gone: bool
    connection_id: int
    invitation_id: int | None = None


def follow(db: sa.Connection, merchant_id: int, message_id: int, now: datetime | None) -> Click | None:
    """What a message's link leads to, None when there is no such message.

    With `now` the first click is noted on its invitation, and whether it was in vain; later ones change nothing.
    """
    row = db.execute(
        sa.select(
            _MESSAGE.c.kind,
            _MESSAGE.c.subscription_id,
            # A device's message belongs to the invitation of its owner.
            sa.func.coalesce(
                _MESSAGE.c.invitation_id, sa.cast(_MESSAGE.c.context["invitation"].astext, sa.BigInteger)
            ).label("invitation_id"),
            sa.func.coalesce(sa.func.nullif(_MESSAGE.c.variant_id, 0), _SUBSCRIPTION.c.variant_id).label(
                "variant_id"
            ),
            _SUBSCRIPTION.c.connection_id,
        )
        .join_from(
            _MESSAGE,
            _SUBSCRIPTION,
            (_SUBSCRIPTION.c.merchant_id == _MESSAGE.c.merchant_id)
            & (_SUBSCRIPTION.c.id == _MESSAGE.c.subscription_id),
        )
        .where(_MESSAGE.c.merchant_id == merchant_id, _MESSAGE.c.id == message_id)
    ).one_or_none()
    if row is None:
        return None
    stock = stock_of(db, merchant_id, row.variant_id)
    is_gone = row.kind == "back_in_stock" and not stock.is_live_at(row.connection_id)
    if now is not None and row.invitation_id is not None:
        db.execute(
            sa.update(_INVITATION)
            .where(
                _INVITATION.c.merchant_id == merchant_id,
                _INVITATION.c.id == row.invitation_id,
                _INVITATION.c.clicked_at.is_(None),
            )
            .values(clicked_at=now, clicked_gone=is_gone)
        )
    return Click(
        int(row.subscription_id),
        int(row.variant_id),
        is_gone,
        int(row.connection_id),
        invitation_id=row.invitation_id,
    )
