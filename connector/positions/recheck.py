"""Positions whose answer changes by time alone: a date that passed, a source that grew stale."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from connector.db import transaction
from connector.positions import outages
from connector.positions.decide import CHUNK, Cause, decide
from connector.positions.lateness import learn_when_due
from connector.positions.promises import settle_due


def recheck(engine: sa.Engine, merchant_id: int, *, now: datetime) -> int:
    """Decide every position of this merchant whose `recheck_at` has come. Returns how many changed. First it
    is noted which suppliers went out of service or came back, so that backups take over and hand back. Promises
    whose day has passed are settled, and once a day lateness is learnt anew."""
    with transaction(engine) as db:
        outages.look(db, merchant_id, now=now)
        settle_due(db, merchant_id, now=now)
    learn_when_due(engine, merchant_id, now=now)
    changed = after = 0
    while True:
        with engine.connect() as db:
            ids = list(
                db.execute(
                    sa.text("""
                        select variant_id from position
                         where merchant_id = :m and recheck_at <= :now and variant_id > :after
                         order by variant_id limit :n
                    """),
                    {"m": merchant_id, "now": now, "after": after, "n": CHUNK},
                ).scalars()
            )
        if not ids:
            return changed
        changed += decide(engine, merchant_id, ids, now=now, cause=Cause("time")).changed
        # What did not move on although its time had come, because nothing is known of it, was asked now: without this
        # it would be at each look from here on. Its next file, or whoever asks again, has it decided.
        with transaction(engine) as db:
            db.execute(_ASKED, {"m": merchant_id, "now": now, "ids": ids})
        after = ids[-1]


def decide_all(engine: sa.Engine, merchant_id: int, *, now: datetime, cause: Cause) -> int:
    """Decide every variant of this merchant again, as after a change of its rules. Returns how many
    changed. Works in chunks by id: repeating it after a kill costs time and nothing else."""
    changed = after = 0
    while True:
        with engine.connect() as db:
            ids = list(
                db.execute(
                    sa.text("""
                        select variant_id from position
                         where merchant_id = :m and variant_id > :after order by variant_id limit :n
                    """),
                    {"m": merchant_id, "after": after, "n": CHUNK},
                ).scalars()
            )
        if not ids:
            return changed
        changed += decide(engine, merchant_id, ids, now=now, cause=cause).changed
        after = ids[-1]


_ASKED = sa.text("""
    update position set recheck_at = null
     where merchant_id = :m and variant_id in (
           select variant_id from position
            where merchant_id = :m and variant_id = any(:ids) and recheck_at <= :now
            order by variant_id for update)
""")
