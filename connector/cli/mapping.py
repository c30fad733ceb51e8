"""dispo mapping …: which column of a file is what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from connector.accounts.audit import record
from connector.cli.frame import emit, json_option, merchant_id, merchant_option, open_runtime, table
from connector.db import transaction
from connector.intake import remembering, row_choice
from connector.intake.judging import ROWS_QUESTION, Judged, judge_file
from connector.ports.errors import PortError
from connector.ports.suppliers import ReadOptions

ASKS = 3
"""Exit code for a file that is readable but whose item or quantity column the merchant has to name."""

_SHOWN_ROWS = 3


@click.group()
def mapping() -> None:
    """Which column is what."""


@mapping.command("guess")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "file_format", default="", help="Instead of detecting it, as csv or json.")
@click.option("--encoding", default="", help="Instead of detecting it, as cp1252.")
@click.option("--delimiter", default="", help="Instead of detecting it, as ';'.")
@click.option("--header-line", type=int, default=0, help="The header's line; -1: there is none.")
@click.option("--records-path", default="", help="Where the records are in a JSON file, as data.items.")
@click.option(
    "--variants-path", default="", help="Each variant there is a row, as variants; -: each product."
)
@click.option(
    "--rows", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Records to look at."
)
@json_option
def guess(
    path: Path, file_format: str, encoding: str, delimiter: str, header_line: int, records_path: str,
    variants_path: str, rows: int, as_json: bool,
) -> None:  # fmt: skip
    """Say what each column of FILE is, how sure that is and why. Needs no database and keeps nothing.

    Exit code 0: the item and the quantity are sure, so the file would be read without a question; 3: the
    merchant would be asked; 1: the file cannot be read as a table.
    """
    options = ReadOptions(
        format=file_format,
        encoding=encoding,
        delimiter=delimiter,
        header_line=header_line,
        records_path=records_path,
        variants_path=variants_path,
    )
    found = judge_file(path, options, rows=rows)
    emit(_json(path, found), as_json, lambda: _text(path, found))
    if not _is_ready(found):
        raise click.exceptions.Exit(ASKS)


@mapping.command("rows")
@click.argument("supplier_id", type=int)
@click.option("--each", type=click.Choice(["product", "variant"]), help="What a row is from now on.")
@merchant_option
@json_option
def rows_command(supplier_id: int, each: str | None, merchant: int | None, as_json: bool) -> None:
    """Show what a row of a supplier's file is where its products list variants, or choose it with --each.

    The last file that came is looked at. SUPPLIER_ID: see dispo supplier list. After a choice the columns are found
    anew in the next file, which is read whole and may wait for your approval, for its items have other codes.
    """
    with open_runtime() as rt:
        owner = merchant_id(rt, merchant)
        try:
            looked = remembering.look(rt, owner, supplier_id)
            if not looked.rows:
                raise click.ClickException(f"The products in {looked.file_name} list no variants.")
            chosen = looked.chosen
            if each:
                chosen = looked.rows[each == "variant"].path
                with transaction(rt.engine) as db:
                    row_choice.choose(db, owner, supplier_id, chosen)
                    subject = f"source {supplier_id}: {each}"
                    record(db, owner, rt.now(), "cli", "supplier.rows", subject)
        except LookupError as error:
            raise click.ClickException(
                f"There is no supplier {supplier_id}. See: dispo supplier list"
            ) from error
        except PortError as error:
            raise click.ClickException(str(error)) from error
    told = {
        "file": looked.file_name,
        "chosen": _each(chosen),
        "read_as": _each(chosen or looked.shown),
        "rows": [{"each": _each(one.path), "rows": one.count, "path": one.path} for one in looked.rows],
    }
    emit(told, as_json, lambda: _rows_text(looked, chosen))


def _each(path: str) -> str | None:
    return {"": None, row_choice.PRODUCTS: "product"}.get(path, "variant")


def _rows_text(looked: remembering.Looked, chosen: str) -> str:
    lines = [
        table(
            ("a row is", "rows", "for example", ""),
            [
                (
                    f"each {_each(one.path)}",
                    f"{one.count:,}",
                    ", ".join(f"{code}: {quantity}" for code, quantity in one.examples),
                    "chosen" if one.path == chosen else "read so" if one.path == looked.shown else "",
                )
                for one in looked.rows
            ],
            "",
        )
    ]
    if not chosen and not looked.shown:
        lines.append("Nothing is read before you choose: --each product or --each variant.")
    elif not chosen:
        lines.append("Nobody chose yet. Choose with --each product or --each variant.")
    return "\n".join(lines)


def _is_ready(found: Judged) -> bool:
    return found.mapping is not None and ROWS_QUESTION not in found.questions


def _json(path: Path, found: Judged) -> dict[str, Any]:
    shape = found.shape
    return {
        "file": path.name,
        "format": shape.format,
        "encoding": shape.encoding,
        "delimiter": shape.delimiter,
        "header_line": shape.header_line,
        "rows": found.rows,
        "ready": _is_ready(found),
        "columns": [
            {
                "index": one.index + 1,
                "column": shape.columns[one.index],
                "field": one.field or None,
                "confidence": one.confidence,
                "asked": one.is_asked,
                "reason": one.reason,
                "candidates": [{"field": name, "confidence": odds} for name, odds in one.candidates],
            }
            for one in found.columns
        ],
        "fields": {
            one.field: {
                "column": shape.columns[one.index],
                "index": one.index + 1,
                "confidence": one.confidence,
            }
            for one in found.columns
            if one.field
        },
        "mapping": dict(found.mapping.columns) if found.mapping else None,
        "questions": list(found.questions),
        "variants": _variants(found),
        "unknown_words": [{"word": word, "rows": count} for word, count in found.unknown_words],
    }


def _variants(found: Judged) -> dict[str, Any] | None:
    nested = found.shape.nested
    if nested is None:
        return None
    read_as = None if nested.is_asked else "variant" if nested.is_expanded else "product"
    return {
        "path": nested.path,
        "products": nested.products,
        "variants": nested.variants,
        "read_as": read_as,
    }


def _text(path: Path, found: Judged) -> str:
    shape = found.shape
    lines = [
        f"{path.name}: {shape.format}, {shape.encoding or 'no'} encoding, delimiter {shape.delimiter!r}, "
        + (f"header in line {shape.header_line}." if shape.header_line else "no header."),
        table(
            ("column", "is", "sure", "why", "values"),
            [
                (
                    shape.columns[one.index][:40],
                    (one.field or "not used") + (" ?" if one.is_asked else ""),
                    f"{one.confidence:.0%}",
                    one.reason,
                    " | ".join(
                        cells[one.index] for cells in found.sample[:_SHOWN_ROWS] if one.index < len(cells)
                    )[:40],
                )
                for one in found.columns
            ],
            "The file has no columns.",
        ),
    ]
    lines += [
        f"? {question.text}" + (f" ({', '.join(question.choices)})" if question.choices else "")
        for question in found.questions
    ]
    lines += [
        f"? What does “{word}” mean in the quantity column ({count} rows)?"
        for word, count in found.unknown_words
    ]
    lines.append(
        "It would be read without a question about item and quantity."
        if _is_ready(found)
        else "The merchant would be asked before anything is read."
    )
    return "\n".join(lines)


COMMANDS = (mapping,)
