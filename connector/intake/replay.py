"""Reads a kept file again: what it would do today, and, where the merchant wants it, doing it as a new run.

A kept file stays what it was: its stock is of the time it came for, so sales made since are deducted from it and
it cannot pass for fresh. Until the supplier sends its next file, which counts again as always.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connector.intake import archive, held, runs
from connector.intake import runtime as needs
from connector.intake.examine import read_snapshot, read_source
from connector.intake.preview import Preview, preview
from connector.intake.records import Outcome, SourceLock
from connector.intake.runtime import Decide, NotPossible, Runtime
from connector.intake.uploads import safe_name
from connector.ports.suppliers import Feed, FetchMark


@dataclass(frozen=True, slots=True)
class Kept:
    """A past run's file and what stands between it and being applied.

    `newer`: the latest accepted run, where that is a later one whose stock is as new or newer, with its file's
    name and time. `is_refused`: the file was rejected or undone and is not taken by itself. `is_current`: it is
    the very file that counts now. `is_waiting`: this run waits for an answer, which applies it.
    """

    run_id: int
    source_id: int
    source: str
    file_name: str
    as_of: datetime | None
    is_kept: bool
    is_refused: bool = False
    is_current: bool = False
    is_waiting: bool = False
    newer: tuple[int, str, datetime | None] | None = None


def kept(rt: Runtime, merchant_id: int, run_id: int) -> Kept:
    """What is known of a run's file. Raises LookupError for a run that is not this merchant's."""
    with rt.engine.connect() as db:
        run = _run(db, merchant_id, run_id)
        source = read_source(db, merchant_id, run.source_id)
        snapshot = read_snapshot(db, source.place)
        latest = db.execute(
            _LATEST, {"merchant": merchant_id, "source": run.source_id, "run": run_id, "sha256": run.sha256}
        ).one_or_none()
    is_newer = latest is not None and (run.as_of is None or latest.as_of is None or latest.as_of >= run.as_of)
    return Kept(
        run_id,
        run.source_id,
        source.name,
        run.file_name,
        run.as_of,
        is_kept=archive.is_kept(rt.data_dir, run.feed_path),
        is_refused=run.sha256 in snapshot.quarantined,
        is_current=bool(run.sha256) and source.mark.get("sha256") == run.sha256,
        is_waiting=run.status == "held",
        newer=(latest.id, latest.file_name, latest.as_of) if latest is not None and is_newer else None,
    )


def look(rt: Runtime, merchant_id: int, run_id: int, *, deadline_s: float | None = None) -> Preview:
    """What a run's file would do under today's mapping and rules; nothing is written. Raises as `preview` does,
    FileFault where the file is not kept, LookupError."""
    with _unpacked(rt, merchant_id, run_id) as (source_id, feed):
        return preview(rt, merchant_id, source_id, feed=feed, dry_run=True, deadline_s=deadline_s)


def replay(
    rt: Runtime,
    merchant_id: int,
    run_id: int,
    *,
    is_older_meant: bool = False,
    is_refused_meant: bool = False,
    decide: Decide = needs.decide,
) -> Outcome:
    """Read a run's file again as a new run (trigger "replay") and apply what the guard lets through.

    `is_older_meant`: the merchant was told which newer file it replaces and wants it all the same.
    `is_refused_meant`: it was rejected or undone and is to count after all. With either it is not held for being
    old or seen before alone.
    Raises NotPossible where one of them is needed and not said, and where there is nothing to do; FileFault
    where the file is not kept; SourceBusy, LookupError.
    """
    found = kept(rt, merchant_id, run_id)
    _refuse(found, is_older_meant, is_refused_meant)
    with _unpacked(rt, merchant_id, run_id) as (source_id, feed):
        if found.is_refused:
            _lift(rt, merchant_id, source_id, feed.mark.sha256)
        outcome = runs.run(rt, merchant_id, source_id, trigger="replay", feed=feed, decide=decide)
    if (
        is_older_meant
        and outcome.status == "held"
        and _is_held_for_age_alone(rt, merchant_id, outcome.run_id)
    ):
        return held.approve(rt, merchant_id, outcome.run_id, decide=decide)
    return outcome


def _refuse(found: Kept, is_older_meant: bool, is_refused_meant: bool) -> None:
    run = f"The file of run {found.run_id}"
    if found.is_waiting:
        raise NotPossible(f"{run} waits for your answer: approve the run instead.")
    if found.newer is not None and not is_older_meant:
        newer_id, name, at = found.newer
        when = f" of {at:%Y-%m-%d %H:%M} UTC" if at else ""
        raise NotPossible(
            f"{run} is older than what counts now, {name or 'the file'}{when} (run {newer_id}): "
            "say that you mean the older one (--older)."
        )
    if found.is_refused and not is_refused_meant:
        raise NotPossible(f"{run} was rejected or undone: say that it is to count after all (--after-all).")


@contextmanager
def _unpacked(rt: Runtime, merchant_id: int, run_id: int) -> Iterator[tuple[int, Feed]]:
    """The run's file on disk again for a while, as the feed that it was."""
    with rt.engine.connect() as db:
        run = _run(db, merchant_id, run_id)
    directory = archive.directory_of(rt.data_dir, merchant_id, run.source_id)
    with tempfile.TemporaryDirectory(prefix="replay-", dir=directory) as name:
        path = Path(name) / safe_name(run.file_name)
        size_bytes = archive.unpack(rt.data_dir, run.feed_path, run.sha256, path)
        yield run.source_id, Feed(path, path.name, size_bytes, FetchMark(sha256=run.sha256), run.as_of)


def _run(db: sa.Connection, merchant_id: int, run_id: int) -> Any:
    run = db.execute(
        sa.text(
            "select id, source_id, status, sha256, file_name, feed_path, as_of from run"
            " where merchant_id = :merchant and id = :run"
        ),
        {"merchant": merchant_id, "run": run_id},
    ).one_or_none()
    if run is None:
        raise LookupError(f"Merchant {merchant_id} has no run {run_id}.")
    return run


_LATEST = sa.text("""
    select id, file_name, as_of from run
     where merchant_id = :merchant and source_id = :source and id <> :run and sha256 <> :sha256
       and status in ('applied', 'partly_held')
     order by id desc limit 1
""")


def _lift(rt: Runtime, merchant_id: int, source_id: int, sha256: str) -> None:
    """Take a file out of quarantine."""
    with rt.engine.connect() as db, SourceLock(db, merchant_id, source_id), db.begin():
        db.execute(
            sa.text(
                "update snapshot set quarantined = quarantined - cast(:sha256 as text)"
                " where merchant_id = :merchant and source_id = :source"
            ),
            {"merchant": merchant_id, "source": source_id, "sha256": sha256},
        )


def _is_held_for_age_alone(rt: Runtime, merchant_id: int, run_id: int) -> bool:
    with rt.engine.connect() as db:
        shape = db.execute(
            sa.text("select shape from run where merchant_id = :merchant and id = :run"),
            {"merchant": merchant_id, "run": run_id},
        ).scalar_one()
    return [hold["code"] for hold in shape.get("holds", [])] == ["stale_file"]
