"""What all live sources share: the canonical file, paging, and readings that do not fit together."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from adapters.kit import canonical
from adapters.kit.budget import Budget
from adapters.kit.canonical import COLUMNS, StockRow, fields
from adapters.kit.live import READINGS, LiveSource
from adapters.kit.paging import ListMoved, Page, by_key, by_next, by_number
from connector.ports.errors import FileFault, Retryable
from connector.ports.incoming import SupplierIncoming, SupplierIncomingReader
from connector.ports.suppliers import Feed, FetchMark, NotModified, ReadOptions
from connector.registry import Environment

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class MemoryApi:
    """An API in memory; `readings` are what it lists the first, second, … time, the last for ever."""

    readings: list[list[StockRow | Exception]]
    name: str = "memory"
    subject: str = "the shelf"
    fields: tuple[tuple[str, str], ...] = fields("sku", "quantity", "restock_date", "cost")
    reads_incoming: bool = True
    mark: str = ""
    ordered: list[SupplierIncoming] = field(default_factory=list)
    read: int = 0

    def check(self) -> str:
        return "It answers."

    def change_mark(self) -> str:
        return self.mark

    def rows(self) -> Iterator[StockRow]:
        listed = self.readings[min(self.read, len(self.readings) - 1)]
        self.read += 1
        for row in listed:
            if isinstance(row, Exception):
                raise row
            yield row

    def incoming(self) -> Iterator[list[SupplierIncoming]]:
        yield self.ordered


def live(api: MemoryApi, now: datetime = NOW, max_bytes: int = 100_000) -> LiveSource:
    return LiveSource(api, Environment(max_feed_bytes=max_bytes), clock=lambda: now)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that were asked for and not taken."""
    asked: list[float] = []
    monkeypatch.setattr("adapters.kit.api.pause", asked.append)
    return asked


def fetched(source: LiveSource, directory: Path, mark: FetchMark | None = None) -> Feed:
    feed = source.fetch(mark, directory)
    assert isinstance(feed, Feed)
    return feed


ROWS = [StockRow("2", sku="B", quantity=Decimal("7.0")), StockRow("1", sku="A", quantity=3)]


def test_the_same_stock_in_another_order_is_the_same_file(tmp_path: Path) -> None:
    first = fetched(live(MemoryApi([list(ROWS)])), tmp_path)
    again = fetched(live(MemoryApi([list(reversed(ROWS))])), tmp_path, first.mark)

    assert (again.mark.sha256, again.is_unchanged) == (first.mark.sha256, True)
    assert again.path.read_bytes().splitlines()[0].startswith(b'{"id":"1","location":"","sku":"A",')


def test_a_row_is_read_back_in_the_columns_that_every_source_has(tmp_path: Path) -> None:
    row = StockRow(
        "17", "S-1", "V-1", "4006381333931", "Désk\0 ", Decimal("2.50"), Decimal("10.00"), Decimal("4.125"),
        "EUR", "WH", "Units", date(2026, 12, 3), 14, True, 6, Decimal("12.0"),
    )  # fmt: skip
    source = live(MemoryApi([[row]]))

    table = source.open(fetched(source, tmp_path), ReadOptions())

    assert table.shape.columns == COLUMNS
    assert table.shape.fields == (
        ("sku", "sku"), ("quantity", "quantity"), ("restock_on", "restock_date"), ("cost", "cost"),
    )  # fmt: skip
    assert [row.cells for row in table.rows()] == [
        ["17", "WH", "S-1", "V-1", "4006381333931", "Désk", "2.5", "10", "4.125", "EUR", "Units", "2026-12-03",
         "14", "yes", "6", "12"]
    ]  # fmt: skip


def test_known_rows_are_passed_over_and_lines_counted(tmp_path: Path) -> None:
    source = live(MemoryApi([list(ROWS), [*ROWS, StockRow("3", sku="C", quantity=0)]]))
    known = np.sort(source.open(fetched(source, tmp_path), ReadOptions()).digests())

    table = source.open(fetched(source, tmp_path), ReadOptions())

    assert [(row.line, row.cells[2], row.cells[6]) for row in table.rows(known)] == [(3, "C", "0")]
    assert list(table.rows(np.sort(table.digests()))) == []


def test_many_rows_are_sorted_outside_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[StockRow | Exception] = [
        StockRow(f"{n * 7 % 100:03d}", sku="x", quantity=n) for n in range(100)
    ]
    whole = fetched(live(MemoryApi([rows])), tmp_path).mark.sha256
    monkeypatch.setattr(canonical, "_SORTED_AT_ONCE", 7)

    assert fetched(live(MemoryApi([list(reversed(rows))])), tmp_path).mark.sha256 == whole
    assert [path.name for path in tmp_path.iterdir()] == ["memory.jsonl"]


def test_a_record_told_twice_counts_once(tmp_path: Path) -> None:
    assert fetched(live(MemoryApi([[*ROWS, ROWS[0]]])), tmp_path).path.read_bytes().count(b"\n") == 2


def test_records_without_an_id_are_all_kept(tmp_path: Path) -> None:
    same: list[StockRow | Exception] = [StockRow("", sku="A", quantity=n) for n in (3, 3, 4)]

    assert fetched(live(MemoryApi([same])), tmp_path).path.read_bytes().count(b"\n") == 3


def test_a_list_that_moved_is_read_again(tmp_path: Path) -> None:
    moved = [*ROWS, StockRow("1", sku="A", quantity=99)]
    api = MemoryApi([list(moved), [*ROWS, ListMoved("41 of 42 items came")], list(ROWS)])

    assert fetched(live(api), tmp_path).path.read_bytes().count(b"\n") == 2
    assert api.read == 3


def test_a_list_that_never_holds_still_is_left_for_the_next_time(tmp_path: Path, waits: list[float]) -> None:
    api = MemoryApi([[*ROWS, ListMoved("the list had 5 items and then 6")]])

    with pytest.raises(Retryable):
        live(api).fetch(None, tmp_path)

    assert (api.read, list(tmp_path.iterdir()), waits) == (READINGS, [], [1.0, 2.0])


def test_a_listing_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    api = MemoryApi([[ROWS[0], Retryable("memory", "page 2", "No answer came in time.")]])

    with pytest.raises(Retryable):
        live(api).fetch(None, tmp_path)

    assert (api.read, list(tmp_path.iterdir())) == (1, [])


def test_more_than_the_installation_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFault) as caught:
        live(MemoryApi([list(ROWS)]), max_bytes=300).fetch(None, tmp_path)

    assert (caught.value.code, list(tmp_path.iterdir())) == ("too_large", [])


def test_an_api_that_lists_nothing_is_not_sold_out(tmp_path: Path) -> None:
    source = live(MemoryApi([[]]))

    with pytest.raises(FileFault) as caught:
        source.open(fetched(source, tmp_path), ReadOptions())

    assert caught.value.code == "empty"


def test_what_the_archive_kept_can_be_read_again(tmp_path: Path) -> None:
    source = live(MemoryApi([list(ROWS)]))
    feed = fetched(source, tmp_path)
    packed, cut = tmp_path / "kept.gz", tmp_path / "cut.gz"
    with feed.path.open("rb") as plain, gzip.open(packed, "wb") as file:
        shutil.copyfileobj(plain, file)
    cut.write_bytes(packed.read_bytes()[:-9])

    again = source.open(Feed(packed, "kept.gz", 1, FetchMark(), None), ReadOptions())

    assert again.digests().tolist() == source.open(feed, ReadOptions()).digests().tolist()
    with pytest.raises(FileFault) as caught:
        source.open(Feed(cut, "cut.gz", 1, FetchMark(), None), ReadOptions())
    assert caught.value.code == "truncated"


@pytest.mark.parametrize("content", [b"sku,quantity\nA,1\n", b"[1, 2]\n", b'{"sku": "A"}\n', b"\xff\xfe\n"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stock.csv"
    path.write_bytes(content)

    with pytest.raises(FileFault) as caught:
        live(MemoryApi([[]])).open(Feed(path, "stock.csv", 1, FetchMark(), None), ReadOptions())

    assert caught.value.code == "no_table"


def test_where_nothing_changed_nothing_is_read_but_once_a_day(tmp_path: Path) -> None:
    api = MemoryApi([list(ROWS)], mark="quant 17")
    mark = fetched(live(api), tmp_path).mark

    assert live(api, NOW + timedelta(hours=19)).fetch(mark, tmp_path) == NotModified()
    assert api.read == 1
    later = fetched(live(api, NOW + timedelta(hours=21)), tmp_path, mark)
    assert (api.read, later.is_unchanged) == (2, True)
    assert live(api, NOW + timedelta(hours=22)).fetch(later.mark, tmp_path) == NotModified()
    api.mark = "quant 18"
    assert isinstance(live(api).fetch(mark, tmp_path), Feed)


def test_lines_on_order_are_told_once_each(tmp_path: Path) -> None:
    line = SupplierIncoming("line 1", "P1", "A", 5, NOW)
    source = live(MemoryApi([[]], ordered=[line, line, SupplierIncoming("line 2", "P1", "A", 6, None)]))

    assert isinstance(source, SupplierIncomingReader)
    assert [one.units for page in source.incoming() for one in page] == [5, 6]


def test_a_column_that_no_source_has_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no such columns of stock: colour"):
        fields("sku", "quantity", "colour")


# -- paging

NUMBERS = list(range(1, 24))


def pages(read: Iterator[int]) -> list[int]:
    return list(read)


def test_pages_by_key_end_with_the_empty_one() -> None:
    asked: list[int] = []

    def read(last: int) -> list[int]:
        asked.append(last)
        return [n for n in NUMBERS if n > last][:10]

    found = by_key(read, lambda n: n, first=0, adapter="a", subject="s")
    assert (pages(found), asked) == (NUMBERS, [0, 10, 20, 23])


def test_pages_by_key_that_do_not_rise_are_refused() -> None:
    with pytest.raises(FileFault) as caught:
        pages(by_key(lambda last: [1, 2], lambda n: n, first=0, adapter="a", subject="s"))
    assert caught.value.code == "paging"


@pytest.mark.parametrize("total", [23, None])
def test_numbered_pages_end_at_the_total_or_with_an_empty_page(total: int | None) -> None:
    asked: list[int] = []

    def read(number: int) -> Page[int]:
        asked.append(number)
        return Page(NUMBERS[(number - 1) * 10 : number * 10], total)

    assert pages(by_number(read, adapter="a", subject="s")) == NUMBERS
    assert asked == ([1, 2, 3] if total else [1, 2, 3, 4])


def test_offsets_follow_what_came_even_where_pages_are_cut_short() -> None:
    asked: list[int] = []

    def read(offset: int) -> Page[int]:
        asked.append(offset)
        return Page(NUMBERS[offset : offset + 9], 23)

    assert pages(by_number(read, first=0, step=None, adapter="a", subject="s")) == NUMBERS
    assert asked == [0, 9, 18]


@pytest.mark.parametrize("totals", [[24, 24, 24, 24], [23, 24, 24, 24]], ids=["one is missing", "it grew"])
def test_numbers_that_do_not_add_up_mean_that_the_list_moved(totals: list[int]) -> None:
    def read(number: int) -> Page[int]:
        return Page(NUMBERS[(number - 1) * 10 : number * 10], totals[number - 1])

    with pytest.raises(ListMoved):
        pages(by_number(read, adapter="a", subject="s"))


def test_a_server_that_ignores_the_page_is_found_out() -> None:
    with pytest.raises(FileFault) as caught:
        pages(by_number(lambda number: Page(NUMBERS), adapter="a", subject="s"))
    assert caught.value.code == "paging"


def test_cursors_are_followed_and_circles_found() -> None:
    after = {"": "b", "b": "c", "c": ""}
    assert pages(by_next(lambda at: Page([len(at)], None, after[at]), adapter="a", subject="s")) == [0, 1, 1]
    after["c"] = "b"
    with pytest.raises(FileFault) as caught:
        pages(by_next(lambda at: Page([1], None, after[at]), adapter="a", subject="s"))
    assert caught.value.code == "paging"


def test_cursors_that_end_too_early_mean_that_the_list_moved() -> None:
    with pytest.raises(ListMoved):
        pages(by_next(lambda at: Page([1, 2], 3), adapter="a", subject="s"))


# -- a rate that is stated and not told


def test_a_stated_rate_is_shared_and_comes_back() -> None:
    now = [100.0]
    environment = Environment()
    budget = Budget(environment, "shop", clock=lambda: now[0])

    def take() -> float | None:
        return budget.take(1, maximum=2, restore_rate=0.5, longest_s=5)

    assert [take(), take(), take(), take()] == [0.0, 0.0, 2.0, 4.0]
    assert take() is None
    now[0] += 4
    assert take() == 2.0
    budget.close(30)
    assert take() is None
