"""The outbox's hot paths on an embedded PostgreSQL: enqueue, find turns, claim, settle.

`python -m benchmarks.outbox` prints one JSON line per measure, the best of several runs, in seconds; `aim`
is the highest ratio to the reference. The references do the bare work in the same table, so that a busy
machine slows both: for the enqueue a plain insert of the same rows, for serving one statement that closes
as many messages, for the backlog the same question without it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from connector.db import make_engine, migrate, transaction
from connector.embedded import start_postgres
from connector.outbox.messages import Claim, Done, Intent, Turn, claim, due_turns, enqueue, finish, settle

MERCHANTS, BACKLOG, CHUNK, BATCH = 10_000, 100_000, 10_000, 500

_PLAIN = sa.text("""
insert into outbox_message (merchant_id, topic, connection_id, subject, lane, group_key, enqueued_at, due_at)
select 3, 'push', 1, s, 1 + n % 5, 'p' || n / 3, now(), now()
  from unnest(cast(:subjects as text[])) with ordinality as i(s, n)
""")

_CLOSE = sa.text("""
update outbox_message set status = 'done', settled_at = now()
 where merchant_id = 3 and id in (select id from outbox_message where merchant_id = 3 and status = 'pending'
                                   order by id limit :n)
""")


def main() -> int:
    """Measure and print."""
    with (
        tempfile.TemporaryDirectory(prefix="dispo-outbox-") as directory,
        start_postgres(Path(directory)) as server,
    ):
        migrate(server.url)
        engine = make_engine(server.url)
        lines = measure(engine)
        engine.dispose()
    for line in lines:
        print(json.dumps(line))
    return 0


def measure(engine: sa.Engine) -> list[dict[str, object]]:
    """The lines, in seconds, on a migrated and empty database."""
    _many_turns(engine)
    turns = _best(5, partial(_find, engine))
    plain, new, joined = [], [], []
    for n in range(BACKLOG // CHUNK):
        subjects = [str(s) for s in range(n * CHUNK, (n + 1) * CHUNK)]
        intents = [Intent("push", s, 1, 1 + i % 5, f"p{i // 3}") for i, s in enumerate(subjects, 1)]
        plain.append(_best(1, partial(_plain, engine, subjects)))
        new.append(_best(1, partial(_enqueue, engine, intents)))
        joined.append(_best(1, partial(_enqueue, engine, intents)))
    backlog = _best(5, partial(_find, engine))
    closed = _best(10, partial(_close, engine))
    served = _best(10, partial(_serve, engine))
    return [
        _line("outbox_enqueue_new", min(new), min(plain), aim=2.0, intents=CHUNK),
        _line("outbox_enqueue_pending", min(joined), min(plain), aim=1.2, intents=CHUNK),
        _line("outbox_due_turns", backlog, turns, aim=1.5, turns=MERCHANTS, pending=BACKLOG),
        _line("outbox_serve", served, closed, aim=6.0, messages=BATCH, pending=BACKLOG),
    ]


def _line(name: str, value: float, reference: float, *, aim: float, **detail: int) -> dict[str, object]:
    ratio = value / reference
    return {
        "name": name,
        "value": round(value, 4),
        "unit": "s",
        "reference": round(reference, 4),
        "ratio": round(ratio, 2),
        "aim": aim,
        "ok": ratio <= aim,
        **detail,
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _best(times: int, work: Callable[[], object]) -> float:
    return min(_seconds(work) for _ in range(times))


def _many_turns(engine: sa.Engine) -> None:
    with transaction(engine) as db:
        for table, columns, values in (
            ("outbox_turn", "served_at, next_try_at", "now(), now()"),
            ("outbox_message", "subject, enqueued_at, due_at", "'a', now(), now()"),
        ):
            db.execute(
                sa.text(
                    f"insert into {table} (merchant_id, topic, connection_id, {columns}) "
                    f"select m, 'push', m, {values} from generate_series(10, :n + 9) m"
                ),
                {"n": MERCHANTS},
            )


def _find(engine: sa.Engine) -> list[Turn]:
    with transaction(engine) as db:
        return due_turns(db, ["push", "badge"], 50)


def _plain(engine: sa.Engine, subjects: list[str]) -> None:
    with transaction(engine) as db:
        db.execute(_PLAIN, {"subjects": subjects})


def _close(engine: sa.Engine) -> None:
    with transaction(engine) as db:
        db.execute(_CLOSE, {"n": BATCH})


def _enqueue(engine: sa.Engine, intents: list[Intent]) -> int:
    with transaction(engine) as db:
        return enqueue(db, 1, intents)


def _serve(engine: sa.Engine) -> Claim:
    claimed = claim(engine, Turn(1, "push", 1), BATCH)
    if claimed is None:
        raise RuntimeError("The backlog is gone.")
    with transaction(engine) as db:
        settle(db, claimed, {message.id: Done() for message in claimed.messages})
    finish(engine, claimed)
    return claimed


if __name__ == "__main__":
    sys.exit(main())
