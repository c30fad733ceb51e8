"""What leaves of the past: kept files by age and by size, and the rows that explain old runs line by line. Never what
still waits for an answer.

`chosen` decides of files and touches nothing; `tidy` asks the database what is needed and removes the rest.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from connector.settings import Settings

_LEFT_BEHIND = timedelta(days=2)
"""Longer than any run: a directory of a fetch or a preview that is older was left by a killed process."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long files stay: `days`, but the last `accepted` files of each supplier longer; `source_bytes` for one
    supplier and `total_bytes` for all, compressed, take the oldest first and those last files too, except the
    newest accepted one."""

    days: int = 90
    accepted: int = 14
    source_bytes: int = 2_000_000_000
    total_bytes: int = 20_000_000_000

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """What the installation was given (DISPO_FEED_*)."""
        return cls(
            settings.feed_days, settings.feed_accepted, settings.feed_source_bytes, settings.feed_total_bytes
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept file: of which source, its compressed size, and when it last came. `is_needed`: a run that
    waits, was undone or is at work refers to it. `newness` counts the accepted files of its source from the
    newest, 0; None for a file that no accepted run has, or whose supplier is not connected any more."""

    path: Path
    source_id: int
    size_bytes: int
    at: datetime
    is_needed: bool = False
    newness: int | None = None


def chosen(files: Sequence[Kept], policy: Policy, now: datetime) -> list[Kept]:
    """The files that leave, in the order in which they do."""
    gone = [
        file
        for file in files
        if not file.is_needed
        and now - file.at > timedelta(days=policy.days)
        and (file.newness is None or file.newness >= policy.accepted)
    ]
    left: dict[int, list[Kept]] = {}
    for file in _without(files, gone):
        left.setdefault(file.source_id, []).append(file)
    for of_source in left.values():
        gone += _beyond(of_source, policy.source_bytes)
    return gone + _beyond(_without(files, gone), policy.total_bytes)


def _without(files: Iterable[Kept], gone: Iterable[Kept]) -> list[Kept]:
    leaving = {file.path for file in gone}
    return [file for file in files if file.path not in leaving]


def _beyond(files: Iterable[Kept], most_bytes: int) -> list[Kept]:
    """The oldest of these, until the rest has at most `most_bytes`."""
    ordered = sorted(files, key=lambda file: (file.at, file.path))
    over = sum(file.size_bytes for file in ordered) - most_bytes
    gone = []
    for file in ordered:
        if over <= 0:
            break
        if not file.is_needed and file.newness != 0:
            gone.append(file)
            over -= file.size_bytes
    return gone


def tidy(engine: sa.Engine, data_dir: Path, policy: Policy, now: datetime) -> list[Path]:
    """Remove what the policy lets go, the files of merchants and suppliers that were erased, and what killed
    processes left. Returns the files removed. Repeating it does no harm."""
    root = data_dir / "feeds"
    removed: list[Path] = []
    files: list[Kept] = []
    for directory in sorted(root.glob("*/*")):
        if not (directory.parent.name.isdigit() and directory.name.isdigit()):
            continue
        merchant_id, source_id = int(directory.parent.name), int(directory.name)
        _sweep(directory, now)
        known = _known(engine, merchant_id, source_id)
        if known is None:
            removed += sorted(directory.glob("*.gz"))
            shutil.rmtree(directory, ignore_errors=True)
            continue
        files += _files(directory, source_id, known)
    for file in chosen(files, policy, now):
        file.path.unlink(missing_ok=True)
        removed.append(file.path)
    return removed


def tidy_large(
    engine: sa.Engine, data_dir: Path, policy: Policy, now: datetime, *, merchant_id: int, source_id: int
) -> list[Path]:
    """`tidy` at once where this source's files take more than they may: one that sends a large file every few
    seconds would fill the disk before the day is over."""
    directory = data_dir / "feeds" / str(merchant_id) / str(source_id)
    taken = sum(path.stat().st_size for path in directory.glob("*.gz"))
    return tidy(engine, data_dir, policy, now) if taken > policy.source_bytes else []


def forget_rows(engine: sa.Engine, policy: Policy, now: datetime) -> int:
    """Delete the faults and the answered rows of runs as old as files may be, of all merchants; how many. A run
    itself stays, with its counts; one that waits for an answer keeps everything. Works in short transactions: a feed
    with thousands of rows that cannot be read brings as many again with each change."""
    given = {"before": now - timedelta(days=policy.days), "runs": _RUNS_AT_ONCE}
    deleted = 0
    while True:
        with engine.begin() as db:
            merchants, runs = [], []
            for row in db.execute(_OLD, given):
                merchants.append(row.merchant_id)
                runs.append(row.id)
            for statement in (_FAULTS, _ANSWERED):
                deleted += db.execute(statement, {"merchants": merchants, "runs": runs}).rowcount
        if len(runs) < _RUNS_AT_ONCE:
            return deleted


def _files(
    directory: Path, source_id: int, known: dict[str, sa.Row[tuple[datetime, bool, int]]]
) -> list[Kept]:
    found = []
    for path in directory.glob("*.gz"):
        stat = path.stat()
        row = known.get(path.stem)
        at = datetime.fromtimestamp(stat.st_mtime, UTC) if row is None else row.at
        found.append(
            Kept(path, source_id, stat.st_size, at)
            if row is None
            else Kept(path, source_id, stat.st_size, at, row.is_needed, row.newness)
        )
    return found


def _sweep(directory: Path, now: datetime) -> None:
    for path in directory.iterdir():
        is_left = path.is_dir() or path.suffix == ".part"
        if is_left and now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > _LEFT_BEHIND:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _known(
    engine: sa.Engine, merchant_id: int, source_id: int
) -> dict[str, sa.Row[tuple[datetime, bool, int]]] | None:
    """By digest, what the runs of this source say of its files; None when there is no such source."""
    given = {"m": merchant_id, "s": source_id}
    with engine.connect() as db:
        if db.execute(_SOURCE, given).first() is None:
            return None
        return {row.sha256: row for row in db.execute(_RUNS, given)}


_SOURCE = sa.text("select 1 from source where merchant_id = :m and id = :s")
_RUNS = sa.text("""
    select f.sha256, f.at, f.is_needed,
           case when f.accepted is not null and c.status <> 'ended'
                then rank() over (order by f.accepted desc nulls last) - 1 end as newness
      from (select r.merchant_id, r.sha256, max(r.started_at) as at,
                   bool_or(r.status in ('held', 'partly_held', 'undone', 'running')) as is_needed,
                   max(r.id) filter (where r.status in ('applied', 'partly_held')) as accepted
              from run r where r.merchant_id = :m and r.source_id = :s and r.sha256 <> ''
             group by r.merchant_id, r.sha256) f
      join source s on s.merchant_id = f.merchant_id and s.id = :s
      join connection c on c.merchant_id = s.merchant_id and c.id = s.connection_id
""")

_RUNS_AT_ONCE = 50
_OLD = sa.text("""
    select r.merchant_id, r.id from run r
     where r.started_at < :before and r.status not in ('held', 'partly_held', 'running')
       and (exists (select 1 from run_issue i where i.merchant_id = r.merchant_id and i.run_id = r.id)
            or exists (select 1 from held_change h where h.merchant_id = r.merchant_id and h.run_id = r.id))
     limit :runs
""")
_THESE = "select * from unnest(cast(:merchants as bigint[]), cast(:runs as bigint[]))"
_FAULTS = sa.text(f"delete from run_issue where (merchant_id, run_id) in ({_THESE})")  # noqa: S608 - a constant
_ANSWERED = sa.text(f"delete from held_change where (merchant_id, run_id) in ({_THESE})")  # noqa: S608 - a constant
