"""A JSON document with a list of objects, read as a table with bounded memory.

Nested objects become columns with dotted names ("stock.available"), lists become their JSON text.
Numbers keep the digits they were written with as far as a decimal number can.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import ijson
import numpy as np

from adapters.suppliers.file_feed import records
from adapters.suppliers.file_feed.records import ADAPTER
from adapters.suppliers.file_feed.variants import NOT_EXPANDED, expand, guess
from connector.ports.errors import FileFault
from connector.ports.suppliers import Digests, RawRow, TableNote, TableShape

MOST_COLUMNS = 2_000
DEEPEST = 64
_LOOK_AT_EVENTS = 20_000
_LOOK_AT_RECORDS = 100


class JsonTable:
    """The list of objects at `records_path` (dotted; empty finds it).

    Opening reads the whole document once, so that one that breaks off is refused before any row is
    used. `RawRow.line` counts records from 1, for JSON has no lines that mean anything; a digest is
    that of the object with its names sorted. Raises FileFault: bad_json, no_table, empty.

    Variants that stand in a list inside each record, at `variants_path` (dotted; empty finds it where that is
    obvious, "-" leaves lists as they are), become records of their own with their product's fields.
    """

    def __init__(
        self,
        path: Path,
        offset: int,
        encoding: str,
        records_path: str,
        subject: str,
        variants_path: str = "",
    ) -> None:
        self._path = path
        self._offset = offset
        self._subject = subject
        self._prefix = self._find_list(records_path)
        self._variants = ""
        if variants_path != NOT_EXPANDED:
            self._variants = variants_path or guess(
                value for value in islice(self._items(), _LOOK_AT_RECORDS) if isinstance(value, dict)
            )
        self._products = 0
        names: dict[str, None] = {}
        self._digests = np.fromiter(self._digest_and_name(names), dtype=np.uint64)
        if not len(self._digests):
            raise FileFault(
                ADAPTER,
                subject,
                "Its list of records is empty.",
                "Ask the supplier whether the export failed.",
                code="empty",
            )
        if not 0 < len(names) <= MOST_COLUMNS:
            raise self._no_list(records_path)
        if variants_path not in ("", NOT_EXPANDED) and not any(
            name == variants_path or name.startswith(f"{variants_path}.") for name in names
        ):
            raise FileFault(
                ADAPTER,
                subject,
                f"None of its {self._products:,} records has variants at “{variants_path}”.",
                "Correct the path of the variants in the feed's settings, as in variants, or leave it empty.",
                code="no_table",
            )
        self.shape = TableShape("json", encoding, "", 0, tuple(names), notes=self._notes())

    def digests(self) -> Digests:
        """See `Table.digests`."""
        return self._digests.copy()

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """See `Table.rows`; an element that is no object has one cell, its text."""
        every = self._digests
        wanted = np.ones(len(every), dtype=bool) if known is None else ~records.is_known(every, known)
        if not wanted.any():
            return
        for number, value in enumerate(self._records()):
            if wanted[number]:
                cells = (
                    json_cells(record_of(value), self.shape.columns)
                    if isinstance(value, dict)
                    else [_text(value)]
                )
                yield RawRow(number + 1, cells, int(every[number]))

    def _digest_and_name(self, names: dict[str, None]) -> Iterator[int]:
        try:
            for value in self._records():
                if isinstance(value, dict) and len(names) <= MOST_COLUMNS:
                    names.update(dict.fromkeys(record_of(value)))
                yield records.digest(_canonical(value))
        except RecursionError as exc:  # nested a thousand deep: nobody's stock list
            raise self._broken() from exc

    def _records(self) -> Iterator[Any]:
        """The list's elements; of a product with variants each variant, as soon as it is asked for."""
        self._products = 0
        for value in self._items():
            self._products += 1
            if self._variants and isinstance(value, dict):
                yield from expand(value, self._variants)
            else:
                yield value

    def _notes(self) -> tuple[TableNote, ...]:
        if not self._variants:
            return ()
        reason = (
            f"Each of its {self._products:,} products lists its variants under “{self._variants}”: they were read as"
            f" {len(self._digests):,} rows, one for each variant, and lines count these rows. If that is wrong, set"
            " the path of the variants in the feed's settings; - leaves products whole."
        )
        return (TableNote(0, self._variants, "variants_expanded", reason),)

    def _items(self) -> Iterator[Any]:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            try:
                yield from ijson.items(file, self._prefix)
            except (ijson.JSONError, UnicodeError) as exc:
                raise self._broken() from exc

    def _find_list(self, records_path: str) -> str:
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
                            raise self._broken()
                    elif event == "end_array":
                        depth -= 1
                    # A list inside a record (its sizes, its pictures) is no list of records.
                    elif event == "start_map" and depth == 1 and prefix in lists:
                        objects[prefix] += 1
                    if count > _LOOK_AT_EVENTS:
                        break
            except (ijson.JSONError, UnicodeError) as exc:
                raise self._broken() from exc
        if records_path:
            return f"{records_path}.item"
        if objects:
            return max(objects, key=lambda prefix: objects[prefix])
        if lists:
            return next(iter(lists))
        raise self._no_list("")

    def _broken(self) -> FileFault:
        return FileFault(
            ADAPTER,
            self._subject,
            "It is not valid JSON, or it breaks off.",
            "It is fetched again at the next run; if it stays so, tell the supplier.",
            code="bad_json",
        )

    def _no_list(self, records_path: str) -> FileFault:
        where = f" at {records_path!r}" if records_path else ""
        return FileFault(
            ADAPTER,
            self._subject,
            f"It holds no list of objects{where}.",
            "Name the path of the list in the feed's settings, as in data.products.",
            code="no_table",
        )


def record_of(value: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """One object as column name → text; null is the empty text.

    >>> record_of({"sku": "A", "stock": {"qty": 3}, "tags": ["x"], "eta": None})
    {'sku': 'A', 'stock.qty': '3', 'tags': '["x"]', 'eta': ''}
    """
    found: dict[str, str] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            found.update(record_of(inner, f"{above}{name}."))
        else:
            found[f"{above}{name}"] = _text(inner)
    return found


def json_columns(found: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Every name that occurs, in the order of its first occurrence."""
    return tuple(dict.fromkeys(name for one in found for name in one))


def json_cells(record: Mapping[str, str], columns: Sequence[str]) -> list[str]:
    """The cells of one record; a name it lacks is the empty text."""
    return [record.get(name, "") for name in columns]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if abs(value.adjusted()) < 40 else str(value)
    if isinstance(value, dict | list):
        return _canonical(value).decode()
    return str(value)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode(
        "utf-8", "surrogatepass"
    )
