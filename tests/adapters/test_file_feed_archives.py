"""Archives: which file in them is the list, and archives that are made to do harm. Also files that change."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.suppliers.file_feed import archives
from adapters.suppliers.file_feed.formats import is_document, open_table
from connector.ports.errors import FileFault
from connector.ports.suppliers import Feed, FetchMark, ReadOptions, Table
from tests.adapters.tables_support import as_json, as_ods, as_xlsx, as_zip

Opener = Callable[..., Table]
LIST = b"sku;qty\nA;1\nB;2\n"
MORE = b"sku;qty\nC;3\n"


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    def opener(content: bytes, max_bytes: int = 1_000_000, **options: object) -> Table:
        path = tmp_path / "feed.zip"
        path.write_bytes(content)
        feed = Feed(path, "feed.zip", len(content), FetchMark(), None)
        return open_table(feed, ReadOptions(**options), max_bytes)  # type: ignore[arg-type]

    return opener


def skus(table: Table) -> list[str]:
    return [row.cells[0] for row in table.rows()]


def as_tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        link = tarfile.TarInfo("passwords.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            as_zip({"out/stock.csv": LIST, "__MACOSX/._stock.csv": b"x", "read.me.pdf": b"%PDF"}), id="zip"
        ),
        pytest.param(gzip.compress(LIST), id="gzip"),
        pytest.param(gzip.compress(LIST[:8]) + gzip.compress(LIST[8:]), id="gzip in two parts"),
        pytest.param(bz2.compress(LIST), id="bzip2"),
        pytest.param(bz2.compress(LIST[:8]) + bz2.compress(LIST[8:]), id="bzip2 in two parts"),
        pytest.param(lzma.compress(LIST), id="xz"),
        pytest.param(as_tar({"stock.csv": LIST}), id="tar with a link beside it"),
        pytest.param(as_tar({"stock.csv": LIST}, "w:gz"), id="tar.gz"),
        pytest.param(as_tar({"stock.csv": LIST}, "w:bz2"), id="tar.bz2"),
        pytest.param(as_tar({"stock.csv": LIST}, "w:xz"), id="tar.xz"),
        pytest.param(
            as_zip({"a.csv": LIST, "note.txt": b"Prices in euro.\nSorry.\n"}), id="a note beside it"
        ),
        pytest.param(
            as_zip({"a.xlsx": as_xlsx([["sku", "qty"], ["A", "1"], ["B", "2"]])}), id="workbook in a zip"
        ),
        pytest.param(
            as_zip({"a.json": as_json([["sku", "qty"], ["A", "1"], ["B", "2"]])}), id="json in a zip"
        ),
    ],
)
def test_the_only_table_in_an_archive_is_read(content: bytes, opened: Opener) -> None:
    assert skus(opened(content)) == ["A", "B"]


def test_files_with_the_same_columns_are_read_as_one_and_lines_count_on(opened: Opener) -> None:
    table = opened(as_zip({"2.csv": MORE, "1.csv": LIST}))
    assert [(row.line, row.cells[0]) for row in table.rows()] == [(2, "A"), (3, "B"), (5, "C")]
    assert table.digests().tolist() == [row.digest for row in table.rows()]
    assert (
        table.shape.notes[0].reason
        == "2 files were read as one: lines 1–3 are “1.csv”, lines 4–5 are “2.csv”."
    )


def test_a_name_or_a_pattern_chooses_among_several(opened: Opener) -> None:
    content = as_zip({"stock_1122.csv": LIST, "prices_1122.csv": b"sku;price\nA;1.50\nB;2.50\n"})
    with pytest.raises(FileFault) as caught:
        opened(content)
    assert caught.value.code == "ambiguous_archive"
    assert "“prices_1122.csv”, “stock_1122.csv”" in caught.value.cause
    assert skus(opened(content, member="Stock*.csv")) == ["A", "B"]
    with pytest.raises(FileFault) as caught:
        opened(content, member="bestand*.csv")
    assert (caught.value.code, "“stock_1122.csv”" in caught.value.cause) == ("no_table", True)


def encrypted() -> bytes:
    """A zip file whose only entry says that it is encrypted."""
    content = bytearray(as_zip({"stock.csv": LIST}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(mark) + at
        content[place : place + 2] = struct.pack("<H", 1)
    return bytes(content)


def two_of_a_name() -> bytes:
    return as_zip({"a.csv": LIST, "b.csv": MORE}).replace(b"b.csv", b"a.csv")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(as_zip({"../../etc/cron.d/x": LIST}), "unsafe_name", id="path traversal"),
        pytest.param(as_zip({"/etc/x.csv": LIST}), "unsafe_name", id="absolute path"),
        pytest.param(as_zip({"..\\x.csv": LIST}), "unsafe_name", id="backslashes"),
        pytest.param(as_tar({"../x.csv": LIST}), "unsafe_name", id="path traversal in a tar"),
        pytest.param(encrypted(), "encrypted", id="encrypted"),
        pytest.param(as_zip({"a.zip": as_zip({"b.csv": LIST})}), "nested_archive", id="zip in zip"),
        pytest.param(as_zip({"a.csv.gz": gzip.compress(LIST)}), "nested_archive", id="gzip in zip"),
        pytest.param(gzip.compress(gzip.compress(LIST)), "nested_archive", id="gzip in gzip"),
        pytest.param(as_zip({"a.csv": b"a;b\n" * 300_000}), "too_large", id="beyond the limit"),
        pytest.param(bz2.compress(b"a;b\n" * 300_000), "too_large", id="bzip2 beyond the limit"),
        pytest.param(as_zip({}), "unsupported_format", id="no file"),
        pytest.param(as_zip({"a/": b""}), "empty", id="a directory alone"),
        pytest.param(as_zip({"a.txt": b"Sorry.\n", "b.txt": b"Closed.\n"}), "no_table", id="notes alone"),
        pytest.param(as_zip({"stock.csv": LIST})[:-30], "truncated", id="zip without its end"),
        pytest.param(as_tar({"stock.csv": LIST * 200})[:2_000], "truncated", id="half a tar"),
        pytest.param(lzma.compress(LIST)[:-8], "truncated", id="half an xz"),
        pytest.param(bz2.compress(LIST)[:-4], "truncated", id="half a bzip2"),
        pytest.param(b"7z\xbc\xaf\x27\x1c" + bytes(30), "unsupported_format", id="7z"),
        pytest.param(b"Rar!\x1a\x07\x01\x00" + bytes(30), "unsupported_format", id="rar"),
        pytest.param(two_of_a_name(), "truncated", id="two files of one name"),
    ],
)
def test_an_archive_that_cannot_be_used_is_a_named_fault(content: bytes, code: str, opened: Opener) -> None:
    with pytest.raises(FileFault) as caught:
        opened(content)
    assert caught.value.code == code


def test_bombs_are_refused_long_before_the_limit(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_FROM_BYTES", 500_000)
    zeros = b"0" * 3_000_000
    for content in (
        as_zip({"a.csv": zeros}),
        gzip.compress(zeros),
        bz2.compress(zeros),
        lzma.compress(zeros),
    ):
        with pytest.raises(FileFault) as caught:
            opened(content, max_bytes=10_000_000)
        assert caught.value.code == "archive_bomb"
    monkeypatch.setattr(archives, "MOST_ENTRIES", 20)
    with pytest.raises(FileFault) as caught:
        opened(as_zip({f"{n}.csv": LIST for n in range(21)}))
    assert caught.value.code == "archive_bomb"


def test_nothing_is_written_outside_the_directory_of_the_feed(opened: Opener, tmp_path: Path) -> None:
    opened(as_zip({"deep/er/stock.csv": LIST}))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["feed.zip", "feed.zip.1.unpacked"]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(as_xlsx([["sku"]])[:300], True, id="xlsx"),
        pytest.param(as_tar({"a.csv": LIST})[:300], True, id="tar"),
        pytest.param(b"\xef\xbb\xbf <?xml version='1.0'?>", True, id="xml"),
        pytest.param(b"UNA:+.? 'UNB+UNOC:3+4012345000009:14", True, id="edifact"),
        pytest.param(b'{"sku":', True, id="json"),
        pytest.param(b"ISAAC;12\nB;3\n" * 20, False, id="a name that begins as an interchange"),
        pytest.param(b"sku;qty\n", False, id="csv"),
    ],
)
def test_half_of_a_document_is_not_judged(head: bytes, expected: bool) -> None:
    assert is_document(head) is expected


# -- files that are too large, or change ---------------------------------------------------------------


@pytest.mark.parametrize("content", [LIST * 9, as_ods([["sku", "qty"], ["A", "1"]])], ids=["csv", "ods"])
def test_a_file_beyond_the_limit_is_refused_before_it_is_read(
    content: bytes, opened: Opener, tmp_path: Path
) -> None:
    with pytest.raises(FileFault) as caught:
        opened(content, max_bytes=100)
    assert (caught.value.code, "DISPO_MAX_FEED_BYTES" in caught.value.remedy) == ("too_large", True)
    assert [path.name for path in tmp_path.iterdir()] == ["feed.zip"]


def test_a_file_that_changes_while_it_is_read_is_a_fault(opened: Opener, tmp_path: Path) -> None:
    table = opened(LIST)
    rows = table.rows()
    next(rows)
    (tmp_path / "feed.zip").write_bytes(MORE)
    with pytest.raises(FileFault) as caught:
        list(rows)
    assert caught.value.code == "changed"
    with pytest.raises(FileFault):
        table.digests()


def test_a_file_that_changed_before_it_was_opened_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_bytes(LIST)
    with pytest.raises(FileFault) as caught:
        open_table(Feed(path, "feed", len(LIST) + 5, FetchMark(), None), ReadOptions(), 1_000)
    assert caught.value.code == "changed"


def test_the_same_bytes_at_another_time_are_a_change_too(opened: Opener, tmp_path: Path) -> None:
    table = opened(LIST)
    os.utime(tmp_path / "feed.zip", (1, 1))
    with pytest.raises(FileFault):
        list(table.rows())
