"""What is said of a file as a whole, and rows whose code is the error of a formula."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from connector.intake.examine import notes_of
from connector.intake.mapping import Mapping
from connector.intake.reading import STORED_ISSUES, Issue, Issues, RowReader
from connector.ports.suppliers import Digests, RawRow, TableNote, TableShape

COLUMNS = ("SKU", "Qty")


class Sheet:
    """A table of two columns with something to say."""

    shape = TableShape(
        "xlsx", "", "", 1, COLUMNS, (TableNote(3, "SKU", "mixed_codes", "Zeros may be lost."),)
    )

    def digests(self) -> Digests:
        return np.array([1], dtype=np.uint64)

    def rows(self, known: Digests | None = None) -> list[RawRow]:
        return [RawRow(3, ["A", "1"], 1)]


def test_a_note_on_the_file_stands_before_the_issues_of_rows_and_is_never_left_out() -> None:
    issues = Issues()
    for line in range(STORED_ISSUES + 1):
        issues.add(Issue(line, "Qty", "unknown_quantity", "“x”", ["A", "x"]))
    issues.begin_with(notes_of(Sheet(), {}))  # type: ignore[arg-type]
    first = issues.kept[0]
    assert (first.line, first.column, first.code, first.is_note) == (3, "SKU", "mixed_codes", True)
    assert (issues.notes["mixed_codes"], issues.faults["unknown_quantity"]) == (1, STORED_ISSUES + 1)


@pytest.mark.parametrize("code", ["#REF!", "#N/A", "#BEZUG!", " #Name? "])
def test_a_row_whose_code_is_an_error_is_rejected(code: str) -> None:
    reader = RowReader(Mapping({"sku": "SKU", "quantity": "Qty"}), COLUMNS, date(2026, 11, 22))
    assert reader.line(RawRow(2, [code, "5"], 1)) is None
    assert reader.line(RawRow(3, ["#12-A", "5"], 2)) is not None  # a code may begin so
    assert [(issue.line, issue.code) for issue in reader.issues.kept] == [(2, "bad_key")]


@pytest.mark.parametrize("text", ["#REF!", "#DIV/0!", "#VALUE!", "#NUM!"])
def test_a_quantity_that_is_an_error_is_a_fault_of_its_row(text: str) -> None:
    reader = RowReader(Mapping({"sku": "SKU", "quantity": "Qty"}), COLUMNS, date(2026, 11, 22))
    reader.line(RawRow(2, ["A", text], 1))
    assert dict(reader.issues.faults) == {"unknown_quantity": 1}
