"""How many of those invited buy, and how soon: learned per product, with the merchant's setting as the start.

An order that came of an invitation (`claim`) is what is learned from. Where no order was ever tied to an invitation
(the store does not let us read orders) nothing is learned and the setting stays: silence is not "nobody buys".

    merchant's rate = (50 × setting + claims of the merchant)         / (50 + chances of the merchant)
    product's rate  = (20 × merchant's rate + claims of the product)  / (20 + chances of the product)
    typical delay   = (20 × 6 h + hours from message to order)        / (20 + claims)

A chance is an invitation counted by the share of claims that would have come in the time in which there was
something to buy (`waves.share_left`): one whose units were gone after an hour says little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connector.shoppers.tables import Invitation
from connector.shoppers.waves import INVITATION_LASTS, TYPICAL_DELAY

_INVITATION = Invitation.__table__  # type: ignore[attr-defined]

MERCHANT_WEIGHT = 50
PRODUCT_WEIGHT = 20
DELAY_WEIGHT = 20
LEAST_RATE = Decimal("0.01")
LEAST_DELAY = timedelta(minutes=10)
LEARNS_FROM = timedelta(days=365)

# Never less than nothing: a message may leave after its episode was closed (it waited for the morning, and stock had
# come back by then), and an order may be older than the moment at which we knew that its message had arrived.
_COUNTS = """
select {grouped}, count(*) filter (where i.ordered_at is not null) as claims,
       sum(1 - exp(-greatest(0, extract(epoch from least(
             :now, g.settled_at + :lasts, coalesce(e.closed_at, :now)
           ) - g.settled_at)) / :delay)) filter (where i.ordered_at is null) as tried,
       sum(greatest(0, extract(epoch from i.ordered_at - g.settled_at))) as waited_s
  from invitation i
  join message g on g.merchant_id = i.merchant_id and g.invitation_id = i.id
  join episode e on e.merchant_id = i.merchant_id and e.id = i.episode_id
 where i.merchant_id = :m and i.created_at > :since and g.status in ('sent', 'unknown')
   and g.settled_at <= :now
 group by 1
"""
_OF_PRODUCT = sa.text(_COUNTS.format(grouped="i.variant_id = :v as is_product"))
_OF_EACH = sa.text(_COUNTS.format(grouped="i.variant_id"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What invitations came to: `claims` of `chances` (a chance counts by the share of its time that passed), and the
    hours all claims together took."""

    claims: int
    chances: float
    waited_h: float
    is_product: bool = True


@dataclass(frozen=True, slots=True)
class Learned:
    """The claim rate and the typical delay of one product. `claims` and `chances` are what the product itself
    added to the start; `is_learned` False: no order was ever tied to an invitation."""

    claim_rate: Decimal
    typical_delay: timedelta
    claims: int = 0
    chances: float = 0.0
    is_learned: bool = False


def learned(db: sa.Connection, merchant_id: int, variant_id: int, setting: Decimal, now: datetime) -> Learned:
    """What is known now of one product; `setting` is the merchant's own claim rate."""
    rows = db.execute(_OF_PRODUCT, {**_counted(merchant_id, now), "v": variant_id}).all()
    return reckon(setting, [_seen(row, row.is_product) for row in rows])


def learned_of_each(
    db: sa.Connection, merchant_id: int, variant_ids: Sequence[int], setting: Decimal, now: datetime
) -> dict[int, Learned]:
    """As `learned`, for many products in one look."""
    seen = {row.variant_id: _seen(row, True) for row in db.execute(_OF_EACH, _counted(merchant_id, now))}
    claims = sum(one.claims for one in seen.values())
    chances = sum(one.chances for one in seen.values())
    waited_h = sum(one.waited_h for one in seen.values())
    found = {}
    for variant_id in variant_ids:
        own = seen.get(variant_id, Seen(0, 0.0, 0.0))
        rest = Seen(claims - own.claims, chances - own.chances, waited_h - own.waited_h, is_product=False)
        found[variant_id] = reckon(setting, [own, rest])
    return found


def _counted(merchant_id: int, now: datetime) -> dict[str, object]:
    return {
        "m": merchant_id,
        "now": now,
        "since": now - LEARNS_FROM,
        "lasts": INVITATION_LASTS,
        "delay": TYPICAL_DELAY.total_seconds(),
    }


def _seen(row: Any, is_product: bool) -> Seen:
    return Seen(row.claims, row.claims + float(row.tried or 0), float(row.waited_s or 0) / 3600, is_product)


def reckon(setting: Decimal, seen: Sequence[Seen]) -> Learned:
    """What follows from what was seen, of the product and of the merchant's others (pure)."""
    start = min(max(setting, LEAST_RATE), Decimal(1))
    claims = sum(one.claims for one in seen)
    if not claims:
        return Learned(start, TYPICAL_DELAY)
    chances = sum(one.chances for one in seen)
    own_claims = sum(one.claims for one in seen if one.is_product)
    own_chances = sum(one.chances for one in seen if one.is_product)
    of_merchant = (MERCHANT_WEIGHT * float(start) + claims) / (MERCHANT_WEIGHT + chances)
    of_product = (PRODUCT_WEIGHT * of_merchant + own_claims) / (PRODUCT_WEIGHT + own_chances)
    waited_h = sum(one.waited_h for one in seen)
    delay = (DELAY_WEIGHT * TYPICAL_DELAY + timedelta(hours=waited_h)) / (DELAY_WEIGHT + claims)
    return Learned(
        claim_rate=min(max(Decimal(str(round(of_product, 4))), LEAST_RATE), Decimal(1)),
        typical_delay=min(max(delay, LEAST_DELAY), INVITATION_LASTS),
        claims=own_claims,
        chances=own_chances,
        is_learned=True,
    )


def release(db: sa.Connection, merchant_id: int, invitation_id: int) -> None:
    """Take a claim back: its order was cancelled or refunded. The invitation may be claimed again."""
    _set(db, merchant_id, invitation_id, order_id="", ordered_at=None, order_units=0, order_minor=0)


def correct(
    db: sa.Connection, merchant_id: int, invitation_id: int, *, units: int, amount_minor: int, currency: str
) -> None:
    """The order of a claim was edited: what is left of the line, and what that costs."""
    _set(
        db,
        merchant_id,
        invitation_id,
        order_units=units,
        order_minor=amount_minor,
        order_currency=currency,
    )


def _set(db: sa.Connection, merchant_id: int, invitation_id: int, **values: object) -> None:
    db.execute(
        sa.update(_INVITATION)
        .where(_INVITATION.c.merchant_id == merchant_id, _INVITATION.c.id == invitation_id)
        .values(**values)
    )


def claim(
    db: sa.Connection,
    merchant_id: int,
    invitation_id: int,
    *,
    order_id: str,
    units: int,
    amount_minor: int,
    currency: str,
    at: datetime,
) -> bool:
    """Tie an order to the invitation it came of: `units` of the variant for `amount_minor` (minor units of
    `currency`), ordered `at`. The first order stays; False when there was one already."""
    found = db.execute(
        sa.update(_INVITATION)
        .where(
            _INVITATION.c.merchant_id == merchant_id,
            _INVITATION.c.id == invitation_id,
            _INVITATION.c.ordered_at.is_(None),
        )
        .values(
            order_id=order_id,
            ordered_at=at,
            order_units=units,
            order_minor=amount_minor,
            order_currency=currency,
        )
    )
    return found.rowcount == 1
