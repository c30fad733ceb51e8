"""What a file would do, without doing it: for the mapping page, the first connection and a dry run.

Everything happens in a transaction that is rolled back. The guess, the rows and the counts come from the
code that a run uses.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from psycopg.errors import QueryCanceled

from connector.catalog import matching
from connector.intake import archive, staging
from connector.intake.examine import (
    SAMPLE_ROWS,
    SnapshotRow,
    SourceRow,
    examine,
    mapping_for,
    notes_of,
    options_of,
    read_snapshot,
    read_source,
)
from connector.intake.guard import Hold
from connector.intake.mapping import Guess, Mapping, guess
from connector.intake.reading import Issue
from connector.intake.records import SourceLock
from connector.intake.runtime import Runtime
from connector.intake.whatif import NOTHING, Effect, effect
from connector.ports.errors import FileFault
from connector.ports.suppliers import Feed, NotModified, Supplier, Table, TableShape

PREVIEW_ROWS = 20


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One record: its cells, and what was read from them (None, None for a row that is rejected)."""

    line: int
    cells: list[str]
    item_key: str | None
    quantity: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """How many items or listings would change, most dangerous first. `back` leave zero."""

    to_zero: int = 0
    down: int = 0
    back: int = 0
    up: int = 0
    same: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What was found. `mapping` is the one the rows were read under, None when none is sure enough:
    then `problem` says so and only shape, guesses and cells are filled.

    `observed` compares with what was last accepted from this supplier, `stores` the matched listings
    with what their stores say now (this source alone, before buffers and caps). `matched` of `items`
    read have a variant; `rejected` rows cannot be used. `effect` is what the stores would say in the end, decided
    as a run decides; a file that would be held is worked out as if it were approved, held rows as if they were not.
    """

    shape: TableShape
    guesses: list[Guess]
    rows: list[PreviewRow]
    mapping: Mapping | None = None
    problem: str = ""
    total_rows: int = 0
    items: int = 0
    matched: int = 0
    new: int = 0
    missing: int = 0
    rejected: int = 0
    observed: Changes = Changes()
    stores: Changes = Changes()
    holds: tuple[Hold, ...] = ()
    held_rows: int = 0
    effect: Effect = NOTHING
    issues: list[Issue] = field(default_factory=list)

    @property
    def match_rate(self) -> float:
        """The share of items with a variant, 0–1; 0 when there are none."""
        return self.matched / self.items if self.items else 0.0


def preview(
    rt: Runtime,
    merchant_id: int,
    source_id: int,
    *,
    feed: Feed | None = None,
    mapping: MappingOf[str, Any] | None = None,
    dry_run: bool = False,
    deadline_s: float | None = None,
) -> Preview:
    """Fetch (or take `feed`) and report; nothing is written.

    With `mapping` (as stored) the file is read under it instead of the source's own. The whole file is
    read; with `dry_run` only what a run would read now, judged against what is known. After `deadline_s`
    seconds reading ends with a FileFault ("too_slow"), and working out the effect with a part of it. Raises
    PortError as a fetch does, SourceBusy, LookupError.
    """
    directory = archive.directory_of(rt.data_dir, merchant_id, source_id)
    with rt.engine.connect() as db:
        with db.begin():
            source = read_source(db, merchant_id, source_id)
        if mapping is not None:
            source = replace(source, mapping=Mapping.from_json(mapping))
        with SourceLock(db, merchant_id, source_id):
            supplier = rt.supplier(merchant_id, source.connection_id)
            incoming = tempfile.mkdtemp(prefix="preview-", dir=directory)
            try:
                fetched = feed if feed is not None else supplier.fetch(None, Path(incoming))
                if isinstance(fetched, NotModified):
                    raise FileFault(
                        "intake",
                        source.name,
                        "The supplier says nothing changed although it was asked for the whole file.",
                        "Run it once, or upload the file by hand.",
                        code="not_modified",
                    )
                watch = _Watch(source.name, deadline_s)
                return _look(rt, db, source, supplier, fetched, dry_run, watch)
            finally:
                shutil.rmtree(incoming, ignore_errors=True)


class _Watch:
    """Ends a look that takes too long for whoever waits for it."""

    def __init__(self, name: str, deadline_s: float | None) -> None:
        self._name, self._deadline_s, self._began = name, deadline_s, time.monotonic()

    def left_s(self) -> float | None:
        """Seconds that are left, at least one; None without a deadline."""
        if self._deadline_s is None:
            return None
        return max(1.0, self._deadline_s - (time.monotonic() - self._began))

    def __call__(self, stage: str, rows: int) -> None:
        """Told how far reading is."""
        if self._deadline_s is not None and time.monotonic() - self._began > self._deadline_s:
            raise self.fault()

    def bound(self, db: sa.Connection) -> None:
        """Let no single statement of this transaction take longer than the whole look may."""
        if self._deadline_s is not None:
            db.exec_driver_sql(f"set local statement_timeout = {round(self._deadline_s * 1000)}")

    def fault(self) -> FileFault:
        """What whoever waits is told."""
        return FileFault(
            "intake",
            self._name,
            f"Working out what the file would do took longer than {self._deadline_s:.0f} s.",
            "Use dispo sync --dry-run, or dispo runs replay, on the server: they take their time.",
            code="too_slow",
        )


def _look(
    rt: Runtime,
    db: sa.Connection,
    source: SourceRow,
    supplier: Supplier,
    fetched: Feed,
    dry_run: bool,
    watch: _Watch,
) -> Preview:
    table = supplier.open(fetched, options_of(source))
    sample = list(islice(table.rows(), SAMPLE_ROWS))
    guesses = [Guess(name, column, 1.0, "its source says so") for name, column in table.shape.fields]
    if not guesses:
        guesses = guess(table.shape.columns, [row.cells for row in sample], table.shape.item_columns())
    first = sample[:PREVIEW_ROWS]
    try:
        mapping_for(source, table)
    except FileFault as fault:
        cells = [PreviewRow(row.line, row.cells, None, None) for row in first]
        return Preview(
            table.shape,
            guesses,
            cells,
            problem=f"{fault.cause} {fault.remedy}",
            issues=notes_of(table, source.read_options),
        )
    with db.begin() as transaction:
        try:
            watch.bound(db)
            return _compare(rt, db, source, table, fetched, guesses, dry_run, watch)
        except (sa.exc.OperationalError, QueryCanceled) as exc:
            if isinstance(exc, QueryCanceled) or isinstance(exc.orig, QueryCanceled):
                raise watch.fault() from exc
            raise
        finally:
            transaction.rollback()


def _compare(
    rt: Runtime,
    db: sa.Connection,
    source: SourceRow,
    table: Table,
    fetched: Feed,
    guesses: list[Guess],
    dry_run: bool,
    watch: _Watch,
) -> Preview:
    known = read_snapshot(db, source.place)
    # Another version makes every record be read, so that counts and match rate are of the whole file.
    snapshot = known if dry_run else SnapshotRow("", known.rows, quarantined=known.quarantined)
    found = examine(
        db,
        source,
        table,
        snapshot,
        today=rt.clock().date(),
        file_as_of=fetched.as_of,
        tell=watch,
    )
    place = source.place
    matching.match_staged(db, place.merchant_id, place.source_id, "staged_rows", found.mapping.to_json())
    counts = db.exec_driver_sql(
        "select count(*) filter (where state = 0),"
        " count(*) filter (where state = 0 and item_key in (select item_key from matched)),"
        " count(*) filter (where state = 0 and item_key not in (select item_key from known)) from staged_rows"
    ).one()
    read = {
        line: (key, units)
        for line, key, units in db.execute(
            sa.text(
                f"select line, item_key, {staging.units_of('i')} from staged_rows i"  # noqa: S608
                " where state = 0 order by line limit :limit"
            ),
            {**place.given, "limit": PREVIEW_ROWS * 2},
        )
    }
    first = islice(table.rows(), PREVIEW_ROWS)
    observed = _changes(db, "select units_before, units_after from known where state = 0", {})
    stores = _changes(db, _STORES.format(units=staging.units_of("i")), place.given)
    if found.verdict.rows.any() and not found.verdict.file:
        staging.hold_rows(db, found.verdict.rows)
    now = rt.clock()
    decided = effect(
        db,
        place,
        file_as_of=min(fetched.as_of or now, now),
        source_as_of=source.as_of,
        now=now,
        budget_s=watch.left_s(),
    )
    return Preview(
        shape=table.shape,
        guesses=guesses,
        rows=[PreviewRow(row.line, row.cells, *read.get(row.line, (None, None))) for row in first],
        mapping=found.mapping,
        total_rows=found.evidence.rows,
        items=counts[0],
        matched=counts[1],
        new=counts[2],
        missing=found.lost,
        rejected=found.rejected,
        observed=observed,
        stores=stores,
        holds=found.verdict.file,
        held_rows=int(found.verdict.rows.sum()),
        effect=decided,
        issues=found.issues.kept[:PREVIEW_ROWS],
    )


_STORES = """
    select l.believed_available as units_before, coalesce({units}, 0) / m.units_per_variant as units_after
      from staged_rows i
      join matched m on m.item_key = i.item_key
      join listing l on l.merchant_id = :merchant and l.variant_id = m.variant_id
                    and not l.is_excluded and not l.is_gone and l.believed_available is not null
     where i.state = 0
"""


def _changes(db: sa.Connection, pairs: str, given: MappingOf[str, Any]) -> Changes:
    """Count the differences of `pairs`, SQL for (units_before, units_after); unknown counts as zero."""
    row = db.execute(
        sa.text(f"""
            select count(*) filter (where b > 0 and a = 0), count(*) filter (where a < b and a > 0),
                   count(*) filter (where b <= 0 and a > 0), count(*) filter (where a > b and b > 0),
                   count(*) filter (where a = greatest(b, 0))
              from (select coalesce(units_before, 0) as b, coalesce(units_after, 0) as a from ({pairs}) p) n
        """),  # noqa: S608 - constants of this module
        given,
    ).one()
    return Changes(*row)
