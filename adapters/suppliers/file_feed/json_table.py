"""A JSON document with a list of objects, read as a table with bounded memory.

Numbers keep the digits they were written with as far as a decimal number can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson

from adapters.suppliers.file_feed.object_table import ObjectTable
from adapters.suppliers.file_feed.records import ADAPTER
from connector.ports.errors import FileFault

DEEPEST = 64
_LOOK_AT_EVENTS = 20_000


def open_json(
    path: Path, offset: int, encoding: str, records_path: str, subject: str, variants_path: str = ""
) -> ObjectTable:
    """The list of objects at `records_path` (dotted; empty finds it); lines count its rows from 1, for JSON has no
    lines that mean anything. `variants_path` as in `ReadOptions`. Raises FileFault: bad_json, no_table, empty."""
    document = _Document(path, offset, subject)
    prefix = document.find_list(records_path)
    return ObjectTable(
        lambda: document.items(prefix),
        "json",
        encoding,
        subject,
        variants_path,
        document.broken,
        lambda: document.no_list(records_path),
    )


class _Document:
    """One file and how its faults are told."""

    def __init__(self, path: Path, offset: int, subject: str) -> None:
        self._path = path
        self._offset = offset
        self._subject = subject

    def items(self, prefix: str) -> Iterator[Any]:
        """The elements of the list at an ijson prefix."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            try:
                yield from ijson.items(file, prefix)
            except (ijson.JSONError, UnicodeError) as exc:
                raise self.broken() from exc

    def find_list(self, records_path: str) -> str:
        """The ijson prefix of the records: the list with most objects among the first events."""
        objects: Counter[str] = Counter()
        lists: dict[str, None] = {}
        depth = 0
        with self._path.open("rb") as file:
            file.seek(self._offset)
            try:
                for count, (prefix, event, _) in enumerate(ijson.parse(file, buf_size=4096)):
                    if event == "start_array":
                        depth += 1
                        lists[f"{prefix}.item" if prefix else "item"] = None
                        if depth > DEEPEST:  # ijson's time grows with the square of it
                            raise self.broken()
                    elif event == "end_array":
                        depth -= 1
                    # A list inside a record (its sizes, its pictures) is no list of records.
                    elif event == "start_map" and depth == 1 and prefix in lists:
                        objects[prefix] += 1
                    if count > _LOOK_AT_EVENTS:
                        break
            except (ijson.JSONError, UnicodeError) as exc:
                raise self.broken() from exc
        if records_path:
            return f"{records_path}.item"
        if objects:
            return max(objects, key=lambda prefix: objects[prefix])
        if lists:
            return next(iter(lists))
        raise self.no_list("")

    def broken(self) -> FileFault:
        return FileFault(
            ADAPTER,
            self._subject,
            "It is not valid JSON, or it breaks off.",
            "It is fetched again at the next run; if it stays so, tell the supplier.",
            code="bad_json",
        )

    def no_list(self, records_path: str) -> FileFault:
        where = f" at {records_path!r}" if records_path else ""
        return FileFault(
            ADAPTER,
            self._subject,
            f"It holds no list of objects{where}.",
            "Name the path of the list in the feed's settings, as in data.products.",
            code="no_table",
        )
