"""Similar products that are in stock, for somebody who waits for one that is not.

`choose` is pure and decides; `alternatives` reads what it decides on. Nothing here writes or tells anybody.

Similar is what shares a collection in the same store and costs nearly the same. An item that is about to run out is
never named: whoever follows it would stand before an empty shelf a second time. First comes what shares the most
collections, then what is nearest in price (in steps of a tenth); among equals what leaves the merchant the larger
margin, where its cost is known, then what lasts longer.

Worked example: a sold-out mug of 20.00 in "Mugs" and "Blue". A blue mug of 23.00 shares two collections and comes
before a white mug of 20.00, which shares one; a mug of 27.00 is too far in price (more than 30 %); a mug with 4 units
left that sold 28 in four weeks lasts 4 days and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connector.outbox.messages import literal, texts
from connector.positions.prices import judged, read_book

MOST = 3
NEAR_PERCENT = 30
LEAST_UNITS = 3
LEAST_COVER_DAYS = 7
SPEED_OVER = timedelta(days=28)
LASTING_DAYS = 365
"""Whatever lasts longer than this lasts equally long."""
_LOOKED_AT = 60

_WANTED = sa.text("""
select l.product_id, l.price_minor, v.collections
  from listing l join variant v on v.merchant_id = l.merchant_id and v.id = l.variant_id
 where l.merchant_id = :m and l.connection_id = :c and l.variant_id = :v
 order by l.is_gone, l.id limit 1
""")
_OTHERS = sa.text("""
select v.id, v.collections, l.external_id, l.product_id, l.title, l.url, l.image_url, l.price_minor,
       least(p.available, l.confirmed_available) as free_units
  from variant v
  join listing l on l.merchant_id = v.merchant_id and l.variant_id = v.id
  join position p on p.merchant_id = v.merchant_id and p.variant_id = v.id
 where v.merchant_id = :m and v.collections @> any(cast(:shared as jsonb[])) and not v.is_discontinued
   and l.connection_id = :c and l.product_id <> :product and l.is_managed and l.is_published
   and not l.is_excluded and not l.is_gone and l.url <> ''
   and p.state = 'in_stock' and least(p.available, l.confirmed_available) >= :least
   and (cast(:price as bigint) is null
        or abs(l.price_minor - cast(:price as bigint)) * 100 <= :near * cast(:price as bigint))
 order by abs(l.price_minor - cast(:price as bigint)), l.id limit :n
""")
_CURRENCY = sa.text("""
select coalesce(c.config ->> 'currency', m.currency) from connection c join merchant m on m.id = c.merchant_id
 where c.merchant_id = :m and c.id = :c
""")
_SOLD = sa.text("""
select variant_id, sum(available_before - available_after) as units from movement
 where merchant_id = :m and variant_id = any(cast(:ids as bigint[])) and at > :since
   and cause in ('order', 'fall')
 group by variant_id
""")


@dataclass(frozen=True, slots=True)
class Item:
    """A sellable item of one store. `price_minor`: minor units of the store's currency, tax included, None: not
    known. `sold_units` were sold in four weeks; `margin_percent` None: its cost is not known."""

    variant_id: int
    product_id: str
    price_minor: int | None
    collections: frozenset[str]
    free_units: int = 0
    sold_units: int = 0
    margin_percent: Decimal | None = None
    external_id: str = ""
    title: str = ""
    url: str = ""
    image_url: str = ""

    @property
    def cover_days(self) -> int:
        """How long the free units last at the present speed, in whole days, at most 365."""
        if self.sold_units <= 0:
            return LASTING_DAYS
        return min(self.free_units * SPEED_OVER.days // self.sold_units, LASTING_DAYS)


def choose(wanted: Item, others: Iterable[Item], most: int = MOST) -> list[Item]:
    """The `most` best alternatives to `wanted`, the best first, one a product; empty when there is none."""
    found: list[Item] = []
    products = {wanted.product_id}
    for one in sorted((other for other in others if _fits(wanted, other)), key=lambda o: _rank(wanted, o)):
        if one.product_id not in products:
            products.add(one.product_id)
            found.append(one)
    return found[:most]


def _fits(wanted: Item, other: Item) -> bool:
    if not wanted.collections & other.collections:
        return False
    if other.free_units < LEAST_UNITS or other.cover_days < LEAST_COVER_DAYS:
        return False
    if wanted.price_minor is None:
        return True
    if other.price_minor is None:
        return False
    return abs(other.price_minor - wanted.price_minor) * 100 <= NEAR_PERCENT * wanted.price_minor


def _rank(wanted: Item, other: Item) -> tuple[Any, ...]:
    price = wanted.price_minor
    step = abs((other.price_minor or 0) - price) * 10 // price if price else 0
    margin = other.margin_percent
    return (
        -len(wanted.collections & other.collections),
        step,
        margin is None,
        -(margin or Decimal(0)),
        -other.cover_days,
        other.variant_id,
    )


def alternatives(
    db: sa.Connection, merchant_id: int, connection_id: int, variant_id: int, now: datetime
) -> list[Item]:
    """What may be offered now at this store instead of a variant, at today's prices; at most three."""
    row = db.execute(_WANTED, {"m": merchant_id, "c": connection_id, "v": variant_id}).one_or_none()
    if row is None or not row.collections:
        return []
    wanted = Item(variant_id, row.product_id, row.price_minor, frozenset(row.collections))
    rows = db.execute(
        _OTHERS,
        {
            "shared": texts([json.dumps([name]) for name in sorted(wanted.collections)]),
            "m": merchant_id,
            "c": connection_id,
            "product": row.product_id,
            "price": row.price_minor,
            "near": NEAR_PERCENT,
            "least": LEAST_UNITS,
            "n": _LOOKED_AT,
        },
    ).all()
    others = [
        Item(
            variant_id=one.id,
            product_id=one.product_id,
            price_minor=one.price_minor,
            collections=frozenset(one.collections),
            free_units=one.free_units,
            external_id=one.external_id,
            title=one.title,
            url=one.url,
            image_url=one.image_url,
        )
        for one in rows
    ]
    return choose(wanted, _with_figures(db, merchant_id, connection_id, others, now))


def store_currency(db: sa.Connection, merchant_id: int, connection_id: int) -> str:
    """The currency of a store's prices, else the merchant's (ISO 4217)."""
    return str(db.execute(_CURRENCY, {"m": merchant_id, "c": connection_id}).scalar_one())


def _with_figures(
    db: sa.Connection, merchant_id: int, connection_id: int, others: list[Item], now: datetime
) -> list[Item]:
    """The same with what they sold and what they leave."""
    ids = sorted({one.variant_id for one in others})
    if not ids:
        return []
    given = {"m": merchant_id, "ids": literal(ids), "since": now - SPEED_OVER}
    sold = {row.variant_id: int(row.units) for row in db.execute(_SOLD, given)}
    margins = {
        one.variant_id: one.margin.percent
        for one in judged(db, merchant_id, read_book(db, merchant_id), variant_ids=ids)
        if one.connection_id == connection_id and one.margin is not None
    }
    return [
        replace(one, sold_units=sold.get(one.variant_id, 0), margin_percent=margins.get(one.variant_id))
        for one in others
    ]
