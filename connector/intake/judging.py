"""Reads any file as a supplier's and says what each of its columns is; no database, nothing is kept.

The file is opened by the adapter that opens suppliers' files, so that every format it knows can be judged.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from connector.catalog.keys import KEY_FIELDS
from connector.intake import sources, uploads
from connector.intake.guessing import SURE, Column, Guess, judge_columns, with_column_names
from connector.intake.mapping import Mapping, mapping_from
from connector.intake.normalise import CellFault, QuantityRules, read_quantity
from connector.intake.words import fold
from connector.ports.suppliers import ReadOptions, Supplier, Table, TableShape
from connector.registry import Environment, manifest

SAMPLE_ROWS = 200
_FILE = "file_feed"
_LISTED_WORDS = 20


@dataclass(frozen=True, slots=True)
class Question:
    """Something the merchant has to say: `field` (or `column`, when its field is not sure) and the columns or
    fields to choose from."""

    text: str
    field: str
    column: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What was made of a file. `mapping` is what a first run would read it under, None when it would ask about
    columns; where it would ask what a row is, ROWS_QUESTION is among the `questions`.

    `unknown_words` are texts of the quantity column that are neither a number nor a known stock word, with
    how often they came in the `rows` looked at.
    """

    shape: TableShape
    rows: int
    columns: tuple[Column, ...]
    mapping: Mapping | None
    questions: tuple[Question, ...]
    unknown_words: tuple[tuple[str, int], ...]
    sample: tuple[tuple[str, ...], ...]


ROWS_QUESTION = Question(
    "Is a row a product, or each variant that it lists?", "rows", "", ("product", "variant")
)


def judge_file(path: Path, options: ReadOptions | None = None, *, rows: int = SAMPLE_ROWS) -> Judged:
    """What the columns of the file at `path` are, from its header and its first `rows` records.

    Raises Misconfigured for a file that cannot be read at all, FileFault for one that is no table.
    """
    supplier: Supplier = manifest("suppliers", _FILE).build(sources.BY_HAND, {}, Environment())
    # Reading may unpack or recode beside the file, and what it makes there must not stay with the merchant.
    with tempfile.TemporaryDirectory(prefix="dispo-judge-") as directory:
        aside = Path(directory) / path.name
        aside.symlink_to(path.resolve())
        return judge_table(supplier.open(uploads.from_disk(aside), options or ReadOptions()), rows=rows)


def judge_table(table: Table, *, rows: int = SAMPLE_ROWS) -> Judged:
    """The same for a table that is open. Where the source names its own columns nothing is guessed."""
    shape = table.shape
    sample = [row.cells for row in islice(table.rows(), rows)]
    columns = with_column_names(judge_columns(shape.columns, sample, shape.item_columns()))
    if shape.fields:
        known = {column: field for field, column in shape.fields}
        columns = [_told(one, known.get(shape.columns[one.index], "")) for one in columns]
    guesses = [Guess(c.field, c.column, c.confidence, c.reason, c.index) for c in columns if c.field]
    # Which of the two are the items is asked before anything is read.
    is_asked = shape.nested is not None and shape.nested.is_asked
    return Judged(
        shape=shape,
        rows=len(sample),
        columns=tuple(columns),
        mapping=mapping_from(guesses),
        questions=(*((ROWS_QUESTION,) if is_asked else ()), *_questions(columns)),
        unknown_words=_unknown_words(columns, sample),
        sample=tuple(tuple(cells) for cells in sample),
    )


def _told(one: Column, field: str) -> Column:
    reason = "the source itself says so" if field else ""
    return Column(one.index, one.column, field, 1.0, reason, is_asked=False)


def _questions(columns: list[Column]) -> list[Question]:
    found = []
    sure = {one.field for one in columns if one.field and one.confidence >= SURE}
    if not sure & set(KEY_FIELDS):
        found.append(_which(columns, "sku", "Which column holds the item's code?"))
    if "quantity" not in sure:
        found.append(_which(columns, "quantity", "Which column says how many may be sold?"))
    asked_fields = {question.field for question in found}
    for one in columns:
        if one.is_asked and one.field not in asked_fields:
            choices = tuple(name for name, _ in one.candidates)
            text = f"What is “{one.column}”?" + (f" It looks like {one.field}." if one.field else "")
            found.append(Question(text, "", one.column, choices))
    return found


def _which(columns: list[Column], field: str, text: str) -> Question:
    scored = [
        (confidence, one.column) for one in columns for name, confidence in one.candidates if name == field
    ]
    choices = tuple(column for _, column in sorted(scored, key=lambda pair: -pair[0])[:5])
    return Question(text, field, "", choices or tuple(one.column for one in columns))


def _unknown_words(columns: list[Column], sample: list[list[str]]) -> tuple[tuple[str, int], ...]:
    index = next((one.index for one in columns if one.field == "quantity"), None)
    if index is None:
        return ()
    unknown: Counter[str] = Counter()
    for cells in sample:
        text = cells[index] if index < len(cells) else ""
        try:
            read_quantity(text, QuantityRules())
        except CellFault as fault:
            if fault.code == "unknown_quantity":
                unknown[fold(text)] += 1
    return tuple(unknown.most_common(_LISTED_WORDS))
