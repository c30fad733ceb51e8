"""Reads what deciding needs, for a chunk of variants at a time, with their position rows locked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connector.availability.facts import Correction, IncomingFacts, Shown, SourceFacts, VariantFacts
from connector.availability.sourcing import Sourcing
from connector.outbox.messages import literal
from connector.positions import outages
from connector.positions.currencies import with_currencies
from connector.positions.live_numbers import variants_of_live, with_live
from connector.positions.rules import Holding, read_book
from connector.positions.shipping import DeliveryRule

# A sale is deducted from a source until its own number knows of it: the supplier learns of the sale
# `handover_hours` after it, and what was observed tells the state at `as_of`. Stores stamp orders with whole
# seconds, rounded down: one stamped in the second of `as_of` may have come after it, so it is deducted. A row
# that was held or missing keeps a moment of its own, older than its source's.

_LOCK = sa.text("""
    select variant_id, available, state, shown_count, restock_on, restock_until, restock_basis, version,
           out_since, recheck_at, evidence_on, evidence_connection_id, nullif(sourcing, '{}')
      from position
     where merchant_id = :merchant and variant_id = any(cast(:variants as bigint[]))
     order by variant_id
       for update
""")

_CREATE = sa.text("""
    insert into position (merchant_id, variant_id, decided_at)
    select :merchant, v.id, :now
      from variant v
     where v.merchant_id = :merchant and v.id = any(cast(:variants as bigint[]))
       and not exists (select 1 from position p where p.merchant_id = :merchant and p.variant_id = v.id)
     order by v.id
        on conflict do nothing
""")

# Most JSON here says nothing. It comes as null then: the driver takes longer over each "[]" than over a row.
_VARIANTS = sa.text("""
    select v.id, v.is_discontinued, nullif(v.collections, '[]'), v.buffer_units, v.cap_units,
           v.low_stock_threshold, v.allows_backorder
      from variant v
     where v.merchant_id = :merchant and v.id = any(cast(:variants as bigint[]))
""")

_SOURCES = sa.text("""
    select i.variant_id, i.source_id, o.quantity, i.units_per_variant,
           coalesce(o.as_of, s.as_of) as as_of, s.max_age_hours,
           o.is_at_least, o.is_word, o.restock_on,
           coalesce(o.lead_time_days, s.lead_time_days) as lead_time_days, s.connection_id,
           s.in_stock_units, s.kind, s.out_because, o.cost,
           s.buffer_units, s.cap_units, s.low_stock_threshold, s.allows_backorder
      from supplier_item i
      join source s on s.merchant_id = i.merchant_id and s.id = i.source_id
      join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id
                        and o.item_key = i.item_key
     where i.merchant_id = :merchant and i.variant_id = any(cast(:variants as bigint[]))
     order by i.variant_id, i.source_id, i.item_key
""")

_SAYS = 15
"""Where the columns of IN_MERCHANT begin in what `_SOURCES` reads."""

# From the item to its sales since it was observed, never over all that were ever made of it: of 10,000 of them 50
# products took 15 seconds, their positions locked meanwhile.
_DEDUCTED = sa.text("""
    select seen.variant_id, seen.source_id, sum(a.units)
      from (select i.variant_id, i.source_id,
                   min(coalesce(o.as_of, s.as_of)) - make_interval(hours => min(s.handover_hours), secs => 1) as since
              from supplier_item i
              join source s on s.merchant_id = i.merchant_id and s.id = i.source_id
              join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id
                                and o.item_key = i.item_key
             where i.merchant_id = :merchant and i.variant_id = any(cast(:variants as bigint[]))
             group by i.variant_id, i.source_id) seen
      join allocation a on a.merchant_id = :merchant and a.variant_id = seen.variant_id
                       and a.source_id = seen.source_id and a.units > 0
                       and a.sold_at > coalesce(seen.since, '-infinity')
     group by seen.variant_id, seen.source_id
""")

# Of a store that is paused or gone nobody knows any more what is on its way to it.
_INCOMING = sa.text("""
    select i.variant_id, i.connection_id, i.units, i.arrives_at, cast(c.cursors ->> 'incoming' as timestamptz) as as_of
      from incoming i
      join connection c on c.merchant_id = i.merchant_id and c.id = i.connection_id
     where i.merchant_id = :merchant and i.variant_id = any(cast(:variants as bigint[]))
       and i.arrives_at is not null and c.status = 'active' and c.cursors ->> 'incoming' is not null
""")

_LATENESS = sa.text("""
    select connection_id, kind, days, level, ended, still_open, own, is_reached, is_pooled, typical_days
      from lateness where merchant_id = :merchant
""")

_MERCHANT = sa.text("""
    select buffer_units, cap_units, low_stock_threshold, allows_backorder, shows_count, timezone,
           (select rule from delivery_rule where merchant_id = :merchant
             order by valid_from desc limit 1) as delivery_rule
      from merchant where id = :merchant
""")

_OPEN_DEDUCTIONS = sa.text("""
    select distinct a.variant_id
      from allocation a
     where a.merchant_id = :merchant and a.source_id = :source and a.units > 0
       and a.sold_at > coalesce(:since - make_interval(hours => :handover, secs => 1), '-infinity')
     order by a.variant_id
""").bindparams(sa.bindparam("since", type_=sa.DateTime(timezone=True)))


class PositionRow(NamedTuple):
    """A position as it stands, locked by this transaction. `sourcing` is None where nothing is remembered."""

    variant_id: int
    available: int
    state: str
    shown_count: int | None
    restock_on: Any
    restock_until: Any
    restock_basis: str
    version: int
    out_since: datetime | None
    recheck_at: datetime | None
    evidence_on: Any
    evidence_connection_id: int
    sourcing: Any

    def shown(self) -> Shown | None:
        """The date shoppers see now."""
        if self.restock_on is None:
            return None
        # A release that knew of no evidence showed it as it was.
        on = self.evidence_on or self.restock_on
        until = self.restock_until or self.restock_on
        return Shown(self.restock_on, until, self.restock_basis, on, self.evidence_connection_id)


class _Item(NamedTuple):
    """One supplier item of a variant with its source. `says` is what the source's own row says of IN_MERCHANT."""

    source_id: int
    quantity: int | None
    units_per_variant: int
    as_of: datetime | None
    max_age_hours: int | None
    is_at_least: bool
    is_word: bool
    restock_on: date | None
    lead_time_days: int | None
    connection_id: int
    in_stock_units: int
    kind: str
    out_because: str
    cost: Decimal | None
    says: tuple[Any, ...]


def lock_and_read(
    db: sa.Connection, merchant_id: int, variant_ids: Sequence[int], now: datetime
) -> list[tuple[PositionRow, VariantFacts]]:
    """Lock the positions of these variants in id order (creating those that lack), then read the facts.

    Ids that are no variant of this merchant are left out. The order (lock, then read) is what makes two
    concurrent deciders end on the later facts.
    """
    given = {"merchant": merchant_id, "variants": literal(variant_ids)}
    db.execute(_CREATE, {**given, "now": now})
    # Fetched at once: row by row costs as much as the query itself.
    positions = list(map(PositionRow._make, db.execute(_LOCK, given).all()))
    merchant = db.execute(_MERCHANT, given).one()
    variants = {row[0]: row for row in db.execute(_VARIANTS, given).all()}
    deducted = {(row[0], row[1]): int(row[2]) for row in db.execute(_DEDUCTED, given).all()}
    per_variant: dict[int, list[_Item]] = defaultdict(list)
    for row in db.execute(_SOURCES, given).all():
        per_variant[row[0]].append(_Item._make((*row[1:_SAYS], tuple(row[_SAYS:]))))

    place = ZoneInfo(merchant.timezone)
    incoming: dict[int, list[IncomingFacts]] = defaultdict(list)
    for row in db.execute(_INCOMING, given).all():
        on = row.arrives_at.astimezone(place).date()
        incoming[row.variant_id].append(IncomingFacts(row.units, on, row.as_of, row.connection_id))
    lateness = {(row[0], row[1]): Correction(*row[2:]) for row in db.execute(_LATENESS, given).all()}
    today = now.astimezone(place).date()
    booked_in = (
        DeliveryRule.model_validate(merchant.delivery_rule).booked_in() if merchant.delivery_rule else None
    )
    book = read_book(db, merchant_id, merchant, list(variants))
    answer = []
    for position in positions:
        variant_id, is_discontinued, collections, *own = variants[position.variant_id]
        items = per_variant.get(variant_id, [])
        holding = book.rule_of(
            variant_id,
            is_discontinued,
            collections or (),
            tuple(own),
            tuple([(item.source_id, item.says) for item in items]),
        )
        answer.append(
            (
                position,
                VariantFacts(
                    variant_id=variant_id,
                    sources=tuple(_sources(items, variant_id, deducted, holding)),
                    rule=holding.rule,
                    now=now,
                    today=today,
                    out_since_on=position.out_since.astimezone(place).date() if position.out_since else None,
                    place=place,
                    incoming=tuple(incoming.get(variant_id, ())),
                    shown=position.shown(),
                    lateness=lateness,
                    sourcing=Sourcing.from_json(position.sourcing),
                    booked_in=booked_in,
                ),
            )
        )
    return with_currencies(db, merchant_id, with_live(db, merchant_id, answer))


def variants_with_open_deductions(db: sa.Connection, merchant_id: int, source_id: int) -> list[int]:
    """Variants with sales still deducted from this source before its `as_of` moves, or whose number it was asked
    for since: when it moves, they must be decided again although their rows did not change. Call it before moving
    `as_of`."""
    source = db.execute(
        sa.text("select as_of, handover_hours from source where merchant_id = :merchant and id = :source"),
        {"merchant": merchant_id, "source": source_id},
    ).one()
    given = {
        "merchant": merchant_id,
        "source": source_id,
        "since": source.as_of,
        "handover": source.handover_hours,
    }
    asked_for = variants_of_live(db, merchant_id, source_id)
    return sorted({*asked_for, *db.scalars(_OPEN_DEDUCTIONS, given)})


def _sources(
    items: Sequence[_Item], variant_id: int, deducted: Mapping[tuple[int, int], int], holding: Holding
) -> list[SourceFacts]:
    """One entry per item; the deductions of a source are taken from its items in order until used up.
    Items come by source."""
    left: dict[int, int] = {}
    answer = []
    for item, after in zip_longest(items, items[1:]):
        observed = item.quantity
        if observed is None and item.is_word:
            observed = item.in_stock_units
        source_id = item.source_id
        taken = left[source_id] if source_id in left else deducted.get((variant_id, source_id), 0)
        if after is not None and after.source_id == source_id:
            left[source_id] = taken
            taken = min(taken, (observed or 0) // item.units_per_variant)
            left[source_id] -= taken
        terms = holding.of_source(source_id, item.connection_id)
        is_own = item.kind == "own" if terms.is_own is None else terms.is_own
        answer.append(
            SourceFacts(
                source_id=source_id,
                observed=observed,
                units_per_variant=item.units_per_variant,
                deducted=taken,
                as_of=item.as_of,
                max_age_hours=item.max_age_hours,
                is_exact=not (item.is_at_least or item.is_word),
                restock_on=item.restock_on,
                # Own stock is there or not; nothing is waited for.
                lead_time_days=None if is_own else item.lead_time_days,
                connection_id=item.connection_id,
                is_own=is_own,
                is_failing=item.out_because in outages.FAILING,
                cost=item.cost,
                score=terms.score,
                priority=terms.priority,
                stale=terms.stale,
                shrink_percent=terms.shrink_percent,
            )
        )
    return answer
