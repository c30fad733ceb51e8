"""The file that stands for what an API said: one JSON object a line, the same columns in the same order for
every source, lines sorted, so that the same stock gives the same bytes whatever order the API told it in.

Intake reads, archives, compares and undoes such a file as any supplier's.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO

import numpy as np
from xxhash import xxh3_64_intdigest

from adapters.kit.paging import ListMoved
from connector.ports.errors import FileFault
from connector.ports.suppliers import Digests, RawRow, TableShape

COLUMNS = (
    "id",
    "location",
    "sku",
    "supplier_sku",
    "gtin",
    "name",
    "quantity",
    "price",
    "cost",
    "currency",
    "unit",
    "restock_date",
    "lead_time_days",
    "made_to_order",
    "moq",
    "pack_size",
)
"""The columns of every such file. `id` and `location` come first: together they name a line."""

FORMAT = "api"
_SORTED_AT_ONCE = 200_000
_AFTER_IDENTITY = b',"sku":'
_SKU = ("sku", "sku")
_OTHER = (
    ("gtin", "gtin"),
    ("quantity", "quantity"),
    ("restock_on", "restock_date"),
    ("lead_time", "lead_time_days"),
    ("cost", "cost"),
    ("price", "price"),
    ("moq", "moq"),
    ("pack_size", "pack_size"),
)


def fields(*names: str) -> tuple[tuple[str, str], ...]:
    """Pairs (intake's field, column) for the columns `names` that a source fills; "quantity" and one of
    supplier_sku, sku, gtin are among them. The first of these three names its items, so a column that the
    source leaves empty for some items must not be the only one before another. With "location" the lines of
    one item are added up, without it two of them are held as a contradiction.

    >>> fields("sku", "quantity", "restock_date")
    (('sku', 'sku'), ('quantity', 'quantity'), ('restock_on', 'restock_date'))
    """
    known = (("supplier_sku", "supplier_sku"), _SKU, *_OTHER, ("location", "location"))
    chosen = tuple(pair for pair in known if pair[1] in names)
    unknown = set(names) - {column for _, column in chosen}
    if unknown:
        raise ValueError(f"no such columns of stock: {', '.join(sorted(unknown))}")
    return chosen


@dataclass(frozen=True, slots=True)
class StockRow:
    """One item, or one item at one location, as an API told it.

    `id` is the API's own lasting name of the record, "" where it has none: two records of one `id` and
    `location` mean that the list moved while it was read. `quantity` may be sold now, in the item's own
    unit; a fraction is kept and rounded down by intake; a stock word ("in stock") where the API gives no
    number; None where it does not say. `made_to_order` items are always sellable: give "in stock" as
    their quantity. `price` and `cost` are of one unit in `currency` (ISO 4217). A text where a date or a
    number is usual is what the API wrote, for intake to judge.
    """

    id: str
    sku: str = ""
    supplier_sku: str = ""
    gtin: str = ""
    name: str = ""
    quantity: int | Decimal | str | None = None
    price: Decimal | str | None = None
    cost: Decimal | str | None = None
    currency: str = ""
    location: str = ""
    unit: str = ""
    restock_on: date | str | None = None
    lead_time_days: int | str | None = None
    made_to_order: bool = False
    moq: int | Decimal | None = None
    pack_size: int | Decimal | None = None

    def line(self) -> bytes:
        """The row as a line of the file, without its end."""
        cells = {
            "id": self.id,
            "location": self.location,
            "sku": self.sku,
            "supplier_sku": self.supplier_sku,
            "gtin": self.gtin,
            "name": self.name,
            "quantity": _text(self.quantity),
            "price": _text(self.price),
            "cost": _text(self.cost),
            "currency": self.currency,
            "unit": self.unit,
            "restock_date": str(self.restock_on or ""),
            "lead_time_days": _text(self.lead_time_days),
            "made_to_order": "yes" if self.made_to_order else "",
            "moq": _text(self.moq),
            "pack_size": _text(self.pack_size),
        }
        plain = {name: cell.replace("\0", "").strip() for name, cell in cells.items()}
        # A half of a surrogate pair, which JSON may hold and UTF-8 may not, becomes a question mark.
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def write(rows: Iterable[StockRow], path: Path, max_bytes: int, adapter: str, subject: str) -> str:
    """Write `rows` sorted to `path`, of any number in bounded memory; the sha256 of the bytes.

    Raises FileFault("too_large") above `max_bytes`, ListMoved for two different records of one id and
    location, and whatever `rows` raises.
    """
    size_bytes, held, parts = 0, list[bytes](), list[Path]()
    try:
        for row in rows:
            line = row.line()
            size_bytes += len(line) + 1
            if size_bytes > max_bytes:
                raise FileFault(
                    adapter,
                    subject,
                    f"It lists more than the {max_bytes:,} bytes this installation takes.",
                    "Ask the operator to raise the limit, or narrow what is read.",
                    code="too_large",
                )
            held.append(line)
            if len(held) >= _SORTED_AT_ONCE:
                parts.append(_spill(held, path.with_suffix(f".{len(parts)}.part")))
                held = []
        held.sort()
        digest = hashlib.sha256()
        with ExitStack() as stack:
            files: list[IO[bytes]] = [stack.enter_context(part.open("rb")) for part in parts]
            ordered = heapq.merge(held, *((line[:-1] for line in file) for file in files))
            target = stack.enter_context(path.open("wb"))
            for line in _each_once(ordered):
                digest.update(line + b"\n")
                target.write(line + b"\n")
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return digest.hexdigest()


def _spill(lines: list[bytes], path: Path) -> Path:
    lines.sort()
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
    return path


def _each_once(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Sorted lines; what was told twice in the same words counts once where it has an id."""
    before, last = b"", b""
    for line in lines:
        identity = line.partition(_AFTER_IDENTITY)[0]
        if identity == before and not identity.startswith(b'{"id":"",'):
            if line != last:
                raise ListMoved("the same record was listed twice with different contents")
            continue
        before, last = identity, line
        yield line


def _text(value: int | Decimal | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        whole = value.to_integral_value()
        return format(whole if whole == value else value.normalize(), "f")
    return str(value)


class LiveTable:
    """Such a file opened, plain or as the archive keeps it (gzip). See `connector.ports.suppliers.Table`.

    Raises FileFault: empty (an API that lists nothing is broken, not sold out), no_table for a file of
    another kind, truncated, too_large.
    """

    def __init__(
        self, path: Path, columns: tuple[tuple[str, str], ...], adapter: str, subject: str, max_bytes: int
    ) -> None:
        self._path = path
        self._adapter = adapter
        self._subject = subject
        self._max_bytes = max_bytes
        self._digests = np.fromiter(map(xxh3_64_intdigest, self._lines()), dtype=np.uint64)
        if not len(self._digests):
            raise FileFault(
                adapter,
                subject,
                "It listed no item at all.",
                "Check that the key may read the products; yesterday's stock is kept.",
                code="empty",
            )
        self._cells(next(iter(self._lines())))
        self.shape = TableShape(FORMAT, "utf-8", "", 0, COLUMNS, fields=columns)

    def digests(self) -> Digests:
        """See `Table.digests`."""
        return self._digests.copy()

    def rows(self, known: Digests | None = None) -> Iterator[RawRow]:
        """See `Table.rows`."""
        every = self._digests
        wanted = np.ones(len(every), dtype=bool) if known is None else ~np.isin(every, known)
        if not wanted.any():
            return
        for number, line in enumerate(self._lines()):
            if wanted[number]:
                yield RawRow(number + 1, self._cells(line), int(every[number]))

    def _cells(self, line: bytes) -> list[str]:
        try:
            found = json.loads(line)
        except ValueError as exc:
            raise self._foreign() from exc
        if not isinstance(found, Mapping) or "id" not in found or "quantity" not in found:
            raise self._foreign()
        return [str(found.get(column, "")) for column in COLUMNS]

    def _lines(self) -> Iterator[bytes]:
        size_bytes = 0
        with self._path.open("rb") as raw:
            is_packed = raw.read(2) == b"\x1f\x8b"
        try:
            with gzip.open(self._path) if is_packed else self._path.open("rb") as file:
                for line in file:
                    size_bytes += len(line)
                    if size_bytes > self._max_bytes:
                        raise FileFault(self._adapter, self._subject, "It is too large.", code="too_large")
                    yield line.rstrip(b"\r\n")
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            raise FileFault(
                self._adapter, self._subject, "The archive breaks off.", "Use another copy.", code="truncated"
            ) from exc

    def _foreign(self) -> FileFault:
        return FileFault(
            self._adapter,
            self._subject,
            "This is not a file that was read from its API.",
            "Connect suppliers whose files are handed over as files.",
            code="no_table",
        )
