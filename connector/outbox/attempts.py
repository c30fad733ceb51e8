"""Requests frozen before they are sent, so that one whose answer was lost can be sent again unchanged.

A handler commits `messages.hold`, `freeze` and `mark_sent` in one transaction, then calls the platform,
then commits the result together with the messages' outcomes:

    frozen ──mark_sent──► sent ──► succeeded · failed · unknown
                           ▲                               │ resolve (read back) ──► resolved
                           └────────── mark_sent ◄─────────┘ the same request under the same key

What `open_attempts` finds at the beginning of a turn was left by a crash or a lost answer: its effect may
have happened. Send it again under its key where the platform honours keys, else read back and `resolve`.
Only when the platform says that the key itself is spent is `next_generation` right: a new key for the
same request.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox.messages import LeaseLost, clip

__all__ = [
    "Attempt",
    "AttemptMoved",
    "discard_frozen",
    "fail",
    "freeze",
    "freeze_sent",
    "mark_sent",
    "next_generation",
    "open_attempts",
    "prune",
    "resolve",
    "succeed",
    "unknown",
]

NAMESPACE = uuid.UUID("6f0f3d0e-5c07-5d6a-9a51-0b7c2a1f4a39")

_COLUMNS = (
    "merchant_id, id, connection_id, topic, operation, request, digest, generation, idempotency_key, "
    "status, created_at, sent_at, note"
)


class AttemptMoved(LeaseLost):
    """Another worker changed this attempt meanwhile: nothing may be sent for it from here."""


@dataclass(frozen=True)
class Attempt:
    """One request as it will be, may have been or was sent. `request` and `digest` never change;
    `idempotency_key` changes with `generation` only. `sent_at` is the latest time it may have left."""

    merchant_id: int
    id: int
    connection_id: int
    topic: str
    operation: str
    request: dict[str, Any]
    digest: str
    generation: int
    idempotency_key: uuid.UUID
    status: str
    created_at: datetime
    sent_at: datetime | None
    note: str


def freeze(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    topic: str,
    operation: str,
    body: Mapping[str, Any],
) -> Attempt:
    """Store the request `body` (JSON values only) of `operation` under a new key, in the caller's
    transaction. Raises TypeError or ValueError where `body` is no JSON."""
    return _freeze(db, merchant_id, connection_id, topic, operation, body, "frozen")


def freeze_sent(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    topic: str,
    operation: str,
    body: Mapping[str, Any],
) -> Attempt:
    """`freeze` and `mark_sent` in one statement, for a request that leaves right after the commit."""
    return _freeze(db, merchant_id, connection_id, topic, operation, body, "sent")


def mark_sent(db: sa.Connection, attempt: Attempt) -> Attempt:
    """Record that the request leaves now; commit before the call. Raises AttemptMoved when it was settled
    or has another generation."""
    return _move(db, attempt, "sent", "sent_at = clock_timestamp()", ("frozen", "sent", "unknown"))


def succeed(db: sa.Connection, attempt: Attempt, note: str = "") -> Attempt:
    """The platform confirmed it. Raises AttemptMoved when it was settled meanwhile, like the four below."""
    return _move(db, attempt, "succeeded", _SETTLED, ("sent", "unknown"), note)


def fail(db: sa.Connection, attempt: Attempt, note: str) -> Attempt:
    """It certainly had no effect: refused, or it never left."""
    return _move(db, attempt, "failed", _SETTLED, ("frozen", "sent", "unknown"), note)


def unknown(db: sa.Connection, attempt: Attempt, note: str) -> Attempt:
    """It left and no answer came. It stays open."""
    return _move(db, attempt, "unknown", "settled_at = null", ("sent", "unknown"), note)


def resolve(db: sa.Connection, attempt: Attempt, note: str) -> Attempt:
    """The state was read back, so it no longer matters whether this request arrived; `note` says what
    was found."""
    return _move(db, attempt, "resolved", _SETTLED, ("frozen", "sent", "unknown"), note)


def next_generation(db: sa.Connection, attempt: Attempt) -> Attempt:
    """The same request frozen again under a new key, because the platform declared the old one spent."""
    generation = attempt.generation + 1
    key = _key(attempt.merchant_id, attempt.id, attempt.digest, generation)
    row = db.execute(
        _NEXT_GENERATION,
        {
            "merchant": attempt.merchant_id,
            "id": attempt.id,
            "was": attempt.generation,
            "generation": generation,
            "key": key,
        },
    ).one_or_none()
    if row is None:
        raise AttemptMoved(_moved(attempt, "frozen"))
    return Attempt(*row)


def open_attempts(db: sa.Connection, merchant_id: int, connection_id: int, topic: str) -> list[Attempt]:
    """Requests of this turn that may have had an effect nobody knows of, oldest first. Call it at the
    beginning of a turn, when no call of this turn is under way."""
    parameters = {"merchant": merchant_id, "connection": connection_id, "topic": topic}
    return [Attempt(*row) for row in db.execute(_OPEN, parameters)]


def discard_frozen(db: sa.Connection, merchant_id: int, connection_id: int, topic: str) -> int:
    """Close what was frozen and never left (the worker died in between); returns how many."""
    return db.execute(
        _DISCARD, {"merchant": merchant_id, "connection": connection_id, "topic": topic}
    ).rowcount


def prune(engine: sa.Engine, older_than: timedelta) -> int:
    """Delete attempts settled longer ago than `older_than`; open ones stay. Returns how many."""
    with transaction(engine) as db:
        return db.execute(_PRUNE, {"older_s": older_than.total_seconds()}).rowcount


def _freeze(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    topic: str,
    operation: str,
    body: Mapping[str, Any],
    status: str,
) -> Attempt:
    request = dict(body)
    # Hundreds of items: written as text once, for the column and the digest, and not read back.
    text = _canonical(request)
    digest = _digest(operation, text)
    attempt_id = int(db.execute(_NEXT_ID).scalar_one())
    key = _key(merchant_id, attempt_id, digest, 0)
    row = db.execute(
        _FREEZE,
        {
            "merchant": merchant_id,
            "id": attempt_id,
            "connection": connection_id,
            "topic": topic,
            "operation": operation,
            "request": text,
            "digest": digest,
            "key": key,
            "status": status,
        },
    ).one()
    return Attempt(
        merchant_id,
        attempt_id,
        connection_id,
        topic,
        operation,
        request,
        digest,
        0,
        key,
        status,
        row.created_at,
        row.sent_at,
        "",
    )


def _move(
    db: sa.Connection, attempt: Attempt, status: str, change: str, allowed: tuple[str, ...], note: str = ""
) -> Attempt:
    row = db.execute(
        sa.text(
            f"update delivery_attempt set status = :status, note = :note, {change} "  # noqa: S608 (constants)
            "where merchant_id = :merchant and id = :id and generation = :generation "
            "and status = any(cast(:allowed as text[])) returning sent_at"
        ),
        {
            "merchant": attempt.merchant_id,
            "id": attempt.id,
            "generation": attempt.generation,
            "status": status,
            "note": clip(note),
            "allowed": list(allowed),
        },
    ).one_or_none()
    if row is None:
        raise AttemptMoved(_moved(attempt, status))
    return replace(attempt, status=status, sent_at=row.sent_at, note=clip(note))


def _moved(attempt: Attempt, status: str) -> str:
    return (
        f"Attempt {attempt.id} of merchant {attempt.merchant_id} cannot become {status!r}: "
        "another worker settled it or gave it a new key."
    )


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(operation: str, request_text: str) -> str:
    """Of the canonical JSON list [operation, request]."""
    return hashlib.sha256(f"[{_canonical(operation)},{request_text}]".encode()).hexdigest()


def _key(merchant_id: int, attempt_id: int, digest: str, generation: int) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, f"{merchant_id}:{attempt_id}:{digest}:{generation}")


_SETTLED = "settled_at = clock_timestamp()"

_NEXT_ID = sa.text("select nextval(pg_get_serial_sequence('delivery_attempt', 'id'))")

_FREEZE = sa.text("""
insert into delivery_attempt
       (merchant_id, id, connection_id, topic, operation, request, digest, idempotency_key, status, created_at,
        sent_at)
values (:merchant, :id, :connection, :topic, :operation, cast(:request as jsonb), :digest, :key,
        cast(:status as text), clock_timestamp(),
        case when cast(:status as text) = 'sent' then clock_timestamp() end)
returning created_at, sent_at
""")

_NEXT_GENERATION = sa.text(f"""
update delivery_attempt
   set generation = :generation, idempotency_key = :key, status = 'frozen', settled_at = null
 where merchant_id = :merchant and id = :id and generation = :was and status in ('frozen', 'sent', 'unknown')
returning {_COLUMNS}
""")  # noqa: S608 (the column list is a constant)

_OPEN = sa.text(f"""
select {_COLUMNS} from delivery_attempt
 where merchant_id = :merchant and connection_id = :connection and topic = :topic
   and status in ('sent', 'unknown') and status in ('frozen', 'sent', 'unknown')
 order by id
""")  # noqa: S608 (the column list is a constant)

_DISCARD = sa.text("""
update delivery_attempt
   set status = 'failed', note = 'It never left.', settled_at = clock_timestamp()
 where merchant_id = :merchant and connection_id = :connection and topic = :topic and status = 'frozen'
   and status in ('frozen', 'sent', 'unknown')
""")

_PRUNE = sa.text("""
delete from delivery_attempt
 where status in ('succeeded', 'failed', 'resolved')
   and settled_at < statement_timestamp() - cast(:older_s as float8) * interval '1 second'
""")
