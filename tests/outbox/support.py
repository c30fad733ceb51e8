"""What the tests of the outbox share."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.outbox.messages import Claim, Intent, Turn, claim, enqueue

MERCHANT = 1
TURN = Turn(MERCHANT, "push", 7)


def intend(engine: sa.Engine, *subjects: str, merchant: int = MERCHANT, **fields: Any) -> int:
    """Enqueue one intent per subject for topic "push", connection 7, and commit."""
    defaults: dict[str, Any] = {"topic": "push", "connection_id": 7}
    with transaction(engine) as db:
        return enqueue(db, merchant, [Intent(subject=s, **{**defaults, **fields}) for s in subjects])


def take(engine: sa.Engine, limit: int = 100, turn: Turn = TURN, **fields: Any) -> Claim:
    """A claim that must succeed."""
    claimed = claim(engine, turn, limit, **fields)
    assert claimed is not None
    return claimed


def subjects(claimed: Claim) -> list[str]:
    return [message.subject for message in claimed.messages]


def rows(engine: sa.Engine, columns: str = "subject, status") -> list[tuple[Any, ...]]:
    """All messages, oldest first."""
    with engine.connect() as db:
        return [
            tuple(row) for row in db.execute(sa.text(f"select {columns} from outbox_message order by id"))
        ]


def run(engine: sa.Engine, statement: str, **parameters: Any) -> Any:
    """Run one statement and commit; its first value where it returns any."""
    with transaction(engine) as db:
        result = db.execute(sa.text(statement), parameters)
        return result.scalar() if result.returns_rows else None


def expire(engine: sa.Engine) -> None:
    """Let every lease run out, as time would."""
    run(engine, "update outbox_message set lease_until = now() - interval '1 s' where status = 'claimed'")
    run(engine, "update outbox_turn set lease_until = now() - interval '1 s' where lease_until is not null")


def skip_waits(engine: sa.Engine) -> None:
    """Let every wait of turns and messages end, as time would."""
    run(engine, "update outbox_turn set next_try_at = now()")
    run(engine, "update outbox_message set due_at = now() where status = 'pending'")
