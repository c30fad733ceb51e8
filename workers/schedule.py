"""The clock: every half second it looks in the database for what is due and rings the workers' bells.

Any number of clocks may run: due rows are leased to one of them, and a ring that is still unanswered is
not repeated. When Redis is away nothing is lost; the next look rings again.
"""

from __future__ import annotations

import threading

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError

from connector.accounts import schedule
from connector.bootstrap import TOPICS, Runtime
from connector.outbox import messages, upkeep
from workers.queues import QUEUE_OF_KIND, QUEUE_OF_TOPIC, ring

log = structlog.get_logger()

TICK_S = 0.5
SWEEP_EVERY_TICKS = 10
MOST_AT_ONCE = 200


def tick(rt: Runtime, *, sweeps: bool = False) -> int:
    """One look: sweep expired leases now and then, ring for due turns and due schedule rows.
    Returns the rings."""
    if sweeps:
        upkeep.sweep(rt.engine)
    rings = 0
    with rt.engine.connect() as db:
        turns = messages.due_turns(db, list(TOPICS), MOST_AT_ONCE)
    for turn in turns:
        key = f"{turn.topic}:{turn.merchant_id}:{turn.connection_id}"
        rings += ring(
            rt.redis,
            QUEUE_OF_TOPIC[turn.topic],
            key,
            "serve",
            turn.merchant_id,
            turn.topic,
            turn.connection_id,
        )
    for due in schedule.claim_due(rt.engine, MOST_AT_ONCE):
        key = f"{due.kind}:{due.merchant_id}:{due.subject_id}:{due.lease_until.isoformat()}"
        rings += ring(
            rt.redis,
            QUEUE_OF_KIND[due.kind],
            key,
            "run_due",
            *due[:-1],
            due.lease_until.isoformat(),
        )
    return rings


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
