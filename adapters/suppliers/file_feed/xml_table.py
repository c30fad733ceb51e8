"""An XML document read as a table, in pieces and with bounded memory.

A record is the outermost element that repeats, or the one named by path. Inside it an element's text is a
column named by its path, as `variant/stock`, an attribute one named `stock/@warehouse`. A child that repeats
gets a number, as `stock[2]`: two warehouses stay two columns. What stands in the elements around a record
(below the root, before the record) belongs to each record in them: `warehouse/@id`. Where a record lists variants
each of them may become a record of its own (see `variants`), whose columns keep their path without a number.
"""

from __future__ import annotations

from pathlib import Path

from adapters.suppliers.file_feed import encodings
from adapters.suppliers.file_feed.faults import empty, no_table
from adapters.suppliers.file_feed.json_table import DEEPEST
from adapters.suppliers.file_feed.object_table import require_variants
from adapters.suppliers.file_feed.records import LONGEST_RECORD_BYTES
from adapters.suppliers.file_feed.spool import Spool, SpooledTable
from adapters.suppliers.file_feed.variants import Reading, find, reading_of
from adapters.suppliers.file_feed.xml_document import (
    Document,
    Place,
    find_records,
    first_records,
    local,
    pairs,
)
from connector.ports.suppliers import ReadOptions


def open_xml(
    path: Path, encoding: encodings.Encoding, used: str, options: ReadOptions, subject: str, max_bytes: int
) -> SpooledTable:
    """The records at `options.records_path` (names joined by "/", from the root or from any element; empty finds
    them), of which `options.variants_path` may make their variants rows (see `ReadOptions`). `RawRow.line` is the
    line the record, or the variant, begins on.

    Raises FileFault: bad_xml, xml_entities, truncated, no_table, empty, too_large.
    """
    document = Document(path, encoding, subject)
    wanted = tuple(part for part in options.records_path.replace(" ", "").split("/") if part)
    place = Place(wanted or find_records(document), is_exact=not wanted)
    reading = reading_of(
        find(first_records(document, place), "/"), "/".join(options.variants_path.replace(" ", "").split("."))
    )
    with Spool(path.with_name(path.name + ".spool"), subject, max_bytes) as spool:
        found = _Records(document, place, reading)
        found.into(spool)
        if not len(spool):
            if not wanted:
                raise empty(subject, "It holds no records.")
            raise no_table(
                subject,
                f"It holds no element at {options.records_path!r}.",
                "Correct the path in the feed's settings, as in products/product, or leave it empty.",
            )
        require_variants(
            reading.path if reading.is_expanded else "", "/", spool.columns, found.products, subject
        )
        return spool.table(
            "xml",
            used,
            notes=reading.notes(found.products, len(spool)),
            nested=reading.nested(found.products, found.listed),
        )


class _Records:
    """Reads the records at one path into a spool."""

    def __init__(self, document: Document, place: Place, reading: Reading) -> None:
        self._document = document
        self._place = place
        self._reading = reading
        self.products = 0
        self.listed = 0
        """Rows, were each variant one."""
        self._path: list[str] = []
        self._around: list[dict[str, str]] = []
        """For each open element outside a record what it says itself."""
        self._depth = 0
        """How deep inside a record; 0 outside."""
        self._record: dict[str, str] = {}
        self._names: list[str] = []
        """The columns of the elements that are open in the record."""
        self._plain: list[str] = []
        """Their paths without numbers."""
        self._seen: dict[str, int] = {}
        """How often each name came in this record."""
        self._is_bare = False
        """Whether the innermost open element has said nothing so far."""
        self._text: list[str] = []
        self._size = 0
        self._line = 0
        self._product: tuple[dict[str, str], dict[str, int], int] | None = None
        """What is set aside while a variant is read: the product's record, counts, and the variant's depth."""
        self._variant_line = 0
        self._variants: list[tuple[int, dict[str, str]]] = []
        self._met = 0
        """Variants of this record so far."""

    def into(self, spool: Spool) -> None:
        """Add every record. Raises as `open_xml`."""
        self._spool = spool
        self._document.parse(self._start, self._end, self._chars)

    def _start(self, name: str, attributes: list[str]) -> None:
        name = local(name) if ":" in name else name
        if self._depth:
            self._open_child(name)
        else:
            self._path.append(name)
            if len(self._path) > DEEPEST:
                raise self._document.broken(f"it is nested more than {DEEPEST} deep")
            if not self._place.is_record(self._path):
                said = {}
                if len(self._path) > 1:
                    said = {f"{name}/@{key}": value for key, value in pairs(attributes)}
                self._around.append(said)
                self._text.clear()
                return
            self._depth = 1
            self._line = self._document.parser.CurrentLineNumber
            self._record = {key: value for said in self._around for key, value in said.items()}
            self._names, self._plain = [""], [""]
            self._seen = {}
            self._met = 0
            self._text.clear()
            self._size = 0
        if attributes:
            base = self._names[-1]
            self._is_bare = False
            for key, value in pairs(attributes):
                self._record[f"{base}/@{key}" if base else f"@{key}"] = value
                self._grow(value)

    def _open_child(self, name: str) -> None:
        if self._text:
            self._keep_text()
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._document.broken(f"it is nested more than {DEEPEST} deep")
        base, plain = self._names[-1], self._plain[-1]
        self._plain.append(f"{plain}/{name}" if plain else name)
        self._is_bare = True
        if self._plain[-1] == self._reading.path:
            self._met += 1
            if self._reading.is_expanded:
                self._open_variant()
                return
        if base:
            name = f"{base}/{name}"
        count = self._seen.get(name, 0) + 1
        self._seen[name] = count
        self._names.append(name if count == 1 else f"{name}[{count}]")

    def _open_variant(self) -> None:
        """What comes until its end is the variant's alone; each begins with the same columns."""
        self._product = self._record, self._seen, self._depth
        self._record, self._seen = {}, {}
        self._variant_line = self._document.parser.CurrentLineNumber
        self._names.append(self._reading.path)

    def _end(self, name: str) -> None:
        if not self._depth:
            self._around.pop()
            self._path.pop()
            text = "".join(self._text).strip()
            self._text.clear()
            if text and len(self._path) > 1:
                name = local(name)
                self._around[-1][f"{self._path[-1]}/{name}"] = text
            return
        if self._text:
            self._keep_text()
        elif self._is_bare:
            # An empty element is a column too, though it says nothing.
            self._record.setdefault(self._names[-1], "")
        self._is_bare = False
        self._names.pop()
        self._plain.pop()
        if self._product is not None and self._product[2] == self._depth:
            self._variants.append((self._variant_line, self._record))
            self._record, self._seen, _ = self._product
            self._product = None
        self._depth -= 1
        if not self._depth:
            self._path.pop()
            self._keep()

    def _keep(self) -> None:
        """Add the record, or one for each of its variants with what stands before and behind them."""
        self.products += 1
        self.listed += max(1, self._met)
        if not self._variants:
            self._spool.add_record(self._line, self._record)
            return
        for line, variant in self._variants:
            self._spool.add_record(line, {**self._record, **variant})
        self._variants.clear()

    def _chars(self, text: str) -> None:
        if not self._text and text.isspace():
            return  # between two elements, or before a text
        self._text.append(text)
        self._grow(text)

    def _grow(self, text: str) -> None:
        self._size += len(text)
        if self._depth and self._size > LONGEST_RECORD_BYTES:
            raise no_table(
                self._document.subject,
                f"The record on line {self._line} has more than {LONGEST_RECORD_BYTES:,} characters.",
                "Name the path of the records in the feed's settings, as in products/product.",
            )

    def _keep_text(self) -> None:
        """Put the text read so far into the column of the innermost open element."""
        text = "".join(self._text).strip()
        self._text.clear()
        if text:
            name = self._names[-1] or "text"
            before = self._record.get(name, "")
            self._record[name] = f"{before} {text}" if before else text
