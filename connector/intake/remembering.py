"""The mapping of one supplier: looked at with the last file that came, corrected, and remembered."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from connector.intake import row_choice
from connector.intake.examine import options_of, read_source
from connector.intake.judging import Judged, judge_table
from connector.intake.mapping import FIELDS, Mapping
from connector.intake.normalise import ABSURD_UNITS, CellFault, QuantityRules, read_quantity
from connector.intake.runtime import Runtime
from connector.intake.words import fold
from connector.ports.errors import FileFault
from connector.ports.suppliers import Feed, FetchMark, Table

LOOKED_AT = 20_000
"""Records that are searched for unknown stock words."""
TWICE_BYTES = 50_000_000
"""A larger file is not read a second time to show what its other reading would look like."""
_LISTED_WORDS = 50
_EXAMPLES = 3
_LONGEST_WORD = 60


class MappingRefused(ValueError):
    """A mapping that cannot be kept; the message says why. `field` is the one concerned, "" for all."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Rows:
    """One way to read records that list variants: `path` as in `row_choice.choose`, `count` rows. `examples` are
    (code, quantity) of the first, empty where the columns are not sure or the file is too large to read twice."""

    path: str
    count: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """The last file of a source: what was made of it, and what is remembered. `unknown` are texts of the
    quantity column that wait for the merchant, with how often they came.

    Where its records list variants, `rows` are both readings, products first; `shown` is the path of the one that
    was judged, "" where nobody chose one yet, and `chosen` the one that is kept ("": none). `is_preview`: it was asked
    what another choice would be like."""

    name: str
    connection_id: int
    file_name: str
    judged: Judged
    mapping: Mapping
    unknown: tuple[tuple[str, int], ...]
    rows: tuple[Rows, ...] = ()
    shown: str = ""
    chosen: str = ""
    is_preview: bool = False


def look(rt: Runtime, merchant_id: int, source_id: int, rows: str = "") -> Looked:
    """Open the last file kept of this source and judge it; asks the supplier nothing and keeps nothing. `rows`:
    read as if this were chosen (see `row_choice.choose`).

    Raises LookupError for an unknown source, FileFault for a file that is no table or where none is kept.
    """
    with rt.engine.connect() as db:
        source = read_source(db, merchant_id, source_id)
        runs = db.execute(
            sa.text("""
                select feed_path, file_name from run
                 where merchant_id = :m and source_id = :s and feed_path <> '' order by id desc limit 20
            """),
            {"m": merchant_id, "s": source_id},
        ).all()
    kept = next((row for row in runs if (rt.data_dir / row.feed_path).is_file()), None)
    if kept is None:
        raise FileFault(
            "intake",
            source.name,
            "No file of this supplier is kept yet.",
            "Let it be read once, or hand a file over.",
            code="no_file",
        )
    with tempfile.TemporaryDirectory(prefix="dispo-mapping-") as directory:
        path = Path(directory) / (Path(kept.file_name).name or "feed")
        with gzip.open(rt.data_dir / kept.feed_path) as packed, path.open("wb") as out:
            shutil.copyfileobj(packed, out, 4 << 20)
        supplier = rt.supplier(merchant_id, source.connection_id)
        feed = Feed(path, path.name, path.stat().st_size, FetchMark(), None)
        options = options_of(source)
        if rows:
            options = replace(options, variants_path=rows)
        table = supplier.open(feed, options)
        judged = judge_table(table)
        own = source.mapping if options == options_of(source) else source.mapping.without_columns()
        used = own if own.columns else judged.mapping
        unknown = _unknown(table, used, own) if used else ()
        nested = judged.shape.nested
        both: tuple[Rows, ...] = ()
        if nested is not None:
            other = row_choice.PRODUCTS if nested.is_expanded else nested.path
            again = None
            if feed.size_bytes <= TWICE_BYTES:
                again = judge_table(supplier.open(feed, replace(options, variants_path=other)))
            whole, expanded = (again, judged) if nested.is_expanded else (judged, again)
            both = (
                Rows(row_choice.PRODUCTS, nested.products, _examples(whole)),
                Rows(nested.path, nested.variants, _examples(expanded)),
            )
    shown = ""
    if nested is not None and not nested.is_asked:
        shown = nested.path if nested.is_expanded else row_choice.PRODUCTS
    return Looked(
        source.name,
        source.connection_id,
        path.name,
        judged,
        own,
        unknown,
        both,
        shown,
        row_choice.chosen(source.read_options),
        is_preview=bool(rows),
    )


def _examples(judged: Judged | None) -> tuple[tuple[str, str], ...]:
    """Code and quantity of the first rows."""
    mapping = judged.mapping if judged else None
    if judged is None or mapping is None:
        return ()
    places = [mapping.place(name, judged.shape.columns) for name in (mapping.key_field, "quantity")]
    if None in places or -1 in places:
        return ()
    code, quantity = (place or 0 for place in places)
    width = max(code, quantity)
    return tuple((cells[code], cells[quantity]) for cells in judged.sample[:_EXAMPLES] if len(cells) > width)


def remember(
    db: sa.Connection,
    merchant_id: int,
    source_id: int,
    columns: MappingOf[str, str],
    words: MappingOf[str, int],
    rows: str = "",
) -> Mapping:
    """Keep field → column and word → units for this source; other settings of its mapping stay, and words that
    were given before are kept beside the new ones. `rows`: what a row is from now on (see `row_choice.choose`), ""
    where the file leaves no choice. The next run reads the whole file again under it.

    Raises MappingRefused, LookupError.
    """
    before = read_source(db, merchant_id, source_id).mapping
    unknown = [name for name in columns if name not in FIELDS]
    if unknown:
        raise MappingRefused(unknown[0], f"There is no field “{unknown[0]}”. There are: {', '.join(FIELDS)}.")
    if not any(name in columns for name in ("sku", "gtin", "supplier_sku")):
        raise MappingRefused(
            "sku", "No column names the item. Choose one for SKU, barcode or supplier's SKU."
        )
    if "quantity" not in columns:
        raise MappingRefused("quantity", "No column says how many there are. Choose one for the quantity.")
    twice = [column for column, count in Counter(columns.values()).items() if count > 1]
    if twice:
        raise MappingRefused("", f"“{twice[0]}” was chosen for two fields. Each column is one thing.")
    for word, units in words.items():
        if not 0 <= units <= ABSURD_UNITS or not fold(word) or len(word) > _LONGEST_WORD:
            raise MappingRefused("words", f"“{word[:_LONGEST_WORD]}” cannot mean {units} units.")
    if rows:
        try:
            row_choice.choose(db, merchant_id, source_id, rows)
        except ValueError as refused:
            raise MappingRefused("rows", str(refused)) from refused
    kept = {**before.words, **{fold(word): units for word, units in words.items()}}
    mapping = Mapping.from_json({**before.to_json(), "columns": dict(columns), "words": kept})
    db.execute(
        sa.text("update source set mapping = cast(:mapping as jsonb) where merchant_id = :m and id = :s"),
        {"m": merchant_id, "s": source_id, "mapping": json.dumps(mapping.to_json())},
    )
    return mapping


def _unknown(table: Table, used: Mapping, own: Mapping) -> tuple[tuple[str, int], ...]:
    index = used.place("quantity", table.shape.columns)
    if index is None or index < 0:
        return ()
    rules = QuantityRules(decimal=used.decimal.get("quantity", ""), negative=used.negatives, words=own.words)
    texts = Counter(row.cells[index] for row in islice(table.rows(), LOOKED_AT) if index < len(row.cells))
    unknown: Counter[str] = Counter()
    for text, count in texts.items():
        try:
            read_quantity(text, rules)
        except CellFault as fault:
            if fault.code == "unknown_quantity" and len(text) <= _LONGEST_WORD:
                unknown[fold(text)] += count
    return tuple(unknown.most_common(_LISTED_WORDS))
