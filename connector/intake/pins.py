"""What a supplier's server proved itself by, remembered at the first connection; another proof later is
accepted by a person only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.accounts.connections import choose_setting
from connector.db import transaction
from connector.ports.learning import Learns


@dataclass(frozen=True, slots=True)
class Alarm:
    """A server that shows `presented` instead of `pinned` (fingerprints); `field` is the setting that holds it."""

    run_id: int
    at: datetime
    field: str
    pinned: str
    presented: str


def remember(engine: sa.Engine, merchant_id: int, connection_id: int, supplier: object) -> None:
    """Store what `supplier` learnt where nothing is stored yet; a value that is there is never replaced."""
    learnt = supplier.learnt() if isinstance(supplier, Learns) else {}
    if not learnt:
        return
    with transaction(engine) as db:
        for name, value in learnt.items():
            db.execute(
                sa.text("""
                    update connection
                       set config = config || jsonb_build_object(cast(:n as text), cast(:v as text))
                     where merchant_id = :m and id = :c and coalesce(config ->> :n, '') = ''
                """),
                {"m": merchant_id, "c": connection_id, "n": name, "v": value},
            )


def alarm(db: sa.Connection, merchant_id: int, connection_id: int) -> Alarm | None:
    """The alarm that waits for a person; None where the last run met no other proof, or it was accepted."""
    row = db.execute(
        sa.text("""
            select r.id, r.started_at, r.shape -> 'identity' as told, c.config
              from source s
              join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
              join lateral (select id, started_at, error_code, shape from run
                             where merchant_id = s.merchant_id and source_id = s.id
                               and trigger not in ('upload', 'push')
                             order by id desc limit 1) r on true
             where s.merchant_id = :m and s.connection_id = :c and r.error_code = 'IdentityChanged'
        """),
        {"m": merchant_id, "c": connection_id},
    ).one_or_none()
    if row is None or not row.told or row.config.get(row.told["field"]) == row.told["presented"]:
        return None
    told = row.told
    return Alarm(row.id, row.started_at, told["field"], told["pinned"], told["presented"])


def accept(
    db: sa.Connection, merchant_id: int, connection_id: int, presented: str, *, actor: str, now: datetime
) -> bool:
    """Expect `presented` from now on and read the supplier at once. False where no alarm waits for exactly
    this: a person accepts what they saw, and nothing that came since."""
    waiting = alarm(db, merchant_id, connection_id)
    if waiting is None or waiting.presented != presented:
        return False
    choose_setting(db, merchant_id, connection_id, waiting.field, presented)
    source_id = db.execute(
        sa.text("select id from source where merchant_id = :m and connection_id = :c"),
        {"m": merchant_id, "c": connection_id},
    ).scalar_one()
    schedule.run_now(db, merchant_id, "supplier.sync", int(source_id))
    told = {"from": waiting.pinned, "to": presented}
    record(db, merchant_id, now, actor, "supplier.accept_key", f"connection {connection_id}", told)
    return True
