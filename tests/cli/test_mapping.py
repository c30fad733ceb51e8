"""dispo mapping guess: a stranger's file, without a database."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from connector.cli import cli
from connector.cli.mapping import ASKS
from tests.cli.conftest import Dispo


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


_SETS = [{"sku": f"SET-{n}", "stock": 5, "variants": [{"sku": f"S-{n}", "stock": n}]} for n in range(9)]


def test_products_and_variants_that_could_both_be_items_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "stock.json"
    path.write_text(json.dumps(_SETS))

    code, output = _guess(path, "--json")
    found = json.loads(output)
    assert (code, found["ready"]) == (ASKS, False)
    assert [question["field"] for question in found["questions"]] == ["rows"]
    assert found["variants"] == {"path": "variants", "products": 9, "variants": 9, "read_as": None}

    code, output = _guess(path, "--json", "--variants-path", "variants")
    found = json.loads(output)
    assert (code, found["ready"], found["variants"]["read_as"]) == (0, True, "variant")
    assert found["mapping"] == {"sku": "variants.sku", "quantity": "variants.stock"}


def test_what_a_row_is_is_shown_and_chosen_for_a_supplier(
    dispo: Dispo, merchant: int, tmp_path: Path
) -> None:
    path = tmp_path / "stock.json"
    path.write_text(json.dumps(_SETS))
    source = str(dispo("supplier", "connect", "upload", "Nord", "--json").json["supplier"])
    asked = dispo("supplier", "upload", source, str(path))
    assert (asked.code, "say once whether a row is a product or a variant" in asked.out) == (1, True)

    shown = dispo("mapping", "rows", source, "--json").json
    assert (shown["chosen"], shown["read_as"]) == (None, None)
    assert [("product", 9), ("variant", 9)] == [(one["each"], one["rows"]) for one in shown["rows"]]
    assert "Nothing is read before you choose" in dispo("mapping", "rows", source).out

    assert dispo("mapping", "rows", source, "--each", "variant", "--json").json["chosen"] == "variant"
    assert "applied" in dispo("supplier", "upload", source, str(path)).out
    assert dispo("mapping", "rows", "99").code == 1
