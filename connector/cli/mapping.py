"""dispo mapping …: which column of a file is what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from connector.cli.frame import emit, json_option, table
from connector.intake.judging import Judged, judge_file
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
    "--rows", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Records to look at."
)
@json_option
def guess(
    path: Path, file_format: str, encoding: str, delimiter: str, header_line: int, records_path: str, rows: int,
    as_json: bool,
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
    )
    found = judge_file(path, options, rows=rows)
    emit(_json(path, found), as_json, lambda: _text(path, found))
    if found.mapping is None:
        raise click.exceptions.Exit(ASKS)


def _json(path: Path, found: Judged) -> dict[str, Any]:
    shape = found.shape
    return {
        "file": path.name,
        "format": shape.format,
        "encoding": shape.encoding,
        "delimiter": shape.delimiter,
        "header_line": shape.header_line,
        "rows": found.rows,
        "ready": found.mapping is not None,
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
        "unknown_words": [{"word": word, "rows": count} for word, count in found.unknown_words],
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
        if found.mapping
        else "The merchant would be asked before anything is read."
    )
    return "\n".join(lines)


COMMANDS = (mapping,)
