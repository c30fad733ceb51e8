"""Reads what deciding needs, for a chunk of variants at a time, with their position rows locked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connector.availability.facts import Correction, IncomingFacts, Shown, SourceFacts, VariantFacts
from connector.availability.rules import Resolved, stale_policy
from connector.availability.sourcing import Sourcing
from connector.outbox.messages import literal
from connector.positions import outages
from connector.positions.rules import RuleBook, read_book
from connector.positions.shipping import DeliveryRule

# A sale is deducted from a source until its own number knows of it: the supplier learns of the sale
# `handover_hours` after it, and what was observed tells the state at `as_of`. Stores stamp orders with whole
# seconds, rounded down: one stamped in the second of `as_of` may have come after it, so it is deducted. A row
# that was held or missing keeps a moment of its own, older than its source's.

_LOCK = sa.text("""
    select variant_id, available, state, shown_count, restock_on, restock_until, restock_basis, version,
           out_since, recheck_at, evidence_on, evidence_connection_id, sourcing
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
     order by v.id
        on conflict do nothing
""")

_VARIANTS = sa.text("""
    select v.id, v.is_discontinued, v.collections, v.buffer_units, v.cap_units, v.low_stock_threshold,
           v.allows_backorder
      from variant v
     where v.merchant_id = :merchant and v.id = any(cast(:variants as bigint[]))
""")

_SOURCES = sa.text("""
    select i.variant_id, i.source_id, o.quantity, i.units_per_variant,
           coalesce(o.as_of, s.as_of) as as_of, s.max_age_hours,
           o.is_at_least, o.is_word, o.restock_on,
           coalesce(o.lead_time_days, s.lead_time_days) as lead_time_days, s.connection_id,
           s.in_stock_units, s.kind, s.out_because, o.cost, s.buffer_units, s.cap_units,
           s.low_stock_threshold, s.allows_backorder
      from supplier_item i
      join source s on s.merchant_id = i.merchant_id and s.id = i.source_id
      join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id
                        and o.item_key = i.item_key
     where i.merchant_id = :merchant and i.variant_id = any(cast(:variants as bigint[]))
     order by i.variant_id, i.source_id, i.item_key
""")

_DEDUCTED = sa.text("""
    select a.variant_id, a.source_id, sum(a.units)
      from allocation a
      join source s on s.merchant_id = a.merchant_id and s.id = a.source_id
      left join lateral (
           select min(coalesce(o.as_of, s.as_of)) as as_of
             from supplier_item i
             join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id
                               and o.item_key = i.item_key
            where i.merchant_id = a.merchant_id and i.variant_id = a.variant_id and i.source_id = a.source_id
           ) seen on true
     where a.merchant_id = :merchant and a.variant_id = any(cast(:variants as bigint[])) and a.units > 0
       and (coalesce(seen.as_of, s.as_of) is null
            or a.sold_at + make_interval(hours => s.handover_hours, secs => 1) > coalesce(seen.as_of, s.as_of))
     group by a.variant_id, a.source_id
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
       and (:since is null or a.sold_at + make_interval(hours => :handover, secs => 1) > :since)
     order by a.variant_id
""").bindparams(sa.bindparam("since", type_=sa.DateTime(timezone=True)))


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A position as it stands, locked by this transaction."""

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
    positions = [PositionRow(*row) for row in db.execute(_LOCK, given).all()]
    merchant = db.execute(_MERCHANT, given).one()
    variants = {row.id: row for row in db.execute(_VARIANTS, given).all()}
    deducted = {(row[0], row[1]): int(row[2]) for row in db.execute(_DEDUCTED, given).all()}
    per_variant: dict[int, list[Any]] = defaultdict(list)
    for row in db.execute(_SOURCES, given).all():
        per_variant[row.variant_id].append(row)

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
        variant = variants[position.variant_id]
        rows = per_variant.get(position.variant_id, [])
        rule, resolved = book.rule_of(
            position.variant_id, variant, [(row.source_id, tuple(row[-4:])) for row in rows]
        )
        answer.append(
            (
                position,
                VariantFacts(
                    variant_id=position.variant_id,
                    sources=tuple(_sources(rows, position.variant_id, deducted, book, resolved)),
                    rule=rule,
                    now=now,
                    today=today,
                    out_since_on=position.out_since.astimezone(place).date() if position.out_since else None,
                    place=place,
                    incoming=tuple(incoming.get(position.variant_id, ())),
                    shown=position.shown(),
                    lateness=lateness,
                    sourcing=Sourcing.from_json(position.sourcing),
                    booked_in=booked_in,
                ),
            )
        )
    return answer


def variants_with_open_deductions(db: sa.Connection, merchant_id: int, source_id: int) -> list[int]:
    """Variants with sales still deducted from this source before its `as_of` moves: when it moves, they
    must be decided again although their rows did not change. Call it before moving `as_of`."""
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
    return [row[0] for row in db.execute(_OPEN_DEDUCTIONS, given)]


def _sources(
    rows: list[Any],
    variant_id: int,
    deducted: dict[tuple[int, int], int],
    book: RuleBook,
    resolved: Resolved,
) -> list[SourceFacts]:
    """One entry per item; the deductions of a source are taken from its items in order until used up.
    Rows come by source."""
    left: dict[int, int] = {}
    answer = []
    for row, after in zip_longest(rows, rows[1:]):
        observed = row.quantity
        if observed is None and row.is_word:
            observed = row.in_stock_units
        taken = left.get(row.source_id, deducted.get((variant_id, row.source_id), 0))
        if after is not None and after.source_id == row.source_id:
            left[row.source_id] = taken
            taken = min(taken, (observed or 0) // row.units_per_variant)
            left[row.source_id] -= taken
        says = book.suppliers.get(row.source_id, {})
        is_own = says.get("is_own", row.kind == "own")
        stale, shrink_percent = stale_policy(resolved, says)
        answer.append(
            SourceFacts(
                source_id=row.source_id,
                observed=observed,
                units_per_variant=row.units_per_variant,
                deducted=taken,
                as_of=row.as_of,
                max_age_hours=row.max_age_hours,
                is_exact=not (row.is_at_least or row.is_word),
                restock_on=row.restock_on,
                # Own stock is there or not; nothing is waited for.
                lead_time_days=None if is_own else row.lead_time_days,
                connection_id=row.connection_id,
                is_own=is_own,
                is_failing=row.out_because in outages.FAILING,
                cost=row.cost,
                score=book.score_of(row.source_id, row.connection_id),
                priority=says.get("priority"),
                stale=stale,
                shrink_percent=shrink_percent,
            )
        )
    return answer
