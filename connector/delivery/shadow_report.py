"""What watching a store found: hours, articles, orders and money, with what is known and what is not.

A time in which the store and we say something else is held against the present tool only where our word rests on
the supplier: not where the store changed first and we followed (then it was ahead of us), and not where it changed
first and the supplier was not read again since (nobody knows yet). Money is that of orders that were really
placed; what might have been sold is only estimated for articles with orders enough, and called an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

ENOUGH_UNITS = 5
"""So many units ordered of an article while it was on sale are needed to estimate what was missed."""
FIRST_FIGURES_S = 3600
"""With less watched the figures say nothing yet."""


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of difference: how many listings, for how many seconds together."""

    listings: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Oversold(Found):
    """Sold out at the supplier and on sale in the store. `orders` were placed meanwhile for `units` worth `minor`;
    `fallen_units` worth `fallen_minor` are what the store's number fell by where no orders are read: sold, or
    corrected by the present tool."""

    orders: int = 0
    units: int = 0
    minor: int = 0
    unpriced_units: int = 0
    fallen_units: int = 0
    fallen_minor: int = 0


@dataclass(frozen=True, slots=True)
class Hidden(Found):
    """In stock at the supplier and sold out in the store. `lost_units` worth `lost_minor` are estimated for the
    `estimated` listings with orders enough; None of the others."""

    estimated: int = 0
    lost_units: int = 0
    lost_minor: int = 0


@dataclass(frozen=True, slots=True)
class Followed:
    """How often one side said the same as the other later, and after how long: the middle and the longest."""

    times: int = 0
    typical_s: int = 0
    longest_s: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """One day at the merchant's place: seconds of each kind over all listings, and the orders that hurt."""

    on: date
    out_s: int
    hidden_s: int
    differs_s: int
    minor: int


@dataclass(frozen=True, slots=True)
class Article:
    """One listing: seconds of each kind, and what was ordered while it was sold out at the supplier."""

    listing_id: int
    variant_id: int | None
    sku: str
    title: str
    out_s: int
    hidden_s: int
    differs_s: int
    units: int
    minor: int
    store_units: int | None
    our_units: int | None

    @property
    def harm_s(self) -> int:
        """Seconds on sale without stock, or hidden with it."""
        return self.out_s + self.hidden_s


@dataclass(frozen=True, slots=True)
class Report:
    """What was found from `began_at` to `seen_at`, the last look that counts. `agreed` is the share of the watched
    time of all listings in which both said the same (None before any), 0 … 1. `unsettled` differences were begun
    by the store and no supplier was read since. `every_s` is the longest time between two readings of a supplier;
    `decided_s` how long after the beginning of such a reading we said that something is out or back, in the middle
    (None without any). `reads_orders`: whether the store lets us read them."""

    began_at: datetime
    ask_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    looks: int
    compared: int
    watched_s: int
    longest_gap_s: int
    currency: str
    reads_orders: bool
    agreed: float | None
    out: Oversold
    hidden: Hidden
    differs: Found
    theirs: Followed
    ours: Followed
    unsettled: int
    every_s: int | None
    decided_s: int | None
    days: list[Day]
    worst: list[Article]

    @property
    def has_figures(self) -> bool:
        """Whether enough was watched to say anything."""
        return self.watched_s >= FIRST_FIGURES_S

    @property
    def is_open(self) -> bool:
        return self.ended_at is None


def report(
    db: sa.Connection, merchant_id: int, connection_id: int, *, timezone: str, worst: int = 20
) -> Report | None:
    """What was found in this store; None where it was never watched. `worst` bounds the articles listed. Days are
    those of `timezone`."""
    given = {"m": merchant_id, "c": connection_id, "tz": timezone, "n": worst, "enough": ENOUGH_UNITS}
    row = db.execute(_WATCH, given).first()
    if row is None:
        return None
    spans = db.execute(_TOTALS, given).one()
    sold = db.execute(_SOLD_TOTALS, given).one()
    fallen = (0, 0) if row.reads_orders else tuple(db.execute(_FALLEN, given).one())
    lost = db.execute(_LOST, {**given, "watched": row.watched_s}).one() if row.reads_orders else (0, 0, 0)
    speed = db.execute(_SPEED, given).one()
    compared_s = int(row.compared_s)
    return Report(
        began_at=row.began_at,
        ask_at=row.ask_at,
        seen_at=row.seen_at,
        ended_at=row.ended_at,
        looks=row.looks,
        compared=row.compared,
        watched_s=row.watched_s,
        longest_gap_s=row.longest_gap_s,
        currency=row.currency,
        reads_orders=row.reads_orders,
        agreed=max(0.0, 1 - spans.all_s / compared_s) if compared_s else None,
        out=Oversold(
            spans.out_n,
            spans.out_s,
            sold.orders,
            sold.units,
            sold.minor,
            sold.unpriced,
            int(fallen[0]),
            int(fallen[1]),
        ),
        hidden=Hidden(spans.hidden_n, spans.hidden_s, *(int(value) for value in lost)),
        differs=Found(spans.differs_n, spans.differs_s),
        theirs=Followed(spans.theirs_n, spans.theirs_mid, spans.theirs_max),
        ours=Followed(spans.ours_n, spans.ours_mid, spans.ours_max),
        unsettled=spans.unsettled,
        every_s=speed.every_s,
        decided_s=speed.decided_s,
        days=[Day(*day) for day in db.execute(_DAYS, given)],
        worst=[Article(*one) for one in db.execute(_ARTICLES, given)],
    )


def articles(db: sa.Connection, merchant_id: int, connection_id: int) -> Iterator[sa.Row[Any]]:
    """Every listing that ever differed, the worst first: the fields of `Article`."""
    return iter(db.execute(_ARTICLES, {"m": merchant_id, "c": connection_id, "n": None}))


def asks_at(db: sa.Connection, merchant_id: int) -> dict[int, tuple[datetime, datetime]]:
    """The stores being watched: when each watch began and when its merchant is asked."""
    rows = db.execute(
        sa.text("""
            select connection_id, began_at, ask_at from shadow_watch
             where merchant_id = :m and ended_at is null
        """),
        {"m": merchant_id},
    )
    return {row.connection_id: (row.began_at, row.ask_at) for row in rows}


_WATCH = sa.text("""
    select w.*, coalesce(nullif(c.config ->> 'currency', ''), m.currency) as currency,
           c.cursors ? 'orders' as reads_orders
      from shadow_watch w
      join connection c on c.merchant_id = w.merchant_id and c.id = w.connection_id
      join merchant m on m.id = w.merchant_id
     where w.merchant_id = :m and w.connection_id = :c
""")

# Each time of difference with what it is held to be. "ahead": the store changed first and we followed. "unsettled":
# it changed first, and no supplier of the article was read for longer than it lasted.
_SPANS = """
    with span as (
      select s.*, coalesce(s.ended_at, w.seen_at) as until_at, l.variant_id, l.external_id, l.sku, l.title,
             l.price_minor, l.believed_available, l.wanted_available,
             greatest(0, extract(epoch from coalesce(s.ended_at, w.seen_at) - s.began_at)) as seconds
        from shadow_span s
        join shadow_watch w on w.merchant_id = s.merchant_id and w.connection_id = s.connection_id
        join listing l on l.merchant_id = s.merchant_id and l.id = s.listing_id
       where s.merchant_id = :m and s.connection_id = :c),
    judged as (
      select s.*, case when s.kind not in ('out', 'hidden') then 'differs'
                       when s.began_by <> 'store' then s.kind
                       when s.ended_by = 'ours' then 'ahead'
                       when s.seconds <= coalesce((select max(q.every_s) from supplier_item i
                                                     join source q on q.merchant_id = i.merchant_id
                                                                  and q.id = i.source_id
                                                    where i.merchant_id = s.merchant_id
                                                      and i.variant_id = s.variant_id), 0) then 'unsettled'
                       else s.kind end as verdict
        from span s)
"""
_SOLD = """
    sold as (
      select distinct on (o.external_id, i.line_id) s.listing_id, o.external_id as order_id, o.placed_at, i.units,
             i.units * s.price_minor as minor
        from judged s
        join store_order_line i on i.merchant_id = s.merchant_id and i.connection_id = s.connection_id
                               and i.external_id = s.external_id and i.units > 0
        join store_order o on o.merchant_id = i.merchant_id and o.connection_id = i.connection_id
                          and o.external_id = i.order_id
       where s.verdict = 'out' and o.placed_at > s.began_at and o.placed_at < s.until_at
       order by o.external_id, i.line_id, s.id)
"""

_THEIRS = "kind in ('out', 'hidden') and began_by = 'ours' and ended_by = 'store'"

_TOTALS = sa.text(f"""
    {_SPANS}
    select count(distinct listing_id) filter (where verdict = 'out') as out_n,
           cast(coalesce(sum(seconds) filter (where verdict = 'out'), 0) as bigint) as out_s,
           count(distinct listing_id) filter (where verdict = 'hidden') as hidden_n,
           cast(coalesce(sum(seconds) filter (where verdict = 'hidden'), 0) as bigint) as hidden_s,
           count(distinct listing_id) filter (where verdict = 'differs') as differs_n,
           cast(coalesce(sum(seconds) filter (where verdict = 'differs'), 0) as bigint) as differs_s,
           cast(coalesce(sum(seconds), 0) as bigint) as all_s,
           count(distinct listing_id) filter (where verdict = 'unsettled') as unsettled,
           count(*) filter (where {_THEIRS}) as theirs_n,
           cast(coalesce(percentile_cont(0.5) within group (order by seconds) filter (where {_THEIRS}), 0)
                as bigint) as theirs_mid,
           cast(coalesce(max(seconds) filter (where {_THEIRS}), 0) as bigint) as theirs_max,
           count(*) filter (where verdict = 'ahead') as ours_n,
           cast(coalesce(percentile_cont(0.5) within group (order by seconds) filter (where verdict = 'ahead'), 0)
                as bigint) as ours_mid,
           cast(coalesce(max(seconds) filter (where verdict = 'ahead'), 0) as bigint) as ours_max
      from judged
""")  # noqa: S608 - constants, no input

_SOLD_TOTALS = sa.text(f"""
    {_SPANS}, {_SOLD}
    select count(distinct order_id) as orders, cast(coalesce(sum(units), 0) as bigint) as units,
           cast(coalesce(sum(minor), 0) as bigint) as minor,
           cast(coalesce(sum(units) filter (where minor is null), 0) as bigint) as unpriced
      from sold
""")  # noqa: S608 - constants, no input

# The fall that ended it is the present tool's correction.
_FALLEN = sa.text(f"""
    {_SPANS}
    select cast(coalesce(sum(a.units), 0) as bigint), cast(coalesce(sum(a.units * s.price_minor), 0) as bigint)
      from judged s
      join allocation a on a.merchant_id = s.merchant_id and a.connection_id = s.connection_id
                       and a.variant_id = s.variant_id and a.origin = 'fall' and a.units > 0
                       and a.sold_at > s.began_at and a.sold_at < s.until_at
     where s.verdict = 'out'
""")  # noqa: S608 - constants, no input

# Units ordered per second on sale, times the seconds hidden.
_LOST = sa.text(f"""
    {_SPANS},
    gone as (select listing_id, external_id, price_minor, sum(seconds) as seconds, min(merchant_id) as merchant_id,
                    min(connection_id) as connection_id
               from judged where verdict = 'hidden' group by listing_id, external_id, price_minor),
    pace as (select g.listing_id, g.price_minor, sum(i.units) * g.seconds / (:watched - g.seconds) as units
               from gone g
               join shadow_watch w on w.merchant_id = g.merchant_id and w.connection_id = g.connection_id
               join store_order_line i on i.merchant_id = g.merchant_id and i.connection_id = g.connection_id
                                      and i.external_id = g.external_id and i.units > 0
               join store_order o on o.merchant_id = i.merchant_id and o.connection_id = i.connection_id
                                 and o.external_id = i.order_id and o.placed_at between w.began_at and w.seen_at
              where g.seconds < :watched
              group by g.listing_id, g.price_minor, g.seconds having sum(i.units) >= :enough)
    select count(*), cast(coalesce(round(sum(units)), 0) as bigint),
           cast(coalesce(round(sum(units * price_minor)), 0) as bigint)
      from pace
""")  # noqa: S608 - constants, no input

_SPEED = sa.text("""
    select (select max(s.every_s) from source s
             where s.merchant_id = :m and exists (select 1 from supplier_item i
                                                   where i.merchant_id = s.merchant_id and i.source_id = s.id)
           ) as every_s,
           (select cast(percentile_cont(0.5) within group (order by extract(epoch from v.at - r.started_at))
                        as bigint)
              from run r
              join movement v on v.merchant_id = r.merchant_id and v.run_id = r.id
             where r.merchant_id = w.merchant_id and r.started_at between w.began_at and w.seen_at
               and v.cause = 'run' and v.at >= r.started_at
               and (v.available_before > 0) <> (v.available_after > 0)) as decided_s
      from shadow_watch w where w.merchant_id = :m and w.connection_id = :c
""")

_DAYS = sa.text(f"""
    {_SPANS}, {_SOLD},
    day as (
      select cast(d as date) as on, d at time zone :tz as starts,
             (d + interval '1 day') at time zone :tz as ends
        from shadow_watch w
       cross join generate_series(date_trunc('day', w.began_at at time zone :tz),
                                  w.seen_at at time zone :tz, interval '1 day') as d
       where w.merchant_id = :m and w.connection_id = :c)
    select d.on,
           {
    ", ".join(
        "cast(coalesce(sum(extract(epoch from least(s.until_at, d.ends) - greatest(s.began_at, d.starts)))"
        f" filter (where s.verdict = '{verdict}'), 0) as bigint)"
        for verdict in ("out", "hidden", "differs")
    )
},
           cast(coalesce((select sum(x.minor) from sold x
                           where x.placed_at >= d.starts and x.placed_at < d.ends), 0) as bigint)
      from day d
      left join judged s on s.began_at < d.ends and s.until_at > d.starts
     group by d.on, d.starts, d.ends order by d.on
""")  # noqa: S608 - constants, no input

_ARTICLES = sa.text(f"""
    {_SPANS}, {_SOLD},
    one as (
      select listing_id, variant_id, sku, title, believed_available, wanted_available,
             {
    ", ".join(
        f"cast(coalesce(sum(seconds) filter (where verdict = '{verdict}'), 0) as bigint) as {verdict}_s"
        for verdict in ("out", "hidden", "differs")
    )
}
        from judged
       group by listing_id, variant_id, sku, title, believed_available, wanted_available)
    select o.listing_id, o.variant_id, o.sku, o.title, o.out_s, o.hidden_s, o.differs_s,
           cast(coalesce(x.units, 0) as bigint) as units, cast(coalesce(x.minor, 0) as bigint) as minor,
           o.believed_available as store_units, o.wanted_available as our_units
      from one o
      left join (select listing_id, sum(units) as units, sum(minor) as minor from sold group by listing_id) x
             on x.listing_id = o.listing_id
     where o.out_s > 0 or o.hidden_s > 0 or o.differs_s > 0
     order by minor desc, o.out_s desc, o.hidden_s desc, o.differs_s desc, o.listing_id
     limit :n
""")  # noqa: S608 - constants, no input
