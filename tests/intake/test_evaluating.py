"""Judging a folder of daily files: order, side files, what counts as caught, harmless or held for nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from connector.intake.evaluating import evaluate, read_side, summary
from connector.ports.errors import Misconfigured


def _rows(day: int, rows: int = 120) -> list[list[str]]:
    return [[f"A-{n}", f"Thing {n}", str(20 + n % 9 + (day if n % 8 == day % 8 else 0))] for n in range(rows)]


def _csv(rows: list[list[str]], end: str = "\n") -> bytes:
    return (end.join(",".join(row) for row in [["SKU", "Name", "Stock"], *rows]) + end).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve ordinary days, among them four glitches."""
    for day in range(12):
        (tmp_path / f"day-{day + 1}.csv").write_bytes(_csv(_rows(day)))
    (tmp_path / "day-7.csv").write_bytes(_csv(_rows(6)[:60]))
    (tmp_path / "day-8.csv").write_bytes(_csv([[a, b, str(int(c) * 12)] for a, b, c in _rows(7)]))
    (tmp_path / "day-9.csv").write_bytes(b"<!doctype html><html><body>Sorry</body></html>")
    (tmp_path / "day-10.csv").write_bytes(_csv(_rows(9), "\r\n"))
    return tmp_path


GLITCHES = {"day-7.csv": "missing", "day-8.csv": "unit", "day-9.csv": "html", "day-10.csv": "line_ends"}


def test_days_are_judged_in_their_natural_order_without_a_side_file(folder: Path) -> None:
    (days,) = evaluate(folder)

    assert [f"day-{n + 1}.csv" for n in range(12)] == [day.file for day in days]
    assert ["first", *["accepted"] * 5, "held", "held", "rejected", *["accepted"] * 3] == [
        day.verdict for day in days
    ]
    assert ["rows_vanished"] == days[6].codes
    assert ["unit_change", "wild_change"] == days[7].codes
    assert {""} == {day.outcome for day in days}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("glitches.csv", "file,glitch\n" + "\n".join(f"{k},{v}" for k, v in GLITCHES.items())),
        ("labels.csv", "\n".join(f"{k};{v}" for k, v in GLITCHES.items())),
        ("glitches.json", json.dumps(GLITCHES)),
        ("side.json", json.dumps([{"name": k, "label": v} for k, v in GLITCHES.items()])),
        (
            "manifest.json",
            json.dumps({"seed": 1, "days": [{"file": k, "kind": v} for k, v in GLITCHES.items()]}),
        ),
        ("truth.json", json.dumps({"glitches": GLITCHES})),
        ("labels.jsonl", "\n".join(json.dumps({"file": k, "glitch": v}) for k, v in GLITCHES.items())),
        ("glitches.txt", "\n".join(f"{k} {v}" for k, v in GLITCHES.items())),
    ],
)
def test_a_side_file_is_found_in_any_simple_shape(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")

    told = summary(evaluate(folder)[0])

    assert {"days": 4, "held": 3, "harmless": 1, "missed": 0, "held_share": 1.0} == told["glitches"]
    assert {"days": 7, "false_holds": 0, "false_share": 0.0} == told["normal"]
    assert ["html", "line_ends", "missing", "unit"] == sorted(told["by_kind"])


def test_an_ordinary_day_that_waits_is_counted_once_and_then_approved(folder: Path) -> None:
    side = folder / "answers.json"
    side.write_text(json.dumps({**GLITCHES, "day-7.csv": "normal"}), encoding="utf-8")

    (days,) = evaluate(folder, side)

    assert ["day-7.csv"] == [day.file for day in days if day.outcome == "false_hold"]
    assert "right" == days[10].outcome


def test_a_glitch_that_is_taken_is_missed_and_undone(folder: Path) -> None:
    """Forty items a little higher than they were and will be look like any other day."""
    rows = _rows(10)
    for n in range(10, 50):
        rows[n][2] = "31"
    (folder / "day-11.csv").write_bytes(_csv(rows))
    (folder / "side.json").write_text(json.dumps({**GLITCHES, "day-11.csv": "noise"}), encoding="utf-8")

    (days,) = evaluate(folder)

    assert ("accepted", "missed") == (days[10].verdict, days[10].outcome)
    assert ("accepted", "right") == (days[11].verdict, days[11].outcome)


def test_folders_are_suppliers_unless_each_holds_one_day(tmp_path: Path) -> None:
    for name in ("acme", "bolt"):
        (tmp_path / name).mkdir()
        for day in range(3):
            (tmp_path / name / f"2026-03-0{day + 1}.csv.gz").write_bytes(gzip.compress(_csv(_rows(day))))
    assert [3, 3] == [len(days) for days in evaluate(tmp_path)]

    for day in range(3):
        (tmp_path / "dated" / f"2026-03-0{day + 1}").mkdir(parents=True)
        (tmp_path / "dated" / f"2026-03-0{day + 1}" / "stock.csv").write_bytes(_csv(_rows(day)))
    (days,) = evaluate(tmp_path / "dated")
    assert ["first", "accepted", "accepted"] == [day.verdict for day in days]


def test_what_cannot_be_judged_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="There is no file in it"):
        evaluate(tmp_path)
    (tmp_path / "side.json").write_text("{broken", encoding="utf-8")
    with pytest.raises(Misconfigured, match="no valid JSON"):
        read_side(tmp_path / "side.json")
    (tmp_path / "side.csv").write_text("\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match="No file names"):
        read_side(tmp_path / "side.csv")
