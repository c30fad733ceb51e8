"""EDI stock reports: X12 846 and EDIFACT INVRPT, told by their first segment.

Own readers, because none fits: pyx12 has no map of the 846, and pydifact 0.2.3 loads the whole text, drops
what stands before a later UNA, and checks no counts. Both formats are segments with a terminator; what the
segments say is in `x12` and `edifact`, which give records of these columns:

    sku, supplier_sku, gtin, mpn       the item's codes, by their qualifier
    quantity_<code>                    the stock: of several numbers the most careful (33 before 17)
    other_<code>                       every other number: on hand, ordered, projected, damaged
    restock_on, date_<code>            dates, ISO
    location, unit, cost, price_<code>, title

A quantity keeps its code in its name: a file without it is a file without that column, never one in which
"on hand" takes the place of "available for sale".
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from adapters.suppliers.file_feed.edi_items import Reader
from adapters.suppliers.file_feed.edifact import Edifact
from adapters.suppliers.file_feed.encodings import Encoding
from adapters.suppliers.file_feed.faults import empty, no_table
from adapters.suppliers.file_feed.spool import Spool, SpooledTable
from adapters.suppliers.file_feed.x12 import X12
from connector.ports.suppliers import TableNote

_PIECE_BYTES = 1 << 18
FIRST_COLUMNS = ("sku", "supplier_sku", "gtin", "mpn")


def edi_kind(start: str) -> str:
    """x12 or edifact for a text that begins as an interchange does, else ""."""
    text = start.lstrip()
    if re.match(r"ISA[^\w\s].{99}", text, re.S):
        return "x12"
    if text.startswith("UNA") and re.match(r"UNA.{6}\s*UN[BH]", text, re.S):
        return "edifact"
    return "edifact" if re.match(r"UNB\+UNO[A-Z]:", text) else ""


def open_edi(
    path: Path, kind: str, encoding: Encoding, used: str, subject: str, max_bytes: int
) -> SpooledTable:
    """The report in the file. `RawRow.line` is the number of the item's LIN segment in the file.

    Raises FileFault: truncated (a control count or number does not fit, or a trailer is missing), bad_edi,
    no_table (no stock report in it), empty, too_large.
    """
    reader: Reader = X12(subject) if kind == "x12" else Edifact(subject)
    with Spool(path.with_name(path.name + ".spool"), subject, max_bytes) as spool:
        for item in reader.items(characters(path, encoding)):
            for record in item.records():
                spool.add_record(item.line, record)
        if not reader.reports:
            others = ", ".join(sorted(reader.others)) or "nothing"
            raise no_table(
                subject,
                f"It holds no {reader.name}, but {others}.",
                f"Ask the supplier for the stock report ({reader.name}).",
            )
        if not len(spool):
            raise empty(subject, "Its stock report names no item.")
        stock = [name for code in reader.stock_codes if (name := f"quantity_{code}") in spool.columns]
        # Two columns called quantity would leave open which is meant.
        renamed = {name: name.replace("quantity_", "other_") for name in stock[1:]}
        return spool.table(kind, used, (*FIRST_COLUMNS, *stock), _notes(reader, stock, renamed), renamed)


def _notes(reader: Reader, stock: list[str], renamed: dict[str, str]) -> list[TableNote]:
    notes = []
    if len(stock) > 1:
        told = ", ".join(
            f"{renamed.get(name, name)} ({reader.stock_codes[name.partition('_')[2]]})" for name in stock
        )
        reason = (
            f"It states several quantities: {told}. The first is proposed; choose another in the mapping."
        )
        notes.append(TableNote(0, stock[0], "several_quantities", reason))
    if reader.others:
        reason = f"Other messages in it were left out: {', '.join(sorted(reader.others))}."
        notes.append(TableNote(0, "", "other_messages", reason))
    return notes


def characters(path: Path, encoding: Encoding) -> Iterator[str]:
    """The text of the file in pieces."""
    decoder = codecs.getincrementaldecoder(encoding.name)()
    with path.open("rb") as file:
        file.seek(encoding.offset)
        while piece := file.read(_PIECE_BYTES):
            yield decoder.decode(piece).replace("\0", "")
        yield decoder.decode(b"", final=True)
