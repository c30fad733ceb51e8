"""Whether a row of a supplier's file is a product or a variant, where its records list variants: the merchant's
choice, kept with the source's read options and never made anew behind their back.

A source that was mapped before anybody could choose stays with a row for each product, as it was always read. A new
one whose products cannot be items themselves is read by variant, and that is kept with its first accepted file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from connector.ports.errors import FileFault
from connector.ports.suppliers import Nested, ReadOptions, TableNote, TableShape

PRODUCTS = "-"
"""As `ReadOptions.variants_path`: each product is a row, whatever it lists."""
_OPTION = "variants_path"
_LONGEST_PATH = 200


def chosen(read_options: Mapping[str, Any]) -> str:
    """The path of the variants that are rows, PRODUCTS, or "" where nobody chose."""
    return str(read_options.get(_OPTION) or "")


def options_of(read_options: Mapping[str, Any], *, is_mapped: bool) -> ReadOptions:
    """What was fixed about reading a source's files; `is_mapped`: its columns are known already."""
    names = ReadOptions.__dataclass_fields__
    options = ReadOptions(**{name: value for name, value in read_options.items() if name in names})
    if is_mapped and not options.variants_path:
        return replace(options, variants_path=PRODUCTS)
    return options


def require(shape: TableShape, subject: str) -> None:
    """Raise FileFault("rows_unclear") where products and variants could both be the rows and nobody chose."""
    nested = shape.nested
    if nested is not None and nested.is_asked:
        raise FileFault(
            "intake",
            subject,
            f"Its {nested.products:,} products have a code and a quantity, and so have the {nested.variants:,}"
            f" variants they list under “{nested.path}”: either could be the items.",
            "Open the supplier's mapping and say once whether a row is a product or a variant.",
            code="rows_unclear",
        )


def notes(shape: TableShape, read_options: Mapping[str, Any]) -> tuple[TableNote, ...]:
    """What is worth knowing of a file that is read by product although nobody chose that."""
    nested = shape.nested
    if nested is None or nested.is_expanded or nested.is_asked or chosen(read_options):
        return ()
    reason = (
        f"Its {nested.products:,} products list {nested.variants:,} variants under “{nested.path}”. They are read as"
        " always, a row for each product. To read a row for each variant, say so on the mapping page."
    )
    return (TableNote(0, nested.path, "variants_listed", reason),)


def settled(read_options: Mapping[str, Any], nested: Nested | Mapping[str, Any] | None) -> dict[str, Any]:
    """The read options to keep with an accepted file: what was found out once holds from then on."""
    if isinstance(nested, Mapping):
        nested = Nested(**nested)
    if nested is None or not nested.is_expanded or chosen(read_options):
        return dict(read_options)
    return {**read_options, _OPTION: nested.path}


def keep(db: sa.Connection, merchant_id: int, source_id: int, read_options: Mapping[str, Any]) -> None:
    """Store the read options of a source."""
    db.execute(
        sa.text(
            "update source set read_options = cast(:options as jsonb) where merchant_id = :m and id = :s"
        ),
        {"m": merchant_id, "s": source_id, "options": json.dumps(dict(read_options))},
    )


def choose(db: sa.Connection, merchant_id: int, source_id: int, path: str) -> bool:
    """Keep the merchant's choice: PRODUCTS, or the path of the variants; False where nothing is read otherwise by
    it. Else the columns of the other reading are forgotten, and the next run reads the whole file again.

    Raises LookupError, ValueError for an impossible path.
    """
    row = db.execute(
        sa.text("select read_options, mapping from source where merchant_id = :m and id = :s for update"),
        {"m": merchant_id, "s": source_id},
    ).one_or_none()
    if row is None:
        raise LookupError(source_id)
    if not path.strip() or len(path) > _LONGEST_PATH:
        raise ValueError(f"The path of the variants is empty or longer than {_LONGEST_PATH} characters.")
    before = options_of(row.read_options, is_mapped=bool(row.mapping.get("columns"))).variants_path
    keep(db, merchant_id, source_id, {**row.read_options, _OPTION: path})
    if before == path:
        return False
    db.execute(
        sa.text("update source set mapping = mapping - 'columns' where merchant_id = :m and id = :s"),
        {"m": merchant_id, "s": source_id},
    )
    return True
