"""The switches that let an account, or everything of a merchant, stand still and go on again."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from connector.accounts.audit import record
from connector.accounts.connections import connections
from connector.advertising.runtime import ACCOUNT
from connector.delivery.scripts import look_after
from connector.outbox.messages import Intent, enqueue
from connector.outbox.upkeep import wake
from connector.positions.decide import enqueue_store
from connector.positions.topics import ADS


def stop_account(
    db: sa.Connection, merchant_id: int, connection_id: int, *, is_stopped: bool, actor: str, now: datetime
) -> None:
    """The stop switch of one ad account: ads stay as they are. Switching it off looks at it at once."""
    db.execute(
        sa.text("""
            update connection set is_writing_stopped = :s where merchant_id = :m and id = :c and kind = 'ads'
        """),
        {"m": merchant_id, "c": connection_id, "s": is_stopped},
    )
    record(
        db, merchant_id, now, actor, "ads.stop" if is_stopped else "ads.go_on", f"connection {connection_id}"
    )
    if not is_stopped:
        enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, connection_id)])


def set_frozen(db: sa.Connection, merchant_id: int, *, is_frozen: bool, actor: str, now: datetime) -> None:
    """Freeze everything (nothing is written, sent or paused any more), or go on.

    Going on enqueues what the stores should say by then and has every ad account looked at; messages to
    shoppers wait by themselves.
    """
    db.execute(
        sa.text("update merchant set is_frozen = :f where id = :m"), {"f": is_frozen, "m": merchant_id}
    )
    record(db, merchant_id, now, actor, "merchant.freeze" if is_frozen else "merchant.go_on", "everything")
    if is_frozen:
        return
    for row in connections(db, merchant_id):
        wake(db, merchant_id, row.id)
        if row.kind == "store":
            enqueue_store(db, merchant_id, row.id)
            look_after(db, merchant_id, row.id)
        elif row.kind == "ads":
            enqueue(db, merchant_id, [Intent(ADS, ACCOUNT, row.id)])
