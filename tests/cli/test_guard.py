"""dispo guard evaluate: a folder judged without a database."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from connector.cli import cli


def _folder(tmp_path: Path) -> Path:
    for day in range(6):
        rows = "".join(f"A-{n},{10 + n + (day if n < 4 else 0)}\n" for n in range(60 if day != 4 else 20))
        (tmp_path / f"2026-03-0{day + 1}.csv").write_text(f"SKU,Stock\n{rows}", encoding="utf-8")
    (tmp_path / "glitches.csv").write_text("file,glitch\n2026-03-05.csv,half\n", encoding="utf-8")
    return tmp_path


def test_a_folder_is_judged_as_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["guard", "evaluate", str(_folder(tmp_path)), "--json"])

    told = json.loads(result.output)
    assert 0 == result.exit_code
    assert {"days": 1, "held": 1, "harmless": 0, "missed": 0, "held_share": 1.0} == told["summary"][
        "by_kind"
    ]["half"]
    assert ["2026-03-05.csv"] == [day["file"] for day in told["days"] if day["verdict"] == "held"]


def test_a_folder_is_judged_in_words(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["guard", "evaluate", str(_folder(tmp_path))])

    assert "The file has 20 rows where the last one had 60 (33 %)." in result.output
    assert (
        "1 of 1 harmful glitches were held (100.0 %), 0 did no harm; 0 of 4 ordinary days were held"
        in result.output
    )


def test_a_folder_without_files_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["guard", "evaluate", str(tmp_path)])

    assert 1 == result.exit_code
    assert "Put one file for each day into the folder." in result.output
