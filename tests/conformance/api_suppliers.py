"""What every live API promises as a supplier. Inherit `ApiSupplierConformance` and give `source`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from connector.intake.mapping import FIELDS
from connector.ports.errors import FileFault, PortError, RateLimited, Retryable, Unauthorized
from connector.ports.incoming import SupplierIncoming, SupplierIncomingReader
from connector.ports.suppliers import Feed, NotModified, ReadOptions, Supplier, Table

Order = tuple[str, str, int, datetime | None]
"""One line on order: its lasting reference in the test, the item, units left in the item's own unit, when."""


class ApiSource(Protocol):
    """The far side of the test: an API's loopback twin, and how to make it misbehave.

    `supplier` is what the registry built for it. `page_size` is how many items it gives at once, `secrets`
    are texts that may stand in no message, `least_wait_s` is what its "too many" asks to wait.
    `tells_change` is True where it can say cheaply that nothing changed, `has_orders` where it knows what is
    on order.
    """

    supplier: Supplier
    page_size: int
    secrets: Sequence[str]
    least_wait_s: float
    tells_change: bool
    has_orders: bool
    # Optional `tells_days`: it knows the day an order arrives and no hour, which is told as noon UTC.

    def stock(self, items: Sequence[tuple[str, int]]) -> None:
        """Have exactly these items (code, units) and nothing else."""

    def order(self, lines: Sequence[Order]) -> None:
        """Have exactly these lines on order."""

    def refuse_credentials(self) -> None:
        """The platform no longer accepts the credentials."""

    def fail_next(self, times: int) -> None:
        """The next requests fail in passing."""

    def throttle_next(self, times: int) -> None:
        """The next requests are answered with "too many"."""

    def break_after(self, pages: int) -> None:
        """After so many pages of items every request fails."""

    def answer_page(self) -> None:
        """Every answer is a web page with status 200."""

    def leak(self) -> None:
        """Every further request fails with a message that holds the credentials."""

    def calls(self) -> int:
        """How many requests were answered so far."""


def items(count: int) -> list[tuple[str, int]]:
    return [(f"SKU-{number:04d}", number % 7) for number in range(count)]


class ApiSupplierConformance:
    """Inherited by each live source's tests."""

    @pytest.fixture
    def source(self, waits: list[float]) -> Iterator[ApiSource]:
        raise NotImplementedError("give the simulated platform")

    @pytest.fixture
    def waits(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The waits that were asked for and not taken."""
        asked: list[float] = []
        monkeypatch.setattr("adapters.kit.api.pause", asked.append)
        return asked

    @pytest.fixture
    def inbox(self, tmp_path: Path) -> Path:
        path = tmp_path / "inbox"
        path.mkdir()
        return path

    def fetched(self, source: ApiSource, inbox: Path) -> Feed:
        feed = source.supplier.fetch(None, inbox)
        assert isinstance(feed, Feed)
        return feed

    def table(self, source: ApiSource, inbox: Path) -> Table:
        return source.supplier.open(self.fetched(source, inbox), ReadOptions())

    def read(self, source: ApiSource, inbox: Path) -> list[tuple[str, int]]:
        """Code and units as intake reads them: by the columns that the table itself names."""
        table = self.table(source, inbox)
        named = dict(table.shape.fields)
        key = next(named[name] for name in ("supplier_sku", "sku", "gtin") if name in named)
        at, quantity = table.shape.columns.index(key), table.shape.columns.index(named["quantity"])
        return sorted((row.cells[at], int(row.cells[quantity])) for row in table.rows())

    def orders(self, source: ApiSource) -> list[SupplierIncoming]:
        assert isinstance(source.supplier, SupplierIncomingReader)
        assert source.supplier.reads_incoming
        return sorted(
            (line for page in source.supplier.incoming() for line in page), key=lambda line: line.reference
        )

    # -- the whole list

    def test_the_check_says_what_was_found_with_few_calls(self, source: ApiSource) -> None:
        source.stock(items(source.page_size * 3))
        before = source.calls()
        assert source.supplier.check().endswith(".")
        assert source.calls() - before <= 12

    def test_every_page_is_read(self, source: ApiSource, inbox: Path) -> None:
        wanted = items(source.page_size * 2 + 1)
        source.stock(wanted)
        assert self.read(source, inbox) == wanted

    def test_a_full_last_page_is_not_taken_for_more(self, source: ApiSource, inbox: Path) -> None:
        wanted = items(source.page_size * 2)
        source.stock(wanted)
        assert self.read(source, inbox) == wanted

    def test_the_source_says_what_its_columns_mean(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(3))
        table = self.table(source, inbox)
        named = dict(table.shape.fields)
        assert "quantity" in named
        assert set(named) <= set(FIELDS)
        assert {"supplier_sku", "sku", "gtin"} & set(named)
        assert set(named.values()) <= set(table.shape.columns)

    def test_the_feed_is_whole_and_in_the_given_directory(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(3))
        feed = self.fetched(source, inbox)
        assert list(inbox.iterdir()) == [feed.path]
        assert feed.path.stat().st_size == feed.size_bytes
        assert (len(feed.mark.sha256), feed.is_unchanged) == (64, False)

    def test_the_same_stock_is_recognised(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(5))
        mark = self.fetched(source, inbox).mark
        again = source.supplier.fetch(mark, inbox)
        if source.tells_change:
            assert again == NotModified()
        else:
            assert isinstance(again, Feed)
            assert (again.is_unchanged, again.mark.sha256) == (True, mark.sha256)

    def test_one_change_is_one_row(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(5))
        first = self.fetched(source, inbox)
        known = np.sort(source.supplier.open(first, ReadOptions()).digests())
        source.stock([*items(4), ("SKU-0004", 99)])
        again = source.supplier.fetch(first.mark, inbox)
        assert isinstance(again, Feed)
        rows = list(source.supplier.open(again, ReadOptions()).rows(known))
        assert len(rows) == 1
        assert "99" in rows[0].cells

    def test_an_item_that_left_is_missing_and_not_zero(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(5))
        self.fetched(source, inbox)
        source.stock(items(4))
        assert self.read(source, inbox) == items(4)

    def test_an_api_that_lists_nothing_is_a_fault_and_not_sold_out(
        self, source: ApiSource, inbox: Path
    ) -> None:
        source.stock([])
        with pytest.raises(FileFault) as caught:
            source.supplier.open(self.fetched(source, inbox), ReadOptions())
        assert caught.value.code == "empty"

    # -- never half

    def test_a_page_that_fails_once_is_read_again(
        self, source: ApiSource, inbox: Path, waits: list[float]
    ) -> None:
        source.stock(items(source.page_size + 1))
        source.fail_next(1)
        assert self.read(source, inbox) == items(source.page_size + 1)
        assert len(waits) == 1

    def test_a_platform_that_fails_may_be_asked_again(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(3))
        source.fail_next(20)
        with pytest.raises(Retryable):
            source.supplier.fetch(None, inbox)
        assert list(inbox.iterdir()) == []

    def test_half_a_list_is_never_a_feed(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(source.page_size * 3))
        source.break_after(1)
        with pytest.raises(Retryable):
            source.supplier.fetch(None, inbox)
        assert list(inbox.iterdir()) == []

    def test_too_many_is_waited_for_as_long_as_was_asked(
        self, source: ApiSource, inbox: Path, waits: list[float]
    ) -> None:
        source.stock(items(3))
        source.throttle_next(1)
        assert self.read(source, inbox) == items(3)
        assert max(waits) == pytest.approx(source.least_wait_s, abs=1)

    def test_too_many_for_good_is_left_for_later(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(3))
        source.throttle_next(500)
        with pytest.raises(RateLimited) as caught:
            source.supplier.fetch(None, inbox)
        assert caught.value.retry_after_s > 0
        assert list(inbox.iterdir()) == []

    def test_refused_credentials_are_told_as_such(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(3))
        source.refuse_credentials()
        for ask in (source.supplier.check, lambda: source.supplier.fetch(None, inbox)):
            with pytest.raises(Unauthorized) as caught:
                ask()
            self.say_nothing_secret(source, caught.value)
        assert list(inbox.iterdir()) == []

    def test_a_web_page_is_no_list(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(3))
        source.answer_page()
        with pytest.raises(PortError) as caught:
            source.supplier.fetch(None, inbox)
        assert not isinstance(caught.value, Retryable)
        assert caught.value.remedy
        assert list(inbox.iterdir()) == []

    def test_no_message_holds_a_secret(self, source: ApiSource, inbox: Path) -> None:
        source.stock(items(3))
        source.leak()
        with pytest.raises(PortError) as caught:
            source.supplier.fetch(None, inbox)
        self.say_nothing_secret(source, caught.value)

    def say_nothing_secret(self, source: ApiSource, error: PortError) -> None:
        assert source.secrets
        for secret in source.secrets:
            assert secret not in str(error)
        assert "Traceback" not in str(error)

    # -- what is on order

    def test_lines_on_order_come_with_units_and_dates(self, source: ApiSource) -> None:
        self.need_orders(source)
        source.stock(items(3))
        soon, late = datetime(2026, 12, 3, 8, tzinfo=UTC), datetime(2026, 12, 17, 8, tzinfo=UTC)
        source.order([("1", "SKU-0001", 40, soon), ("2", "SKU-0002", 12, late)])
        found = self.orders(source)
        assert sorted((line.item, line.units, line.arrives_at) for line in found) == [
            ("SKU-0001", 40, self.told(source, soon)),
            ("SKU-0002", 12, self.told(source, late)),
        ]

    def test_a_slip_keeps_the_line_and_moves_its_date(self, source: ApiSource) -> None:
        self.need_orders(source)
        source.stock(items(3))
        source.order([("1", "SKU-0001", 40, datetime(2026, 12, 3, 8, tzinfo=UTC))])
        before = self.orders(source)
        slipped = datetime(2026, 12, 17, 8, tzinfo=UTC)
        source.order([("1", "SKU-0001", 40, slipped)])
        after = self.orders(source)
        assert [line.reference for line in after] == [line.reference for line in before]
        assert [line.arrives_at for line in after] == [self.told(source, slipped)]

    def test_what_was_received_or_cancelled_is_gone(self, source: ApiSource) -> None:
        self.need_orders(source)
        source.stock(items(3))
        source.order([("1", "SKU-0001", 40, None), ("2", "SKU-0002", 5, None)])
        assert len(self.orders(source)) == 2
        source.order([("2", "SKU-0002", 5, None)])
        assert [line.units for line in self.orders(source)] == [5]
        source.order([])
        assert self.orders(source) == []

    def told(self, source: ApiSource, at: datetime) -> datetime:
        return at.replace(hour=12) if getattr(source, "tells_days", False) else at

    def need_orders(self, source: ApiSource) -> None:
        if not source.has_orders:
            pytest.skip("this platform knows nothing of orders")
