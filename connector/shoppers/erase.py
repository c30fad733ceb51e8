"""Personal data leaves: on a shopper's word, a platform's legal request, or when its time is over.

Erasing keeps the rows as numbers (how many waited, how many were told) and takes everything that says
who: the address, its key, the consent text. A suppression stays: it is a keyed digest, and without it
the address would be written to again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.shoppers import addresses
from connector.shoppers.devices import leave_with, of_person
from connector.shoppers.policy import policy_of
from connector.shoppers.tables import Message, Subscription

_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

CLOSED_LASTS = timedelta(days=365)

_OWN_SUBSCRIPTION = (
    *("id", "variant_id", "channel", "address", "locale", "wanted_units", "status"),
    *("any_of", "time_zone", "origin"),
    *("consent_text", "consent_version", "wants_marketing", "marketing_text"),
    *("created_at", "confirmed_at", "asked_again_at", "ended_at", "ended_by"),
)
_OWN_MESSAGE = ("id", "subscription_id", "kind", "channel", "status", "subject", "sending_at")


def erase(
    db: sa.Connection, merchant_id: int, address: str, now: datetime, *, connection_id: int | None = None
) -> int:
    """Forget an address or a telephone number at this merchant, or in one store of theirs; the number of
    subscriptions it was taken from.

    What was open ends. Raises AddressInvalid for something that cannot be either.
    """
    key = _key(db, merchant_id, address)
    if connection_id is None:
        return erase_key(db, merchant_id, key, now)
    which = of_person(merchant_id, key) & (_SUBSCRIPTION.c.connection_id == connection_id)
    return _anonymise(db, merchant_id, which, now)


def _key(db: sa.Connection, merchant_id: int, address: str) -> str:
    """How it is compared. A number without its country is looked for in those that the merchant writes to."""
    if "@" in address:
        return addresses.normalise(address)[1]
    policy = policy_of(db, merchant_id)
    for country in ("", policy.country, *policy.sms_countries):
        try:
            return addresses.normalise_phone(address, country)
        except addresses.AddressInvalid:
            continue
    raise addresses.AddressInvalid("This is neither an e-mail address nor a mobile number.")


def erase_key(db: sa.Connection, merchant_id: int, address_key: str, now: datetime) -> int:
    """As `erase`, for an address as it is compared; "" erases nothing."""
    if not address_key:
        return 0
    return _anonymise(db, merchant_id, of_person(merchant_id, address_key), now)


def expire_closed(db: sa.Connection, merchant_id: int, now: datetime) -> int:
    """Forget who was behind subscriptions that were answered or ended a year ago; the number of them."""
    closed_at = sa.func.coalesce(
        _SUBSCRIPTION.c.ended_at, _SUBSCRIPTION.c.confirmed_at, _SUBSCRIPTION.c.created_at
    )
    last_message_at = (
        sa.select(sa.func.max(_MESSAGE.c.settled_at))
        .where(
            _MESSAGE.c.merchant_id == _SUBSCRIPTION.c.merchant_id,
            _MESSAGE.c.subscription_id == _SUBSCRIPTION.c.id,
        )
        .scalar_subquery()
    )
    return _anonymise(
        db,
        merchant_id,
        _SUBSCRIPTION.c.status.in_(("fulfilled", "ended"))
        & (_SUBSCRIPTION.c.address != "")
        & (sa.func.greatest(closed_at, last_message_at) <= now - CLOSED_LASTS),
        now,
    )


def export(
    db: sa.Connection, merchant_id: int, address: str, *, connection_id: int | None = None
) -> dict[str, Any]:
    """Everything kept about an address or a number at this merchant, or in one store of theirs, ready for JSON.
    Raises AddressInvalid."""
    key = _key(db, merchant_id, address)
    return export_key(db, merchant_id, key, connection_id=connection_id)


def export_key(
    db: sa.Connection, merchant_id: int, address_key: str, *, connection_id: int | None = None
) -> dict[str, Any]:
    """As `export`, for a mailbox or a number as it is compared."""
    which = of_person(merchant_id, address_key)
    if connection_id is not None:
        which &= _SUBSCRIPTION.c.connection_id == connection_id
    found = db.execute(
        sa.select(_SUBSCRIPTION)
        .where(_SUBSCRIPTION.c.merchant_id == merchant_id, which)
        .order_by(_SUBSCRIPTION.c.id)
    ).all()
    messages = db.execute(
        sa.select(_MESSAGE)
        .where(
            _MESSAGE.c.merchant_id == merchant_id,
            _MESSAGE.c.subscription_id.in_([row.id for row in found]),
        )
        .order_by(_MESSAGE.c.id)
    ).all()

    def plain(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in ((name, getattr(row, name)) for name in names)
        }

    return {
        "subscriptions": [plain(row, _OWN_SUBSCRIPTION) for row in found],
        "messages": [plain(row, _OWN_MESSAGE) for row in messages],
    }


def _anonymise(db: sa.Connection, merchant_id: int, which: sa.ColumnElement[bool], now: datetime) -> int:
    is_open = _SUBSCRIPTION.c.status.in_(("unconfirmed", "waiting", "invited"))
    erased = db.scalars(
        sa.update(_SUBSCRIPTION)
        .where(_SUBSCRIPTION.c.merchant_id == merchant_id, which)
        .values(
            address="",
            address_key="",
            consent_text="",
            marketing_text="",
            push_keys={},
            ended_at=sa.case((is_open, now), else_=_SUBSCRIPTION.c.ended_at),
            ended_by=sa.case((is_open, "erased"), else_=_SUBSCRIPTION.c.ended_by),
            status=sa.case((is_open, "ended"), else_=_SUBSCRIPTION.c.status),
        )
        .returning(_SUBSCRIPTION.c.id)
    ).all()
    leave_with(db, merchant_id, erased, "erased", now)
    return len(erased)
