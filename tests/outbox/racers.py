"""The processes of the race: changers of the truth, and workers with slow calls to a store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from random import Random

import sqlalchemy as sa

from connector.db import make_engine, transaction
from connector.outbox.messages import Claim, Done, Intent, Turn, due_turns, enqueue, settle
from connector.outbox.upkeep import sweep
from connector.outbox.work import Topic, serve_turn

TABLES = """
create table race_truth (connection_id bigint, subject text, value bigint not null,
                         primary key (connection_id, subject));
create table race_store (connection_id bigint, subject text, value bigint not null,
                         fallen_back int not null default 0, primary key (connection_id, subject));
"""


@dataclass
class Runtime:
    engine: sa.Engine
    random: Random
    is_leased: bool


def change(url: str, seed: int, connections: int, subjects: int, changes: int) -> None:
    """Change the truth `changes` times and say so, as deciding does: rows locked in order, then intents."""
    engine, random = make_engine(url, pool_size=1), Random(seed)
    for _ in range(changes):
        connection = random.randrange(connections)
        changed = sorted(str(n) for n in random.sample(range(subjects), random.randint(1, 2)))
        with transaction(engine) as db:
            for subject in changed:
                db.execute(
                    sa.text(
                        "update race_truth set value = value + 1 where connection_id = :c and subject = :s"
                    ),
                    {"c": connection, "s": subject},
                )
            time.sleep(random.random() * 0.002)
            lane = random.randint(1, 4)
            enqueue(db, 1, [Intent("push", subject, connection, lane) for subject in changed])
            time.sleep(random.random() * 0.002)
        time.sleep(random.random() * 0.03)
    engine.dispose()


def work(url: str, seed: int, is_leased: bool, stop: Event) -> None:
    """Serve turns until `stop`. Without `is_leased` every turn is given free right after the claim."""
    runtime = Runtime(make_engine(url, pool_size=2), Random(seed), is_leased)
    topics = {"push": Topic("push", push, limit=2)}
    while not stop.is_set():
        with transaction(runtime.engine) as db:
            turns = due_turns(db, ["push"], 4)
        runtime.random.shuffle(turns)
        for turn in turns:
            serve_turn(runtime, turn, topics)
        sweep(runtime.engine)
        if not turns:
            time.sleep(0.005)
    runtime.engine.dispose()


def push(runtime: Runtime, claim: Claim) -> None:
    """Read the truth, call the store slowly, settle."""
    if not runtime.is_leased:
        _give_free(runtime.engine, claim.turn)
    connection = claim.turn.connection_id
    for message in claim.messages:
        with transaction(runtime.engine) as db:
            value = db.execute(
                sa.text("select value from race_truth where connection_id = :c and subject = :s"),
                {"c": connection, "s": message.subject},
            ).scalar_one()
        # Mostly fast, sometimes very slow: an older call is then overtaken by a newer one.
        time.sleep(runtime.random.choice([0.001, 0.001, 0.05]))
        with transaction(runtime.engine) as db:
            db.execute(
                sa.text(
                    "update race_store set value = :v, fallen_back = fallen_back + (value > :v)::int "
                    "where connection_id = :c and subject = :s"
                ),
                {"v": value, "c": connection, "s": message.subject},
            )
        with transaction(runtime.engine) as db:
            settle(db, claim, {message.id: Done()})


def _give_free(engine: sa.Engine, turn: Turn) -> None:
    with transaction(engine) as db:
        db.execute(
            sa.text(
                "update outbox_turn set lease_token = null, lease_until = null "
                "where merchant_id = :m and topic = :t and connection_id = :c"
            ),
            {"m": turn.merchant_id, "t": turn.topic, "c": turn.connection_id},
        )
