"""Reading: encodings, delimiters, headers, quotes, JSON, and files that must not be read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapters.suppliers.file_feed import records
from adapters.suppliers.file_feed.formats import open_table
from connector.ports.errors import FileFault, Misconfigured
from connector.ports.suppliers import Feed, FetchMark, ReadOptions, Table

Opener = Callable[..., Table]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    """Writes bytes as a fetched feed and opens it; options as keywords."""

    def opener(content: bytes, max_bytes: int = 10_000_000, **options: object) -> Table:
        path = tmp_path / "feed"
        path.write_bytes(content)
        feed = Feed(path, "feed", len(content), FetchMark(), None)
        return open_table(feed, ReadOptions(**options), max_bytes)  # type: ignore[arg-type]

    return opener


def cells(table: Table) -> list[list[str]]:
    return [row.cells for row in table.rows()]


def lines(table: Table) -> list[int]:
    return [row.line for row in table.rows()]


# -- encodings and delimiters --------------------------------------------------------------------------

NAMES = {
    "german": ["Schlüssel", "Größe", "Bügel", "Straße", "Übergröße", "weiß", "Möbel", "Gehäuse"],
    "french": ["Clé à molette", "Écrou", "Réservé", "Pièce", "Boîte", "Câble", "Économie", "très long"],
    "polish": ["Łożysko", "Śruba", "Żarówka", "Gwóźdź", "Młotek", "Świeca", "Część", "Zawór"],
    "russian": ["Ключ", "Отвёртка", "Молоток", "Гвоздь", "Лампа", "Провод", "Розетка", "Болт"],
    "japanese": ["ドライバー", "ハンマー", "ネジ", "電球", "ケーブル", "電池", "工具箱", "手袋"],
    "chinese": ["螺丝刀", "锤子", "灯泡", "电缆", "电池", "工具箱", "手套", "扳手"],
    "korean": ["드라이버", "망치", "전구", "케이블", "배터리", "공구함", "장갑", "렌치"],
    "greek": ["Κλειδί", "Σφυρί", "Λάμπα", "Καλώδιο", "Μπαταρία", "Γάντια", "Βίδα", "Πένσα"],
    "turkish": ["çanta", "Işık", "Şarj", "Güç", "Çekiç", "ölçüsü", "İğne", "ağzı"],
}
ENCODINGS = [
    ("german", "utf-8"),
    ("german", "utf-8-sig"),
    ("german", "cp1252"),
    ("german", "cp850"),
    ("french", "cp1252"),
    ("french", "iso8859-15"),
    ("french", "mac_roman"),
    ("polish", "cp1250"),
    ("polish", "iso8859-2"),
    ("russian", "cp1251"),
    ("russian", "koi8-r"),
    ("japanese", "cp932"),
    ("japanese", "euc-jp"),
    ("chinese", "gb18030"),
    ("korean", "cp949"),
    ("greek", "cp1253"),
    ("turkish", "cp1254"),
    ("russian", "utf-16"),
    ("german", "utf-16-le"),
    ("german", "utf-16-be"),
    ("japanese", "utf-32"),
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "pipe"])
@pytest.mark.parametrize(("language", "encoding"), ENCODINGS)
def test_each_encoding_is_recognised_under_each_delimiter(
    language: str, encoding: str, delimiter: str, opened: Opener
) -> None:
    rows = [["sku", "name", "price"]]
    rows += [[f"A{n:05d}", NAMES[language][n % 8], f"{n}.50"] for n in range(40)]
    content = "\r\n".join(delimiter.join(row) for row in rows).encode(encoding)
    table = opened(content)
    assert (table.shape.columns, table.shape.delimiter) == (("sku", "name", "price"), delimiter)
    assert cells(table) == rows[1:]
    assert lines(table) == list(range(2, 42))


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        pytest.param("sku;nom\nA;Clé\n".encode("cp1252"), "", "cp1252", id="three western letters"),
        pytest.param(b"sku;nom\nA;Cle\n", "", "utf-8", id="ascii is utf-8"),
        pytest.param("sku;nom\nA;Clé\n".encode(), "", "utf-8", id="utf-8"),
        pytest.param(
            "sku;nom\nA;Clé\n".encode("utf-8-sig"), "cp1252", "utf-8", id="the mark beats the setting"
        ),
        pytest.param("sku;nom\nA;Clé\n".encode("cp850"), "cp850", "cp850", id="the setting beats a guess"),
        pytest.param("sku;nom\nA;Clé\n".encode("utf-16"), "", "utf-16-le", id="utf-16"),
    ],
)
def test_the_shape_says_how_the_text_was_decoded(
    content: bytes, encoding: str, expected: str, opened: Opener
) -> None:
    table = opened(content, encoding=encoding)
    assert table.shape.encoding == expected
    assert cells(table) == [["A", "Clé"]] or (expected == "utf-8" and cells(table) == [["A", "Cle"]])


def test_one_byte_far_down_decides_the_encoding(opened: Opener) -> None:
    """Only looking at the beginning would call this file UTF-8 and fail in row 200,001."""
    content = b"sku;name\n" + b"A;plain\n" * 200_000 + "B;Größe\n".encode("cp1252") * 3
    table = opened(content)
    assert table.shape.encoding == "cp1252"
    assert cells(table)[-1] == ["B", "Größe"]


def test_a_character_that_straddles_two_blocks_is_whole(opened: Opener) -> None:
    line = "sku-ü;größe\n".encode()
    content = b"a;b\n" + line * (3_000_000 // len(line))
    table = opened(content)
    assert table.shape.encoding == "utf-8"
    assert {tuple(row) for row in cells(table)} == {("sku-ü", "größe")}


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "utf-16-le", "euc-jp"])
def test_a_file_that_does_not_fit_the_chosen_encoding_is_a_fault(encoding: str, opened: Opener) -> None:
    with pytest.raises(FileFault) as caught:
        opened(b"sku;name\nA;\xff\xfd\x80\xff\n1", encoding=encoding)
    assert caught.value.code == "bad_encoding"


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13"])
def test_what_is_no_encoding_names_its_field(encoding: str, opened: Opener) -> None:
    with pytest.raises(Misconfigured) as caught:
        opened(b"sku;qty\nA;1\n", encoding=encoding)
    assert caught.value.field == "encoding"


def test_a_pipe_hidden_in_a_japanese_character_splits_no_cell(opened: Opener) -> None:
    """In Shift-JIS the second byte of "ポ" is that of the pipe."""
    content = "sku|name\nA|ポスト\n".encode("cp932")
    assert content.count(b"|") == 3
    assert cells(opened(content, encoding="cp932", delimiter="|")) == [["A", "ポスト"]]


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        pytest.param(b"sku;price\nA;1,50\nB;2,75\nC;3,00\n", ";", id="decimal commas"),
        pytest.param(b"sku;price;old\nA;1,50;2,50\nB;2,75;3,00\n", ";", id="as many commas as semicolons"),
        pytest.param(b"sku,name\nA,a|b\nB,c|d\nC,e|f\n", ",", id="pipes inside"),
        pytest.param(b"sku\tname\nA\tx, y; z\nB\tw\nC\tu\n", "\t", id="tabs and prose"),
        pytest.param(b'sku,name\n"A;1","x;y"\n"B;2","z;w"\n', ",", id="quoted semicolons"),
        pytest.param(b"sep=;\nsku;a,b\nA;1,2\n", ";", id="excel hint"),
        pytest.param(b"sep=|\r\nsku|a;b|c;d\nA|1;2|3;4\n", "|", id="excel hint pipe"),
    ],
)
def test_the_delimiter_that_makes_a_table_is_found(content: bytes, delimiter: str, opened: Opener) -> None:
    table = opened(content)
    assert table.shape.delimiter == delimiter
    assert table.shape.columns[0] == "sku"


@pytest.mark.parametrize(
    ("option", "expected"),
    [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), ("semicolon", ";"), ("^", "^"), ("~", "~")],
)
def test_a_chosen_delimiter_is_used(option: str, expected: str, opened: Opener) -> None:
    table = opened(f"sku{expected}qty\nA{expected}1\n".encode(), delimiter=option)
    assert (table.shape.delimiter, cells(table)) == (expected, [["A", "1"]])


@pytest.mark.parametrize("option", ["||", "¦", '"', "\n"])
def test_a_delimiter_that_cannot_be_names_its_field(option: str, opened: Opener) -> None:
    with pytest.raises(Misconfigured) as caught:
        opened(b"sku;qty\nA;1\n", delimiter=option)
    assert caught.value.field == "delimiter"


@pytest.mark.parametrize(
    ("format", "content", "expected"),
    [
        ("tsv", b"sku\tqty\nA\t1\n", "tsv"),
        ("pipe", b"sku|qty\nA|1\n", "pipe"),
        ("semicolon", b"sku;qty\nA;1\n", "csv"),
        ("csv", b"sku;qty\nA;1\n", "csv"),
        ("", b"sku|qty\nA|1\n", "pipe"),
    ],
)
def test_a_format_stands_for_its_delimiter(
    format: str, content: bytes, expected: str, opened: Opener
) -> None:
    table = opened(content, format=format)
    assert (table.shape.format, cells(table)) == (expected, [["A", "1"]])


# -- headers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "header_line", "columns", "first"),
    [
        pytest.param(b"sku;qty\nA;1\n", 1, ("sku", "qty"), ["A", "1"], id="first line"),
        pytest.param(b"\n\nsku;qty\nA;1\n", 3, ("sku", "qty"), ["A", "1"], id="blank lines above"),
        pytest.param(
            b"Acme Ltd\nStock list of 2026-11-21\n\nsku;qty;eta\nA;1;\nB;2;\n",
            4,
            ("sku", "qty", "eta"),
            ["A", "1", ""],
            id="titles above",
        ),
        pytest.param(
            b"Acme Ltd, Stock list\nsku,qty,eta\nA,1,\nB,2,\nC,3,\n",
            2,
            ("sku", "qty", "eta"),
            ["A", "1", ""],
            id="a title with the delimiter",
        ),
        pytest.param(
            b"Stock list;;;\nfrom;2026-11-21;;\nsku;name;qty;eta\nA;x;1;\nB;y;2;\n",
            3,
            ("sku", "name", "qty", "eta"),
            ["A", "x", "1", ""],
            id="titles padded by a spreadsheet",
        ),
        pytest.param(
            b"A-1;5;9.90\nA-2;6;8.80\n",
            0,
            ("column 1", "column 2", "column 3"),
            ["A-1", "5", "9.90"],
            id="none",
        ),
        pytest.param(
            b"sku;qty;\nA;1\nB;2\nC;3\n",
            1,
            ("sku", "qty", "column 3"),
            ["A", "1"],
            id="one delimiter too many",
        ),
        pytest.param(
            b"sku,qty,qty,\nA,1,2,3\nB,1,2,3\n",
            1,
            ("sku", "qty", "qty (2)", "column 4"),
            ["A", "1", "2", "3"],
            id="twice the same and unnamed",
        ),
        pytest.param(
            b'"sku","on\nhand"\n"A","1"\n', 1, ("sku", "on hand"), ["A", "1"], id="a name with a line break"
        ),
        pytest.param(
            b"sku;W48;2026-11\nA;1;2\nB;3;4\n",
            0,
            ("column 1", "column 2", "column 3"),
            ["sku", "W48", "2026-11"],
            id="a date as a name is not seen as one",
        ),
        pytest.param(
            b"sku;name;brand\nA;x;y\nB;z;w\n", 1, ("sku", "name", "brand"), ["A", "x", "y"], id="words only"
        ),
        pytest.param(
            b"sku;qty\nA;in stock\nB;>100\n", 1, ("sku", "qty"), ["A", "in stock"], id="words for numbers"
        ),
    ],
)
def test_the_header_is_found(
    content: bytes, header_line: int, columns: tuple[str, ...], first: list[str], opened: Opener
) -> None:
    table = opened(content)
    assert (table.shape.header_line, table.shape.columns) == (header_line, columns)
    assert cells(table)[0] == first


def test_polish_is_told_by_its_letters_inside_words(opened: Opener) -> None:
    text = "Indeks;Nazwa;Ilość\r\n" + "".join(f"A-{n};Kubek żółty;{n}\r\n" for n in range(9))

    table = opened(text.encode("cp1250"))

    assert (table.shape.encoding, table.shape.columns) == ("cp1250", ("Indeks", "Nazwa", "Ilość"))


def test_a_line_that_groups_the_columns_is_not_their_header(opened: Opener) -> None:
    table = opened(b"Item;;Stock;\ncode;name;free;reserved\nA-1;Lamp;4;1\nA-2;Chair;7;0\nA-3;;0;2\n")

    assert (table.shape.header_line, table.shape.columns) == (2, ("code", "name", "free", "reserved"))
    assert [["A-1", "Lamp", "4", "1"], ["A-2", "Chair", "7", "0"], ["A-3", "", "0", "2"]] == cells(table)


def test_digits_that_were_kept_from_a_spreadsheet_are_read(opened: Opener) -> None:
    table = opened(b'sku,ean,qty\nA-1,"=""0400638133393""",4\nA-2,="036000291452",5\n')

    assert [["A-1", "0400638133393", "4"], ["A-2", "036000291452", "5"]] == cells(table)


def test_a_chosen_header_line_is_used(opened: Opener) -> None:
    content = b"1;2\nsku;qty\nunit;pieces\nA;1\n"
    table = opened(content, header_line=3)
    assert (table.shape.columns, cells(table), lines(table)) == (("unit", "pieces"), [["A", "1"]], [4])
    table = opened(content, header_line=-1)
    assert (table.shape.columns, len(cells(table))) == (("column 1", "column 2"), 4)
    with pytest.raises(FileFault) as caught:
        opened(content, header_line=9)
    assert caught.value.code == "no_table"


# -- records -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            b'A;"two\nlines";1\nB;x;2\n',
            [(2, ["A", "two\nlines", "1"]), (4, ["B", "x", "2"])],
            id="lf in quotes",
        ),
        pytest.param(
            b'A;"two\r\nlines";1\r\nB;x;2\r\n',
            [(2, ["A", "two\r\nlines", "1"]), (4, ["B", "x", "2"])],
            id="crlf in quotes",
        ),
        pytest.param(b'A;"a;b";1\n', [(2, ["A", "a;b", "1"])], id="delimiter in quotes"),
        pytest.param(b'A;"12"" pipe";1\n', [(2, ["A", '12" pipe', "1"])], id="escaped inch sign"),
        pytest.param(
            b'A;12" pipe;1\nB;3" bolt;2\n',
            [(2, ["A", '12" pipe', "1"]), (3, ["B", '3" bolt', "2"])],
            id="bare inch sign",
        ),
        pytest.param(
            b'A;"12" pipe;1\nB;x;2\n',
            [(2, ["A", "12 pipe", "1"]), (3, ["B", "x", "2"])],
            id="inch sign in quotes",
        ),
        pytest.param(
            b'A;"5 inch;1\nB;x;2\n', [(2, ["A", '"5 inch', "1"]), (3, ["B", "x", "2"])], id="stray quote"
        ),
        pytest.param(
            b'A;"5 inch;1\nB;"6 inch;2\nC;x;3\n',
            [(2, ["A", '"5 inch', "1"]), (3, ["B", '"6 inch', "2"]), (4, ["C", "x", "3"])],
            id="two stray quotes swallow nothing",
        ),
        pytest.param(b'A;"";1\n"";"""";2\n', [(2, ["A", "", "1"]), (3, ["", '"', "2"])], id="empty quotes"),
        pytest.param(b'A;"x\n\ny";1\n', [(2, ["A", "x\n\ny", "1"])], id="blank line in quotes"),
        pytest.param(
            b'A;"x\nB;"y";1\nC;z;2\n',
            [(2, ["A", '"x']), (3, ["B", "y", "1"]), (4, ["C", "z", "2"])],
            id="cell that never ended",
        ),
        pytest.param(
            b"A;x;1\nB;y\nC;z;3;4\n",
            [(2, ["A", "x", "1"]), (3, ["B", "y"]), (4, ["C", "z", "3", "4"])],
            id="ragged",
        ),
        pytest.param(
            b"A;x;1\nB;y;2\r\nC;z;3\rD;w;4",
            [(2, ["A", "x", "1"]), (3, ["B", "y", "2"]), (4, ["C", "z", "3"]), (5, ["D", "w", "4"])],
            id="mixed line ends",
        ),
        pytest.param(b"A;x;1\n\n\nB;y;2\n", [(2, ["A", "x", "1"]), (5, ["B", "y", "2"])], id="blank lines"),
        pytest.param(
            b"A;x;1\n;;\nB;y;2\n;;\n;;;\n",
            [(2, ["A", "x", "1"]), (4, ["B", "y", "2"])],
            id="lines of delimiters",
        ),
        pytest.param(b"A;x\0y;1\n\0B;z;2\n", [(2, ["A", "xy", "1"]), (3, ["B", "z", "2"])], id="nul bytes"),
        pytest.param(
            b"A;x;1\nA;x;1\nA;x;1\n",
            [(2, ["A", "x", "1"]), (3, ["A", "x", "1"]), (4, ["A", "x", "1"])],
            id="duplicates",
        ),
        pytest.param(
            "A;x\x85y\u2028z\x0bw;1\n".encode(),
            [(2, ["A", "x\x85y\u2028z\x0bw", "1"])],
            id="other separators are text",
        ),
    ],
)
def test_each_record_is_read_on_its_line(
    body: bytes, expected: list[tuple[int, list[str]]], opened: Opener
) -> None:
    table = opened(b"sku;name;qty\n" + body)
    assert [(row.line, row.cells) for row in table.rows()] == expected
    assert [row.digest for row in table.rows()] == table.digests().tolist()


def test_a_digest_is_that_of_the_raw_record_without_its_line_end(opened: Opener) -> None:
    unix = opened(b'sku;name\nA;"x\ny"\nB;2\n').digests().tolist()
    assert unix == [records.digest(b'A;"x\ny"'), records.digest(b"B;2")]
    assert opened(b"sku;name\r\nB;2\r\nB;2").digests().tolist() == [records.digest(b"B;2")] * 2


def test_a_change_of_order_makes_no_row_new(opened: Opener) -> None:
    rows = [f"A{n};{n}\n".encode() for n in range(1_000)]
    known = np.sort(opened(b"sku;qty\n" + b"".join(rows)).digests())
    again = opened(b"sku;qty\n" + b"".join(reversed(rows)) + b"B;1\n")
    assert [(row.line, row.cells) for row in again.rows(known)] == [(1_002, ["B", "1"])]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 64, 1_000])
def test_blocks_may_end_anywhere(size: int, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'A;"one\r\ntwo";1\r\n\r\nB;12" x;2\rC;"a""b";3\n"D\n\nd";"e";4\n;;\nE;"open;5\nF;6;7'
    table = opened(b"sku;name;qty\r\n" + body, header_line=1, delimiter=";")
    expected = [(row.line, row.cells, row.digest) for row in table.rows()]
    assert [(line, found) for line, found, _ in expected] == [
        (2, ["A", "one\r\ntwo", "1"]),
        (5, ["B", '12" x', "2"]),
        (6, ["C", 'a"b', "3"]),
        (7, ["D\n\nd", "e", "4"]),
        (11, ["E", '"open', "5"]),
        (12, ["F", "6", "7"]),
    ]
    monkeypatch.setattr(records, "BLOCK_BYTES", size)
    again = opened(b"sku;name;qty\r\n" + body, header_line=1, delimiter=";")
    assert [(row.line, row.cells, row.digest) for row in again.rows()] == expected


def test_a_quoted_cell_may_span_many_lines_but_not_the_file(opened: Opener) -> None:
    long = "\n".join(f"line {n}" for n in range(150))
    table = opened(f'sku;name\nA;"{long}"\nB;2\n'.encode())
    assert cells(table) == [["A", long], ["B", "2"]]
    endless = b'sku;name\nA;"never\n' + b"B;2\n" * 5_000
    table = opened(endless)
    assert len(table.digests()) == 5_001
    assert cells(table)[:2] == [["A", '"never'], ["B", "2"]]


def test_a_cell_beyond_the_csv_modules_limit_is_read(opened: Opener) -> None:
    text = "x" * 200_000
    table = opened(f"sku;name\nA;{text}\nB;{text[:10]}\n".encode())
    assert cells(table) == [["A", text], ["B", "x" * 10]]


def test_a_line_without_end_is_a_fault(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST_RECORD_BYTES", 1_000_000)
    table = opened(b"sku;qty\nA;1\n" + b"x" * 3_000_000)
    with pytest.raises(FileFault) as caught:
        table.digests()
    assert (caught.value.code, caught.value.subject) == ("no_table", "line 3")


# -- files that are none -------------------------------------------------------------------------------


def zip_with(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b" \r\n\t\n", "empty", id="blanks"),
        pytest.param(b"\xef\xbb\xbf\r\n", "empty", id="only a mark"),
        pytest.param(b"sku;qty\n", "empty", id="only a header"),
        pytest.param(b"sku;qty\n;\n;\n", "empty", id="a header and empty rows"),
        pytest.param(b"<!DOCTYPE html><html></html>", "html_page", id="page"),
        pytest.param(b"\r\n <HTML>\n<body>a,b\nc,d\n", "html_page", id="page after blanks"),
        pytest.param(b"<!-- x -->\n<html>", "html_page", id="page after a comment"),
        pytest.param(b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>', "html_page", id="xhtml"),
        pytest.param("<html>é</html>".encode("utf-16"), "html_page", id="page in utf-16"),
        pytest.param(b'<?xml version="1.0"?><stock><item/></stock>', "no_table", id="xml without a list"),
        pytest.param(zip_with("xl/workbook.xml"), "bad_workbook", id="no xlsx at all"),
        pytest.param(zip_with("word/document.xml", "[Content_Types].xml"), "unsupported_format", id="docx"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "bad_workbook", id="no xls at all"),
        pytest.param(b"%PDF-1.7\n", "unsupported_format", id="pdf"),
        pytest.param(b"Service temporarily unavailable\n", "no_table", id="a sentence"),
        pytest.param(b"Sorry.\nWe are closed today\nCome back tomorrow\n", "no_table", id="prose"),
        pytest.param(b"sku\nA\nB\nC\n", "no_table", id="one column"),
        pytest.param(gzip.compress(b"sku;qty\nA;1\n")[:-6], "truncated", id="half a gzip"),
        pytest.param(b"\x1f\x8b\x08nonsense", "truncated", id="no gzip at all"),
        pytest.param(b'{"data": [{"sku": "A"}, {"sku"', "bad_json", id="half a json"),
        pytest.param(b'[{"sku": "A"}, {"sku": "B"}', "bad_json", id="json without its end"),
        pytest.param(b'[{"sku": "A"}] trailing', "bad_json", id="json and more"),
        pytest.param(b'{"error": "invalid key"}', "no_table", id="json error"),
        pytest.param(b'{"data": []}', "empty", id="json without records"),
        pytest.param(b"[]", "empty", id="empty json list"),
        pytest.param(b"[1, 2, 3]", "no_table", id="json of numbers"),
        pytest.param(b"[" * 100_000, "bad_json", id="json of brackets"),
    ],
)
def test_what_is_no_table_is_a_fault(content: bytes, code: str, opened: Opener) -> None:
    with pytest.raises(FileFault) as caught:
        opened(content)
    assert caught.value.code == code
    assert caught.value.subject == "feed"


def test_a_gzip_file_is_unpacked(opened: Opener) -> None:
    content = gzip.compress(b"sku;qty\nA;1\n") + gzip.compress(b"B;2\n") + b"\0" * 100
    assert cells(opened(content)) == [["A", "1"], ["B", "2"]]


def test_a_gzip_bomb_is_a_fault(opened: Opener) -> None:
    with pytest.raises(FileFault) as caught:
        opened(gzip.compress(b"a;b\n" * 1_000_000), max_bytes=1_000_000)
    assert caught.value.code == "too_large"


# -- json ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "path"),
    [
        pytest.param([{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}], "", id="list"),
        pytest.param({"data": [{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}]}, "", id="one list"),
        pytest.param(
            {"links": [{"next": "x"}], "data": {"items": [{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}]}},
            "",
            id="the longest list",
        ),
        pytest.param(
            {"a": [{"x": 1}] * 5, "b": {"c": [{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}]}},
            "b.c",
            id="named list",
        ),
    ],
)
def test_the_records_of_a_document_are_found(document: object, path: str, opened: Opener) -> None:
    for content in (json.dumps(document), json.dumps(document, indent=2)):
        table = opened(content.encode(), records_path=path)
        assert (table.shape.format, table.shape.columns) == ("json", ("sku", "qty"))
        assert [(row.line, row.cells) for row in table.rows()] == [(1, ["A", "1"]), (2, ["B", "2"])]


def test_json_values_become_text(opened: Opener) -> None:
    content = (
        b'[{"sku": "00123", "qty": 12.50, "big": 4006381333931, "e": 1E5, "on": true, "eta": null,'
        b' "stock": {"free": 3, "at": {"x": 1}}, "sizes": [{"s": 1}, {"s": 2}]}, "odd", {"new": "n\\u0000"}]'
    )
    table = opened(content)
    assert table.shape.columns == (
        "sku",
        "qty",
        "big",
        "e",
        "on",
        "eta",
        "stock.free",
        "stock.at.x",
        "sizes",
        "new",
    )
    assert cells(table) == [
        ["00123", "12.50", "4006381333931", "100000", "true", "", "3", "1", '[{"s":1},{"s":2}]', ""],
        ["odd"],
        ["", "", "", "", "", "", "", "", "", "n"],
    ]


def test_a_json_record_is_the_same_whatever_the_order_of_its_names(opened: Opener) -> None:
    known = np.sort(opened(b'[{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}]').digests())
    again = opened(b'[{"qty":2,"sku":"B"},{"sku":"A","qty":1},{"sku":"A","qty":3}]')
    assert [row.cells for row in again.rows(known)] == [["3", "A"]]


def test_a_path_that_leads_nowhere_is_a_fault(opened: Opener) -> None:
    with pytest.raises(FileFault) as caught:
        opened(b'{"data": [{"sku": "A"}]}', records_path="data.items")
    assert caught.value.code == "empty"


def test_json_lines_are_read_line_by_line(opened: Opener) -> None:
    content = b'{"sku":"A","qty":1}\n\n{"sku":"B","stock":{"qty":2.50}}\r\nnot json\n{"sku":"C","qty":3}'
    table = opened(content, format="jsonl")
    assert (table.shape.format, table.shape.columns) == ("jsonl", ("sku", "qty", "stock.qty"))
    assert [(row.line, row.cells) for row in table.rows()] == [
        (1, ["A", "1", ""]),
        (3, ["B", "", "2.50"]),
        (4, ["not json"]),
        (5, ["C", "3", ""]),
    ]
    known = np.sort(table.digests()[:3])
    assert [row.line for row in table.rows(known)] == [5]


def test_json_lines_are_recognised(opened: Opener) -> None:
    assert opened(b'{"sku":"A"}\n{"sku":"B"}\n').shape.format == "jsonl"
    assert opened('{"sku":"Ä"}\n{"sku":"B"}\n'.encode("utf-16")).shape.format == "jsonl"
    with pytest.raises(FileFault) as caught:
        opened(b"sku;qty\nA;1\n", format="jsonl")
    assert caught.value.code == "bad_json"


# -- a large file against the csv module ---------------------------------------------------------------


def test_three_megabytes_read_as_the_csv_module_reads_them(opened: Opener) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["sku", "name", "qty"])
    for n in range(60_000):
        name = 'a "quoted", name' if n % 97 == 0 else "two\nlines" if n % 89 == 0 else f"Größe {n % 13}"
        writer.writerow([f"SKU-{n:06d}", name, n % 500])
    text = buffer.getvalue()
    content = text.encode()
    assert 1_500_000 < len(content) < 4_000_000
    table = opened(content)
    assert cells(table) == list(csv.reader(io.StringIO(text, newline="")))[1:]
    known = np.sort(np.delete(table.digests(), slice(0, None, 100)))
    assert [row.cells[0] for row in table.rows(known)] == [f"SKU-{n:06d}" for n in range(0, 60_000, 100)]
