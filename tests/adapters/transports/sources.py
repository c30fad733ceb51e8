"""What the conformance suite needs of a directory that a server publishes."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.suppliers.file_feed import MANIFEST
from adapters.suppliers.file_feed.adapter import FileFeed
from connector.registry import Environment

LIMIT_BYTES = 100_000
DAY_ONE = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body></body></html>"


def csv_of(rows: list[tuple[str, str]]) -> bytes:
    return "".join(f"{sku},{quantity}\r\n" for sku, quantity in [("sku", "quantity"), *rows]).encode()


def environment(**changes: Any) -> Environment:
    base = Environment(
        allowed_private_hosts=frozenset({"127.0.0.1", "localhost"}), max_feed_bytes=LIMIT_BYTES, timeout_s=5.0
    )
    return replace(base, **changes)


def feed_of(config: dict[str, Any], env: Environment | None = None, **secrets: str) -> FileFeed:
    built = MANIFEST.build(config, secrets, env or environment())
    assert isinstance(built, FileFeed)
    return built


def put(path: Path, content: bytes, at: datetime = DAY_ONE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at.timestamp(), at.timestamp()))


class FolderSource:
    """A file in a folder that `twin` serves; each publication is an hour later than the one before."""

    is_remote = True
    has_credentials = True

    def __init__(self, twin: Any, folder: Path, supplier: FileFeed) -> None:
        self.twin, self.folder, self.supplier = twin, folder, supplier
        self._hour = 0

    def _put(self, content: bytes) -> None:
        self._hour += 1
        put(self.folder / "stock.csv", content, DAY_ONE + timedelta(hours=self._hour))

    def publish(self, rows: list[tuple[str, str]]) -> None:
        self._put(csv_of(rows))

    def republish(self) -> None:
        self._put((self.folder / "stock.csv").read_bytes())

    def publish_nothing(self) -> None:
        self._put(b"")

    def publish_page(self) -> None:
        self._put(PAGE)

    def publish_huge(self) -> None:
        self._put(b"a,b\n" * LIMIT_BYTES)

    def remove(self) -> None:
        (self.folder / "stock.csv").unlink()

    def refuse_credentials(self) -> None:
        raise NotImplementedError

    def fail(self) -> None:
        self.twin.fails = True

    def break_off(self) -> None:
        self.twin.break_after = 100

    def calls(self) -> int:
        return int(self.twin.reads)
