"""Workers killed at random while they cause effects outside: none is missing, none happens twice.

Each subject must cause exactly one effect on a platform that honours idempotency keys, as the shops' write
calls do. The platform is a table written through a connection of its own, so an effect stays when the
worker dies a moment later, before it could write down that it happened. RQ workers on a real Redis do the
work; Redis is only the doorbell and is emptied on the way. `python -m benchmarks.kills` measures the full
size; the tests run a small one.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import redis
import sqlalchemy as sa
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from connector.db import make_engine, migrate, transaction
from connector.embedded import EmbeddedServer, start_postgres, start_redis
from connector.outbox import attempts
from connector.outbox.attempts import Attempt
from connector.outbox.messages import Claim, Done, Intent, LeaseLost, Turn, due_turns, enqueue, hold, settle
from connector.outbox.upkeep import sweep
from connector.outbox.work import Topic, serve_turn

TOPIC, QUEUE = "kills.push", "kills"
MERCHANT = 1

TABLES = (
    "create table kill_platform (key uuid, subject text, primary key (key, subject))",
    "create table kill_known (subject text primary key)",
    "create table kill_fault (at timestamptz default now(), fault text)",
)


@dataclass(frozen=True)
class Plan:
    """How much and how hard: every `kill_every_s` one of the workers that are at work is killed, as long as
    something got done since the last kill (a slow machine would otherwise only start workers), `kills`
    times at most.

    `slowest_call_s` is the longest a call to the platform takes, on top of what the database needs. Leases
    are far shorter than the product's, so that a killed worker's subjects come back in time."""

    effects: int = 20_000
    connections: int = 40
    workers: int = 4
    batch: int = 50
    kill_every_s: float = 0.25
    kills: int = 1_000_000
    wipes: int = 2
    lease_s: float = 2.0
    slowest_call_s: float = 0.02
    timeout_s: float = 900.0
    seed: int = 1


@dataclass(frozen=True)
class Result:
    """What happened. `faults` are exceptions of handlers: there must be none."""

    effects: int
    missing: int
    doubled: int
    open_attempts: int
    kills: int
    wipes: int
    seconds: float
    faults: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        return (self.missing, self.doubled, self.open_attempts, self.faults) == (0, 0, 0, ())


def run(plan: Plan, database_url: str, redis_url: str, wipe: Callable[[], None]) -> Result:
    """Run `plan` on a migrated, empty database and a Redis that `wipe` empties. Raises TimeoutError."""
    engine = make_engine(database_url, pool_size=3)
    with transaction(engine) as db:
        for statement in TABLES:
            db.execute(sa.text(statement))
        intents = [Intent(TOPIC, f"s{n}", n % plan.connections) for n in range(plan.effects)]
        enqueue(db, MERCHANT, intents)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.kills"])  # a worker must start faster than it is killed
    random = Random(plan.seed)

    def hire() -> _Hand:
        began = context.Event()
        process = context.Process(target=_work, args=(redis_url, began), daemon=True)
        process.start()
        return _Hand(process, began)

    stop = threading.Event()
    clock = threading.Thread(target=_ring, args=(plan, engine, database_url, redis_url, stop), daemon=True)
    workers = [hire() for _ in range(plan.workers)]
    clock.start()
    kills = wipes = left_at_kill = 0
    started = time.monotonic()
    try:
        # The first worker imports the product; how long that takes is not what is measured.
        while not any(hand.began.wait(0.05) for hand in workers):
            if time.monotonic() - started > plan.timeout_s:
                raise TimeoutError(f"No worker began within {plan.timeout_s} s.")
        started, left_at_kill = time.monotonic(), plan.effects + 1
        while left := _left(engine):
            if time.monotonic() - started > plan.timeout_s:
                raise TimeoutError(f"{left} of {plan.effects} effects are missing after {plan.timeout_s} s.")
            time.sleep(plan.kill_every_s)
            at_work = [hand for hand in workers if hand.began.is_set() and hand.process.is_alive()]
            if at_work and left < left_at_kill and kills < plan.kills:
                left_at_kill = left
                victim = random.choice(at_work).process
                os.kill(victim.pid, signal.SIGKILL)
                victim.join()
                kills += 1
            for n, hand in enumerate(workers):
                if not hand.process.is_alive():  # killed, or ended because Redis went away
                    hand.process.join()
                    workers[n] = hire()
            if wipes < plan.wipes and left <= plan.effects * (1 - (wipes + 1) / (plan.wipes + 1)):
                wipe()
                wipes += 1
        seconds = time.monotonic() - started
    finally:
        stop.set()
        clock.join()
        for hand in workers:
            hand.process.kill()
            hand.process.join()
    result = _judge(plan, engine, kills, wipes, seconds)
    engine.dispose()
    return result


def serve(database_url: str, batch: int, lease_s: float, slowest_call_s: float, connection_id: int) -> None:
    """The RQ job: serve one turn until it is empty."""
    runtime = _runtime(database_url, slowest_call_s)
    topics = {TOPIC: Topic(TOPIC, _push, batch, lease_s)}
    try:
        while (served := serve_turn(runtime, Turn(MERCHANT, TOPIC, connection_id), topics)) is not None:
            if not served.has_more:
                return
    except Exception:
        # RQ would keep it in a registry of the Redis that is about to be emptied.
        with transaction(runtime.engine) as db:
            db.execute(sa.text("insert into kill_fault (fault) values (:f)"), {"f": traceback.format_exc()})
        raise


class _Hand(NamedTuple):
    """A worker process; `began` is set when it has its first claim. Killing it earlier would only measure
    how fast the machine starts processes."""

    process: Any
    began: Event


@dataclass(frozen=True)
class _Runtime:
    engine: sa.Engine
    platform: sa.Engine
    slowest_call_s: float
    random: Random


@functools.cache
def _runtime(database_url: str, slowest_call_s: float) -> _Runtime:
    platform = make_engine(database_url, pool_size=1).execution_options(isolation_level="AUTOCOMMIT")
    return _Runtime(make_engine(database_url, pool_size=1), platform, slowest_call_s, Random(os.getpid()))


def _push(runtime: _Runtime, claim: Claim) -> None:
    """The order that every handler keeps: lost answers first, then freeze, call, settle."""
    _Process.began.set()
    turn = claim.turn
    with transaction(runtime.engine) as db:
        hold(db, claim)
        lost = attempts.open_attempts(db, turn.merchant_id, turn.connection_id, turn.topic)
    for attempt in lost:
        with transaction(runtime.engine) as db:
            hold(db, claim)
            attempts.mark_sent(db, attempt)
        _call(runtime, attempt)
        with transaction(runtime.engine) as db:
            _remember(db, attempts.succeed(db, attempt))
    with transaction(runtime.engine) as db:
        known = set(
            db.execute(
                sa.text("select subject from kill_known where subject = any(cast(:s as text[]))"),
                {"s": [message.subject for message in claim.messages]},
            ).scalars()
        )
        settle(db, claim, {m.id: Done("It was there.") for m in claim.messages if m.subject in known})
    todo = [message for message in claim.messages if message.subject not in known]
    if not todo or claim.is_out_of_time():
        return
    with transaction(runtime.engine) as db:
        hold(db, claim)
        body = {"subjects": [message.subject for message in todo]}
        frozen = attempts.freeze(db, turn.merchant_id, turn.connection_id, turn.topic, "create", body)
        attempt = attempts.mark_sent(db, frozen)
    _call(runtime, attempt)
    with transaction(runtime.engine) as db:
        _remember(db, attempts.succeed(db, attempt))
        if len(settle(db, claim, {message.id: Done() for message in todo})) < len(todo):
            raise LeaseLost("Too late to settle: whoever has the turn now finds the request.")


def _call(runtime: _Runtime, attempt: Attempt) -> None:
    """The platform: the same key has its effect once. Slow before and after the effect, so that kills meet
    both the request on its way and the answer on its way."""
    time.sleep(runtime.random.random() * runtime.slowest_call_s / 2)
    with runtime.platform.connect() as db:
        db.execute(
            sa.text(
                "insert into kill_platform (key, subject) select :key, unnest(cast(:s as text[])) "
                "on conflict do nothing"
            ),
            {"key": attempt.idempotency_key, "s": attempt.request["subjects"]},
        )
    time.sleep(runtime.random.random() * runtime.slowest_call_s / 2)


def _remember(db: sa.Connection, attempt: Attempt) -> None:
    # Without ON CONFLICT: to learn of a subject twice would be the bug that this looks for.
    db.execute(
        sa.text("insert into kill_known select unnest(cast(:s as text[]))"),
        {"s": attempt.request["subjects"]},
    )


class _Process:
    """What a worker process knows of itself: set `began` with its first claim."""

    began: Event


def _work(redis_url: str, began: Event) -> None:
    """A worker process: one queue, no fork for each job."""
    _Process.began = began
    with redis.Redis.from_url(redis_url) as connection:
        queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
        worker = SimpleWorker([queue], connection=connection, serializer=JSONSerializer)
        worker.work(logging_level="CRITICAL")


def _ring(plan: Plan, engine: sa.Engine, database_url: str, redis_url: str, stop: threading.Event) -> None:
    """The clock: sweeps and rings for turns that are due. It reads what to do from the database alone."""
    with redis.Redis.from_url(redis_url) as connection:
        queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
        while not stop.wait(0.05):
            sweep(engine)
            with transaction(engine) as db:
                turns = due_turns(db, [TOPIC], 2 * plan.workers)
            try:
                for turn in turns[: max(0, 2 * plan.workers - len(queue))]:
                    arguments = (database_url, plan.batch, plan.lease_s, plan.slowest_call_s)
                    queue.enqueue(serve, *arguments, turn.connection_id, result_ttl=0, failure_ttl=60)
            except redis.exceptions.RedisError:
                continue  # it is being wiped: the next tick rings again


def _left(engine: sa.Engine) -> int:
    with engine.connect() as db:
        return int(
            db.execute(sa.text("select count(*) from outbox_message where settled_at is null")).scalar_one()
        )


def _judge(plan: Plan, engine: sa.Engine, kills: int, wipes: int, seconds: float) -> Result:
    with engine.connect() as db:
        caused, subjects = db.execute(
            sa.text("select count(*), count(distinct subject) from kill_platform")
        ).one()
        still_open = db.execute(
            sa.text("select count(*) from delivery_attempt where status in ('frozen', 'sent', 'unknown')")
        ).scalar_one()
        faults = db.execute(sa.text("select fault from kill_fault order by at limit 5")).scalars().all()
    return Result(
        caused, plan.effects - subjects, caused - subjects, still_open, kills, wipes, seconds, tuple(faults)
    )


class _Redis:
    """A Redis without persistence that `wipe` kills and starts again, empty, at the same address."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server: EmbeddedServer = start_redis(directory, durable=False)

    def wipe(self) -> None:
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.stop()
        self.server = start_redis(self.directory, durable=False)


def main() -> int:
    """Measure and print one JSON line; exit status 1 when an effect is missing or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("effects", "connections", "workers", "batch", "wipes", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan, name))
    parser.add_argument("--kill-every-s", type=float, default=Plan.kill_every_s)
    plan = Plan(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="dispo-kills-") as directory:
        doorbell = _Redis(Path(directory) / "redis")
        try:
            with start_postgres(Path(directory) / "postgres") as database:
                migrate(database.url)
                result = run(plan, database.url, doorbell.server.url, doorbell.wipe)
        finally:
            doorbell.server.stop()
    exact = plan.effects - result.missing - result.doubled
    line = {
        "name": "kills",
        "value": exact,
        "unit": "effects",
        "reference": plan.effects,
        "ratio": exact / plan.effects,
        "aim": 1.0,
        "ok": result.is_exact,
        "kills": result.kills,
        "wipes": result.wipes,
        "seconds": round(result.seconds, 1),
        "missing": result.missing,
        "doubled": result.doubled,
        "open_attempts": result.open_attempts,
    }
    print(json.dumps(line))
    for fault in result.faults:
        print(fault, file=sys.stderr)
    return 0 if result.is_exact else 1


if __name__ == "__main__":
    # The job is named by the module it is imported from, which must not be __main__; and the workers need
    # not run this file once more under a third name before they begin.
    from benchmarks import kills

    __spec__ = __file__ = None  # type: ignore[assignment]
    sys.exit(kills.main())
