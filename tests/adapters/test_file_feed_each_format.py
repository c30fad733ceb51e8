"""What holds in every format: the promises of the port, and that the same table reads the same."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.suppliers.file_feed import MANIFEST
from adapters.suppliers.file_feed.formats import open_table
from connector.ports.suppliers import Feed, FetchMark, ReadOptions
from connector.registry import Environment
from tests.adapters.tables_support import WRITERS, Rows, as_csv
from tests.conformance.suppliers import SupplierConformance

LIMIT_BYTES = 300_000
DAY_ONE = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)


class FormatSource:
    """A file of one format in a directory."""

    is_remote = False
    has_credentials = False

    def __init__(self, directory: Path, write: Callable[[Rows], bytes]) -> None:
        self._path = directory / "stock.dat"
        self._write = write
        self._hour = 0
        environment = Environment(feed_directories=(directory,), max_feed_bytes=LIMIT_BYTES)
        self.supplier = MANIFEST.build({"path": str(self._path)}, {}, environment)

    def _put(self, content: bytes) -> None:
        self._path.write_bytes(content)
        self._hour += 1
        moment = (DAY_ONE + timedelta(hours=self._hour)).timestamp()
        os.utime(self._path, (moment, moment))

    def publish(self, rows: list[tuple[str, str]]) -> None:
        self._put(self._write([("sku", "quantity"), *rows]))

    def republish(self) -> None:
        self._put(self._path.read_bytes())

    def publish_nothing(self) -> None:
        self._put(b"")

    def publish_page(self) -> None:
        self._put(b"<!doctype html><title>Sign in</title>")

    def publish_huge(self) -> None:
        self._put(b"a,b\n" * LIMIT_BYTES)

    def remove(self) -> None:
        self._path.unlink()

    def refuse_credentials(self) -> None:
        raise AssertionError("there are none")

    def fail(self) -> None:
        raise AssertionError("nothing can")

    break_off = fail

    def calls(self) -> int:
        return 0


class _OfOneFormat(SupplierConformance):
    kind: str

    @pytest.fixture
    def source(self, tmp_path: Path) -> FormatSource:
        directory = tmp_path / "feeds"
        directory.mkdir()
        return FormatSource(directory, WRITERS[self.kind])


class TestXlsx(_OfOneFormat):
    kind = "xlsx"


class TestXls(_OfOneFormat):
    kind = "xls"


class TestOds(_OfOneFormat):
    kind = "ods"


class TestXml(_OfOneFormat):
    kind = "xml"


class TestJson(_OfOneFormat):
    kind = "json"


class TestJsonLines(_OfOneFormat):
    kind = "jsonl"


class TestZip(_OfOneFormat):
    kind = "zip"


# No blanks at the ends: XML readers drop them, and so do we.
CELL = st.text(alphabet=st.sampled_from(list("aZ09.,;'\"<&>é日-")), max_size=10)
CODE = st.text(alphabet=st.sampled_from(list("A0123-")), min_size=1, max_size=8)


@settings(max_examples=4, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(CODE, CELL, CELL), min_size=2, max_size=12))
def test_the_same_table_reads_the_same_in_every_format(rows: list[tuple[str, str, str]]) -> None:
    table = [("sku", "name", "quantity"), *rows]
    found = {}
    for kind, write in {"csv": as_csv, **WRITERS}.items():
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "feed"
            path.write_bytes(write(table))
            feed = Feed(path, "feed", path.stat().st_size, FetchMark(), None)
            is_text = kind in {"csv", "zip"}
            options = ReadOptions(
                delimiter="," if is_text else "", header_line=0 if kind in {"xml", "json", "jsonl"} else 1
            )
            opened = open_table(feed, options, 1_000_000)
            found[kind] = (opened.shape.columns, [tuple(row.cells) for row in opened.rows()])
    expected = (("sku", "name", "quantity"), rows)
    assert found == dict.fromkeys(found, expected)
