"""How many columns of strangers' files the guess gets right: `python -m benchmarks.mapping_guess [tuning|blind|-v]`.

Every header set is written as a file, opened by the real file reader and guessed. A column is right when its
field is the true one, or when it is truly none of ours and is left alone. A field that is guessed below the
threshold counts as it was proposed; `asked_share` says how many columns a merchant would be asked about, and
`sure_and_wrong` how many would have been used without asking although they are wrong. One JSON line.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.blind_sets import read_blind
from benchmarks.header_sets import DATA, HeaderSet, read_sets
from connector.intake.guessing import SURE, Column
from connector.intake.judging import judge_file

AIM = 0.95


class Answer(NamedTuple):
    """One column: what it is ("price/" where a price and none of ours are both defensible), and what was
    guessed."""

    of: HeaderSet
    truth: str
    found: Column

    @property
    def is_right(self) -> bool:
        return self.found.field in self.truth.split("/")


def judge_set(one: HeaderSet, directory: Path) -> list[Answer]:
    """Write the file, read it as a supplier's, and guess each of its columns."""
    columns = judge_file(one.write(directory)).columns
    if len(columns) != len(one.fields):
        raise ValueError(f"{one.name}: {len(columns)} columns were read of {len(one.fields)}.")
    return [Answer(one, truth, found) for truth, found in zip(one.fields, columns, strict=True)]


def measure(sets: Iterable[HeaderSet]) -> list[Answer]:
    """The answers for every set."""
    with tempfile.TemporaryDirectory(prefix="dispo-bench-") as name:
        return [answer for one in sets for answer in judge_set(one, Path(name))]


def summary(answers: list[Answer], corpus: str) -> dict[str, object]:
    """The figures of one corpus. Calibration: confidence bucket → (columns, share right) of those guessed."""
    right = sum(answer.is_right for answer in answers)
    mapped = [answer for answer in answers if answer.found.field]
    sure = [answer for answer in mapped if answer.found.confidence >= SURE]
    per_language: dict[str, list[bool]] = {}
    for answer in answers:
        per_language.setdefault(answer.of.language, []).append(answer.is_right)
    buckets = Counter(_bucket(answer.found.confidence) for answer in mapped)
    hits = Counter(_bucket(answer.found.confidence) for answer in mapped if answer.is_right)
    needed = {"sku", "gtin", "supplier_sku", "quantity"}
    whole = list(dict.fromkeys(a.of.name for a in answers))
    ready = sum(
        all(a.is_right for a in answers if a.of.name == name and {a.truth, a.found.field} & needed)
        for name in whole
    )
    return {
        "name": "mapping_guess",
        "corpus": corpus,
        "sets": len(whole),
        "columns": len(answers),
        "columns_right": round(right / len(answers), 4),
        "aim": AIM,
        "ok": right / len(answers) >= AIM,
        "sure_and_wrong": round(sum(not a.is_right for a in sure) / max(1, len(sure)), 4),
        "asked_share": round(sum(a.found.is_asked for a in answers) / len(answers), 4),
        "files_with_keys_and_quantity_right": round(ready / len(whole), 4),
        "per_language": {k: round(sum(v) / len(v), 3) for k, v in sorted(per_language.items())},
        "calibration": {b: [n, round(hits[b] / n, 3)] for b, n in sorted(buckets.items())},
    }


def _bucket(confidence: float) -> str:
    edges = (0.5, 0.7, 0.8, 0.9, 0.95)
    low = max((edge for edge in edges if confidence >= edge), default=0.0)
    return f"from {low:.2f}"


def main(arguments: list[str]) -> None:
    """Print the figures of the sets kept apart, or of the named ones; with -v also what was wrong."""
    corpus = "tuning" if "tuning" in arguments else "heldout"
    if "blind" in arguments:
        corpus = "blind"
    answers = (
        measure(read_blind()) if corpus == "blind" else measure(read_sets(DATA / f"mapping_{corpus}.txt"))
    )
    if "-v" in arguments:
        for a in answers:
            if not a.is_right:
                print(
                    f"{a.of.name}: {a.found.column!r} is {a.truth or 'none'}, guessed {a.found.field or 'none'}"
                    f" ({a.found.confidence}) {a.found.candidates}",
                    file=sys.stderr,
                )
    print(json.dumps(summary(answers, corpus)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
