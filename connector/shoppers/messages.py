"""Messages to people as they wait to be sent: written with the change that causes them, sent again, given up.

`connector.shoppers.sending` sends them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox.messages import Intent, enqueue
from connector.shoppers.fates import LOST_NOTE
from connector.shoppers.media import ADAPTERS, MEDIA, TOPICS, ways
from connector.shoppers.render import Kind
from connector.shoppers.runtime import ShopperRuntime
from connector.shoppers.stock import FROM_STOCK
from connector.shoppers.tables import Message, Subscription

_SUBSCRIPTION = Subscription.__table__  # type: ignore[attr-defined]
_MESSAGE = Message.__table__  # type: ignore[attr-defined]

_WRITE = sa.text("""
with named as (
  update subscription s
     set shown_on = (select coalesce(p.restock_until, p.restock_on) from position p
                      where p.merchant_id = s.merchant_id and p.variant_id = s.variant_id
                        and p.restock_on is not null and p.state <> all(:from_stock))
   where :kind = 'confirm' and s.merchant_id = :m and s.id = :subscription_id
), made as (
  insert into message (merchant_id, kind, channel, subscription_id, invitation_id, variant_id, message_id, created_at,
                       context, not_before)
  select s.merchant_id, :kind, s.channel, s.id, :invitation_id, :variant_id, :message_id, :now,
         cast(:context as jsonb), cast(:not_before as timestamptz)
    from subscription s where s.merchant_id = :m and s.id = :subscription_id
  returning id, channel
)
select made.id, made.channel,
       (select min(c.id) from connection c
         where c.merchant_id = :m and c.kind = 'channel' and c.status = 'active'
           and c.adapter = any(case made.channel when 'sms' then cast(:sms as text[])
                                                 when 'push' then cast(:push as text[])
                                                 else cast(:email as text[]) end)) as way
  from made
""")

# Who was taken for told is not yet: sold out before it leaves, their place is kept. Not of whoever bought meanwhile, or
# signed up anew.
_INVITE_AGAIN = sa.text("""
with theirs as (
  update invitation i set lapsed_at = null
    from message g
   where g.merchant_id = :m and g.id = :id and g.kind = 'back_in_stock'
     and i.merchant_id = :m and i.id = g.invitation_id and i.ordered_at is null
  returning i.subscription_id
)
update subscription s set status = 'invited'
  from theirs
 where s.merchant_id = :m and s.id = theirs.subscription_id and s.status = 'fulfilled'
   and not exists (select 1 from subscription o
                    where o.merchant_id = s.merchant_id and o.variant_id = s.variant_id and o.channel = s.channel
                      and o.address_key = s.address_key and o.status in ('unconfirmed', 'waiting', 'invited'))
""")


def write_message(
    rt: ShopperRuntime,
    db: sa.Connection,
    merchant_id: int,
    subscription_id: int,
    kind: Kind,
    invitation_id: int | None = None,
    *,
    variant_id: int = 0,
    context: Mapping[str, Any] | None = None,
    not_before: datetime | None = None,
) -> Intent:
    """Write the message in the caller's transaction, for the subscription's own channel; the intent to send it (by the
    merchant's own connection, else by the installation's), for `enqueue` at its end.

    `variant_id`: what it speaks of, 0: what the subscription waits for; `context`: what it promises (dates, codes), for
    JSON; an alert is not sent before `not_before`. A confirmation names the day by which the page says that it is
    back, and that is kept with the subscription: what is promised later is measured by it.
    """
    host = urlsplit(rt.base_url).hostname or "localhost"
    given: dict[str, Any] = {medium: list(ADAPTERS[medium]) for medium in MEDIA}
    made = db.execute(
        _WRITE,
        {
            **given,
            "m": merchant_id,
            "kind": kind,
            "subscription_id": subscription_id,
            "invitation_id": invitation_id,
            "variant_id": variant_id,
            "message_id": f"{uuid4().hex}@{host}",
            "now": rt.now(),
            "context": json.dumps(dict(context or {})),
            "not_before": not_before,
            "from_stock": list(FROM_STOCK),
        },
    ).one()
    # Somebody who just signed up is looking at the mailbox: before the alerts of a large wave.
    return _intent(made.id, made.channel, made.way or 0, lane=4 if kind == "confirm" else 5)


def _intent(message_id: int, channel: str, way: int, *, lane: int = 5) -> Intent:
    # Claims sort by group_key as text: the digits are filled up so that those who came first go first.
    return Intent(TOPICS[channel], str(message_id), way, lane, group_key=f"{message_id:019}")


def close_subscription(db: sa.Connection, merchant_id: int, subscription_id: int) -> None:
    """Somebody invited was told."""
    db.execute(
        sa.update(_SUBSCRIPTION)
        .where(
            _SUBSCRIPTION.c.merchant_id == merchant_id,
            _SUBSCRIPTION.c.id == subscription_id,
            _SUBSCRIPTION.c.status == "invited",
        )
        .values(status="fulfilled")
    )


def resend(rt: ShopperRuntime, merchant_id: int, message_id: int) -> bool:
    """The merchant decides to send a failed or unknown message again, under its old Message-ID so that
    mailboxes may drop a duplicate. It is checked again like any other. False when it is neither failed
    nor unknown, or the shopper left."""
    with transaction(rt.engine) as db:
        again = db.execute(
            sa.update(_MESSAGE)
            .where(
                _MESSAGE.c.merchant_id == merchant_id,
                _MESSAGE.c.id == message_id,
                _MESSAGE.c.status.in_(("failed", "unknown")),
                sa.exists().where(
                    _SUBSCRIPTION.c.merchant_id == merchant_id,
                    _SUBSCRIPTION.c.id == _MESSAGE.c.subscription_id,
                    _SUBSCRIPTION.c.status != "ended",
                ),
            )
            .values(status="waiting", settled_at=None, note="Sent again by the merchant.")
            .returning(_MESSAGE.c.channel)
        ).one_or_none()
        if again is None:
            return False
        db.execute(_INVITE_AGAIN, {"m": merchant_id, "id": message_id})
        way = next(iter(ways(db, merchant_id, again.channel)), 0)
        enqueue(db, merchant_id, [_intent(message_id, again.channel, way)])
    return True


def settle_lost(db: sa.Connection, merchant_id: int, now: datetime, after: timedelta) -> int:
    """Messages "sending" for longer than `after` become unknown, even when their intent is lost as
    well; the number of them. `after` must be longer than any provider's call."""
    lost = list(
        db.execute(
            sa.update(_MESSAGE)
            .where(
                _MESSAGE.c.merchant_id == merchant_id,
                _MESSAGE.c.status == "sending",
                _MESSAGE.c.sending_at <= now - after,
            )
            .values(status="unknown", settled_at=now, note=LOST_NOTE)
            .returning(_MESSAGE.c.subscription_id, _MESSAGE.c.kind)
        )
    )
    for row in lost:
        if row.kind == "back_in_stock":
            close_subscription(db, merchant_id, row.subscription_id)
    return len(lost)
