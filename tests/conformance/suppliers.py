"""What every adapter of the supplier port promises. Inherit `SupplierConformance` and give `source`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from connector.ports.errors import FileFault, Misconfigured, NotFound, Retryable, Unauthorized
from connector.ports.suppliers import Feed, NotModified, ReadOptions, Supplier, Table


class Source(Protocol):
    """The far side of the test: a supplier's file and how to make it misbehave.

    `is_remote` is False where nothing lies between the file and us that could break, `has_credentials`
    where there are none to refuse.
    """

    supplier: Supplier
    is_remote: bool
    has_credentials: bool

    def publish(self, rows: list[tuple[str, str]]) -> None:
        """Publish a feed with the columns sku and quantity, these rows, and a later time than before."""

    def republish(self) -> None:
        """Publish the same bytes with a later time."""

    def publish_nothing(self) -> None:
        """Publish an empty file."""

    def publish_page(self) -> None:
        """Publish a web page where the feed was."""

    def publish_huge(self) -> None:
        """Publish more than the installation takes."""

    def remove(self) -> None:
        """Take the file away."""

    def refuse_credentials(self) -> None:
        """The source no longer accepts the credentials."""

    def fail(self) -> None:
        """Every further request fails before any byte of the file is sent."""

    def break_off(self) -> None:
        """Every further transfer ends in the middle of the file."""

    def calls(self) -> int:
        """How often the file's content was sent so far, whole or in part."""


ROWS = [(f"SKU-{number:03d}", str(number % 7)) for number in range(50)]


def cells(table: Table) -> list[tuple[str, ...]]:
    return [tuple(row.cells) for row in table.rows()]


class SupplierConformance:
    """Inherited by each adapter's tests."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Source]:
        raise NotImplementedError("give the simulated supplier")

    @pytest.fixture
    def inbox(self, tmp_path: Path) -> Path:
        path = tmp_path / "inbox"
        path.mkdir()
        return path

    def fetched(self, source: Source, inbox: Path) -> Feed:
        feed = source.supplier.fetch(None, inbox)
        assert isinstance(feed, Feed)
        return feed

    # -- fetching

    def test_the_check_says_what_was_found_without_taking_it_all(self, source: Source) -> None:
        source.publish(ROWS)
        assert "2 columns (sku, quantity)" in source.supplier.check()

    def test_a_fetched_file_is_whole_and_in_the_given_directory(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        feed = self.fetched(source, inbox)
        assert feed.path.parent == inbox
        assert feed.path.stat().st_size == feed.size_bytes
        assert len(feed.mark.sha256) == 64
        assert feed.is_unchanged is False
        assert feed.as_of is None or feed.as_of.tzinfo is not None

    def test_a_file_that_did_not_change_is_not_sent_again(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        feed = self.fetched(source, inbox)
        before = source.calls()
        assert source.supplier.fetch(feed.mark, inbox) == NotModified()
        assert source.calls() == before

    def test_the_same_bytes_under_a_new_time_are_recognised(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        mark = self.fetched(source, inbox).mark
        source.republish()
        again = source.supplier.fetch(mark, inbox)
        assert isinstance(again, Feed)
        assert (again.is_unchanged, again.mark.sha256) == (True, mark.sha256)

    def test_a_changed_file_is_brought(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        mark = self.fetched(source, inbox).mark
        source.publish([*ROWS[1:], ("SKU-000", "99")])
        again = source.supplier.fetch(mark, inbox)
        assert isinstance(again, Feed)
        assert again.is_unchanged is False
        assert cells(source.supplier.open(again, ReadOptions()))[-1] == ("SKU-000", "99")

    def test_a_missing_file_is_not_found(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        source.remove()
        with pytest.raises(NotFound):
            source.supplier.fetch(None, inbox)
        with pytest.raises(NotFound):
            source.supplier.check()

    def test_refused_credentials_are_told_as_such(self, source: Source, inbox: Path) -> None:
        if not source.has_credentials:
            pytest.skip("this source has no credentials")
        source.publish(ROWS)
        source.refuse_credentials()
        with pytest.raises(Unauthorized):
            source.supplier.fetch(None, inbox)
        with pytest.raises(Unauthorized):
            source.supplier.check()
        assert list(inbox.iterdir()) == []

    def test_a_failing_source_may_be_asked_again(self, source: Source, inbox: Path) -> None:
        if not source.is_remote:
            pytest.skip("nothing lies between this source and us")
        source.publish(ROWS)
        source.fail()
        with pytest.raises(Retryable):
            source.supplier.fetch(None, inbox)
        assert list(inbox.iterdir()) == []

    def test_half_a_file_is_never_a_feed(self, source: Source, inbox: Path) -> None:
        if not source.is_remote:
            pytest.skip("nothing lies between this source and us")
        source.publish(ROWS)
        source.break_off()
        with pytest.raises((FileFault, Retryable)):
            source.supplier.fetch(None, inbox)

    def test_a_file_beyond_the_limit_is_refused(self, source: Source, inbox: Path) -> None:
        source.publish_huge()
        with pytest.raises(FileFault) as caught:
            source.supplier.fetch(None, inbox)
        assert caught.value.code == "too_large"

    # -- opening

    def test_every_row_is_read_in_order_with_its_line(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        table = source.supplier.open(self.fetched(source, inbox), ReadOptions())
        assert table.shape.columns == ("sku", "quantity")
        assert cells(table) == ROWS
        lines = [row.line for row in table.rows()]
        assert lines == sorted(set(lines))

    def test_a_table_may_be_read_several_times(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        table = source.supplier.open(self.fetched(source, inbox), ReadOptions())
        assert list(table.rows()) == list(table.rows())
        assert table.digests().tolist() == table.digests().tolist()

    def test_each_row_carries_its_digest(self, source: Source, inbox: Path) -> None:
        source.publish([*ROWS, ROWS[3]])
        table = source.supplier.open(self.fetched(source, inbox), ReadOptions())
        digests = table.digests()
        assert digests.dtype == np.uint64
        assert [row.digest for row in table.rows()] == digests.tolist()
        assert (len(digests), len(set(digests.tolist()))) == (51, 50)

    def test_known_rows_are_passed_over(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        known = np.sort(source.supplier.open(self.fetched(source, inbox), ReadOptions()).digests())
        source.publish([*ROWS[:10], ("SKU-010", "77"), *ROWS[11:], ("NEW", "1")])
        table = source.supplier.open(self.fetched(source, inbox), ReadOptions())
        assert [tuple(row.cells) for row in table.rows(known)] == [("SKU-010", "77"), ("NEW", "1")]

    def test_an_empty_file_is_a_fault_and_not_sold_out(self, source: Source, inbox: Path) -> None:
        source.publish_nothing()
        with pytest.raises(FileFault) as caught:
            source.supplier.open(self.fetched(source, inbox), ReadOptions())
        assert caught.value.code == "empty"

    def test_a_web_page_is_no_feed(self, source: Source, inbox: Path) -> None:
        source.publish_page()
        with pytest.raises(FileFault) as caught:
            source.supplier.open(self.fetched(source, inbox), ReadOptions())
        assert caught.value.code == "html_page"

    def test_an_unknown_option_names_its_field(self, source: Source, inbox: Path) -> None:
        source.publish(ROWS)
        feed = self.fetched(source, inbox)
        with pytest.raises(Misconfigured) as caught:
            source.supplier.open(feed, ReadOptions(encoding="klingon"))
        assert caught.value.field == "encoding"
        with pytest.raises(Misconfigured) as caught:
            source.supplier.open(feed, ReadOptions(format="papyrus"))
        assert caught.value.field == "format"
