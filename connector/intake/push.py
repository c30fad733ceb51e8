"""Files that suppliers send to an address of ours: whose token it is, and the run that follows."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.audit import record
from connector.accounts.connections import ConnectionRow, connection
from connector.db import transaction
from connector.intake import sources, uploads
from connector.ports.errors import Unsupported

_TOKEN = "push_token_sha256"  # noqa: S105 - the name of a setting
_PREFIX = "dispo_push_"


@dataclass(frozen=True, slots=True)
class Received:
    """The run a file became; `is_repeat`: the same bytes came before and nothing else since."""

    run_id: int
    is_repeat: bool


def issue(db: sa.Connection, merchant_id: int, connection_id: int, *, actor: str, now: datetime) -> str:
    """A new token of this supplier connection; the one before ends. It is not kept, only its digest: who
    loses it issues another. Raises NotFound for another merchant's connection, Unsupported for a store's."""
    row = connection(db, merchant_id, connection_id)
    if row.kind != "supplier":
        raise Unsupported("dispo", row.name, "Only suppliers send files.")
    token = _PREFIX + secrets.token_urlsafe(32)
    _set(db, merchant_id, connection_id, {_TOKEN: _digest(token), "push_token_at": now.isoformat()})
    record(db, merchant_id, now, actor, "supplier.push_token", f"connection {connection_id}")
    return token


def issued_at(row: ConnectionRow) -> datetime | None:
    """When the present token was issued, None when there is none."""
    told = row.config.get("push_token_at")
    return datetime.fromisoformat(told) if told and row.config.get(_TOKEN) else None


def is_token(row: ConnectionRow, token: str) -> bool:
    """Whether `token` is the present token of this connection; takes as long for any."""
    expected = str(row.config.get(_TOKEN) or "")
    # Drawn at random with 256 bits: a plain digest cannot be turned back.
    return hmac.compare_digest(_digest(token), expected) and bool(expected)


def receive(
    rt: sources.Installation, row: ConnectionRow, name: str, content: IO[bytes], sha256: str
) -> Received:
    """Keep a whole file and begin its run, or name the run that had these very bytes last.

    Raises Misconfigured for a file that is empty or too large, LookupError for a connection without source.
    """
    given: dict[str, Any] = {"m": row.merchant_id, "c": row.id}
    with transaction(rt.engine) as db:
        # Two deliveries of the same file at once become one run.
        source_id = db.execute(
            sa.text("select id from source where merchant_id = :m and connection_id = :c for update"), given
        ).scalar_one_or_none()
        if source_id is None:
            raise LookupError(row.id)
        known = _known(db, row.merchant_id, int(source_id), sha256)
        if known is not None:
            return Received(known, True)
        now = rt.now()
        run_id = db.execute(
            sa.text(
                "insert into run (merchant_id, source_id, trigger, started_at, stage)"
                " values (:m, :s, 'push', :now, 'queued') returning id"
            ),
            {"m": row.merchant_id, "s": source_id, "now": now},
        ).scalar_one()
        uploads.accept(
            db, row.merchant_id, int(source_id), name, content, actor="push", now=now, run_id=int(run_id)
        )
        schedule.ensure(db, row.merchant_id, "supplier.upload", int(source_id), sources.UPLOAD_EVERY_S)
        schedule.run_now(db, row.merchant_id, "supplier.upload", int(source_id))
    return Received(int(run_id), False)


def outcome(db: sa.Connection, row: ConnectionRow, run_id: int) -> dict[str, Any] | None:
    """How a run of this connection stands, for who sent its file; None where there is no such run."""
    found = db.execute(
        sa.text("""
            select r.status, r.stage, r.rows_read, r.rows_changed, r.rows_rejected, r.rows_held, r.error_code,
                   r.error
              from run r join source s on s.merchant_id = r.merchant_id and s.id = r.source_id
             where r.merchant_id = :m and s.connection_id = :c and r.id = :r and r.trigger = 'push'
        """),
        {"m": row.merchant_id, "c": row.id, "r": run_id},
    ).one_or_none()
    return None if found is None else {"run": run_id, **found._mapping}


def _known(db: sa.Connection, merchant_id: int, source_id: int, sha256: str) -> int | None:
    """The run of these bytes, where they are what came last. A file of the day before yesterday that comes
    again after yesterday's is news."""
    row = db.execute(
        sa.text("""
            select sha256, run_id from (
              select 1 as age, id, sha256, run_id from upload where merchant_id = :m and source_id = :s
              union all
              (select 2, id, sha256, id from run
                where merchant_id = :m and source_id = :s and sha256 <> '' and status <> 'failed'
                order by id desc limit 1)
            ) came order by age, id desc limit 1
        """),
        {"m": merchant_id, "s": source_id},
    ).one_or_none()
    return row.run_id if row is not None and row.sha256 == sha256 else None


def _set(db: sa.Connection, merchant_id: int, connection_id: int, values: dict[str, str]) -> None:
    db.execute(
        sa.text(
            "update connection set config = config || cast(:v as jsonb) where merchant_id = :m and id = :c"
        ),
        {"m": merchant_id, "c": connection_id, "v": json.dumps(values)},
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
