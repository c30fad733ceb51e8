"""Asks stores what is on its way to their shelves: the evidence for restock dates that no supplier states."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa

from connector.accounts import schedule
from connector.db import transaction
from connector.delivery.runtime import DeliveryRuntime
from connector.ports.errors import Unsupported
from connector.ports.incoming import IncomingReader
from connector.positions.decide import Cause
from connector.positions.incoming import CURSOR, forget_incoming, record_incoming
from connector.positions.learn import decide_learnt

KIND = "store.incoming"
EVERY_S = 900
"""Three calls when little is open. A notice of the store brings the reading forward."""


def read_incoming(rt: DeliveryRuntime, merchant_id: int, connection_id: int) -> int:
    """Record what is on its way to one store and decide what that changes; returns the lines read.

    Where the store does not tell it (any more), what was known is forgotten: 0.
    """
    store = rt.store(merchant_id, connection_id)
    if not store.capabilities.reads_incoming:
        _forget(rt, merchant_id, connection_id)
        return 0
    asked_at = rt.now()
    try:
        found = [one for page in cast(IncomingReader, store).incoming() for one in page]
    except Unsupported:
        # Withdrawn a moment ago. The store's other work finds out, too; here only the evidence is gone.
        _forget(rt, merchant_id, connection_id)
        schedule_health(rt, merchant_id, connection_id)
        return 0
    with transaction(rt.engine) as db:
        touched = record_incoming(db, merchant_id, connection_id, found, asked_at)
        decide_learnt(db, merchant_id, touched, now=rt.now(), cause=Cause("incoming"))
    return len(found)


def follow_incoming(rt: DeliveryRuntime, merchant_id: int, connection_id: int) -> bool:
    """Have a store asked regularly where it tells what is on its way, and not where it does not; whether it
    does. Harmless to repeat."""
    reads = rt.store(merchant_id, connection_id).capabilities.reads_incoming
    with transaction(rt.engine) as db:
        if reads:
            schedule.ensure(db, merchant_id, KIND, connection_id, EVERY_S)
        else:
            schedule.remove(db, merchant_id, KIND, connection_id)
    if not reads:
        _forget(rt, merchant_id, connection_id)
    return reads


def schedule_health(rt: DeliveryRuntime, merchant_id: int, connection_id: int) -> None:
    """Have the store's health looked at in a moment: what it grants seems to have changed."""
    with transaction(rt.engine) as db:
        schedule.run_now(db, merchant_id, "store.webhooks", connection_id)


def _forget(rt: DeliveryRuntime, merchant_id: int, connection_id: int) -> None:
    with transaction(rt.engine) as db:
        known = db.execute(
            sa.text("select cursors ->> :name from connection where merchant_id = :m and id = :c"),
            {"name": CURSOR, "m": merchant_id, "c": connection_id},
        ).scalar()
        if known is None:
            return
        touched = forget_incoming(db, merchant_id, connection_id)
        decide_learnt(db, merchant_id, touched, now=rt.now(), cause=Cause("incoming"))
