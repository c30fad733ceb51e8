"""Takes products off sale that would sell below their floor, where the merchant chose that, and lets them sell again.

A wrong column of costs must not empty the shop: more than the guard of a supplier's file lets sell out at once waits
for the merchant. What sells with its margin again comes back at once and unasked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.db import transaction
from connector.intake.evidence import FIXED
from connector.outbox.messages import Intent, enqueue, literal
from connector.positions.decide import Cause, decide_within
from connector.positions.prices import Judged, PriceBook, judged, read_book
from connector.positions.topics import FLOORS, PRICES
from connector.repricing.runtime import LOOK_EVERY_S, SCHEDULE_ALL, RepricingRuntime

CAUSE = Cause("price")
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Floors:
    """What a look came to: variants newly taken off sale, let sell again, and waiting for the merchant."""

    stopped: int = 0
    lifted: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class StopState:
    """How many variants are off sale for their price, and how many more wait for an approval."""

    stopped: int
    held: int


def has_stops(book: PriceBook) -> bool:
    """Whether any rule takes products off sale."""
    return any(says.get("below_floor") == "stop" for says in book.rules.values())


def most_at_once(sellable: int) -> int:
    """How many variants of so many priced ones may be off sale for their price without being asked for.

    >>> most_at_once(30), most_at_once(1_000)
    (10, 200)
    """
    return max(FIXED.zero_items, int(FIXED.zero_share * sellable))


def look_at_floors(rt: RepricingRuntime, merchant_id: int) -> Floors:
    """Compare what is off sale with what should be, and decide the difference again. Harmless to repeat."""
    now = rt.now()
    with transaction(rt.engine) as db:
        book = read_book(db, merchant_id)
        kept = _kept(db, merchant_id)
        is_on = has_stops(book)
        if not is_on and not kept:
            schedule.remove(db, merchant_id, SCHEDULE_ALL, 0)
            return Floors()
        wanted, priced = _wanted(db, merchant_id, book) if is_on else ({}, 0)
        new = [variant for variant in wanted if variant not in kept]
        held = 0
        if len(wanted) > max(most_at_once(priced), _allowed(db, merchant_id)):
            new, held = [], len(new)
        _note_held(db, merchant_id, held)
        lifted = [variant for variant in kept if variant not in wanted]
        if new or lifted:
            detail = {"stopped": len(new), "lifted": len(lifted)}
            record(db, merchant_id, now, "dispo", "price_stops.change", "floors", detail)
    changed = sorted({*new, *lifted})
    for start in range(0, len(changed), CHUNK):
        part = changed[start : start + CHUNK]
        rows = [{"variant_id": one, "says": wanted[one]} for one in part if one in wanted]
        # What is said and what is decided are committed together: a kill leaves neither without the other.
        with transaction(rt.engine) as db:
            db.execute(_LIFT, {"m": merchant_id, "ids": literal(one for one in part if one not in wanted)})
            db.execute(_STOP, {"m": merchant_id, "now": now, "rows": json.dumps(rows)})
            decide_within(db, merchant_id, part, now=now, cause=CAUSE)
    return Floors(len(new), len(lifted), held)


def approve_stops(db: sa.Connection, merchant_id: int, *, actor: str, now: datetime) -> int:
    """Let what waits be taken off sale. Returns how many that is now; 0 where nothing waits."""
    state = stop_state(db, merchant_id)
    if not state.held:
        return 0
    allowed = state.held + state.stopped
    db.execute(
        sa.text("""
            update price_stop_guard set allowed = :n, held = 0, actor = :actor, changed_at = :now
             where merchant_id = :m
        """),
        {"m": merchant_id, "n": allowed, "actor": actor, "now": now},
    )
    record(db, merchant_id, now, actor, "price_stops.approve", "floors", {"variants": state.held})
    enqueue(db, merchant_id, [Intent(PRICES, FLOORS)])
    return state.held


def follow(db: sa.Connection, merchant_id: int) -> None:
    """After a rule changed: look at the floors soon, and every hour while any rule takes products off sale."""
    if has_stops(read_book(db, merchant_id)):
        schedule.ensure(db, merchant_id, SCHEDULE_ALL, 0, LOOK_EVERY_S)
    enqueue(db, merchant_id, [Intent(PRICES, FLOORS)])


def stop_state(db: sa.Connection, merchant_id: int) -> StopState:
    """For pages."""
    row = db.execute(
        sa.text("""
            select (select count(*) from price_stop where merchant_id = :m) as stopped,
                   coalesce((select held from price_stop_guard where merchant_id = :m), 0) as held
        """),
        {"m": merchant_id},
    ).one()
    return StopState(row.stopped, row.held)


def _wanted(db: sa.Connection, merchant_id: int, book: PriceBook) -> tuple[dict[int, dict[str, Any]], int]:
    """What should be off sale, by variant, with its reason; and how many variants are priced. Where a variant is
    listed in several stores one that sells it below its floor is enough: they share its stock."""
    wanted: dict[int, dict[str, Any]] = {}
    priced: set[int] = set()
    for one in judged(db, merchant_id, book):
        priced.add(one.variant_id)
        if one.stops:
            wanted.setdefault(one.variant_id, reason_of(one))
    return wanted, len(priced)


def reason_of(one: Judged) -> dict[str, Any]:
    """Why a listing is not sold at its price, as it is kept."""
    return {
        "price": f"{one.price:f}",
        "floor": f"{one.floor:f}",
        "cost": f"{one.cost:f}",
        "currency": one.currency,
        "store": one.store,
        "source": one.source_id,
        "run": one.run_id,
    }


def _kept(db: sa.Connection, merchant_id: int) -> Mapping[int, Any]:
    rows = db.execute(
        sa.text("select variant_id, says from price_stop where merchant_id = :m order by variant_id"),
        {"m": merchant_id},
    )
    return {row.variant_id: row.says for row in rows}


def _allowed(db: sa.Connection, merchant_id: int) -> int:
    query = sa.text("select allowed from price_stop_guard where merchant_id = :m")
    return int(db.execute(query, {"m": merchant_id}).scalar() or 0)


def _note_held(db: sa.Connection, merchant_id: int, held: int) -> None:
    db.execute(
        sa.text("""
            insert into price_stop_guard (merchant_id, held) values (:m, :held)
                on conflict (merchant_id) do update set held = excluded.held
        """),
        {"m": merchant_id, "held": held},
    )


_STOP = sa.text("""
    insert into price_stop (merchant_id, variant_id, since, says)
    select :m, n.variant_id, :now, n.says
      from jsonb_to_recordset(cast(:rows as jsonb)) as n(variant_id bigint, says jsonb)
     order by n.variant_id
        on conflict do nothing
""")

_LIFT = sa.text("delete from price_stop where merchant_id = :m and variant_id = any(cast(:ids as bigint[]))")
