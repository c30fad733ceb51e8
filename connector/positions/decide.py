"""Decides variants again and commits the answer with its consequences, in chunks.

One transaction per chunk: positions locked in id order, facts read, decided (pure), then positions,
movements, listings' wanted values and outbox intents written together. Stopping between chunks loses
nothing: the next call decides the rest from the same facts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from connector.availability.decide import decide as decide_one
from connector.availability.decide import is_known
from connector.availability.facts import Decision
from connector.db import transaction
from connector.outbox.messages import Intent, enqueue, literal, texts
from connector.positions import topics
from connector.positions.bundles import decide_bundles, with_bundles
from connector.positions.facts import PositionRow, lock_and_read
from connector.positions.locations import spread_over_locations
from connector.positions.price_stops import stops_of, with_stops
from connector.positions.promises import keep_promises

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Cause:
    """Why variants are decided again: run, order, fall, undo, rule, time, catalogue, repair."""

    kind: str
    run_id: int | None = None
    reference: str = ""


@dataclass(slots=True)
class Decided:
    """How many variants were looked at, and for how many the answer changed."""

    decided: int = 0
    changed: int = 0


def decide(
    engine: sa.Engine, merchant_id: int, variant_ids: Sequence[int], *, now: datetime, cause: Cause
) -> Decided:
    """Decide these variants, each chunk of at most 1,000 in a transaction of its own, two at a time: while
    the database writes one chunk, the next is decided."""
    ids = sorted(set(variant_ids))
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]

    def one(chunk: Sequence[int]) -> Decided:
        with transaction(engine) as db:
            return decide_within(db, merchant_id, chunk, now=now, cause=cause)

    if len(chunks) < 2:
        parts = [one(chunk) for chunk in chunks]
    else:
        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(one, chunks))
    return Decided(sum(part.decided for part in parts), sum(part.changed for part in parts))


def decide_within(
    db: sa.Connection, merchant_id: int, variant_ids: Sequence[int], *, now: datetime, cause: Cause
) -> Decided:
    """Decide these variants (at most 1,000), and the bundles they are in, in the caller's transaction."""
    rows = lock_and_read(db, merchant_id, with_bundles(db, merchant_id, variant_ids), now)
    # Where no supplier said how many there are nothing is known, and what the store says stays.
    pairs = [(before, decide_one(facts)) for before, facts in rows if is_known(facts)]
    stops = stops_of(db, merchant_id, [before.variant_id for before, _ in rows])
    pairs = with_stops(decide_bundles(db, merchant_id, rows, with_stops(pairs, stops)), stops)
    changed = [(before, after) for before, after in pairs if not _same(before, after)]
    if changed:
        _write_positions(db, merchant_id, changed, now)
        _write_movements(db, merchant_id, changed, now, cause)
        keep_promises(db, merchant_id, changed, now=now, run_id=cause.run_id, is_undo=cause.kind == "undo")
    _raise_news(db, merchant_id, changed)
    decided = {before.variant_id for before, _ in pairs}
    unknown = [before.variant_id for before, _ in rows if before.variant_id not in decided]
    spread(db, merchant_id, [after for _, after in pairs], unknown)
    return Decided(len(pairs), len(changed))


def _same(before: PositionRow, after: Decision) -> bool:
    return before.version > 0 and (
        before.available,
        before.state,
        before.shown_count,
        before.restock_on,
        before.restock_until,
        before.restock_basis,
        before.evidence_on,
        before.evidence_connection_id,
        before.recheck_at,
        before.sourcing or {},
    ) == (
        after.available,
        after.state,
        after.shown_count,
        after.restock_on,
        after.restock_until,
        after.basis,
        after.evidence_on,
        after.connection_id,
        after.recheck_at,
        after.sourcing.to_json(),
    )


_UPDATE = sa.text("""
    update position p
       set available = n.available, state = n.state, shown_count = n.shown_count,
           restock_on = n.restock_on, restock_until = n.restock_until, restock_basis = n.basis,
           evidence_on = n.evidence_on, evidence_connection_id = n.connection_id,
           version = p.version + 1, recheck_at = n.recheck_at, decided_at = :now, why = n.why,
           sourcing = n.sourcing,
           out_since = case when n.available > 0 then null
                            when p.available > 0 or (p.version = 0 and p.out_since is null) then :now
                            else p.out_since end
      from rows from (
               unnest(cast(:variants as bigint[])), unnest(cast(:available as int[])),
               unnest(cast(:states as text[])), unnest(cast(:counts as int[])),
               unnest(cast(:ons as date[])), unnest(cast(:untils as date[])),
               unnest(cast(:bases as text[])), unnest(cast(:evidence as date[])),
               unnest(cast(:connections as bigint[])), unnest(cast(:rechecks as timestamptz[])),
               jsonb_array_elements(cast(:whys as jsonb)), jsonb_array_elements(cast(:sourcing as jsonb)))
           as n(variant_id, available, state, shown_count, restock_on, restock_until, basis, evidence_on,
                connection_id, recheck_at, why, sourcing)
     where p.merchant_id = :merchant and p.variant_id = n.variant_id
       and p.variant_id = any(cast(:variants as bigint[]))
""")


def _write_positions(
    db: sa.Connection, merchant_id: int, changed: list[tuple[PositionRow, Decision]], now: datetime
) -> None:
    # JSON only for what is JSON: both ends take half as long over the other columns as arrays.
    after = [one for _, one in changed]
    db.execute(
        _UPDATE,
        {
            "merchant": merchant_id,
            "now": now,
            "variants": literal([one.variant_id for one in after]),
            "available": literal([one.available for one in after]),
            "states": texts([one.state for one in after]),
            "counts": literal([one.shown_count for one in after]),
            "ons": _days([one.restock_on for one in after]),
            "untils": _days([one.restock_until for one in after]),
            "bases": texts([one.basis for one in after]),
            "evidence": _days([one.evidence_on for one in after]),
            "connections": literal([one.connection_id for one in after]),
            "rechecks": _days([one.recheck_at for one in after]),
            "whys": json.dumps([one.why for one in after]),
            "sourcing": json.dumps([one.sourcing.to_json() for one in after]),
        },
    )


def _days(values: Sequence[date | None]) -> str:
    """Days, or moments, as PostgreSQL writes an array."""
    return "{" + ",".join(["null" if value is None else value.isoformat() for value in values]) + "}"


_MOVEMENTS = sa.text("""
    insert into movement (merchant_id, variant_id, at, cause, run_id, reference,
                          available_before, available_after, state_before, state_after)
    select :merchant, n.variant_id, :now, :cause, :run, :reference, n.ab, n.aa, n.sb, n.sa
      from unnest(cast(:variants as bigint[]), cast(:ab as int[]), cast(:aa as int[]),
                  cast(:sb as text[]), cast(:sa as text[])) as n(variant_id, ab, aa, sb, sa)
""")


def _write_movements(
    db: sa.Connection,
    merchant_id: int,
    changed: list[tuple[PositionRow, Decision]],
    now: datetime,
    cause: Cause,
) -> None:
    moved = [(b, a) for b, a in changed if b.version == 0 or (b.available, b.state) != (a.available, a.state)]
    if not moved:
        return
    db.execute(
        _MOVEMENTS,
        {
            "merchant": merchant_id,
            "now": now,
            "cause": cause.kind,
            "run": cause.run_id,
            "reference": cause.reference,
            "variants": literal(b.variant_id for b, _ in moved),
            "ab": literal(b.available for b, _ in moved),
            "aa": literal(a.available for _, a in moved),
            "sb": texts([b.state if b.version else "" for b, _ in moved]),
            "sa": texts([a.state for _, a in moved]),
        },
    )


def _raise_news(db: sa.Connection, merchant_id: int, changed: list[tuple[PositionRow, Decision]]) -> None:
    """Tell about crossings (sold out, back, another date), never about mere numbers: shoppers, ads, places."""
    crossed = [
        str(after.variant_id)
        for before, after in changed
        if (before.available > 0) != (after.available > 0)
        or before.state != after.state
        or (before.restock_on, before.restock_until) != (after.restock_on, after.restock_until)
    ]
    if crossed:
        enqueue(
            db,
            merchant_id,
            [Intent(topic, subject) for topic in (topics.SHOPPERS, topics.ADS) for subject in crossed]
            + _places_to_look_at(db, merchant_id, changed),
        )


def _places_to_look_at(
    db: sa.Connection, merchant_id: int, changed: list[tuple[PositionRow, Decision]]
) -> list[Intent]:
    """What came back, where anything stands at the end of a store's lists: it may have to be put back."""
    back = [after.variant_id for before, after in changed if before.available == 0 and after.available > 0]
    if not back:
        return []
    is_any = sa.text("select exists (select 1 from place where merchant_id = :merchant and step <> '')")
    if not db.execute(is_any, {"merchant": merchant_id}).scalar_one():
        return []
    return [Intent(topics.PLACES, str(variant_id)) for variant_id in back]


_LOCK_LISTINGS = sa.text("""
    select (select exists (select 1 from store_location where merchant_id = :merchant)) as has_locations
      from listing where merchant_id = :merchant and variant_id = any(cast(:variants as bigint[]))
     order by id for update
""")

_LET_BE = sa.text("""
    update listing set wanted_available = null
     where merchant_id = :merchant and variant_id = any(cast(:variants as bigint[]))
       and wanted_available is not null
""")

_SPREAD = """
    update listing l
       set wanted_available = p.available, wanted_state = p.state, wanted_count = p.shown_count,
           wanted_restock_on = p.restock_on, wanted_restock_until = p.restock_until
      from position p
     where l.merchant_id = :merchant and l.variant_id = any(cast(:variants as bigint[]))
       and p.merchant_id = l.merchant_id and p.variant_id = l.variant_id
       and p.variant_id = any(cast(:variants as bigint[]))
       and (l.wanted_available, l.wanted_state, l.wanted_count, l.wanted_restock_on, l.wanted_restock_until)
           is distinct from (p.available, p.state, p.shown_count, p.restock_on, p.restock_until)
       {where}
"""
_SPREAD_ALL = sa.text(_SPREAD.format(where=""))
_SPREAD_OTHERS = sa.text(
    _SPREAD.format(
        where="""and not exists (select 1 from store_location s
                                  where s.merchant_id = l.merchant_id and s.connection_id = l.connection_id)"""
    )
)

_DIFFERENT = """
    select l.id, l.connection_id, l.product_id, l.external_id, l.wanted_available,
           case when l.doubted_units = 0 then l.believed_available end as believed_available,
           (l.believed_available is distinct from l.wanted_available or l.doubted_units > 0) as is_quantity
      from listing l
      join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id
     where l.merchant_id = :merchant and {which}
       and l.is_managed and not l.is_excluded and not l.is_gone and l.problem = '' and l.yielded_at is null
       and l.wanted_available is not null
       and c.status = 'active' and c.writing_approved_at is not null and not c.is_writing_stopped
       and (l.believed_available is distinct from l.wanted_available or l.doubted_units > 0
         or (l.believed_state, l.believed_count, l.believed_restock_on, l.believed_restock_until)
             is distinct from
            (l.wanted_state, l.wanted_count, l.wanted_restock_on, l.wanted_restock_until))
"""
_DIFFERENT_VARIANTS = sa.text(_DIFFERENT.format(which="l.variant_id = any(cast(:variants as bigint[]))"))
_DIFFERENT_STORE = sa.text(_DIFFERENT.format(which="l.connection_id = :store"))


def spread(
    db: sa.Connection, merchant_id: int, answers: Sequence[Decision], unknown: Sequence[int] = ()
) -> int:
    """Bring the listings' wanted values to the positions, which say what `answers` says, and enqueue what differs
    from what the stores are believed to say. Nothing is enqueued for a store that may not be written. Of variants of
    which nothing is known (`unknown`) the stores keep their own numbers, which fall with their sales: the number known
    last would be filled up again after each. Returns the intents."""
    given = {"merchant": merchant_id, "variants": literal(after.variant_id for after in answers)}
    everything = literal([after.variant_id for after in answers] + list(unknown))
    # Deliveries update listings too: everybody locks them in id order first, so nobody deadlocks.
    locked = db.execute(_LOCK_LISTINGS, {**given, "variants": everything}).first()
    if unknown:
        db.execute(_LET_BE, {**given, "variants": literal(unknown)})
    if locked is not None and locked.has_locations:
        db.execute(_SPREAD_OTHERS, given)
        spread_over_locations(db, merchant_id, answers)
    else:
        db.execute(_SPREAD_ALL, given)
    return _enqueue_different(db, merchant_id, db.execute(_DIFFERENT_VARIANTS, given))


def enqueue_store(db: sa.Connection, merchant_id: int, store_id: int) -> int:
    """Enqueue every difference of one store (after its approval, or when writing goes on again)."""
    given = {"merchant": merchant_id, "store": store_id}
    return _enqueue_different(db, merchant_id, db.execute(_DIFFERENT_STORE, given))


def _enqueue_different(db: sa.Connection, merchant_id: int, found: sa.CursorResult[*tuple[Any, ...]]) -> int:
    # Rows are taken apart at once: a row is slow to ask by name, and there may be a thousand.
    intents = [
        Intent(
            topics.QUANTITY if is_quantity else topics.BADGE,
            str(listing_id),
            connection_id,
            topics.lane_of(believed, wanted) if is_quantity else topics.BADGES,
            # Simple products first, then the variations of one parent side by side: fewest calls.
            "" if product_id == external_id else product_id,
        )
        for listing_id, connection_id, product_id, external_id, wanted, believed, is_quantity in found.all()
    ]
    return enqueue(db, merchant_id, intents) if intents else 0
