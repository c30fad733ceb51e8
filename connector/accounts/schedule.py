"""What is due when: a table of times that any number of clocks may read, each run given to one worker.

A period keeps its phase: a daily run at 07:00 that was late, failed or asked for by hand is followed by
the next 07:00. Periods missed while nothing ran (the machine was off) are made up by one run, not by many.
A run whose worker never came back is given out again when its lease ends. All times are the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from connector import heartbeat
from connector.backoff import is_refusal, wait_s
from connector.db import transaction
from connector.ports.errors import RateLimited

__all__ = ["Due", "Ready", "claim", "due", "ensure", "record", "remove", "renew", "run_now"]


class Ready(NamedTuple):
    """A run that is due and that nobody has yet: worth a `claim`."""

    merchant_id: int
    kind: str
    subject_id: int
    schedule_id: int


@dataclass(slots=True)
class Due:
    """A run this worker alone has until `lease_until`; `renew` it in time, end it with `record`."""

    merchant_id: int
    kind: str
    subject_id: int
    every_s: int
    schedule_id: int
    failures: int
    lease_until: datetime


def ensure(
    db: sa.Connection,
    merchant_id: int,
    kind: str,
    subject_id: int,
    every_s: int,
    first_at: datetime | None = None,
) -> None:
    """Have `kind` run for `subject_id` every `every_s` seconds, in the caller's transaction.

    The first run is at `first_at` (aware), or at once. Where it exists already, its times stay unless
    `every_s` changed: then the next run is no later than one new period from now, or at `first_at` if
    given. Raises ValueError for a period under one second or a naive time.
    """
    if every_s < 1:
        raise ValueError(f"every_s must be at least 1, not {every_s}")
    if first_at is not None and first_at.tzinfo is None:
        raise ValueError("first_at needs a time zone")
    db.execute(
        _ENSURE,
        {
            "merchant": merchant_id,
            "kind": kind,
            "subject": subject_id,
            "every_s": every_s,
            "first_at": first_at,
        },
    )


def remove(db: sa.Connection, merchant_id: int, kind: str, subject_id: int) -> bool:
    """Stop it; a run under way goes on. False when there was none."""
    key = {"merchant": merchant_id, "kind": kind, "subject": subject_id}
    return db.execute(_REMOVE, key).rowcount > 0


def run_now(db: sa.Connection, merchant_id: int, kind: str, subject_id: int) -> bool:
    """Have one extra run as soon as possible: at once, or after the one under way. The period stays.
    False when no such schedule exists."""
    key = {"merchant": merchant_id, "kind": kind, "subject": subject_id}
    return db.execute(_RUN_NOW, key).rowcount > 0


def due(db: sa.Connection, kinds: Sequence[str], limit: int) -> list[Ready]:
    """Up to `limit` runs of these kinds that are due, the longest due first. Takes nothing."""
    rows = db.execute(_DUE, {"kinds": list(kinds), "limit": limit})
    return [Ready(*row) for row in rows]


def claim(
    engine: sa.Engine, merchant_id: int, schedule_id: int, lease_s: float = heartbeat.LEASE_S
) -> Due | None:
    """Take a run for `lease_s`; None when it is not due (any more) or somebody else has it.

    A run without `renew` or `record` by then is given out again.
    """
    with transaction(engine) as db:
        row = db.execute(
            _CLAIM, {"merchant": merchant_id, "id": schedule_id, "lease_s": lease_s}
        ).one_or_none()
    return None if row is None else Due(*row)


def renew(engine: sa.Engine, due: Due) -> bool:
    """Lease the run anew, by a heartbeat; False when it was given out again."""
    given = {
        "merchant": due.merchant_id,
        "id": due.schedule_id,
        "lease_until": due.lease_until,
        "lease_s": heartbeat.LEASE_S,
    }
    with transaction(engine) as db:
        row = db.execute(_RENEW, given).one_or_none()
    if row is not None:
        due.lease_until = row.lease_until
    return row is not None


def record(engine: sa.Engine, due: Due, error: BaseException | None = None) -> bool:
    """End a run. False when its lease was over and it was given out again: nothing is recorded then.

    After an error the run is repeated before its next period as `connector.backoff` says (but no later
    than one period). A rate limit holds back every run until it is over, the next period and `run_now`
    included. A refused one is not repeated: it waits for its next period or `run_now`.
    """
    rerun_s = hold_s = None
    if isinstance(error, RateLimited):
        hold_s = wait_s(error, due.failures)
    elif error is not None and not is_refusal(error):
        rerun_s = min(float(due.every_s), wait_s(error, due.failures, first_s=15.0, longest_s=3600.0))
    with transaction(engine) as db:
        recorded = db.execute(
            _RECORD,
            {
                "merchant": due.merchant_id,
                "id": due.schedule_id,
                "lease_until": due.lease_until,
                "failed": error is not None,
                "reason": str(error).replace("\x00", "")[:500] if error else "",
                "rerun_s": rerun_s,
                "hold_s": hold_s,
            },
        ).rowcount
    return recorded > 0


_ENSURE = sa.text("""
insert into schedule as s (merchant_id, kind, subject_id, every_s, next_run_at)
values (:merchant, :kind, :subject, :every_s,
        coalesce(cast(:first_at as timestamptz), clock_timestamp()))
    on conflict (merchant_id, kind, subject_id) do update
   set every_s = excluded.every_s,
       next_run_at = case
         when s.every_s = excluded.every_s then s.next_run_at
         else coalesce(cast(:first_at as timestamptz),
                       least(s.next_run_at, clock_timestamp() + excluded.every_s * interval '1 second'))
       end
 where s.every_s <> excluded.every_s
""")

_REMOVE = sa.text(
    "delete from schedule where merchant_id = :merchant and kind = :kind and subject_id = :subject"
)

_RUN_NOW = sa.text("""
update schedule set rerun_at = clock_timestamp()
 where merchant_id = :merchant and kind = :kind and subject_id = :subject
""")

# The condition is the expression of schedule_due_idx.
_DUE = sa.text("""
select merchant_id, kind, subject_id, id from schedule
 where coalesce(lease_until, least(next_run_at, rerun_at)) <= statement_timestamp()
   and kind = any(cast(:kinds as text[]))
 order by coalesce(lease_until, least(next_run_at, rerun_at))
 limit :limit
""")

# A rerun asked for while a run is under way is later than the claim of that run, so it stays; whatever
# was asked before is served by this run.
_CLAIM = sa.text("""
with free as (
  select merchant_id, id from schedule
   where merchant_id = :merchant and id = :id
     and coalesce(lease_until, least(next_run_at, rerun_at)) <= statement_timestamp()
     for update skip locked
)
update schedule s
   set next_run_at = case
         when s.next_run_at > statement_timestamp() then s.next_run_at
         else s.next_run_at + s.every_s * interval '1 second'
              * (floor(extract(epoch from statement_timestamp() - s.next_run_at) / s.every_s) + 1)
       end,
       rerun_at = null,
       lease_until = clock_timestamp() + cast(:lease_s as float8) * interval '1 second'
  from free
 where s.merchant_id = free.merchant_id and s.id = free.id
returning s.merchant_id, s.kind, s.subject_id, s.every_s, s.id, s.failures, s.lease_until
""")

_RENEW = sa.text("""
update schedule set lease_until = clock_timestamp() + cast(:lease_s as float8) * interval '1 second'
 where merchant_id = :merchant and id = :id and lease_until = :lease_until
   and lease_until > clock_timestamp()
returning lease_until
""")

# After a rate limit the lease is kept without a holder: nobody runs it before, and its end is a run.
_RECORD = sa.text("""
update schedule
   set last_error = :reason,
       lease_until = clock_timestamp() + cast(:hold_s as float8) * interval '1 second',
       failures = case when :failed then failures + 1 else 0 end,
       rerun_at = least(rerun_at,
                        clock_timestamp() + cast(:rerun_s as float8) * interval '1 second')
 where merchant_id = :merchant and id = :id and lease_until = :lease_until
""")
