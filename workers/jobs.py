"""The jobs RQ runs: ids in, one call. Each may run twice, late or not at all without harm."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

import sqlalchemy as sa
import structlog

from connector.accounts import entitlements, schedule
from connector.accounts.schedule import Due
from connector.advertising.links import read_account
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.delivery import badges, grants, incoming, notes, plans, reconcile, shadow, webhooks
from connector.delivery.scripts import look_after
from connector.delivery.subscribe import subscribe_webhooks
from connector.heartbeat import beating
from connector.installs import handover
from connector.intake import interrupted, pacing, retention, runs, uploads
from connector.intake.runtime import SourceBusy
from connector.notices import digest as notices
from connector.outbox import attempts, upkeep
from connector.outbox.messages import Intent, Turn, enqueue
from connector.placement import work as placement
from connector.ports.errors import PortError, Retryable
from connector.positions.decide import Cause
from connector.positions.recheck import decide_all, recheck
from connector.positions.topics import FLOORS, LOOK, PRICES
from connector.repricing.runtime import SCHEDULE, SCHEDULE_ALL
from connector.search import work as searching
from connector.search.runtime import SCHEDULE as SEARCH
from connector.shoppers import channels, erase, importing, interest, messages, reports, still
from connector.shoppers.at_risk.work import AT_RISK, work_risks
from workers.queues import KINDS, ring_key
from workers.runtime import runtime

log = structlog.get_logger()

# One turn is worked at most this long before others of the same queue have theirs.
SLICE_S = 10.0
KEEP_SETTLED = timedelta(days=14)
KEEP_SHADOW = timedelta(days=180)


def serve(merchant_id: int, topic: str, connection_id: int, ring: str = "") -> int:
    """Work one turn of the outbox until it is empty, fails or its slice is over. Returns the messages."""
    rt = runtime()
    _answer(rt, ring)
    turn = Turn(merchant_id, topic, connection_id)
    end = time.monotonic() + SLICE_S
    count = 0
    while time.monotonic() < end:
        served = rt.serve(turn)
        if served is None:
            break
        count += served.claimed
        if served.error is not None:
            log.warning(
                "turn waits",
                merchant=merchant_id,
                topic=topic,
                connection=connection_id,
                error=str(served.error),
            )
        if not served.has_more:
            break
    return count


def run_due(merchant_id: int, kind: str, schedule_id: int, ring: str = "") -> None:
    """Do what a schedule row asks for and record how it ended; nothing when it is not due any more."""
    rt = runtime()
    _answer(rt, ring)
    due = schedule.claim(rt.engine, merchant_id, schedule_id)
    if due is None:
        return
    try:
        with beating(lambda: schedule.renew(rt.engine, due), KINDS[kind].longest_s):
            if _is_connected(rt, due):
                DO[kind](rt, merchant_id, due.subject_id)
    except PortError as error:
        # What the far side refused is kept with the row and shown; the next time comes by itself.
        log.warning(
            "due work failed", merchant=merchant_id, kind=kind, subject=due.subject_id, error=str(error)
        )
        schedule.record(rt.engine, due, error)
    except BaseException as error:
        schedule.record(rt.engine, due, error)
        raise
    else:
        schedule.record(rt.engine, due)


def _is_connected(rt: Runtime, due: Due) -> bool:
    """Whether the connection behind this work is in use. A paused or ended one is left in peace."""
    where = _CONNECTION_OF.get(due.kind.partition(".")[0])
    if where is None:
        return True
    with rt.engine.connect() as db:
        status = db.execute(sa.text(where), {"m": due.merchant_id, "s": due.subject_id}).scalar()
    return status == "active"


_CONNECTION = "select status from connection where merchant_id = :m and id = :s"
_CONNECTION_OF: Mapping[str, str] = {
    "store": _CONNECTION,
    "ads": _CONNECTION,
    "search": _CONNECTION,
    "channel": _CONNECTION,
    "supplier": """
        select c.status from source s
          join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
         where s.merchant_id = :m and s.id = :s
    """,
}


def _sync(rt: Runtime, merchant_id: int, source_id: int) -> None:
    early_s = pacing.early_s(rt, merchant_id, source_id)
    if early_s > 0:
        # Its stock stays as old as it is; the schedule comes again.
        log.info("too early to read", merchant=merchant_id, source=source_id, early_s=round(early_s))
        return
    try:
        runs.run(rt, merchant_id, source_id, trigger="schedule")
    except SourceBusy as busy:
        # Somebody started it by hand a moment ago: that run does what this one would.
        log.info("source is busy", merchant=merchant_id, source=source_id, run=busy.run_id)
    policy = retention.Policy.of(rt.settings)
    retention.tidy_large(
        rt.engine, rt.data_dir, policy, rt.now(), merchant_id=merchant_id, source_id=source_id
    )


def _uploads(rt: Runtime, merchant_id: int, source_id: int) -> None:
    try:
        uploads.take(rt, merchant_id, source_id)
    except SourceBusy as busy:
        raise Retryable("intake", f"source {source_id}", "Another run of this supplier is at work.") from busy


def _catalog(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    reconcile.reconcile(rt, merchant_id, connection_id)


def _full(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    reconcile.reconcile(rt, merchant_id, connection_id, is_full=True)


def _orders(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    reconcile.read_orders(rt, merchant_id, connection_id)


def _incoming(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    incoming.read_incoming(rt, merchant_id, connection_id)


def _webhooks(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    """What a store keeps of us: the webhooks, and the script in its pages, which a worker of its own minds."""
    with transaction(rt.engine) as db:
        look_after(db, merchant_id, connection_id)
    grants.look_at_grants(rt, merchant_id, connection_id)
    subscribe_webhooks(rt, merchant_id, connection_id)
    incoming.follow_incoming(rt, merchant_id, connection_id)
    badges.look_at_badges(rt, merchant_id, connection_id)


def _notes(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    notes.converge_notes(rt, merchant_id, connection_id)


def _plan(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    plans.read_plan(rt, merchant_id, connection_id)


def _places(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    with transaction(rt.engine) as db:
        placement.ask(db, merchant_id, connection_id)


def _prices(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    with transaction(rt.engine) as db:
        enqueue(db, merchant_id, [Intent(PRICES, LOOK if connection_id else FLOORS, connection_id)])


def _recheck(rt: Runtime, merchant_id: int, _: int) -> None:
    interrupted.sweep(rt, merchant_id)
    recheck(rt.engine, merchant_id, now=rt.now())


def _decide_all(rt: Runtime, merchant_id: int, _: int) -> None:
    decide_all(rt.engine, merchant_id, now=rt.now(), cause=Cause("rule"))


def _ads(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    read_account(rt, merchant_id, connection_id)


def _search(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    searching.look(rt, merchant_id, connection_id)


def _handover(rt: Runtime, merchant_id: int, handover_id: int) -> None:
    handover.finish(rt, merchant_id, handover_id)


def _shoppers(rt: Runtime, merchant_id: int, _: int) -> None:
    """What retention ends: unconfirmed sign-ups, closed ones, those that wait for too long (asked first).

    Messages lost in a crash are owned up to, and those whose way was removed under them go by another."""
    still.ask(rt, merchant_id)
    with transaction(rt.engine) as db:
        still.expire(db, merchant_id, rt.now())
        still.end_unanswered(db, merchant_id, rt.now())
        erase.expire_closed(db, merchant_id, rt.now())
        importing.forget_lines(db, merchant_id, rt.now())
        messages.settle_lost(db, merchant_id, rt.now(), timedelta(minutes=15))
    channels.find_stranded(rt, merchant_id)


def _at_risk(rt: Runtime, merchant_id: int, _: int) -> None:
    work_risks(rt, merchant_id)
    notices.look(rt, merchant_id)


def _bounces(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    reports.read_mailbox(rt, merchant_id, connection_id)


def _upkeep(rt: Runtime, merchant_id: int, _: int) -> None:
    """Old rows leave, of the whole installation: every merchant has a schedule row for it, and that of the first
    does it."""
    with rt.engine.connect() as db:
        first = db.execute(
            sa.text("select merchant_id from schedule where kind = 'upkeep' order by merchant_id limit 1")
        ).scalar()
    if first not in (None, merchant_id):
        return
    upkeep.prune(rt.engine, KEEP_SETTLED)
    attempts.prune(rt.engine, KEEP_SETTLED)
    with transaction(rt.engine) as db:
        interest.prune(db, rt.now())
        webhooks.prune(db, KEEP_SETTLED)
        reconcile.prune(db, KEEP_SETTLED)
        shadow.prune(db, KEEP_SHADOW)
        reports.prune(db, rt.now())
    policy = retention.Policy.of(rt.settings)
    retention.tidy(rt.engine, rt.data_dir, policy, rt.now())
    retention.forget_rows(rt.engine, policy, rt.now())


DO: Mapping[str, Callable[[Runtime, int, int], None]] = {
    "supplier.sync": _sync,
    "supplier.upload": _uploads,
    "store.catalog": _catalog,
    "store.full": _full,
    "store.orders": _orders,
    "store.incoming": _incoming,
    "store.webhooks": _webhooks,
    "store.places": _places,
    notes.SCHEDULE: _notes,
    SCHEDULE: _prices,
    SCHEDULE_ALL: _prices,
    entitlements.KIND: _plan,
    "positions.all": _decide_all,
    "positions.recheck": _recheck,
    "ads.read": _ads,
    SEARCH: _search,
    handover.FINISH: _handover,
    "shoppers.upkeep": _shoppers,
    reports.MAILBOX: _bounces,
    AT_RISK: _at_risk,
    "upkeep": _upkeep,
}


def _answer(rt: Runtime, ring: str) -> None:
    """The ring was heard: another one may be rung from now on."""
    if ring:
        rt.redis.delete(ring_key(ring))
