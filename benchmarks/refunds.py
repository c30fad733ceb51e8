"""Orders that come too late, at three stores: customers answer by their links in a storm of double clicks and opposite
answers, workers and web processes are killed with SIGKILL at random, the stores answer late, 429, 5xx, or do it and
break the connection. Nobody is paid back twice, no refund is lost, every sum is right to the cent, no code is made
twice.

Everything is the product's own: the look at the orders, the mails, the page behind their links, the carrying out. The
patience after a lost answer (ten minutes) and the leases are short, so that it ends within minutes, and workers dawdle
after each commit, so that kills meet every point between two of them. `python -m benchmarks.refunds` prints one JSON
line; exit status 1 when an invariant is broken or a handler failed otherwise than the ports allow.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet
from flask import Flask

from benchmarks.refund_judge import judge
from benchmarks.refund_town import Customers, Store, Weather, open_town
from connector.bootstrap import Runtime
from connector.db import migrate, transaction
from connector.embedded import start_postgres
from connector.outbox.messages import due_turns, enqueue
from connector.outbox.upkeep import sweep
from connector.outbox.work import Topic, serve_turn
from connector.ports.errors import PortError
from connector.settings import Settings
from connector.shoppers import media
from connector.shoppers.at_risk import carrying, choosing, writing
from connector.shoppers.at_risk.rules import RiskRule
from connector.shoppers.at_risk.wording import answer_link
from connector.shoppers.at_risk.work import work_risks
from connector.web.order_answers import order_answers
from simulator.mailbox.server import Mailbox
from simulator.server import ServerThread

LEASE_S = 4.0
LOST_AFTER_S = 8.0
TOPICS = {
    media.ORDER: Topic(media.ORDER, writing.work_order_messages, 10, LEASE_S),
    choosing.CARE: Topic(choosing.CARE, carrying.work_care, 10, LEASE_S),
}


@dataclass(frozen=True)
class Plan:
    """`orders` at each store, a third with two lines. Seconds are real; after the storm it is waited for as long as
    something moves within `settle_s`."""

    orders: int = 30
    stores: tuple[str, ...] = ("shopify", "woocommerce", "bigcommerce")
    workers: int = 3
    webs: int = 2
    kill_every_s: float = 1.5
    dawdle_s: float = 0.05
    storm_s: float = 150.0
    settle_s: float = 90.0
    seed: int = 1


@dataclass
class Result:
    """`broken` says in words what must not be."""

    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def _patience(dawdle_s: float, seed: int) -> None:
    """Make this process one that waits for lost answers for seconds, and dawdles after each commit."""
    dice = Random(seed)

    @contextmanager
    def unhurried(engine: sa.Engine) -> Iterator[sa.Connection]:
        with transaction(engine) as db:
            yield db
        time.sleep(dice.random() * dawdle_s)

    carrying.LOST_AFTER, carrying.LOOK_AGAIN_S = timedelta(seconds=LOST_AFTER_S), 1.0
    for module in (carrying, writing):
        module.transaction = unhurried  # type: ignore[attr-defined]


def _work(settings: Settings, dawdle_s: float, seed: int, began: Event) -> None:
    """A worker process: serves whatever is due until it is killed."""
    _patience(dawdle_s, seed)
    rt = Runtime(settings)
    while True:
        with rt.engine.connect() as db:
            turns = due_turns(db, list(TOPICS), 4)
        began.set()
        for turn in turns:
            try:
                serve_turn(rt, turn, TOPICS, _refused)
            except Exception:  # whatever it is, it is a fault of the handler and counts
                Path(rt.data_dir, f"fault-{os.getpid()}").write_text(traceback.format_exc())
        if not turns:
            time.sleep(0.05)


def _refused(merchant_id: int, connection_id: int, error: PortError) -> None:
    raise RuntimeError(f"Connection {connection_id} was refused: {error}") from error


def _web(settings: Settings, port: int, began: Event) -> None:
    """A web process with the page behind the links, until it is killed."""
    app = Flask("answers", static_folder=None)
    app.register_blueprint(order_answers(Runtime(settings)))
    with ServerThread(app, port):
        began.set()
        signal.pause()


class _Crew:
    """Processes that are killed and hired again."""

    def __init__(self, plan: Plan, settings: Settings, ports: list[int]) -> None:
        self._plan, self._settings = plan, settings
        self._dice = Random(plan.seed + 1)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["benchmarks.refunds"])
        self._jobs: list[tuple[Any, tuple[Any, ...]]] = [(_work, (plan.dawdle_s,))] * plan.workers
        self._jobs += [(_web, (port,)) for port in ports]
        self.hands = [self._hire(n) for n in range(len(self._jobs))]
        self.kills: Counter[str] = Counter()

    def _hire(self, number: int) -> tuple[Any, Event]:
        target, given = self._jobs[number]
        began = self._context.Event()
        extra = (self._dice.randrange(1 << 30),) if target is _work else ()
        process = self._context.Process(
            target=target, args=(self._settings, *given, *extra, began), daemon=True
        )
        process.start()
        return process, began

    def kill_one(self) -> bool:
        at_work = [n for n, (_, began) in enumerate(self.hands) if began.is_set()]
        if not at_work:
            return False
        victim = self._dice.choice(at_work)
        process = self.hands[victim][0]
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        self.hands[victim] = self._hire(victim)
        self.kills["worker" if self._jobs[victim][0] is _work else "web"] += 1
        return True

    def dismiss(self) -> None:
        for process, _ in self.hands:
            process.kill()
            process.join()


def run(plan: Plan, database_url: str, directory: Path) -> Result:
    """Run `plan` on a migrated, empty database."""
    result, random = Result(), Random(plan.seed)
    with ExitStack() as stack:
        mailbox = stack.enter_context(Mailbox())
        settings = Settings(
            data_dir=directory,
            database_url=database_url,
            redis_url="unix:///nowhere",
            secret_keys=(Fernet.generate_key().decode(),),
            allowed_private_hosts=frozenset({"127.0.0.1"}),
            smtp_host="127.0.0.1",
            smtp_port=mailbox.port,
            smtp_security="none",
            smtp_from="shop@example.com",
        )
        stores = [Store(name, plan.orders, random) for name in plan.stores]
        for store in stores:
            stack.enter_context(store.server)
        rt = Runtime(settings)
        stack.callback(rt.engine.dispose)
        open_town(rt, stores, random)
        mailbox.dials.throttle_rate, mailbox.dials.lost_answer_rate = 0.1, 0.02
        ports = [_free_port() for _ in range(plan.webs)]
        customers = Customers(ports, plan.seed + 2)
        crew = _Crew(plan, settings, ports)
        stack.callback(crew.dismiss)
        weather = Weather(stores, plan.seed + 3).start()
        started = time.monotonic()
        _storm(rt, plan, crew, customers, mailbox, result)
        weather.end()
        mailbox.dials.throttle_rate = mailbox.dials.lost_answer_rate = 0.0
        stormed_s = time.monotonic() - started
        _come_to_rest(rt, plan, customers, mailbox, result)
        crew.dismiss()
        clicks = customers.clicks
        result.figures = {
            "kills": sum(crew.kills.values()),
            "kills_of_web": crew.kills["web"],
            "clicks": clicks.posts,
            "clicked_again": clicks.again,
            "too_late": clicks.refused,
            "storm_s": round(stormed_s, 1),
            "seconds": round(time.monotonic() - started, 1),
        }
        result.figures |= judge(rt.engine, stores, mailbox, result.broken)
        result.broken += [f"A handler failed: {one.read_text()}" for one in sorted(directory.glob("fault-*"))]
    return result


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _storm(
    rt: Runtime, plan: Plan, crew: _Crew, customers: Customers, mailbox: Mailbox, result: Result
) -> None:
    deadline, next_kill = time.monotonic() + plan.storm_s, time.monotonic() + 2.0
    seen = 0
    dice = Random(plan.seed + 4)
    while time.monotonic() < deadline:
        if time.monotonic() >= next_kill and crew.kill_one():
            next_kill = time.monotonic() + plan.kill_every_s
        inbox = mailbox.inbox()
        for message in inbox[seen:]:
            customers.hear(message.text)
        seen = len(inbox)
        _clock(rt)
        _insist(rt, dice)
        if customers.heard and customers.is_done() and _left(rt) == 0:
            return
        time.sleep(0.1)


def _come_to_rest(rt: Runtime, plan: Plan, customers: Customers, mailbox: Mailbox, result: Result) -> None:
    """No kills and no faults any more. Whose mail never came, or came to the merchant's hand, answers too; who says
    nothing is refunded by the rule."""
    deadline, told, least = time.monotonic() + plan.settle_s, set[int](), sys.maxsize
    while time.monotonic() < deadline:
        for message in mailbox.inbox():
            customers.hear(message.text)
        with transaction(rt.engine) as db:
            unheard = db.scalars(sa.text("select id from order_risk where status in ('open', 'asked')")).all()
        for risk_id in set(unheard) - told:
            told.add(risk_id)
            customers.hear(answer_link(rt.keyring, "", 1, risk_id, "en"))
        if customers.is_done():
            with transaction(rt.engine) as db:
                db.execute(
                    sa.text("update order_risk set answer_by = current_date - 1 where status = 'asked'")
                )
                # By hand, or failed: what the customer never heard of is the merchant's to decide.
                for risk_id in db.scalars(sa.text("select id from order_risk where status = 'open'")).all():
                    intents = choosing.choose(
                        db, 1, risk_id, "refund", "owner@shop.test", RiskRule(), rt.now()
                    )
                    enqueue(db, 1, intents or [])
        _clock(rt)
        if (left := _left(rt)) < least:
            deadline, least = time.monotonic() + plan.settle_s, left
        if left == 0 and customers.is_done():
            return
        time.sleep(0.2)
    result.broken.append(f"Nothing moved any more for {plan.settle_s:.0f} s: {_left(rt)} things left.")


def _clock(rt: Runtime) -> None:
    """What the clock process does, and that waits are over at once."""
    sweep(rt.engine)
    work_risks(rt, 1)
    with transaction(rt.engine) as db:
        soon = "now() + interval '2 s'"
        db.execute(
            sa.text(f"update outbox_message set due_at = now() where status = 'pending' and due_at > {soon}")
        )
        db.execute(sa.text(f"update outbox_turn set next_try_at = now() where next_try_at > {soon}"))


def _insist(rt: Runtime, dice: Random) -> None:
    """The merchant presses "Try again" now and then, where the store refused or cannot."""
    if dice.random() > 0.2:
        return
    with transaction(rt.engine) as db:
        stuck = db.scalars(
            sa.text("select id from order_risk where status = 'chosen' and carry in ('failed', 'by_hand')")
        ).all()
        if stuck:
            intents = choosing.carry_out(db, 1, dice.choice(stuck), "owner@shop.test", rt.now())
            enqueue(db, 1, intents or [])


def _left(rt: Runtime) -> int:
    """What is not settled: risks, messages, outbox rows."""
    with rt.engine.connect() as db:
        return int(
            db.scalar(
                sa.text("""
                    select (select count(*) from order_risk
                             where status in ('open', 'asked') or carry in ('ask', 'todo', 'unknown'))
                         + (select count(*) from order_message where status in ('waiting', 'sending'))
                         + (select count(*) from outbox_message where settled_at is null)
                         + (select count(*) from delivery_attempt where status in ('frozen', 'sent', 'unknown'))
                """)
            )
            or 0
        )


def main() -> int:
    """Run once and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("orders", "workers", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan, name))
    plan = Plan(**vars(parser.parse_args()))
    # Of every connection that the weather cuts.
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="dispo-refunds-") as name:
        directory = Path(name)
        with start_postgres(directory / "postgres") as server:
            migrate(server.url)
            result = run(plan, server.url, directory)
    line = {
        "name": "orders at risk under kills",
        "value": len(result.broken),
        "unit": "broken invariants",
        "reference": 0,
        "ratio": None,
        "aim": 0,
        "ok": not result.broken,
        "seed": plan.seed,
        **result.figures,
    }
    print(json.dumps(line), flush=True)
    for text in result.broken[:10]:
        print(text, file=sys.stderr)
    return 1 if result.broken else 0


if __name__ == "__main__":
    # Workers are started from the module they are imported from, which must not be __main__.
    from benchmarks import refunds

    __spec__ = __file__ = None  # type: ignore[assignment]
    sys.exit(refunds.main())
