"""What the tests of clock and workers share: noted work, intents, runs and bells."""

from __future__ import annotations

import signal
from typing import Any

import sqlalchemy as sa

from connector.accounts import schedule as due_times
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.outbox.messages import Claim, Done, Intent, enqueue, settle
from connector.positions.topics import ADS
from workers import queues
from workers.queues import queue
from workers.run import work


class Noted:
    """A handler and a kind of schedule row that note what they were asked to do."""

    def __init__(self) -> None:
        self.subjects: list[tuple[int, str]] = []
        self.runs: list[tuple[int, int]] = []
        self.error: BaseException | None = None
        self.fails_for: set[int] = set()

    def handle(self, rt: Any, claim: Claim) -> None:
        self.subjects += [(claim.turn.merchant_id, message.subject) for message in claim.messages]
        self._fail(claim.turn.merchant_id)
        with transaction(rt.engine) as db:
            settle(db, claim, {message.id: Done() for message in claim.messages})

    def run(self, _: Any, merchant_id: int, subject_id: int) -> None:
        self.runs.append((merchant_id, subject_id))
        self._fail(merchant_id)

    def _fail(self, merchant_id: int) -> None:
        if self.error is not None and (not self.fails_for or merchant_id in self.fails_for):
            raise self.error


def intend(rt: Runtime, merchant_id: int, *subjects: str, topic: str = ADS) -> None:
    with transaction(rt.engine) as db:
        enqueue(db, merchant_id, [Intent(topic, subject) for subject in subjects])


def plan(rt: Runtime, merchant_id: int, kind: str = "positions.recheck", subject_id: int = 0) -> None:
    with transaction(rt.engine) as db:
        due_times.ensure(db, merchant_id, kind, subject_id, 3600)


def burst(rt: Runtime, *names: str) -> None:
    """Work queues in this process until they are empty, and give the signals back to pytest."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for name in names or queues.QUEUES:
            work(rt, name, burst=True)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def waiting(rt: Runtime) -> dict[str, int]:
    """Bells per queue, those with none left out."""
    counts = {name: queue(name, rt.redis).count for name in queues.QUEUES}
    return {name: count for name, count in counts.items() if count}


def statuses(rt: Runtime) -> list[tuple[str, str]]:
    with rt.engine.connect() as db:
        rows = db.execute(sa.text("select subject, status from outbox_message order by id"))
        return [(row.subject, row.status) for row in rows]


def row(rt: Runtime, columns: str) -> Any:
    with rt.engine.connect() as db:
        return tuple(db.execute(sa.text(f"select {columns} from schedule")).one())


def run(rt: Runtime, statement: str) -> None:
    with transaction(rt.engine) as db:
        db.execute(sa.text(statement))
