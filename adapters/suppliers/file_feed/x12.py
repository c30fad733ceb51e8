"""X12 846 (inventory inquiry/advice), releases 3040 to 8010: interchanges → items.

The separators are those at fixed places of each ISA segment. Interchanges, groups and transactions may
follow each other; each is checked against the counts and control numbers of its own trailer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from adapters.suppliers.file_feed.edi_items import LONGEST_SEGMENT, Item, Items, Reader, bad, iso_date

_ISA_LENGTH = 106

CODES: Mapping[str, str] = {
    # The merchant's code: buyer's part, buyer's item, stock keeping unit.
    **dict.fromkeys(("BP", "IN"), "sku"),
    "SK": "sku_sk",
    **dict.fromkeys(("VN", "VP", "VC"), "supplier_sku"),
    **dict.fromkeys(("EN", "UP", "UK", "EO", "IB"), "gtin"),
    **dict.fromkeys(("MG", "MF"), "mpn"),
}
"""LIN qualifier → column, any other to code_<qualifier>. SK is the merchant's code unless BP or IN is there too:
then it is the supplier's."""

STOCK: Mapping[str, str] = {
    "33": "available for sale",
    "QA": "available",
    "2A": "available",
    "17": "on hand",
    "QH": "on hand",
    "13": "stock on hand",
}
"""QTY01 that may be sold, the most careful first. 17 on hand may be promised to others already."""

_RESTOCK = ("018", "017", "371", "002", "010")
"""DTM01 that tell when there is stock: available, estimated delivery and arrival, requested delivery, ship."""
_PLACES = frozenset({"WH", "SF", "ST", "LW", "IS", "LO", "RL", "DA", "DC", "SN"})
_COSTS = frozenset({"WHL", "CON", "UCP", "NET", "DSC", "CAT"})


class X12(Reader):
    """Reads 846 transactions and passes over others."""

    name = "X12 846"
    stock_codes = STOCK

    def items(self, text: Iterator[str]) -> Iterator[Item]:
        """See `Reader.items`."""
        groups = sets = segments = 0
        isa: list[str] = []
        group: list[str] = []
        opened: list[str] = []
        reader: _Report | None = None
        for number, one in self._segments(text):
            tag = one[0]
            segments += 1
            if tag == "ISA":
                self.require(not isa, f"Segment {number}: an interchange begins before the last one ended")
                isa, groups = one, 0
            elif tag == "GS":
                self.require(bool(isa) and not group, f"Segment {number}: a group begins in the wrong place")
                group, sets = one, 0
                groups += 1
            elif tag == "ST":
                self.require(
                    bool(group) and not opened, f"Segment {number}: a transaction begins in the wrong place"
                )
                opened, segments = one, 1
                sets += 1
                if _at(one, 1) == "846":
                    self.reports += 1
                    reader = _Report()
                else:
                    self.others.add(f"X12 {_at(one, 1)}")
            elif tag == "SE":
                self.require(
                    bool(opened) and _number(one, 1) == segments and _at(one, 2) == _at(opened, 2),
                    f"Segment {number}: the transaction {_at(opened, 2)} should have {_at(one, 1)} segments and has"
                    f" {segments}",
                )
                if reader is not None:
                    yield from reader.last()
                opened, reader = [], None
            elif tag == "GE":
                self.require(
                    bool(group) and not opened and _number(one, 1) == sets and _at(one, 2) == _at(group, 6),
                    f"Segment {number}: the group {_at(group, 6)} should have {_at(one, 1)} transactions, not {sets}",
                )
                group = []
            elif tag == "IEA":
                self.require(
                    bool(isa) and not group and _number(one, 1) == groups and _at(one, 2) == _at(isa, 13),
                    f"Segment {number}: the interchange {_at(isa, 13)} should have {_at(one, 1)} groups, not {groups}",
                )
                isa = []
            elif reader is not None:
                yield from reader.take(number, one)
        self.require(not (isa or group or opened), "It ends without the trailer of its last interchange")

    def _segments(self, text: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """Every segment as (number from 1, elements)."""
        number, rest, separator, end = 0, "", "", ""
        for piece in text:
            rest += piece
            while True:
                if not end:
                    rest = rest.lstrip()
                    if len(rest) < _ISA_LENGTH + 1:
                        break
                    separator, end = self._separators(rest)
                at = rest.find(end)
                if at < 0:
                    if len(rest) > LONGEST_SEGMENT:
                        raise bad(self.subject, f"Segment {number + 1} has no end.")
                    break
                # Cut many at once: one search and copy for each is slow on a long text.
                last = rest.rfind(end)
                block, tail = rest[:last], rest[last + len(end) :]
                for index, segment in (parts := _Parts(block, end)):
                    elements = segment.strip("\r\n \t").split(separator)
                    if elements == [""]:
                        continue
                    number += 1
                    yield number, [element.strip() for element in elements]
                    if elements[0] == "IEA":
                        # The next interchange may have other separators.
                        tail = parts.after(index) + tail
                        end = ""
                        break
                rest = tail
                if end:
                    break
        # Some systems close a text with Ctrl-Z.
        self.require(not rest.strip("\x1a\0 \r\n\t"), f"It ends in the middle of segment {number + 1}")

    def _separators(self, text: str) -> tuple[str, str]:
        # ISA16, the component separator, is the last character before the terminator.
        separator, end = text[3], text[_ISA_LENGTH - 1]
        if not text.startswith("ISA") or text[:_ISA_LENGTH].count(separator) != 16 or end.isalnum():
            raise bad(self.subject, "Its ISA segment does not have 16 elements of fixed length.")
        return separator, end


class _Parts:
    """The segments of a block, and what follows one of them."""

    def __init__(self, block: str, end: str) -> None:
        self._parts = block.split(end)
        self._end = end

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(enumerate(self._parts))

    def after(self, index: int) -> str:
        left = self._parts[index + 1 :]
        return self._end.join(left) + self._end if left else ""


class _Report(Items):
    """The items of one 846."""

    def __init__(self) -> None:
        super().__init__(STOCK, _RESTOCK)

    def take(self, number: int, one: list[str]) -> Iterator[Item]:
        """Read one segment; the item that it completes, if any."""
        tag, item = one[0], self.item
        if tag == "LIN":
            yield from self.last()
            self.begin(number).common.update(_codes(one))
        elif tag == "N1" and _at(one, 1) in _PLACES:
            self.place(_at(one, 4) or _at(one, 2))
        elif item is None:
            return
        elif tag == "QTY":
            self.quantity(item, _at(one, 1), _at(one, 2), re.split(r"[^A-Z0-9]", _at(one, 3), maxsplit=1)[0])
        elif tag == "DTM":
            # With a period in DTM06 there is no date in DTM02.
            self.date(item, _at(one, 1), iso_date(_at(one, 2) or _at(one, 6)))
        elif tag == "PID" and _at(one, 5):
            item.common.setdefault("title", _at(one, 5))
        elif tag == "CTP" and _at(one, 3):
            name = "cost" if _at(one, 2) in _COSTS else f"price_{_at(one, 2) or 'x'}"
            item.common.setdefault(name, _at(one, 3))


def _codes(one: list[str]) -> dict[str, str]:
    """The codes of a LIN segment: pairs of qualifier and code from the second element on."""
    found: dict[str, str] = {}
    for qualifier, code in zip(one[2::2], one[3::2], strict=False):
        if code:
            found.setdefault(CODES.get(qualifier, f"code_{qualifier}"), code)
    own = found.pop("sku_sk", "")
    if own:
        found.setdefault("supplier_sku" if "sku" in found else "sku", own)
    return found


def _at(one: list[str], index: int) -> str:
    return one[index] if index < len(one) else ""


def _number(one: list[str], index: int) -> int:
    text = _at(one, index)
    return int(text) if text.isdigit() else -1
