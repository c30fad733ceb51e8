"""Reads a fetched file against what is known and judges it: the part that a run and a preview share.

Works inside the caller's transaction and leaves its findings in temporary tables (see `staging`); it
writes no permanent row.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import numpy as np
import sqlalchemy as sa

from connector.intake import row_choice, staging
from connector.intake.guard import Evidence, Limits, Verdict, judge
from connector.intake.history import Entry, content_of, entry_of, garbled_before, learn, seen_on
from connector.intake.item_bands import let_pass
from connector.intake.learning import allowed_of, notes, read_history, tail_of
from connector.intake.mapping import Mapping, guess, mapping_from
from connector.intake.reading import Issue, Issues, RowReader
from connector.intake.scores import READ_FIELDS
from connector.intake.signs import moves_of
from connector.intake.staging import NO_DIGESTS, Known, Place, distinct, is_in
from connector.ports.errors import FileFault
from connector.ports.suppliers import Digests, ReadOptions, Table

READER = "2"
"""Rises when the same bytes would be read as something else: then every record is read again."""

SAMPLE_ROWS = 200

UNREADABLE = (
    "unknown_quantity",
    "ambiguous_number",
    "number_format",
    "bad_number",
    "negative_quantity",
    "absurd_quantity",
    "column_count",
)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """The source of a run, as it stood when the run began."""

    place: Place
    connection_id: int
    name: str
    as_of: datetime | None
    confirms_unchanged: bool
    missing_policy: str
    missing_after: int
    mapping: Mapping
    read_options: MappingOf[str, Any]
    mark: MappingOf[str, Any]
    allowed: MappingOf[str, float] = field(default_factory=dict)

    def reading(self, mapping: Mapping | None = None) -> str:
        """Names the settings a file is read under: other settings read the same file again."""
        return _digest([READER, (mapping or self.mapping).to_json(), dict(self.read_options)])


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """What was applied of this source so far. `rows` is None before the first accepted file."""

    version: str = ""
    rows: int | None = None
    digests: Digests = field(default_factory=lambda: NO_DIGESTS)
    quarantined: frozenset[str] = frozenset()


@dataclass(slots=True)
class Examined:
    """What a file would do. `mapping` is the one it was read under, signs and orders learnt included.

    `entry` is what is remembered of the run once it is accepted, `limits` what it was judged by. `currencies` are
    those that the records read name their costs in.
    All digests are sorted: of the `file`, those applied before (`old`), those read now from usable
    records (`read`, None where several became one) and from records left out on purpose (`skipped`)."""

    mapping: Mapping
    version: str
    file: Digests
    old: Digests
    read: Digests | None
    skipped: Digests
    known: Known
    evidence: Evidence
    verdict: Verdict
    issues: Issues
    rejected: int
    lost: int
    entry: Entry
    limits: Limits
    currencies: frozenset[str] = frozenset()


def read_source(db: sa.Connection, merchant_id: int, source_id: int) -> SourceRow:
    """The source; raises LookupError when this merchant has none of that id."""
    row = db.execute(
        sa.text("select * from source where merchant_id = :merchant and id = :source"),
        {"merchant": merchant_id, "source": source_id},
    ).one_or_none()
    if row is None:
        raise LookupError(f"Merchant {merchant_id} has no source {source_id}.")
    return SourceRow(
        place=Place(merchant_id, source_id, row.in_stock_units),
        connection_id=row.connection_id,
        name=row.name,
        as_of=row.as_of,
        confirms_unchanged=row.confirms_unchanged,
        missing_policy=row.missing_policy,
        missing_after=row.missing_after,
        mapping=Mapping.from_json(row.mapping),
        read_options=row.read_options,
        mark=row.mark,
        allowed=allowed_of(row.allowed),
    )


def read_snapshot(db: sa.Connection, place: Place) -> SnapshotRow:
    """The snapshot of a source, empty when nothing was accepted yet."""
    with staging.driver(db).cursor(binary=True) as cursor:
        cursor.execute(
            "select version, row_count, digests, quarantined from snapshot"
            " where merchant_id = %s and source_id = %s",
            (place.merchant_id, place.source_id),
        )
        row = cursor.fetchone()
    if row is None:
        return SnapshotRow()
    digests = np.frombuffer(row[2], dtype="<u8").astype(np.uint64, copy=False)
    return SnapshotRow(row[0], row[1] if row[0] else None, digests, frozenset(row[3]))


def mapping_for(source: SourceRow, table: Table) -> Mapping:
    """The mapping that the table itself knows, else the source's, else a sure guess. Raises FileFault:
    rows_unclear, mapping_needed, missing_column."""
    row_choice.require(table.shape, source.name)
    mapping = source.mapping
    columns = table.shape.columns
    if table.shape.fields:
        mapping = _told(mapping, table)
    elif not mapping.columns:
        sample = [row.cells for row in islice(table.rows(), SAMPLE_ROWS)]
        guessed = mapping_from(guess(columns, sample, table.shape.item_columns()))
        if guessed is None:
            raise FileFault(
                "intake",
                source.name,
                f"The columns ({', '.join(columns[:12])}) do not tell which is the item and which the quantity.",
                "Open the supplier's mapping and choose them once.",
                code="mapping_needed",
            )
        mapping = Mapping.from_json({**mapping.to_json(), "columns": dict(guessed.columns)})
    if not mapping.key_field or "quantity" not in mapping.columns:
        raise FileFault(
            "intake",
            source.name,
            "The mapping names no item column or no quantity column.",
            "Open the supplier's mapping and choose both.",
            code="mapping_needed",
        )
    # The other fields only tell the merchant what the rest of his file is: their columns may go.
    absent = [name for name in mapping.columns if name in READ_FIELDS and mapping.place(name, columns) == -1]
    if absent:
        names = ", ".join(f"“{mapping.columns[name]}” ({name})" for name in absent)
        raise FileFault(
            "intake",
            source.name,
            f"The file has no column {names}; it has {', '.join(columns[:12])}.",
            "Ask the supplier, or correct the mapping if the column was renamed.",
            code="missing_column",
        )
    return mapping


def _told(mapping: Mapping, table: Table) -> Mapping:
    """The mapping of a source that knows itself what its columns mean; the merchant's other choices stay."""
    signs = {"quantity": ".", "cost": "."}
    return Mapping.from_json(
        {**mapping.to_json(), "columns": dict(table.shape.fields), "decimal": signs, "date_order": "ymd"}
    )


def notes_of(table: Table, read_options: MappingOf[str, Any]) -> list[Issue]:
    """What the file as a whole makes worth knowing (a sheet left out, codes that lost their zeros)."""
    found = (*table.shape.notes, *row_choice.notes(table.shape, read_options))
    return [Issue(note.line, note.column, note.code, note.reason, [], is_note=True) for note in found]


def version_of(source: SourceRow, mapping: Mapping, table: Table) -> str:
    """Names hash, settings and shape that digests belong to."""
    shape = table.shape
    parts = [
        READER,
        mapping.to_json(),
        dict(source.read_options),
        shape.format,
        shape.encoding,
        shape.delimiter,
    ]
    return _digest([*parts, list(shape.columns)])


def options_of(source: SourceRow) -> ReadOptions:
    """What the merchant fixed about reading this source's files."""
    return row_choice.options_of(source.read_options, is_mapped=bool(source.mapping.columns))


def examine(
    db: sa.Connection,
    source: SourceRow,
    table: Table,
    snapshot: SnapshotRow,
    *,
    today: date,
    file_as_of: datetime | None,
    tell: Callable[[str, int], None],
    at: datetime | None = None,
) -> Examined:
    """Read what is new in the file, compare it with the observations and judge it.

    `tell(stage, rows)` is called as it goes on; `at` is the moment of the run. Raises FileFault for a file that
    cannot be read under the mapping, or has no rows.
    """
    mapping = mapping_for(source, table)
    tell("compare", 0)
    in_order = table.digests()
    if not len(in_order):
        raise FileFault(
            "intake", source.name, "The file has no rows.", "Yesterday's stock is kept.", code="empty"
        )
    file = np.sort(in_order)
    is_same_reading = snapshot.version == version_of(source, mapping, table)
    old = snapshot.digests if is_same_reading else NO_DIGESTS
    tell("read", 0)
    reader, mapping = _read(db, table, mapping, old, today, tell)
    place = source.place
    for line, key in staging.refuse_quarantined(db, snapshot.quarantined):
        reader.issues.add(
            Issue(line, "", "rejected_before", f"You rejected this row of “{key}” in an earlier run.", [key])
        )
    staging.compare(db, place)
    known = staging.read_known(db)
    twins = distinct(np.sort(known.digest_before[_is_twin(known, file)]))
    if len(twins):
        # The other line of these items did not change, so it was not read: read it too.
        staging.load(db, table, reader, file[~is_in(file, twins)], lambda rows: tell("read", rows))
    issues = reader.issues
    issues.begin_with(notes_of(table, source.read_options))
    read: Digests | None = _sorted(reader.digests)
    items = len(distinct(_sorted(reader.key_hashes)))
    duplicates = 0
    if len(twins) or items < len(reader.key_hashes):
        found, duplicates = staging.resolve_duplicates(
            db, mapping.duplicate_policy, mapping.columns[mapping.key_field]
        )
        for issue, lines in found:
            issues.add(issue, lines)
        staging.compare(db, place)
        known = staging.read_known(db)
        read = None
    tell("guard", len(in_order))
    gone = None
    if is_same_reading:
        gone = old[~is_in(old, file)]
        gone = gone[~is_in(gone, np.sort(known.digest_before))]
    lost = staging.find_missing(db, place, gone)
    to_zero = staging.mark_missing_to_zero(db, source.missing_policy, source.missing_after)
    last = source.mark.get("file_as_of")
    at = at or datetime.combine(today, datetime.min.time(), UTC)
    history = read_history(db, place.merchant_id, place.source_id)
    limits = learn(history, at, snapshot.rows)
    content = content_of(file)
    new = max(0, items - len(known.before))
    is_first = snapshot.rows is None
    evidence = staging.evidence(
        db,
        place,
        known,
        Evidence(
            rows=len(in_order),
            rows_before=snapshot.rows,
            before=known.before,
            after=np.where(known.is_usable, known.after, known.before),
            unreadable=sum(issues.faults[code] for code in UNREADABLE),
            lost=lost,
            missing_to_zero=to_zero,
            file_as_of=file_as_of,
            last_file_as_of=datetime.fromisoformat(last) if last else None,
            new=new,
            tail=0 if is_first else tail_of(db, place, lost, len(in_order), limits.tail_items),
            read=reader.rows,
            fractions=issues.notes["fraction_floored"],
            duplicates=duplicates,
            garbled=reader.garbled,
            garbled_before=garbled_before(history),
            ends_short=reader.ends_short and reader.last_digest == int(in_order[-1]),
            content=content,
            seen_on=seen_on(history, content),
            columns=table.shape.columns,
            columns_before=history[-1].columns if history else (),
            has_header=table.shape.has_names,
        ),
        limits.zero_items,
    )
    verdict = judge(evidence, limits, source.allowed)
    waits, passed = let_pass(db, place, verdict)
    verdict = replace(verdict, rows=waits)
    issues.begin_with([*notes(evidence, verdict), *passed])
    return Examined(
        mapping=mapping,
        version=version_of(source, mapping, table),
        file=file,
        old=old,
        read=read,
        skipped=_sorted(reader.skipped),
        known=known,
        evidence=evidence,
        verdict=verdict,
        issues=issues,
        rejected=issues.faults.total(),
        lost=lost,
        entry=entry_of(evidence, moves_of(evidence.before, evidence.after), at),
        limits=limits,
        currencies=frozenset(reader.currencies),
    )


def _read(
    db: sa.Connection,
    table: Table,
    mapping: Mapping,
    old: Digests,
    today: date,
    tell: Callable[[str, int], None],
) -> tuple[RowReader, Mapping]:
    """Read into `staged_rows`; once more when only the end of the file told how its numbers are written."""
    for _ in range(3):
        reader = RowReader(mapping, table.shape.columns, today)
        staging.create(db)
        staging.load(db, table, reader, old, lambda rows: tell("read", rows))
        learnt = reader.learnt()
        if learnt is None:
            break
        mapping = learnt
    return reader, mapping


def _sorted(signed: array[int]) -> Digests:
    return np.sort(np.array(signed, dtype=np.int64).view(np.uint64))


def _is_twin(known: Known, file: Digests) -> Any:
    return (
        (known.digest_before != known.digest) & (known.digest_before != 0) & is_in(known.digest_before, file)
    )


def _digest(parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return f"{READER}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
