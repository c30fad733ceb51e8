"""A table of objects that are read one after the other, as often as asked, with bounded memory.

Nested objects become columns with dotted names ("stock.available"), lists become their JSON text; of an object that
lists variants each variant may become a row with the object's other fields (see `variants`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np

from adapters.suppliers.file_feed import records
from adapters.suppliers.file_feed.faults import empty, no_table
from adapters.suppliers.file_feed.variants import count, expand, find, reading_of
from connector.ports.errors import FileFault
from connector.ports.suppliers import Digests, RawRow, TableShape

MOST_COLUMNS = 2_000
LOOK_AT_RECORDS = 100
"""So many records tell where the variants are."""


class ObjectTable:
    """The objects that `items()` gives from the first one on, each time it is called.

    Opening reads them all once, so that a document that breaks off is refused before any row is used; memory is 8
    bytes a row and one record. `RawRow.line` counts rows from 1; a digest is that of the object with its names
    sorted. An element that is no object has one cell, its text. `broken` makes the fault of what is nested without
    measure, `wide` that of records with no or too many names. Raises FileFault: empty, no_table, and what `items`
    raises.
    """

    def __init__(
        self,
        items: Callable[[], Iterator[Any]],
        kind: str,
        encoding: str,
        subject: str,
        variants_path: str,
        broken: Callable[[], FileFault],
        wide: Callable[[], FileFault],
    ) -> None:
        self._items = items
        self._products = self._listed = 0
        names: dict[str, None] = {}
        try:
            first = (value for value in islice(items(), LOOK_AT_RECORDS) if isinstance(value, dict))
            self._reading = reading_of(find(first), variants_path)
            self._variants = self._reading.path if self._reading.is_expanded else ""
            self._digests = np.fromiter(self._digest_and_name(names), dtype=np.uint64)
        except RecursionError as exc:  # nested a thousand deep: nobody's stock list
            raise broken() from exc
        if not len(self._digests):
            raise empty(subject, "Its list of records is empty.")
        if not 0 < len(names) <= MOST_COLUMNS:
            raise wide()
        require_variants(self._reading.path if self._variants else "", ".", names, self._products, subject)
        self.shape = TableShape(
            kind,
            encoding,
            "",
            0,
            tuple(names),
            notes=self._reading.notes(self._products, len(self._digests)),
            nested=self._reading.nested(self._products, self._listed),
        )

    def digests(self) -> Digests:
        """See `Table.digests`."""
        return self._digests.copy()

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """See `Table.rows`."""
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
        for value in self._records():
            if isinstance(value, dict) and len(names) <= MOST_COLUMNS:
                names.update(dict.fromkeys(record_of(value)))
            yield records.digest(_canonical(value))

    def _records(self) -> Iterator[Any]:
        """The elements; of a product with variants each variant, as soon as it is asked for."""
        self._products = self._listed = 0
        for value in self._items():
            self._products += 1
            if isinstance(value, dict) and self._reading.path:
                self._listed += count(value, self._reading.path)
                if self._variants:
                    yield from expand(value, self._variants)
                    continue
            yield value


def require_variants(path: str, separator: str, names: Iterable[str], products: int, subject: str) -> None:
    """Raise FileFault("no_table") where none of the columns `names` is of the variants at `path`; "" asks nothing."""
    if path and not any(name == path or name.startswith(f"{path}{separator}") for name in names):
        raise no_table(
            subject,
            f"None of its {products:,} records has variants at “{path}”.",
            "Say on the mapping page whether a row is a product or a variant, or correct the path of the variants.",
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
