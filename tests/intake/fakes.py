"""A supplier in memory and an installation around it, for tests of intake alone."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import xxhash

from connector.ports.errors import FileFault, PortError
from connector.ports.suppliers import Digests, Feed, FetchMark, NotModified, RawRow, ReadOptions, TableShape
from tests.support import ManualClock


class FakeTable:
    """A comma-separated text with one record a line."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        self._lines = lines[1:]
        columns = tuple(next(csv.reader([lines[0]])))
        self.shape = TableShape("csv", "utf-8", ",", 1, columns)
        self.parsed = 0

    def digests(self) -> Digests:
        return np.array([xxhash.xxh3_64_intdigest(line.encode()) for line in self._lines], dtype=np.uint64)

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        skip = set() if known is None else set(known.tolist())
        for number, line in enumerate(self._lines, 2):
            digest = xxhash.xxh3_64_intdigest(line.encode())
            if digest not in skip:
                self.parsed += 1
                yield RawRow(number, next(csv.reader(io.StringIO(line))), digest)


@dataclass
class FakeSupplier:
    """Serves `text`; `fails` is raised instead of a fetch, `says_unchanged` answers a conditional one."""

    text: str = ""
    as_of: datetime | None = None
    fails: Exception | None = None
    says_unchanged: bool = False
    marks: list[FetchMark | None] = field(default_factory=list)
    tables: list[FakeTable] = field(default_factory=list)

    def check(self) -> str:
        return "It answers."

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        self.marks.append(mark)
        if self.fails is not None:
            raise self.fails
        if self.says_unchanged and mark is not None:
            return NotModified()
        path = directory / "stock.csv"
        path.write_text(self.text, encoding="utf-8")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return Feed(
            path=path,
            name="stock.csv",
            size_bytes=path.stat().st_size,
            mark=FetchMark(etag=sha256[:8], sha256=sha256),
            as_of=self.as_of,
            is_unchanged=mark is not None and mark.sha256 == sha256,
        )

    def open(self, feed: Feed, options: ReadOptions) -> FakeTable:
        text = feed.path.read_text(encoding="utf-8")
        if text.lstrip().startswith("<"):
            raise FileFault("fake", feed.name, "It is a web page.", "Check the address.", code="html_page")
        self.tables.append(FakeTable(text))
        return self.tables[-1]


@dataclass
class FakeRuntime:
    """The installation as intake sees it, with one supplier per connection."""

    engine: sa.Engine
    data_dir: Path
    manual_clock: ManualClock
    suppliers: dict[int, Any] = field(default_factory=dict)

    def clock(self) -> datetime:
        return self.manual_clock.now()

    def supplier(self, merchant_id: int, connection_id: int) -> Any:
        found = self.suppliers[connection_id]
        if isinstance(found, PortError):
            raise found
        return found
