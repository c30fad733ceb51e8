"""Brings one store to what it should say: quantities and badges, the most dangerous difference first.

The handler of the topics `store.quantity` and `store.badge`. It reads the present truth when it runs,
so a stale number cannot be sent. In order: settle writes whose outcome an earlier run left unknown; read
the store where it cannot compare by itself or where its number is in doubt; learn what that says; send
the differences as frozen requests; settle each answer. Nothing is sent that would change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.delivery.runtime import DeliveryRuntime
from connector.outbox import attempts
from connector.outbox.messages import Again, Claim, Done, Failed, Intent, Outcome, enqueue, settle
from connector.ports.errors import OutcomeUnknown, PortError
from connector.ports.stores import (
    BadgeChange,
    BadgeFacts,
    FrozenRequest,
    ItemResult,
    ListingRef,
    QuantityChange,
    Store,
)
from connector.positions.decide import Cause, decide
from connector.positions.sales import NumberRead, record_numbers
from connector.positions.topics import BADGE, BADGES, QUANTITY

_LOAD = sa.text("""
    select l.id, l.variant_id, l.external_id, l.product_id, l.stock_id, l.location_id, l.sku,
           l.wanted_available, l.wanted_state, l.wanted_count, l.wanted_restock_on, l.wanted_restock_until,
           l.believed_available, l.believed_state, l.believed_count, l.believed_restock_on,
           l.believed_restock_until, l.confirmed_at,
           (l.is_managed and not l.is_excluded and not l.is_gone and l.problem = '') as is_ours,
           (c.status = 'active' and c.writing_approved_at is not null and not c.is_writing_stopped
            and not m.is_frozen) as may_write
      from listing l
      join connection c on c.merchant_id = l.merchant_id and c.id = l.connection_id
      join merchant m on m.id = l.merchant_id
     where l.merchant_id = :m and l.connection_id = :c and l.id = any(:ids)
""")


@dataclass(slots=True)
class _Work:
    """One claim being worked: the listings in the claim's order and what became of their messages."""

    rt: DeliveryRuntime
    claim: Claim
    store: Store
    merchant_id: int
    connection_id: int
    message_of: dict[int, int]
    rows: dict[int, Any]
    settled: set[int]

    def load(self) -> None:
        with self.rt.engine.connect() as db:
            found = db.execute(
                _LOAD, {"m": self.merchant_id, "c": self.connection_id, "ids": list(self.message_of)}
            )
            self.rows = {row.id: row for row in found}

    def open_rows(self) -> list[Any]:
        """The listings still to do, in the order of the claim (the most dangerous first)."""
        return [self.rows[i] for i in self.message_of if i in self.rows and i not in self.settled]

    def settle(self, db: sa.Connection, outcomes: dict[int, Outcome]) -> None:
        settle(db, self.claim, {self.message_of[i]: o for i, o in outcomes.items() if i in self.message_of})
        self.settled |= outcomes.keys()


def push(rt: DeliveryRuntime, claim: Claim) -> None:
    """Work one claim of `store.quantity` or `store.badge`. Raises the PortError that stops the turn;
    what was not settled by then goes back to pending."""
    turn = claim.turn
    store = rt.store(turn.merchant_id, turn.connection_id)
    work = _Work(
        rt,
        claim,
        store,
        turn.merchant_id,
        turn.connection_id,
        {int(message.subject): message.id for message in claim.messages},
        {},
        set(),
    )
    _resume(work)
    work.load()
    gone = {i: Done("listing is gone") for i in work.message_of if i not in work.rows}
    if gone:
        with transaction(rt.engine) as db:
            work.settle(db, dict(gone))
    if turn.topic == QUANTITY:
        _read(work, _to_read(work))
    _skip(work)
    for request, listing_ids in _plan(work):
        if claim.is_out_of_time():
            break
        _send(work, request, listing_ids)


def _to_read(work: _Work) -> list[Any]:
    """Listings whose number must be read first: all where the store cannot compare, else the doubtful."""
    rows = [row for row in work.open_rows() if row.is_ours]
    if work.store.capabilities.compare_and_set == "read_then_write":
        return rows
    return [row for row in rows if row.believed_available is None or row.confirmed_at is None]


def _read(work: _Work, rows: Sequence[Any], targets: dict[int, int] | None = None) -> None:
    """Read these listings in the store, learn from it and decide again what it changed."""
    if not rows:
        return
    by_key = {_key(_ref(row)): row for row in rows}
    readings = work.store.read_quantities([_ref(row) for row in rows])
    now = work.rt.now()
    reads, problems = [], []
    for reading in readings:
        row = by_key.pop(_key(reading.ref), None)
        if row is None:
            continue
        if reading.quantity is None or reading.problem:
            problems.append((row.id, reading.problem or "The store does not track this item's quantity."))
        else:
            reads.append(NumberRead(row.id, reading.quantity, (targets or {}).get(row.id)))
    with transaction(work.rt.engine) as db:
        learnt = record_numbers(db, work.merchant_id, work.connection_id, reads, now)
        _mark_problems(work, db, problems)
        missing = {row.id: Failed("The store does not know this item any more.") for row in by_key.values()}
        if missing:
            db.execute(
                sa.text("update listing set is_gone = true where merchant_id = :m and id = any(:ids)"),
                {"m": work.merchant_id, "ids": sorted(missing)},
            )
            work.settle(db, dict(missing))
    if learnt.variant_ids:
        cause = Cause("fall" if learnt.units_sold else "repair")
        decide(work.rt.engine, work.merchant_id, sorted(learnt.variant_ids), now=now, cause=cause)
    work.load()


def _mark_problems(work: _Work, db: sa.Connection, problems: list[tuple[int, str]]) -> None:
    if not problems:
        return
    db.execute(
        sa.text("""
            update listing l set problem = n.problem
              from unnest(cast(:ids as bigint[]), cast(:problems as text[])) as n(id, problem)
             where l.merchant_id = :m and l.id = n.id
        """),
        {"m": work.merchant_id, "ids": [p[0] for p in problems], "problems": [p[1] for p in problems]},
    )
    work.settle(db, {listing_id: Failed(problem) for listing_id, problem in problems})


def _skip(work: _Work) -> None:
    """Settle what needs no write: already so, not ours, or the store must not be written."""
    outcomes: dict[int, Outcome] = {}
    for row in work.open_rows():
        if not row.is_ours or row.wanted_available is None:
            outcomes[row.id] = Done("not under management")
        elif not row.may_write:
            outcomes[row.id] = Done("writing is not allowed")
        elif work.claim.turn.topic == QUANTITY:
            if _quantity_is_right(row) and (
                _badge_is_right(row) or not work.store.capabilities.badge_with_quantity
            ):
                outcomes[row.id] = Done("nothing to do")
        elif _badge_is_right(row):
            outcomes[row.id] = Done("nothing to do")
    if outcomes:
        with transaction(work.rt.engine) as db:
            _badges_follow(work, db, list(outcomes))
            work.settle(db, outcomes)


def _badges_follow(work: _Work, db: sa.Connection, listing_ids: list[int]) -> None:
    """Where a badge is a write of its own it follows its number, never the other way round."""
    if work.claim.turn.topic != QUANTITY or work.store.capabilities.badge_with_quantity:
        return
    rows = db.execute(_LOAD, {"m": work.merchant_id, "c": work.connection_id, "ids": listing_ids})
    wrong = [row.id for row in rows if row.is_ours and row.may_write and not _badge_is_right(row)]
    enqueue(
        db, work.merchant_id, [Intent(BADGE, str(i), work.connection_id, BADGES) for i in sorted(wrong)]
    )


def _plan(work: _Work) -> Iterable[tuple[FrozenRequest, list[int]]]:
    rows = work.open_rows()
    by_key = {_key(_ref(row)): row.id for row in rows}
    if work.claim.turn.topic == QUANTITY:
        rides = work.store.capabilities.badge_with_quantity
        requests = work.store.plan_quantities(
            [
                QuantityChange(
                    _ref(row),
                    row.wanted_available,
                    row.believed_available,
                    _wanted_badge(row) if rides else None,
                )
                for row in rows
            ]
        )
    else:
        requests = work.store.plan_badges([BadgeChange(_ref(row), _wanted_badge(row)) for row in rows])
    for request in requests:
        yield request, [by_key[_key(ref)] for ref in request.refs]


def _send(work: _Work, request: FrozenRequest, listing_ids: list[int]) -> None:
    """Freeze, send and settle one request. An unknown outcome leaves the attempt open for `_resume`."""
    items = [_item(work.rows[listing_id], work) for listing_id in listing_ids]
    frozen = {
        "operation": request.operation,
        "body": request.body,
        "refs": [_ref_json(ref) for ref in request.refs],
        "items": items,
    }
    with transaction(work.rt.engine) as db:
        attempt = attempts.mark_sent(
            db,
            attempts.freeze(
                db, work.merchant_id, work.connection_id, work.claim.turn.topic, request.operation, frozen
            ),
        )
    try:
        results = work.store.send(request, str(attempt.idempotency_key))
    except OutcomeUnknown as error:
        with transaction(work.rt.engine) as db:
            attempts.unknown(db, attempt, str(error))
            work.settle(db, {i: Again(2.0, "the answer did not come") for i in listing_ids})
        raise
    except PortError as error:
        with transaction(work.rt.engine) as db:
            attempts.fail(db, attempt, str(error))
        raise
    _settle_results(work, attempt, items, results)


def _resume(work: _Work) -> None:
    """Settle what an earlier run left open: the same request under the same key where the platform
    honours keys, else read the store and take what it says."""
    topic = work.claim.turn.topic
    with transaction(work.rt.engine) as db:
        attempts.discard_frozen(db, work.merchant_id, work.connection_id, topic)
        left = attempts.open_attempts(db, work.merchant_id, work.connection_id, topic)
    for attempt in left:
        items = attempt.request["items"]
        if work.store.capabilities.honours_keys or topic != QUANTITY:
            request = FrozenRequest(
                attempt.request["operation"],
                attempt.request["body"],
                tuple(ListingRef(**ref) for ref in attempt.request["refs"]),
            )
            with transaction(work.rt.engine) as db:
                again = attempts.mark_sent(db, attempt)
            try:
                results = work.store.send(request, str(again.idempotency_key))
            except OutcomeUnknown as error:
                with transaction(work.rt.engine) as db:
                    attempts.unknown(db, again, str(error))
                raise
            _settle_results(work, again, items, results, replayed=True)
            continue
        targets = {item["listing_id"]: item["quantity"] for item in items}
        with work.rt.engine.connect() as db:
            rows = db.execute(
                _LOAD, {"m": work.merchant_id, "c": work.connection_id, "ids": sorted(targets)}
            ).all()
        _read(work, rows, targets)
        with transaction(work.rt.engine) as db:
            # Whether the badge went through with the number is not known: it is written again.
            db.execute(
                sa.text("update listing set believed_state = '' where merchant_id = :m and id = any(:ids)"),
                {"m": work.merchant_id, "ids": sorted(targets)},
            )
            attempts.resolve(db, attempt, "read back")


def _settle_results(
    work: _Work,
    attempt: attempts.Attempt,
    items: list[dict[str, Any]],
    results: Sequence[ItemResult],
    *,
    replayed: bool = False,
) -> None:
    now = work.rt.now()
    done: list[dict[str, Any]] = []
    conflicts: list[NumberRead] = []
    problems: list[tuple[int, str]] = []
    outcomes: dict[int, Outcome] = {}
    for item, result in zip(items, results, strict=True):
        listing_id = item["listing_id"]
        if result.status == "done":
            done.append(item)
            outcomes[listing_id] = Done()
        elif result.status == "conflict":
            if result.remote is not None:
                conflicts.append(NumberRead(listing_id, result.remote))
            outcomes[listing_id] = Again(0.0, "sold or changed in the store meanwhile")
        elif result.status == "retry":
            outcomes[listing_id] = Again(0.0, result.reason or "a neighbour in the batch was refused")
        else:
            problems.append((listing_id, result.reason))
    with transaction(work.rt.engine) as db:
        _believe(db, work.merchant_id, done, now)
        _badges_follow(work, db, [item["listing_id"] for item in done])
        learnt = record_numbers(db, work.merchant_id, work.connection_id, conflicts, now)
        _mark_problems(work, db, problems)
        attempts.succeed(db, attempt, f"{len(done)} of {len(items)} done")
        # A replay settles the attempt; its messages are worked from the present truth by this claim.
        if not replayed:
            work.settle(db, outcomes)
    if learnt.variant_ids:
        decide(work.rt.engine, work.merchant_id, sorted(learnt.variant_ids), now=now, cause=Cause("fall"))


def _believe(db: sa.Connection, merchant_id: int, items: list[dict[str, Any]], now: Any) -> None:
    """The store confirmed these writes."""
    if not items:
        return
    given: dict[str, Any] = {"m": merchant_id, "now": now, "ids": [i["listing_id"] for i in items]}
    db.execute(
        sa.text("select 1 from listing where merchant_id = :m and id = any(:ids) order by id for update"),
        given,
    )
    if items[0]["quantity"] is not None:
        db.execute(
            sa.text("""
                update listing l set believed_available = n.units, confirmed_available = n.units,
                       confirmed_at = :now, written_at = :now
                  from unnest(cast(:ids as bigint[]), cast(:units as int[])) as n(id, units)
                 where l.merchant_id = :m and l.id = n.id
            """),
            {**given, "units": [i["quantity"] for i in items]},
        )
    if items[0]["badge"] is not None:
        db.execute(
            sa.text("""
                update listing l
                   set believed_state = n.state, believed_count = n.shown, believed_restock_on = n.day,
                       believed_restock_until = n.until
                  from unnest(cast(:ids as bigint[]), cast(:states as text[]), cast(:counts as int[]),
                              cast(:days as date[]), cast(:untils as date[])) as n(id, state, shown, day, until)
                 where l.merchant_id = :m and l.id = n.id
            """),
            {
                **given,
                "states": [i["badge"]["state"] for i in items],
                "counts": [i["badge"]["count"] for i in items],
                "days": [i["badge"]["restock_on"] for i in items],
                "untils": [i["badge"]["restock_until"] for i in items],
            },
        )


def _item(row: Any, work: _Work) -> dict[str, Any]:
    """What one item of a frozen request sets, kept with the request to settle it even after a crash."""
    is_quantity = work.claim.turn.topic == QUANTITY
    carries_badge = not is_quantity or work.store.capabilities.badge_with_quantity
    return {
        "listing_id": row.id,
        "quantity": row.wanted_available if is_quantity else None,
        "badge": {
            "state": row.wanted_state,
            "count": row.wanted_count,
            "restock_on": row.wanted_restock_on.isoformat() if row.wanted_restock_on else None,
            "restock_until": row.wanted_restock_until.isoformat() if row.wanted_restock_until else None,
        }
        if carries_badge
        else None,
    }


def _wanted_badge(row: Any) -> BadgeFacts:
    return BadgeFacts(row.wanted_state, row.wanted_count, row.wanted_restock_on, row.wanted_restock_until)


def _quantity_is_right(row: Any) -> bool:
    return bool(row.believed_available == row.wanted_available)


def _badge_is_right(row: Any) -> bool:
    return bool(
        (row.believed_state, row.believed_count, row.believed_restock_on, row.believed_restock_until)
        == (row.wanted_state, row.wanted_count, row.wanted_restock_on, row.wanted_restock_until)
    )


def _ref(row: Any) -> ListingRef:
    return ListingRef(
        external_id=row.external_id,
        product_id=row.product_id,
        stock_id=row.stock_id,
        location_id=row.location_id,
        sku=row.sku,
    )


def _ref_json(ref: ListingRef) -> dict[str, Any]:
    return {name: getattr(ref, name) for name in ListingRef.__dataclass_fields__}


def _key(ref: ListingRef) -> tuple[str, str | None]:
    return ref.external_id, ref.location_id
