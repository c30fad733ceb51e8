"""Receives a store's webhooks: verified on the raw bytes, recorded, answered; worked later by a job.

A hint never changes a number. An order is recorded as what it is; a number that differs from what we
believe makes the delivery read the store; our own echo matches what we believe and is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

import sqlalchemy as sa

from connector.accounts import entitlements, installations, privacy
from connector.accounts.schedule import run_now
from connector.db import transaction
from connector.delivery import foreign
from connector.delivery.catalog import doubt
from connector.delivery.live_orders import ask_about
from connector.delivery.runtime import DeliveryRuntime
from connector.outbox.messages import Again, Claim, Done, Intent, enqueue, settle
from connector.ports.errors import Rejected
from connector.ports.installs import PrivacyRequest
from connector.ports.stores import StoreHint, StoreWebhooks, VerifiedDelivery
from connector.positions.decide import Cause
from connector.positions.learn import decide_learnt
from connector.positions.live_numbers import prune_live
from connector.positions.sales import lock_named, record_orders

RECEIPTS = "store.receipts"
BATCH = 200


@dataclass(frozen=True, slots=True)
class Receipt:
    """ "recorded", "repeated" (the same delivery again) or "ping"."""

    outcome: str


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery whose signature held, and whose it is."""

    merchant_id: int
    connection_id: int
    delivery: VerifiedDelivery
    body: bytes


def receive(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    verifier: StoreWebhooks,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
) -> Receipt:
    """Verify and record one delivery in the caller's transaction; commit before you answer.

    Raises Unauthorized for anything that is not signed with one of `secrets`; nothing is recorded then.
    """
    delivery = verifier.verify(headers, body, secrets)
    if delivery is None:
        return Receipt("ping")
    return record(db, [Received(merchant_id, connection_id, delivery, body)])[0]


def record(db: sa.Connection, received: Sequence[Received]) -> list[Receipt]:
    """Record verified deliveries of any merchants in the caller's transaction, and ask for work where
    something is new; what became of each, in order. Commit before you answer any of them.

    Of a delivery that is among them twice the first one counts as recorded.
    """
    rows = db.execute(
        _RECORD,
        {
            "merchants": [one.merchant_id for one in received],
            "connections": [one.connection_id for one in received],
            "deliveries": [one.delivery.delivery_id for one in received],
            "topics": [one.delivery.topic for one in received],
            "bodies": [one.body for one in received],
            "triggered": [one.delivery.triggered_at for one in received],
        },
    )
    new = {tuple(row) for row in rows}
    # The order of locks in the outbox is (merchant, subject, topic, connection); subject and topic are one.
    places = sorted({(merchant_id, connection_id) for merchant_id, connection_id, _ in new})
    for merchant_id, own in groupby(places, key=lambda place: place[0]):
        enqueue(db, merchant_id, [Intent(RECEIPTS, "receipts", connection_id) for _, connection_id in own])
    receipts = []
    for one in received:
        key = (one.merchant_id, one.connection_id, one.delivery.delivery_id)
        receipts.append(Receipt("recorded" if key in new else "repeated"))
        new.discard(key)
    return receipts


# In the order of the key, so that two processes with the same deliveries never wait for each other.
_RECORD = sa.text("""
    insert into webhook_receipt (merchant_id, connection_id, delivery_id, topic, body, received_at, triggered_at)
    select i.m, i.c, i.d, i.t, i.b, now(), i.a
      from unnest(cast(:merchants as bigint[]), cast(:connections as bigint[]), cast(:deliveries as text[]),
                  cast(:topics as text[]), cast(:bodies as bytea[]), cast(:triggered as timestamptz[]))
           with ordinality as i(m, c, d, t, b, a, n)
     order by i.m, i.c, i.d, i.n
        on conflict do nothing returning merchant_id, connection_id, delivery_id
""")


def work_receipts(rt: DeliveryRuntime, claim: Claim) -> None:
    """Work the open receipts of one store in batches; a body is dropped once it is worked."""
    turn = claim.turn
    with rt.engine.connect() as db:
        store = db.execute(
            sa.text("""
                select adapter, exists (select 1 from store_location s where s.merchant_id = :m
                                           and s.connection_id = :c) as has_locations
                  from connection where merchant_id = :m and id = :c
            """),
            {"m": turn.merchant_id, "c": turn.connection_id},
        ).one()
    verifier = rt.store_webhooks(store.adapter)
    # An order's own message does not say where it is sent from: with several locations it is read.
    names_only = bool(store.has_locations)
    while not claim.is_out_of_time():
        if _work_batch(rt, turn.merchant_id, turn.connection_id, verifier, names_only) < BATCH:
            with transaction(rt.engine) as db:
                settle(db, claim, {message.id: Done() for message in claim.messages})
            return
    with transaction(rt.engine) as db:
        settle(db, claim, {message.id: Again(0.0, "more receipts wait") for message in claim.messages})


def _work_batch(
    rt: DeliveryRuntime, merchant_id: int, connection_id: int, verifier: StoreWebhooks, names_only: bool
) -> int:
    """One transaction: take receipts, apply their hints, decide what they change, mark them worked.
    Returns how many. With `names_only` an order in a message only says that there is something to read."""
    variants: set[int] = set()
    doubted: set[int] = set()
    with transaction(rt.engine) as db:
        rows = db.execute(
            sa.text("""
                select delivery_id, topic, body, received_at, triggered_at from webhook_receipt
                 where merchant_id = :m and connection_id = :c and worked_at is null
                 order by received_at, delivery_id limit :n for update skip locked
            """),
            {"m": merchant_id, "c": connection_id, "n": BATCH},
        ).all()
        hints = [_hint(verifier, row.topic, row.body) for row in rows]
        if names_only:
            hints = [replace(hint, order=None) for hint in hints]
        lock_named(
            db,
            merchant_id,
            connection_id,
            [hint.order for hint in hints if hint.kind == "order" and hint.order is not None],
            [external_id for hint in hints if hint.kind == "stock" for external_id in hint.external_ids],
        )
        for row, hint in zip(rows, hints, strict=True):
            if hint.kind == "uninstalled":
                outcome = end_store(
                    db, merchant_id, connection_id, row.triggered_at or row.received_at, rt.now()
                )
            elif hint.kind == "privacy" and hint.privacy is not None:
                outcome = _note(rt, db, merchant_id, connection_id, row.delivery_id, hint.privacy)
            else:
                outcome = _apply(db, merchant_id, connection_id, hint, variants, doubted)
            db.execute(
                sa.text("""
                    update webhook_receipt set worked_at = now(), outcome = :o, body = null
                     where merchant_id = :m and connection_id = :c and delivery_id = :d
                """),
                {"m": merchant_id, "c": connection_id, "d": row.delivery_id, "o": outcome},
            )
        decide_learnt(db, merchant_id, variants, now=rt.now(), cause=Cause("order"))
        doubt(db, merchant_id, connection_id, sorted(doubted))
        ask_about(db, merchant_id, variants, rt.live_orders.adapters, rt.now())
    # After the commit: a kill in between loses nothing that the regular reading of orders does not tell again.
    told = [hint.order for hint in hints if hint.kind == "order" and hint.order is not None]
    if told:
        rt.tell_orders(merchant_id, connection_id, told)
    return len(rows)


def _hint(verifier: StoreWebhooks, topic: str, body: bytes) -> StoreHint:
    try:
        return verifier.read(topic, body)
    except Rejected as error:
        return StoreHint("other", detail=f"rejected: {error.cause}")


def _apply(
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    hint: StoreHint,
    variants: set[int],
    doubted: set[int],
) -> str:
    """Apply one hint; what is to be decided and read again is added to `variants` and `doubted`."""
    if hint.kind == "order" and hint.order is not None:
        touched = record_orders(db, merchant_id, connection_id, [hint.order])
        variants |= touched
        return f"order: {len(touched)} variants"
    if hint.kind == "order":
        # The platform only names the order; its lines come with the reading this moves forward.
        run_now(db, merchant_id, "store.orders", connection_id)
        return "order: orders are read"
    if hint.kind == "stock":
        differing = _differing(db, merchant_id, connection_id, hint)
        doubted.update(differing)
        return f"stock: {len(differing)} doubted" if differing else "stock: as believed"
    if hint.kind == "incoming":
        run_now(db, merchant_id, "store.incoming", connection_id)
        return "incoming: shipments are read"
    if hint.kind == "grants":
        run_now(db, merchant_id, "store.webhooks", connection_id)
        return "grants: the store is asked"
    if hint.kind == "plan":
        run_now(db, merchant_id, entitlements.KIND, connection_id)
        return "plan: the plan is read"
    if hint.kind == "product":
        # What changed is read from the store; the hint only moves that reading forward.
        run_now(db, merchant_id, "store.catalog", connection_id)
        return "product: catalogue is read"
    return hint.detail if hint.detail.startswith("rejected: ") else hint.kind


def end_store(
    db: sa.Connection, merchant_id: int, connection_id: int, happened_at: datetime, now: datetime
) -> str:
    """The store removed us. A word about an earlier removal, which came late, ends nothing: it is with us
    again since."""
    ended = db.execute(
        sa.text("""
            update connection c set status = 'ended', status_reason = 'The app was removed in the store.'
             where c.merchant_id = :m and c.id = :c and c.status <> 'ended'
               and not exists (select 1 from installation i
                                where i.merchant_id = :m and i.connection_id = :c and i.installed_at > :at)
        """),
        {"m": merchant_id, "c": connection_id, "at": happened_at},
    ).rowcount
    if not ended:
        return "uninstalled: known, or from before it was installed again"
    installations.end(db, merchant_id, connection_id, now)
    enqueue(db, merchant_id, [Intent(installations.ENDED, "ended", connection_id)])
    return "uninstalled"


def _note(
    rt: DeliveryRuntime,
    db: sa.Connection,
    merchant_id: int,
    connection_id: int,
    delivery_id: str,
    request: PrivacyRequest,
) -> str:
    """A legal request: noted with the day it is due, worked by a job of its own."""
    noted = privacy.note(db, rt.keyring, merchant_id, connection_id, delivery_id, request, rt.now())
    if noted is not None:
        request_id, wait_s = noted
        enqueue(db, merchant_id, [Intent(privacy.REQUESTS, str(request_id), connection_id, delay_s=wait_s)])
    return f"privacy: {request.kind}"


def _differing(db: sa.Connection, merchant_id: int, connection_id: int, hint: StoreHint) -> list[int]:
    """Listings of the hint whose number is not the one we believe: not an echo of our own write."""
    rows = db.execute(
        sa.text("""
            select id, external_id, stock_id, believed_available from listing
             where merchant_id = :m and connection_id = :c and is_managed and yielded_at is null
               and (external_id = any(:ids) or stock_id = any(:ids))
               and (cast(:place as text) is null or location_id is null or location_id = :place)
        """),
        {
            "m": merchant_id,
            "c": connection_id,
            "ids": list(hint.external_ids),
            "place": hint.location_id,
        },
    )
    differing = []
    for row in rows:
        said = hint.quantities.get(row.external_id, hint.quantities.get(row.stock_id))
        if said is None or said != row.believed_available:
            differing.append(row.id)
    return differing


def prune(db: sa.Connection, keep: timedelta) -> int:
    """Delete worked receipts older than `keep`, which are needed only to recognise repeats, and as old traces
    of other writers and numbers that were asked for. Returns the receipts."""
    foreign.prune(db, keep)
    prune_live(db)
    return db.execute(
        sa.text("delete from webhook_receipt where worked_at < now() - :keep"), {"keep": keep}
    ).rowcount
