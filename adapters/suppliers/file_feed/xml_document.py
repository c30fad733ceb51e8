"""An XML document read in pieces, and which of its elements are the records.

The parser is expat, from the standard library: it never opens an address, reads no DTD from outside, and
tells of every entity a document declares, so that all of them can be refused; lxml builds trees that must be
cleared behind it and knows no line numbers beyond 65,535.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from adapters.suppliers.file_feed import encodings
from adapters.suppliers.file_feed.faults import no_table, truncated, unsupported
from adapters.suppliers.file_feed.json_table import DEEPEST
from adapters.suppliers.file_feed.object_table import LOOK_AT_RECORDS
from adapters.suppliers.file_feed.records import ADAPTER
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


class Enough(Exception):
    """Raised by a handler that has seen what it wanted of the document."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the records are: the names of the elements on the way, from the root where `is_exact`, else from any
    element."""

    names: tuple[str, ...]
    is_exact: bool

    def is_record(self, path: list[str]) -> bool:
        """Whether the element at `path` (names from the root) is a record."""
        return tuple(path if self.is_exact else path[-len(self.names) :]) == self.names


def declared_encoding(start: str) -> str:
    """The encoding an XML declaration names, "" when there is none or Python does not know it."""
    found = _DECLARED.match(start)
    if found is not None:
        with suppress(LookupError):
            name = codecs.lookup(found[1]).name
            # A declaration in UTF-16 could not have been read without knowing so.
            return "" if name.startswith(("utf-16", "utf-32")) else name
    return ""


class Document:
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
        except Enough:
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


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition(":")[2]


def pairs(attributes: list[str]) -> Iterator[tuple[str, str]]:
    """The attributes that are data, with local names."""
    for name, value in zip(attributes[::2], attributes[1::2], strict=True):
        if not name.startswith(("xmlns", "xsi:", "xml:")):
            yield local(name), value.strip()


def find_records(document: Document) -> tuple[str, ...]:
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
            raise Enough
        if len(above) > DEEPEST:
            raise document.broken(f"it is nested more than {DEEPEST} deep")
        if above:
            has_content.add(tuple(above))
        elif local(name) == "Workbook" and "urn:schemas-microsoft-com:office:spreadsheet" in attributes:
            raise unsupported(
                document.subject,
                "It is a workbook saved as “XML spreadsheet 2003”.",
                "Save it as XLSX or CSV, or ask the supplier to.",
            )
        name = local(name)
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


def first_records(document: Document, place: Place) -> list[dict[str, Any]]:
    """The first records as dictionaries: a child by its name, as a text or a dictionary with its attributes (as
    "@name") and children; one that repeats in any of them is a list in all."""
    found: list[dict[str, Any]] = []
    path: list[str] = []
    opened: list[dict[str, Any]] = []
    lists: set[tuple[str, ...]] = set()

    def start(name: str, attributes: list[str]) -> None:
        path.append(local(name))
        if not opened and not place.is_record(path):
            return
        if len(path) > 2 * DEEPEST:
            raise document.broken(f"it is nested more than {DEEPEST} deep")
        said: dict[str, Any] = {f"@{key}": value for key, value in pairs(attributes)}
        if opened:
            # An element is gathered in a list first: only the end tells whether it repeats.
            opened[-1].setdefault(path[-1], []).append(said)
        opened.append(said)

    def end(_: str) -> None:
        if opened:
            said = opened.pop()
            within = tuple(path[len(path) - len(opened) :])
            lists.update(
                (*within, name) for name, value in said.items() if type(value) is list and len(value) > 1
            )
            if not opened:
                found.append(said)
                if len(found) == LOOK_AT_RECORDS:
                    raise Enough
        path.pop()

    def chars(text: str) -> None:
        if opened and not text.isspace():
            opened[-1]["#"] = opened[-1].get("#", "") + text[:100]

    document.parse(start, end, chars)
    return [_plain(record, (), lists) for record in found]


def _plain(said: dict[str, Any], at: tuple[str, ...], lists: set[tuple[str, ...]]) -> Any:
    """`said` with lists only where a child repeats; a text alone for an element that has nothing else."""
    if at and not said.keys() - {"#"}:
        return said.get("#", "").strip()
    plain: dict[str, Any] = {}
    for name, value in said.items():
        if not isinstance(value, list):
            plain[name] = value
            continue
        inner = [_plain(one, (*at, name), lists) for one in value]
        plain[name] = inner if (*at, name) in lists else inner[0]
    return plain
