"""Workbooks: what a cell becomes, which sheet is the list, and workbooks that must not be read."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from adapters.suppliers.file_feed import spreadsheets
from adapters.suppliers.file_feed.formats import open_table
from connector.ports.errors import FileFault, Misconfigured
from connector.ports.suppliers import Feed, FetchMark, ReadOptions, Table
from tests.adapters.tables_support import as_ods, as_xls, as_xlsx, as_zip

Opener = Callable[..., Table]
ROWS = [["SKU", "Qty"], ["A", "1"], ["B", "2"]]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    def opener(content: bytes, max_bytes: int = 10_000_000, **options: object) -> Table:
        path = tmp_path / "feed"
        path.write_bytes(content)
        feed = Feed(path, "feed", len(content), FetchMark(), None)
        return open_table(feed, ReadOptions(**options), max_bytes)  # type: ignore[arg-type]

    return opener


def cells(table: Table) -> list[list[str]]:
    return [row.cells for row in table.rows()]


def workbook(*sheets: tuple[str, Callable[[Any, Any], None]]) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        for name, fill in sheets:
            fill(book.add_worksheet(name), book)
    return buffer.getvalue()


def rows_of(rows: list[list[Any]]) -> Callable[[Any, Any], None]:
    def fill(page: Any, book: Any) -> None:
        for line, row in enumerate(rows):
            page.write_row(line, 0, row)

    return fill


# A workbook knows no time zones.
DAY, MOMENT = datetime(2026, 12, 1), datetime(2026, 12, 1, 14, 30)  # noqa: DTZ001


def test_each_kind_of_cell_is_read_as_a_csv_file_would_have_it(opened: Opener) -> None:
    def fill(page: Any, book: Any) -> None:
        day = book.add_format({"num_format": "dd.mm.yyyy"})
        page.write_row(0, 0, ["Stock list of Acme"])
        page.write_row(2, 0, ["SKU", "EAN", "Qty", "Price", "ETA", "Share", "Active", "Sum", "Empty"])
        page.write_row(3, 0, ["00123", 4006381333931, 12.0, 0.1 + 0.2])
        page.write_datetime(3, 4, DAY, day)
        page.write(3, 5, 0.5)
        page.write(3, 6, True)
        page.write_formula(3, 7, "=C4*2", None, 24)
        page.write_row(4, 0, ["1E5", 96385074, -3, 1234567.891])
        page.write_datetime(
            4,
            4,
            MOMENT,
            book.add_format({"num_format": "d.m.yy h:mm"}),
        )
        page.write_formula(4, 7, "=SUM(C4:C5)", None, "")

    table = opened(workbook(("Stock", fill)))
    columns = ("SKU", "EAN", "Qty", "Price", "ETA", "Share", "Active", "Sum", "Empty")
    assert (table.shape.format, table.shape.header_line, table.shape.columns) == ("xlsx", 3, columns)
    assert [(row.line, row.cells) for row in table.rows()] == [
        (4, ["00123", "4006381333931", "12", "0.3", "2026-12-01", "0.5", "true", "24", ""]),
        (5, ["1E5", "96385074", "-3", "1234567.891", "2026-12-01 14:30:00", "", "", "", ""]),
    ]


def test_an_error_stays_an_error_and_never_a_blank_or_a_zero(opened: Opener) -> None:
    def fill(page: Any, book: Any) -> None:
        page.write_row(0, 0, ["SKU", "Qty"])
        for line, error in enumerate(["#REF!", "#DIV/0!", "#VALUE!", "#N/A"], 1):
            page.write(line, 0, f"A{line}")
            page.write_formula(line, 1, "=X1", None, error)

    table = opened(workbook(("Stock", fill)))
    assert [row[1] for row in cells(table)] == ["#REF!", "#DIV/0!", "#VALUE!", "#N/A"]


def test_formulas_that_nobody_calculated_are_unknown_and_told(opened: Opener) -> None:
    def fill(page: Any, book: Any) -> None:
        page.write_row(0, 0, ["SKU", "Qty"])
        for line in (1, 2, 3):
            page.write(line, 0, f"A{line}")
            page.write_formula(line, 1, f"=Sheet2!A{line}")  # the library writes the value 0

    table = opened(workbook(("Stock", fill)))
    assert cells(table) == [["A1", ""], ["A2", ""], ["A3", ""]]
    assert [note.code for note in table.shape.notes] == ["uncalculated"]


def test_a_column_that_mixes_codes_as_text_and_as_numbers_is_told(opened: Opener) -> None:
    rows = [["SKU", "Qty"], ["00123", 1], [124, 2], [12345, 3], ["00777", 4]]
    table = opened(workbook(("Stock", rows_of(rows))))
    # 12345 has all the digits that a code has here; 124 may have been 00124.
    assert [row[0] for row in cells(table)] == ["00123", "124", "12345", "00777"]
    (note,) = table.shape.notes
    assert (note.code, note.column, note.line) == ("mixed_codes", "SKU", 3)
    assert "1 shorter codes" in note.reason


def test_numbers_beyond_what_excel_keeps_are_told(opened: Opener) -> None:
    table = opened(workbook(("Stock", rows_of([["SKU", "Qty"], [12345678901234567, 1], ["B", 2]]))))
    assert [(note.code, note.column, note.line) for note in table.shape.notes] == [("long_numbers", "SKU", 2)]


def test_the_value_of_a_merged_cell_counts_for_its_first_row(opened: Opener) -> None:
    def fill(page: Any, book: Any) -> None:
        page.merge_range(0, 0, 0, 2, "Stock of today")
        page.write_row(1, 0, ["SKU", "Size", "Qty"])
        page.write_row(2, 0, ["A", "S", 5])
        page.write_row(3, 0, ["B", "M"])
        page.merge_range(2, 2, 3, 2, 5)

    table = opened(workbook(("Stock", fill)))
    assert cells(table) == [["A", "S", "5"], ["B", "M", ""]]
    assert [(note.code, note.line) for note in table.shape.notes] == [("merged_cells", 3)]


def test_a_table_that_begins_further_in_is_found_beside_a_stray_cell(opened: Opener) -> None:
    def fill(page: Any, book: Any) -> None:
        page.write_row(4, 2, ["SKU", "Qty", "ETA"])
        for line in range(5, 30):
            page.write_row(line, 2, [f"A{line}", line])
        page.write(7, 40, "call me")

    table = opened(workbook(("Stock", fill)))
    assert (table.shape.header_line, table.shape.columns) == (5, ("SKU", "Qty", "ETA"))
    assert cells(table)[0] == ["A5", "5", ""]
    assert cells(table)[2][-1] == "call me"  # a fault of that row, not dropped


# -- which sheet ----------------------------------------------------------------------------------------

LONG = [["SKU", "Qty"], *([f"A{n}", n] for n in range(30))]


def test_the_sheet_that_looks_like_the_list_is_read_and_the_others_are_named(opened: Opener) -> None:
    book = workbook(
        ("Read me", rows_of([["Valid until Friday"]])), ("Stock", rows_of(LONG)), ("Contacts", rows_of(ROWS))
    )
    table = opened(book)
    assert len(cells(table)) == 30
    (note,) = table.shape.notes
    assert (note.code, note.reason) == (
        "sheet_chosen",
        "The sheet “Stock” was read. Left out: “Read me”, “Contacts”.",
    )


def test_several_sheets_that_look_like_lists_are_asked_about(opened: Opener) -> None:
    book = workbook(("Berlin", rows_of(LONG)), ("Hamburg", rows_of(LONG[:20])))
    with pytest.raises(FileFault) as caught:
        opened(book)
    assert caught.value.code == "ambiguous_sheet"
    assert "“Berlin” (31 rows), “Hamburg” (20 rows)" in caught.value.cause
    assert len(cells(opened(book, sheet=" hamburg"))) == 19
    with pytest.raises(Misconfigured) as wrong:
        opened(book, sheet="Munich")
    assert (wrong.value.field, "“Berlin”, “Hamburg”" in wrong.value.cause) == ("sheet", True)


def test_a_hidden_sheet_is_read_only_when_it_is_named(opened: Opener) -> None:
    def hidden(page: Any, book: Any) -> None:
        rows_of(LONG)(page, book)
        page.hide()

    book = workbook(("Stock", rows_of(ROWS)), ("Old", hidden))
    assert len(cells(opened(book))) == 2
    assert len(cells(opened(book, sheet="Old"))) == 30


# -- workbooks that are refused -------------------------------------------------------------------------


def protected() -> bytes:
    """A compound file with the stream that an encrypted workbook has."""
    plain = as_xls(ROWS)
    name, other = "Workbook".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le")
    at = plain.index(name)
    entry = other.ljust(64, b"\0") + struct.pack("<H", len(other) + 2)
    return plain[:at] + entry + plain[at + 66 :]


def lying_bomb() -> bytes:
    """A workbook whose directory announces a tenth of what its sheet really holds."""
    content = as_zip({"xl/workbook.xml": b"<workbook/>", "xl/worksheets/sheet1.xml": b" " * 3_000_000})
    return content.replace(struct.pack("<I", 3_000_000), struct.pack("<I", 30_000))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(as_xlsx(ROWS)[:4_000], "truncated", id="half an xlsx"),
        pytest.param(as_xls(ROWS)[:1_500], "bad_workbook", id="half an xls"),
        pytest.param(as_zip({"xl/workbook.xml": b"no xml"}), "bad_workbook", id="no workbook"),
        pytest.param(protected(), "password", id="protected"),
        pytest.param(as_xlsx([]), "empty", id="empty"),
        pytest.param(as_ods([]), "empty", id="empty ods"),
        pytest.param(as_xlsx(ROWS[:1]), "empty", id="a header alone"),
        pytest.param(lying_bomb(), "too_large", id="a bomb that lies"),
    ],
)
def test_a_workbook_that_cannot_be_used_is_a_named_fault(content: bytes, code: str, opened: Opener) -> None:
    with pytest.raises(FileFault) as caught:
        opened(content, max_bytes=1_000_000)
    assert caught.value.code == code


def test_a_cell_far_out_costs_a_fault_and_not_the_worker(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(page: Any, book: Any) -> None:
        rows_of(ROWS)(page, book)
        page.write(30_000, 16_383, "x")  # a dense table of this would take 15 GB

    monkeypatch.setattr(spreadsheets, "MOST_MEMORY_BYTES", 400_000_000)
    with pytest.raises(FileFault) as caught:
        opened(workbook(("Stock", fill)))
    assert (caught.value.code, "CSV" in caught.value.remedy) == ("too_large", True)


def test_a_format_that_was_chosen_wrongly_is_told(opened: Opener) -> None:
    for content, chosen in [(as_xlsx(ROWS), "csv"), (b"SKU;Qty\nA;1\n", "xlsx"), (as_xls(ROWS), "xlsx")]:
        with pytest.raises(FileFault) as caught:
            opened(content, format=chosen)
        assert caught.value.code == "unsupported_format"
    assert opened(as_ods(ROWS), format="ODS").shape.format == "ods"


def test_a_date_in_every_kind_of_workbook_is_the_same_day(opened: Opener) -> None:
    with zipfile.ZipFile(io.BytesIO(as_ods(ROWS))) as archive:
        content = archive.read("content.xml").decode()
    cell = '<table:table-cell office:value-type="date" office:date-value="2026-12-01"/>'
    ods = as_zip(
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": content.replace(
                '<table:table-cell office:value-type="string"><text:p>2</text:p></table:table-cell>', cell
            ).encode(),
            "META-INF/manifest.xml": b'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:'
            b'manifest:1.0"><manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
            b"</manifest:manifest>",
        }
    )
    assert cells(opened(ods))[1] == ["B", "2026-12-01"]
