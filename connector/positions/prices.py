"""Prices against costs: margins, what sells below its floor, and what each price should be by the merchant's rules.

Nothing here changes a price: it tells, and proposes. A listing is judged by the cost of the source that sells it; of
several, by the highest, so that no floor is broken by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Literal

import sqlalchemy as sa
from babel.numbers import get_currency_precision

from connector.availability.pricing import (
    MOST_PERCENT,
    NAMES,
    TEXTS,
    Margin,
    PriceRule,
    Proposal,
    Tax,
    floor_price,
    margin,
    nearest,
    propose,
)
from connector.outbox.messages import literal
from connector.ports.errors import Misconfigured
from connector.positions.currencies import convert, stated_currencies, worth

PAGE = 5_000
LEVELS = ("merchant", "supplier", "collection", "sku")
Problem = Literal["", "no_cost", "currency"]
NOTHING_SAID = Proposal("no_rule")
NO_RULE = PriceRule()

_RULES = sa.text("select level, subject, says from price_rule where merchant_id = :m")
_TODAY = sa.text("select cast(now() at time zone timezone as date) from merchant where id = :m")

_LISTINGS = """
    select l.id, l.variant_id, v.sku, v.title, v.collections, l.price_minor, c.name as store,
           l.connection_id,
           coalesce(c.config ->> 'currency', m.currency) as currency, m.currency as own_currency,
           p.why -> 'sources' as sources, costs.each as costs
      from listing l
      join variant v on v.merchant_id = l.merchant_id and v.id = l.variant_id
      join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id and c.status <> 'ended'
      join merchant m on m.id = l.merchant_id
      left join position p on p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
      left join lateral (
           select jsonb_agg(jsonb_build_array(i.source_id, cast(o.cost * i.units_per_variant as text), o.run_id)
                            order by i.source_id, i.item_key) as each
             from supplier_item i
             join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id
                               and o.item_key = i.item_key and o.cost is not null
            where i.merchant_id = l.merchant_id and i.variant_id = l.variant_id
           ) costs on true
     where l.merchant_id = :m and l.id > :after and l.price_minor is not null and not l.is_gone {which}
     order by l.id limit :n
"""
_ALL = sa.text(_LISTINGS.format(which=""))
_OF_STORE = sa.text(_LISTINGS.format(which="and l.connection_id = :c"))
_OF_VARIANTS = sa.text(_LISTINGS.format(which="and l.variant_id = any(cast(:variants as bigint[]))"))


@dataclass(frozen=True, slots=True)
class Judged:
    """One listing's price. `cost` is that of one variant unit from `source_id`, as run `run_id` brought it; both
    None where no cost is known ("no_cost"). A cost in another currency than the store's is converted at the
    merchant's rate of today (`rate`: what one unit of it is worth here); "currency": there is no rate, so nothing is
    worked out and `cost` stands as it was said. `floor` None: there is none. Sums are whole units of `currency`."""

    listing_id: int
    variant_id: int
    sku: str
    title: str
    store: str
    currency: str
    price: Decimal
    problem: Problem = ""
    cost: Decimal | None = None
    source_id: int = 0
    run_id: int = 0
    margin: Margin | None = None
    floor: Decimal | None = None
    proposal: Proposal = NOTHING_SAID
    rule: PriceRule = NO_RULE
    connection_id: int = 0
    rate: Decimal = Decimal(1)

    @property
    def is_below(self) -> bool:
        """Whether it sells below its floor."""
        return self.floor is not None and self.price < self.floor

    @property
    def stops(self) -> bool:
        """Whether it is not to be sold at this price, by the merchant's choice."""
        return self.is_below and self.rule.below_floor == "stop"

    def at_cost(self, cost: Decimal, book: PriceBook) -> Judged:
        """The same price with the floor that it has at another cost."""
        digits = get_currency_precision(self.currency)
        return replace(self, cost=cost, floor=floor_price(cost, self.rule, book.tax, digits))


@dataclass(frozen=True, slots=True)
class PriceBook:
    """The merchant's rules by level and subject."""

    rules: Mapping[tuple[str, str], Mapping[str, Any]]

    @property
    def merchant(self) -> Mapping[str, Any]:
        """What is said of everything."""
        return self.rules.get(("merchant", ""), {})

    @property
    def tax(self) -> Tax:
        """Whether shop prices include tax, and how much."""
        return Tax(
            bool(self.merchant.get("tax_included")), Decimal(str(self.merchant.get("tax_percent") or 0))
        )

    def with_rule(self, level: str, subject: str, says: Mapping[str, Any]) -> PriceBook:
        """The book with one rule replaced, for a preview; empty `says` takes it away."""
        rules = {key: value for key, value in self.rules.items() if key != (level, subject)}
        return PriceBook({**rules, (level, subject): dict(says)} if says else rules)


def read_book(db: sa.Connection, merchant_id: int) -> PriceBook:
    """The rules as they are kept."""
    return PriceBook({(row.level, row.subject): row.says for row in db.execute(_RULES, {"m": merchant_id})})


def judged(
    db: sa.Connection,
    merchant_id: int,
    book: PriceBook,
    *,
    connection_id: int = 0,
    variant_ids: Collection[int] | None = None,
) -> Iterator[Judged]:
    """Every priced listing of the merchant, of one store, or of some variants, in order of its id."""
    given: dict[str, Any] = {"m": merchant_id, "n": PAGE}
    if variant_ids is not None:
        query, given["variants"] = _OF_VARIANTS, literal(variant_ids)
    elif connection_id:
        query, given["c"] = _OF_STORE, connection_id
    else:
        query = _ALL
    stated = stated_currencies(db, merchant_id)
    worth_of = worth(db, merchant_id, db.execute(_TODAY, {"m": merchant_id}).scalar_one())
    named = book.merchant.get("cost_currency") or {}
    currencies = {source: named.get(str(source)) or code for source, code in stated.items()}
    after = 0
    while True:
        rows = db.execute(query, {**given, "after": after}).all()
        for row in rows:
            yield _judge(row, book, currencies, worth_of)
        if len(rows) < PAGE:
            return
        after = rows[-1].id


def _judge(
    row: Any, book: PriceBook, currencies: Mapping[int, str], worth_of: Mapping[str, Decimal]
) -> Judged:
    digits = get_currency_precision(row.currency)
    base: dict[str, Any] = {
        "listing_id": row.id,
        "variant_id": row.variant_id,
        "sku": row.sku,
        "title": row.title,
        "store": row.store,
        "currency": row.currency,
        "price": Decimal(row.price_minor).scaleb(-digits),
        "connection_id": row.connection_id,
    }
    each = [(int(source), Decimal(cost), int(run)) for source, cost, run in row.costs or ()]
    if not each:
        return Judged(**base, problem="no_cost")
    counted = _counted(each, row.sources or ())
    known = []
    for source, cost, run in counted:
        rate = convert(Decimal(1), currencies.get(source, row.own_currency), row.currency, worth_of)
        if rate is None:
            # Of costs that cannot be compared nobody knows which is the highest.
            return Judged(**base, cost=cost, source_id=source, run_id=run, problem="currency")
        known.append((source, cost * rate, run, rate))
    source_id, cost, run_id, rate = max(known, key=lambda one: one[1])
    said: dict[str, Any] = {"cost": cost, "source_id": source_id, "run_id": run_id, "rate": rate}
    collections = (book.rules.get(("collection", name.casefold())) for name in row.collections or ())
    rule = nearest(
        [
            book.rules.get(("sku", str(row.variant_id)), {}),
            next((one for one in collections if one), {}),
            book.rules.get(("supplier", str(source_id)), {}),
            book.merchant,
        ]
    )
    return Judged(
        **base,
        **said,
        margin=margin(base["price"], cost, book.tax),
        floor=floor_price(cost, rule, book.tax, digits),
        proposal=propose(base["price"], cost, rule, book.tax, digits),
        rule=rule,
    )


def _counted(each: Sequence[tuple[int, Decimal, int]], sources: Any) -> Sequence[tuple[int, Decimal, int]]:
    """The costs that count: of the sources that sell and have some, else of all."""
    selling = {one["source"] for one in sources if one.get("units") and one.get("role", "sells") == "sells"}
    return [one for one in each if one[0] in selling] or each


def checked_says(level: str, given: Mapping[str, str], source_ids: Collection[int] = ()) -> dict[str, Any]:
    """What a rule says, as it is kept, from texts; empty ones are not said. Raises Misconfigured with the field."""
    says: dict[str, Any] = {}
    for name in NAMES:
        text = given.get(name, "").strip()
        if not text:
            continue
        if name in TEXTS:
            if text not in TEXTS[name]:
                cause = f"{text!r} is no value of {name}"
                raise _wrong(name, cause, f"Use one of: {', '.join(TEXTS[name])}.")
            says[name] = text
            continue
        most = Decimal(99) if name == "floor_percent" else MOST_PERCENT
        least = -most if name.startswith("markup") else Decimal(0)
        says[name] = str(_number(name, text, least, most))
    if level == "merchant":
        says["tax_included"] = given.get("tax_included") == "1"
        says["tax_percent"] = str(
            _number("tax_percent", given.get("tax_percent", "") or "0", Decimal(0), Decimal(100))
        )
        says["cost_currency"] = {}
        for source in sorted(source_ids):
            code = given.get(f"cost_currency{source}", "").strip().upper()
            if not code:
                continue
            if len(code) != 3 or not (code.isascii() and code.isalpha()):
                raise _wrong(f"cost_currency{source}", f"{code!r} is no currency", "Use a code like EUR.")
            says["cost_currency"][str(source)] = code
    return says


def _number(name: str, text: str, least: Decimal, most: Decimal) -> Decimal:
    try:
        found = Decimal(text.replace(",", ".").removesuffix("%").strip())
    except InvalidOperation as exc:
        raise _wrong(name, f"{text!r} is no number", f"Use a number from {least} to {most}.") from exc
    if not found.is_finite() or not least <= found <= most:
        raise _wrong(name, f"{text} is out of range", f"Use a number from {least} to {most}.")
    return found


def _wrong(field: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured("prices", f"price rule, {field}", cause, remedy, field=field)


def subject_of(db: sa.Connection, merchant_id: int, level: str, text: str) -> str:
    """What a rule holds for, as it is kept: of a supplier's name or id, a collection's name, an item's SKU. Raises
    Misconfigured(field="subject") where it is not one of the merchant's."""
    text = " ".join(text.split())
    if level == "merchant" and not text:
        return ""
    if level == "collection" and text:
        return text.casefold()
    query = {
        "supplier": "select id from source where merchant_id = :m and (name = :s or cast(id as text) = :s) limit 2",
        "sku": "select id from variant where merchant_id = :m and sku = :s order by id limit 2",
    }.get(level)
    found = list(db.scalars(sa.text(query), {"m": merchant_id, "s": text})) if query and text else []
    if len(found) != 1:
        raise Misconfigured(
            "prices",
            "price rule",
            f"{len(found)} are called {text!r}.",
            "Name one supplier, collection or SKU.",
            field="subject",
        )
    return str(found[0])


def save_rule(
    db: sa.Connection,
    merchant_id: int,
    level: str,
    subject: str,
    says: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> None:
    """Keep a rule in place of the one of this level and subject; empty `says` takes it away."""
    key = {"m": merchant_id, "l": level, "s": subject}
    if not says:
        db.execute(
            sa.text("delete from price_rule where merchant_id = :m and level = :l and subject = :s"), key
        )
        return
    db.execute(
        sa.text("""
            insert into price_rule (merchant_id, level, subject, says, actor, changed_at)
            values (:m, :l, :s, cast(:says as jsonb), :actor, :now)
                on conflict (merchant_id, level, subject)
                do update set says = excluded.says, actor = excluded.actor, changed_at = excluded.changed_at
        """),
        {**key, "says": json.dumps(dict(says)), "actor": actor, "now": now},
    )


@dataclass(slots=True)
class Summary:
    """What the prices come to: how many listings are priced, how many sell below their floor, are not to be sold
    for that (`stops`), would change, would change too far to do it unseen, have no known cost or one in another
    currency; and the most telling of them."""

    listings: int = 0
    below: int = 0
    stops: int = 0
    changes: int = 0
    held: int = 0
    no_cost: int = 0
    currency: int = 0
    worst: tuple[Judged, ...] = ()
    largest: tuple[Judged, ...] = ()


def summary(db: sa.Connection, merchant_id: int, book: PriceBook, samples: int = 25) -> Summary:
    """The prices under these rules: those furthest below their floor and the largest changes first."""
    found = Summary()
    below: list[Judged] = []
    moved: list[Judged] = []
    for one in judged(db, merchant_id, book):
        found.listings += 1
        found.no_cost += one.problem == "no_cost"
        found.currency += one.problem == "currency"
        if one.is_below:
            below.append(one)
            found.stops += one.stops
        if one.proposal.state in ("change", "held"):
            moved.append(one)
            found.held += one.proposal.state == "held"
        # Only the most telling are kept, also of a million.
        if len(below) > 4 * samples:
            found.below += len(below) - samples
            below = _worst(below, samples)
        if len(moved) > 4 * samples:
            found.changes += len(moved) - samples
            moved = _largest(moved, samples)
    found.below += len(below)
    found.changes += len(moved)
    found.worst, found.largest = tuple(_worst(below, samples)), tuple(_largest(moved, samples))
    return found


def count_below(db: sa.Connection, merchant_id: int, most: int = 100_000) -> int:
    """How many of the first `most` listings sell below their floor; costs nothing while no floor is set."""
    book = read_book(db, merchant_id)
    if not any("floor_percent" in says or "floor_amount" in says for says in book.rules.values()):
        return 0
    return sum(one.is_below for one in islice(judged(db, merchant_id, book), most))


def _worst(found: list[Judged], most: int) -> list[Judged]:
    return sorted(
        found, key=lambda one: (one.price / one.floor if one.floor else Decimal(1), one.listing_id)
    )[:most]


def _largest(found: list[Judged], most: int) -> list[Judged]:
    return sorted(found, key=lambda one: (-abs(one.proposal.change_percent or Decimal(0)), one.listing_id))[
        :most
    ]
