"""The outbox: intents to change the outside world, claimed in turns, each with one outcome.

This module and `upkeep` are the only code that changes the state of a message. A message says *what*
must become right (`subject` at `connection_id`), never *how*: the handler reads the present truth after
the claim, so ten changes are one message and a stale number cannot be sent.

    pending ──claim──► claimed ──settle──► done · failed · unknown
       ▲                  │
       └── again, unsettled, lease over (or superseded, where a newer pending one exists)

Two partial unique indexes allow one pending and one claimed message per (merchant, topic, connection,
subject). Enqueueing locks the pending message it joins until its transaction ends and claims skip locked
ones, so a claim never takes an intent whose truth is not committed yet. All times are the database's.

Locks are taken in the order (merchant, subject, topic, connection). A transaction calls `enqueue` once, last, after
its own row locks; `settle` likewise. Then no two of them can wait for each other in a circle.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import sqlalchemy as sa

from connector import heartbeat
from connector.backoff import wait_s
from connector.db import transaction
from connector.outbox import sql

__all__ = [
    "Again",
    "Claim",
    "Done",
    "Failed",
    "Finished",
    "Intent",
    "LeaseLost",
    "Message",
    "Outcome",
    "Turn",
    "Unknown",
    "claim",
    "due_turns",
    "enqueue",
    "finish",
    "hold",
    "renew",
    "settle",
]

LEASE_S = 120.0
AGE_FIRST_EVERY = 10
OLD_AFTER_S = 300.0

_jitter = Random()


class Intent(NamedTuple):
    """ "Make `subject` right at `connection_id`", for the handler of `topic`.

    `lane` 1 is the most dangerous and goes first; `group_key` keeps what travels together (the variants
    of one product) next to each other; `delay_s` is the time before which nothing is done.
    """

    topic: str
    subject: str
    connection_id: int = 0
    lane: int = 5
    group_key: str = ""
    delay_s: float = 0.0


class Turn(NamedTuple):
    """A queue of its own: at most one worker serves one (merchant, topic, connection) at a time."""

    merchant_id: int
    topic: str
    connection_id: int


class Message(NamedTuple):
    """A claimed intent. `tries` counts the claims of it so far, this one included."""

    id: int
    subject: str
    lane: int
    group_key: str
    tries: int


class LeaseLost(Exception):
    """This worker was too slow: its turn may be served by another one, so nothing more may be sent."""


@dataclass(frozen=True)
class Done:
    """The outside is right now, or nothing had to be done (`note` says why)."""

    note: str = ""


@dataclass(frozen=True)
class Again:
    """Not now: pending again after `delay_s`, or joined to a newer pending intent."""

    delay_s: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Failed:
    """Refused for good; `note` tells the merchant why."""

    note: str


@dataclass(frozen=True)
class Unknown:
    """The effect may have happened and cannot be looked up; it is not repeated and is shown."""

    note: str


Outcome = Done | Again | Failed | Unknown


@dataclass(frozen=True)
class Claim:
    """Messages of one turn that this worker alone may settle, for `lease_s` seconds at the longest. The turn
    is leased for less at a time, and renewed (`renew`): what a killed worker held is soon free.

    `messages` come in the order in which they should be sent (most dangerous lane first). `failures` is
    how often in a row this turn failed before. `started` is read on `clock` before the claim, so that the
    worker's idea of the lease is never longer than the database's.
    """

    turn: Turn
    token: uuid.UUID
    messages: tuple[Message, ...]
    failures: int
    started: float
    lease_s: float
    clock: Callable[[], float] = field(default=time.monotonic, compare=False, repr=False)

    @property
    def deadline_s(self) -> float:
        """Seconds from `started` after which no further call may begin: half the lease, so that a call
        begun just before ends long before somebody else may take the same subjects."""
        return self.lease_s / 2

    def seconds_left(self) -> float:
        """Seconds until the deadline, 0 when it has passed: the longest timeout of the next call."""
        return max(0.0, self.deadline_s - (self.clock() - self.started))

    def is_out_of_time(self) -> bool:
        """Has the deadline passed? Then stop: what is not settled goes back to pending."""
        return self.seconds_left() == 0.0


class Finished(NamedTuple):
    """What the end of a claim did: messages put back to `returned`, closed as `superseded` by a newer
    intent; `was_late` when the lease was over and the turn no longer this worker's; `wait_s` before the
    turn is served again."""

    returned: int
    superseded: int
    was_late: bool
    wait_s: float


def enqueue(db: sa.Connection, merchant_id: int, intents: Sequence[Intent]) -> int:
    """Record `intents` in the caller's transaction; returns how many of them made a new message.

    An intent whose subject is already pending joins that message, which takes the lower lane, the earlier
    due time and the newer `group_key`. Thousands cost one statement. Nothing is visible to workers before
    the commit. Raises ValueError for a negative delay and SQLAlchemy's DataError for a lane beyond
    smallint or a NUL in a text.
    """
    if not intents:
        return 0
    topics, subjects, connections, lanes, groups, delays = (
        list(column) for column in zip(*intents, strict=True)
    )
    if min(delays) < 0:
        raise ValueError("delay_s is negative")
    created = db.execute(
        sql.ENQUEUE,
        {
            "merchant": merchant_id,
            "topics": texts(topics),
            "subjects": texts(subjects),
            "connections": literal(connections),
            "lanes": literal(lanes),
            "groups": texts(groups),
            "delays": literal(delays),
        },
    ).scalar_one()
    turns = sorted(set(zip(topics, connections, strict=True)))
    db.execute(
        sql.ENSURE_TURNS,
        {
            "merchant": merchant_id,
            "topics": [topic for topic, _ in turns],
            "connections": [connection for _, connection in turns],
        },
    )
    return int(created)


def due_turns(
    db: sa.Connection, topics: Sequence[str], limit: int, *, per_merchant: int | None = None
) -> list[Turn]:
    """Up to `limit` turns of `topics` that have due work, are not leased and need not wait.

    Fair: every merchant's longest unserved turn first, then every merchant's second, and so on; turns a
    merchant already has under way count as its first ones. `per_merchant` is the most turns of these
    topics one merchant may have under way. Costs a few index probes per turn with pending work, however
    many messages wait.
    """
    rows = db.execute(sql.DUE_TURNS, {"topics": list(topics), "limit": limit, "per_merchant": per_merchant})
    return [Turn(row.merchant_id, row.topic, row.connection_id) for row in rows]


def claim(
    engine: sa.Engine,
    turn: Turn,
    limit: int,
    lease_s: float = LEASE_S,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Claim | None:
    """Take the lease of `turn` and up to `limit` of its due messages; None when there is nothing to take.

    None also when the turn is leased to another worker or must wait. Messages come by (lane, group, id);
    every tenth claim first takes those due for more than five minutes, oldest first, so that a stream of
    dangerous ones cannot starve the rest. A subject that is still claimed (by a worker whose lease ran
    out and was not swept yet) is left alone.
    """
    if limit < 1 or lease_s <= 0:
        raise ValueError("limit and lease_s must be positive")
    started = clock()
    token = uuid.uuid4()
    key = {"merchant": turn.merchant_id, "topic": turn.topic, "connection": turn.connection_id}
    with transaction(engine) as db:
        lease = db.execute(
            sql.TAKE_TURN, {**key, "token": token, "lease_s": min(lease_s, heartbeat.LEASE_S)}
        ).one_or_none()
        if lease is None:
            return None
        messages: list[Message] = []
        take = {**key, "token": token, "lease_until": lease.lease_until}
        if lease.claims % AGE_FIRST_EVERY == 0:
            oldest = db.execute(sql.TAKE_OLDEST, {**take, "limit": limit, "old_after_s": OLD_AFTER_S})
            messages += map(Message._make, oldest.all())
        if len(messages) < limit:
            by_lane = db.execute(sql.TAKE_BY_LANE, {**take, "limit": limit - len(messages)})
            messages += map(Message._make, by_lane.all())
        if not messages:
            db.execute(sql.LEAVE_TURN, {**key, "token": token})
            return None
    messages.sort(key=lambda message: (message.lane, message.group_key, message.id))
    return Claim(turn, token, tuple(messages), lease.failures, started, lease_s, clock)


def renew(engine: sa.Engine, claim: Claim) -> bool:
    """Lease the turn of `claim` anew, by a heartbeat; False when it is not this worker's any more."""
    turn = claim.turn
    key = {"merchant": turn.merchant_id, "topic": turn.topic, "connection": turn.connection_id}
    given = {**key, "token": claim.token, "lease_s": min(claim.lease_s, heartbeat.LEASE_S)}
    with transaction(engine) as db:
        return db.execute(sql.RENEW_TURN, given).rowcount > 0


def hold(db: sa.Connection, claim: Claim) -> None:
    """Make sure that the turn is still this worker's until the caller's transaction ends.

    Call it in the transaction that freezes a request: whoever serves the turn next then finds that
    request, however long this process was stopped in between. Raises LeaseLost.
    """
    turn = claim.turn
    key = {"merchant": turn.merchant_id, "topic": turn.topic, "connection": turn.connection_id}
    if db.execute(sql.HOLD_TURN, {**key, "token": claim.token}).one_or_none() is None:
        raise LeaseLost(f"The lease on {turn} ran out after {claim.lease_s:.0f} s.")


def settle(db: sa.Connection, claim: Claim, outcomes: Mapping[int, Outcome]) -> frozenset[int]:
    """Give messages of `claim` their outcome in the caller's transaction; returns the ids that took it.

    `outcomes` maps message ids to outcomes; messages left out stay claimed. An id that is missing from the
    answer is no longer this worker's (its lease ran out and was swept): whatever the caller wrote for it in
    this transaction must not be committed. `Again` joins a newer pending intent of the same subject if
    there is one, which then takes the more dangerous lane.
    """
    # Most batches end in one way: one statement for each way costs less than three values a message. Not
    # so for `Again`, which locks pending messages: those must be locked in one go, in their order.
    ways: dict[Outcome, list[int]] = {}
    again: dict[int, Again] = {}
    for id, outcome in outcomes.items():
        if isinstance(outcome, Again):
            again[id] = outcome
        else:
            ways.setdefault(outcome, []).append(id)
    given = {"merchant": claim.turn.merchant_id, "token": claim.token}
    settled: set[int] = set()
    for outcome, ids in ways.items():
        end = {"status": type(outcome).__name__.lower(), "note": clip(outcome.note)}
        settled.update(db.execute(sql.CLOSE, {**given, **end, "ids": literal(ids)}).scalars())
    if again:
        rows = db.execute(
            sql.PUT_BACK,
            {
                **given,
                "ids": literal(again),
                "delays": [max(0.0, outcome.delay_s) for outcome in again.values()],
                "notes": [clip(outcome.note) for outcome in again.values()],
                "untried": 0,
            },
        )
        settled.update(row.id for row in rows)
    return frozenset(settled)


def finish(
    engine: sa.Engine, claim: Claim, error: BaseException | None = None, *, random: Random = _jitter
) -> Finished:
    """End `claim`: put unsettled messages back to pending and give the turn free.

    Without an `error` the turn may be served again at once. With one it waits as `connector.backoff` says
    (a refusal until somebody acts: see `upkeep.wake`). A claim that settled nothing counts as a failure
    too, or a handler that forgets to settle would spin. Safe to call after the lease ran out: it then
    changes nothing and says so.
    """
    if error is not None and not isinstance(error, Exception):
        # The process is asked to stop (KeyboardInterrupt, SystemExit): nobody's failure, no wait.
        is_stopping, error = True, None
    else:
        is_stopping = False
    turn = {
        "merchant": claim.turn.merchant_id,
        "topic": claim.turn.topic,
        "connection": claim.turn.connection_id,
        "token": claim.token,
    }
    with transaction(engine) as db:
        left = db.execute(sql.STILL_CLAIMED, turn).scalars().all()
        back: Sequence[sa.Row[Any]] = ()
        if left:
            back = db.execute(
                sql.PUT_BACK,
                {
                    "merchant": claim.turn.merchant_id,
                    "token": claim.token,
                    "ids": literal(left),
                    "delays": [0.0] * len(left),
                    "notes": [clip(str(error)) if error else ""] * len(left),
                    # Messages the worker had no time for were not tried; after an error one cannot know.
                    "untried": 0 if error else 1,
                },
            ).all()
        reason = str(error) if error else ""
        if error is None and not is_stopping and len(back) == len(claim.messages):
            error = RuntimeError(f"None of the {len(back)} claimed messages was settled.")
            reason = str(error)
        wait = wait_s(error, claim.failures, random=random)
        is_mine = db.execute(
            sql.RELEASE_TURN,
            {**turn, "failed": error is not None, "reason": clip(reason), "wait_s": wait},
        ).rowcount
    returned = sum(row.is_pending for row in back)
    return Finished(returned, len(back) - returned, was_late=is_mine == 0, wait_s=wait)


def literal(numbers: Iterable[float | None]) -> str:
    """Numbers, or nulls, as PostgreSQL writes an array: a driver takes ten times as long over a list."""
    return "{" + ",".join("null" if number is None else str(number) for number in numbers) + "}"


def texts(values: Sequence[str]) -> str:
    """Texts as PostgreSQL writes an array, for the same reason as `literal`."""
    if not values:
        return "{}"
    everything = "".join(values)
    if '"' in everything or "\\" in everything:
        values = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(values) + '"}'


def clip(text: str) -> str:
    """`text` as a note can be stored: no NUL (PostgreSQL refuses it), at most 500 characters."""
    return text.replace("\x00", "")[:500]
