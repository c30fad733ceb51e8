"""mypy proves here that each supplier adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.suppliers.file_feed.adapter import FileFeed
from adapters.suppliers.file_feed.object_table import ObjectTable
from adapters.suppliers.file_feed.spool import SpooledTable
from adapters.suppliers.file_feed.text_table import LineTable
from connector.ports.suppliers import Supplier, Table


def file_feed(adapter: FileFeed) -> Supplier:
    return adapter


def line_table(table: LineTable) -> Table:
    return table


def spooled_table(table: SpooledTable) -> Table:
    return table


def object_table(table: ObjectTable) -> Table:
    return table
