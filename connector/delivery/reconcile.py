"""The regular looks at a store: what changed, all of it, and its orders. Reconciliation is the truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from connector.accounts.schedule import run_now
from connector.db import transaction
from connector.delivery import shadow
from connector.delivery.catalog import CatalogRead, read_catalog
from connector.delivery.live_orders import ask_about
from connector.delivery.runtime import DeliveryRuntime
from connector.ports.errors import PortError, Unsupported
from connector.positions.decide import Cause
from connector.positions.learn import decide_learnt
from connector.positions.locations import feeds_of
from connector.positions.sales import record_orders

# Stores stamp changes with their own clock, to the second: each reading looks back a little further.
OVERLAP = timedelta(minutes=2)


def reconcile(
    rt: DeliveryRuntime, merchant_id: int, connection_id: int, *, is_full: bool = False
) -> CatalogRead:
    """Compare the store with what it should say and have the differences repaired.

    Reads what changed since the last reading, or everything. Recorded with its counts, also when it
    fails; the cursor moves only after a complete reading.
    """
    started = rt.now()
    cursor = _cursor(rt, merchant_id, connection_id, "catalog")
    since = None if is_full else _moment(cursor)
    with transaction(rt.engine) as db:
        reconciliation_id = db.execute(
            sa.text("""
                insert into reconciliation (merchant_id, connection_id, started_at)
                values (:m, :c, :at) returning id
            """),
            {"m": merchant_id, "c": connection_id, "at": started},
        ).scalar_one()
    try:
        found = read_catalog(rt, merchant_id, connection_id, changed_since=since - OVERLAP if since else None)
    except PortError as error:
        _finish(rt, merchant_id, reconciliation_id, CatalogRead(), str(error))
        raise
    _finish(rt, merchant_id, reconciliation_id, found, "")
    _move_cursor(rt, merchant_id, connection_id, "catalog", cursor, started)
    shadow.look(rt, merchant_id, connection_id)
    return found


def read_orders(rt: DeliveryRuntime, merchant_id: int, connection_id: int) -> int:
    """Record the orders changed since the last look. Returns how many; 0 where the store grants none.

    The first look starts now: what was sold before the connection is already in the store's numbers.
    """
    store = rt.store(merchant_id, connection_id)
    if not store.capabilities.reads_orders:
        return 0
    started = rt.now()
    cursor = _cursor(rt, merchant_id, connection_id, "orders")
    since = _moment(cursor)
    count = 0
    if since is not None:
        with rt.engine.connect() as db:
            has_locations = bool(feeds_of(db, merchant_id, connection_id))
        # Where an order is sent from costs calls, and matters only where it decides whose units were sold.
        pages = store.orders(since - OVERLAP, True) if has_locations else store.orders(since - OVERLAP)
        try:
            for page in pages:
                with transaction(rt.engine) as db:
                    touched = record_orders(db, merchant_id, connection_id, page)
                    decide_learnt(db, merchant_id, touched, now=rt.now(), cause=Cause("order"))
                    ask_about(db, merchant_id, touched, rt.live_orders.adapters, rt.now())
                rt.tell_orders(merchant_id, connection_id, page)
                count += len(page)
        except Unsupported:
            # The permission was withdrawn a moment ago: what the store grants is asked anew, and from then on
            # a sale is learnt from the fall of its number.
            with transaction(rt.engine) as db:
                run_now(db, merchant_id, "store.webhooks", connection_id)
            return count
    _move_cursor(rt, merchant_id, connection_id, "orders", cursor, started)
    return count


def _cursor(rt: DeliveryRuntime, merchant_id: int, connection_id: int, name: str) -> str | None:
    """How far was read (ISO 8601); None where everything is to be read."""
    with rt.engine.connect() as db:
        found: str | None = db.execute(
            sa.text("select cursors ->> :n from connection where merchant_id = :m and id = :c"),
            {"m": merchant_id, "c": connection_id, "n": name},
        ).scalar_one()
    return found


def _moment(cursor: str | None) -> datetime | None:
    return datetime.fromisoformat(cursor).astimezone(UTC) if cursor else None


def _move_cursor(
    rt: DeliveryRuntime, merchant_id: int, connection_id: int, name: str, was: str | None, at: datetime
) -> None:
    """What was read reaches to `at` now. A cursor that somebody took away meanwhile, to have everything read, stays
    away, and one that another reading moved is further already."""
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update connection set cursors = cursors || jsonb_build_object(cast(:n as text), cast(:at as text))
                 where merchant_id = :m and id = :c
                   and cursors ->> :n is not distinct from cast(:was as text)
            """),
            {"m": merchant_id, "c": connection_id, "n": name, "was": was, "at": at.isoformat()},
        )


def _finish(
    rt: DeliveryRuntime, merchant_id: int, reconciliation_id: int, found: CatalogRead, error: str
) -> None:
    with transaction(rt.engine) as db:
        db.execute(
            sa.text("""
                update reconciliation set finished_at = :at, listings_read = :read, drifted = :drifted, error = :e
                 where merchant_id = :m and id = :id
            """),
            {
                "m": merchant_id,
                "id": reconciliation_id,
                "at": rt.now(),
                "read": found.listings,
                "drifted": found.doubted,
                "e": error,
            },
        )


def prune(db: sa.Connection, keep: timedelta) -> int:
    """Delete the notes of comparisons older than `keep`, of all stores, but not a store's last one. How many."""
    return db.execute(
        sa.text("""
            delete from reconciliation r
             where r.started_at < now() - :keep
               and r.id < (select max(l.id) from reconciliation l
                            where l.merchant_id = r.merchant_id and l.connection_id = r.connection_id)
        """),
        {"keep": keep},
    ).rowcount
