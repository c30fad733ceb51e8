"""Concurrent changers and slow workers in processes of their own: the store's last number is the truth.

Two guards carry this:
- one claimer per (merchant, topic, connection), by the lease of the turn;
- one claimed message per subject, by the second partial unique index and the claims that skip subjects
  already claimed.

With only the first index (one pending message per subject) a change that arrives during a slow call is
pushed by a second worker at the same time; whichever answers last wins, and that may be the older number.
The second case takes the first guard away and must still hold. With both taken away (the index dropped and
`not exists` removed from the claim) 8 of 8 runs let older numbers overwrite newer ones, 1 to 14 times.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa

from connector.db import make_engine, transaction
from tests.outbox import racers

CONNECTIONS, SUBJECTS = 2, 4


def race(context: Any, url: str, *, is_leased: bool, changes: int = 60) -> tuple[int, int]:
    """Run the race; how many subjects end with a wrong number, and how often a newer number in the store
    was overwritten by an older one on the way."""
    engine = make_engine(url, pool_size=1)
    with transaction(engine) as db:
        db.execute(sa.text(racers.TABLES))
        for table in ("race_truth", "race_store"):
            db.execute(
                sa.text(
                    f"insert into {table} select c, s::text, 0 from generate_series(0, :c - 1) c, "
                    "generate_series(0, :s - 1) s"
                ),
                {"c": CONNECTIONS, "s": SUBJECTS},
            )
    stop = context.Event()
    workers = [context.Process(target=racers.work, args=(url, n, is_leased, stop)) for n in range(4)]
    changers = [
        context.Process(target=racers.change, args=(url, 100 + n, CONNECTIONS, SUBJECTS, changes))
        for n in range(2)
    ]
    for process in workers + changers:
        process.start()
    try:
        for process in changers:
            process.join(60)
        assert [process.exitcode for process in changers] == [0, 0]
        deadline = time.monotonic() + 30
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            while db.execute(
                sa.text("select count(*) from outbox_message where settled_at is null")
            ).scalar_one():
                assert time.monotonic() < deadline, "the workers did not come to an end"
                time.sleep(0.05)
        stop.set()
        for process in workers:
            process.join(20)
        assert [process.exitcode for process in workers] == [0, 0, 0, 0]
        with engine.connect() as db:
            changed = db.execute(sa.text("select sum(value) from race_truth")).scalar_one()
            assert changed >= 2 * changes
            row = db.execute(
                sa.text(
                    "select count(*) filter (where t.value <> s.value), sum(s.fallen_back) "
                    "from race_truth t join race_store s using (connection_id, subject)"
                )
            ).one()
    finally:
        for process in workers + changers:
            process.kill()
            process.join()
        engine.dispose()
    return row[0], row[1]


@pytest.mark.parametrize(
    "is_leased",
    [
        pytest.param(True, id="both-guards"),
        pytest.param(False, id="only-one-claimed-message-per-subject"),
    ],
)
def test_the_last_number_in_the_store_is_the_last_truth(
    processes: Any, fresh_database_url: str, is_leased: bool
) -> None:
    assert race(processes, fresh_database_url, is_leased=is_leased) == (0, 0)
