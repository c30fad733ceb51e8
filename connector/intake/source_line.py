"""The record of a supplier's file that a number came from, read out of the kept file: bounded in size and time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from connector.intake import archive
from connector.intake.examine import options_of, read_source
from connector.intake.runtime import Runtime
from connector.intake.uploads import safe_name
from connector.ports.errors import FileFault, PortError
from connector.ports.suppliers import Feed, FetchMark, RawRow, Table

MOST_BYTES = 200_000_000
DEADLINE_S = 6.0
MOST_SOURCES = 5


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Where a variant's observation came from. `cells` go with `columns`; empty where the record cannot be
    shown, and `problem` says why: "not_kept", "too_large", "too_slow", "not_found", or a file's fault."""

    source: str
    item_key: str
    run_id: int
    file_name: str
    received_at: datetime
    line: int
    columns: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    problem: str = ""


def source_lines(
    rt: Runtime, merchant_id: int, variant_id: int, *, deadline_s: float = DEADLINE_S
) -> list[SourceLine]:
    """The records behind this variant, one for each of its suppliers' items (five at most)."""
    end = time.monotonic() + deadline_s
    with rt.engine.connect() as db:
        rows = db.execute(_ITEMS, {"m": merchant_id, "v": variant_id, "n": MOST_SOURCES}).all()
    return [_line(rt, merchant_id, row, end) for row in rows]


_ITEMS = sa.text("""
    select s.id as source_id, s.name as source, o.item_key, o.run_id, o.line, o.line_digest, r.file_name,
           r.started_at, r.feed_path, r.sha256, r.size_bytes
      from supplier_item i
      join source s on s.merchant_id = i.merchant_id and s.id = i.source_id
      join observation o on o.merchant_id = i.merchant_id and o.source_id = i.source_id
                        and o.item_key = i.item_key
      join run r on r.merchant_id = o.merchant_id and r.id = o.run_id
     where i.merchant_id = :m and i.variant_id = :v order by i.source_id, i.item_key limit :n
""")


def _line(rt: Runtime, merchant_id: int, row: Any, end: float) -> SourceLine:
    try:
        columns, cells = _read(rt, merchant_id, row, end)
        problem = "" if cells else "not_found"
    except PortError as error:
        columns, cells = (), ()
        problem = error.code if isinstance(error, FileFault) else type(error).__name__
    return SourceLine(
        row.source, row.item_key, row.run_id, row.file_name, row.started_at, row.line, columns, cells, problem
    )


def _read(rt: Runtime, merchant_id: int, row: Any, end: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if row.size_bytes > MOST_BYTES:
        raise _stop("too_large")
    with rt.engine.connect() as db:
        source = read_source(db, merchant_id, row.source_id)
    with tempfile.TemporaryDirectory(prefix="dispo-line-") as name:
        path = Path(name) / safe_name(row.file_name)
        size_bytes = archive.unpack(rt.data_dir, row.feed_path, row.sha256, path)
        feed = Feed(path, path.name, size_bytes, FetchMark(sha256=row.sha256), None)
        table = rt.supplier(merchant_id, source.connection_id).open(feed, options_of(source))
        found = _record(table, row.line, row.line_digest, end)
        return tuple(table.shape.columns), tuple(found.cells) if found else ()


def _record(table: Table, line: int, digest: int, end: float) -> RawRow | None:
    """The record with this digest; without one, that of the line. Only the wanted record is parsed where its
    digest is known."""
    others = None
    if digest:
        digests = table.digests()
        _in_time(end)
        wanted = np.array([digest], dtype=np.int64).view(np.uint64)[0]
        others = np.sort(digests[digests != wanted])
    for number, row in enumerate(table.rows(others)):
        if digest or row.line == line:
            return row
        if row.line > line:
            break
        if number % 10_000 == 0:
            _in_time(end)
    return None


def _in_time(end: float) -> None:
    if time.monotonic() > end:
        raise _stop("too_slow")


def _stop(code: str) -> FileFault:
    return FileFault(
        "intake",
        "the kept file",
        "It is too large to look one line up in.",
        "Download the file from its run.",
        code=code,
    )


def in_pairs(line: SourceLine) -> Sequence[tuple[str, str]]:
    """The record as (column, cell), cells without a column under ""."""
    named = list(zip(line.columns, line.cells, strict=False))
    return named + [("", cell) for cell in line.cells[len(named) :]]
