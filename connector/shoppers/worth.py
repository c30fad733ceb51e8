"""What alerts are worth: who waits, what invitations came to, by product and in all; that nobody was lost.

Counts are those of one merchant since a day; "told" are invitations whose message was sent (or may have been), because
a message that was never sent invited nobody. Money is by currency, in minor units, taxes included, of orders that
were tied to an invitation (`connector.shoppers.attribution`): what cannot be tied is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

PAGE = 50
STATES = ("sent", "waiting", "unknown", "failed", "skipped")
"""Where a message can be; each alert is in exactly one of them."""

_WAITING = sa.text("""
select count(*) as people, coalesce(sum(wanted_units), 0) as units, min(created_at) as oldest_at,
       count(distinct variant_id) as products
  from subscription where merchant_id = :m and status = 'waiting'
""")
_TOLD = """
count(*) filter (where g.status in ('sent', 'unknown')) as told, count(i.clicked_at) as clicked,
       count(*) filter (where i.clicked_gone) as in_vain, count(i.ordered_at) as ordered,
       coalesce(sum(i.order_units), 0) as units_ordered
  from invitation i join message g on g.merchant_id = i.merchant_id and g.invitation_id = i.id
 where i.merchant_id = :m and i.created_at >= :since
"""
_REVENUE = """
select i.variant_id, i.order_currency as currency, sum(i.order_minor) as minor from invitation i
 where i.merchant_id = :m and i.created_at >= :since and i.ordered_at is not null and i.order_currency <> ''
"""


def _parts(text: str) -> str:
    """A statement with the shared parts put in."""
    return text.replace("$told", _TOLD).replace("$revenue", _REVENUE)


_SUMMARY = sa.text(_parts("select $told"))
_STATES = sa.text("""
select case status when 'sending' then 'waiting' else status end as status, count(*) as many
  from message where merchant_id = :m and kind = 'back_in_stock' and created_at >= :since group by 1
""")
_PRODUCTS = _parts("""
select v.id as variant_id, v.sku, v.title, coalesce(w.people, 0) as people, coalesce(w.units, 0) as units,
       w.oldest_at, coalesce(i.told, 0) as told, coalesce(i.clicked, 0) as clicked,
       coalesce(i.in_vain, 0) as in_vain, coalesce(i.ordered, 0) as ordered,
       coalesce(i.units_ordered, 0) as units_ordered, r.revenue
  from (select variant_id, count(*) as people, sum(wanted_units) as units, min(created_at) as oldest_at
          from subscription where merchant_id = :m and status = 'waiting' group by variant_id) w
  full join (select i.variant_id, $told group by i.variant_id) i on i.variant_id = w.variant_id
  left join (select variant_id, jsonb_object_agg(currency, minor) as revenue
               from ($revenue group by 1, 2) x group by 1) r on r.variant_id = i.variant_id
  join variant v on v.merchant_id = :m and v.id = coalesce(w.variant_id, i.variant_id)
 order by coalesce(w.people, 0) desc, coalesce(i.ordered, 0) desc, v.id
""")
_PRODUCT = _parts("""
select v.id as variant_id, v.sku, v.title, w.people, w.units, w.oldest_at, i.*,
       (select jsonb_object_agg(currency, minor)
          from ($revenue and i.variant_id = :v group by 1, 2) x) as revenue
  from variant v,
       (select count(*) as people, coalesce(sum(wanted_units), 0) as units, min(created_at) as oldest_at
          from subscription where merchant_id = :m and variant_id = :v and status = 'waiting') w,
       (select $told and i.variant_id = :v) i
 where v.merchant_id = :m and v.id = :v
""")
_EPISODES = sa.text("""
select e.id, e.opened_at, e.units_at_open, e.closed_at, e.closed_by,
       count(*) filter (where g.status in ('sent', 'unknown')) as told, count(i.clicked_at) as clicked,
       count(*) filter (where i.clicked_gone) as in_vain, count(i.ordered_at) as ordered,
       coalesce(sum(i.order_units), 0) as units_ordered
  from (select * from episode where merchant_id = :m and variant_id = :v order by id desc limit :n) e
  left join invitation i on i.merchant_id = e.merchant_id and i.episode_id = e.id
  left join message g on g.merchant_id = i.merchant_id and g.invitation_id = i.id
 group by e.id, e.opened_at, e.units_at_open, e.closed_at, e.closed_by order by e.id desc
""")
_DAYS = sa.text("""
select day, cast(sum(joined) as bigint) as joined, cast(sum(told) as bigint) as told,
       cast(sum(sold_out) as bigint) as sold_out, cast(sum(available) as bigint) as available
  from (select cast(created_at at time zone :zone as date) as day, 1 as joined, 0 as told, 0 as sold_out, 0 as available
          from subscription
         where merchant_id = :m and variant_id = :v and created_at >= :since and confirmed_at is not null
        union all
        select cast(g.settled_at at time zone :zone as date), 0, 1, 0, 0
          from invitation i join message g on g.merchant_id = i.merchant_id and g.invitation_id = i.id
         where i.merchant_id = :m and i.variant_id = :v and i.created_at >= :since
           and g.status in ('sent', 'unknown')
        union all
        select day, 0, 0, case kind when 'sold_out' then count else 0 end,
               case kind when 'available' then count else 0 end
          from interest_day
         where merchant_id = :m and variant_id = :v and day >= cast(:since as date) and kind <> 'sign_up') x
 group by day order by day desc limit :n
""")
# By two indexes: those of the variant's own queue, and those it invited of other queues ("any variant").
_MESSAGES = sa.text("""
with of_variant as (
  select g.id from subscription s
    join message g on g.merchant_id = s.merchant_id and g.subscription_id = s.id and g.variant_id in (0, :v)
   where s.merchant_id = :m and s.variant_id = :v
  union
  select g.id from invitation i
    join message g on g.merchant_id = i.merchant_id and g.invitation_id = i.id
   where i.merchant_id = :m and i.variant_id = :v)
select g.id, g.kind, g.channel, g.status, g.created_at, g.settled_at, g.note, s.address
  from message g join subscription s on s.merchant_id = g.merchant_id and s.id = g.subscription_id
 where g.merchant_id = :m and g.id in (select id from of_variant)
 order by g.id desc limit :n
""")

PRODUCTS_EXPORT = sa.text(_PRODUCTS)
INVITATIONS_EXPORT = sa.text("""
select v.sku, v.title, s.address, s.channel, i.episode_id, i.created_at, g.status, g.settled_at, i.clicked_at,
       i.clicked_gone, i.ordered_at, i.order_id, i.order_units, i.order_minor, i.order_currency
  from invitation i
  join message g on g.merchant_id = i.merchant_id and g.invitation_id = i.id
  join subscription s on s.merchant_id = i.merchant_id and s.id = i.subscription_id
  join variant v on v.merchant_id = i.merchant_id and v.id = i.variant_id
 where i.merchant_id = :m and (:v = 0 or i.variant_id = :v) and i.created_at >= :since
 order by i.id desc
""")
INVITATIONS_HEAD = (
    *("sku", "title", "address", "channel", "restock", "invited_at", "message", "sent_at", "clicked_at"),
    *("clicked_in_vain", "ordered_at", "order_id", "order_units", "order_minor", "currency"),
)


@dataclass(frozen=True, slots=True)
class Funnel:
    """Invitations by what they came to. `in_vain` are clicks that found nothing left to buy."""

    told: int = 0
    clicked: int = 0
    in_vain: int = 0
    ordered: int = 0
    units_ordered: int = 0

    @property
    def conversion(self) -> float | None:
        """Orders of those told; None while nobody was."""
        return self.ordered / self.told if self.told else None

    @property
    def disappointed(self) -> float | None:
        """Clicks in vain of all clicks; None while there is none."""
        return self.in_vain / self.clicked if self.clicked else None


@dataclass(frozen=True, slots=True)
class Worth:
    """The sums of a merchant. `messages`: alerts by where they are, all states; `revenue`: (currency, minor units)."""

    people: int
    units: int
    products: int
    oldest_at: datetime | None
    funnel: Funnel
    revenue: tuple[tuple[str, int], ...] = ()
    messages: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_any(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.people or self.funnel.told or sum(self.messages.values()))


def worth(db: sa.Connection, merchant_id: int, since: datetime) -> Worth:
    """What alerts came to since then, and who waits now."""
    given = {"m": merchant_id, "since": since}
    now = db.execute(_WAITING, given).one()
    revenue: dict[str, int] = {}
    for row in db.execute(sa.text(_parts("$revenue group by 1, 2")), given):
        revenue[row.currency] = revenue.get(row.currency, 0) + int(row.minor)
    states = {row.status: int(row.many) for row in db.execute(_STATES, given)}
    return Worth(
        people=now.people,
        units=int(now.units),
        products=now.products,
        oldest_at=now.oldest_at,
        funnel=funnel_of(db.execute(_SUMMARY, given).one()),
        revenue=tuple(sorted(revenue.items(), key=lambda one: (-one[1], one[0]))),
        messages={name: states.get(name, 0) for name in STATES},
    )


def funnel_of(row: Any) -> Funnel:
    """The counts of a row that has them."""
    return Funnel(row.told, row.clicked, row.in_vain, row.ordered, int(row.units_ordered))


def products(
    db: sa.Connection, merchant_id: int, since: datetime, *, skip: int = 0, limit: int = PAGE
) -> Sequence[sa.Row[Any]]:
    """Products somebody waits for or was told of, those most waited for first; `revenue` is currency → minor units,
    None without any."""
    statement = sa.text(f"{_PRODUCTS} offset :skip limit :n")
    return db.execute(statement, {"m": merchant_id, "since": since, "skip": skip, "n": limit}).all()


def product(db: sa.Connection, merchant_id: int, variant_id: int, since: datetime) -> sa.Row[Any] | None:
    """The variant with its sums, None where this merchant has none such."""
    return db.execute(
        sa.text(_PRODUCT),
        {"m": merchant_id, "v": variant_id, "since": since},
    ).one_or_none()


def episodes(db: sa.Connection, merchant_id: int, variant_id: int, limit: int = 20) -> Sequence[sa.Row[Any]]:
    """The latest restock episodes of a variant with what their invitations came to, newest first."""
    return db.execute(_EPISODES, {"m": merchant_id, "v": variant_id, "n": limit}).all()


def days(
    db: sa.Connection, merchant_id: int, variant_id: int, since: datetime, zone: str, limit: int = 60
) -> Sequence[sa.Row[Any]]:
    """Days in `zone` on which something happened, newest first: confirmed sign-ups, people told, looks at the page
    while it was sold out or could be bought (days of looks are UTC)."""
    given = {"m": merchant_id, "v": variant_id, "since": since, "zone": zone, "n": limit}
    return db.execute(_DAYS, given).all()


def messages(db: sa.Connection, merchant_id: int, variant_id: int, limit: int = 50) -> Sequence[sa.Row[Any]]:
    """The latest messages about a variant, newest first."""
    return db.execute(_MESSAGES, {"m": merchant_id, "v": variant_id, "n": limit}).all()


def looks(db: sa.Connection, merchant_id: int, variant_id: int, since: date) -> dict[str, int]:
    """Sums of interest by kind since a day; for planning, which weighs demand that found nothing to buy."""
    rows = db.execute(
        sa.text("""
            select kind, cast(sum(count) as bigint) as many from interest_day
             where merchant_id = :m and variant_id = :v and day >= :since group by kind
        """),
        {"m": merchant_id, "v": variant_id, "since": since},
    )
    return {row.kind: int(row.many) for row in rows}
