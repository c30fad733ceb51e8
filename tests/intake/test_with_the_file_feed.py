"""Runs with the real file adapter, built by the registry, on files as suppliers write them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from connector.registry import Environment, manifest
from tests.intake.conftest import SUPPLIER, Shop


@dataclass
class Feed:
    """A shop whose supplier is a file on disk."""

    shop: Shop
    path: Path
    written: int = 0

    def run(self, content: bytes | str, encoding: str = "utf-8") -> Any:
        self.path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        self.written += 1
        at = datetime(2026, 1, 5, 6, self.written, tzinfo=UTC).timestamp()
        os.utime(self.path, (at, at))
        return self.shop.run()


@pytest.fixture
def feed(shop: Shop, tmp_path: Path) -> Feed:
    directory = tmp_path / "inbox"
    directory.mkdir()
    path = directory / "stock.csv"
    shop.rt.suppliers[SUPPLIER] = manifest("suppliers", "file_feed").build(
        {"path": str(path)}, {}, Environment(feed_directories=(directory,))
    )
    return Feed(shop, path)


def test_a_german_spreadsheet_export_goes_all_the_way(feed: Feed) -> None:
    for sku in ("A-1", "B-2", "C-3", "D-4"):
        feed.shop.add_variant(sku)

    outcome = feed.run(
        "Artikelnummer;Bezeichnung;Lagerbestand;Liefertermin;EK\r\n"
        "A-1;Größe 12;1.250,0;;12,50\r\nB-2;Tür;ausverkauft;KW 5;1.234,00\r\nC-3;Rad;auf Lager;;\r\n"
        "D-4;Öl;1.500;;\r\n",
        "cp1252",
    )

    assert (outcome.status, outcome.error, outcome.rows_rejected) == ("applied", "", 0)
    assert feed.shop.observed() == {"a-1": 1250, "b-2": 0, "c-3": None, "d-4": 1500}
    assert feed.shop.available() == {"A-1": 1250, "B-2": 0, "C-3": 5, "D-4": 1500}
    assert feed.shop.all("select restock_on::text, cost::text from observation where item_key = 'b-2'") == [
        ("2026-02-01", "1234.0000")
    ]
    assert feed.shop.all("select as_of from source") == [(datetime(2026, 1, 5, 6, 1, tzinfo=UTC),)]


def test_an_untouched_file_is_not_modified(feed: Feed) -> None:
    feed.run("SKU,Stock\nA-1,5\n")

    outcome = feed.shop.run()

    assert (outcome.status, outcome.rows_read) == ("unchanged", 0)


def test_the_same_bytes_written_again_are_unchanged(feed: Feed) -> None:
    feed.run("SKU,Stock\nA-1,5\n")

    assert feed.run("SKU,Stock\nA-1,5\n").status == "unchanged"


def test_a_shuffled_file_with_one_change_writes_one_row(feed: Feed) -> None:
    rows = [f"S-{n},{n % 90}" for n in range(3000)]
    feed.run("SKU,Stock\n" + "\n".join(rows))

    rows[17] = "S-17,33"
    outcome = feed.run("SKU,Stock\n" + "\n".join(reversed(rows)))

    assert (outcome.status, outcome.rows_read, outcome.rows_changed) == ("applied", 3000, 1)
    assert feed.shop.all("select item_key, quantity from observation where run_id = 2") == [("s-17", 33)]


def test_a_web_page_a_binary_and_an_empty_file_keep_yesterdays_stock(feed: Feed) -> None:
    feed.run("SKU,Stock\nA-1,5\n")

    codes = [
        feed.run(content).error_code
        for content in ("<!DOCTYPE html><html><body>Please log in</body></html>", b"", "SKU,Stock\n")
    ]

    assert codes == ["html_page", "empty", "empty"]
    assert feed.shop.observed() == {"a-1": 5}
    assert feed.shop.all("select count(*) from run where status = 'failed'") == [(3,)]


def test_quotes_tabs_backslashes_and_line_breaks_in_codes_survive(feed: Feed) -> None:
    outcome = feed.run('SKU,Stock\n"12"" pipe",3\n"a\tb",4\n"back\\slash",5\n"two\nlines",6\n\\N,7\n')

    assert outcome.rows_rejected == 0
    assert feed.shop.all("select sku, quantity from observation order by line") == [
        ('12" pipe', 3),
        ("a\tb", 4),
        ("back\\slash", 5),
        ("two\nlines", 6),
        ("\\N", 7),
    ]


def test_an_older_file_waits(feed: Feed) -> None:
    feed.written = 10
    feed.run("SKU,Stock\nA-1,5\nB-2,1\n")
    feed.written = 1

    outcome = feed.run("SKU,Stock\nA-1,4\nB-2,1\n")

    assert (outcome.status, outcome.error_code) == ("held", "stale_file")


def test_a_json_feed_is_read_too(feed: Feed, tmp_path: Path) -> None:
    path = tmp_path / "inbox" / "stock.json"
    feed.shop.rt.suppliers[SUPPLIER] = manifest("suppliers", "file_feed").build(
        {"path": str(path)}, {}, Environment(feed_directories=(path.parent,))
    )
    feed.path = path

    outcome = feed.run('[{"sku": "A-1", "stock": 5}, {"sku": "B-2", "stock": 0}]')

    assert (outcome.status, outcome.error) == ("applied", "")
    assert feed.shop.observed() == {"a-1": 5, "b-2": 0}
    outcome = feed.run('[{"sku": "A-1", "stock": 4}, {"sku": "B-2", "stock": 0}]')
    assert (outcome.rows_changed, feed.shop.observed()) == (1, {"a-1": 4, "b-2": 0})


def test_a_workbook_goes_all_the_way_and_what_it_cannot_tell_is_kept_with_the_run(feed: Feed) -> None:
    for sku in ("00123", "B-2"):
        feed.shop.add_variant(sku)
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        page = book.add_worksheet("Stock")
        for line, row in enumerate([["SKU", "Stock"], ["00123", 5], ["B-2", 3], [124, 9]]):
            page.write_row(line, 0, row)
        page.write_formula(4, 0, "=X1", None, "#REF!")
        page.write(4, 1, 1)

    outcome = feed.run(buffer.getvalue())

    assert (outcome.status, outcome.rows_rejected) == ("applied", 1)
    assert feed.shop.observed() == {"00123": 5, "b-2": 3, "124": 9}
    assert feed.shop.all("select line, code from run_issue order by line") == [
        (4, "note:mixed_codes"),
        (5, "bad_key"),
    ]
