"""Which currency a source's costs are in, and the merchant's exchange rates.

A cost is in the currency that the merchant named for its source (with the prices), else in the one its last list
named, else in the merchant's own. A list that names several is in none that is known ("XXX", as ISO 4217 has it). Rates
are the merchant's word; nothing is asked of anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import sqlalchemy as sa
from babel.numbers import list_currencies

from connector.availability.facts import VariantFacts
from connector.ports.errors import Misconfigured

UNCLEAR = "XXX"
MOST_RATE = Decimal(1_000_000)
LEAST_RATE = Decimal("0.000001")
Row = TypeVar("Row")

_SOURCES = sa.text("""
    select s.id, coalesce(nullif(r.says -> 'cost_currency' ->> cast(s.id as text), ''),
                          nullif(s.cost_currency, ''), m.currency) as currency
      from source s
      join merchant m on m.id = s.merchant_id
      left join price_rule r on r.merchant_id = s.merchant_id and r.level = 'merchant' and r.subject = ''
     where s.merchant_id = :m
""")
_STATED = sa.text("""
    select s.id, coalesce(nullif(s.cost_currency, ''), m.currency)
      from source s join merchant m on m.id = s.merchant_id where s.merchant_id = :m
""")
_RATES = sa.text("""
    select distinct on (x.currency) x.currency, x.rate, x.valid_from
      from exchange_rate x join merchant m on m.id = x.merchant_id and m.currency = x.base
     where x.merchant_id = :m and x.valid_from <= :on
     order by x.currency, x.valid_from desc
""")


_NEXT = sa.text("""
    select min(x.valid_from) from exchange_rate x join merchant m on m.id = x.merchant_id and m.currency = x.base
     where x.merchant_id = :m and x.valid_from > :on
""")
MOST_YEARS = 10
"""A rate that is to hold so far ahead is looked at by whatever is decided meanwhile."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `currency` is worth `rate` of the merchant's own from `valid_from` on."""

    currency: str
    rate: Decimal
    valid_from: date


def own_currency(db: sa.Connection, merchant_id: int) -> str:
    """The merchant's currency."""
    return str(
        db.execute(sa.text("select currency from merchant where id = :m"), {"m": merchant_id}).scalar_one()
    )


def currencies_of(db: sa.Connection, merchant_id: int) -> dict[int, str]:
    """The currency of each source's costs, by its id."""
    return {row[0]: row[1] for row in db.execute(_SOURCES, {"m": merchant_id})}


def stated_currencies(db: sa.Connection, merchant_id: int) -> dict[int, str]:
    """The currency of each source's costs as its last list named it, else the merchant's own; by the source's id."""
    return {row[0]: row[1] for row in db.execute(_STATED, {"m": merchant_id})}


def rates_on(db: sa.Connection, merchant_id: int, on: date) -> list[Rate]:
    """The rates that count on a day, one a currency, by currency."""
    return [
        Rate(row.currency, row.rate, row.valid_from)
        for row in db.execute(_RATES, {"m": merchant_id, "on": on})
    ]


def worth(db: sa.Connection, merchant_id: int, on: date) -> dict[str, Decimal]:
    """What one unit of each currency is worth in the merchant's own on a day, that one included."""
    return {one.currency: one.rate for one in rates_on(db, merchant_id, on)} | {
        own_currency(db, merchant_id): Decimal(1)
    }


def convert(amount: Decimal, of: str, to: str, worth_of: Mapping[str, Decimal]) -> Decimal | None:
    """`amount` of one currency in another, to four decimals; None where a rate is lacking.

    Worked example: one dollar is worth 0.90 euros and a pound 1.20: 12 dollars are 9 pounds.
    """
    if of == to:
        return amount
    if of not in worth_of or to not in worth_of:
        return None
    return (amount * worth_of[of] / worth_of[to]).quantize(Decimal("0.0001"))


def with_currencies(
    db: sa.Connection, merchant_id: int, found: list[tuple[Row, VariantFacts]]
) -> list[tuple[Row, VariantFacts]]:
    """The facts with the currency of each cost and the rates, where a strategy compares costs; else as they are, for
    nothing."""
    if not any(facts.rule.policy.strategy == "cheapest" for _, facts in found):
        return found
    currencies = currencies_of(db, merchant_id)
    if len(set(currencies.values())) < 2:
        return found
    rates = worth(db, merchant_id, found[0][1].today)
    until = _next_rate(db, merchant_id, found[0][1])
    return [
        (
            row,
            replace(
                facts,
                rates=rates,
                rates_until=until,
                sources=tuple(
                    replace(source, currency=currencies.get(source.source_id, "")) for source in facts.sources
                ),
            ),
        )
        for row, facts in found
    ]


def _next_rate(db: sa.Connection, merchant_id: int, facts: VariantFacts) -> datetime | None:
    """When the next rate comes into force, at the merchant's place; None where none is known to come."""
    on = db.execute(_NEXT, {"m": merchant_id, "on": facts.today}).scalar()
    if on is None or on.year > facts.today.year + MOST_YEARS:
        return None
    return datetime.combine(on, time(), tzinfo=facts.place).astimezone(UTC)


def checked_rate(currency: str, rate: str, valid_from: str, own: str) -> Rate:
    """The rate that these texts say, raises Misconfigured that names the field."""
    code = currency.strip().upper()
    if code not in list_currencies() or code == UNCLEAR:
        raise _wrong("currency", f"{currency!r} is no currency", "Use a code like USD.")
    if code == own:
        raise _wrong("currency", f"{code} is your own currency", "Name another one; yours is always worth 1.")
    try:
        value = Decimal(rate.replace(",", ".").strip())
    except InvalidOperation as exc:
        raise _wrong("rate", f"{rate!r} is no number", "Use a number like 0.92.") from exc
    if not value.is_finite() or not LEAST_RATE <= value <= MOST_RATE:
        raise _wrong("rate", f"{rate} is no rate", f"Use a number from {LEAST_RATE:f} to {MOST_RATE:f}.")
    try:
        day = date.fromisoformat(valid_from.strip())
    except ValueError as exc:
        raise _wrong("valid_from", f"{valid_from!r} is no date", "Use a date like 2026-11-22.") from exc
    return Rate(code, value, day)


def save_rate(db: sa.Connection, merchant_id: int, rate: Rate, *, actor: str, now: datetime) -> None:
    """Keep a rate; one of the same currency and day is replaced."""
    db.execute(
        sa.text("""
            insert into exchange_rate (merchant_id, currency, base, valid_from, rate, actor, changed_at)
            select id, :c, currency, :day, :rate, :actor, :now from merchant where id = :m
                on conflict (merchant_id, currency, base, valid_from)
                do update set rate = excluded.rate, actor = excluded.actor, changed_at = excluded.changed_at
        """),
        {
            "m": merchant_id,
            "c": rate.currency,
            "day": rate.valid_from,
            "rate": rate.rate,
            "actor": actor,
            "now": now,
        },
    )


def remove_rates(db: sa.Connection, merchant_id: int, currency: str) -> bool:
    """Forget all rates of a currency; False where there are none."""
    statement = sa.text("delete from exchange_rate where merchant_id = :m and currency = :c")
    return bool(db.execute(statement, {"m": merchant_id, "c": currency.strip().upper()}).rowcount)


def compared_by_cost(db: sa.Connection, merchant_id: int, currency: str) -> list[int]:
    """The variants of sources whose costs are in this currency: decided again when its rate changes."""
    sources = [source for source, code in currencies_of(db, merchant_id).items() if code == currency]
    return list(
        db.scalars(
            sa.text("""
                select distinct variant_id from supplier_item
                 where merchant_id = :m and source_id = any(cast(:s as bigint[])) order by variant_id
            """),
            {"m": merchant_id, "s": sources},
        )
    )


def _wrong(field: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured("rates", f"exchange rate, {field}", cause, remedy, field=field)
