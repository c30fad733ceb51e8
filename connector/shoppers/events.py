"""Tells the merchant's own marketing system of what somebody was told, where that person agreed to marketing.

Who agreed is looked up in the moment of telling: whoever left, was suppressed or erased meanwhile is told to nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import sqlalchemy as sa
from babel.numbers import get_currency_precision

from connector.db import transaction
from connector.outbox.messages import Again, Claim, Done, Failed, Outcome, Unknown, settle
from connector.outbox.work import outcome_of
from connector.ports.channels import OutgoingEvent
from connector.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Unauthorized
from connector.shoppers.runtime import ShopperRuntime

NAMES = {"back_in_stock": "Back in Stock"}
"""The event's name by the kind of message, as merchants see it in the other system."""
LATEST = timedelta(hours=24)
"""An event that waited for longer, for a refused key or a provider that was down, is not told any more."""

_LOOK = sa.text("""
select g.kind, g.channel, g.message_id, g.settled_at, s.status as person_status, s.address, s.address_key, s.locale,
       s.wants_marketing, s.wanted_units, v.sku, v.gtin, l.external_id, l.product_id, l.title, l.url, l.image_url,
       l.price_minor, m.name, m.currency, c.name as store, c.config->>'currency' as store_currency
  from message g
  join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
  join merchant m on m.id = g.merchant_id
  left join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
  left join variant v on v.merchant_id = g.merchant_id and v.id = coalesce(nullif(g.variant_id, 0), s.variant_id)
  left join lateral (
       select l.* from listing l
        where l.merchant_id = s.merchant_id and l.connection_id = s.connection_id and l.variant_id = v.id
        order by l.confirmed_available desc nulls last, l.id limit 1) l on true
 where g.merchant_id = :m and g.id = :id and g.status = 'sent'
""")
_SUPPRESSED = sa.text(
    "select exists (select 1 from suppression where merchant_id = :m and address_digest = any(:digests))"
)


def work_events(rt: ShopperRuntime, claim: Claim) -> None:
    """The handler of the topic "message.event": tells the events of the claim one by one."""
    merchant_id = claim.turn.merchant_id
    channel = rt.channel(merchant_id, claim.turn.connection_id)
    for message in claim.messages:
        if claim.is_out_of_time():
            return  # what is left goes back to pending
        event = event_of(rt, merchant_id, int(message.subject))
        outcome: Outcome = Done(event) if isinstance(event, str) else _tell(channel, event, message.tries)
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: outcome})


def _tell(channel: Any, event: OutgoingEvent, tries: int) -> Outcome:
    """Hand one event over; raises what concerns the connection as a whole."""
    try:
        channel.send(event)
    except OutcomeUnknown as error:
        if error.is_repeatable:
            return outcome_of(error, tries)
        return Unknown(f"{error.cause} It may have arrived and is not repeated.")
    except RateLimited as error:
        return Again(error.retry_after_s, error.cause)
    except (Unauthorized, Misconfigured):
        raise
    except PortError as error:
        found = outcome_of(error, tries)
        return Failed(error.cause) if isinstance(found, Failed) else found
    return Done()


def event_of(rt: ShopperRuntime, merchant_id: int, message_id: int) -> OutgoingEvent | str:
    """What is told of a message that was sent, or why nothing is."""
    with rt.engine.connect() as db:
        row = db.execute(_LOOK, {"m": merchant_id, "id": message_id}).one_or_none()
        if row is None or row.kind not in NAMES:
            return "There is nothing to tell."
        if row.person_status == "ended" or not row.address:
            return "The shopper left."
        if not row.wants_marketing:
            return "The shopper did not agree to marketing."
        if row.channel not in ("email", "sms"):
            return "A browser is nobody whom another system could write to."
        digests = rt.keyring.digests("suppression", row.address_key)
        if db.scalar(_SUPPRESSED, {"m": merchant_id, "digests": list(digests)}):
            return "This address must not be written to."
    told_at = row.settled_at
    if told_at is None or rt.now() - told_at > LATEST:
        return "It is too late for this event."
    return _event(row, told_at)


def _event(row: Any, told_at: datetime) -> OutgoingEvent:
    currency = row.store_currency or row.currency
    facts: dict[str, object] = {
        "ProductName": row.title,
        "ProductURL": row.url,
        "ImageURL": row.image_url,
        "ProductID": row.product_id,
        "VariantID": row.external_id,
        "SKU": row.sku,
        "GTIN": row.gtin,
        "Store": row.store,
        "Brand": row.name,
        "Language": row.locale,
        "UnitsWanted": row.wanted_units,
    }
    if row.price_minor is not None:
        price = Decimal(row.price_minor).scaleb(-get_currency_precision(currency))
        facts |= {"Price": float(price), "Currency": currency}
    return OutgoingEvent(
        unique_id=_unique_id(row.message_id),
        name=NAMES[row.kind],
        at=told_at,
        email=row.address if row.channel == "email" else "",
        phone=row.address if row.channel == "sms" else "",
        properties={name: value for name, value in facts.items() if value not in (None, "")},
    )


def _unique_id(message_id: str) -> str:
    """A UUID that is the same on every repetition: that of the message's own id, or one that follows from it."""
    try:
        return str(UUID(message_id.partition("@")[0]))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, message_id))
