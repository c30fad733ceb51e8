"""The supplier port: one transport fetches, one format reads, and neither knows what is done with it.

A feed is read as raw records with a digest each, so that the caller can skip every record it has
already applied and parse only the rest. Cells are text; what they mean is decided in `intake`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class FetchMark:
    """What is remembered of the last accepted fetch, to ask "changed since?".

    `sha256` is the hex digest of the file's bytes. `cursor` is the adapter's own opaque text, given back as
    it was: how far an API's changes were read.
    """

    etag: str = ""
    last_modified: str = ""
    sha256: str = ""
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """A complete file on local disk, ready to read.

    `as_of` is the file's own time where the transport tells it (Last-Modified, mtime), else None.
    `is_unchanged` is True when its bytes equal the mark's digest.
    """

    path: Path
    name: str
    size_bytes: int
    mark: FetchMark
    as_of: datetime | None
    content_type: str = ""
    is_unchanged: bool = False


@dataclass(frozen=True, slots=True)
class NotModified:
    """The supplier said itself that nothing changed (304, same mtime and size)."""


@dataclass(slots=True)
class RawRow:
    """One record. `line` is its 1-based line in the file, `cells` as many as there are columns or
    fewer or more (a fault the caller reports), `digest` the hash of its raw bytes."""

    line: int
    cells: list[str]
    digest: int


@dataclass(frozen=True, slots=True)
class TableNote:
    """Something the merchant should know about a file that is used all the same: where (`line` 0 and
    `column` "" when it concerns the whole file), a stable word and a sentence."""

    line: int
    column: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Nested:
    """Variants that the records list inside them, at `path`: `products` records with `variants` rows, were each
    variant one. `is_expanded`: that is how the table was read. `is_asked`: both readings are possible and nobody
    chose one, so that the table has a row for each product until somebody does."""

    path: str
    products: int
    variants: int
    is_expanded: bool
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class TableShape:
    """How the file was read: stable words for the preview and for the mapping remembered.

    `fields` are pairs (field of `intake.mapping`, column) where the source itself knows what its columns
    mean, as an API does: then nothing is guessed and nobody is asked. Its numbers have "." for decimals and
    its dates are ISO. Empty for files, whose columns mean what their supplier thinks. `notes` are shown with
    the preview and with the run; they never change what is read. `nested` is None where records list no variants.
    """

    format: str
    encoding: str
    delimiter: str
    header_line: int
    columns: tuple[str, ...]
    notes: tuple[TableNote, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    nested: Nested | None = None

    @property
    def has_names(self) -> bool:
        """Whether the source names its columns, in a header or in each record: then their order says nothing."""
        if self.header_line > 0 or self.fields:
            return True
        return any(name != f"column {number}" for number, name in enumerate(self.columns, 1))

    def item_columns(self) -> frozenset[int] | None:
        """The places of the columns that name a row's item: where each variant is a row its own, and not its
        product's; None where it may be any."""
        if self.nested is None or not self.nested.is_expanded:
            return None
        path = self.nested.path
        return frozenset(
            place
            for place, name in enumerate(self.columns)
            if name.startswith(path) and name[len(path) : len(path) + 1] in ("", ".", "/")
        )


class Table(Protocol):
    """A feed opened for reading. May be read several times."""

    shape: TableShape

    def digests(self) -> Digests:
        """The digest of every data record in file order, without parsing it."""

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """Records in file order; with `known` (sorted ascending) only those whose digest is not in it."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the merchant fixed; empty means "detect". `records_path` is a dotted path in JSON and one with slashes in
    XML, `variants_path` such a path inside a record: each variant there is a row ("-": each record is one; "": each
    variant where only variants can be items, else each record, see `Nested`), `sheet` the name of a workbook's
    sheet, `member` a pattern for the names of the files in an archive ("stock*.csv")."""

    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    records_path: str = ""
    variants_path: str = ""
    header_line: int = 0
    sheet: str = ""
    member: str = ""


class Supplier(Protocol):
    """One supplier connection. Construction does no network; each method may raise a `PortError`."""

    def check(self) -> str:
        """Reach the source without downloading all of it; a sentence on what was found."""

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """Bring the whole file into `directory`, or say that it did not change.

        Raises FileFault when what arrived is not the whole file or is too large (never a partial
        Feed), Unauthorized, NotFound, Misconfigured or Retryable.
        """

    def open(self, feed: Feed, options: ReadOptions) -> Table:
        """Detect encoding, delimiter and header; raises FileFault (html_page, empty, no_table,
        bad_encoding, bad_json) rather than guess."""


@runtime_checkable
class Paces(Protocol):
    """A supplier whose platform allows a reading only so often, less than it is scheduled."""

    def early_s(self) -> float:
        """Seconds until there is room for a whole reading, 0 where there is, or nothing is known of it. Asked
        before a reading of the schedule, which is then left for its next time; no network, never raises."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is known of a supplier's files before the first one came: `columns` field of `intake.mapping` →
    column, `words` stock word → units."""

    columns: Mapping[str, str]
    words: Mapping[str, int] = field(default_factory=dict)


@runtime_checkable
class Proposes(Protocol):
    """A supplier that may know what its files' columns mean, as the exports of a hub. The merchant may correct
    it like any mapping."""

    def proposal(self) -> Proposal | None:
        """What the mapping begins with; None where the columns are guessed from the first file. No network."""
