"""Every kind of glitch of the corpus against a supplier with ten ordinary days behind him."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from benchmarks.glitches import GLITCHES, broken
from benchmarks.guard_corpus import Reader
from benchmarks.wholesalers import HEADER, File, Kind
from connector.intake.trial import Trial
from connector.ports.errors import FileFault

READ_RIGHTLY = {"mixed_line_ends", "thousands"}
"""These do no harm: what is read is what was meant, or is refused row by row."""
UNSEEN = {("wrong_encoding", "question"), ("stale_file", "1 days")}
"""Names with “?” change no number, and the last file again changes nothing."""


def _days() -> list[File]:
    dice = random.Random(3)
    stock = {f"G-{n:04d}": round(dice.lognormvariate(4, 1)) for n in range(150)}
    prices = {sku: f"{dice.uniform(1, 90):.2f}" for sku in stock}
    days = []
    for number in range(11):
        for sku in stock:
            if dice.random() < 0.25:
                stock[sku] = max(0, stock[sku] - dice.randrange(1, 6)) or dice.choice((0, 60))
        rows = [
            [sku, f"Café {sku}", str(units), prices[sku], "6", ""] for sku, units in sorted(stock.items())
        ]
        days.append(File(Kind("test", 150), date(2026, 3, 2) + timedelta(days=number), HEADER, rows))
    return days


@pytest.fixture(scope="module")
def supplier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, list[File], Reader]:
    read = Reader(Path(tmp_path_factory.mktemp("glitches")))
    trial, days = Trial(), _days()
    for day in days[:-1]:
        look = trial.look(read(day.write(), day.name), day.at)
        assert () == look.verdict.file
        trial.accept(look)
    return trial, days, read


@pytest.mark.parametrize("kind", sorted(GLITCHES))
def test_a_glitch_is_held_or_refused_unless_it_does_no_harm(
    kind: str, supplier: tuple[Trial, list[File], Reader]
) -> None:
    trial, days, read = supplier
    taken = []
    for way in GLITCHES[kind]:
        content = broken(kind, way, days[-1], days[:-1], 1)
        assert content == broken(kind, way, days[-1], days[:-1], 1), "the same seed gives the same file"
        try:
            look = trial.look(read(content, "broken.csv"), days[-1].at)
        except FileFault:
            continue
        if not look.verdict.file and (kind, way) not in UNSEEN:
            taken.append(way)

    assert (sorted(GLITCHES[kind]) if kind == "mixed_line_ends" else []) == [
        way for way in taken if kind not in READ_RIGHTLY or kind == "mixed_line_ends"
    ]


def test_the_day_itself_is_taken(supplier: tuple[Trial, list[File], Reader]) -> None:
    trial, days, read = supplier

    verdict = trial.look(read(days[-1].write(), days[-1].name), days[-1].at).verdict

    assert ((), False) == (verdict.file, bool(verdict.rows.any()))
