"""The store torture: two shops, shoppers, a supplier, faults on every call and workers killed at random.

Afterwards the faults end, one full comparison is made, and everything must be right: every shop shows what
is available, what is available is what the supplier has minus what was sold since, every sale is counted
exactly once, and nothing is left open.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet
from werkzeug.wrappers import Request, Response

from adapters.stores.shopify import writes as shopify
from benchmarks import town
from benchmarks.town import TownPlan
from connector.accounts.connections import add_connection, by_public_key
from connector.bootstrap import TOPICS, Runtime
from connector.db import transaction
from connector.delivery import approval, reconcile
from connector.delivery.subscribe import subscribe_webhooks
from connector.delivery.webhooks import receive
from connector.outbox.messages import due_turns
from connector.outbox.upkeep import sweep
from connector.outbox.work import serve_turn
from connector.ports.errors import PortError
from connector.positions.decide import Cause, decide
from connector.positions.facts import variants_with_open_deductions
from connector.settings import Settings
from simulator.server import ServerThread

MERCHANT = 1
STORM: Mapping[str, float] = {
    "error_rate": 0.04,
    "throttle_rate": 0.03,
    "cut_rate": 0.03,
    "lost_answer_rate": 0.06,
    "webhook_duplicate_rate": 0.2,
    "webhook_drop_rate": 0.2,
    "webhook_reorder_rate": 0.3,
}


@dataclass(frozen=True)
class Plan:
    """How much and how hard. Leases are far shorter than the product's, so that what a killed worker held
    comes back within the measurement. `replays_answers`: whether Shopify repeats the answer of a key or
    runs the request again. `shopify_batch`: the most quantities in a call, few, so that a claim makes several
    calls."""

    skus: int = 60
    stock: int = 30
    seconds: float = 120.0
    sales_per_s: float = 12.0
    cancel_rate: float = 0.08
    feed_every_s: float = 4.0
    workers: int = 3
    kill_every_s: float = 2.0
    lease_s: float = 3.0
    storm: Mapping[str, float] = field(default_factory=lambda: STORM)
    replays_answers: bool = True
    shopify_batch: int = 12
    settle_s: float = 180.0
    seed: int = 1


@dataclass(frozen=True)
class Result:
    """What happened. `broken` are the invariants that do not hold, in words: there must be none."""

    figures: dict[str, Any]
    broken: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        return not self.broken and not self.faults


def run(plan: Plan, database_url: str, directory: Path) -> Result:
    """Run `plan` on a migrated, empty database. Raises TimeoutError when it does not come to rest."""
    settings = Settings(
        data_dir=directory,
        database_url=database_url,
        redis_url="unix:///nowhere",
        secret_keys=(Fernet.generate_key().decode(),),
        allowed_private_hosts=frozenset({"127.0.0.1"}),
    )
    with ExitStack() as stack:
        storm = _Storm(plan, settings, stack)
        storm.prepare()
        storm.rage()
        storm.come_to_rest()
        return storm.judge()


class _Storm:
    def __init__(self, plan: Plan, settings: Settings, stack: ExitStack) -> None:
        self.plan = plan
        self.random = Random(plan.seed)
        context = multiprocessing.get_context("forkserver")
        # A worker must start faster than it is killed.
        context.set_forkserver_preload(
            ["benchmarks.storm", "adapters.stores.shopify", "adapters.stores.woocommerce"]
        )
        self.context = context
        self.pipe, theirs = context.Pipe()
        town_plan = TownPlan(
            plan.skus,
            plan.stock,
            plan.sales_per_s,
            plan.cancel_rate,
            dict(plan.storm),
            plan.replays_answers,
            plan.seed,
        )
        self.town = context.Process(target=town.serve, args=(town_plan, theirs), daemon=True)
        self.town.start()
        theirs.close()
        stack.callback(self.town.join)
        stack.callback(self.town.kill)
        self.addresses: dict[str, dict[str, Any]] = self.pipe.recv()
        server = ServerThread(self.receive)
        self.settings = replace(settings, base_url=server.url)
        self.rt = Runtime(self.settings)
        stack.callback(self.rt.engine.dispose)
        stack.enter_context(server)
        self.store_ids: list[int] = []
        self.source_id = 0
        self.kills = 0
        self.deaths: list[str] = []
        self.started = time.monotonic()

    def ask(self, what: str, **given: Any) -> Any:
        self.pipe.send((what, given))
        answer = self.pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def receive(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Where the shops' webhooks arrive: verified and recorded, as the product's own address does."""
        request = Request(environ)
        body = request.get_data()
        with self.rt.engine.connect() as db:
            row = by_public_key(db, request.path.rsplit("/", 1)[1])
        assert row is not None
        secrets = self.rt.secrets(row)
        signed_with = [secrets[name] for name in ("webhook_secret", "api_secret") if name in secrets]
        verifier = self.rt.store_webhooks(row.adapter)
        with transaction(self.rt.engine) as db:
            receive(db, row.merchant_id, row.id, verifier, dict(request.headers), body, signed_with)
        answer: list[bytes] = list(Response("", 200)(environ, start_response))
        return answer

    def prepare(self) -> None:
        """Both shops connected, read, managed and approved; the supplier's first count taken in."""
        rt = self.rt
        with transaction(rt.engine) as db:
            db.execute(sa.text("insert into merchant (name, created_at) values ('Storm', now())"))
            db.execute(sa.text("create table storm_fault (at timestamptz default now(), fault text)"))
            for adapter, given in self.addresses.items():
                self.store_ids.append(
                    add_connection(
                        db,
                        rt.keyring,
                        MERCHANT,
                        kind="store",
                        adapter=adapter,
                        name=adapter,
                        now=rt.now(),
                        **given,
                    )
                )
            supplier = db.execute(
                sa.text("""
                    insert into connection (merchant_id, kind, adapter, name, public_key, created_at)
                    values (1, 'supplier', 'file_feed', 'supplier', 'supplier', now()) returning id
                """)
            ).scalar_one()
            self.source_id = db.execute(
                sa.text(
                    "insert into source (merchant_id, connection_id, name) values (1, :c, 's') returning id"
                ),
                {"c": supplier},
            ).scalar_one()
        for store_id in self.store_ids:
            reconcile.reconcile(rt, MERCHANT, store_id, is_full=True)
            reconcile.read_orders(rt, MERCHANT, store_id)
            subscribe_webhooks(rt, MERCHANT, store_id)
        with transaction(rt.engine) as db:
            db.execute(
                sa.text("""
                    insert into supplier_item (merchant_id, source_id, item_key, variant_id)
                    select 1, :s, sku, id from variant
                """),
                {"s": self.source_id},
            )
            db.execute(sa.text("update listing set is_managed = true"))
        self.feed({})
        for store_id in self.store_ids:
            with transaction(rt.engine) as db:
                approval.approve(db, MERCHANT, store_id, actor="storm", now=rt.now())

    def feed(self, changes: dict[str, int]) -> None:
        """The supplier counts; its numbers are taken in as an accepted run does: observations and `as_of`,
        then every variant whose number or deductions changed is decided again."""
        at, counted = self.ask("stocktake", changes=changes)
        with transaction(self.rt.engine) as db:
            deducted = variants_with_open_deductions(db, MERCHANT, self.source_id)
            changed = db.execute(
                sa.text("""
                    insert into observation as o (merchant_id, source_id, item_key, sku, quantity, run_id)
                    select 1, :s, n.sku, n.sku, n.units, 1
                      from unnest(cast(:skus as text[]), cast(:units as int[])) as n(sku, units)
                        on conflict (merchant_id, source_id, item_key) do update set quantity = excluded.quantity
                     where o.quantity <> excluded.quantity
                    returning sku
                """),
                {"s": self.source_id, "skus": list(counted), "units": list(counted.values())},
            ).scalars()
            skus = list(changed)
            db.execute(
                sa.text("update source set as_of = :at where id = :s"), {"at": at, "s": self.source_id}
            )
            ids = list(
                db.execute(sa.text("select id from variant where sku = any(:skus)"), {"skus": skus}).scalars()
            )
        decide(
            self.rt.engine, MERCHANT, [*ids, *deducted], now=datetime.now(UTC), cause=Cause("run", run_id=1)
        )

    def rage(self) -> None:
        """The storm: shoppers, faults, feeds and kills, all at once."""
        plan, random = self.plan, self.random
        workers = [self.hire(n) for n in range(plan.workers)]
        for _, began in workers:
            began.wait(60)
        self.ask("open")
        begun = time.monotonic()
        next_feed = begun + plan.feed_every_s
        try:
            while time.monotonic() < begun + plan.seconds:
                time.sleep(plan.kill_every_s * (0.5 + random.random()))
                at_work = [n for n, (_, began) in enumerate(workers) if began.is_set()]
                if at_work:
                    victim = random.choice(at_work)
                    self.kill(workers[victim][0])
                    self.kills += 1
                    workers[victim] = self.hire(1000 + self.kills)
                if time.monotonic() >= next_feed:
                    skus = random.sample(range(plan.skus), max(1, plan.skus // 5))
                    self.feed({f"T-{n}": random.randint(-3, 6) for n in skus})
                    next_feed = time.monotonic() + plan.feed_every_s
        finally:
            self.ask("close")
            for worker, _ in workers:
                self.kill(worker)

    def hire(self, seed: int) -> tuple[Any, Event]:
        """A worker process, and whether it has begun to work."""
        began = self.context.Event()
        stores = tuple(self.store_ids)
        process = self.context.Process(
            target=_work, args=(self.settings, self.plan, stores, seed, began), daemon=True
        )
        process.start()
        return process, began

    def kill(self, worker: Any) -> None:
        if worker.is_alive():
            os.kill(worker.pid, signal.SIGKILL)
        worker.join()

    def come_to_rest(self) -> None:
        """Faults are over: every due row is worked, both shops are compared in full once, and that is
        worked too."""
        if not self.ask("calm"):
            raise TimeoutError("The shops' webhooks do not end.")
        deadline = time.monotonic() + self.plan.settle_s
        topics = _topics(self.plan.lease_s)
        self._drain(topics, deadline)
        # Orders read twice: their stamps are whole seconds and reading begins at the last look.
        for store_id in self.store_ids:
            reconcile.read_orders(self.rt, MERCHANT, store_id)
            reconcile.reconcile(self.rt, MERCHANT, store_id, is_full=True)
        self._drain(topics, deadline)

    def _drain(self, topics: Mapping[str, Any], deadline: float) -> None:
        while True:
            if time.monotonic() > deadline:
                raise TimeoutError(f"It does not come to rest: {self._open()} open.")
            sweep(self.rt.engine)
            # Apart, because whoever enqueues locks messages first.
            for statement in (
                "update outbox_turn set next_try_at = now() where lease_until is null and next_try_at > now()",
                "update outbox_message set due_at = now() where status = 'pending' and due_at > now()",
            ):
                with transaction(self.rt.engine) as db:
                    db.execute(sa.text(statement))
            with self.rt.engine.connect() as db:
                turns = due_turns(db, [t for t in topics if t.startswith("store.")], 50)
            for turn in turns:
                serve_turn(self.rt, turn, topics, self.rt._refused)
            if not turns and not any(self._open().values()):
                return
            time.sleep(0 if turns else 0.05)

    def _open(self) -> dict[str, int]:
        with self.rt.engine.connect() as db:
            row = db.execute(
                sa.text("""
                    select (select count(*) from outbox_message
                             where status in ('pending', 'claimed') and topic like 'store.%') as messages,
                           (select count(*) from delivery_attempt
                             where status in ('frozen', 'sent', 'unknown')) as attempts,
                           (select count(*) from webhook_receipt where worked_at is null) as receipts
                """)
            ).one()
        return dict(row._mapping)

    def judge(self) -> Result:
        truth = self.ask("truth")
        broken = [f"{count} {what} are open" for what, count in self._open().items() if count]
        with self.rt.engine.connect() as db:
            faults = db.execute(sa.text("select fault from storm_fault order by at")).scalars().all()
            broken += [
                f"connection {row.name} is {row.status}: {row.status_reason}"
                for row in db.execute(
                    sa.text("select name, status, status_reason from connection where status <> 'active'")
                )
            ]
            listings = db.execute(
                sa.text("""
                    select c.adapter, l.sku, l.problem, l.is_gone, l.believed_available, l.doubted_units,
                           l.wanted_available, p.available,
                           (select coalesce(sum(a.units), 0) from allocation a
                             where a.connection_id = l.connection_id and a.variant_id = l.variant_id
                               and a.origin = 'order') as ordered,
                           (select coalesce(sum(a.units), 0) from allocation a
                             where a.connection_id = l.connection_id and a.variant_id = l.variant_id
                               and a.origin = 'fall') as fallen
                      from listing l
                      join connection c on c.id = l.connection_id
                      join position p on p.variant_id = l.variant_id
                     order by c.adapter, l.id
                """)
            ).all()
            statuses = "select status, count(*) as n from delivery_attempt group by status order by status"
            counts = {row.status: row.n for row in db.execute(sa.text(statuses))}
            receipts = db.execute(sa.text("select count(*) from webhook_receipt")).scalar_one()
        if len(listings) != 2 * self.plan.skus:
            broken.append(f"{len(listings)} listings instead of {2 * self.plan.skus}")
        for row in listings:
            name = f"{row.sku} in {row.adapter}"
            shown = truth["shown"][row.adapter][row.sku]
            expected = truth["expected"][row.sku]
            held = truth["held"][row.adapter][row.sku]
            if row.problem or row.is_gone:
                broken.append(f"{name} cannot be written: {row.problem or 'gone'}")
            if shown != row.available:
                broken.append(f"{name} shows {shown}, available are {row.available}")
            if row.available != expected:
                broken.append(f"{name}: {row.available} available instead of {expected}")
            if row.ordered != held:
                broken.append(f"{name}: {row.ordered} units counted as ordered, orders hold {held}")
            if row.fallen:
                broken.append(f"{name}: {row.fallen} units counted as sold without an order")
        ages = sorted(truth["oversold_ages_s"])
        figures = {
            "kills": self.kills,
            "seconds": round(time.monotonic() - self.started, 1),
            **truth["figures"],
            "calls": truth["calls"],
            "attempts": counts,
            "receipts": receipts,
            "oversold_window_s": ages[-1] if ages else 0.0,
            "longest_overstated_s": round(truth["longest_overstated_s"], 2),
            "still_overstated": sum(
                (truth["shown"][row.adapter][row.sku] or 0) > max(0, truth["real"][row.sku])
                for row in listings
            ),
        }
        return Result(figures, tuple(broken), tuple(faults))


def _topics(lease_s: float) -> dict[str, Any]:
    return {name: replace(topic, lease_s=lease_s) for name, topic in TOPICS.items()}


def _work(settings: Settings, plan: Plan, store_ids: tuple[int, ...], seed: int, began: Event) -> None:
    """A worker process: serves due turns, and now and then looks at a shop. It is killed at any moment."""
    rt, random = Runtime(settings), Random(seed)
    shopify.QUANTITIES_LIMIT = plan.shopify_batch
    for store_id in store_ids:
        rt.store(MERCHANT, store_id)
    began.set()
    topics = _topics(plan.lease_s)
    mine = [name for name in topics if name.startswith("store.")]
    while True:
        try:
            _one_step(rt, random, topics, mine, store_ids)
        except PortError:
            continue  # a fault of the storm, recorded with the turn or the reading it stopped
        except Exception:
            with transaction(rt.engine) as db:
                db.execute(
                    sa.text("insert into storm_fault (fault) values (:f)"), {"f": traceback.format_exc()}
                )
            time.sleep(0.2)


def _one_step(
    rt: Runtime, random: Random, topics: Mapping[str, Any], mine: list[str], store_ids: tuple[int, ...]
) -> None:
    sweep(rt.engine)
    with rt.engine.connect() as db:
        turns = due_turns(db, mine, 10)
    if turns:
        serve_turn(rt, random.choice(turns), topics, rt._refused)
    what = random.random()
    if what < 0.08:
        reconcile.read_orders(rt, MERCHANT, random.choice(store_ids))
    elif what < 0.12:
        reconcile.reconcile(rt, MERCHANT, random.choice(store_ids))
    elif not turns:
        time.sleep(0.02)
