"""Broken stock files made from ordinary ones, seeded: what suppliers send by accident.

A glitch takes the day's file, the files of the days before (newest last) and dice, and gives the bytes that
arrive. `GLITCHES` names them with the ways they come in; `broken` makes one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks.wholesalers import PACK, PRICE, QUANTITY, File

Glitch = Callable[[File, Sequence[File], random.Random], bytes]

_HTML = (
    "<!doctype html><html><head><title>503 Service Unavailable</title></head><body><h1>Service unavailable</h1>"
    "<p>The server is under maintenance.</p></body></html>"
)


def _truncated(share: float, at_line: bool, day: File, _: Sequence[File], dice: random.Random) -> bytes:
    content = day.write()
    end = round(len(content) * share) - dice.randrange(0, 20)
    if at_line:
        end = content.rfind(b"\n", 0, end) + 1 or end
    return content[: max(end, 1)]


def _rows(share: float, part: str, rows: int, dice: random.Random) -> set[int]:
    """The numbers of the rows that are broken: all, a block of them, or here and there."""
    if share >= 1:
        return set(range(rows))
    if part == "block":
        start = dice.randrange(0, max(1, round(rows * (1 - share))))
        return set(range(start, start + round(rows * share)))
    return {row for row in range(rows) if dice.random() < share}


def _each(
    change: Callable[[list[str], random.Random], list[str]],
    share: float,
    part: str,
    day: File,
    _: Sequence[File],
    dice: random.Random,
) -> bytes:
    which = _rows(share, part, len(day.rows), dice)
    return day.with_rows(
        [change(list(row), dice) if n in which else row for n, row in enumerate(day.rows)]
    ).write()


def _set(cell: int, value: Callable[[list[str]], str]) -> Callable[[list[str], random.Random], list[str]]:
    def change(row: list[str], _: random.Random) -> list[str]:
        row[cell] = value(row)
        return row

    return change


def _shift(row: list[str], _: random.Random) -> list[str]:
    return ["", *row[:-1]]


def _unshift(row: list[str], _: random.Random) -> list[str]:
    return [*row[1:], ""]


def _insert(row: list[str], _: random.Random) -> list[str]:
    return [row[0], "", *row[1:-1]]


def _drop_name(row: list[str], _: random.Random) -> list[str]:
    return [row[0], *row[2:], ""]


def _times(factor: float) -> Callable[[list[str]], str]:
    def change(row: list[str]) -> str:
        text = row[QUANTITY]
        return str(int(int(text) * factor)) if text.isdigit() else text

    return change


def _missing(share: float, part: str, day: File, _: Sequence[File], dice: random.Random) -> bytes:
    which = _rows(share, part, len(day.rows), dice)
    return day.with_rows([row for n, row in enumerate(day.rows) if n not in which]).write()


def _twice(share: float, day: File, before: Sequence[File], dice: random.Random) -> bytes:
    """Two exports appended: the second has the numbers of another warehouse."""
    which = _rows(share, "block", len(day.rows), dice)
    again = []
    for n in sorted(which):
        row = list(day.rows[n])
        if row[QUANTITY].isdigit():
            row[QUANTITY] = str(max(0, int(row[QUANTITY]) + dice.choice((-7, 3, 11, 40))))
        again.append(row)
    return day.with_rows([*day.rows, *again]).write()


def _encoded(how: str, day: File, _: Sequence[File], __: random.Random) -> bytes:
    content = day.write()
    text = content.decode("cp1252" if day.kind.style == "words" else "utf-8")
    if how == "twice":
        return text.encode().decode("latin-1").encode()
    if how == "question":
        return text.encode("ascii", "replace")
    return text.encode("ascii", "replace").replace(b"?", "\ufffd".encode())


def _stale(days: int, day: File, before: Sequence[File], _: random.Random) -> bytes:
    return before[-min(days, len(before))].write()


def _page(_: File, __: Sequence[File], ___: random.Random) -> bytes:
    return _HTML.encode()


def _line_ends(day: File, _: Sequence[File], dice: random.Random) -> bytes:
    lines = day.write().replace(b"\r\n", b"\n").split(b"\n")
    return b"".join(line + dice.choice((b"\r\n", b"\n", b"\n", b"\r")) for line in lines if line)


def _thousands(sign: str, day: File, before: Sequence[File], dice: random.Random) -> bytes:
    """Quantities grouped by `sign`. What is below 1,000 stays as it is."""

    def grouped(row: list[str]) -> str:
        text = row[QUANTITY]
        return f"{int(text):,}".replace(",", sign) if text.isdigit() else text

    return _each(_set(QUANTITY, grouped), 1, "all", day, before, dice)


def _decimals(sign: str, places: int, day: File, before: Sequence[File], dice: random.Random) -> bytes:
    def written(row: list[str]) -> str:
        text = row[QUANTITY]
        return f"{text}{sign}{'0' * places}" if text.isdigit() else text

    return _each(_set(QUANTITY, written), 1, "all", day, before, dice)


def _only_header(day: File, _: Sequence[File], __: random.Random) -> bytes:
    return day.with_rows([]).write()


_ZERO = _set(QUANTITY, lambda row: "rupture" if ">" in row[QUANTITY] or not row[QUANTITY].isdigit() else "0")
_COST = _set(QUANTITY, lambda row: row[PRICE])
_PACK = _set(QUANTITY, lambda row: row[PACK])

GLITCHES: Mapping[str, Mapping[str, Glitch]] = {
    "truncated": {
        **{f"{s:.0%}": partial(_truncated, s, False) for s in (0.3, 0.5, 0.7, 0.85, 0.95)},
        **{f"{s:.0%} at a line end": partial(_truncated, s, True) for s in (0.3, 0.6, 0.8, 0.95)},
    },
    "shifted_column": {
        "an empty cell before": partial(_each, _shift, 1, "all"),
        "first cell lost": partial(_each, _unshift, 1, "all"),
        "a cell before the name": partial(_each, _insert, 1, "all"),
        "the name lost": partial(_each, _drop_name, 1, "all"),
        "the name lost in half": partial(_each, _drop_name, 0.5, "block"),
        "pack size for stock": partial(_each, _PACK, 1, "all"),
    },
    "all_zero": {
        "all": partial(_each, _ZERO, 1, "all"),
        "half": partial(_each, _ZERO, 0.5, "block"),
        "here and there": partial(_each, _ZERO, 0.3, "random"),
    },
    "unit": {
        **{f"×{f}": partial(_each, _set(QUANTITY, _times(f)), 1, "all") for f in (12, 6, 10, 100)},
        **{f"÷{f}": partial(_each, _set(QUANTITY, _times(1 / f)), 1, "all") for f in (6, 10, 12)},
        "×12 in half": partial(_each, _set(QUANTITY, _times(12)), 0.5, "block"),
        "×6 in a third": partial(_each, _set(QUANTITY, _times(6)), 0.33, "random"),
        "÷10 in half": partial(_each, _set(QUANTITY, _times(0.1)), 0.5, "block"),
    },
    "duplicate_rows": {f"{s:.0%}": partial(_twice, s) for s in (0.2, 0.5, 1.0)},
    "wrong_encoding": {how: partial(_encoded, how) for how in ("twice", "question", "replaced")},
    "stale_file": {f"{n} days": partial(_stale, n) for n in (1, 2, 4, 10)},
    "missing_skus": {
        **{f"{s:.0%}": partial(_missing, s, "random") for s in (0.15, 0.3, 0.5, 0.7)},
        **{f"{s:.0%} in a row": partial(_missing, s, "block") for s in (0.2, 0.5)},
    },
    "price_in_quantity": {
        "all": partial(_each, _COST, 1, "all"),
        "half": partial(_each, _COST, 0.5, "block"),
    },
    "html_page": {"503": _page},
    "empty": {"header only": _only_header},
    "mixed_line_ends": {"all kinds": _line_ends},
    "thousands": {
        **{f"“{s}”": partial(_thousands, s) for s in (",", ".", "'", "\u00a0")},
        "decimals “.000”": partial(_decimals, ".", 3),
        "decimals “,000”": partial(_decimals, ",", 3),
        "decimals “,0”": partial(_decimals, ",", 1),
    },
}


def broken(kind: str, way: str, day: File, before: Sequence[File], seed: int) -> bytes:
    """The bytes that arrive instead of `day`; the same for the same arguments. KeyError for an unknown kind."""
    return GLITCHES[kind][way](day, before, random.Random(f"{kind}:{way}:{day.on}:{seed}"))
