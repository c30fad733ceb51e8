"""One look at a supplier, from fetch to committed decisions.

fetch → unchanged? → read what is new → guard → write observations → match → decide. Everything a file
says is written in one transaction, so a run that is killed has either done nothing (run it again) or
only has variants left to decide, which the next run does first. Whatever fails, yesterday's stock stays.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping as MappingOf
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connector.db import transaction
from connector.intake import apply, archive, incoming, interrupted, pins, row_choice, staging
from connector.intake import runtime as needs
from connector.intake.examine import (
    Examined,
    SnapshotRow,
    SourceRow,
    examine,
    options_of,
    read_snapshot,
    read_source,
)
from connector.intake.mapping import Mapping
from connector.intake.records import (
    Outcome,
    Progress,
    SourceLock,
    fail_run,
    open_run,
    outcome_of,
    update_run,
)
from connector.intake.runtime import Cause, Decide, Runtime
from connector.ports.errors import FileFault
from connector.ports.suppliers import Feed, FetchMark, NotModified, Table
from connector.positions.facts import variants_with_open_deductions
from connector.positions.price_news import tell_prices


def run(
    rt: Runtime,
    merchant_id: int,
    source_id: int,
    *,
    trigger: str,
    run_id: int | None = None,
    feed: Feed | None = None,
    decide: Decide = needs.decide,
) -> Outcome:
    """Read one source once and commit what follows; returns how the run ended.

    `feed` is a file that came by itself (upload, push) instead of a fetch. `run_id` takes up a run row
    that exists. A FileFault ends the run as "failed" and is not raised; another PortError is recorded the
    same way and raised, for the schedule to decide when to try again. Raises SourceBusy when another run
    of this source is at work, LookupError for an unknown source.
    """
    with rt.engine.connect() as db:
        with db.begin():
            read_source(db, merchant_id, source_id)
        with SourceLock(db, merchant_id, source_id):
            interrupted.finish(rt, db, merchant_id, source_id, run_id, decide=decide)
            started_at = rt.clock()
            if run_id is not None and outcome_of(rt.engine, merchant_id, run_id).status != "running":
                return outcome_of(rt.engine, merchant_id, run_id)
            run_id = open_run(
                rt.engine, merchant_id, source_id, trigger=trigger, now=started_at, run_id=run_id
            )
            try:
                _Work(rt, db, merchant_id, source_id, run_id, started_at, decide, trigger).do(feed)
            except FileFault as fault:
                fail_run(rt.engine, merchant_id, run_id, rt.clock(), fault)
            except BaseException as error:
                # Nothing is swallowed: the run row must not say "running" for ever, then it surfaces.
                fail_run(rt.engine, merchant_id, run_id, rt.clock(), error)
                raise
            else:
                if feed is None:
                    incoming.follow(rt, merchant_id, source_id, run_id)
        return outcome_of(rt.engine, merchant_id, run_id)


class _Work:
    """One run at work; `db` holds the source's lock and carries the one writing transaction."""

    def __init__(
        self,
        rt: Runtime,
        db: sa.Connection,
        merchant_id: int,
        source_id: int,
        run_id: int,
        started_at: datetime,
        decide: Decide,
        trigger: str,
    ) -> None:
        self.rt, self.db, self.decide = rt, db, decide
        # A kept file that is read again proves nothing about the stock of now.
        self.is_replay = trigger == "replay"
        self.merchant_id, self.source_id, self.run_id = merchant_id, source_id, run_id
        self.started_at = started_at
        self.tell = Progress(rt.engine, merchant_id, run_id)
        self.directory = archive.directory_of(rt.data_dir, merchant_id, source_id)

    def do(self, feed: Feed | None) -> None:
        with self.db.begin():
            source = read_source(self.db, self.merchant_id, self.source_id)
            snapshot = read_snapshot(self.db, source.place)
        supplier = self.rt.supplier(self.merchant_id, source.connection_id)
        inbox = archive.incoming(self.directory, self.run_id)
        try:
            fetched = feed if feed is not None else supplier.fetch(_mark(source), inbox)
            if feed is None:
                pins.remember(self.rt.engine, self.merchant_id, source.connection_id, supplier)
            if isinstance(fetched, NotModified):
                return self._unchanged(source)
            self._note_file(fetched)
            if fetched.mark.sha256 in snapshot.quarantined:
                return self._end(
                    "rejected", "quarantined", "This very file was rejected or undone: it is not taken again."
                )
            if self._is_same(source, fetched):
                return self._unchanged(source, fetched.mark.cursor)
            waiting = self._waiting(fetched.mark.sha256)
            if waiting is not None:
                return self._end(
                    "unchanged", "waiting", f"The same file as run {waiting}, which waits for your answer."
                )
            table = supplier.open(fetched, options_of(source))
            keeping = archive.Keeping(fetched.path, self.directory, fetched.mark.sha256)
            try:
                self._take(source, snapshot, fetched, table)
            finally:
                self._tell_kept(keeping.end())
        finally:
            shutil.rmtree(inbox, ignore_errors=True)
        return None

    def _tell_kept(self, problem: str) -> None:
        """That the file itself could not be kept is shown with the run; the stock does not wait for it."""
        if problem:
            with transaction(self.rt.engine) as db:
                update_run(db, self.merchant_id, self.run_id, feed_path="", shape={"not_kept": problem})

    def _is_same(self, source: SourceRow, fetched: Feed) -> bool:
        if source.mark.get("reading") != source.reading():
            return False
        return fetched.is_unchanged or fetched.mark.sha256 == source.mark.get("sha256")

    def _waiting(self, sha256: str) -> int | None:
        """The run that holds the same file, if any."""
        with self.db.begin():
            found: int | None = self.db.execute(
                sa.text(
                    "select max(id) from run where merchant_id = :merchant and source_id = :source"
                    " and status = 'held' and sha256 = :sha256"
                ),
                {"merchant": self.merchant_id, "source": self.source_id, "sha256": sha256},
            ).scalar_one()
        return found

    def _note_file(self, fetched: Feed) -> None:
        path = self.directory / archive.name_of(fetched.mark.sha256)
        with transaction(self.rt.engine) as db:
            update_run(
                db,
                self.merchant_id,
                self.run_id,
                sha256=fetched.mark.sha256,
                file_name=fetched.name,
                size_bytes=fetched.size_bytes,
                feed_path=str(path.relative_to(self.rt.data_dir)),
                as_of=self._as_of(fetched),
                shape={"mark": asdict(fetched.mark), "file_as_of": _iso(fetched.as_of)},
            )

    def _as_of(self, fetched: Feed) -> datetime:
        """The file's own time, but never the future: a supplier's clock may run ahead."""
        return min(fetched.as_of, self.started_at) if fetched.as_of else self.started_at

    def _unchanged(self, source: SourceRow, cursor: str = "") -> None:
        """Nothing new. `as_of` moves only where such an answer confirms the stock; how far the changes were
        read (`cursor`) is remembered, so that they need not be read from there again."""
        affected: set[int] = set()
        with self.db.begin():
            if cursor and cursor != source.mark.get("cursor"):
                self.db.execute(
                    sa.text(
                        "update source set mark = mark || jsonb_build_object('cursor', cast(:cursor as text))"
                        " where merchant_id = :merchant and id = :source"
                    ),
                    {**source.place.given, "cursor": cursor},
                )
            if source.confirms_unchanged and not self.is_replay:
                affected.update(variants_with_open_deductions(self.db, self.merchant_id, self.source_id))
                self.db.execute(
                    sa.text(
                        "update source set as_of = greatest(as_of, cast(:at as timestamptz))"
                        " where merchant_id = :merchant and id = :source"
                    ),
                    {**source.place.given, "at": self.started_at},
                )
            if not affected:
                self._close(self.db, "unchanged")
            else:
                update_run(self.db, self.merchant_id, self.run_id, stage="decide")
        if affected:
            self._decide(affected, "unchanged")

    def _take(self, source: SourceRow, snapshot: SnapshotRow, fetched: Feed, table: Table) -> None:
        source = replace(source, read_options=row_choice.settled(source.read_options, table.shape.nested))
        with self.db.begin():
            found = examine(
                self.db,
                source,
                table,
                snapshot,
                today=self.started_at.date(),
                file_as_of=fetched.as_of,
                tell=self.tell,
                at=self.started_at,
            )
            self.tell("write", found.evidence.rows)
            apply.write_issues(self.db, self.merchant_id, self.run_id, found.issues)
            shape = {
                **asdict(table.shape),
                "mapping": found.mapping.to_json(),
                "learnt": found.entry.to_json(),
            }
            if found.verdict.file:
                self._hold_file(source, found, shape)
                return
            affected, status = self._apply(source, snapshot, found, fetched, shape)
        self._decide(affected, status)

    def _hold_file(self, source: SourceRow, found: Examined, shape: MappingOf[str, Any]) -> None:
        waiting = apply.write_held(self.db, source.place, self.run_id, found.verdict.file)
        holds = [asdict(hold) for hold in found.verdict.file]
        self._close(
            self.db,
            "held",
            error_code=found.verdict.file[0].code,
            error=" ".join(hold.sentence for hold in found.verdict.file),
            rows_read=found.evidence.rows,
            rows_missing=found.lost,
            rows_rejected=found.rejected,
            rows_held=waiting,
            shape={
                **shape,
                "holds": holds,
                "version": found.version,
                "currencies": sorted(found.currencies),
                "is_whole": found.evidence.read == found.evidence.rows,
            },
        )

    def _apply(
        self,
        source: SourceRow,
        snapshot: SnapshotRow,
        found: Examined,
        fetched: Feed,
        shape: MappingOf[str, Any],
    ) -> tuple[set[int], str]:
        db, place = self.db, source.place
        held = 0
        if found.verdict.rows.any():
            staging.hold_rows(db, found.verdict.rows)
        affected = set(variants_with_open_deductions(db, self.merchant_id, self.source_id))
        apply.supersede(db, place, self.run_id)
        if found.verdict.rows.any():
            held = apply.write_held(db, place, self.run_id, (), found.verdict.row_reason)
        written = apply.write_observations(db, place, self.run_id, source.as_of)
        affected |= written.variant_ids
        is_whole = found.evidence.read == found.evidence.rows
        currency_before = apply.currency_of(db, place)
        affected |= apply.keep_currency(db, place, found.currencies, is_whole=is_whole)
        # What the merchant chose while the file was read stays, and this very file is read again under it: the mark
        # names the reading that it was taken under.
        kept = db.execute(_MAPPING, place.given).scalar_one()
        is_same = Mapping.from_json(kept) == source.mapping
        db.execute(
            sa.text(
                "update source set as_of = :as_of, mark = cast(:mark as jsonb), mapping = cast(:mapping as jsonb)"
                " where merchant_id = :merchant and id = :source"
            ),
            {
                **place.given,
                "as_of": self._as_of(fetched),
                "mark": json.dumps(
                    {
                        **asdict(fetched.mark),
                        "file_as_of": _iso(fetched.as_of),
                        "reading": source.reading(found.mapping),
                    }
                ),
                "mapping": json.dumps(found.mapping.to_json() if is_same else kept),
            },
        )
        row_choice.keep(db, place.merchant_id, place.source_id, source.read_options)
        if source.as_of is not None and self._as_of(fetched) < source.as_of:
            # An older file: what was sold since it was made is not in its numbers, and counts again.
            affected.update(variants_with_open_deductions(db, self.merchant_id, self.source_id))
        affected |= apply.match_new(db, place)
        apply.learn_lateness(db, place, self.run_id, self.started_at)
        digests = apply.next_snapshot(
            found.file, found.old, apply.applied_digests(db, found.read), found.skipped
        )
        apply.write_snapshot(db, place, found.version, found.evidence.rows, digests)
        apply.forget_absent(db, place, snapshot.quarantined, found.file)
        status = "partly_held" if held else "applied"
        if written.changed or written.new:
            tell_prices(db, self.merchant_id, self.run_id)
        update_run(
            db,
            self.merchant_id,
            self.run_id,
            stage="decide",
            rows_read=found.evidence.rows,
            rows_changed=written.changed,
            rows_new=written.new,
            rows_missing=found.lost,
            rows_rejected=found.rejected,
            rows_held=held,
            shape={
                **shape,
                "version": found.version,
                "ends_as": status,
                "as_of_before": _iso(source.as_of),
                "currency_before": currency_before,
            },
        )
        return affected, status

    def _decide(self, variant_ids: set[int], status: str) -> None:
        decided = self.decide(
            self.rt.engine,
            self.merchant_id,
            sorted(variant_ids),
            now=self.rt.clock(),
            cause=Cause(kind="run", run_id=self.run_id),
        )
        with transaction(self.rt.engine) as db:
            self._close(db, status, variants_decided=decided.decided, variants_changed=decided.changed)

    def _end(self, status: str, code: str, sentence: str) -> None:
        with transaction(self.rt.engine) as db:
            self._close(db, status, error_code=code, error=sentence)

    def _close(self, db: sa.Connection, status: str, **values: Any) -> None:
        values = {"stage": "done", "finished_at": self.rt.clock(), **values}
        update_run(db, self.merchant_id, self.run_id, status=status, **values)


_MAPPING = sa.text("select mapping from source where merchant_id = :merchant and id = :source for update")


def _mark(source: SourceRow) -> FetchMark | None:
    """What to ask "changed since?" with; None when the file must come whole, because it is to be read
    under other settings than last time or nothing was accepted yet."""
    if not source.mark.get("sha256") or source.mark.get("reading") != source.reading():
        return None
    return FetchMark(*(source.mark.get(name, "") for name in ("etag", "last_modified", "sha256", "cursor")))


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


__all__ = ["Outcome", "run"]
