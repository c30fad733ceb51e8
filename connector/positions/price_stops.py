"""What is not sold because it would sell below its floor, as deciding needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from connector.availability.facts import Decision
from connector.outbox.messages import literal
from connector.positions.facts import PositionRow

# Hardly any merchant has one: asking so costs one look into an index, whatever the number of variants.
_ANY = sa.text("select exists (select 1 from price_stop where merchant_id = :m)")
_STOPS = sa.text("""
    select variant_id, says from price_stop
     where merchant_id = :m and variant_id = any(cast(:variants as bigint[]))
""")


def stops_of(
    db: sa.Connection, merchant_id: int, variant_ids: Sequence[int]
) -> Mapping[int, Mapping[str, Any]]:
    """Which of these variants may not be sold at their price, and why."""
    if not db.execute(_ANY, {"m": merchant_id}).scalar_one():
        return {}
    rows = db.execute(_STOPS, {"m": merchant_id, "variants": literal(variant_ids)})
    return {row.variant_id: row.says for row in rows}


def with_stops(
    pairs: list[tuple[PositionRow, Decision]], stops: Mapping[int, Mapping[str, Any]]
) -> list[tuple[PositionRow, Decision]]:
    """The decisions with those of `stops` at nothing: no units, no date, and the reason in `why`."""
    if not stops:
        return pairs
    return [(before, _stopped(after, stops.get(after.variant_id))) for before, after in pairs]


def _stopped(after: Decision, says: Mapping[str, Any] | None) -> Decision:
    if says is None:
        return after
    return replace(
        after,
        available=0,
        state="discontinued" if after.state == "discontinued" else "out_of_stock",
        shown_count=None,
        restock_on=None,
        restock_until=None,
        basis="",
        evidence_on=None,
        connection_id=0,
        why={**after.why, "stopped": dict(says)},
    )
