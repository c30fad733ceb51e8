"""Asks a supplier's system what was ordered and has not arrived, after each look at its stock: the evidence
for restock dates that stand in no column.

It never fails the run it follows: stock that was read stays read. A source that cannot be asked keeps the
dates it gave for as long as `availability` believes them.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa

from connector.db import transaction
from connector.intake.examine import read_source
from connector.intake.records import update_run
from connector.intake.runtime import Cause, Runtime
from connector.intake.words import fold
from connector.ports.errors import PortError, Unsupported
from connector.ports.incoming import SupplierIncoming, SupplierIncomingReader
from connector.positions.incoming import CURSOR, forget_incoming, record_supplier_incoming
from connector.positions.learn import decide_learnt

log = logging.getLogger(__name__)


def follow(rt: Runtime, merchant_id: int, source_id: int, run_id: int) -> int | None:
    """Record what is on order at one source and decide what that changes; the lines read, None where nothing
    was asked. What was found, or why it was not, is noted in the run under "incoming".

    Where the source does not tell it (any more), what was known is forgotten.
    """
    with rt.engine.connect() as db, db.begin():
        source = read_source(db, merchant_id, source_id)
    supplier = rt.supplier(merchant_id, source.connection_id)
    if not isinstance(supplier, SupplierIncomingReader) or not supplier.reads_incoming:
        _forget(rt, merchant_id, source.connection_id)
        return None
    asked_at = rt.clock()
    try:
        found = [line for page in supplier.incoming() for line in page]
    except Unsupported as error:
        _forget(rt, merchant_id, source.connection_id)
        _note(rt, merchant_id, run_id, error)
        return None
    except PortError as error:
        _note(rt, merchant_id, run_id, error)
        return None
    wanted = _at(found, source.mapping.locations)
    with transaction(rt.engine) as db:
        touched = record_supplier_incoming(db, merchant_id, source.connection_id, source_id, wanted, asked_at)
        decide_learnt(db, merchant_id, touched, now=rt.clock(), cause=Cause("incoming", run_id=run_id))
        update_run(db, merchant_id, run_id, shape={"incoming": {"lines": len(wanted)}})
    return len(wanted)


def _at(found: list[SupplierIncoming], locations: tuple[str, ...]) -> list[SupplierIncoming]:
    """Those that go where the source's stock is counted; a line without a place may go anywhere."""
    counted = {fold(name) for name in locations}
    return [line for line in found if not counted or not line.location or fold(line.location) in counted]


def _note(rt: Runtime, merchant_id: int, run_id: int, error: PortError) -> None:
    log.warning("what is on order could not be read: %s", error)
    sentence = f"{error.cause} {error.remedy}".strip()
    with transaction(rt.engine) as db:
        update_run(db, merchant_id, run_id, shape={"incoming": {"problem": sentence}})


def _forget(rt: Runtime, merchant_id: int, connection_id: int) -> None:
    given = {"m": merchant_id, "c": connection_id, "name": CURSOR}
    with transaction(rt.engine) as db:
        known = db.execute(
            sa.text("select cursors ->> :name from connection where merchant_id = :m and id = :c"), given
        ).scalar()
        if known is None:
            return
        touched = forget_incoming(db, merchant_id, connection_id)
        decide_learnt(db, merchant_id, touched, now=rt.clock(), cause=Cause("incoming"))
