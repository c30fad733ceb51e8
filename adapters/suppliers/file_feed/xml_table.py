"""An XML document read as a table, in pieces and with bounded memory.

The parser is expat, from the standard library: it never opens an address, reads no DTD from outside, and
tells of every entity a document declares, so that all of them can be refused; lxml builds trees that must be
cleared behind it and knows no line numbers beyond 65,535.

A record is the outermost element that repeats, or the one named by path. Inside it an element's text is a
column named by its path, as `variant/stock`, an attribute one named `stock/@warehouse`. A child that repeats
gets a number, as `stock[2]`: two warehouses stay two columns. What stands in the elements around a record
(below the root, before the record) belongs to each record in them: `warehouse/@id`.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from xml.parsers import expat

from adapters.suppliers.file_feed import encodings
from adapters.suppliers.file_feed.faults import empty, no_table, truncated, unsupported
from adapters.suppliers.file_feed.json_table import DEEPEST
from adapters.suppliers.file_feed.records import ADAPTER, LONGEST_RECORD_BYTES
from adapters.suppliers.file_feed.spool import Spool, SpooledTable
from connector.ports.errors import FileFault

_LOOK_AT_ELEMENTS = 50_000
_PIECE_BYTES = 1 << 18
_GROUPS_FROM = 50
"""An element that repeats and holds more repeating elements than this, on average, is a group of records
(a warehouse, a category), not a record with details."""
_DECLARED = re.compile(r"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([\w.:-]+)["']""")
_BREAKS_OFF = frozenset(
    {
        expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
        expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
    }
)


class _Enough(Exception):
    """The beginning of the document has told which element is the record."""


def declared_encoding(start: str) -> str:
    """The encoding an XML declaration names, "" when there is none or Python does not know it."""
    found = _DECLARED.match(start)
    if found is not None:
        with suppress(LookupError):
            name = codecs.lookup(found[1]).name
            # A declaration in UTF-16 could not have been read without knowing so.
            return "" if name.startswith(("utf-16", "utf-32")) else name
    return ""


def open_xml(
    path: Path, encoding: encodings.Encoding, used: str, records_path: str, subject: str, max_bytes: int
) -> SpooledTable:
    """The records at `records_path` (names joined by "/", from the root or from any element; empty finds
    them). `RawRow.line` is the line the record begins on.

    Raises FileFault: bad_xml, xml_entities, truncated, no_table, empty, too_large.
    """
    document = _Document(path, encoding, subject)
    wanted = tuple(part for part in records_path.replace(" ", "").split("/") if part)
    place = wanted or _find_records(document)
    with Spool(path.with_name(path.name + ".spool"), subject, max_bytes) as spool:
        _Records(document, place, is_exact=not wanted).into(spool)
        if not len(spool):
            if not wanted:
                raise empty(subject, "It holds no records.")
            raise no_table(
                subject,
                f"It holds no element at {records_path!r}.",
                "Correct the path in the feed's settings, as in products/product, or leave it empty.",
            )
        return spool.table("xml", used)


class _Document:
    """One file and how its faults are told."""

    def __init__(self, path: Path, encoding: encodings.Encoding, subject: str) -> None:
        self.path = path
        self.subject = subject
        self._encoding = encoding

    def parse(self, start: Callable[..., None], end: Callable[..., None], text: Callable[..., None]) -> None:
        """Parse the file with these handlers; they see local names. Raises as `open_xml`."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = 65_536
        parser.ordered_attributes = True
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text
        parser.EntityDeclHandler = self._refuse_entity
        # Without its DTD an entity would be left out silently.
        parser.SkippedEntityHandler = self._refuse_entity
        self.parser = parser
        try:
            for piece in self._pieces():
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except expat.ExpatError as exc:
            if exc.code in _BREAKS_OFF:
                raise truncated(self.subject, "The XML breaks off before its end.") from exc
            raise self.broken(f"line {exc.lineno}: {expat.errors.messages[exc.code]}") from exc
        except _Enough:
            return
        finally:
            # The handlers hold the parser and the parser the handlers.
            parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
            parser.EntityDeclHandler = parser.SkippedEntityHandler = None

    def broken(self, what: str) -> FileFault:
        return FileFault(
            ADAPTER,
            self.subject,
            f"It is not valid XML ({what}).",
            "It is fetched again at the next run; if it stays so, tell the supplier.",
            code="bad_xml",
        )

    def _pieces(self) -> Iterator[bytes]:
        """The file as UTF-8."""
        decoder = None
        if self._encoding.name not in {"utf-8", "ascii"}:
            decoder = codecs.getincrementaldecoder(self._encoding.name)()
        with self.path.open("rb") as file:
            file.seek(self._encoding.offset)
            is_first = True
            while piece := file.read(_PIECE_BYTES):
                if is_first:
                    piece = piece.lstrip()  # a blank line above the declaration is harmless and common
                    is_first = False
                yield decoder.decode(piece).encode("utf-8") if decoder else piece
            if decoder:
                yield decoder.decode(b"", final=True).encode("utf-8")

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise FileFault(
            ADAPTER,
            self.subject,
            f"It declares or uses an entity of its own (“{name[:60]}”), which is never expanded: entities can"
            " read other files or fill the memory.",
            "Ask the supplier for XML without entities.",
            code="xml_entities",
        )


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _find_records(document: _Document) -> tuple[str, ...]:
    """The path of the records, from the root: the outermost element that repeats, and of several the one
    that does so most."""
    counts: Counter[tuple[str, ...]] = Counter()
    repeats: set[tuple[str, ...]] = set()
    has_content: set[tuple[str, ...]] = set()
    above: list[str] = []
    siblings: list[Counter[str]] = []
    seen = 0

    def start(name: str, attributes: list[str]) -> None:
        nonlocal seen
        seen += 1
        if seen > _LOOK_AT_ELEMENTS and repeats:
            raise _Enough
        if len(above) > DEEPEST:
            raise document.broken(f"it is nested more than {DEEPEST} deep")
        if above:
            has_content.add(tuple(above))
        elif _local(name) == "Workbook" and "urn:schemas-microsoft-com:office:spreadsheet" in attributes:
            raise unsupported(
                document.subject,
                "It is a workbook saved as “XML spreadsheet 2003”.",
                "Save it as XLSX or CSV, or ask the supplier to.",
            )
        name = _local(name)
        above.append(name)
        place = tuple(above)
        counts[place] += 1
        if attributes:
            has_content.add(place)
        if siblings:
            siblings[-1][name] += 1
            if siblings[-1][name] == 2:
                repeats.add(place)
        siblings.append(Counter())

    def end(_: str) -> None:
        above.pop()
        siblings.pop()

    document.parse(start, end, lambda _: None)
    able = {place for place in repeats if place in has_content}
    outermost = {place for place in able if not any(place[:at] in able for at in range(1, len(place)))}
    if not outermost:
        # A list of one item repeats nothing.
        single = [place for place in counts if place in has_content and len(place) == 2]
        if len(single) == 1:
            return single[0]
        raise no_table(
            document.subject,
            "No element in it repeats, so that none looks like a record.",
            "Name the path of the records in the feed's settings, as in products/product.",
        )
    best = max(outermost, key=lambda place: counts[place])
    while True:
        inner = [
            place
            for place in able
            if len(place) > len(best)
            and place[: len(best)] == best
            and counts[place] > _GROUPS_FROM * counts[best]
        ]
        if not inner:
            return best
        best = min(inner, key=lambda place: (len(place), -counts[place]))


class _Records:
    """Reads the records at one path into a spool."""

    def __init__(self, document: _Document, place: tuple[str, ...], *, is_exact: bool) -> None:
        self._document = document
        self._place = place
        self._is_exact = is_exact
        self._path: list[str] = []
        self._around: list[dict[str, str]] = []
        """For each open element outside a record what it says itself."""
        self._depth = 0
        """How deep inside a record; 0 outside."""
        self._record: dict[str, str] = {}
        self._names: list[str] = []
        self._seen: dict[str, int] = {}
        """How often each name came in this record."""
        self._is_bare = False
        """Whether the innermost open element has said nothing so far."""
        self._text: list[str] = []
        self._size = 0
        self._line = 0

    def into(self, spool: Spool) -> None:
        """Add every record. Raises as `open_xml`."""
        self._spool = spool
        self._document.parse(self._start, self._end, self._chars)

    def _start(self, name: str, attributes: list[str]) -> None:
        name = _local(name) if ":" in name else name
        if self._depth:
            self._open_child(name)
        else:
            self._path.append(name)
            if len(self._path) > DEEPEST:
                raise self._document.broken(f"it is nested more than {DEEPEST} deep")
            if not self._is_record():
                said = {}
                if len(self._path) > 1:
                    said = {f"{name}/@{key}": value for key, value in _pairs(attributes)}
                self._around.append(said)
                self._text.clear()
                return
            self._depth = 1
            self._line = self._document.parser.CurrentLineNumber
            self._record = {key: value for said in self._around for key, value in said.items()}
            self._names = [""]
            self._seen = {}
            self._text.clear()
            self._size = 0
        if attributes:
            base = self._names[-1]
            self._is_bare = False
            for key, value in _pairs(attributes):
                self._record[f"{base}/@{key}" if base else f"@{key}"] = value

    def _open_child(self, name: str) -> None:
        if self._text:
            self._keep_text()
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._document.broken(f"it is nested more than {DEEPEST} deep")
        base = self._names[-1]
        if base:
            name = f"{base}/{name}"
        count = self._seen.get(name, 0) + 1
        self._seen[name] = count
        self._names.append(name if count == 1 else f"{name}[{count}]")
        self._is_bare = True

    def _end(self, name: str) -> None:
        if not self._depth:
            self._around.pop()
            self._path.pop()
            text = "".join(self._text).strip()
            self._text.clear()
            if text and len(self._path) > 1:
                name = _local(name)
                self._around[-1][f"{self._path[-1]}/{name}"] = text
            return
        if self._text:
            self._keep_text()
        elif self._is_bare:
            # An empty element is a column too, though it says nothing.
            self._record.setdefault(self._names[-1], "")
        self._is_bare = False
        self._names.pop()
        self._depth -= 1
        if not self._depth:
            self._path.pop()
            self._spool.add_record(self._line, self._record)

    def _chars(self, text: str) -> None:
        if not self._text and text.isspace():
            return  # between two elements, or before a text
        self._text.append(text)
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

    def _is_record(self) -> bool:
        if self._is_exact:
            return tuple(self._path) == self._place
        return tuple(self._path[-len(self._place) :]) == self._place


def _pairs(attributes: list[str]) -> Iterator[tuple[str, str]]:
    """The attributes that are data, with local names."""
    for name, value in zip(attributes[::2], attributes[1::2], strict=True):
        if not name.startswith(("xmlns", "xsi:", "xml:")):
            yield _local(name), value.strip()
