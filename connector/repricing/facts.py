"""What is known of the prices of one store: what may be written there, what we wrote, and what the rules want."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from babel.numbers import get_currency_precision

from connector.outbox.messages import literal
from connector.ports.prices import StorePrice
from connector.ports.stores import ListingRef
from connector.positions.prices import PriceBook, judged
from connector.repricing.policy import Permission, Plan, Written, plan


@dataclass(frozen=True, slots=True)
class WritingState:
    """How it stands with writing prices into a store; `approved_at` None: never approved."""

    status: str
    shows_was: bool
    permission: Permission
    held: int
    held_why: str
    problem: str
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A price that we wrote or left alone, as a page shows it; sums are whole units of `currency`."""

    listing_id: int
    variant_id: int
    sku: str
    title: str
    currency: str
    before: Decimal
    ours: Decimal
    was: Decimal | None
    step: str
    reason: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """The prices of one look that are still ours: undone together."""

    written_at: datetime
    prices: int


def minor(amount: Decimal, currency: str) -> int:
    """An amount in minor units of its currency.

    >>> minor(Decimal("21.95"), "EUR"), minor(Decimal(500), "JPY")
    (2195, 500)
    """
    return int(amount.scaleb(get_currency_precision(currency)).to_integral_value())


def writing_of(db: sa.Connection, merchant_id: int, connection_id: int) -> WritingState | None:
    """None where it was never switched on."""
    row = db.execute(
        sa.text("""
            select status, shows_was, rules_digest, allowed, allows_far, held, held_why, problem, approved_at
              from price_writing where merchant_id = :m and connection_id = :c
        """),
        {"m": merchant_id, "c": connection_id},
    ).one_or_none()
    if row is None:
        return None
    permission = Permission(row.rules_digest, row.allowed, row.allows_far)
    return WritingState(
        row.status, row.shows_was, permission, row.held, row.held_why, row.problem, row.approved_at
    )


def refs_of(db: sa.Connection, merchant_id: int, connection_id: int) -> dict[int, ListingRef]:
    """The listings whose price we may write. An item that is kept at several locations has one price: its first
    listing stands for all of them."""
    rows = db.execute(
        sa.text("""
            select distinct on (external_id) id, external_id, product_id, stock_id, location_id, sku
              from listing
             where merchant_id = :m and connection_id = :c and is_managed and not is_excluded and not is_gone
             order by external_id, id
        """),
        {"m": merchant_id, "c": connection_id},
    )
    return {
        row.id: ListingRef(row.external_id, row.product_id, row.stock_id, row.location_id, row.sku)
        for row in rows
    }


def written_of(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    steps: Sequence[str] = (),
    listing_ids: Sequence[int] | None = None,
) -> dict[int, Written]:
    """What we wrote there by listing; with `steps`, or of `listing_ids`, only those."""
    rows = db.execute(
        sa.text("""
            select listing_id, before_minor, before_was, first_minor, first_was, ours_minor, ours_was, step, written_at
              from price_write
             where merchant_id = :m and connection_id = :c and (:any or step = any(:steps))
               and (cast(:ids as bigint[]) is null or listing_id = any(cast(:ids as bigint[])))
             order by listing_id
        """),
        {
            "m": merchant_id,
            "c": connection_id,
            "steps": list(steps),
            "any": not steps,
            "ids": None if listing_ids is None else list(listing_ids),
        },
    )
    return {
        row.listing_id: Written(
            StorePrice(row.before_minor, row.before_was),
            StorePrice(row.ours_minor, row.ours_was),
            row.step,
            row.written_at,
            StorePrice(row.first_minor, row.first_was),
        )
        for row in rows
    }


def plan_of(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    book: PriceBook,
    refs: Mapping[int, ListingRef] | None = None,
) -> Plan:
    """What the rules want of the store's prices now. Asks no store."""
    ours = refs_of(db, merchant_id, connection_id) if refs is None else refs
    found = judged(db, merchant_id, book, connection_id=connection_id)
    return plan(
        (one for one in found if one.listing_id in ours), written_of(db, merchant_id, connection_id), minor
    )


def counts_of(db: sa.Connection, merchant_id: int, connection_id: int) -> dict[str, int]:
    """How many prices of the store are at each step."""
    rows = db.execute(
        sa.text("""
            select step, count(*) as prices from price_write
             where merchant_id = :m and connection_id = :c group by step
        """),
        {"m": merchant_id, "c": connection_id},
    )
    return {row.step: int(row.prices) for row in rows}


def latest(db: sa.Connection, merchant_id: int, connection_id: int, most: int) -> list[Shown]:
    """The latest `most` prices that we wrote or left alone."""
    rows = db.execute(
        sa.text("""
            select w.*, l.variant_id, coalesce(v.sku, l.sku) as item, l.title,
                   coalesce(c.config ->> 'currency', m.currency) as currency
              from price_write w
              join merchant m on m.id = w.merchant_id
              join connection c on c.merchant_id = w.merchant_id and c.id = w.connection_id
              join listing l on l.merchant_id = w.merchant_id and l.id = w.listing_id
              left join variant v on v.merchant_id = l.merchant_id and v.id = l.variant_id
             where w.merchant_id = :m and w.connection_id = :c
             order by w.written_at desc, w.listing_id limit :most
        """),
        {"m": merchant_id, "c": connection_id, "most": most},
    )
    found = []
    for row in rows:
        digits = get_currency_precision(row.currency)
        was = None if row.ours_was is None else Decimal(row.ours_was).scaleb(-digits)
        before, ours = (Decimal(n).scaleb(-digits) for n in (row.before_minor, row.ours_minor))
        found.append(
            Shown(
                row.listing_id,
                row.variant_id or 0,
                row.item,
                row.title,
                row.currency,
                before,
                ours,
                was,
                row.step,
                row.reason,
                row.written_at,
            )
        )
    return found


def looks(db: sa.Connection, merchant_id: int, connection_id: int, most: int = 10) -> list[Look]:
    """When prices were written that are still ours, the newest first."""
    rows = db.execute(
        sa.text("""
            select written_at, count(*) as prices from price_write
             where merchant_id = :m and connection_id = :c and step = 'open'
             group by written_at order by written_at desc limit :most
        """),
        {"m": merchant_id, "c": connection_id, "most": most},
    )
    return [Look(row.written_at, int(row.prices)) for row in rows]


SET_LISTING = sa.text("""
    update listing l set price_minor = n.price
      from unnest(cast(:ids as text[]), cast(:prices as bigint[])) as n(external_id, price)
     where l.merchant_id = :m and l.connection_id = :c and l.external_id = n.external_id
       and l.price_minor is distinct from n.price
""")


def prices_seen(db: sa.Connection, merchant_id: int, connection_id: int, prices: Mapping[str, int]) -> None:
    """Keep what the store shows by external id, as its catalogue would have told."""
    if prices:
        given = {
            "m": merchant_id,
            "c": connection_id,
            "ids": list(prices),
            "prices": literal(prices.values()),
        }
        db.execute(SET_LISTING, given)
