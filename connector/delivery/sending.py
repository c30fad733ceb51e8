"""Sends requests that were stored first, and settles their answers: each request with its listings.

Calls leave one after the other, from a thread of their own: while the platform works on one, the answer
to the one before is settled and the one after is stored, in one commit. When the process dies, what was
stored and not settled is found by the next claim (`resume`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import sleep
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.delivery.foreign import note, repaired
from connector.delivery.reading import decide_anew, read
from connector.delivery.work import Work, key_of
from connector.outbox import attempts
from connector.outbox.messages import Again, Done, Intent, Outcome, enqueue, hold, literal
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Retryable,
    Unauthorized,
)
from connector.ports.stores import FrozenRequest, ItemResult, ListingRef
from connector.positions.learn import lock
from connector.positions.readings import NumberRead
from connector.positions.sales import record_numbers
from connector.positions.topics import BADGE, BADGES

SHORT_WAIT_S = 2.0
"""A platform's limit that is over so soon is waited for with the turn in hand; ending the turn would cost
up to a second of the clock and a claim. A longer one ends it and frees the worker."""
LONGEST_WAITS_S = 10.0
READ_BACK_TRIES = 3


@dataclass(slots=True)
class _Sent:
    """A request under way or answered. `items` say what it sets, in the order of its refs."""

    attempt: attempts.Attempt
    request: FrozenRequest
    items: list[dict[str, Any]]
    results: Sequence[ItemResult] = ()
    is_replay: bool = False


def send_all(work: Work, requests: Sequence[FrozenRequest]) -> bool:
    """Freeze, send and settle these requests, in order. False when the time of the claim was over first.

    Raises the PortError that stops the turn; what was answered before it is settled. An unknown outcome
    leaves its attempt open for `resume`.
    """
    by_key = {key_of(work.refs[row.id]): row for row in work.open_rows()}
    answered: _Sent | None = None
    under_way: tuple[_Sent, Future[None]] | None = None
    is_in_time = True
    with ThreadPoolExecutor(1, "call") as caller, work.rt.engine.connect() as db:
        for request in requests:
            rows = [by_key[key_of(ref)] for ref in request.refs]
            with db.begin():
                if answered:
                    _settle(work, db, answered)
                following = _freeze(work, db, request, rows)
            answered = _answer(work, under_way, following)
            under_way = None
            if work.claim.is_out_of_time():
                is_in_time = False
                _close(work, following, "The time of the claim was over; it never left.")
                break
            under_way = following, caller.submit(_call, work, following)
        _settle_alone(work, db, answered)
        _settle_alone(work, db, _answer(work, under_way))
    return is_in_time


def _answer(
    work: Work, under_way: tuple[_Sent, Future[None]] | None, following: _Sent | None = None
) -> _Sent | None:
    """Wait for the call under way. Raises its PortError, once what became of it is recorded, and that the
    `following` request never left."""
    if under_way is None:
        return None
    sent, call = under_way
    try:
        call.result()
    except PortError as error:
        _record_error(work, sent, error)
        if following:
            _close(work, following, "The call before it ended the turn; it never left.")
        raise
    return sent


def _freeze(work: Work, db: sa.Connection, request: FrozenRequest, rows: Sequence[Any]) -> _Sent:
    items = [_item(row, work) for row in rows]
    body = {
        "operation": request.operation,
        "body": request.body,
        "refs": [[ref.external_id, ref.product_id, ref.stock_id, ref.location_id] for ref in request.refs],
        "items": items,
    }
    topic = work.claim.turn.topic
    hold(db, work.claim)
    attempt = attempts.freeze_sent(db, work.merchant_id, work.connection_id, topic, request.operation, body)
    return _Sent(attempt, request, items)


def _item(row: Any, work: Work) -> dict[str, Any]:
    """What one item of a frozen request sets and what the store was believed to hold before, kept with
    the request to settle it even after a crash."""
    item: dict[str, Any] = {"listing_id": row.id}
    if work.is_quantity:
        item["quantity"] = row.wanted_available
        item["expected"] = row.believed_available
    if work.carries_badge:
        item["badge"] = [
            row.wanted_state,
            row.wanted_count,
            row.wanted_restock_on.isoformat() if row.wanted_restock_on else None,
            row.wanted_restock_until.isoformat() if row.wanted_restock_until else None,
        ]
    return item


def _call(work: Work, sent: _Sent) -> None:
    """Send it and wait for its results, sitting out a short limit. Raises PortError."""
    waited_s = 0.0
    while True:
        try:
            sent.results = work.store.send(sent.request, str(sent.attempt.idempotency_key))
            return
        except RateLimited as error:
            # Nothing was done under the key, so the same request goes out again under it.
            waited_s += error.retry_after_s
            is_short = error.retry_after_s <= SHORT_WAIT_S and waited_s <= LONGEST_WAITS_S
            if not is_short or work.claim.seconds_left() <= error.retry_after_s:
                raise
            sleep(error.retry_after_s)


def _record_error(work: Work, sent: _Sent, error: PortError) -> None:
    """What became of a request whose call ended in an error: it had no effect, or nobody knows."""
    if isinstance(error, OutcomeUnknown):
        with transaction(work.rt.engine) as db:
            attempts.unknown(db, sent.attempt, str(error))
            if not sent.is_replay:
                ids = [item["listing_id"] for item in sent.items]
                work.settle(db, {i: Again(2.0, "the answer did not come") for i in ids})
    elif sent.is_replay:
        # A replay that was turned away says nothing about the first try: that stays open.
        with transaction(work.rt.engine) as db:
            attempts.unknown(db, sent.attempt, str(error))
    else:
        _close(work, sent, str(error))


def _close(work: Work, sent: _Sent, note: str) -> None:
    with transaction(work.rt.engine) as db:
        attempts.fail(db, sent.attempt, note)


def resume(work: Work) -> None:
    """Settle what an earlier claim left open: the same request under the same key where the platform
    honours keys and writing is still allowed, else read the store and take what it says."""
    topic = work.claim.turn.topic
    with transaction(work.rt.engine) as db:
        hold(db, work.claim)
        attempts.discard_frozen(db, work.merchant_id, work.connection_id, topic)
        left = attempts.open_attempts(db, work.merchant_id, work.connection_id, topic)
    for attempt in left:
        rows = work.look_up(item["listing_id"] for item in attempt.request["items"])
        may_write = any(row.may_write for row in rows)
        if may_write and (work.store.capabilities.honours_keys or not work.is_quantity):
            _replay(work, attempt)
        else:
            _read_back(work, attempt)


def _replay(work: Work, attempt: attempts.Attempt) -> None:
    request = FrozenRequest(
        attempt.request["operation"],
        attempt.request["body"],
        tuple(ListingRef(*ref) for ref in attempt.request["refs"]),
    )
    with transaction(work.rt.engine) as db:
        hold(db, work.claim)
        again = attempts.mark_sent(db, attempt)
    sent = _Sent(again, request, attempt.request["items"], is_replay=True)
    try:
        _call(work, sent)
    except (Retryable, OutcomeUnknown, Unauthorized, Misconfigured) as error:
        _record_error(work, sent, error)
        raise
    except PortError as error:
        _record_error(work, sent, error)
        # Refused for good now, which does not tell whether the first try was: the store does.
        _read_back(work, again)
        return
    if any(result.status in ("conflict", "retry") for result in sent.results):
        # The platform kept no answer and ran the request again, over what the first try had left.
        _read_back(work, again)
        return
    with transaction(work.rt.engine) as db:
        _settle(work, db, sent)
        hold(db, work.claim)


def _read_back(work: Work, attempt: attempts.Attempt) -> None:
    """Take what the store says now, whichever way the write went."""
    items = {item["listing_id"]: item for item in attempt.request["items"]}
    if work.is_quantity:
        targets = {i: (item["quantity"], item["expected"]) for i, item in items.items()}
        for _ in range(READ_BACK_TRIES):
            # Its listings stay apart from the claim until all of them are certain.
            if read(work, work.look_up(items), targets):
                break
        else:
            note = "Orders keep coming in while the store is read back."
            with transaction(work.rt.engine) as db:
                attempts.unknown(db, attempt, note)
            raise OutcomeUnknown("delivery", attempt.operation, note)
    given = {"m": work.merchant_id, "ids": literal(sorted(items))}
    with transaction(work.rt.engine) as db:
        lock(db, work.merchant_id, items, ())
        if any("badge" in item for item in items.values()):
            # Whether the badge went through is not known: it is written again.
            db.execute(_FORGET_BADGES, given)
        attempts.resolve(db, attempt, "read back")


def _settle(work: Work, db: sa.Connection, sent: _Sent) -> None:
    """Take an answer over: beliefs, sales learnt from conflicts and what they change, problems, the attempt
    and the messages."""
    done: list[dict[str, Any]] = []
    conflicts: list[NumberRead] = []
    problems: dict[int, str] = {}
    outcomes: dict[int, Outcome] = {}
    for item, result in zip(sent.items, sent.results, strict=True):
        listing_id = item["listing_id"]
        if result.status == "done":
            done.append(item)
            outcomes[listing_id] = Done()
        elif result.status == "conflict":
            if result.remote is not None:
                conflicts.append(NumberRead(listing_id, result.remote, believed=item.get("expected")))
            outcomes[listing_id] = Again(work.pause_s(listing_id), "sold or changed in the store meanwhile")
        elif result.status == "retry":
            reason = result.reason or "a neighbour in the batch was refused"
            outcomes[listing_id] = Again(work.pause_s(listing_id), reason)
        else:
            problems[listing_id] = result.reason
    items = (item["listing_id"] for item in sent.items)
    lock(db, work.merchant_id, items, _variants(work, db, conflicts))
    doubted = _believe(work, db, done)
    outcomes |= {i: Again(work.pause_s(i), "sold while it was written") for i in doubted}
    learnt = record_numbers(
        db,
        work.merchant_id,
        work.connection_id,
        conflicts,
        work.rt.now(),
        orders_tell=work.store.capabilities.reads_orders,
    )
    note(db, work.merchant_id, work.connection_id, learnt.foreign, work.rt.now())
    decide_anew(work, db, learnt)
    work.mark_problems(db, problems)
    # A replay settles its attempt; its messages are worked from the present truth by this claim.
    if not sent.is_replay:
        work.settle(db, outcomes)
    attempts.succeed(db, sent.attempt, f"{len(done)} of {len(sent.items)} done")


def _settle_alone(work: Work, db: sa.Connection, answered: _Sent | None) -> None:
    if answered:
        with db.begin():
            _settle(work, db, answered)


def _variants(work: Work, db: sa.Connection, reads: Sequence[NumberRead]) -> list[int]:
    """The variants about which these readings may teach something."""
    if not reads:
        return []
    found = db.execute(
        sa.text("""
            select variant_id from listing
             where merchant_id = :m and id = any(cast(:ids as bigint[])) and variant_id is not null
        """),
        {"m": work.merchant_id, "ids": literal(read.listing_id for read in reads)},
    )
    return [int(row.variant_id) for row in found]


_FORGET_BADGES = sa.text("""
    update listing set believed_state = '' where merchant_id = :m and id = any(cast(:ids as bigint[]))
""")

# Orders recorded while the write was under way have lowered what we believe by as much.
_MOVED = "greatest(0, coalesce(n.expected - l.believed_available, 0))"
# A write that compared came before those sales: it left its number minus theirs. Of one that did not,
# nobody knows: the store is asked again.
_BELIEVE_UNITS = sa.text(f"""
    update listing l
       set believed_available = n.units - {_MOVED},
           doubted_units = l.doubted_units + case when :compares then 0 else {_MOVED} end,
           confirmed_available = n.units, written_at = :now,
           confirmed_at = case when l.doubted_units > 0 or ({_MOVED} > 0 and not :compares) then null
                               else cast(:now as timestamptz) end
      from unnest(cast(:ids as bigint[]), cast(:units as int[]), cast(:expecteds as int[]))
           as n(id, units, expected)
     where l.merchant_id = :m and l.id = n.id
    returning l.id, l.doubted_units > 0 as is_doubted,
              (l.believed_state, l.believed_count, l.believed_restock_on, l.believed_restock_until)
              is distinct from
              (l.wanted_state, l.wanted_count, l.wanted_restock_on, l.wanted_restock_until) as is_badge_wrong
""")  # noqa: S608 (a constant of this file)

_BELIEVE_BADGES = sa.text("""
    update listing l
       set believed_state = n.state, believed_count = n.shown, believed_restock_on = n.day,
           believed_restock_until = n.until
      from unnest(cast(:ids as bigint[]), cast(:states as text[]), cast(:counts as int[]),
                  cast(:days as date[]), cast(:untils as date[])) as n(id, state, shown, day, until)
     where l.merchant_id = :m and l.id = n.id
""")


def _believe(work: Work, db: sa.Connection, items: list[dict[str, Any]]) -> list[int]:
    """The store confirmed these writes. Returns the listings whose number is in doubt all the same."""
    if not items:
        return []
    given: dict[str, Any] = {"m": work.merchant_id, "ids": literal(item["listing_id"] for item in items)}
    if "badge" in items[0]:
        states, counts, days, untils = zip(*(item["badge"] for item in items), strict=True)
        badges = {"states": states, "counts": counts, "days": days, "untils": untils}
        db.execute(_BELIEVE_BADGES, {**given, **{name: list(values) for name, values in badges.items()}})
    if "quantity" not in items[0]:
        return []
    rows = db.execute(
        _BELIEVE_UNITS,
        {
            **given,
            "now": work.rt.now(),
            "units": literal(item["quantity"] for item in items),
            "expecteds": literal(item["expected"] for item in items),
            "compares": work.store.capabilities.compare_and_set != "read_then_write",
        },
    ).all()
    repaired(db, work.merchant_id, work.connection_id, [row.id for row in rows], work.rt.now())
    if not work.carries_badge:
        badges_follow(work, db, [row.id for row in rows if row.is_badge_wrong])
    return [row.id for row in rows if row.is_doubted]


def badges_follow(work: Work, db: sa.Connection, listing_ids: Sequence[int]) -> None:
    """Where a badge is a write of its own it follows its number, never the other way round."""
    enqueue(
        db,
        work.merchant_id,
        [Intent(BADGE, str(i), work.connection_id, BADGES) for i in sorted(listing_ids)],
    )
