"""dispo mapping guess: a stranger's file, without a database."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from connector.cli import cli
from connector.cli.mapping import ASKS


def _guess(path: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["mapping", "guess", str(path), *options])
    return result.exit_code, result.output


def test_a_file_is_judged_as_json(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_bytes(
        "Artikelnr.;Bezeichnung;Lagerbestand\nA-1;Lampe rot;12\nA-2;Stuhl groß;bald\n"
        "A-3;Tisch;0\nA-4;Bett;7\nA-5;Bank;4\nA-6;Regal;1\nA-7;Korb;30\n".encode("cp1252")
    )

    code, output = _guess(path, "--json")
    found = json.loads(output)

    assert code == 0
    assert (found["format"], found["delimiter"], found["header_line"], found["rows"]) == ("csv", ";", 1, 7)
    assert found["mapping"] == {"sku": "Artikelnr.", "quantity": "Lagerbestand"}
    assert [one["column"] for one in found["columns"]] == ["Artikelnr.", "Bezeichnung", "Lagerbestand"]
    assert found["unknown_words"] == [{"word": "bald", "rows": 1}]


def test_a_file_whose_quantity_is_not_sure_asks(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("sku,Foo,Bar\nA-1,1,2\nA-2,3,4\nA-3,9,1\n")

    code, output = _guess(path, "--json")
    found = json.loads(output)

    assert code == ASKS
    assert found["mapping"] is None
    assert [question["field"] for question in found["questions"]] == ["quantity"]


def test_a_table_for_people(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("sku,qty\nA-1,1\nA-2,3\n")

    code, output = _guess(path)

    assert code == 0
    assert output.splitlines()[0] == "stock.csv: csv, utf-8 encoding, delimiter ',', header in line 1."
    assert "It would be read without a question" in output
