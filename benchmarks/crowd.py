"""10,000 people wait for 40 units, sales go on, a worker is killed every second, the mail server refuses every
tenth message: nobody is told twice, nobody is lost.

The real room (`connector.shoppers`) works a real PostgreSQL and talks SMTP to a server of its own; only the
deciding of stock is replaced by plain sales. The workers' clock runs 240 times as fast, so that chances fade within
minutes; people click and buy as in `benchmarks.waves`. `python -m benchmarks.crowd` prints one JSON line; exit
status 1 when an invariant is broken or a handler failed otherwise than the ports allow.
"""

from __future__ import annotations

import argparse
import heapq
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import sqlalchemy as sa
from cryptography.fernet import Fernet

from benchmarks.waves import World, simulate
from connector.bootstrap import Runtime
from connector.db import migrate, transaction
from connector.embedded import start_postgres
from connector.outbox.messages import Intent, Turn, due_turns, enqueue
from connector.outbox.upkeep import sweep
from connector.outbox.work import Topic, serve_turn
from connector.positions.topics import SHOPPERS
from connector.settings import Settings
from connector.shoppers import claims, clicks, episodes, media, sending
from connector.shoppers.messages import settle_lost
from connector.shoppers.policy import ShopperPolicy, save_policy
from connector.shoppers.stock import lock_variant
from connector.shoppers.waves import Pace
from simulator.mailbox.server import Mailbox

SPEED = 240
LEASE_S = 6.0
TOPICS = {
    SHOPPERS: Topic(SHOPPERS, episodes.work_positions, 10, LEASE_S),
    media.EMAIL: Topic(media.EMAIL, sending.work_messages, 10, LEASE_S),
}


@dataclass(frozen=True)
class Plan:
    """`restocks` times `units` come back once the units before are gone; `buys` of those told buy, as many again
    only look. Times of the world are in its own hours, kills in real seconds."""

    people: int = 10_000
    units: int = 40
    restocks: int = 1
    buys: float = 0.06
    passers_by_per_hour: float = 1.0
    mean_delay_h: float = 5.0
    refuses: float = 0.1
    cuts: float = 0.01
    workers: int = 3
    kill_every_s: float = 1.0
    pace: Pace = "fair"
    seed: int = 1
    timeout_s: float = 900.0


@dataclass
class Result:
    """`broken` says in words what must not be; `ended` counts messages by how they ended."""

    broken: list[str] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    invited: int = 0
    arrived: int = 0
    clicks: int = 0
    in_vain: int = 0
    sold_to_invited: int = 0
    sold_to_others: int = 0
    kills: int = 0
    seconds: float = 0.0


def runtime(database_url: str, directory: str, port: int, key: str, epoch: float) -> Runtime:
    """An installation whose clock runs fast and whose own mail goes to the server at `port`."""
    settings = Settings(
        data_dir=Path(directory),
        database_url=database_url,
        redis_url="unix:///nowhere",
        secret_keys=(key,),
        allowed_private_hosts=frozenset({"127.0.0.1"}),
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_security="none",
        smtp_from="shop@example.com",
    )
    start = datetime.fromtimestamp(epoch, UTC)

    def clock() -> datetime:
        return start + timedelta(seconds=(time.time() - epoch) * SPEED)

    return Runtime(settings, clock=clock)


class _Hand(NamedTuple):
    """A worker process; `began` is set once it looks for work. Killing it earlier would only measure how fast the
    machine starts processes."""

    process: Any
    began: Event


def _work(arguments: tuple[str, str, int, str, float], began: Event) -> None:
    """A worker process: serves whatever is due until it is killed."""
    rt = runtime(*arguments)
    while True:
        with rt.engine.connect() as db:
            turns: list[Turn] = due_turns(db, list(TOPICS), 4)
        began.set()
        for turn in turns:
            try:
                serve_turn(rt, turn, TOPICS)
            except Exception:  # whatever it is, it is a fault of the handler and counts
                Path(rt.data_dir, f"fault-{os.getpid()}").write_text(traceback.format_exc())
        if not turns:
            time.sleep(0.02)


def run(plan: Plan, database_url: str, directory: Path) -> Result:
    """Run `plan` on a migrated, empty database."""
    result, dice = Result(), Random(plan.seed)
    with Mailbox() as mailbox:
        mailbox.dials.throttle_rate, mailbox.dials.lost_answer_rate = plan.refuses, plan.cuts
        epoch = time.time()
        arguments = (database_url, str(directory), mailbox.port, Fernet.generate_key().decode(), epoch)
        rt = runtime(*arguments)
        _seed(rt, plan)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["benchmarks.crowd"])  # a worker must start faster than it is killed

        def hire() -> _Hand:
            began = context.Event()
            process = context.Process(target=_work, args=(arguments, began), daemon=True)
            process.start()
            return _Hand(process, began)

        workers = [hire() for _ in range(plan.workers)]
        started = time.monotonic()
        try:
            _live(rt, plan, result, dice, workers, hire)
        finally:
            for hand in workers:
                hand.process.kill()
                hand.process.join()
        result.seconds = time.monotonic() - started
        _judge(rt, plan, result, mailbox)
        result.broken += [f"A handler failed: {one.read_text()}" for one in sorted(directory.glob("fault-*"))]
        rt.engine.dispose()
    return result


def _seed(rt: Runtime, plan: Plan) -> None:
    statements = (
        "insert into merchant (name, created_at, claim_rate) values ('Kiln', :now, 0.2)",
        """insert into connection (merchant_id, kind, adapter, name, public_key, created_at)
           values (1, 'store', 'woocommerce', 'Shop', 'pk', :now)""",
        "insert into variant (merchant_id, sku, sku_key, title) values (1, 'mug', 'mug', 'Blue mug')",
        """insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id, title,
                                url, is_managed, confirmed_available, seen_at)
           values (1, 1, 1, '1', '1', '1', 'Blue mug', 'https://shop.example/mug', true, 0, :now)""",
        """insert into position (merchant_id, variant_id, available, state, decided_at, why)
           values (1, 1, 0, 'out_of_stock', :now, '{}')""",
        """insert into subscription (merchant_id, variant_id, connection_id, address, address_key, status,
                                     created_at, confirmed_at)
           select 1, 1, 1, 'p' || n || '@example.com', 'p' || n || '@example.com', 'waiting', :now, :now
             from generate_series(1, :people) n order by n""",
    )
    with transaction(rt.engine) as db:
        for statement in statements:
            db.execute(sa.text(statement), {"now": rt.now(), "people": plan.people})
        save_policy(db, 1, ShopperPolicy(pace=plan.pace), "bench", rt.now())


def _stock(db: sa.Connection, change: int, now: datetime) -> int:
    """Sell (never below zero) or restock, as deciding and delivering would; the units left."""
    before = db.scalar(sa.text("select available from position for update")) or 0
    after = max(0, before + change)
    given = {"n": after, "now": now, "b": before, "s": "in_stock" if after else "out_of_stock"}
    db.execute(sa.text("update position set available = :n, state = :s, decided_at = :now"), given)
    db.execute(sa.text("update listing set confirmed_available = :n"), given)
    db.execute(
        sa.text("""insert into movement (merchant_id, variant_id, at, cause, reference, available_before,
                                         available_after, state_before, state_after)
                   values (1, 1, :now, case when :n < :b then 'order' else 'run' end, '', :b, :n, '', :s)"""),
        given,
    )
    if (before == 0) != (after == 0):
        enqueue(db, 1, [Intent(SHOPPERS, "1")])
    return int(after)


def _live(
    rt: Runtime, plan: Plan, result: Result, dice: Random, workers: list[_Hand], hire: Callable[[], _Hand]
) -> None:
    """The world: restocks, passers-by, clicks of those whose message arrived, and the killer."""
    to_come: list[tuple[datetime, int, bool]] = []  # when, whose message, whether to buy
    seen = restocks = 0
    next_kill = time.monotonic() + 3 * plan.kill_every_s
    next_passer_by = rt.now()
    deadline = time.monotonic() + plan.timeout_s
    free = 0
    while time.monotonic() < deadline:
        now = rt.now()
        with transaction(rt.engine) as db:
            if free == 0 and not to_come and restocks < plan.restocks and _is_quiet(db, restocks):
                restocks, free = restocks + 1, _stock(db, plan.units, now)
            elif free and now >= next_passer_by:
                result.sold_to_others += 1
                free = _stock(db, -1, now)
                next_passer_by = now + timedelta(hours=dice.expovariate(plan.passers_by_per_hour))
        free, seen = _people(rt, plan, result, dice, to_come, seen, free)
        with transaction(rt.engine) as db:
            # Planned looks are on the database's clock, which does not run fast.
            enqueue(db, 1, [Intent(SHOPPERS, "1")])
            if free == 0 and not to_come and restocks == plan.restocks and _is_quiet(db, restocks):
                return
        sweep(rt.engine)
        if time.monotonic() >= next_kill:
            at_work = [n for n, hand in enumerate(workers) if hand.began.is_set()]
            if at_work:
                next_kill = time.monotonic() + plan.kill_every_s
                victim = dice.choice(at_work)
                os.kill(workers[victim].process.pid, signal.SIGKILL)
                workers[victim].process.join()
                workers[victim] = hire()
                result.kills += 1
        time.sleep(0.1)
    result.broken.append(f"It was not over after {plan.timeout_s:.0f} s.")


def _is_quiet(db: sa.Connection, restocks: int) -> bool:
    """Nothing is under way any more: no claim, no message being sent, the episode closed."""
    return not restocks or not db.scalar(
        sa.text("""select exists (select 1 from message where status = 'sending')
                       or exists (select 1 from outbox_message where status = 'claimed')
                       or exists (select 1 from episode where closed_at is null)""")
    )


def _people(
    rt: Runtime,
    plan: Plan,
    result: Result,
    dice: Random,
    to_come: list[tuple[datetime, int, bool]],
    seen: int,
    free: int,
) -> tuple[int, int]:
    """Those told lately make up their minds, those whose time has come click; (units left, messages seen)."""
    now = rt.now()
    with rt.engine.connect() as db:
        told = db.execute(
            sa.text("""select id from message where status in ('sent', 'unknown') and kind = 'back_in_stock'
                        and not context ? 'seen' order by id""")
        ).scalars()
        new = list(told)
    if new:
        with transaction(rt.engine) as db:
            db.execute(
                sa.text("update message set context = '{\"seen\": true}' where id = any(:ids)"), {"ids": new}
            )
    for message_id in new:
        says = dice.random()
        if says < 2 * plan.buys:
            at = now + timedelta(hours=dice.expovariate(1 / plan.mean_delay_h))
            heapq.heappush(to_come, (at, message_id, says < plan.buys))
    while to_come and to_come[0][0] <= now:
        _, message_id, buys = heapq.heappop(to_come)
        with transaction(rt.engine) as db:
            lock_variant(db, 1, 1)
            found = clicks.follow(db, 1, message_id, now)
            result.clicks += 1
            if found is None or found.is_gone:
                result.in_vain += 1
            elif buys:
                invitation_id = db.scalar(
                    sa.text("select invitation_id from message where id = :id"), {"id": message_id}
                )
                claims.claim(
                    db, 1, invitation_id, order_id=f"o{message_id}", units=1, amount_minor=1999,
                    currency="EUR", at=now,
                )  # fmt: skip
                result.sold_to_invited += 1
                free = _stock(db, -1, now)
    return free, seen + len(new)


def _judge(rt: Runtime, plan: Plan, result: Result, mailbox: Mailbox) -> None:
    # Whatever was "sending" when its worker was killed becomes unknown, as the clock process does it.
    with transaction(rt.engine) as db:
        settle_lost(db, 1, rt.now() + timedelta(days=1), timedelta(hours=1))
    inbox = mailbox.inbox()
    result.arrived = len(inbox)
    copies = Counter(message.message_id for message in inbox)
    for message_id, count in copies.items():
        if count > 1:
            result.broken.append(f"Message {message_id.partition('@')[0]} arrived {count} times.")
    with rt.engine.connect() as db:
        rows = db.execute(
            sa.text("""select g.message_id, g.status, i.episode_id, i.subscription_id
                         from message g join invitation i on i.id = g.invitation_id order by g.id""")
        ).all()
        states: dict[str, int] = dict(
            db.execute(sa.text("select status, count(*) from subscription group by 1")).tuples().all()
        )
        lost = db.scalar(
            sa.text("""select count(*) from invitation i where not exists (
                         select 1 from message g where g.invitation_id = i.id)""")
        )
    result.invited, result.ended = len(rows), dict(Counter(row.status for row in rows))
    if lost:
        result.broken.append(f"{lost} invitations have no message.")
    if sum(states.values()) != plan.people or set(states) - {"waiting", "invited", "fulfilled"}:
        result.broken.append(f"Not everybody is there any more: {states}.")
    if left := set(result.ended) - {"sent", "failed", "waiting", "unknown", "skipped"}:
        result.broken.append(f"Messages ended as {sorted(left)}.")
    pairs = Counter((row.episode_id, row.subscription_id) for row in rows)
    if pairs and max(pairs.values()) > 1:
        result.broken.append("Somebody was invited twice in one episode.")
    known = {row.message_id for row in rows if row.status in ("sent", "unknown")}
    if strange := set(copies) - known:
        result.broken.append(f"{len(strange)} messages arrived that count as neither sent nor unknown.")
    if missing := {row.message_id for row in rows if row.status == "sent"} - set(copies):
        result.broken.append(f"{len(missing)} messages count as sent and never arrived.")
    _judge_order(rt, result)


def _judge_order(rt: Runtime, result: Result) -> None:
    """In each episode those invited are the first of those who waited then."""
    with rt.engine.connect() as db:
        skipped = db.scalar(
            sa.text("""
                select count(*) from episode e
                 where exists (
                   select 1 from subscription s
                    where s.id < (select max(subscription_id) from invitation i where i.episode_id = e.id)
                      and not exists (select 1 from invitation i
                                       where i.subscription_id = s.id and i.episode_id <= e.id))""")
        )
    if skipped:
        result.broken.append(f"Somebody later was told before somebody earlier, in {skipped} episodes.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--buys", type=float, default=Plan.buys)
    parser.add_argument("--pace", choices=("fair", "careful"), default="fair")
    given = parser.parse_args()
    plan = Plan(seed=given.seed, buys=given.buys, pace=given.pace)
    with (
        tempfile.TemporaryDirectory(prefix="dispo-crowd-") as name,
        start_postgres(Path(name) / "postgres") as server,
    ):
        migrate(server.url)
        result = run(plan, server.url, Path(name))
    share = result.in_vain / result.clicks if result.clicks else 0.0
    everybody = simulate(World(plan.buys, plan.passers_by_per_hour), "everybody", plan.seed)
    line = {
        "name": "crowd",
        "value": len(result.broken),
        "unit": "broken invariants",
        "reference": 0,
        "ratio": None,
        "aim": 0,
        "ok": not result.broken,
        "people": plan.people,
        "units": plan.units * plan.restocks,
        "pace": plan.pace,
        "buys": plan.buys,
        "clicks_in_vain": round(share, 4),
        "clicks_in_vain_if_everybody_were_mailed": round(everybody.in_vain / max(1, everybody.clicks), 4),
        **{
            name: getattr(result, name)
            for name in (
                *("invited", "arrived", "ended", "clicks", "sold_to_invited", "sold_to_others", "kills"),
            )
        },
        "seconds": round(result.seconds, 1),
    }
    print(json.dumps(line), flush=True)
    for text in result.broken:
        print(text, file=sys.stderr)
    return 1 if result.broken else 0


if __name__ == "__main__":
    # Workers are started from the module they are imported from, which must not be __main__.
    from benchmarks import crowd

    sys.exit(crowd.main())
