"""The ways to reach a shopper: which adapters speak each medium, and the outbox topic of its messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import sqlalchemy as sa

from connector.accounts.tables import Connection
from connector.shoppers.policy import ChannelName

_CONNECTION = Connection.__table__  # type: ignore[attr-defined]

MEDIA: tuple[ChannelName, ...] = get_args(ChannelName)
ADAPTERS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "mail_api"),
    "sms": ("sms_webhook", "twilio"),
    "push": ("web_push",),
    "event": ("klaviyo", "omnisend"),
}
"""The channel adapters by medium (a test compares with their manifests)."""

EMAIL, SMS, PUSH, EVENT = "message.email", "message.sms", "message.push", "message.event"
TOPICS: Mapping[str, str] = {"email": EMAIL, "sms": SMS, "push": PUSH}
ORDER = "message.order"
"""To customers, about their orders: by mail."""
ALL_TOPICS: Mapping[str, tuple[str, ...]] = {
    "email": (EMAIL, ORDER),
    "sms": (SMS,),
    "push": (PUSH,),
    "event": (EVENT,),
}
"""Everything that goes by a medium."""


def ways(db: sa.Connection, merchant_id: int, medium: str) -> list[int]:
    """The merchant's own active connections of a medium, the oldest first."""
    return list(
        db.scalars(
            sa.select(_CONNECTION.c.id)
            .where(
                _CONNECTION.c.merchant_id == merchant_id,
                _CONNECTION.c.kind == "channel",
                _CONNECTION.c.adapter.in_(ADAPTERS[medium]),
                _CONNECTION.c.status == "active",
            )
            .order_by(_CONNECTION.c.id)
        )
    )
