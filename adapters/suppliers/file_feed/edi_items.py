"""What the readers of X12 and EDIFACT share: an item with its numbers by location, and the rule that puts them
there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from adapters.suppliers.file_feed.faults import truncated
from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import FileFault

LONGEST_SEGMENT = 100_000


@dataclass(slots=True)
class Item:
    """One item of a report: what holds for all of it, and its numbers by location."""

    line: int
    common: dict[str, str] = field(default_factory=dict)
    places: dict[str, dict[str, str]] = field(default_factory=dict)

    def records(self) -> Iterator[dict[str, str]]:
        """One record for each location, one without numbers when there are none."""
        if not self.places:
            yield dict(self.common)
        for location, numbers in self.places.items():
            record = self.common | numbers
            if location:
                record["location"] = location
            yield record

    def add(self, location: str, code: str, value: str, *, is_stock: bool) -> None:
        """Note a number. Two numbers of stock that contradict each other make a cell that nobody can read,
        and so a fault of this row; of other numbers (deliveries to come) there may be several."""
        numbers = self.places.setdefault(location, {})
        name = f"quantity_{code}" if is_stock else f"other_{code}"
        if is_stock:
            before = numbers.get(name, value)
            numbers[name] = value if before == value else f"{before} and {value}"
            return
        copy = 1
        while f"{name}[{copy}]" in numbers or (copy == 1 and name in numbers):
            copy += 1
        numbers[name if copy == 1 else f"{name}[{copy}]"] = value


class Items:
    """Collects the items of one message.

    A location named before an item's first quantity holds for the quantities after it, one named after a
    quantity for those before it, one named before the first item for all that name none.
    """

    def __init__(self, stock_codes: Mapping[str, str], restock_codes: tuple[str, ...]) -> None:
        self._stock_codes = stock_codes
        self._restock_codes = restock_codes
        self._header_place = ""
        self._place: str | None = None
        self._waiting: list[tuple[str, str]] = []
        self.item: Item | None = None

    def begin(self, number: int) -> Item:
        """A new item; take `last` before."""
        self.item = Item(number)
        self._place = None
        return self.item

    def last(self) -> Iterator[Item]:
        """The item that is complete now, if any."""
        item, self.item = self.item, None
        if item is not None:
            self._settle(item, self._header_place)
            yield item

    def quantity(self, item: Item, code: str, value: str, unit: str) -> None:
        """A number of this item."""
        if unit:
            item.common.setdefault("unit", unit)
        if self._place is None:
            self._waiting.append((code, value))
        else:
            item.add(self._place, code, value, is_stock=code in self._stock_codes)

    def place(self, name: str) -> None:
        """A location was named."""
        if self.item is None:
            self._header_place = name
        elif self._waiting:
            self._settle(self.item, name)
        else:
            self._place = name

    def date(self, item: Item, code: str, day: str) -> None:
        """A date of this item; the first of the restock codes that it states is its restock date."""
        item.common.setdefault(f"date_{code}", day)
        known = [item.common[f"date_{one}"] for one in self._restock_codes if f"date_{one}" in item.common]
        if known:
            item.common["restock_on"] = known[0]

    def _settle(self, item: Item, place: str) -> None:
        for code, value in self._waiting:
            item.add(place, code, value, is_stock=code in self._stock_codes)
        self._waiting = []


class Reader:
    """One syntax. `reports` counts the stock reports read, `others` names the other messages."""

    name = ""
    stock_codes: Mapping[str, str] = {}

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.reports = 0
        self.others: set[str] = set()

    def items(self, text: Iterator[str]) -> Iterator[Item]:
        """The items of all reports in order. A message's counts are only known at its end, so an item may
        belong to a file that is refused afterwards: use the items when all have been read.

        Raises FileFault: truncated, bad_edi.
        """
        raise NotImplementedError

    def require(self, is_right: bool, what: str) -> None:
        """Raise FileFault("truncated") unless a control count or number is right."""
        if not is_right:
            raise truncated(self.subject, f"{what}: a part of it is missing.")


def bad(subject: str, cause: str) -> FileFault:
    """The fault of an interchange that breaks its own rules."""
    return FileFault(
        ADAPTER, subject, cause, "Tell the supplier; yesterday's stock is kept until then.", code="bad_edi"
    )


def iso_date(text: str) -> str:
    """CCYYMMDD or YYMMDD, with or without a time, as ISO; any other text as it is.

    >>> iso_date("20261201"), iso_date("261201"), iso_date("202612011430"), iso_date("soon")
    ('2026-12-01', '2026-12-01', '2026-12-01', 'soon')
    """
    digits = text.strip()
    if digits.isdigit() and len(digits) == 6:
        digits = f"20{digits}"
    if digits.isdigit() and len(digits) in {8, 12, 14}:
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    return text.strip()
