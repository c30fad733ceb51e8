"""The clock: every half second it looks in the database for what is due and rings the workers' bells.

Any number of clocks may run: they only look, and a ring that is still unanswered is not repeated. The
worker that answers takes what is due; one that comes for nothing goes away again. When Redis is away or
emptied nothing is lost; a later look rings again.
"""

from __future__ import annotations

import threading

import structlog
from redis.exceptions import RedisError
from rq import Worker
from sqlalchemy.exc import OperationalError

from connector.accounts import schedule
from connector.bootstrap import Runtime
from connector.outbox import messages, upkeep
from workers.queues import KINDS, MARGIN_S, QUEUE_OF_TOPIC, QUEUES, queue, ring

log = structlog.get_logger()

TICK_S = 0.5
SWEEP_EVERY_TICKS = 10
MOST_AT_ONCE = 200


def tick(rt: Runtime, *, sweeps: bool = False) -> int:
    """One look: sweep expired leases now and then, ring for due turns and due schedule rows, queue by
    queue, so that the backlog of one never hides what is due in another. Returns the rings."""
    if sweeps:
        upkeep.sweep(rt.engine)
    return sum(_ring_queue(rt, name) for name in QUEUES)


def _ring_queue(rt: Runtime, name: str) -> int:
    topics = [topic for topic, of in QUEUE_OF_TOPIC.items() if of == name]
    # Kinds of rows that this release does not know (it runs beside a newer one) are left to those who do.
    kinds = [kind for kind, how in KINDS.items() if how.queue == name]
    with rt.engine.connect() as db:
        most = _most_for_one(rt, name)
        turns = messages.due_turns(db, topics, MOST_AT_ONCE, per_merchant=most) if topics else []
        runs = schedule.due(db, kinds, MOST_AT_ONCE)
    rings = 0
    for turn in turns:
        key = f"{turn.topic}:{turn.merchant_id}:{turn.connection_id}"
        rings += ring(rt.redis, name, key, "serve", *turn)
    for run in runs:
        key = f"{run.kind}:{run.merchant_id}:{run.subject_id}"
        timeout_s = KINDS[run.kind].longest_s - MARGIN_S
        rings += ring(
            rt.redis,
            name,
            key,
            "run_due",
            run.merchant_id,
            run.kind,
            run.schedule_id,
            timeout_s=timeout_s,
        )
    return rings


def _most_for_one(rt: Runtime, name: str) -> int | None:
    """How many turns of this queue one merchant may have under way: a quarter of its workers. None where
    there are too few to divide: then turns alone are fair."""
    workers = Worker.count(queue=queue(name, rt.redis))
    return workers // 4 if workers >= 4 else None


def run_clock(rt: Runtime, stop: threading.Event) -> None:
    """Tick until `stop` is set; survives a database or a Redis that is away for a while."""
    count = 0
    while not stop.is_set():
        try:
            tick(rt, sweeps=count % SWEEP_EVERY_TICKS == 0)
        except (OperationalError, RedisError) as error:
            log.warning("the clock waits", error=type(error).__name__)
            stop.wait(2.0)
        count += 1
        stop.wait(TICK_S)
