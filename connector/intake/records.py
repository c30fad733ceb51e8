"""The rows of `run`: opening, progress that a page can show while it works, and endings."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.intake.runtime import SourceBusy
from connector.ports.errors import FileFault, IdentityChanged, PortError

_TELL_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its status and counts, as stored."""

    run_id: int
    status: str
    rows_read: int = 0
    rows_changed: int = 0
    rows_new: int = 0
    rows_missing: int = 0
    rows_rejected: int = 0
    rows_held: int = 0
    variants_decided: int = 0
    variants_changed: int = 0
    error_code: str = ""
    error: str = ""


_COUNTS = tuple(name for name in Outcome.__dataclass_fields__ if name not in ("run_id", "status"))


def request_run(engine: sa.Engine, merchant_id: int, source_id: int, *, trigger: str, now: datetime) -> int:
    """Make a run that waits for a worker (stage "queued"), so that a page can show it at once; hand its
    id to `run`."""
    with transaction(engine) as db:
        return int(
            db.execute(
                sa.text(
                    "insert into run (merchant_id, source_id, trigger, started_at, stage)"
                    " values (:merchant, :source, :trigger, :now, 'queued') returning id"
                ),
                {"merchant": merchant_id, "source": source_id, "trigger": trigger, "now": now},
            ).scalar_one()
        )


def open_run(
    engine: sa.Engine, merchant_id: int, source_id: int, *, trigger: str, now: datetime, run_id: int | None
) -> int:
    """Make a run, or take up the one that was made for this (or was interrupted)."""
    given = {"merchant": merchant_id, "source": source_id, "trigger": trigger, "now": now, "run": run_id}
    with transaction(engine) as db:
        if run_id is None:
            statement = sa.text(
                "insert into run (merchant_id, source_id, trigger, started_at)"
                " values (:merchant, :source, :trigger, :now) returning id"
            )
        else:
            # What an interrupted try had noted of itself goes: it is noted anew.
            db.execute(
                sa.text("delete from run_issue where merchant_id = :merchant and run_id = :run"), given
            )
            statement = sa.text(
                "update run set status = 'running', stage = 'fetch', finished_at = null, error = '',"
                " error_code = '', rows_read = 0"
                " where merchant_id = :merchant and source_id = :source and id = :run returning id"
            )
        found = db.execute(statement, given).scalar_one_or_none()
    if found is None:
        raise LookupError(f"Source {source_id} has no run {run_id}.")
    return int(found)


class Progress:
    """Writes stage and rows read of one run, in transactions of its own and at most twice a second."""

    def __init__(self, engine: sa.Engine, merchant_id: int, run_id: int) -> None:
        self._engine = engine
        self._given = {"merchant": merchant_id, "run": run_id}
        self._stage = ""
        self._told_at = 0.0

    def __call__(self, stage: str, rows: int = 0) -> None:
        now = time.monotonic()
        if stage == self._stage and now - self._told_at < _TELL_EVERY_S:
            return
        self._stage, self._told_at = stage, now
        with transaction(self._engine) as db:
            db.execute(
                sa.text(
                    "update run set stage = :stage, rows_read = greatest(rows_read, :rows)"
                    " where merchant_id = :merchant and id = :run"
                ),
                {**self._given, "stage": stage, "rows": rows},
            )


def update_run(db: sa.Connection, merchant_id: int, run_id: int, **values: Any) -> None:
    """Set columns of a run; `shape` is merged into what it holds."""
    shape = values.pop("shape", None)
    sets = [f"{name} = :{name}" for name in values]
    if shape is not None:
        sets.append("shape = shape || cast(:shape as jsonb)")
        values["shape"] = json.dumps(shape)
    db.execute(
        sa.text(f"update run set {', '.join(sets)} where merchant_id = :merchant and id = :run"),  # noqa: S608
        {**values, "merchant": merchant_id, "run": run_id},
    )


def outcome_of(engine: sa.Engine, merchant_id: int, run_id: int) -> Outcome:
    """The run as stored; raises LookupError when there is none."""
    with engine.connect() as db:
        row = db.execute(
            sa.text(
                f"select id, status, {', '.join(_COUNTS)} from run where merchant_id = :merchant and id = :run"  # noqa: S608
            ),
            {"merchant": merchant_id, "run": run_id},
        ).one_or_none()
    if row is None:
        raise LookupError(f"There is no run {run_id}.")
    return Outcome(*row)


def fail_run(engine: sa.Engine, merchant_id: int, run_id: int, now: datetime, error: BaseException) -> None:
    """End a run as failed; the stock of the last accepted run stays.

    Not one that has written its file and only decides yet (stage "decide"): called failed, nobody would decide the
    rest, and the next look finds the file unchanged. It stays as it is, for `interrupted.finish`.
    """
    if isinstance(error, FileFault):
        code = error.code
    else:
        code = type(error).__name__
    if isinstance(error, PortError):
        text = f"{error.cause} {error.remedy}".strip()
    else:
        text = "The run stopped on an unexpected error; nothing of it was applied. The log has the details."
    told = {}
    if isinstance(error, IdentityChanged):
        # What a person may accept is exactly what was seen.
        told["identity"] = {"field": error.field, "pinned": error.pinned, "presented": error.presented}
    with transaction(engine) as db:
        if db.execute(_DECIDES, {"merchant": merchant_id, "run": run_id}).scalar():
            return
        update_run(
            db,
            merchant_id,
            run_id,
            shape=told,
            status="failed",
            finished_at=now,
            error_code=code,
            error=text.replace("\x00", ""),
        )


_DECIDES = sa.text(
    "select status = 'running' and stage = 'decide' from run where merchant_id = :merchant and id = :run for update"
)


class SourceLock:
    """One run per source at a time: an advisory lock of the session of one connection, which the run
    also writes through, so that losing the lock loses the run and not the other way round."""

    def __init__(self, db: sa.Connection, merchant_id: int, source_id: int) -> None:
        self._db = db
        self._given = {"name": f"dispo:intake:{merchant_id}:{source_id}"}
        self._merchant_id, self._source_id = merchant_id, source_id

    def __enter__(self) -> None:
        with self._db.begin():
            taken = self._db.execute(
                sa.text("select pg_try_advisory_lock(hashtextextended(:name, 0))"), self._given
            ).scalar_one()
            running = None
            if not taken:
                running = self._db.execute(
                    sa.text(
                        "select max(id) from run where merchant_id = :merchant and source_id = :source"
                        " and status = 'running'"
                    ),
                    {"merchant": self._merchant_id, "source": self._source_id},
                ).scalar_one()
        if not taken:
            raise SourceBusy(self._source_id, running)

    def __exit__(self, *_exception: object) -> None:
        if self._db.closed or self._db.invalidated:
            return  # the server has released the lock with the session
        if self._db.in_transaction():
            self._db.rollback()
        with self._db.begin():
            self._db.execute(sa.text("select pg_advisory_unlock(hashtextextended(:name, 0))"), self._given)
