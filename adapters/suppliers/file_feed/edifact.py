"""EDIFACT INVRPT (inventory report), syntax 1 to 4, D.93A and later: interchanges → items.

Separators are those of UNA or the usual ones; the release character makes the next one plain. Messages and
interchanges are checked against the counts and references of their trailers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from adapters.suppliers.file_feed.edi_items import LONGEST_SEGMENT, Item, Items, Reader, bad, iso_date

CODES: Mapping[str, str] = {
    **dict.fromkeys(("BP", "IN", "BJ"), "sku"),
    **dict.fromkeys(("SA", "VN", "VP", "SN"), "supplier_sku"),
    **dict.fromkeys(("EN", "SRV", "UP", "GB", "IB"), "gtin"),
    **dict.fromkeys(("MF", "MP"), "mpn"),
}
"""Item number type (7143) → column: BP and IN are the buyer's, SA the supplier's."""

STOCK: Mapping[str, str] = {
    "145": "actual stock",
    "17": "on hand",
    "198": "quantity on hand",
}
"""QTY (6063) that may be sold, the most careful first."""

_RESTOCK = ("44", "67", "17", "132", "2", "63")
"""DTM (2005) that tell when there is stock: availability, scheduled, estimated delivery and arrival, requested."""
_DATES = {"101": 6, "102": 8, "203": 12, "204": 14}


@dataclass(slots=True)
class _Marks:
    component: str = ":"
    element: str = "+"
    release: str = "?"
    end: str = "'"


Segment = list[list[str]]


class Edifact(Reader):
    """Reads INVRPT messages and passes over others."""

    name = "EDIFACT INVRPT"
    stock_codes = STOCK

    def items(self, text: Iterator[str]) -> Iterator[Item]:
        """See `Reader.items`."""
        interchange: Segment = []
        opened: Segment = []
        messages = groups = segments = 0
        reader: _Report | None = None
        for number, one in self._segments(text):
            tag = one[0][0]
            segments += 1
            if tag == "UNB":
                self.require(
                    not interchange, f"Segment {number}: an interchange begins before the last one ended"
                )
                interchange, messages, groups = one, 0, 0
            elif tag == "UNG":
                groups += 1
            elif tag == "UNH":
                self.require(not opened, f"Segment {number}: a message begins before the last one ended")
                opened, segments = one, 1
                messages += 1
                kind = _at(one, 2)
                if kind == "INVRPT":
                    self.reports += 1
                    reader = _Report()
                else:
                    self.others.add(f"EDIFACT {kind}")
            elif tag == "UNT":
                self.require(
                    bool(opened) and _number(one, 1) == segments and _at(one, 2) == _at(opened, 1),
                    f"Segment {number}: the message {_at(opened, 1)} should have {_at(one, 1)} segments and has"
                    f" {segments}",
                )
                if reader is not None:
                    yield from reader.last()
                opened, reader = [], None
            elif tag == "UNZ":
                count = groups or messages
                self.require(
                    bool(interchange)
                    and not opened
                    and _number(one, 1) == count
                    and _at(one, 2) == _at(interchange, 5),
                    f"Segment {number}: the interchange {_at(interchange, 5)} should have {_at(one, 1)} messages and"
                    f" has {count}",
                )
                interchange = []
            elif reader is not None:
                yield from reader.take(number, one)
        self.require(
            not (interchange or opened), "It ends without the trailer of its last message or interchange"
        )

    def _segments(self, text: Iterator[str]) -> Iterator[tuple[int, Segment]]:
        """Every segment as (number from 1, elements, each a list of components)."""
        number, rest = 0, ""
        marks = _Marks()
        is_first = True
        for piece in text:
            rest += piece
            while True:
                rest = rest.lstrip()
                if "UNA".startswith(rest[:3]) and len(rest) < 9:
                    break  # too short to tell
                if is_first and rest.startswith("UNA"):
                    # Component, element, decimal mark, release, reserved, terminator.
                    marks = _Marks(rest[3], rest[4], rest[6].strip(), rest[8])
                    rest = rest[9:].lstrip()
                is_first = False
                cut, is_over = self._cut(rest, marks)
                block, rest = rest[:cut], rest[cut:]
                for raw in _split(block, marks.end, marks.release):
                    bare = raw.strip("\r\n \t")
                    if bare:
                        number += 1
                        yield number, _elements(bare, marks)
                if not is_over:
                    break
                # The next interchange may bring marks of its own.
                is_first, marks = True, _Marks()
            if len(rest) > LONGEST_SEGMENT:
                raise bad(self.subject, f"Segment {number + 1} has no end.")
        self.require(not rest.strip("\x1a\0 \r\n\t"), f"It ends in the middle of segment {number + 1}")

    def _cut(self, text: str, marks: _Marks) -> tuple[int, bool]:
        """Up to where `text` is whole segments of one interchange, and whether that ends there."""
        over = re.search(
            rf"(?:\A|{re.escape(marks.end)})\s*UNZ{re.escape(marks.element)}[^{re.escape(marks.end)}]*"
            rf"{re.escape(marks.end)}",
            text,
        )
        if over is not None:
            return over.end(), True
        at = text.rfind(marks.end)
        while at > 0 and marks.release and _is_released(text, at, marks.release):
            at = text.rfind(marks.end, 0, at)
        return at + 1, False


class _Report(Items):
    """The items of one INVRPT."""

    def __init__(self) -> None:
        super().__init__(STOCK, _RESTOCK)

    def take(self, number: int, one: Segment) -> Iterator[Item]:
        """Read one segment; the item that it completes, if any."""
        tag, item = one[0][0], self.item
        if tag == "LIN":
            yield from self.last()
            _add_code(self.begin(number), one[3] if len(one) > 3 else [])
        elif tag == "LOC" or (tag == "NAD" and item is None and _at(one, 1) in {"WH", "GY", "LSP"}):
            self.place(_at(one, 2))
        elif item is None:
            return
        elif tag == "PIA":
            for code in one[2:]:
                _add_code(item, code)
        elif tag == "QTY":
            parts = one[1] if len(one) > 1 else []
            self.quantity(item, _part(parts, 0), _part(parts, 1), _part(parts, 2))
        elif tag == "DTM":
            parts = one[1] if len(one) > 1 else []
            self.date(item, _part(parts, 0), _day(_part(parts, 1), _part(parts, 2)))
        elif tag == "IMD" and len(one) > 3:
            if title := " ".join(filter(None, one[3][3:5])):
                item.common.setdefault("title", title)
        elif tag == "PRI":
            parts = one[1] if len(one) > 1 else []
            if value := _part(parts, 1):
                kind = _part(parts, 0)
                item.common.setdefault("cost" if kind in {"AAA", "AAB"} else f"price_{kind}", value)


def _add_code(item: Item, parts: list[str]) -> None:
    code, qualifier = _part(parts, 0), _part(parts, 1)
    if code:
        item.common.setdefault(CODES.get(qualifier, f"code_{qualifier}"), code)


def _day(text: str, form: str) -> str:
    """A date in the format DTM names: 102 and its kin are days, 616 a week, 610 a month."""
    if form == "616" and len(text) == 6:
        return f"{text[:4]}-W{text[4:]}"
    if form == "610" and len(text) == 6:
        return f"{text[:4]}-{text[4:]}"
    return iso_date(text) if _DATES.get(form or "102") == len(text) else text


def _is_released(text: str, at: int, release: str) -> bool:
    """Whether an odd number of release characters stands before position `at`."""
    before = at
    while before and text[before - 1] == release:
        before -= 1
    return (at - before) % 2 == 1


def _split(text: str, mark: str, release: str) -> list[str]:
    """Split at `mark` where no release character stands before it; they are left in.

    >>> _split("a?'b'c??'d", "'", "?")
    ["a?'b", 'c??', 'd']
    """
    if not release or release not in text:
        return text.split(mark)
    parts: list[str] = []
    for part in text.split(mark):
        if parts and _is_released(parts[-1], len(parts[-1]), release):
            parts[-1] += mark + part
        else:
            parts.append(part)
    return parts


def _elements(segment: str, marks: _Marks) -> Segment:
    if marks.release and marks.release in segment:
        escaped = re.compile(re.escape(marks.release) + r"(.)", re.S)
        return [
            [escaped.sub(r"\1", part).strip() for part in _split(element, marks.component, marks.release)]
            for element in _split(segment, marks.element, marks.release)
        ]
    return [element.split(marks.component) for element in segment.split(marks.element)]


def _at(one: Segment, index: int) -> str:
    return one[index][0] if index < len(one) else ""


def _part(parts: list[str], index: int) -> str:
    return parts[index] if index < len(parts) else ""


def _number(one: Segment, index: int) -> int:
    text = _at(one, index)
    return int(text) if text.isdigit() else -1
